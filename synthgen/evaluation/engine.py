"""Running groups of cells: side by side on this machine, or on a Ray cluster."""

import functools
from collections.abc import Iterator, Sequence

from synthgen.cluster import run_on_cluster, share
from synthgen.evaluation.cells import Cell, Experiment, Task, run_group
from synthgen.evaluation.scenarios import TRANSFER
from synthgen.evaluation.transfer import run_transfer
from synthgen.processes import run_side_by_side, worker_count


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


def run_local(
    tasks: Sequence[Task], experiment: Experiment, workers: int, *, groups_each: int | None = 1
) -> Iterator[Cell]:
    """Runs all missing cells, some groups side by side.

    A group whose generator makes no digits does not keep the others from running. The cells are
    the same, however many processes there are.

    Args:
        tasks: the groups and their missing cells.
        experiment: what all cells need.
        workers: number of processes, see `processes.worker_count`; a judge that needs no process of
            its own is asked in this one.
        groups_each: after how many groups a process is replaced; None: never.

    Yields:
        Each cell as soon as it is finished.

    Raises:
        Interrupted: if the process of a group was stopped or killed.
        TrainingDiverged: at the end, if a generator could not be trained and no other failed before
            it.
        ScreeningExhausted: at the end, if a generator could not make a class and no other failed
            before it.
    """
    run = functools.partial(run_task, experiment=experiment)
    processes = worker_count(workers) if experiment.judge.own_process else 0
    yield from run_side_by_side(run, tasks, processes, jobs_each=groups_each)


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
        SettingsError: if Ray is not installed, or its cluster cannot be reached.
        WorkerLost: if a worker was killed or lost.
        TrainingDiverged: if a generator cannot be trained.
        ScreeningExhausted: if a generator cannot make a class.
    """
    shared = share(experiment, _as_it_is)
    yield from run_on_cluster(
        run_task,
        tasks,
        shared,
        name=lambda task: f"the cells of {', '.join(map(str, task.group.keys[0].place))}",
        own_process=True,
    )


def _as_it_is(experiment: Experiment) -> Experiment:
    """Returns what a worker needs to be ready: the experiment itself."""
    return experiment
