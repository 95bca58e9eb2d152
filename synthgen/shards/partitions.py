"""A set that is made by jobs which know nothing of each other, as a scheduler's array job starts.

Each job makes one partition of the shards, in any order and at any time, on machines that share
nothing but the root. `merge` finds out whether all shards are there, and publishes the set. What
waits until then lies in the folder of an unfinished build, with two kinds of notes more:

    set.json                the run record, as far as it is known before a shard is made
    partition-3-of-8.json   partition 3 of 8 has begun
"""

import contextlib
import functools
import os
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from tqdm import tqdm

from synthgen.errors import IncompleteSet, Interrupted, ResumeError, SettingsError
from synthgen.shards.build import check_room, publish
from synthgen.shards.engine import LoadNetworks, start_local
from synthgen.shards.formats import SHARD_FORMATS
from synthgen.shards.generate import load_networks
from synthgen.shards.job import BuildJob, another_build, locked
from synthgen.shards.layout import (
    data_folder,
    lock_path,
    locks_folder,
    manifest_path,
    record_path,
)
from synthgen.shards.run_record import RunRecord, read_record
from synthgen.shards.state import check_identity, noted_shards
from synthgen.shards.unfinished import UnfinishedBuild, remove_half_written
from synthgen.storage import open_storage
from synthgen.text import counted

START_SECONDS = 10.0  # in which other partitions, as they begin, look whether a build is running
MOST_NAMED = 5  # partitions or files that an error names


@dataclass(frozen=True, kw_only=True)
class Partition:
    """One of several parts of a set: every `of`-th shard.

    Args:
        number: which part, 0 to `of`. 0 and `of` are the same one, so that array jobs may count
            from 0 or from 1.
        of: number of parts.

    Example:
        >>> part = Partition(number=3, of=8)
        >>> [number for number in range(20) if part.has(number)]
        [3, 11, 19]
        >>> str(Partition(number=0, of=8))
        '8/8'
    """

    number: int
    of: int

    def __post_init__(self) -> None:
        if not 0 <= self.number <= self.of or self.of < 1:
            raise SettingsError(
                "--partition: expected I/N with I from 1 to N (or 0 to N - 1), "
                f"received {self.number}/{self.of}."
            )

    def has(self, shard: int) -> bool:
        """Return whether a shard is part of it."""
        return shard % self.of == self.number % self.of

    def __str__(self) -> str:
        """Return the partition as the command line takes it, counted from 1."""
        return f"{self.number or self.of}/{self.of}"


def parse_partition(text: str) -> Partition:
    """Return the partition that a text such as "3/8" names.

    Raises:
        SettingsError: if it names none.
    """
    number, slash, of = text.partition("/")
    if not (slash and number.isdecimal() and of.isdecimal() and len(text) < 20):
        raise SettingsError(f"--partition: expected I/N, such as 3/8, received {text[:80]!r}.")
    return Partition(number=int(number), of=int(of))


@dataclass(frozen=True, kw_only=True)
class PartitionResult:
    """What the job of a partition made.

    Args:
        partition: which one.
        record: of the set, as far as it is known; the whole of it if the set is published.
        root: as the user named it.
        seconds: that it took.
        shards: of the partition.
        skipped: shards of it that were there already.
        repaired: shards of it that were damaged, and were made again.
        made: images that were generated now.
        published: whether the set was published before.
    """

    partition: Partition
    record: RunRecord
    root: str
    seconds: float
    shards: int = 0
    skipped: int = 0
    repaired: int = 0
    made: int = 0
    published: bool = False

    def lines(self) -> list[str]:
        """Return a summary for the terminal."""
        name = self.record.settings.name
        if self.published:
            return [f"Nothing to do: {name!r} is published in {self.root}."]
        took = f"in {self.seconds:.1f} s ({self.made / max(self.seconds, 1e-9):,.0f} images/s)"
        there = f", {self.skipped} there already" if self.skipped else ""
        harmed = f", {self.repaired} damaged and made again" if self.repaired else ""
        return [
            f"Partition {self.partition} of {name!r}: {counted(self.shards, 'shard')}{there}"
            f"{harmed}; {counted(self.made, 'image')} made now, {took}.",
        ]


