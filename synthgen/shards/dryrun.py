"""The dry run: what a build would make, what it needs, how long it would take; nothing is written into the root."""

import dataclasses
import os
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from synthgen.config import BuildSettings
from synthgen.datasets.digits import Digits, Images
from synthgen.datasets.pixels import encode_png, grid
from synthgen.errors import StorageError
from synthgen.gan.checkpoint import Checkpoint
from synthgen.metrics.neighbours import NearestTrain
from synthgen.shards.formats import FORMATS
from synthgen.shards.generate import Networks, draw_shard
from synthgen.shards.job import Job, load_networks, prepare
from synthgen.shards.manifest import format_rows
from synthgen.shards.plan import Drawn
from synthgen.shards.resume import images_left, look
from synthgen.storage import cache_folder, open_storage
from synthgen.text import byte_size, counted, duration

COLUMNS = 10
STARTS = {  # what is there already, see `resume.Start`
    "anew": [],
    "resumed": ["An unfinished build of it is there: what is finished would be kept."],
    "adopted": ["A set of this name is there: it would be kept, and grow or be mended."],
    "replaced": ["The set of this name that is there would be replaced."],
    "unchanged": ["All of it is there already: a build would change nothing."],
}
BATCHES = 4  # drawn for the time; with labels from the classifier a few images alone fill no batch


@dataclass(frozen=True)
class DryRun:
    """What a build would be.

    Args:
        count: images of the set.
        left: how many of them are still to be made.
        classes: number of classes.
        shards: number of shards.
        bytes_needed: on the disk for what is left, estimated.
        bytes_free: where the root lies; None if the file system does not tell.
        seconds: for what is left, estimated from a few measured batches.
        preview: path of a picture of the first images, one row a class.
        start: where the build would begin, a key of STARTS.
        problem: why the build would not be able to write, as far as can be seen without writing;
            else empty.
    """

    count: int
    left: int
    classes: int
    shards: int
    bytes_needed: int
    bytes_free: int | None
    seconds: float
    preview: str
    start: str = "anew"
    problem: str = ""

    def lines(self) -> list[str]:
        """A summary for the terminal."""
        left = f"{self.left:,} of " if self.left < self.count else ""
        shards = counted(self.shards, "shard")
        return [
            f"Would make {left}{self.count:,} images, {self.count // self.classes:,} of each of {self.classes} classes, in {shards}.",
            *STARTS[self.start],
            *([self._needs()] if self.start != "unchanged" else []),
            f"Preview of the first images: {self.preview}",
            "Nothing was written into the root.",
            *([f"WARNING: {self.problem}"] if self.problem else []),
        ]

    def _needs(self) -> str:
        free = (
            "unknown free space"
            if self.bytes_free is None
            else f"{byte_size(self.bytes_free)} free"
        )
        enough = (
            ""
            if self.bytes_free is None or self.bytes_needed <= self.bytes_free
            else ": NOT ENOUGH"
        )
        return f"Disk: about {byte_size(self.bytes_needed)} of {free}{enough}. Time: about {duration(self.seconds)}, measured on {BATCHES} batches."


def dry_run(
    settings: BuildSettings,
    root: str,
    checkpoint: Checkpoint,
    reference: Digits | None = None,
    preview: str | None = None,
    overwrite: bool = False,
    networks: Callable[[Checkpoint, int], Networks] = load_networks,
) -> DryRun:
    """Find out what a build would make and need.

    Args:
        settings: what to make.
        root: where; nothing is written there.
        checkpoint: the generator.
        reference: as for `build`.
        preview: where the preview picture goes; if None, into the cache, in the place of the last
            one of that name.
        overwrite: as for `build`.
        networks: as for `build`.

    Raises:
        InputError: as `build` would, but for a root that is too small or cannot be written to: the
            result says so.
    """
    job = prepare(settings, root, checkpoint, reference)
    start = look(job, overwrite)
    left = images_left(job, start)
    tools = networks(checkpoint, settings.batch)
    _sample(job, tools, job.plan.classes)  # the first call compiles
    began = time.perf_counter()
    drawn = _sample(job, tools, max(BATCHES * settings.batch, COLUMNS * job.plan.classes))
    _write_aside(job, drawn, NearestTrain(reference) if reference is not None else None)
    seconds = (time.perf_counter() - began) * left / len(drawn.images)
    return DryRun(
        count=job.plan.count,
        left=left,
        classes=job.plan.classes,
        shards=job.plan.shard_count,
        bytes_needed=job.bytes_needed() * left // job.plan.count,
        bytes_free=job.storage.free_bytes(),
        seconds=seconds,
        preview=_write_preview(
            encode_png(_sheet(drawn.images, job.plan.classes), zoom=2), settings.name, preview
        ),
        start=start.how,
        problem=""
        if job.storage.seems_writable()
        else f"{root} cannot be written to. Name another --root before you build.",
    )


def _write_preview(picture: bytes, name: str, wanted: str | None) -> str:
    """Write the preview -> its path; without a writable cache into a new temporary folder."""
    path = wanted or os.path.join(cache_folder(), "previews", f"{name}.png")
    folder, _, file = path.replace(os.sep, "/").rpartition("/")
    try:
        open_storage(folder or ".").write_bytes(file, picture)
    except StorageError:
        if wanted:
            raise
        return _write_preview(
            picture, name, os.path.join(tempfile.mkdtemp(prefix="synthgen-"), f"{name}.png")
        )
    return path


def _sample(job: Job, tools: Networks, count: int) -> Drawn:
    """Draw the first `count` images of the set, or all if it is smaller."""
    per_class = min(job.plan.per_class, -(-count // job.plan.classes))
    plan = dataclasses.replace(
        job.plan, per_class=per_class, shard_size=per_class * job.plan.classes
    )
    return draw_shard(plan.shard(0), plan, job.settings, tools)


def _write_aside(job: Job, drawn: Drawn, nearest: NearestTrain | None) -> None:
    """Do what a build does with drawn images, in a temporary folder, for its time."""
    with tempfile.TemporaryDirectory() as folder:
        for kind in job.settings.formats:
            open_storage(folder).write_many(FORMATS[kind].encode(drawn, job.plan, {}))
        format_rows(
            drawn,
            job.plan,
            job.settings,
            nearest.distances(drawn.images, drawn.labels) if nearest else None,
        )


def _sheet(images: Images, classes: int) -> Images:
    columns = min(COLUMNS, len(images) // classes)
    first = images[: columns * classes].reshape(columns, classes, *images.shape[1:]).swapaxes(0, 1)
    return grid(np.ascontiguousarray(first.reshape(-1, *images.shape[1:])), columns)
