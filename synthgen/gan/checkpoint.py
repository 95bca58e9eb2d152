"""Checkpoints: weights as safetensors, everything else as JSON.

There are no pickles and no code in a checkpoint, and no TensorFlow is needed to read one.

A checkpoint is a folder. `checkpoint.json` names the weight files and their hashes and is replaced
last, so that a killed writer leaves the previous checkpoint whole:

    checkpoint.json                 settings, classes, image shape, steps, versions, record
    generator-004400.safetensors    the generator (see monitor.py), or one a class, each weight then
                                    named by class and path ("3/up/kernel")
    screener.safetensors            the screening classifier that saw the same images
"""

import contextlib
import dataclasses
import hashlib
import importlib.resources
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any

from synthgen.config import GanSettings
from synthgen.errors import CheckpointError, RecordError, StorageError, SynthgenError
from synthgen.gan.presets import BASELINE_SETTINGS
from synthgen.records import fingerprint, from_plain, parse_json
from synthgen.storage import Storage, cache_folder, open_storage
from synthgen.weights import Weights, pack_weights, unpack_weights

CHECKPOINT_FORMAT = "synthgen-checkpoint/1"
CHECKPOINT_RECORD = "checkpoint.json"
CHECKPOINTS_FOLDER = "checkpoints"  # in the user's cache
# Revision of the training: raised when the same settings, seed and digits come to better or worse
# weights, not merely to ones that are rounded otherwise or drawn otherwise. Generators in the cache
# are then trained again.
TRAINING_REVISION = 2
NUMBERED_WEIGHTS = re.compile(r"(generator|state)-\d+\.safetensors")  # of a step
LARGEST_SIDE = 4096  # pixels; of what a record says about the shape of images, more is refused
SHIPPED = "shipped"  # names the generator that comes with the package
DECIDING = ("weights", "settings", "class_names", "image_shape", "labels")  # kept beside the record
_REMEDY = (
    "Name a folder that `synthgen train --out FOLDER` made, "
    "or leave --checkpoint away to use the shipped generator."
)


@dataclass(frozen=True, kw_only=True)
class Checkpoint:
    """A trained generator with its screening classifier.

    Args:
        settings: the recipe it was trained with.
        class_names: one name a class.
        image_shape: (height, width, channels).
        generator: named weights of the generator, with BatchNorm statistics of its own; or of one
            generator a class (see `weights.join_classes`).
        screener: named weights of the screening classifier.
        record: where it comes from: preset, seed, step, training_data, versions, and what training
            measured.
        per_class: whether there is one generator a class.
    """

    settings: GanSettings
    class_names: tuple[str, ...]
    image_shape: tuple[int, int, int]
    generator: Weights
    screener: Weights
    record: Mapping[str, Any]
    per_class: bool = False

    def __post_init__(self) -> None:
        if self.per_class and self.settings.conditional:
            raise CheckpointError(
                "Expected generators of one class each without a condition, "
                "received a recipe with one. Train it again."
            )

    @property
    def labels(self) -> str:
        """How its images get their labels.

        From the "condition", from one generator "per-class", or from "none" of these.
        """
        if self.settings.conditional:
            return "condition"
        return "per-class" if self.per_class else "none"

    @property
    def sha256(self) -> str:
        """The identity of what it generates, as 64 hex digits.

        It is a hash of settings, classes, shape and all weights, not of the record.
        """
        weights = [
            hashlib.sha256(pack_weights(each)).hexdigest()
            for each in (self.generator, self.screener)
        ]
        return fingerprint(
            [identity_of(self.settings), self.class_names, self.image_shape, weights]
        )


def identity_of(settings: GanSettings) -> dict[str, Any]:
    """Return the settings that are not as in BASELINE_SETTINGS, ready for JSON."""
    baseline = dataclasses.asdict(BASELINE_SETTINGS)
    chosen = dataclasses.asdict(settings)
    return {name: value for name, value in chosen.items() if value != baseline[name]}


