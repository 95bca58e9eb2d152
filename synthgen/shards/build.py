"""The build: plan, generate, screen, write, publish.

The manifest appears last, when everything that it names is on the disk.
"""

import contextlib
import dataclasses
import functools
import hashlib
import os
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from tqdm import tqdm

from synthgen.config import SCREENINGS, BuildSettings
from synthgen.datasets.digits import Digits
from synthgen.datasets.framing import Framing
from synthgen.errors import Interrupted, ManifestError, StorageError, WorkerLost
from synthgen.gan.checkpoint import Checkpoint, TrainingData
from synthgen.shards.contact_sheet import draw_sheet, read_first_images
from synthgen.shards.data_card import describe_set
from synthgen.shards.engine import LoadNetworks, MakeShards, start_local
from synthgen.shards.formats import SHARD_FORMATS, disk_need, find_strays, set_attributes
from synthgen.shards.generate import load_networks
from synthgen.shards.job import (
    BuildJob,
    check_framing,
    locked,
    plan_at,
    prepare,
    without_kept,
)
from synthgen.shards.label_source import LABEL_SOURCES
from synthgen.shards.layout import (
    FORMER_EVALUATION_FILES,
    card_path,
    contact_sheet_path,
    croissant_path,
    data_folder,
    evaluation_folder,
    manifest_path,
    record_path,
)
from synthgen.shards.manifest import manifest_header
from synthgen.shards.manifest_parts import (
    kept_rows,
    numbered_files,
    part_path,
    parts_there,
    remove_parts,
    split_manifest,
    write_manifest,
    written_parts,
)
from synthgen.shards.on_cluster import start_ray
from synthgen.shards.plan import SetPlan
from synthgen.shards.run_record import (
    NearnessScreening,
    RunRecord,
    ShardEntry,
    describe_nearness,
    read_record,
    write_record,
)
from synthgen.shards.state import BuildState, look
from synthgen.shards.unfinished import UnfinishedBuild, remove_half_written
from synthgen.storage import Storage
from synthgen.text import byte_size, counted

# What makes shards (see `config.ENGINE_CHOICES`): this machine, or those of a Ray cluster.
SHARD_ENGINES: Mapping[str, Callable[[BuildJob, LoadNetworks], MakeShards]] = {
    "local": start_local,
    "ray": start_ray,
}


@dataclass(frozen=True, kw_only=True)
class BuildResult:
    """What a build made.

    Args:
        root: as the user named it.
        manifest: path of the manifest, relative to the root.
        record: the run record.
        skipped: numbers of the shards that were there already.
        seconds: that it took.
        unchanged: whether everything was there already.
        made: images that were generated now.
        repaired: what was found damaged or missing and made again, in words.
        orphans: files in the shard folders that belong to no image of the set; `verify` counts them
            as problems.
    """

    root: str
    manifest: str
    record: RunRecord
    skipped: tuple[int, ...]
    seconds: float
    unchanged: bool
    made: int = 0
    repaired: tuple[str, ...] = ()
    orphans: tuple[str, ...] = ()

    @property
    def manifest_path(self) -> str:
        """Path or URL of the manifest."""
        return self.manifest if self.root == "." else os.path.join(self.root, self.manifest)

    @property
    def count(self) -> int:
        """Images in the set."""
        return self.record.count

    @property
    def acceptance(self) -> dict[str, float]:
        """The share of draws that was kept, by class name."""
        return dict(self.record.acceptance)

    def lines(self) -> list[str]:
        """Return a summary for the terminal."""
        record = self.record
        settings = record.settings
        took = f"in {self.seconds:.1f} s"
        rate = f"{took} ({self.made / max(self.seconds, 1e-9):,.0f} images/s)"
        what = f"{record.plan}, in {counted(len(record.shards), 'shard')}"

        # What verify will find wrong, though all images are as they should be.
        left_over = []
        if self.orphans:
            others = " and others" if len(self.orphans) > 1 else ""
            left_over.append(
                f"Left over: {counted(len(self.orphans), 'file')} without a row in the manifest, "
                f"{self.orphans[0]}{others}. Remove what `synthgen verify` names."
            )

        if self.unchanged:
            return [
                f"Nothing to do: {what}, are in place and unharmed (checked {took}).",
                *left_over,
                f"Manifest {self.manifest_path}",
            ]

        # How much of the set was made now; the rate is that of these images.
        if not self.skipped:
            lines = [f"Made {what}, {rate}."]
        elif not self.made:
            lines = [f"Complete: {what}, which were all there already, {took}."]
        else:
            lines = [
                f"Complete: {what}; {counted(len(self.skipped), 'shard')} there already, "
                f"{counted(self.made, 'image')} made now, {rate}."
            ]
        if self.repaired:
            lines.append(f"Found damaged or missing, and made again: {', '.join(self.repaired)}.")

        # Where the labels come from, and how many draws they took.
        by_share = sorted((share, name) for name, share in record.acceptance.items())
        least, rarest = by_share[0]
        most, commonest = by_share[-1]
        labels = f"Labels come from {LABEL_SOURCES[record.label_source]}"
        if record.label_source == "classifier":
            trained_on = record.checkpoint.training_data or TrainingData()
            lines.append(
                f"{labels}, trained on {trained_on.source or 'unknown digits'}; it saw each class "
                f"in {least:.2%} (class {rarest!r}) to {most:.2%} (class {commonest!r}) "
                "of the draws."
            )
        else:
            drawn = sum(record.counts[name] / share for share, name in by_share)
            overall = record.count / drawn
            lines.append(
                f"{labels}. Screening kept {overall:.2%} of all draws; "
                f"least of class {rarest!r}, {least:.2%}."
            )
        if record.nearness is not None:
            lines.append(describe_nearness(record))

        # Readers of image folders number the classes in the order of their names.
        by_name = sorted(record.class_names)
        other = [name for name, own in zip(by_name, record.class_names, strict=True) if name != own]
        if "png" in record.formats and other:
            label = by_name.index(other[0])
            lines.append(
                "NOTICE: readers that number the folders of PNG files by name (Keras, torchvision, "
                f"Hugging Face) "
                f"give other labels than the manifest: their class {label} is {other[0]!r}, that "
                f"of the manifest is {record.class_names[label]!r}. Take labels from the manifest."
            )

        folder = os.path.join(self.root, data_folder(settings.name))
        return [
            *lines,
            f"Shards   {folder}: {', '.join(record.formats)}, contact_sheet.png",
            f"Manifest {self.manifest_path}, run record {record_path(self.manifest_path)}",
            *left_over,
        ]


