"""Tasks side by side on the machines of a Ray cluster: the one module that knows Ray.

What is to be done is a function of a task and of a state. The state is made once in each worker, of
a value that travels once to each machine; a task is small, and so is what it yields.
"""

import os
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from synthgen.errors import SettingsError, StorageError, SynthgenError, WorkerLost
from synthgen.processes import use_one_thread

ClusterTask = TypeVar("ClusterTask")
Shared = TypeVar("Shared")
State = TypeVar("State")
Result = TypeVar("Result")

QUEUED_PER_WORKER = 2  # tasks that are handed out: one runs, and one waits beside it
# What this worker has made of the last shared value, by its reference.
_states: dict[Any, Any] = {}


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


def connect_to_cluster() -> Any:
    """Joins the Ray cluster that `RAY_ADDRESS` names, or starts one on this machine.

    Returns:
        The Ray package.

    Raises:
        SettingsError: if Ray is not installed, or the cluster cannot be reached.
    """
    ray = import_ray()
    if not ray.is_initialized():
        try:
            ray.init(log_to_driver=False, include_dashboard=False, logging_level="ERROR")
        except (ConnectionError, RuntimeError, ValueError) as error:
            place = os.environ.get("RAY_ADDRESS", "this machine")
            raise SettingsError(
                f"--engine ray: expected a Ray cluster at {place}, could not reach one: "
                f"{str(error)[:300]}. Start it with `ray start --head`, name it in RAY_ADDRESS, "
                "or unset RAY_ADDRESS for one on this machine."
            ) from error
    return ray


@dataclass(frozen=True)
class SharedValue(Generic[Shared, State]):
    """A value that all tasks need, in the memory of the cluster: it travels once to each machine.

    Args:
        reference: Ray's, by which workers find the value.
        prepare: makes of it what a worker keeps from task to task.
    """

    reference: Any
    prepare: Callable[[Shared], State]


def share(value: Shared, prepare: Callable[[Shared], State]) -> SharedValue[Shared, State]:
    """Puts what all tasks need where the workers of the cluster find it.

    Args:
        value: can be pickled.
        prepare: is called once in each worker; a function that workers can import by name.

    Raises:
        SettingsError: if there is no cluster.
    """
    return SharedValue(connect_to_cluster().put(value), prepare)


def run_on_cluster(
    work: Callable[[ClusterTask, State], Iterator[Result]],
    tasks: Iterable[ClusterTask],
    shared: SharedValue[Any, State],
    *,
    name: Callable[[ClusterTask], str],
    retries: int = 0,
    own_process: bool = False,
    gpu: bool = True,
) -> Iterator[Result]:
    """Runs tasks on whichever workers of a Ray cluster are free.

    A worker is one core, and one GPU where the cluster has any and the work uses one. No more tasks
    are handed out than keep the workers busy. A task whose worker or machine is lost, or that
    cannot read or write a file, is handed out again; one that yields several results then yields
    them again.

    Args:
        work: yields the results of a task; a function that workers can import by name.
        tasks: in the order in which they are begun.
        shared: what all of them need.
        name: what messages call a task.
        retries: how often a task is begun again before the run ends with its error.
        own_process: whether each task gets a new process.
        gpu: whether the work uses a GPU.

    Yields:
        The results, in the order in which they come.

    Raises:
        SettingsError: if there is no cluster.
        WorkerLost: naming the task, if its worker was killed or lost more often than `retries`.
        Exception: what a task raised, as it was.
    """
    ray = connect_to_cluster()
    resource = "GPU" if gpu and ray.cluster_resources().get("GPU", 0) >= 1 else "CPU"
    remote = ray.remote(
        num_cpus=1,
        num_gpus=1 if resource == "GPU" else 0,
        max_retries=0,  # they are counted below, for errors of a task and lost workers alike
        max_calls=1 if own_process else 0,
    )(_run_on_worker)
    waiting = iter(tasks)
    running: dict[Any, tuple[ClusterTask, int]] = {}  # stream of results -> task, attempt

    def begin(task: ClusterTask, attempt: int) -> None:
        running[remote.remote(work, shared.prepare, [shared.reference], task)] = (task, attempt)

    try:
        while True:
            # Hand out tasks; the cluster may have grown or shrunk.
            workers = int(ray.cluster_resources().get(resource, 0))
            while len(running) < max(1, QUEUED_PER_WORKER * workers):
                try:
                    task = next(waiting)
                except StopIteration:
                    break
                begin(task, 0)
            if not running:
                return

            # Take the next result.
            ready, _ = ray.wait(list(running), num_returns=1, fetch_local=False)
            task, attempt = running.pop(ready[0])
            try:
                reference = next(ready[0], None)
                if reference is not None:
                    result = ray.get(reference)
                    running[ready[0]] = (task, attempt)
                    yield result
            except ray.exceptions.RayTaskError as error:  # what the task raised
                mine = isinstance(error.cause, SynthgenError)
                if attempt >= retries or (mine and not isinstance(error.cause, StorageError)):
                    raise error.cause from error
                begin(task, attempt + 1)
            except ray.exceptions.RayError as error:
                if attempt >= retries:
                    often = f" {attempt + 1} times" if retries else ""
                    raise WorkerLost(
                        f"The worker of {name(task)} on the Ray cluster was killed or lost{often} "
                        f"({type(error).__name__}). If that was for want of memory, free some."
                    ) from error
                begin(task, attempt + 1)
    finally:
        for stream in running:
            ray.cancel(stream, force=True)


def _run_on_worker(
    work: Callable[[ClusterTask, State], Iterator[Result]],
    prepare: Callable[[Any], State],
    place: list[Any],
    task: ClusterTask,
) -> Iterator[Result]:
    """Runs a task in a worker; Ray streams what it yields.

    Args:
        work: yields the results of the task.
        prepare: makes the state of the worker, where it has not made it yet.
        place: of the shared value: its reference, in a list, which keeps Ray from fetching it for
            every task.
        task: what is to be done.
    """
    use_one_thread()  # there are as many workers as cores
    reference = place[0]
    if reference not in _states:
        _states.clear()
        _states[reference] = prepare(import_ray().get(reference))
    yield from work(task, _states[reference])