def shipped_checkpoint() -> str:
    """Return the folder of the generator that comes with the package."""
    return str(importlib.resources.files("synthgen.gan") / "shipped")


def cached_checkpoint(name: str, *decides: Any) -> str:
    """Return the folder in the user's cache of a generator that is trained once and kept.

    Args:
        name: begins the folder's name.
        decides: all that decides its weights but the revision of the training, ready for JSON.
    """
    identity = fingerprint([*decides, TRAINING_REVISION])
    return f"{cache_folder()}/{CHECKPOINTS_FOLDER}/{name}-{identity[:12]}"


def write_checkpoint(folder: str, checkpoint: Checkpoint) -> None:
    """Write a checkpoint; the one that was there before stays whole until the new one is.

    Args:
        folder: path or fsspec URL, made if missing.
        checkpoint: what to write.

    Raises:
        StorageError: if the folder is not writable or the disk is full.
    """
    storage = open_storage(folder)

    # weights
    generator_file = f"generator-{checkpoint.record['step']:06d}.safetensors"
    entries = {}
    for role, file, weights in (
        ("generator", generator_file, checkpoint.generator),
        ("screener", "screener.safetensors", checkpoint.screener),
    ):
        packed = pack_weights(weights)
        storage.write_bytes(file, packed)
        entries[role] = {"file": file, "sha256": hashlib.sha256(packed).hexdigest()}

    # the record that names them; a checkpoint that was read has format and hash of its own in it
    record = {
        "format": CHECKPOINT_FORMAT,
        "sha256": checkpoint.sha256,
        "weights": entries,
        "settings": dataclasses.asdict(checkpoint.settings),
        "labels": checkpoint.labels,
        "class_names": checkpoint.class_names,
        "image_shape": checkpoint.image_shape,
    }
    for name, value in checkpoint.record.items():
        if name not in ("format", "sha256"):
            record[name] = value
    storage.write_bytes(CHECKPOINT_RECORD, (json.dumps(record, indent=2) + "\n").encode())

    remove_former_weights(storage, CHECKPOINT_RECORD)


def remove_former_weights(storage: Storage, record: str) -> None:
    """Remove the weights of earlier steps, which stand beside a record and are not named in it.

    Args:
        storage: the training's folder, where nobody else is writing.
        record: path of the record; nothing is removed where there is none, or where it names no
            weights that are there, as a damaged one.
    """
    if not storage.exists(record):
        return
    named = storage.read_bytes(record)
    files = next(iter(storage.walk(record.rpartition("/")[0])), [])  # of those within: no
    weights = [file for file in files if NUMBERED_WEIGHTS.fullmatch(file.rpartition("/")[2])]
    former = [file for file in weights if file.rpartition("/")[2].encode() not in named]
    if len(former) < len(weights):
        for file in former:
            storage.remove(file)


@dataclass(frozen=True, kw_only=True)
class WeightsEntry:
    """A file of weights as checkpoint.json names it.

    Args:
        file: its name.
        sha256: of its content, as 64 hex digits.
    """

    file: str
    sha256: str

    def __post_init__(self) -> None:
        if "/" in self.file or "\\" in self.file:
            raise ValueError(f"expected the name of a file beside it, received {self.file!r}.")


@dataclass(frozen=True, kw_only=True)
class WeightsEntries:
    """The files of weights of a checkpoint."""

    generator: WeightsEntry
    screener: WeightsEntry


@dataclass(frozen=True, kw_only=True)
class TrainingData:
    """The images that a generator was trained on, as far as they are known.

    Args:
        source: where they come from, in words.
        sha256: of their pixels and labels.
        images: how many there are.
    """

    source: str | None = None
    sha256: str | None = None
    images: int | None = None


