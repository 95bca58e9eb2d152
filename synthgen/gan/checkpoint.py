"""Checkpoints: weights as safetensors, everything else as JSON. No pickles, no code, no TensorFlow needed to read one.

A checkpoint is a folder. `checkpoint.json` names the weight files and their hashes and is replaced
last, so that a killed writer leaves the previous checkpoint whole:

    checkpoint.json                     settings, classes, image shape, data hash, steps, versions, record
    generator-004400.safetensors        the generator (see snapshot.py), or one a class, each weight then named by class and path ("3/up/kernel")
    screener.safetensors                the screening classifier that saw the same images
"""

import dataclasses
import hashlib
import importlib.metadata
import importlib.resources
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import safetensors
import safetensors.numpy

from synthgen.config import GanSettings
from synthgen.errors import CheckpointError, StorageError
from synthgen.gan.recipes import FIRST
from synthgen.records import fingerprint
from synthgen.storage import Storage, cache_folder, open_storage
from synthgen.weights import Weights, pack_weights

FORMAT = "synthgen-checkpoint/1"
RECORD = "checkpoint.json"
KEPT = "checkpoints"  # folder in the user's cache
# Revision of the training: raised when the same settings, seed and digits come to better or worse
# weights, not merely to otherwise rounded
# ones or other draws; kept generators are then trained anew.
TRAINING = 2
REMEDY = "Name a folder that `synthgen train --out FOLDER` made, or leave --checkpoint away to use the shipped generator."