def build(
    settings: BuildSettings,
    root: str,
    checkpoint: Checkpoint,
    reference: Digits | None = None,
    overwrite: bool = False,
    progress: bool = True,
    networks: LoadNetworks | None = None,
    say: Callable[[str], object] = lambda _: None,
    framing: Framing | None = None,
    engine: str = "local",
    held_out: Digits | None = None,
) -> BuildResult:
    """Make a labelled set and publish it; what is already there and unharmed is kept.

    Args:
        settings: what to make.
        root: folder or fsspec URL that holds data/ and manifests/.
        checkpoint: the generator.
        reference: real training images to measure distances to, if any.
        overwrite: replace a set of this name that was made with other settings.
        progress: show a bar if standard error is a terminal.
        networks: makes sampler and screener of (checkpoint, batch); called only if something is to
            be generated. None: `load_networks`, with the arithmetic of the set.
        say: receives a notice when something that was there is removed.
        framing: of a user's pictures, for images that look like them; None for images as the
            generator draws them.
        engine: what makes the shards, a key of SHARD_ENGINES. All make the same files.
        held_out: real digits that the generator has not seen, where duplicates or memorised images
            are drawn again.

    Raises:
        InputError: if settings, checkpoint, reference or root cannot be used; nothing is written.
        ResumeError: if the name is taken by a set with other settings.
        ScreeningExhausted: if the generator cannot make a class.
        Interrupted: after Ctrl-C, or if a worker of a cluster was lost again and again; the same
            call goes on.
    """
    began = time.perf_counter()
    job = prepare(settings, root, checkpoint, reference, framing, held_out)
    if not job.storage.exists("manifests"):
        check_space(job, BuildState(kind="nothing"))  # before the lock makes that folder
    job.storage.check_writable()

    with locked(job.storage, job.name):
        # Look once at what is there. What does not fit on the disk is not begun.
        state = look(job, overwrite, progress)
        if state.kind == "other":
            job = without_kept(job)
        check_space(job, state)
        if state.kind == "complete" and state.record is not None:
            job.unfinished.remove()  # of which a build that was killed at its end left a part
            return BuildResult(
                root=job.storage.url,
                manifest=job.manifest,
                record=state.record,
                skipped=tuple(sorted(state.finished)),
                seconds=time.perf_counter() - began,
                unchanged=True,
                orphans=_find_orphans(job),
            )

        # Load the networks first: a checkpoint that does not work changes nothing.
        load = networks or functools.partial(load_networks, arithmetic=job.arithmetic)
        make_shards = SHARD_ENGINES[engine](job, load)
        clear_the_way(job, state, say)

        # Make the shards that are not there yet. If the published manifest describes the first of
        # them, it is taken back before it is untrue.
        missing = [shard for shard in job.plan.shards() if shard.number not in state.finished]
        described = len(state.record.shards) if state.record is not None else 0
        if missing and missing[0].number < described:
            _retract_manifest(job)
        bar = tqdm(
            total=job.plan.count,
            initial=state.images,
            unit=" images",
            desc=job.name,
            disable=None if progress else True,
        )
        try:
            with bar:
                made = make_shards(missing, bar.update)
        except (KeyboardInterrupt, WorkerLost) as error:
            kind = WorkerLost if isinstance(error, WorkerLost) else Interrupted
            finished = len(job.unfinished.numbers())
            raise kind(
                f"{str(error) or 'Interrupted:'} {finished} of "
                f"{counted(job.plan.shard_count, 'shard')} finished and kept. "
                "Run the same command again to go on from there."
            ) from error

        # Publish the set. A worker of a cluster that was lost may have left half-written files.
        if engine != "local":
            remove_half_written(job.storage, job.name)
        entries = sorted([*state.finished.values(), *made], key=lambda entry: entry.shard)
        record = publish(job.storage, job.draft_record(), entries, began)
        repaired = (*state.lost, *(f"shard {number}" for number in sorted(state.damaged)))
        return BuildResult(
            root=job.storage.url,
            manifest=job.manifest,
            record=record,
            skipped=tuple(sorted(state.finished)),
            seconds=time.perf_counter() - began,
            unchanged=False,
            made=sum(entry.rows for entry in made),
            repaired=repaired,
            # where nothing is kept, the folders were empty or not there
            orphans=_find_orphans(job) if state.kind in ("unfinished", "incomplete") else (),
        )