@dataclass(frozen=True, kw_only=True)
class CheckpointHeader:
    """The keys of checkpoint.json that are used, and not only shown.

    Args:
        weights: files and their hashes.
        settings: fields of GanSettings; an early checkpoint lacks settings that came later.
        class_names: one name a class.
        image_shape: (height, width, channels).
        step: steps that the generator was trained for.
        labels: see `Checkpoint.labels`; early checkpoints do not say it.
        sha256: identity of the checkpoint; that of early ones was made in another way.
        preset: name of the recipe.
        seed: of the training.
        training_data: the images that it was trained on: source, sha256, images.
        alarms: step, name and message of each alarm of the training, and the class if there is one
            generator a class.
    """

    weights: WeightsEntries
    settings: Mapping[str, Any]
    class_names: tuple[str, ...]
    image_shape: tuple[int, int, int]
    step: int
    labels: str | None = None
    sha256: str | None = None
    preset: str | None = None
    seed: int | None = None
    training_data: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    alarms: tuple[Mapping[str, str | int], ...] = ()

    def __post_init__(self) -> None:
        if not all(1 <= side <= LARGEST_SIDE for side in self.image_shape):
            raise RecordError(
                f"expected an image_shape of 1 to {LARGEST_SIDE} pixels a side, received "
                f"{self.image_shape}."
            )
        if not self.class_names or self.step < 0:
            raise RecordError(
                "expected one class or more and a step of 0 or more, received "
                f"{len(self.class_names)} classes and step {self.step}."
            )
        names = [field.name for field in dataclasses.fields(TrainingData)]
        try:
            from_plain(TrainingData, {n: v for n, v in self.training_data.items() if n in names})
        except RecordError as error:
            raise RecordError(f"of its training_data: {error}") from error
        for alarm in self.alarms:
            if not (isinstance(alarm.get("step"), int) and {"name", "message"} <= alarm.keys()):
                raise RecordError(
                    f"expected a step, a name and a message of each alarm, received {alarm}."
                )


def read_checkpoint(folder: str) -> Checkpoint:
    """Read a checkpoint and check it against its hashes.

    Args:
        folder: path or fsspec URL.

    Raises:
        CheckpointError: if it is missing, not a checkpoint, damaged, or from a newer format.
    """
    storage = open_storage(folder)
    record = _read_record(storage)
    names = [field.name for field in dataclasses.fields(CheckpointHeader)]
    try:
        header = from_plain(
            CheckpointHeader, {name: record[name] for name in names if name in record}
        )
    except RecordError as error:
        raise CheckpointError(f"{folder}/{CHECKPOINT_RECORD}: {error} {_REMEDY}") from error
    settings = settings_from_json(header.settings, f"{folder}/{CHECKPOINT_RECORD}")
    checkpoint = Checkpoint(
        settings=settings,
        class_names=header.class_names,
        image_shape=header.image_shape,
        generator=_read_weights(storage, header.weights.generator),
        screener=_read_weights(storage, header.weights.screener),
        record={k: v for k, v in record.items() if k not in DECIDING},
        per_class=header.labels == "per-class",
    )
    if header.labels not in (None, checkpoint.labels):
        raise CheckpointError(
            f"{folder}/{CHECKPOINT_RECORD} says that labels come from {header.labels!r}, "
            f"its settings make {checkpoint.labels!r}. {_REMEDY}"
        )
    if header.labels is not None and header.sha256 != checkpoint.sha256:
        raise CheckpointError(
            f"{folder}/{CHECKPOINT_RECORD}: expected settings, classes and weights of the identity "
            f"{header.sha256}, received those of {checkpoint.sha256}: the file was changed since "
            f"it was written. {_REMEDY}"
        )
    return checkpoint


def read_checkpoint_record(folder: str) -> dict[str, Any] | None:
    """Read what checkpoint.json says, without the weights; None if there is no checkpoint.

    Raises:
        CheckpointError: if it is damaged or from a newer format.
    """
    storage = open_storage(folder)
    return _read_record(storage) if storage.exists(CHECKPOINT_RECORD) else None


