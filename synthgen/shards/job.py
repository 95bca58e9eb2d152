"""A build job: what is to be made where, checked before anything is written."""

import contextlib
import dataclasses
import os
import platform
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from synthgen.config import SCREENINGS, SHARD_FORMAT_NAMES, BuildSettings
from synthgen.datasets.digits import Digits
from synthgen.datasets.framing import Framing
from synthgen.errors import CheckpointError, DataError, ManifestError, RecordError, SettingsError
from synthgen.gan.checkpoint import LARGEST_SIDE, Checkpoint, TrainingData
from synthgen.metrics.neighbours import NearestTrain, check_reference
from synthgen.records import fingerprint, from_plain
from synthgen.shards.formats import SHARD_FORMATS, check_packages, disk_need
from synthgen.shards.generate import (
    Arithmetic,
    arithmetic_of,
    drawing_versions,
)
from synthgen.shards.label_source import label_source
from synthgen.shards.layout import (
    check_links,
    data_folder,
    lock_path,
    locks_folder,
    manifest_path,
    parts_folder,
    record_path,
)
from synthgen.shards.manifest_parts import split_manifest
from synthgen.shards.nearness import Nearness, take_limits
from synthgen.shards.plan import FORMER_PNG_FOLDERS, PNG_FOLDERS, SetPlan, plan_set
from synthgen.shards.run_record import (
    GeneratorOrigin,
    Machine,
    ManifestEntry,
    RunRecord,
    read_record,
)
from synthgen.shards.tfrecord import FEATURES
from synthgen.shards.unfinished import UnfinishedBuild
from synthgen.storage import Storage, open_storage
from synthgen.text import byte_size

REFERENCE = "training images"  # their name in an identity
VERSION_OF = "version of"  # begins the name of a version in an identity
NEARNESS = "distances that are too near"
LIKE = "--like"  # stands in the identity of a set that looks like a user's pictures
FRAMING_OF = "your pictures'"  # begins the name of a number of their framing there
PNG_FOLDERS_ARE = "folders of PNG files"
EXPORTED = "exported formats"
MOST_SHARD_BYTES = 500_000_000
NOT_CONTENT = ("name", "max_attempts", "like", "manifest_rows")  # which change no image


@dataclass(frozen=True, kw_only=True)
class Kept:
    """What a set that is there keeps as it grows or is mended, whatever a new set would have.

    Args:
        exported: formats beside those it was built in.
        png_folders: how its PNG files lie in folders.
        arithmetic: what computes its images.
    """

    exported: tuple[str, ...] = ()
    png_folders: str = PNG_FOLDERS
    arithmetic: Arithmetic = "numpy"


NEW_SET = Kept()