@dataclass(frozen=True, kw_only=True)
class Checkpoint:
    """A trained generator with its screening classifier.

    Args:
        settings: the recipe it was trained with.
        class_names: one name a class.
        image_shape: (height, width, channels).
        generator: named weights of the generator as `Snapshot` gives it.
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
                "Expected generators of one class each without a condition, received a recipe with one. Train it anew."
            )

    @property
    def labels(self) -> str:
        """How its images get their labels: from the "condition", from one generator "per-class", or "none" of these."""
        return (
            "condition" if self.settings.conditional else "per-class" if self.per_class else "none"
        )

    @property
    def sha256(self) -> str:
        """The identity of what it generates: settings, classes, shape and all weights, as 64 hex digits."""
        weights = [
            hashlib.sha256(pack_weights(w)).hexdigest() for w in (self.generator, self.screener)
        ]
        return fingerprint(
            [identity_of(self.settings), self.class_names, self.image_shape, weights]
        )


def identity_of(settings: GanSettings) -> dict[str, Any]:
    """The settings that are not as in FIRST, ready for JSON: neither a new setting nor a new default changes an identity."""
    return {
        name: value for name, value in dataclasses.asdict(settings).items() if value != FIRST[name]
    }


def shipped_checkpoint() -> str:
    """The folder of the generator that comes with the package."""
    return str(importlib.resources.files("synthgen.gan") / "shipped")


def kept_folder(name: str, *decides: Any) -> str:
    """The folder in the user's cache of a generator that is trained once and kept.

    Args:
        name: begins the folder's name.
        decides: all that decides its weights but the revision of the training, ready for JSON.
    """
    return f"{cache_folder()}/{KEPT}/{name}-{fingerprint([*decides, TRAINING])[:12]}"


def write_checkpoint(folder: str, checkpoint: Checkpoint) -> None:
    """Write a checkpoint; the one that was there before stays whole until the new one is.

    Args:
        folder: path or fsspec URL, made if missing.
        checkpoint: what to write.

    Raises:
        StorageError: if the folder is not writable or the disk is full.
    """
    storage = open_storage(folder)
    contents = {
        f"generator-{checkpoint.record['step']:06d}.safetensors": checkpoint.generator,
        "screener.safetensors": checkpoint.screener,
    }
    entries = {}
    for (file, weights), role in zip(contents.items(), ("generator", "screener"), strict=True):
        packed = pack_weights(weights)
        storage.write_bytes(file, packed)
        entries[role] = {"file": file, "sha256": hashlib.sha256(packed).hexdigest()}
    record = {"format": FORMAT, "sha256": checkpoint.sha256, "weights": entries} | _describe(
        checkpoint
    )
    storage.write_bytes(RECORD, (json.dumps(record, indent=2) + "\n").encode())
    for file in storage.files(""):
        if file.startswith("generator-") and file.endswith(".safetensors") and file not in contents:
            storage.remove(file)


def _describe(checkpoint: Checkpoint) -> dict[str, Any]:
    shape = {"class_names": checkpoint.class_names, "image_shape": checkpoint.image_shape}
    # those of one that was read
    record = {
        name: value for name, value in checkpoint.record.items() if name not in ("format", "sha256")
    }
    return (
        {"settings": dataclasses.asdict(checkpoint.settings), "labels": checkpoint.labels}
        | shape
        | record
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
    try:
        weights = {
            role: _read_weights(storage, entry) for role, entry in record.pop("weights").items()
        }
        settings, labels = (
            settings_from_json(record.pop("settings"), f"{folder}/{RECORD}"),
            record.pop("labels", None),
        )
        names, (height, width, channels) = (
            tuple(record.pop("class_names")),
            record.pop("image_shape"),
        )
        generator, screener, shape = (
            weights["generator"],
            weights["screener"],
            (int(height), int(width), int(channels)),
        )
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise CheckpointError(f"{folder}/{RECORD} lacks or misstates {error}. {REMEDY}") from error
    found = Checkpoint(
        settings=settings,
        class_names=names,
        image_shape=shape,
        generator=generator,
        screener=screener,
        record=record,
        per_class=labels == "per-class",
    )
    if labels not in (None, found.labels):  # early checkpoints do not say it
        raise CheckpointError(
            f"{folder}/{RECORD} says that labels come from {labels!r}, its settings make {found.labels!r}. {REMEDY}"
        )
    return found


def is_trained(folder: str, steps: int) -> bool:
    """Whether there is a checkpoint of so many steps in a folder."""
    storage = open_storage(folder)
    return storage.exists(RECORD) and bool(_read_record(storage).get("step") == steps)


def _read_record(storage: Storage) -> dict[str, Any]:
    try:
        record = json.loads(storage.read_bytes(RECORD))
    except StorageError as error:
        raise CheckpointError(
            f"Expected a checkpoint folder at {storage.url}: it has no readable {RECORD}. {REMEDY}"
        ) from error
    except ValueError as error:
        raise CheckpointError(
            f"{storage.url}/{RECORD} is not valid JSON ({error}). {REMEDY}"
        ) from error
    if (
        not isinstance(record, dict)
        or record.get("format") != FORMAT
        or not isinstance(record.get("weights"), dict)
    ):
        found = record.get("format") if isinstance(record, dict) else type(record).__name__
        raise CheckpointError(
            f"Expected a checkpoint of format {FORMAT!r} at {storage.url}, found {found!r}. {REMEDY}"
        )
    return record


def settings_from_json(plain: Mapping[str, Any], place: str) -> GanSettings:
    """The recipe that a record holds.

    Args:
        plain: its settings; those that it lacks are as in FIRST.
        place: the record's file, for the error.

    Raises:
        CheckpointError: if it holds settings that there are not.
    """
    unknown = sorted(plain.keys() - {field.name for field in dataclasses.fields(GanSettings)})
    if unknown:
        raise CheckpointError(
            f"{place} has settings that this version of synthgen does not know: {', '.join(unknown)}. "
            "It was made by a later version, or changed by hand. Use that version of synthgen, or another folder."
        )
    values = {
        name: tuple(value) if isinstance(value, list) else value for name, value in plain.items()
    }
    return GanSettings(**{**FIRST, **values})


def _read_weights(storage: Storage, entry: Mapping[str, str]) -> Weights:
    file = entry["file"]
    try:
        content = storage.read_bytes(file)
    except StorageError as error:
        raise CheckpointError(
            f"The checkpoint at {storage.url} lacks its weights {file}. {REMEDY}"
        ) from error
    found = hashlib.sha256(content).hexdigest()
    if found != entry["sha256"]:
        raise CheckpointError(
            f"{storage.url}/{file} is damaged: expected SHA-256 {entry['sha256']}, found {found} ({len(content)} bytes). {REMEDY}"
        )
    try:
        return dict(safetensors.numpy.load(content))
    except safetensors.SafetensorError as error:
        raise CheckpointError(
            f"{storage.url}/{file} is not a safetensors file: {error}. {REMEDY}"
        ) from error