def is_trained(folder: str, steps: int) -> bool:
    """Return whether there is a checkpoint of so many steps in a folder."""
    record = read_checkpoint_record(folder)
    return record is not None and bool(record.get("step") == steps)


def find_checkpoint(sha256: str) -> Checkpoint:
    """Read the checkpoint of this identity: the shipped one, or one in the user's cache.

    Raises:
        CheckpointError: if it is neither.
    """
    return read_checkpoint(find_checkpoint_folder(sha256))


def find_checkpoint_folder(sha256: str) -> str:
    """Find the folder of the checkpoint of this identity: the shipped one, or one in the cache.

    Raises:
        CheckpointError: if it is neither.
    """
    storage = open_storage(cache_folder())
    records = f"{CHECKPOINTS_FOLDER}/*/{CHECKPOINT_RECORD}"
    folders = [shipped_checkpoint()]
    for path in storage.files(CHECKPOINTS_FOLDER):
        if PurePosixPath(path).match(records):
            folders.append(f"{storage.url}/{path.removesuffix(f'/{CHECKPOINT_RECORD}')}")

    for folder in folders:
        # one that is damaged or of another version is not the one looked for
        with contextlib.suppress(SynthgenError):
            if read_checkpoint(folder).sha256 == sha256:
                return folder
    raise CheckpointError(
        f"Expected the checkpoint that made the set, {sha256}: it is neither the shipped one nor "
        f"one of {cache_folder()}/{CHECKPOINTS_FOLDER}. Name its folder with --checkpoint."
    )


def _read_record(storage: Storage) -> dict[str, Any]:
    try:
        content = storage.read_bytes(CHECKPOINT_RECORD)
    except StorageError as error:
        raise CheckpointError(
            f"Expected a checkpoint folder at {storage.url}: "
            f"it has no readable {CHECKPOINT_RECORD}. {_REMEDY}"
        ) from error
    try:
        record = parse_json(content)
    except RecordError as error:
        raise CheckpointError(
            f"{storage.url}/{CHECKPOINT_RECORD} is not a record of a checkpoint: {error} {_REMEDY}"
        ) from error
    if not isinstance(record, dict) or record.get("format") != CHECKPOINT_FORMAT:
        found = record.get("format") if isinstance(record, dict) else type(record).__name__
        raise CheckpointError(
            f"Expected a checkpoint of format {CHECKPOINT_FORMAT!r} at {storage.url}, "
            f"found {found!r}. {_REMEDY}"
        )
    return record


def settings_from_json(plain: Mapping[str, Any], place: str) -> GanSettings:
    """Make a recipe of what a record holds.

    Args:
        plain: its settings; those that it lacks are as in BASELINE_SETTINGS.
        place: the record's file, for the error.

    Raises:
        CheckpointError: if it holds settings that there are not, or values that they cannot have.
    """
    baseline = dataclasses.asdict(BASELINE_SETTINGS)
    unknown = sorted(plain.keys() - baseline.keys())
    if unknown:
        raise CheckpointError(
            f"{place} has settings that this version of synthgen does not know: "
            f"{', '.join(unknown)}. It was made by a later version, or changed by hand. "
            "Use that version of synthgen, or another folder."
        )
    try:
        return from_plain(GanSettings, baseline | dict(plain))
    except RecordError as error:
        raise CheckpointError(f"{place} has settings that cannot be: {error} {_REMEDY}") from error


def _read_weights(storage: Storage, entry: WeightsEntry) -> Weights:
    try:
        content = storage.read_bytes(entry.file)
    except StorageError as error:
        raise CheckpointError(
            f"The checkpoint at {storage.url} lacks its weights {entry.file}. {_REMEDY}"
        ) from error
    found = hashlib.sha256(content).hexdigest()
    if found != entry.sha256:
        raise CheckpointError(
            f"{storage.url}/{entry.file} is damaged: expected SHA-256 {entry.sha256}, "
            f"found {found} ({len(content)} bytes). {_REMEDY}"
        )
    return unpack_weights(content, f"{storage.url}/{entry.file}")