def make_partition(
    partition: Partition,
    job: BuildJob,
    *,
    networks: LoadNetworks | None = None,
    progress: bool = True,
) -> PartitionResult:
    """Make the shards of one partition of a set; those that are there and unharmed are kept.

    Args:
        partition: which shards.
        job: the build, the same one for each partition.
        networks: makes sampler and screener of (checkpoint, batch); None: `load_networks`, with the
            arithmetic of the set.
        progress: show a bar if standard error is a terminal.

    Raises:
        ResumeError: if the same partition or a build of the whole set is running, or what is there
            was made with other settings.
        StorageError: if the root cannot be written to or is too small.
        ScreeningExhausted: if the generator cannot make a class.
        Interrupted: after Ctrl-C; the same call goes on.
    """
    began = time.perf_counter()
    storage = job.storage
    notes = job.unfinished
    own = [shard for shard in job.plan.shards() if partition.has(shard.number)]
    storage.check_writable()
    with _locked(job, partition):
        if notes.identity() is None and storage.exists(job.manifest):
            record = _published(job)
            return PartitionResult(
                partition=partition, record=record, root=storage.url, seconds=0.0, published=True
            )
        _begin(job, partition)

        # What of it is there already?
        numbers = [number for number in notes.numbers() if partition.has(number)]
        draft = job.draft_record()
        finished, damaged = noted_shards(storage, draft, numbers, progress)
        missing = [shard for shard in own if shard.number not in finished]
        images = sum(map(len, missing))
        check_room(storage, job.plan, job.bytes_needed, 1 - images / job.plan.count)

        # Make the rest.
        total = sum(map(len, own))
        bar = tqdm(
            total=total,
            initial=total - images,
            unit=" images",
            desc=f"{job.name} {partition}",
            disable=None if progress else True,
        )
        try:
            with bar:
                if missing:
                    load = networks or functools.partial(load_networks, arithmetic=job.arithmetic)
                    start_local(job, load)(missing, bar.update)
        except KeyboardInterrupt as error:
            raise Interrupted(
                f"Interrupted: the finished shards of partition {partition} are kept. "
                "Run the same command again to go on from there."
            ) from error
    return PartitionResult(
        partition=partition,
        record=draft,
        root=storage.url,
        shards=len(own),
        skipped=len(finished),
        repaired=len(damaged),
        made=images,
        seconds=time.perf_counter() - began,
    )


@contextlib.contextmanager
def _locked(job: BuildJob, partition: Partition) -> Iterator[None]:
    """Keep the same partition and builds of the whole set away; other partitions may be made."""
    storage = job.storage
    place = f"{locks_folder(job.name)}/{str(partition).replace('/', '-of-')}.lock"
    busy = (
        f"Partition {partition} of {job.name!r} is being made in {storage.url} already. "
        "Wait for it to end."
    )
    with storage.exclusive(place, busy):
        # A build of the whole set looks for the locks of partitions when it holds its own.
        with storage.exclusive(
            lock_path(job.name), another_build(storage, job.name), START_SECONDS
        ):
            pass
        yield


def _published(job: BuildJob) -> RunRecord:
    """Return the run record of the set where it is published already.

    Raises:
        ResumeError: if another set of that name is.
    """
    record = read_record(job.storage, job.manifest)
    if record.fingerprint != job.draft_record().fingerprint:
        raise ResumeError(
            f"{job.name!r} is published in {job.storage.url}, built with other settings. "
            "Partitions make sets that are not there yet: use another --name, or one build "
            "without --partition, which names what is other and can grow or --overwrite a set."
        )
    return record


def _begin(job: BuildJob, partition: Partition) -> None:
    """Note what the set is, if no other partition has, and that this one has begun.

    Several may do so at the same time: they write the same.

    Raises:
        ResumeError: if what is there was made with other settings, or belongs to nobody.
    """
    storage = job.storage
    notes = job.unfinished
    folders = [f"{data_folder(job.name)}/{SHARD_FORMATS[kind].FOLDER}" for kind in job.formats]
    found = [folder for folder in folders if storage.exists(folder)]
    identity = notes.identity()  # read after the folders, before which it is written
    if identity is not None:
        check_identity(job, identity)
    elif found:
        raise ResumeError(
            f"{', '.join(found)} in {storage.url} belong to no run record "
            f"({record_path(job.manifest)} is missing). Restore the record, use another --name, or "
            "remove them."
        )
    if notes.draft() is None:
        notes.write_draft(job.draft_record())
    if identity is None:
        notes.write_identity(job.identity)
    notes.note_partition(str(partition))


