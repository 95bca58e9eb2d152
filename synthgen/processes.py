"""Work side by side on one machine: jobs in processes of their own, one thread of TensorFlow each.

Small networks gain little from a second thread: two processes of one thread train nearly twice as
fast as one process of two. And the last bits of a sum depend on how many threads share it: with one
each, a result depends neither on the number of processes nor on that of the cores.

A process of its own also gives its memory back: TensorFlow keeps some 20 MB of every network that
it has compiled until the process ends.
"""

import collections
import contextlib
import os
import signal
import subprocess
import sys
import threading
import traceback
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from multiprocessing import Pipe
from multiprocessing.connection import Connection, wait
from typing import Any, TypeVar

from threadpoolctl import threadpool_limits

from synthgen.errors import CheckFailed, Interrupted
from synthgen.signals import ENDING_SIGNALS, WARNING_SIGNALS

GRACE_SECONDS = 60  # in which a process that is told to stop may save the training that it is in
MEMORY_EACH = 2 * 1024**3  # bytes that a process with TensorFlow and its data may take

# Not multiprocessing's way to start a process: that imports the user's script again, and a script
# that builds a set need not know that processes are at work.
_WORKER = """
import sys
sys.path[:] = sys.argv[2:]
from synthgen.processes import work_for
work_for(int(sys.argv[1]))
"""

Job = TypeVar("Job")
Value = TypeVar("Value")


def has_gpu() -> bool:
    """Whether an NVIDIA driver is installed and its devices are not hidden."""
    hidden = os.environ.get("CUDA_VISIBLE_DEVICES") in ("", "-1")
    return os.path.exists("/proc/driver/nvidia") and not hidden


def core_count() -> int:
    """Return how many cores this process may use."""
    can_ask = hasattr(os, "sched_getaffinity")
    return len(os.sched_getaffinity(0)) if can_ask else os.cpu_count() or 1


@contextlib.contextmanager
def one_blas_thread() -> Iterator[None]:
    """Let NumPy compute each matrix product with one thread, in all of the process.

    The last bits of a product may depend on how many threads share it, and several small ones side
    by side are quicker.
    """
    with threadpool_limits(1, "blas"):
        yield


@contextlib.contextmanager
def interrupts_held() -> Iterator[Callable[[], None]]:
    """Hold back what signals do to this process until the block ends.

    An interrupt within a library that is not made for it is lost there, taken for another error, or
    leaves a complaint on standard error. Only the main thread hears of signals: in another one
    nothing is held back, and nothing needs to be.

    Yields:
        What lets those through that have come by now; a long block calls it where it may be left.
    """
    if threading.current_thread() is not threading.main_thread():
        yield lambda: None
        return
    handlers = {
        int(number): handler
        for number in (*ENDING_SIGNALS, *WARNING_SIGNALS)
        if callable(handler := signal.getsignal(number))
    }
    waiting: list[int] = []

    def let_through() -> None:
        while waiting:
            number = waiting.pop(0)
            handlers[number](number, None)

    try:
        for number in handlers:
            signal.signal(number, lambda received, _: waiting.append(received))
        yield let_through
    finally:
        for number, handler in handlers.items():
            signal.signal(number, handler)
        let_through()


