"""The dry run: what a build would make, need and take; nothing is written into the root."""

import dataclasses
import functools
import os
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass

from synthgen.config import BuildSettings
from synthgen.datasets.digits import Digits
from synthgen.datasets.framing import Framing, like_data
from synthgen.errors import StorageError
from synthgen.gan.checkpoint import Checkpoint
from synthgen.metrics.neighbours import NearestTrain
from synthgen.shards.contact_sheet import CONTACT_SHEET_COLUMNS, draw_sheet
from synthgen.shards.content import ShardContent
from synthgen.shards.engine import pool_of_cores
from synthgen.shards.formats import SHARD_FORMATS
from synthgen.shards.generate import Networks, draw_shard, load_networks
from synthgen.shards.job import BuildJob, prepare
from synthgen.shards.manifest import format_rows
from synthgen.shards.nearness import Mapper, distances_of_shard
from synthgen.shards.state import look
from synthgen.storage import Storage, cache_folder, open_storage
from synthgen.text import byte_size, counted, duration

# What is there already, by `BuildState.kind`.
STATE_LINES = {
    "nothing": [],
    "unfinished": ["An unfinished build of it is there: what is finished would be kept."],
    "incomplete": ["A set of this name is there: it would be kept, and grow or be mended."],
    "complete": ["All of it is there already: a build would change nothing."],
    "other": ["The set of this name that is there would be replaced."],
}
# Generated for the time; with labels from the classifier a few images alone fill no batch.
MEASURED_BATCHES = 4


@dataclass(frozen=True, kw_only=True)
class DryRun:
    """What a build would be.

    Args:
        count: images of the set.
        left: how many of them are still to be made.
        images: how many of which class, in words.
        shards: number of shards.
        bytes_needed: on the disk for what is left, estimated.
        bytes_free: where the root lies; None if the file system does not tell.
        seconds: for what is left, estimated from a few measured batches.
        preview: path of a picture of the first images, one row a class.
        state: what is there already, a `BuildState.kind`.
        problem: why the build would not be able to write, as far as can be seen without writing;
            else empty.
    """

    count: int
    left: int
    images: str
    shards: int
    bytes_needed: int
    bytes_free: int | None
    seconds: float
    preview: str
    state: str = "nothing"
    problem: str = ""

    def lines(self) -> list[str]:
        """Return a summary for the terminal."""
        left = f"{self.left:,} of " if self.left < self.count else ""
        lines = [
            f"Would make {left}{self.images}, in {counted(self.shards, 'shard')}.",
            *STATE_LINES[self.state],
        ]
        if self.state != "complete":
            free = "unknown free space"
            enough = ""
            if self.bytes_free is not None:
                free = f"{byte_size(self.bytes_free)} free"
                enough = ": NOT ENOUGH" if self.bytes_needed > self.bytes_free else ""
            lines.append(
                f"Disk: about {byte_size(self.bytes_needed)} of {free}{enough}. Time: about "
                f"{duration(self.seconds)}, measured on {MEASURED_BATCHES} batches."
            )
        lines.append(f"Preview of the first images: {self.preview}")
        lines.append("Nothing was written into the root.")
        if self.problem:
            lines.append(f"WARNING: {self.problem}")
        return lines


def dry_run_set(
    settings: BuildSettings,
    root: str,
    checkpoint: Checkpoint,
    reference: Digits | None = None,
    preview: str | None = None,
    overwrite: bool = False,
    networks: Callable[[Checkpoint, int], Networks] | None = None,
    framing: Framing | None = None,
    held_out: Digits | None = None,
) -> DryRun:
    """Find out what a build would make and need.

    Args:
        settings: what to make.
        root: folder or fsspec URL of the set; nothing is written there.
        checkpoint: the generator.
        reference: real training images to measure distances to, if any.
        preview: where the preview picture goes; if None, into the cache, in the place of the last
            one of that name.
        overwrite: whether a set of this name that was made with other settings is to be replaced.
        networks: makes sampler and screener of (checkpoint, batch); None: `load_networks`, with the
            arithmetic of the set.
        framing: of a user's pictures, for images that look like them.
        held_out: real digits that the generator has not seen, where duplicates or memorised images
            are drawn again.

    Raises:
        InputError: if settings, checkpoint or reference cannot be used, or the name is taken by a
            set with other settings. A root that is too small or cannot be written to raises
            nothing: the result says so.
    """
    job = prepare(settings, root, checkpoint, reference, framing, held_out)
    plan = job.plan
    state = look(job, overwrite)
    left = plan.count - state.images

    # Measure a few batches, from the latents to the files; the first time it is not ready yet.
    load = networks or functools.partial(load_networks, arithmetic=job.arithmetic)
    loaded = load(checkpoint, settings.batch)
    nearest = job.nearest_train()
    with pool_of_cores() as pool, tempfile.TemporaryDirectory() as folder:
        make = functools.partial(_make_first, job, loaded, nearest, pool.map, open_storage(folder))
        make(plan.classes)
        began = time.perf_counter()
        several = max(MEASURED_BATCHES * settings.batch, CONTACT_SHEET_COLUMNS * plan.classes)
        content = make(several)
        seconds = (time.perf_counter() - began) * left / len(content.images)

    # Draw the first images of each class.
    picture = draw_sheet(content.images, content.labels)
    place = preview or os.path.join(cache_folder(), "previews", f"{settings.name}.png")
    try:
        _write_file(place, picture)
    except StorageError:
        if preview:
            raise
        # The cache cannot be written to.
        place = os.path.join(tempfile.mkdtemp(prefix="synthgen-"), f"{settings.name}.png")
        _write_file(place, picture)

    problem = ""
    if not job.storage.seems_writable():
        problem = f"{root} cannot be written to. Name another --root before you build."
    return DryRun(
        count=plan.count,
        left=left,
        images=str(plan),
        shards=plan.shard_count,
        bytes_needed=job.bytes_needed * left // plan.count,
        bytes_free=job.storage.free_bytes(),
        seconds=seconds,
        preview=place,
        state=state.kind,
        problem=problem,
    )


def _make_first(
    job: BuildJob,
    networks: Networks,
    nearest: NearestTrain | None,
    run: Mapper,
    storage: Storage,
    count: int,
) -> ShardContent:
    """Make the first `count` images of the set, or all if it is smaller, and files of them."""
    per_class = -(-count // job.plan.filled)
    counts = tuple(min(per_class, count) for count in job.plan.counts)
    shard_size = max(counts) * job.plan.filled
    plan = dataclasses.replace(job.plan, counts=counts, shard_size=shard_size)
    content = draw_shard(
        plan.shard(0), plan, job.settings, networks, run=run, nearness=job.nearness
    )
    distances = distances_of_shard(content, nearest, run)
    if job.framing is not None:
        framed = like_data(content.images, job.framing, content.seeds)
        content = dataclasses.replace(content, images=framed)
    for kind in job.formats:
        storage.write_many(SHARD_FORMATS[kind].encode(content, plan, {}))
    format_rows(content, plan, job.settings, distances)
    return content


def _write_file(path: str, content: bytes) -> None:
    folder, _, name = path.replace(os.sep, "/").rpartition("/")
    open_storage(folder or ".").write_bytes(name, content)
