"""Faults of every kind come to every job, and what was lost, wrong or untidy is counted.

python -m tests.faults [--all] [--training]

A fault (the end of the process, a full disk, an I/O error, an interrupt) comes at a file operation
of a job. Afterwards, what is published must be true, and the same job done again must end in the
same files as without the fault. Without --all, at every 23rd operation. Trainings take seconds
each.
"""

import argparse
import resource
import sys
from collections import defaultdict

from tests.faults.jobs import JOBS, TRAINING
from tests.faults.trials import Trial, timed, try_faults


def main() -> int:
    """Tries the faults, prints a table, and returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m tests.faults")
    parser.add_argument("--all", action="store_true", help="at every file operation")
    parser.add_argument("--training", action="store_true", help="trainings, too")
    parser.add_argument("--job", help="this one only")
    asked = parser.parse_args()
    jobs = [job for job in JOBS if asked.job in (None, job.name)]
    if not (asked.training or asked.job):
        jobs.remove(TRAINING)

    trials, seconds = timed(try_faults(jobs, every=1 if asked.all else 23))
    for trial in trials:
        if trial.words:
            print(f"{trial.job}, {trial.fault} at operation {trial.at}: {trial.words}")
    by_kind: dict[tuple[str, str], list[Trial]] = defaultdict(list)
    for trial in trials:
        by_kind[trial.job, trial.fault].append(trial)
    print("| job | fault | tried | lost | wrong | tracebacks |\n|---|---|--:|--:|--:|--:|")
    for (job, fault), own in by_kind.items():
        counts = [sum(getattr(trial, name) for trial in own) for name in ("lost", "wrong")]
        tracebacks = sum(trial.traceback for trial in own)
        print(f"| {job} | {fault} | {len(own)} | {counts[0]} | {counts[1]} | {tracebacks} |")
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(f"{len(trials):,} trials in {seconds:,.0f} s, peak memory {peak:,.0f} MiB")
    return int(any(trial.words for trial in trials))


if __name__ == "__main__":
    sys.exit(main())
