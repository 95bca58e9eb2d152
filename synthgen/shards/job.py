"""A build job: what is to be made where, checked before anything is written."""

import contextlib
import dataclasses
from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any

import numpy as np

from synthgen.config import BuildSettings
from synthgen.datasets.digits import Digits
from synthgen.errors import CheckpointError, DataError, ManifestError, SettingsError, StorageError
from synthgen.gan.checkpoint import Checkpoint
from synthgen.metrics.neighbours import check_reference
from synthgen.records import versions
from synthgen.shards.contact_sheet import sheet_path
from synthgen.shards.formats import FORMATS, disk_need
from synthgen.shards.generate import Networks
from synthgen.shards.manifest import manifest_path, read_record, record_path
from synthgen.shards.plan import Plan, label_source, make_plan
from synthgen.shards.unfinished import Parts, identity
from synthgen.storage import Storage, open_storage
from synthgen.text import byte_size


@dataclass(frozen=True, eq=False)
class Job:
    """What a build is to make, and where.

    Args:
        settings: of the build; `labels` says where they come from ("condition", "per-class" or
            "classifier").
        checkpoint: the generator.
        reference: real training images that distances are measured to, if any.
        storage: of the root.
        plan: the shards.
        identity: everything that decides the content.
    """

    settings: BuildSettings
    checkpoint: Checkpoint
    reference: Digits | None
    storage: Storage
    plan: Plan
    identity: dict[str, Any]

    @property
    def name(self) -> str:
        """Name of the set."""
        return self.settings.name

    @property
    def manifest(self) -> str:
        """Where the manifest will lie, relative to the root."""
        return manifest_path(self.name)

    @property
    def contact_sheet(self) -> str:
        """Where the contact sheet will lie, relative to the root."""
        return sheet_path(self.name)

    @property
    def parts(self) -> Parts:
        """What an unfinished build keeps."""
        return Parts(self.storage, self.name)

    def record(self) -> dict[str, Any] | None:
        """The published run record; None if there is none.

        Raises:
            ManifestError: if there is one that cannot be read.
        """
        return _published(self.storage, self.manifest)

    def bytes_needed(self) -> int:
        """Estimated bytes on the disk of the whole set."""
        return disk_need(
            self.plan, self.settings.formats, int(np.prod(self.checkpoint.image_shape))
        )


def _published(storage: Storage, manifest: str) -> dict[str, Any] | None:
    return read_record(storage, manifest) if storage.exists(record_path(manifest)) else None


def prepare(
    settings: BuildSettings, root: str, checkpoint: Checkpoint, reference: Digits | None
) -> Job:
    """Make a job of what the user asked for. Reads, writes nothing.

    Raises:
        SettingsError: if shards or batches cannot hold every class, or labels cannot come from
            where they should.
        CheckpointError: if images are to be screened or labelled and the checkpoint holds no
            classifier.
        DataError: if the reference does not fit the generator.
        StorageError: if a file lies where a folder is needed.
    """
    plan, storage = _plan_at(settings, root, checkpoint.class_names)
    settings = dataclasses.replace(
        settings, labels=label_source(settings.labels, checkpoint.labels)
    )
    if settings.labels == "classifier" and not checkpoint.screener:
        raise CheckpointError(
            "Expected a checkpoint with a screening classifier to take labels from, received one without. Train it anew."
        )
    if settings.screen != "none" and not checkpoint.screener:
        raise CheckpointError(
            "Expected a checkpoint with a screening classifier, received one without. Use --screen none, or train it anew."
        )
    if reference is not None and (
        reference.image_shape != checkpoint.image_shape or reference.classes != plan.classes
    ):
        raise DataError(
            f"Expected training images of the generator's shape and classes, {checkpoint.image_shape} and {plan.classes}, received "
            f"{reference.image_shape} and {reference.classes}. Use the data that the generator was trained on, or another --checkpoint."
        )
    if reference is not None:
        check_reference(reference)
    sha256 = reference.sha256() if reference is not None else None
    return Job(
        settings,
        checkpoint,
        reference,
        storage,
        plan,
        identity(settings, checkpoint.sha256, sha256, versions()),
    )


