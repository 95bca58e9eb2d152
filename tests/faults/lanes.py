"""Tasks side by side, one process a core, and the row of docs/reliability.md that they end in."""

import multiprocessing
import os
import resource
import signal
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from typing import NamedTuple, TypeVar

Task = TypeVar("Task")
Result = TypeVar("Result")
IGNORE = (signal.SIGINT, signal.SIG_IGN)
HEADER = (
    "| command | tried | lost | wrong | outside the root | tracebacks | peak memory |\n"
    "|---|--:|--:|--:|--:|--:|--:|"
)


class Tally(NamedTuple):
    """What became of faults or attacks.

    Args:
        tried: how many.
        lost: after how many the job did not end as it does without a fault.
        wrong: after how many something untrue was published, or read without an end.
        outside: how many opened a file outside of the root.
        tracebacks: how many ended outside the error tree.
        mib: memory of the largest process.
    """

    tried: int = 0
    lost: int = 0
    wrong: int = 0
    outside: int = 0
    tracebacks: int = 0
    mib: float = 0.0

    def row(self, command: str) -> str:
        """Returns the row of the table."""
        numbers = " | ".join(f"{number:,}" for number in self[:-1])
        return f"| `{command}` | {numbers} | {self.mib:,.0f} MiB |"

    def plus(self, other: "Tally") -> "Tally":
        """Returns the sum of two."""
        sums = [own + its for own, its in zip(self[:-1], other[:-1], strict=True)]
        return Tally(*sums, mib=max(self.mib, other.mib))

    @property
    def is_clean(self) -> bool:
        """Whether nothing is wrong."""
        return not any(self[1:-1])


def do_all(
    call: Callable[[Task], Result], tasks: Sequence[Task], workers: int | None = None
) -> Iterator[tuple[Task, Result]]:
    """Does tasks side by side, in processes that are forked once.

    Args:
        call: what is done; a function of a module.
        tasks: what it is done with.
        workers: number of processes; None for one a core.

    Yields:
        Tasks and results, as they are done.
    """
    # Ctrl-C, or `kill -INT` of a command in the background, ends it with what was done so far
    signal.signal(signal.SIGINT, signal.default_int_handler)
    context = multiprocessing.get_context("fork")
    with ProcessPoolExecutor(
        workers or os.cpu_count(), mp_context=context, initializer=signal.signal, initargs=IGNORE
    ) as pool:
        futures = {pool.submit(call, task): task for task in tasks}
        try:
            for future in as_completed(futures):
                yield futures[future], future.result()
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise


def memory_disk() -> str | None:
    """Returns a folder in memory, where files are made and removed quickly; None without one."""
    return "/dev/shm" if os.path.isdir("/dev/shm") else None


def peak_mib(of_children: bool = False) -> float:
    """Returns the memory of this process at its largest, or of the largest of its children."""
    who = resource.RUSAGE_CHILDREN if of_children else resource.RUSAGE_SELF
    return resource.getrusage(who).ru_maxrss / 1024