@dataclass(frozen=True, kw_only=True)
class MergeResult:
    """A set that was published of its partitions.

    Args:
        record: the run record.
        root: as the user named it.
        seconds: that it took.
        unchanged: whether it was published already.
    """

    record: RunRecord
    root: str
    seconds: float
    unchanged: bool = False

    @property
    def manifest_path(self) -> str:
        """Path or URL of the manifest."""
        manifest = manifest_path(self.record.settings.name)
        return manifest if self.root == "." else os.path.join(self.root, manifest)

    def lines(self) -> list[str]:
        """Return a summary for the terminal."""
        record = self.record
        what = f"{record.plan}, in {counted(len(record.shards), 'shard')}"
        if self.unchanged:
            return [f"Nothing to do: {what}, are published.", f"Manifest {self.manifest_path}"]
        return [
            f"Merged {what}, in {self.seconds:.1f} s.",
            f"Manifest {self.manifest_path}, run record {record_path(self.manifest_path)}",
        ]


def merge(name: str, root: str = ".", progress: bool = True) -> MergeResult:
    """Publish the set that partitions have made, if all of its shards are there and unharmed.

    Args:
        name: of the set.
        root: folder or fsspec URL that holds data/ and manifests/.
        progress: show a bar if standard error is a terminal.

    Raises:
        IncompleteSet: naming the partitions that are missing or must be made again.
        ResumeError: if there are no partitions of that name, or one of them is running.
        StorageError: if the root cannot be read or written to.
    """
    began = time.perf_counter()
    storage = open_storage(root)
    notes = UnfinishedBuild(storage, name)
    manifest = manifest_path(name)
    with locked(storage, name):
        draft = notes.draft()
        if draft is None or notes.identity() is None:
            if storage.exists(manifest) and notes.identity() is None:
                notes.remove()  # of a merge that was killed when it had published
                return MergeResult(
                    record=read_record(storage, manifest),
                    root=root,
                    seconds=time.perf_counter() - began,
                    unchanged=True,
                )
            raise ResumeError(
                f"Expected partitions of {name!r} in {storage.url} ({notes.folder}), found none. "
                f"Make them with `synthgen build --name {name} --partition I/N`."
            )

        # Are all shards there?
        finished, damaged = noted_shards(storage, draft, notes.numbers(), progress)
        missing = [k for k in range(draft.plan.shard_count) if k not in finished]
        if missing:
            raise _incomplete(draft, storage.url, missing, damaged, notes.partitions())

        remove_half_written(storage, name)
        entries = [finished[number] for number in sorted(finished)]
        record = publish(storage, draft, entries, began)
        storage.remove(locks_folder(name))
    return MergeResult(record=record, root=root, seconds=time.perf_counter() - began)


def _incomplete(
    draft: RunRecord,
    root: str,
    missing: Sequence[int],
    damaged: Mapping[int, tuple[str, ...]],
    begun: Sequence[str],
) -> IncompleteSet:
    """Return what is said of a set that lacks shards.

    Args:
        draft: the run record as far as it is known.
        root: as the user named it.
        missing: numbers of the shards that are not there, or harmed.
        damaged: by number, what is wrong with those that are harmed, in words.
        begun: the partitions that have begun, such as "3/8".
    """
    # Which partitions have these shards? Where several divisions were tried, the last word is the
    # finest one.
    of = max((parse_partition(text).of for text in begun), default=1)
    again = []
    for number in range(1, of + 1):
        partition = Partition(number=number, of=of)
        own = [shard for shard in range(draft.plan.shard_count) if partition.has(shard)]
        lacking = sum(partition.has(shard) for shard in missing)
        if lacking:
            never = "" if str(partition) in begun else ", it has not begun"
            again.append(f"{partition} ({lacking} of {counted(len(own), 'shard')}{never})")
    shown = f"{', '.join(again[:MOST_NAMED])}{' and others' if len(again) > MOST_NAMED else ''}"

    harmed = [words for number in sorted(damaged) for words in damaged[number]]
    named = ", ".join(harmed[:MOST_NAMED])
    harm = f" Damaged or missing since they were made: {named}." if harmed else ""
    return IncompleteSet(
        f"Expected all {draft.plan.shard_count} shards of {draft.settings.name!r} in {root}, found "
        f"{draft.plan.shard_count - len(missing)}.{harm} Missing are shards of partition {shown}. "
        "Run the same command as before for each of these partitions, then merge again."
    )
