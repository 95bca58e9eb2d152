"""The engine: makes the shards that are missing; one is written while the next is generated.

`on_cluster` has another one, which makes them on a Ray cluster.
"""

import dataclasses
import time
from collections.abc import Callable, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, Protocol

from synthgen.datasets.framing import like_data
from synthgen.gan.checkpoint import Checkpoint
from synthgen.metrics.neighbours import NearestTrain
from synthgen.shards.content import ShardContent
from synthgen.shards.formats import SHARD_FORMATS, digest, set_attributes
from synthgen.shards.generate import Networks, draw_shard
from synthgen.shards.job import BuildJob
from synthgen.shards.manifest import format_rows
from synthgen.shards.plan import Shard
from synthgen.shards.run_record import ShardEntry, ShardSeconds

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

    A thread writes one shard while the next is generated; a third has to wait, so that two shards
    at most are in memory.

    Args:
        job: the build.
        shards: that are to be made, in their order.
        networks: what makes and screens images.
        done: is called after each batch with the number of images that were kept.

    Returns:
        The entries of the shards, in their order.

    Raises:
        ScreeningExhausted: if the generator cannot make a class.
        StorageError: if something cannot be written; nothing more is generated then.
    """
    nearest = NearestTrain(job.reference) if job.reference is not None else None
    entries: list[ShardEntry] = []
    writing: Future[ShardEntry] | None = None

    def report(count: int) -> None:
        done(count)
        # Do not generate for long what can no longer be written.
        if writing is not None and writing.done():
            writing.result()

    # Leaving the block waits for the thread, whatever happens.
    with ThreadPoolExecutor(1, "writer") as thread:
        for shard in shards:
            began = time.perf_counter()
            content = draw_shard(shard, job.plan, job.settings, networks, report)
            seconds = time.perf_counter() - began
            if writing is not None:
                entries.append(writing.result())
            writing = thread.submit(write_shard, job, content, nearest, seconds)
        if writing is not None:
            entries.append(writing.result())
    return entries


def write_shard(
    job: BuildJob, content: ShardContent, nearest: NearestTrain | None, generating: float
) -> ShardEntry:
    """Write the files of a shard, then note its entry, with which it is finished.

    Args:
        job: the build.
        content: of the shard, with images as the generator draws them.
        nearest: finds the distances to training images, None if there are none.
        generating: seconds that generating and screening it took.
    """
    began = time.perf_counter()
    distances = None
    if nearest is not None:
        distances = nearest.distances(content.images, content.labels)

    # Images that look like the user's pictures.
    if job.framing is not None:
        framed = like_data(content.images, job.framing, content.seeds)
        content = dataclasses.replace(content, images=framed)

    # The shard in every format.
    attributes = set_attributes(job.settings, job.checkpoint.sha256, job.framing)
    hashes = {}
    for kind in job.formats:
        files = SHARD_FORMATS[kind].encode(content, job.plan, attributes)
        job.storage.write_many(files)
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
    )
    return job.unfinished.finish(entry, rows)