@dataclass(frozen=True, kw_only=True, eq=False)
class BuildJob:
    """What a build is to make, and where.

    Args:
        settings: of the build; `labels` says where they come from, a key of
            `label_source.LABEL_SOURCES`.
        checkpoint: the generator.
        reference: real training images that distances are measured to, if any.
        storage: of the root.
        plan: the shards.
        origin: what the run record says of the generator.
        versions: of what can change a pixel, by name.
        identity: everything that decides the content, see `identity_of_set`.
        framing: what images look like that are not as the generator draws them.
        exported: formats that the set has beside those of the settings, which it keeps as it grows.
        arithmetic: what computes the images.
        nearness: what images are held against; None where neither duplicates nor memorised ones
            are drawn again.
    """

    settings: BuildSettings
    checkpoint: Checkpoint
    reference: Digits | None
    storage: Storage
    plan: SetPlan
    origin: GeneratorOrigin
    versions: Mapping[str, str]
    identity: Mapping[str, Any]
    framing: Framing | None = None
    exported: tuple[str, ...] = ()
    arithmetic: Arithmetic = "numpy"
    nearness: Nearness | None = None

    @property
    def formats(self) -> tuple[str, ...]:
        """All formats that are written."""
        return (*self.settings.formats, *self.exported)

    @property
    def image_shape(self) -> tuple[int, int, int]:
        """(height, width, channels) of the images that are written."""
        return self.framing.image_shape if self.framing else self.checkpoint.image_shape

    @property
    def name(self) -> str:
        """Name of the set."""
        return self.settings.name

    @property
    def manifest(self) -> str:
        """Where the manifest will lie, relative to the root."""
        return manifest_path(self.name)

    @property
    def unfinished(self) -> UnfinishedBuild:
        """What an unfinished build of the set keeps."""
        return UnfinishedBuild(self.storage, self.name)

    @property
    def bytes_needed(self) -> int:
        """Estimated bytes on the disk of the whole set."""
        pixels = int(np.prod(self.image_shape))
        return disk_need(self.plan, self.formats, pixels)

    def draft_record(self) -> RunRecord:
        """Return the run record as far as it is known before a shard is made."""
        plan = self.plan
        return RunRecord(
            settings=self.settings,
            fingerprint=fingerprint({n: v for n, v in self.identity.items() if n != EXPORTED}),
            class_names=tuple(plan.class_names),
            image_shape=self.image_shape,
            count=plan.count,
            counts=dict(zip(plan.class_names, plan.counts, strict=True)),
            label_source=self.settings.labels,
            acceptance={},
            checkpoint=self.origin,
            reference_sha256=self.identity[REFERENCE],
            versions=self.versions,
            precision="float32",
            machine=Machine(
                system=platform.system(), processor=platform.machine(), cores=os.cpu_count()
            ),
            manifest=ManifestEntry(path=self.manifest, rows=plan.count, sha256=""),
            seconds=0.0,
            shards=(),
            framing=self.framing,
            tfrecord_features=FEATURES if "tfrecord" in self.formats else None,
            exported=self.exported,
            png_folders=plan.png_folders,
            nearness_limits=_limits_of(self.nearness),
        )

    def nearest_train(self) -> NearestTrain | None:
        """Return what finds the distances to training images; None without these."""
        if self.nearness is not None:
            return self.nearness.nearest
        return NearestTrain(self.reference) if self.reference is not None else None


