"""The engine: makes the shards that are missing, with every core of the machine.

`on_cluster` has another one, which makes them on a Ray cluster.
"""

import collections
import contextlib
import dataclasses
import functools
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import CancelledError, ThreadPoolExecutor
from typing import Any, Protocol

from synthgen.datasets.framing import like_data
from synthgen.errors import ResumeError, ScreeningExhausted
from synthgen.gan.checkpoint import Checkpoint
from synthgen.metrics.neighbours import NearestTrain
from synthgen.processes import core_count, one_blas_thread
from synthgen.shards.content import ShardContent
from synthgen.shards.formats import SHARD_FORMATS, digest, set_attributes
from synthgen.shards.generate import Networks, draw_shard
from synthgen.shards.job import BuildJob, identity_differences
from synthgen.shards.manifest import format_rows
from synthgen.shards.nearness import Mapper, distances_of_shard
from synthgen.shards.plan import Shard
from synthgen.shards.run_record import ShardEntry, ShardSeconds

# Seconds for which a thread may keep Python's lock while others wait. With Python's 5 ms each of
# them would stand still for longer than its product takes, wherever one makes rows or seeds.
SWITCH_SECONDS = 2e-4
EVERY_SHARD = -1  # stands before all of them
FILES_AT_ONCE = 500  # that are written as one piece of work
LoadNetworks = Callable[[Checkpoint, int], Networks]  # of a checkpoint, for batches of a size


class MakeShards(Protocol):
    """An engine that is ready: its networks are loaded, its machines are there."""

    def __call__(self, shards: Iterable[Shard], done: Callable[[int], Any]) -> list[ShardEntry]:
        """Make shards, telling `done` how many images were made; return the entries."""


def start_local(job: BuildJob, load: LoadNetworks) -> MakeShards:
    """Load the networks, and return what makes shards on this machine.

    Args:
        job: the build.
        load: makes sampler and screener of (checkpoint, batch).

    Raises:
        CheckpointError: if weights do not fit.
    """
    networks = load(job.checkpoint, job.settings.batch)
    return lambda shards, done: make_shards(job, shards, networks, done)


def make_shards(
    job: BuildJob,
    shards: Iterable[Shard],
    networks: Networks,
    done: Callable[[int], Any],
) -> list[ShardEntry]:
    """Generate, screen and write shards.

    Some threads look after a shard each, see `shards_at_once`; its batches are drawn and its files
    are written by as many threads as there are cores.

    Args:
        job: the build.
        shards: that are to be made, in their order.
        networks: what makes and screens images, callable from several threads at once.
        done: is called after each batch with the number of images that were kept.

    Returns:
        The entries of the shards, in their order.

    Raises:
        ScreeningExhausted: if the generator cannot make a class.
        StorageError: if something cannot be written; nothing more is generated then.
    """
    nearest = job.nearest_train()
    lock = threading.Lock()
    failures: list[tuple[int, BaseException]] = []  # the shard, and what ended it

    def report(shard: int, count: int) -> None:
        # Do not generate for long what is no longer wanted. Where a class cannot be made, the
        # shards before are still wanted: they are kept for another try.
        for failed, error in failures:
            if shard > failed or not isinstance(error, ScreeningExhausted):
                raise CancelledError
        with lock:
            done(count)

    with pool_of_cores() as pool, ThreadPoolExecutor(shards_at_once(), "shard") as keepers:

        def make(shard: Shard) -> ShardEntry:
            tell = functools.partial(report, shard.number)
            try:
                tell(0)
                return generate_and_write(job, shard, networks, nearest, tell, pool.map)
            except CancelledError:
                raise
            except BaseException as error:
                failures.append((shard.number, error))
                raise

        try:
            return list(keepers.map(make, shards))
        except BaseException as error:
            failures.append((EVERY_SHARD, error))
            keepers.shutdown(wait=False, cancel_futures=True)
            # of several classes that cannot be made, that of the first shard
            first = failures[0][1] if isinstance(error, CancelledError) else error
            raise first from first.__cause__


