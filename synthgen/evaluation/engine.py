"""Running groups of cells: one after the other here, or side by side on a Ray cluster. Cells come back as they are finished.

A group gets a process of its own if its learner asks for one: TensorFlow keeps some 20 MB of every
network that it has compiled until the process ends, and a full benchmark compiles more than a
thousand.
"""

import contextlib
import multiprocessing
import os
import signal
import threading
import traceback
from collections.abc import Iterator, Sequence
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from typing import Any

from synthgen.errors import CheckFailed, Interrupted, SettingsError
from synthgen.evaluation.cells import Cell, Experiment, Task, run_group

FAILED = 1  # exit code of a Python that an exception ended
GRACE = 60  # seconds in which a process that is told to stop may save the training that it is in


def run_local(tasks: Sequence[Task], experiment: Experiment) -> Iterator[Cell]:
    """All missing cells, group by group. A group whose generator makes no digits does not keep the others from running.

    Raises:
        Interrupted: if the process of a group was stopped or killed.
        TrainingDiverged: at the end, if a generator could not be trained and no other failed before
            it.
        ScreeningExhausted: at the end, likewise, if one could not make a class.
    """
    run = _run_apart if experiment.judge.own_process else _run_task
    failed: list[CheckFailed] = []
    for task in tasks:
        try:
            yield from run(task, experiment)
        except CheckFailed as error:
            failed.append(error)
    if failed:
        raise failed[0]


def run_ray(tasks: Sequence[Task], experiment: Experiment) -> Iterator[Cell]:
    """All missing cells, each group on whichever worker of the Ray cluster is free, in the order in which they are finished.

    Ray is started on this machine unless there is a cluster to join (see Ray's `RAY_ADDRESS`).
    Every worker keeps the generators that it trains in its own cache folder.

    Raises:
        SettingsError: if Ray is not installed.
        Interrupted: if a worker was killed or lost.
        TrainingDiverged: if a generator cannot be trained.
        ScreeningExhausted: if one cannot make a class.
    """
    ray = import_ray()
    if not ray.is_initialized():
        ray.init(log_to_driver=False, include_dashboard=False)
    shared = ray.put(experiment)
    # a new process for each group
    worker = ray.remote(num_cpus=1, max_retries=0, max_calls=1)(_run_task)
    running = [worker.remote(task, shared) for task in tasks]
    try:
        while running:
            ready, running = ray.wait(running, num_returns=1, fetch_local=False)
            for stream in ready:
                cell = next(stream, None)
                if cell is not None:
                    running.append(stream)
                    yield ray.get(cell)
    except ray.exceptions.RayTaskError as error:  # what was raised in a worker, as it was
        raise error.cause from error
    except ray.exceptions.RayError as error:
        raise Interrupted(
            f"A worker of the Ray cluster was killed or lost ({type(error).__name__}). If that was for want of memory, free some."
        ) from error
    finally:
        for stream in running:
            ray.cancel(stream, force=True)


ENGINES = {"local": run_local, "ray": run_ray}


def import_ray() -> Any:
    """The Ray package.

    Raises:
        SettingsError: saying how to install it.
    """
    try:
        import ray
    except ImportError as error:
        raise SettingsError(
            "--engine ray: expected the Ray package, found none. Install it with: pip install 'ray>=2.40,<3'"
        ) from error
    return ray


def _run_task(task: Task, experiment: Experiment) -> Iterator[Cell]:
    yield from run_group(task, experiment)


def _run_apart(task: Task, experiment: Experiment) -> Iterator[Cell]:
    """The cells of a group from a new process, which is stopped when nobody asks for more."""
    # a fork of a process in which TensorFlow runs may hang
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    child = context.Process(target=_send_cells, args=(theirs,), daemon=True)
    child.start()
    theirs.close()  # the child's end is then the only one: it closes with the child
    try:
        # a child that is gone is told of when it does not answer
        with contextlib.suppress(ConnectionError):
            # not with `args`: whoever starts a process waits forever for one that ends before it
            # has read them
            ours.send((task, experiment))
        while (found := _receive(ours, child)) is not None:
            yield found
        child.join(GRACE)  # it has nothing left to do but to tidy up
    finally:
        child.terminate()
        child.join(GRACE)
        child.kill()


def _receive(connection: "Connection[Any, Any]", child: BaseProcess) -> Cell | None:
    """The next cell; None after the last one.

    Raises:
        Interrupted: if the process ended before its time; any other error that ended it as it was.
    """
    try:
        found = connection.recv()
    except (EOFError, ConnectionError) as error:
        child.join(GRACE)
        if child.exitcode == FAILED:
            raise Interrupted(
                "The process of a group of cells ended before it could begin. "
                "A script that runs a benchmark does so below `if __name__ == '__main__':`."
            ) from error
        raise Interrupted(
            "The process of a group of cells was killed. If that was for want of memory, free some."
        ) from error
    if isinstance(found, BaseException):
        raise found
    return found  # type: ignore[no-any-return]


def _send_cells(connection: "Connection[Any, Any]") -> None:
    """What the process of a group does: receive it, send each cell as soon as it is finished, then None; or the error that ended it."""
    threading.Thread(target=_stop_with_parent, daemon=True).start()
    try:
        for cell in _run_task(*connection.recv()):
            connection.send(cell)
        connection.send(None)
    except BaseException as error:
        error.add_note(traceback.format_exc())
        with contextlib.suppress(OSError):  # nobody is listening any more
            connection.send(error)


def _stop_with_parent() -> None:
    """End this process if the one that started it is gone, a training in between two steps: two must not train the same generator."""
    parent = multiprocessing.parent_process()
    if parent:
        parent.join()
        os.kill(os.getpid(), signal.SIGTERM)
