"""Whole processes are killed at any moment, and the same command ends in the same bytes.

python -m tests.faults.kills [--tries N] [--seed N]

`synthgen build` with the shipped generator is killed (SIGKILL, which no process hears of) after a
random time, again and again, until it ends by itself. Its files are then compared with those of a
build that nobody disturbed, and verified.
"""

import argparse
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from synthgen.shards.verify import verify
from tests.faults.jobs import files_of

BUILD = ("build", "--per-class", "300", "--shard-size", "500", "--no-evaluate", "--name", "tiny")
DONE = 0


def run_build(root: Path, seconds: float | None = None) -> int:
    """Builds; returns the exit code, which is negative where the process was killed.

    Args:
        root: where.
        seconds: after which it is killed, if it has not ended.
    """
    process = subprocess.Popen(
        [sys.executable, "-m", "synthgen", *BUILD, "--root", str(root)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        env=os.environ | {"TF_CPP_MIN_LOG_LEVEL": "3"},
    )
    try:
        return process.wait(seconds)
    except subprocess.TimeoutExpired:
        process.send_signal(signal.SIGKILL)
        return process.wait()


def main() -> int:
    """Kills builds, says what became of each, and returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m tests.faults.kills")
    parser.add_argument("--tries", type=int, default=20, help="kills")
    parser.add_argument("--seed", type=int, default=0)
    asked = parser.parse_args()
    choose = random.Random(asked.seed)
    with tempfile.TemporaryDirectory() as folder:
        whole = Path(folder, "whole")
        began = time.perf_counter()
        if run_build(whole) != DONE:
            print("The build that nobody disturbed failed.")
            return 1
        longest = time.perf_counter() - began
        expected = files_of(whole)

        kills = 0
        builds = 0
        wrong = 0
        while kills < asked.tries:
            root = Path(folder, f"killed-{builds}")
            code = -signal.SIGKILL
            while code == -signal.SIGKILL and kills < asked.tries:
                code = run_build(root, choose.uniform(0.2, 1.1) * longest)
                kills += code == -signal.SIGKILL
            if code == -signal.SIGKILL:
                code = run_build(root)
            builds += 1
            problems = verify(str(root / "manifests/tiny.csv"), progress=False).problems
            if code != DONE or files_of(root) != expected or problems:
                wrong += 1
                print(f"{root.name}: exit code {code}, {problems[:1] or 'other files'}")
        print(f"{kills} kills, {builds} builds, {wrong} of them not as without a kill")
    return int(wrong > 0)


if __name__ == "__main__":
    sys.exit(main())