def check_space(job: BuildJob, state: BuildState) -> None:
    """Make sure that what is still to be written fits on the disk.

    Args:
        job: the build.
        state: what is there already.

    Raises:
        StorageError: naming need and free space.
    """
    check_room(job.storage, job.plan, job.bytes_needed, state.images / job.plan.count)


def check_before_training(
    settings: BuildSettings,
    root: str,
    digits: Digits,
    overwrite: bool,
    framing: Framing | None = None,
) -> None:
    """Make sure that a set can be built before hours are spent on training its generator.

    Args:
        settings: of the build.
        root: folder or fsspec URL that holds data/ and manifests/.
        digits: that the generator is to be trained on.
        overwrite: whether a set of this name is to be replaced.
        framing: of a user's pictures, for images that look like them.

    Raises:
        SettingsError: if shards or batches cannot hold every class, or images as large as these.
        StorageError: if the root cannot be written to, or is too small.
    """
    plan, storage = plan_at(settings, root, digits.class_names)
    if framing is not None:
        check_framing(plan, framing)
    image_shape = framing.image_shape if framing is not None else digits.image_shape
    need = disk_need(plan, settings.formats, int(np.prod(image_shape)))

    # Without a checkpoint nobody can say whether what is there will be kept. Notes and run record
    # say how much it is.
    noted = len(UnfinishedBuild(storage, plan.name).numbers()) * plan.block * plan.filled
    published = 0
    manifest = manifest_path(plan.name)
    if not overwrite and storage.exists(record_path(manifest)):
        with contextlib.suppress(ManifestError):  # the build will say what is wrong with it
            published = read_record(storage, manifest).count
    finished = min(max(noted, published), plan.count)

    check_room(storage, plan, need, finished / plan.count)
    storage.check_writable()


def check_room(storage: Storage, plan: SetPlan, bytes_needed: int, finished: float) -> None:
    """Make sure that a set fits on the disk of which a share, 0..1, is there already."""
    free = storage.free_bytes()
    need = int(bytes_needed * (1 - finished))
    if free is not None and need > free:
        raise StorageError(
            f"{plan.count:,} images need about {byte_size(need)} in {storage.url}, "
            f"{byte_size(free)} are free. Free some space, name another --root, make fewer images, "
            "or write one format (--formats hdf5 is the smallest)."
        )


def clear_the_way(job: BuildJob, state: BuildState, say: Callable[[str], object]) -> None:
    """Get ready to make shards: afterwards the notes in `job.unfinished` are those of this build.

    Args:
        job: the build.
        state: what is there.
        say: receives a notice when something that was there is removed.
    """
    storage = job.storage
    folder = data_folder(job.name)
    remove_half_written(storage, job.name)  # which a build that was killed may have left
    if state.kind == "unfinished":
        return

    # What was measured on a smaller or another set says nothing of this one.
    grows = state.record is not None and state.record.plan.counts != job.plan.counts
    if grows or state.kind == "other":
        evaluations = [
            evaluation_folder(job.name),
            *(f"{folder}/{name}" for name in FORMER_EVALUATION_FILES),
        ]
        found = [path for path in evaluations if storage.exists(path)]
        if state.kind == "other":
            _retract_manifest(job)
        for path in found:
            storage.remove(path)
        if found and grows:
            say(
                f"NOTICE: {job.name!r} grows, so the evaluation of the smaller set was removed: "
                f"{', '.join(found)}."
            )
    if state.kind == "other":
        for place in (contact_sheet_path, card_path, croissant_path):
            storage.remove(place(job.name))
        for module in SHARD_FORMATS.values():
            storage.remove(f"{folder}/{module.FOLDER}")
    job.unfinished.begin(job.identity)

    # The rows of shards that are kept go from the manifest of the published set into the notes.
    if state.record is not None and state.finished:
        for number, rows in kept_rows(storage, job.manifest, state.record.plan):
            if number in state.finished:
                job.unfinished.finish(state.finished[number], rows)


