"""Making the shards of a set on a Ray cluster.

A shard is a task: a worker generates it, writes it straight to the storage and returns its entry.
No pixels go through the process that was started, which counts, tries again and publishes.
"""

from collections.abc import Callable, Iterable, Iterator
from typing import Any, NamedTuple

from synthgen.cluster import run_on_cluster, share
from synthgen.errors import ResumeError, StorageError, SynthgenError
from synthgen.metrics.neighbours import NearestTrain
from synthgen.processes import one_blas_thread
from synthgen.shards.engine import LoadNetworks, MakeShards, generate_and_write
from synthgen.shards.generate import ARITHMETIC, Networks, drawing_versions
from synthgen.shards.job import VERSION_OF, BuildJob, identity_differences
from synthgen.shards.plan import Shard
from synthgen.shards.run_record import ShardEntry

RETRIES = 3  # of a shard, after the first attempt


class ShardWorker(NamedTuple):
    """What a worker keeps from one shard to the next.

    Args:
        job: the build.
        networks: what makes and screens images.
        nearest: finds the distances to training images, None if there are none.
    """

    job: BuildJob
    networks: Networks
    nearest: NearestTrain | None


def start_ray(job: BuildJob, load: LoadNetworks) -> MakeShards:
    """Let a worker load the networks, and return what makes shards on a Ray cluster.

    Checkpoint and training images travel once to each machine through the memory of the cluster, so
    that no machine needs files of another. The root alone must be one that all machines see.

    Args:
        job: the build.
        load: makes sampler and screener of (checkpoint, batch).

    Raises:
        SettingsError: if there is no cluster.
        CheckpointError: if weights do not fit.
        ResumeError: if a machine of the cluster has other versions.
        StorageError: if a machine of the cluster does not see the root.
    """
    shared = share((job, load), prepare_worker)
    gpu = job.arithmetic == "tensorflow"

    # A worker that answers has loaded the networks, and finds at the root what this process wrote.
    probe = f"manifests/.{job.name}.ray"
    job.storage.write_bytes(probe, b"", durable=False)
    try:
        first = run_on_cluster(
            check_root, [probe], shared, name=lambda _: "the first task", gpu=gpu
        )
        assert list(first) == [True]
    finally:
        job.storage.remove(probe)

    def make(shards: Iterable[Shard], done: Callable[[int], Any]) -> list[ShardEntry]:
        entries = []
        for entry in run_on_cluster(
            make_shard,
            shards,
            shared,
            name=lambda shard: f"shard {shard.number}",
            retries=RETRIES,
            gpu=gpu,
        ):
            entries.append(entry)
            done(entry.rows)
        return entries

    return make


def prepare_worker(shared: tuple[BuildJob, LoadNetworks]) -> ShardWorker:
    """Load the networks in a worker.

    Args:
        shared: the build, and what makes sampler and screener of (checkpoint, batch).

    Raises:
        ResumeError: if the worker has other versions than the process that was started.
    """
    job, load = shared
    before = {f"{VERSION_OF} {name}": version for name, version in job.versions.items()}
    found = drawing_versions(job.arithmetic, *(job.versions.keys() - {"python", ARITHMETIC}))
    now = {f"{VERSION_OF} {name}": found[name] for name in job.versions}
    different = identity_differences(before, now)
    if different:
        raise ResumeError(
            "Expected the same versions on all machines of the Ray cluster, found others on one: "
            f"{'; '.join(different.values())}. Install the same there."
        )
    networks = load(job.checkpoint, job.settings.batch)
    return ShardWorker(job, networks, job.nearest_train())


def check_root(probe: str, worker: ShardWorker) -> Iterator[bool]:
    """Make sure that a worker sees the root of the process that was started.

    Raises:
        StorageError: if a file that was just written is not there.
    """
    if not worker.job.storage.exists(probe):
        raise _other_root(worker.job, probe)
    yield True


def make_shard(shard: Shard, worker: ShardWorker) -> Iterator[ShardEntry]:
    """Generate, screen and write a shard in a worker, and yield its entry.

    Raises:
        StorageError: if the machine does not see the root, where the notes of the build lie.
        SynthgenError: of the kind that generating or writing raised, with the number of the shard.
    """
    job = worker.job
    if job.unfinished.identity() is None:
        raise _other_root(job, job.unfinished.folder)
    try:
        with one_blas_thread():
            yield generate_and_write(job, shard, worker.networks, worker.nearest)
    except SynthgenError as error:
        raise type(error)(f"Shard {shard.number} cannot be made: {error}") from error


def _other_root(job: BuildJob, missing: str) -> StorageError:
    return StorageError(
        f"Expected a root that all machines of the Ray cluster see, found that {missing}, written "
        f"by one of them to {job.storage.url}, is not there for another. Use a folder that they "
        "share, or an object store such as s3://bucket/digits."
    )