def prepare(
    settings: BuildSettings,
    root: str,
    checkpoint: Checkpoint,
    reference: Digits | None = None,
    framing: Framing | None = None,
    held_out: Digits | None = None,
) -> BuildJob:
    """Make a job of what the user asked for. Writes nothing.

    A set that is there already, or begun, goes on with the arithmetic that it was begun with.

    Args:
        settings: what to make.
        root: folder or fsspec URL that holds data/ and manifests/.
        checkpoint: the generator.
        reference: real training images to measure distances to, if any.
        framing: of a user's pictures, for images that look like them; None for images as the
            generator draws them.
        held_out: real digits that the generator has not seen, where duplicates or memorised images
            are drawn again.

    Raises:
        SettingsError: if shards or batches cannot hold every class, a shard is too large for the
            memory, or labels cannot come from where they should.
        CheckpointError: if images are to be screened or labelled and the checkpoint holds no
            classifier.
        DataError: if the reference does not fit the generator.
        StorageError: if a file or a link lies where a folder is needed.
    """
    # The shards, and the place for them.
    plan, storage = plan_at(settings, root, checkpoint.class_names)
    kept = kept_by(storage, plan.name)
    exported = tuple(kind for kind in kept.exported if kind not in settings.formats)
    check_packages(exported)
    plan = dataclasses.replace(plan, png_folders=kept.png_folders)

    if framing is not None:
        check_framing(plan, framing)

    # Labels, and what they need.
    source = label_source(settings.labels, checkpoint.labels)
    settings = dataclasses.replace(settings, labels=source)
    if settings.labels == "classifier" and not checkpoint.screener:
        raise CheckpointError(
            "Expected a checkpoint with a screening classifier to take labels from, "
            "received one without. Train it again."
        )
    if settings.rejects("mislabels") and not checkpoint.screener:
        raise CheckpointError(
            "Expected a checkpoint with a screening classifier, received one without. "
            "Use --screen none, or train it again."
        )

    # Training images that distances can be measured to.
    reference_sha256 = None
    if reference is not None:
        if reference.image_shape != checkpoint.image_shape or reference.classes != plan.classes:
            raise DataError(
                "Expected training images of the generator's shape and classes, "
                f"{checkpoint.image_shape} and {plan.classes}, received {reference.image_shape} "
                f"and {reference.classes}. Use the data that the generator was trained on, "
                "or another --checkpoint."
            )
        check_reference(reference)
        reference_sha256 = reference.sha256()
    nearness = None
    if settings.screens_nearness:
        if reference is None or held_out is None:
            raise DataError(
                f"--screen {settings.screen}: expected the digits that the generator was trained "
                "on, and unseen ones beside them, to say what is too near; received none. Name "
                "them with --data, or use --screen mislabels."
            )
        nearest = NearestTrain(reference)
        nearness = Nearness(take_limits(nearest, held_out), nearest)

    # What the run record will say of the generator.
    known: dict[str, Any] = {"sha256": checkpoint.sha256}
    for name in ("preset", "seed", "step"):
        if name in checkpoint.record:
            known[name] = checkpoint.record[name]
    if "training_data" in checkpoint.record:
        training_data = dict(checkpoint.record["training_data"])
        fields = [field.name for field in dataclasses.fields(TrainingData)]
        known["training_data"] = {n: training_data[n] for n in fields if n in training_data}
    try:
        origin = from_plain(GeneratorOrigin, known)
    except RecordError as error:
        raise CheckpointError(
            f"The record of the checkpoint does not hold what it should: {error} "
            "Use another --checkpoint, or train it again."
        ) from error

    now = _versions_of_pixels(kept.arithmetic, framing)
    return BuildJob(
        settings=settings,
        checkpoint=checkpoint,
        reference=reference,
        storage=storage,
        plan=plan,
        origin=origin,
        versions=now,
        identity=identity_of_set(
            settings,
            checkpoint.sha256,
            reference_sha256,
            now,
            framing,
            kept,
            limits=_limits_of(nearness),
        ),
        framing=framing,
        exported=exported,
        arithmetic=kept.arithmetic,
        nearness=nearness,
    )


def _limits_of(nearness: Nearness | None) -> tuple[float, ...] | None:
    """Return how near is too near, one distance a class; None where nothing is."""
    return nearness.limits.limits if nearness is not None else None


def _versions_of_pixels(arithmetic: Arithmetic, framing: Framing | None) -> dict[str, str]:
    """Return the versions of what can change a pixel.

    Pictures are scaled by Pillow, and their dirt is found by SciPy.
    """
    if framing is None:
        return drawing_versions(arithmetic)
    return drawing_versions(arithmetic, "pillow", "scipy")


def kept_by(storage: Storage, name: str) -> Kept:
    """Return what a set that is there keeps as it grows or is mended.

    Args:
        storage: of the root.
        name: of the set.

    Returns:
        What its notes or else its run record say; that of a new set if there are neither.
    """
    noted = UnfinishedBuild(storage, name).identity()
    if noted is not None:
        former = PNG_FOLDERS_ARE not in noted
        exported = noted.get(EXPORTED, [])
        known = isinstance(exported, list) and all(kind in SHARD_FORMAT_NAMES for kind in exported)
        return Kept(
            exported=tuple(exported) if known else (),
            png_folders=FORMER_PNG_FOLDERS if former else PNG_FOLDERS,
            arithmetic=arithmetic_of(name.removeprefix(f"{VERSION_OF} ") for name in noted),
        )
    manifest = manifest_path(name)
    if storage.exists(record_path(manifest)):
        with contextlib.suppress(ManifestError):  # `state.look` says what is wrong with it
            record = read_record(storage, manifest)
            return Kept(
                exported=record.exported,
                png_folders=record.png_folders,
                arithmetic=arithmetic_of(record.versions),
            )
    return NEW_SET