def publish(
    storage: Storage, draft: RunRecord, entries: Sequence[ShardEntry], began: float
) -> RunRecord:
    """Publish a set whose shards are written: contact sheet, run record and, last, the manifest.

    Args:
        storage: of the root.
        draft: the run record as far as it is known before a shard is made.
        entries: of all shards, in their order.
        began: when the build began, a `time.perf_counter()`.
    """
    plan = draft.plan
    notes = UnfinishedBuild(storage, plan.name)
    manifest = manifest_path(plan.name)
    kind = draft.settings.formats[0]
    hashes = [entry.sha256.get(kind) for entry in entries]
    images, labels = read_first_images(storage, plan, kind, hashes)
    about = set_attributes(draft.settings, draft.checkpoint.sha256, draft.framing)
    sheet = draw_sheet(images, labels, about)

    former = [part.path for part in parts_there(storage, manifest)]
    with storage.writing(manifest) as file:
        # The manifest, which does not appear under its name before this block ends.
        header = manifest_header(draft.settings.formats)
        entry = write_manifest(storage, file, draft, header, notes.rows(entries))

        # When all shards are safely on the disk: sheet, descriptions and run record. Of a smaller
        # set they would be untrue, so its manifest, which was true until now, ends before them.
        storage.sync()
        storage.remove(manifest)
        storage.write_bytes(contact_sheet_path(plan.name), sheet)
        draws = np.sum([entry.draws for entry in entries], axis=0).tolist()
        record = dataclasses.replace(
            draft,
            acceptance={
                name: round(count / drawn, 6)
                for name, count, drawn in zip(plan.class_names, plan.counts, draws, strict=True)
                if drawn
            },
            manifest=entry,
            seconds=round(time.perf_counter() - began, 3),
            shards=tuple(entries),
            contact_sheet_sha256=hashlib.sha256(sheet).hexdigest(),
            nearness=_sum_up_nearness(draft, entries, draws),
        )
        describe_set(storage, record)
        write_record(storage, manifest, record)

    # Files of the manifest that was there, or of one that was never finished, and none of this one.
    split = split_manifest(plan, draft.settings.manifest_rows)
    own = {part_path(plan.name, number) for number in range(len(split))}
    numbered = (numbered_files if split else written_parts)(storage, plan.name)
    remove_parts(storage, plan.name, sorted({*former, *numbered} - own))
    notes.remove()
    return record


def _sum_up_nearness(
    draft: RunRecord, entries: Sequence[ShardEntry], draws: Sequence[int]
) -> NearnessScreening | None:
    """Return what came of drawing duplicates and memorised images again; None if nobody did.

    Args:
        draft: the run record.
        entries: of all shards.
        draws: for the whole set, one number a class.
    """
    if draft.nearness_limits is None:
        return None
    names = draft.class_names
    rejected = {}
    for reason in SCREENINGS:
        found = [(entry.rejected or {}).get(reason) for entry in entries]
        counts = [count for count in found if count is not None]
        if counts:
            by_class = zip(names, np.sum(counts, axis=0).tolist(), draws, strict=True)
            rejected[reason] = {name: round(n / drawn, 6) for name, n, drawn in by_class if drawn}
    coverage = [entry.coverage for entry in entries if entry.coverage is not None]
    before, after = np.mean(coverage, axis=0).round(6).tolist() if coverage else (0.0, 0.0)
    return NearnessScreening(
        limits=dict(zip(names, draft.nearness_limits, strict=True)),
        rejected=rejected,
        coverage_before=before,
        coverage_after=after,
    )


def _retract_manifest(job: BuildJob) -> None:
    """Take a published set back: what its manifest describes is about to change."""
    parts = parts_there(job.storage, job.manifest)
    job.storage.remove(job.manifest)
    job.storage.remove(record_path(job.manifest))
    remove_parts(job.storage, job.name, [part.path for part in parts])


def _find_orphans(job: BuildJob) -> tuple[str, ...]:
    """Return the files in the shard folders that belong to no image of the set."""
    orphans = find_strays(job.storage, job.plan, job.formats).orphans
    return tuple(path for paths in orphans.values() for path in paths)
