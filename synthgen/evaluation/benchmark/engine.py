"""Running groups of cells: one after the other here, or side by side on a Ray cluster. Cells come back as they are finished."""

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

from synthgen.errors import SettingsError
from synthgen.evaluation.benchmark.cells import Cell, Laboratory, run_group
from synthgen.evaluation.benchmark.scenarios import Group, Key


class Task(NamedTuple):
    """A group, its cells that are missing, and those that are there already."""

    group: Group
    missing: tuple[Key, ...]
    finished: tuple[Cell, ...]


def run_local(tasks: Sequence[Task], laboratory: Laboratory) -> Iterator[Cell]:
    """All missing cells, group by group."""
    for task in tasks:
        yield from run_group(task.group, task.missing, laboratory, task.finished)


def run_ray(tasks: Sequence[Task], laboratory: Laboratory) -> Iterator[Cell]:
    """All missing cells, each group on whichever worker of the Ray cluster is free, in the order in which they are finished.

    Ray is started on this machine unless there is a cluster to join (see Ray's `RAY_ADDRESS`). Every worker keeps the
    generators that it trains in its own cache folder.

    Raises:
        SettingsError: if Ray is not installed.
    """
    ray = import_ray()
    if not ray.is_initialized():
        ray.init(log_to_driver=False, include_dashboard=False)
    shared = ray.put(laboratory)
    worker = ray.remote(num_cpus=1, max_retries=0)(_run_task)
    running = [worker.remote(task, shared) for task in tasks]
    try:
        while running:
            ready, running = ray.wait(running, num_returns=1, fetch_local=False)
            for stream in ready:
                cell = next(stream, None)
                if cell is not None:
                    running.append(stream)
                    yield ray.get(cell)
    finally:
        for stream in running:
            ray.cancel(stream, force=True)


def import_ray() -> Any:
    """The Ray package.

    Raises:
        SettingsError: saying how to install it.
    """
    try:
        import ray
    except ImportError as error:
        raise SettingsError("--engine ray: expected the Ray package, found none. Install it with: pip install 'synthgen[ray]'") from error
    return ray


def _run_task(task: Task, laboratory: Laboratory) -> Iterator[Cell]:
    yield from run_group(task.group, task.missing, laboratory, task.finished)


ENGINES = {"local": run_local, "ray": run_ray}