def without_kept(job: BuildJob) -> BuildJob:
    """Return a job that takes nothing over from a set which it replaces."""
    now = _versions_of_pixels(NEW_SET.arithmetic, job.framing)
    return dataclasses.replace(
        job,
        plan=dataclasses.replace(job.plan, png_folders=PNG_FOLDERS),
        versions=now,
        identity=identity_of_set(
            job.settings,
            job.checkpoint.sha256,
            job.identity[REFERENCE],
            now,
            job.framing,
            NEW_SET,
            limits=_limits_of(job.nearness),
        ),
        exported=(),
        arithmetic=NEW_SET.arithmetic,
    )


def plan_at(
    settings: BuildSettings, root: str, class_names: Sequence[str]
) -> tuple[SetPlan, Storage]:
    """Return the plan of a set and the storage of its root, both checked.

    Args:
        settings: what to make.
        root: folder or fsspec URL that holds data/ and manifests/.
        class_names: one a class.

    Raises:
        SettingsError: if shards or batches cannot hold every class, or a package that a format
            needs is not installed.
        StorageError: if a file, or a link that leaves the root, lies where a folder is needed.
    """
    check_packages(settings.formats)
    plan = plan_set(settings, tuple(class_names))
    if settings.batch < plan.classes:
        raise SettingsError(
            f"--batch: expected at least {plan.classes}, one image of each class, "
            f"received {settings.batch}."
        )
    storage = open_storage(root)
    folder = data_folder(settings.name)
    shard_folders = [f"{folder}/{SHARD_FORMATS[kind].FOLDER}" for kind in settings.formats]
    places = ["", "data", folder, *shard_folders, "manifests"]
    if split_manifest(plan, settings.manifest_rows):
        places.append(parts_folder(settings.name))
    for place in places:
        storage.check_folder(place)
        check_links(storage, place)
    return plan, storage


def check_framing(plan: SetPlan, framing: Framing) -> None:
    """Make sure that images as large as the user's can be written. Two shards are in memory.

    Args:
        plan: of the set.
        framing: of the user's pictures, which the images shall look like.

    Raises:
        SettingsError: if an image, or a shard of so many of them, is too large.
    """
    if max(framing.size) > LARGEST_SIDE:
        raise SettingsError(
            f"--like data: expected pictures of at most {LARGEST_SIDE} pixels a side, received "
            f"{framing.size[0]} x {framing.size[1]}. Use --like generator, or smaller ones."
        )
    shard_bytes = len(plan.shard(0)) * int(np.prod(framing.image_shape))
    if shard_bytes > MOST_SHARD_BYTES:
        fitting = MOST_SHARD_BYTES // int(np.prod(framing.image_shape))
        smaller = f"--shard-size {fitting}, or " if fitting >= plan.filled else ""
        raise SettingsError(
            f"--shard-size: expected shards of {byte_size(MOST_SHARD_BYTES)} or less, "
            f"received {len(plan.shard(0)):,} images like your pictures of "
            f"{' x '.join(map(str, framing.image_shape))}, {byte_size(shard_bytes)}. Use "
            f"{smaller}--like generator for images of {' x '.join(map(str, framing.shape))}."
        )


def training_images(checkpoint: Checkpoint, digits: Digits) -> Digits | None:
    """Return the digits if they are those that the generator was trained on, else None.

    Distances to other digits say nothing of copying.
    """
    return digits if training_sha256(checkpoint) == digits.sha256() else None


def training_sha256(checkpoint: Checkpoint) -> str | None:
    """Return the SHA-256 of the digits that a generator was trained on; None if not known."""
    known: str | None = checkpoint.record.get("training_data", {}).get("sha256")
    return known


