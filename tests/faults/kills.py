"""Whole processes are killed at any moment, and the same command ends in the same files.

python -m tests.faults.kills [--tries N] [--command NAME] [--seed N]

Commands are killed (SIGKILL, which no process hears of) after a random time, again and again, until
they end by themselves:

    build     a set with the shipped generator
    evaluate  what a set is worth, by the classifiers that users have
    verdict   a set beside own digits and what it is worth to them; it takes minutes each time, and
              is killed only if it is named

What is published after a kill is verified. At the end the files are compared with those of one
that nobody disturbed; of evaluations all that does not tell the time. Nothing may be written to the
home folder or the current one.
"""

import argparse
import itertools
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from tqdm import tqdm

from synthgen.errors import SynthgenError
from synthgen.shards.load import load
from synthgen.shards.verify import verify
from tests.faults.jobs import MANIFEST, files_of
from tests.faults.lanes import HEADER, Tally, peak_mib

KILLED = -signal.SIGKILL
# What Keras and matplotlib write to the home folder of whoever loads them for the first time.
OF_LIBRARIES = (".keras/keras.json", ".cache/matplotlib/*")
TIMES = ("created", "seconds")  # begin the names of what each evaluation measures anew
SET = ("build", "--name", "tiny", "--formats", "hdf5", "--root", "{root}")
CHEAP = ("--seeds", "2", "--arms", "real,real_synthetic", "--sample", "300", "--resamplings", "10")


def figures_of(root: Path) -> dict[str, object]:
    """Returns what an evaluation came to, and the names of all files."""
    found: dict[str, object] = {
        path.name: without_times(json.loads(path.read_bytes()))
        for path in sorted(root.glob("data/tiny/evaluation/*.json"))
    }
    names = [str(path.relative_to(root)) for path in root.rglob("*") if path.is_file()]
    return found | {"files": sorted(names)}


def without_times(plain: Any) -> Any:
    """Returns JSON without the times in it."""
    if isinstance(plain, list):
        return [without_times(value) for value in plain]
    if not isinstance(plain, dict):
        return plain
    return {
        name: without_times(value) for name, value in plain.items() if not name.startswith(TIMES)
    }


@dataclass(frozen=True, kw_only=True)
class Command:
    """A command of `synthgen` that is killed.

    Args:
        name: in a word.
        arguments: with {root}, and {data} for a folder with real.npz and own.npz.
        before: the arguments of a command that makes what is there; none for nothing.
        finished: returns what must be there at its end.
        is_long: whether it is left out where all are asked for.
    """

    name: str
    arguments: tuple[str, ...]
    before: tuple[str, ...] = ()
    finished: Callable[[Path], object] = figures_of
    is_long: bool = False


COMMANDS = (
    Command(
        name="build",
        arguments=(*SET, "--per-class", "300", "--shard-size", "500", "--no-evaluate"),
        finished=files_of,
    ),
    Command(
        name="evaluate",
        arguments=(
            *("evaluate", f"{{root}}/{MANIFEST}", "--data", "{data}/real.npz", "--fit", "none"),
            *CHEAP,
        ),
        before=(*SET, "--per-class", "50", "--no-evaluate"),
    ),
    Command(
        name="verdict",
        arguments=(*SET, "--per-class", "50", "--data", "{data}/own.npz", "--fit", "none"),
        is_long=True,
    ),
)


@dataclass(frozen=True, kw_only=True)
class Whole:
    """A command that nobody disturbed.

    Args:
        command: the command.
        before: a folder with what is there before it; None for nothing.
        finished: what is there after it.
        seconds: that it takes.
    """

    command: Command
    before: Path | None
    finished: object
    seconds: float


def run_command(
    arguments: tuple[str, ...], root: Path, data: Path, seconds: float | None = None
) -> tuple[int, bool]:
    """Runs a command.

    Args:
        arguments: with {root} and {data}.
        root: of sets.
        data: the folder with real digits.
        seconds: after which it is killed, if it has not ended; None for never.

    Returns:
        Its exit code, which is negative where it was killed, and whether it wrote a traceback.
    """
    elsewhere = data.parent / "elsewhere"
    elsewhere.mkdir(exist_ok=True)
    words = [word.format(root=root, data=data) for word in arguments]
    with tempfile.TemporaryFile() as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "synthgen", *words],
            stdout=output,
            stderr=output,
            cwd=elsewhere,
            env=os.environ | {"HOME": str(elsewhere), "TF_CPP_MIN_LOG_LEVEL": "3"},
        )
        try:
            code = process.wait(seconds)
        except subprocess.TimeoutExpired:
            process.send_signal(signal.SIGKILL)
            code = process.wait()
        output.seek(0)
        return code, b"Traceback" in output.read()


