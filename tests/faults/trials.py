"""A trial: one job, one fault at one file operation, and whether all is right afterwards."""

import gc
import os
import shutil
import tempfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from unittest import mock

from synthgen import storage
from synthgen.errors import Interrupted, SynthgenError
from tests.faults.disk import FAULTS, Disk, Fault, Killed, attempt
from tests.faults.jobs import Job
from tests.faults.lanes import memory_disk

# What a job may end in, if it does not end well in spite of the fault.
ENDS: dict[Fault, tuple[type[BaseException], ...]] = {
    "kill": (Killed,),
    "full disk": (SynthgenError,),
    "I/O error": (SynthgenError,),
    "interrupt": (Interrupted, KeyboardInterrupt),
    "two at once": (SynthgenError,),
}


@dataclass(frozen=True)
class Trial:
    """What became of one fault.

    Args:
        job: its name.
        fault: which one.
        at: number of the file operation.
        lost: whether the same job done again does not end as it does without a fault.
        wrong: whether what was published after the fault was not true.
        outside: whether anything was written outside of the folder.
        traceback: whether the job ended outside the error tree.
        words: what is not right, in words; "" if all is.
    """

    job: str
    fault: Fault
    at: int
    lost: bool = False
    wrong: bool = False
    outside: bool = False
    traceback: bool = False
    words: str = ""


@dataclass(eq=False)
class Workplace:
    """A job with what is there before it, and what must be there after it.

    Args:
        job: the job.
        folder: an empty folder, for everything.
    """

    job: Job
    folder: Path

    def __post_init__(self) -> None:
        self.before = self.folder / "before"
        self.before.mkdir()
        self.job.before(self.before)
        undisturbed = self.copy()
        disk = Disk(str(undisturbed))
        raised = attempt(disk, lambda: self.job.run(undisturbed))
        assert raised is None, repr(raised)
        self.operations = disk.operations
        self.finished = self.job.finished(undisturbed)

    def copy(self) -> Path:
        """Returns a folder with what is there before the job, always under the same path."""
        root = self.folder / "root"
        shutil.rmtree(root, ignore_errors=True)
        return Path(shutil.copytree(self.before, root))

    def try_out(self, fault: Fault, at: int) -> Trial:
        """Lets the job meet a fault, looks at what is there, and does the job again."""
        root = self.copy()
        words = []
        ends: list[BaseException] = []

        def run_beside() -> None:
            try:
                (self.job.beside or self.job.run)(root)
            except SynthgenError:  # it is refused, as a rule
                pass
            except Exception as error:
                ends.append(error)

        disk = Disk(str(root), fault, at, run_beside)
        raised = attempt(disk, lambda: self.job.run(root))
        if raised is not None and not isinstance(raised, ENDS[fault]):
            ends.append(raised)
        words += [f"it ended in {end!r}" for end in ends]
        words += [f"it wrote {path}" for path in disk.outside[:3]]

        problem = ""
        try:
            problem = self.job.whole(root)
        except SynthgenError as error:
            problem = str(error)
        if problem:
            words.append(f"afterwards: {problem}")

        looking = attempt(Disk(str(root)), lambda: self.job.run(root))
        found: Any = None
        if looking is not None:
            words.append(f"done again, it ended in {looking!r}")
        else:
            found = self.job.finished(root)
            if found != self.finished:
                words.append(f"done again, it left {_difference(found, self.finished)}")
        return Trial(
            job=self.job.name,
            fault=fault,
            at=at,
            lost=found != self.finished,
            wrong=bool(problem),
            outside=bool(disk.outside),
            traceback=bool(ends),
            words="; ".join(words),
        )


def _difference(found: Any, expected: Any) -> str:
    """Returns what differs between two results, in some words."""
    if isinstance(found, dict) and isinstance(expected, dict):
        other = [name for name in found | expected if found.get(name) != expected.get(name)]
        return f"others of {', '.join(other[:5])}"
    return f"{str(found)[:300]} instead of {str(expected)[:300]}"


def try_faults(
    jobs: Iterable[Job], faults: Iterable[Fault] = FAULTS, every: int = 1, first: int = 0
) -> Iterator[Trial]:
    """Tries faults at the file operations of jobs.

    Args:
        jobs: the jobs.
        faults: what happens.
        every: at every so many-th operation.
        first: of these.
    """
    # Waiting for the whole disk, or for a lock, takes long and tells a trial nothing; what is in
    # memory by now needs no look when its garbage is collected.
    gc.freeze()
    with mock.patch.object(os, "sync"), mock.patch.object(storage, "LOCK_SECONDS", 0.01):
        for job in jobs:
            with tempfile.TemporaryDirectory(dir=memory_disk()) as folder:
                place = Workplace(job, Path(folder))
                for number, fault in enumerate(faults):
                    for at in range((first + number) % every, place.operations, every):
                        yield place.try_out(fault, at)
    gc.unfreeze()