@contextlib.contextmanager
def locked(storage: Storage, name: str) -> Iterator[None]:
    """Keep a second build of the same name away, and partitions of it.

    Args:
        storage: of the root.
        name: of the set.

    Raises:
        ResumeError: if there is one.
    """
    with storage.exclusive(lock_path(name), another_build(storage, name)):
        # Partitions begin with a look whether this lock is held.
        if storage.is_local:
            for path in storage.files(locks_folder(name)):
                partition = path.rpartition("/")[2].removesuffix(".lock").replace("-of-", "/")
                busy = (
                    f"Partition {partition} of {name!r} is running in {storage.url}. "
                    "Wait for it to end, or use another --name."
                )
                with storage.exclusive(path, busy):
                    pass
        yield


def another_build(storage: Storage, name: str) -> str:
    """Return what is said where a build of the whole set is running."""
    return (
        f"Another build of {name!r} is running in {storage.url}. "
        "Wait for it to end, or use another --name."
    )


def identity_of_set(
    settings: BuildSettings,
    checkpoint: str,
    reference: str | None,
    versions: Mapping[str, str],
    framing: Framing | None = None,
    kept: Kept = NEW_SET,
    *,
    limits: Sequence[float] | None = None,
) -> dict[str, Any]:
    """Return everything that decides the content of a set, under the names that messages use.

    Args:
        settings: of the build.
        checkpoint: SHA-256 of the checkpoint.
        reference: SHA-256 of the training images that distances are measured to.
        versions: of libraries, by name.
        framing: of the images, if they are not as the generator draws them.
        kept: what a set that is there keeps.
        limits: how near images may be to each other and to training images.
    """
    identity: dict[str, Any] = {}
    for name, value in dataclasses.asdict(settings).items():
        if name not in NOT_CONTENT:
            identity[f"--{name.replace('_', '-')}"] = value
    identity["--formats"] = sorted(settings.formats)
    identity["--screen"] = ",".join(filter(settings.rejects, SCREENINGS)) or "none"
    if limits is not None:  # sets without have none
        identity[NEARNESS] = list(limits)
    if settings.counts:
        del identity["--per-class"]
        identity["--counts"] = sorted(settings.counts)
    else:
        del identity["--counts"]  # sets of earlier versions have none
    if kept.png_folders != FORMER_PNG_FOLDERS:  # sets of earlier versions say nothing
        identity[PNG_FOLDERS_ARE] = kept.png_folders
    if kept.exported:
        identity[EXPORTED] = sorted(kept.exported)
    identity["checkpoint"] = checkpoint
    identity[REFERENCE] = reference
    for name, version in versions.items():
        identity[f"{VERSION_OF} {name}"] = version
    if framing is not None:
        identity[LIKE] = "data"
        for name, value in dataclasses.asdict(framing).items():
            identity[f"{FRAMING_OF} {name}"] = list(value) if isinstance(value, tuple) else value
    return identity


def identity_differences(before: Mapping[str, Any], now: Mapping[str, Any]) -> dict[str, str]:
    """Return what differs between two identities, in words, by name.

    Another patch level of Python changes nothing.
    """
    different = {}
    both_framed = LIKE in before and LIKE in now
    for name in dict(before) | dict(now):
        otherwise = "generator" if name == LIKE else None
        was = before.get(name, otherwise)
        present = now.get(name, otherwise)
        if name.startswith(FRAMING_OF) and not both_framed:
            continue  # LIKE says it
        if name == f"{VERSION_OF} python":
            same = str(was).split(".")[:2] == str(present).split(".")[:2]
        else:
            same = was == present
        if not same:
            different[name] = f"{name} was {_in_short(was)}, is {_in_short(present)}"
    return different


def _in_short(value: Any) -> str:
    """Return a value of an identity in few characters: hashes by their first twelve."""
    if value is None:
        return "none"
    text = ",".join(map(str, value)) if isinstance(value, list) else str(value)
    return f"{text[:12]}..." if len(text) == 64 else text