def make_data(data: Path) -> None:
    """Makes real digits: those that the shipped generator draws with another seed."""
    arguments = ("build", "--per-class", "200", "--seed", "1", "--no-evaluate", "--root", "{root}")
    run_command(arguments, data, data)
    drawn = load(str(data / "manifests/digits.csv"))
    np.savez(data / "real.npz", images=drawn.images, labels=drawn.labels)
    np.savez(data / "own.npz", images=drawn.images[:30], labels=drawn.labels[:30])


def run_whole(command: Command, root: Path, data: Path) -> Whole:
    """Runs a command that nobody disturbs, and what comes before it.

    Raises:
        RuntimeError: if it fails.
    """
    before = None
    if command.before:
        run_command(command.before, root, data)
        before = Path(shutil.copytree(root, f"{root}-before"))
    began = time.perf_counter()
    code, _ = run_command(command.arguments, root, data)
    if code:
        raise RuntimeError(f"{command.name} ended with exit code {code}, which nobody killed.")
    seconds = time.perf_counter() - began
    return Whole(command=command, before=before, finished=command.finished(root), seconds=seconds)


def kill_until_done(whole: Whole, root: Path, data: Path, shares: Iterator[float]) -> Tally:
    """Kills a command again and again until it ends by itself.

    Args:
        whole: how it ends if nobody does.
        root: an empty place.
        data: the folder with real digits.
        shares: of the seconds that it takes, after which it is killed; then it runs to its end.
    """
    arguments = whole.command.arguments
    if whole.before is not None:
        shutil.copytree(whole.before, root)
    kills = 0
    wrong = 0
    tracebacks = 0
    code = KILLED
    for seconds in itertools.chain((share * whole.seconds for share in shares), [None]):
        code, has_traceback = run_command(arguments, root, data, seconds)
        kills += code == KILLED
        wrong += bool(problem_of(root))
        tracebacks += has_traceback
        if code != KILLED:
            break
    return Tally(
        tried=kills,
        lost=int(code != 0 or whole.command.finished(root) != whole.finished),
        wrong=wrong,
        tracebacks=tracebacks,
        mib=peak_mib(of_children=True),
    )


def problem_of(root: Path) -> str:
    """Returns what is not true of the set, if one is published."""
    if not (root / MANIFEST).exists():
        return ""
    try:
        problems = verify(str(root / MANIFEST), progress=False).problems
    except SynthgenError as error:
        return str(error)
    return next(iter(problems), "")


def main() -> int:
    """Kills commands, prints a table, and returns the exit code."""
    names = [command.name for command in COMMANDS]
    parser = argparse.ArgumentParser(prog="python -m tests.faults.kills")
    parser.add_argument("--tries", type=int, default=20, help="kills of each command")
    parser.add_argument("--command", choices=names, help="this one only")
    parser.add_argument("--seed", type=int, default=0)
    asked = parser.parse_args()
    chosen = [
        command
        for command in COMMANDS
        if (command.name == asked.command if asked.command else not command.is_long)
    ]
    choose = random.Random(asked.seed)
    total = Tally()
    print(HEADER, flush=True)
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        data = place / "data"
        data.mkdir()
        make_data(data)
        for command in chosen:
            whole = run_whole(command, place / command.name, data)
            tally = Tally()
            bar = tqdm(total=asked.tries, desc=command.name, unit=" kills", disable=None)
            while tally.tried < asked.tries:
                left = asked.tries - tally.tried
                shares = (choose.uniform(0.2, 1.1) for _ in range(left))
                with tempfile.TemporaryDirectory(dir=place) as root:
                    found = kill_until_done(whole, Path(root, "sets"), data, shares)
                tally = tally.plus(found)
                bar.update(found.tried)
            bar.close()
            print(tally.row(f"killed: {command.name}"), flush=True)
            total = total.plus(tally)
        left = [
            path
            for path in (place / "elsewhere").rglob("*")
            if path.is_file() and not any(path.match(pattern) for pattern in OF_LIBRARIES)
        ]
    total = total.plus(Tally(outside=len(left)))
    print(total.row(" ".join(["python -m tests.faults.kills", *sys.argv[1:]])))
    return int(not total.is_clean)


if __name__ == "__main__":
    sys.exit(main())
