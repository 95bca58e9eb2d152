"""Faults of every kind come to every job, and what was lost, wrong or untidy is counted.

python -m tests.faults [--all] [--training] [--job NAME] [--fault NAME] [--workers N]

A fault (the end of the process, a full disk, an I/O error, an interrupt, the same job begun a
second time) comes at a file operation of a job. Afterwards, what is published must be true, and the
same job done again must end in the same files as without the fault. Without --all, at every 23rd
operation. A row is printed as soon as it is done; --job and --fault take up what is left.
"""

import argparse
import sys
import time

from tests.faults.disk import FAULTS
from tests.faults.jobs import JOBS, TRAINING
from tests.faults.lanes import HEADER, Tally, do_all, peak_mib
from tests.faults.trials import Trial, try_faults

Task = tuple[str, str, int]  # job, fault, every so many-th operation


def try_task(task: Task) -> tuple[list[Trial], Tally]:
    """Tries a fault at the operations of a job."""
    name, fault, every = task
    jobs = [job for job in JOBS if job.name == name]
    trials = list(try_faults(jobs, [each for each in FAULTS if each == fault], every))
    return trials, Tally(
        tried=len(trials),
        lost=sum(trial.lost for trial in trials),
        wrong=sum(trial.wrong for trial in trials),
        outside=sum(trial.outside for trial in trials),
        tracebacks=sum(trial.traceback for trial in trials),
        mib=peak_mib(),
    )


def main() -> int:
    """Tries the faults, prints a table, and returns the exit code."""
    names = [job.name for job in JOBS]
    parser = argparse.ArgumentParser(prog="python -m tests.faults")
    parser.add_argument("--all", action="store_true", help="at every file operation")
    parser.add_argument("--training", action="store_true", help="trainings, too")
    parser.add_argument("--job", choices=names, help="this one only")
    parser.add_argument("--fault", choices=FAULTS, help="this one only")
    parser.add_argument("--workers", type=int, help="processes side by side; default: all cores")
    asked = parser.parse_args()
    if not (asked.training or asked.job):
        names.remove(TRAINING.name)
    tasks = [
        (name, fault, 1 if asked.all else 23)
        for name in names
        for fault in FAULTS
        if asked.job in (None, name) and asked.fault in (None, fault)
    ]
    command = " ".join(["python -m tests.faults", *sys.argv[1:]])

    began = time.perf_counter()
    total = Tally()
    print(HEADER, flush=True)
    try:
        for (name, fault, _), (trials, tally) in do_all(try_task, tasks, asked.workers):
            for trial in trials:
                if trial.words:
                    print(f"{trial.job}, {trial.fault} at operation {trial.at}: {trial.words}")
            print(tally.row(f"{name}, {fault}"), flush=True)
            total = total.plus(tally)
    except KeyboardInterrupt:
        command += " (interrupted)"
    print(total.row(command))
    print(f"{total.tried:,} faults in {time.perf_counter() - began:,.0f} s")
    return int(not total.is_clean)


if __name__ == "__main__":
    sys.exit(main())