def _plan_at(
    settings: BuildSettings, root: str, class_names: Sequence[str]
) -> tuple[Plan, Storage]:
    """Plan and place of a set, both checked."""
    plan, storage = make_plan(settings, tuple(class_names)), open_storage(root)
    if settings.batch < plan.classes:
        raise SettingsError(
            f"--batch: expected at least {plan.classes}, one image of each class, received {settings.batch}."
        )
    for folder in (
        "",
        "data",
        f"data/{settings.name}",
        *(f"data/{settings.name}/{FORMATS[kind].FOLDER}" for kind in settings.formats),
        "manifests",
    ):
        storage.check_folder(folder)
    return plan, storage


def training_images(checkpoint: Checkpoint, digits: Digits) -> Digits | None:
    """The digits if they are those that the generator was trained on (distances to others say nothing of copying); else None."""
    return (
        digits
        if checkpoint.record.get("training_data", {}).get("sha256") == digits.sha256()
        else None
    )


def check_space(job: Job, overwrite: bool) -> None:
    """Make sure that what is still to be written fits on the disk.

    Raises:
        StorageError: naming need and free space.
    """
    _check_room(job.storage, job.settings, job.plan, job.bytes_needed(), overwrite)


def check_before_training(
    settings: BuildSettings, root: str, digits: Digits, overwrite: bool
) -> None:
    """Make sure that what a generator of these digits is to make can be built, before hours are spent on training it.

    Raises:
        SettingsError: if shards or batches cannot hold every class.
        StorageError: if the root cannot be written to, or is too small.
    """
    plan, storage = _plan_at(settings, root, digits.class_names)
    _check_room(
        storage,
        settings,
        plan,
        disk_need(plan, settings.formats, int(np.prod(digits.image_shape))),
        overwrite,
    )
    storage.check_writable()


def _check_room(
    storage: Storage, settings: BuildSettings, plan: Plan, bytes_needed: int, overwrite: bool
) -> None:
    free, share = storage.free_bytes(), 1 - _done(storage, plan, overwrite) / plan.count
    need = int(bytes_needed * share)
    if free is not None and need > free:
        raise StorageError(
            f"--per-class {settings.per_class:,} needs about {byte_size(need)} in {storage.url}, {byte_size(free)} are free. "
            "Free some space, name another --root, make fewer images, or write one format (--formats hdf5 is the smallest)."
        )


def _done(storage: Storage, plan: Plan, overwrite: bool) -> int:
    """Images that are already there, at most those of the plan."""
    rows = Parts(storage, plan.name).finished() * plan.block * plan.classes
    with contextlib.suppress(ManifestError):
        record = None if overwrite else _published(storage, manifest_path(plan.name))
        rows = max(rows, sum(entry["rows"] for entry in record["shards"]) if record else 0)
    return min(rows, plan.count)


def locked(job: Job) -> AbstractContextManager[None]:
    """Keep a second build of the same name away."""
    busy = f"Another build of {job.name!r} is running in {job.storage.url}. Wait for it to end, or use another --name."
    return job.storage.exclusive(f"manifests/.{job.name}.lock", busy)


def load_networks(checkpoint: Checkpoint, batch: int) -> Networks:
    """The generator and the screening classifier of a checkpoint, ready to run. Imports TensorFlow.

    Raises:
        CheckpointError: if weights do not fit.
    """
    from synthgen.classifiers.screener import Screener
    from synthgen.gan.sampler import load_sampler

    screener = (
        Screener(checkpoint.screener, checkpoint.image_shape, len(checkpoint.class_names), batch)
        if checkpoint.screener
        else None
    )
    return Networks(load_sampler(checkpoint, batch), screener)
