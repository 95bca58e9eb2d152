"""Running groups of cells: one after the other here, or side by side on a Ray cluster.

A group gets a process of its own if its judge asks for one: TensorFlow keeps some 20 MB of every
network that it has compiled until the process ends, and a full benchmark compiles more than a
thousand.
"""

import contextlib
import multiprocessing
import os
import signal
import threading
import traceback
from collections.abc import Callable, Iterator, Sequence
from multiprocessing.connection import Connection
from typing import Any

from synthgen.errors import CheckFailed, Interrupted, SettingsError
from synthgen.evaluation.cells import Cell, Experiment, Task, run_group
from synthgen.evaluation.scenarios import TRANSFER
from synthgen.evaluation.transfer import run_transfer

FAILED_EXIT_CODE = 1  # of a Python that an exception ended
GRACE_SECONDS = 60  # in which a process that is told to stop may save the training that it is in


def run_task(task: Task, experiment: Experiment) -> Iterator[Cell]:
    """Runs the missing cells of a group in the way of its scenario.

    Args:
        task: the group and its missing cells.
        experiment: what all cells need.

    Yields:
        Each cell as soon as it is finished.
    """
    is_transfer = task.group.keys[0].scenario == TRANSFER
    yield from (run_transfer if is_transfer else run_group)(task, experiment)


def run_local(tasks: Sequence[Task], experiment: Experiment) -> Iterator[Cell]:
    """Runs all missing cells, group by group.

    A group whose generator makes no digits does not keep the others from running.

    Args:
        tasks: the groups and their missing cells.
        experiment: what all cells need.

    Yields:
        Each cell as soon as it is finished.

    Raises:
        Interrupted: if the process of a group was stopped or killed.
        TrainingDiverged: at the end, if a generator could not be trained and no other failed before
            it.
        ScreeningExhausted: at the end, if a generator could not make a class and no other failed
            before it.
    """
    run = run_in_process if experiment.judge.own_process else run_task
    failed: list[CheckFailed] = []
    for task in tasks:
        try:
            yield from run(task, experiment)
        except CheckFailed as error:
            failed.append(error)
    if failed:
        raise failed[0]


def run_ray(tasks: Sequence[Task], experiment: Experiment) -> Iterator[Cell]:
    """Runs all missing cells, each group on whichever worker of a Ray cluster is free.

    Ray is started on this machine unless there is a cluster to join (see Ray's `RAY_ADDRESS`).
    Every worker keeps the generators that it trains in its own cache folder.

    Args:
        tasks: the groups and their missing cells.
        experiment: what all cells need.

    Yields:
        The cells, in the order in which they are finished.

    Raises:
        SettingsError: if Ray is not installed.
        Interrupted: if a worker was killed or lost.
        TrainingDiverged: if a generator cannot be trained.
        ScreeningExhausted: if a generator cannot make a class.
    """
    ray = import_ray()
    if not ray.is_initialized():
        ray.init(log_to_driver=False, include_dashboard=False)
    shared = ray.put(experiment)
    # a new process for each group
    worker = ray.remote(num_cpus=1, max_retries=0, max_calls=1)(_run_group_on_worker)
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
            f"A worker of the Ray cluster was killed or lost ({type(error).__name__}). If that was "
            "for want of memory, free some."
        ) from error
    finally:
        for stream in running:
            ray.cancel(stream, force=True)


ENGINES: dict[str, Callable[[Sequence[Task], Experiment], Iterator[Cell]]] = {
    "local": run_local,
    "ray": run_ray,
}


def import_ray() -> Any:
    """Imports the Ray package.

    Raises:
        SettingsError: if it is missing, saying how to install it.
    """
    try:
        import ray
    except ImportError as error:
        raise SettingsError(
            "--engine ray: expected the Ray package, found none. Install it with: "
            "pip install 'ray>=2.40,<3'"
        ) from error
    return ray


def _run_group_on_worker(task: Task, experiment: Experiment) -> Iterator[Cell]:
    """Runs a group; Ray streams what a function of its own module yields."""
    yield from run_task(task, experiment)


def run_in_process(task: Task, experiment: Experiment) -> Iterator[Cell]:
    """Runs the missing cells of a group in a new process.

    The process is stopped when nobody asks for more cells, or when this one is gone.

    Args:
        task: the group and its missing cells.
        experiment: what all cells need.

    Yields:
        Each cell as soon as it is finished.

    Raises:
        Interrupted: if the process was killed, or could not begin. Any other error that ended it is
            raised here as it was.
    """
    # a fork of a process in which TensorFlow runs may hang
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    child = context.Process(target=_send_cells, args=(theirs,), daemon=True)
    child.start()
    theirs.close()  # the child's end is then the only one: it closes with the child
    try:
        # Not with `args`: whoever starts a process waits forever for one that ends before it has
        # read them. A child that is gone already is noticed below.
        with contextlib.suppress(ConnectionError):
            ours.send((task, experiment))
        while True:
            try:
                found = ours.recv()
            except (EOFError, ConnectionError) as error:
                child.join(GRACE_SECONDS)
                if child.exitcode == FAILED_EXIT_CODE:
                    raise Interrupted(
                        "The process of a group of cells ended before it could begin. A script "
                        "that runs a benchmark does so below `if __name__ == '__main__':`."
                    ) from error
                raise Interrupted(
                    "The process of a group of cells was killed. If that was for want of memory, "
                    "free some."
                ) from error
            if found is None:
                break
            if isinstance(found, BaseException):
                raise found
            yield found
        child.join(GRACE_SECONDS)  # it has nothing left to do but to tidy up
    finally:
        child.terminate()
        child.join(GRACE_SECONDS)
        child.kill()


def _send_cells(connection: "Connection[Any, Any]") -> None:
    """Runs a group in the process that was made for it.

    Args:
        connection: the task and the experiment are received from it. Each cell is sent to it as
            soon as it is finished, and then None; or the error that ended the process.
    """
    threading.Thread(target=stop_with_parent, daemon=True).start()
    try:
        task, experiment = connection.recv()
        for cell in run_task(task, experiment):
            connection.send(cell)
        connection.send(None)
    except BaseException as error:
        error.add_note(traceback.format_exc())
        with contextlib.suppress(OSError):  # nobody is listening any more
            connection.send(error)


def stop_with_parent() -> None:
    """Ends this process (a training between two steps) when the one that started it is gone.

    Two processes must not train the same generator.
    """
    parent = multiprocessing.parent_process()
    if parent:
        parent.join()
        os.kill(os.getpid(), signal.SIGTERM)