def worker_count(asked: int = 0) -> int:
    """Return how many processes are to work side by side.

    Args:
        asked: as many as this; 0: as many as this process may use cores, but no more than the
            memory holds, and a single one where there is a GPU, which they would share.
    """
    if asked:
        return asked
    if has_gpu():
        return 1
    memory = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    return max(1, min(core_count(), memory // MEMORY_EACH))


def use_one_thread() -> None:
    """Let TensorFlow compute with one thread in this process, in which it has not begun yet.

    What is set in the environment for other programs does not count: the number of threads changes
    the last bits of results. A process with a GPU is left as it is.
    """
    if has_gpu():
        return
    os.environ["TF_NUM_INTRAOP_THREADS"] = "1"
    os.environ["TF_NUM_INTEROP_THREADS"] = "1"


@dataclass(eq=False)
class _Worker:
    """A process that is sent jobs.

    Args:
        process: the process; it ends when its standard input does.
        connection: jobs go through it, and what comes of them.
        jobs: how many it was sent.
    """

    process: "subprocess.Popen[bytes]"
    connection: "Connection[Any, Any]"
    jobs: int = 0

    def send(self, message: object) -> None:
        """Send a message; a process that is gone already is noticed when it is asked."""
        with contextlib.suppress(ConnectionError):
            self.connection.send(message)

    def stop(self) -> None:
        """Wait for the process to end, which has no job any more or was told to stop."""
        self.connection.close()
        try:
            self.process.wait(GRACE_SECONDS)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        assert self.process.stdin is not None
        self.process.stdin.close()


def run_side_by_side(
    function: Callable[[Job], Iterator[Value]],
    jobs: Sequence[Job],
    workers: int,
    *,
    jobs_each: int | None = None,
) -> Iterator[Value]:
    """Do jobs in processes of their own.

    A job that fails a check does not keep the others from running. The processes are stopped when
    nobody asks for more values, or when this process is gone.

    Args:
        function: yields what comes of a job; with the jobs and what it yields it can be pickled.
        jobs: in the order in which they are begun.
        workers: number of processes at a time; 0: the jobs are done here, one after the other.
        jobs_each: after how many jobs a process is replaced by a new one; None: never.

    Yields:
        What the function yields, as soon as it is there: the values of a job in their order, those
        of several jobs in between each other.

    Raises:
        Interrupted: if a process was killed. Any other error that ended one is raised here as it
            was.
        CheckFailed: at the end, if a job failed a check and no other did before it.
    """
    failed: list[CheckFailed] = []
    found = _done_here if workers == 0 else _done_elsewhere
    for value in found(function, jobs, workers, jobs_each):
        if isinstance(value, CheckFailed):
            failed.append(value)
        else:
            yield value
    if failed:
        raise failed[0]


def _done_here(
    function: Callable[[Job], Iterator[Value]], jobs: Sequence[Job], _: int, __: int | None
) -> Iterator[Value | CheckFailed]:
    """Does jobs one after the other; a check that fails is yielded."""
    for job in jobs:
        try:
            yield from function(job)
        except CheckFailed as error:
            yield error


def _done_elsewhere(
    function: Callable[[Job], Iterator[Value]],
    jobs: Sequence[Job],
    workers: int,
    jobs_each: int | None,
) -> Iterator[Value | CheckFailed]:
    """Does jobs in processes of their own; a check that fails is yielded."""
    waiting = collections.deque(jobs)
    running: dict[Any, _Worker] = {}
    try:
        while waiting or running:
            # New processes begin together, then each is sent its first job
            started: list[_Worker] = []
            while len(running) < workers and len(started) < len(waiting):
                worker = _start()
                running[worker.connection] = worker
                started.append(worker)
            for worker in started:
                worker.send(function)
                worker.send(waiting.popleft())
                worker.jobs = 1

            for connection in wait(list(running)):
                worker = running[connection]
                value = _receive(worker)
                if value is not None:
                    yield value
                is_failed = isinstance(value, CheckFailed)
                if value is not None and not is_failed:
                    continue
                # It has done its job: there may be another one for it
                if waiting and not is_failed and worker.jobs != jobs_each:
                    worker.send(waiting.popleft())
                    worker.jobs += 1
                    continue
                del running[connection]
                worker.stop()
    finally:
        for worker in running.values():
            worker.process.terminate()
        for worker in running.values():
            worker.stop()


def _start() -> _Worker:
    """Start a process that waits for a function and its jobs."""
    ours, theirs = Pipe()
    # Ctrl-C reaches all processes of a terminal: this one stops the others, which never see it
    mask = signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGINT])
    try:
        process = subprocess.Popen(
            [sys.executable, "-c", _WORKER, str(theirs.fileno()), *sys.path],
            stdin=subprocess.PIPE,
            pass_fds=[theirs.fileno()],
        )
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)
    theirs.close()  # the child's end is then the only one: it closes with the child
    return _Worker(process, ours)


def _receive(worker: _Worker) -> Any:
    """Return the next value of a process, or a check that failed in it; None: its job is done.

    Raises:
        Interrupted: if the process was killed. Any other error that ended it is raised as it was.
    """
    try:
        value = worker.connection.recv()
    except (EOFError, ConnectionError) as error:
        raise Interrupted(
            "A process that worked beside this one was killed. If that was for want of memory, "
            "free some, or let fewer work side by side (--workers)."
        ) from error
    if isinstance(value, BaseException) and not isinstance(value, CheckFailed):
        raise value
    return value


def work_for(descriptor: int) -> None:
    """Do jobs in the process that was made for them, until there are no more.

    Args:
        descriptor: of a connection. The function is received from it, then one job after the other.
            Each value is sent to it as soon as it is there, and None after the last one of a job;
            or the error that ended the process.
    """
    threading.Thread(target=_end_with_input, daemon=True).start()
    use_one_thread()
    connection: Connection[Any, Any] = Connection(descriptor)
    try:
        function = connection.recv()
        while True:
            for value in function(connection.recv()):
                connection.send(value)
            connection.send(None)
    except (EOFError, ConnectionError):  # there are no more jobs
        return
    except BaseException as error:
        error.add_note(traceback.format_exc())
        with contextlib.suppress(OSError):  # nobody is listening any more
            connection.send(error)


def _end_with_input() -> None:
    """End this process (a training between two steps) when its standard input does.

    Whoever started it is then gone, or wants no more of it. Two processes must not train the same
    generator.
    """
    while os.read(0, 1):
        pass
    os.kill(os.getpid(), signal.SIGTERM)