def generate_and_write(
    job: BuildJob,
    shard: Shard,
    networks: Networks,
    nearest: NearestTrain | None,
    done: Callable[[int], Any] = lambda _: None,
    run: Mapper = map,
) -> ShardEntry:
    """Generate, screen and write one shard, then note its entry, with which it is finished.

    Args:
        job: the build.
        shard: that is to be made.
        networks: what makes and screens images.
        nearest: finds the distances to training images, None if there are none.
        done: is called after each batch with the number of images that were kept.
        run: does pieces of work, `map` or that of a pool.
    """
    began = time.perf_counter()
    content = draw_shard(shard, job.plan, job.settings, networks, done, run, job.nearness)
    return write_shard(job, content, nearest, time.perf_counter() - began, run)


def write_shard(
    job: BuildJob,
    content: ShardContent,
    nearest: NearestTrain | None,
    generating: float,
    run: Mapper = map,
) -> ShardEntry:
    """Write the files of a shard, then note its entry, with which it is finished.

    Args:
        job: the build.
        content: of the shard, with images as the generator draws them.
        nearest: finds the distances to training images, None if there are none.
        generating: seconds that generating and screening it took.
        run: does pieces of work, `map` or that of a pool.

    Raises:
        ResumeError: if another build has begun in the place of this one.
        StorageError: if something cannot be written.
    """
    began = time.perf_counter()

    figures = content.nearness
    distances = distances_of_shard(content, nearest, run)

    # Images that look like the user's pictures.
    if job.framing is not None:
        framed = like_data(content.images, job.framing, content.seeds)
        content = dataclasses.replace(content, images=framed)

    # Where no lock keeps it away, another build may have begun here: the two must not be mixed.
    identity = job.unfinished.identity()
    if identity is None or identity_differences(identity, job.identity):
        raise ResumeError(
            f"Expected the notes of this build in {job.unfinished.folder} of {job.storage.url}, "
            "found those of another one, or none: another build of the name has begun there since. "
            "This one ends and publishes nothing. Let one end before the next, or use two names."
        )

    # The shard in every format.
    attributes = set_attributes(job.settings, job.checkpoint.sha256, job.framing)
    hashes = {}
    for kind in job.formats:
        files = SHARD_FORMATS[kind].encode(content, job.plan, attributes)
        paths = list(files)
        pieces = [
            {path: files[path] for path in paths[start : start + FILES_AT_ONCE]}
            for start in range(0, len(paths), FILES_AT_ONCE)
        ]
        collections.deque(run(job.storage.write_many, pieces), maxlen=0)
        hashes[kind] = digest(files.values())

    # Its rows of the manifest, and its entry in the run record.
    rows = format_rows(content, job.plan, job.settings, distances)
    writing = time.perf_counter() - began
    entry = ShardEntry(
        shard=content.shard.number,
        rows=len(content.shard),
        sha256=hashes,
        draws=tuple(content.draws()),
        seconds=ShardSeconds(generate=round(generating, 3), write=round(writing, 3)),
        rejected=figures.rejected if figures is not None else None,
        coverage=figures.coverage if figures is not None else None,
    )
    return job.unfinished.finish(entry, rows)


def shards_at_once() -> int:
    """Return how many shards are in the making, and in memory: two, or more with many cores.

    One is written while the next is generated. To compress a shard, to make its rows and to draw
    its last images again is work for one core each time, which leaves the others to other shards.
    """
    return max(2, core_count() // 4)


@contextlib.contextmanager
def pool_of_cores() -> Iterator[ThreadPoolExecutor]:
    """Yield as many threads as this process may use cores, each computing products by itself."""
    before = sys.getswitchinterval()
    with one_blas_thread(), ThreadPoolExecutor(core_count(), "core") as pool:
        sys.setswitchinterval(min(before, SWITCH_SECONDS))
        try:
            yield pool
        finally:
            pool.shutdown(cancel_futures=True)
            sys.setswitchinterval(before)
