"""The run record, manifests/NAME.json: what made a set, from what, and the hash of every shard.

It is written before the manifest, and read through `records.from_json`, which checks every value
against the type of its field.
"""

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from synthgen.config import SHARD_FORMAT_NAMES, BuildSettings
from synthgen.datasets.framing import Framing
from synthgen.errors import ManifestError, RecordError, SettingsError, StorageError
from synthgen.gan.checkpoint import LARGEST_SIDE, TrainingData
from synthgen.records import fingerprint, from_json, parse_json, to_json
from synthgen.shards.label_source import LABEL_SOURCES
from synthgen.shards.layout import record_path
from synthgen.shards.plan import FORMER_PNG_FOLDERS, PNG_FOLDERS, SetPlan, plan_set
from synthgen.storage import Storage

# Settings that came later: a record leaves them out where they have their default.
LATER_SETTINGS = ("counts", "like", "manifest_rows")
RUN_RECORD_FORMAT = "synthgen-run/2"
SEAL = "record_sha256"  # the key of a record's own hash


@dataclass(frozen=True, kw_only=True)
class ShardSeconds:
    """How long a shard took.

    Args:
        generate: seconds of generating and screening.
        write: seconds of writing its files.
    """

    generate: float
    write: float


@dataclass(frozen=True, kw_only=True)
class ShardEntry:
    """A shard whose files are written.

    Args:
        shard: its number, from 0.
        rows: images in it.
        sha256: of its files, by format (see `formats.digest`).
        draws: images that were drawn for it, one number a class.
        seconds: that it took.
        rows_sha256: of its rows of the manifest as bytes; None as long as they are not written.
        rejected: draws that were duplicates or memorised, one number a class, by reason; None where
            neither was looked for.
        coverage: share of the held-out real digits that its images cover, before and after these
            were drawn again; None where they were not.
    """

    shard: int
    rows: int
    sha256: Mapping[str, str]
    draws: tuple[int, ...]
    seconds: ShardSeconds
    rows_sha256: str | None = None
    rejected: Mapping[str, tuple[int, ...]] | None = None
    coverage: tuple[float, float] | None = None

    def __post_init__(self) -> None:
        if not (0 <= self.shard < 2**63 and 0 <= self.rows < 2**63):
            raise RecordError(
                "expected a shard and a number of rows of 0 or more, below 2**63, "
                f"received shard {self.shard} with {self.rows} rows."
            )


@dataclass(frozen=True, kw_only=True)
class GeneratorOrigin:
    """The generator that made a set.

    Args:
        sha256: identity of the checkpoint.
        preset: name of its recipe.
        seed: of its training.
        step: of its training, updates of the generator.
        training_data: what it was trained on.
    """

    sha256: str
    preset: str | None = None
    seed: int | None = None
    step: int | None = None
    training_data: TrainingData | None = None

    def trained_on(self) -> dict[str, Any]:
        """Return what is known of the training data: any of source, sha256 and images."""
        known = dataclasses.asdict(self.training_data or TrainingData())
        return {name: value for name, value in known.items() if value is not None}


@dataclass(frozen=True, kw_only=True)
class ManifestPart:
    """A file of a manifest that has several.

    Args:
        path: relative to the root.
        first_shard: number of the first shard whose rows it holds.
        shards: whose rows it holds.
        rows: without the header.
        bytes: of the file, with the header.
        sha256: of these bytes.
    """

    path: str
    first_shard: int
    shards: int
    rows: int
    bytes: int
    sha256: str

    def __post_init__(self) -> None:
        if min(self.first_shard, self.shards, self.rows, self.bytes) < 0:
            raise RecordError(
                f"expected numbers of 0 or more for the part {self.path} of a manifest, "
                f"received {self}."
            )

    @property
    def numbers(self) -> range:
        """The numbers of the shards whose rows it holds."""
        return range(self.first_shard, self.first_shard + self.shards)


@dataclass(frozen=True, kw_only=True)
class ManifestEntry:
    """The manifest that belongs to a run record.

    Args:
        path: relative to the root.
        rows: without the header.
        sha256: of the file.
        parts: the files with the rows, where it has several and is their index.
    """

    path: str
    rows: int
    sha256: str
    parts: tuple[ManifestPart, ...] = ()


@dataclass(frozen=True, kw_only=True)
class NearnessScreening:
    """What came of drawing duplicates and memorised images again.

    Args:
        limits: distance to a training image, or to another image of the shard, from which an image
            is not drawn again, by class name; Euclidean, pixels scaled to 0..1.
        rejected: share of the draws of each class, 0..1, by reason and class name.
        coverage_before: share of the held-out real digits that the images of a shard cover, as they
            were before, the mean over all shards.
        coverage_after: the same share of the images of the set.
    """

    limits: Mapping[str, float]
    rejected: Mapping[str, Mapping[str, float]]
    coverage_before: float
    coverage_after: float

    def __post_init__(self) -> None:
        are_shares = [
            bool(shares) and all(0 <= share <= 1 for share in shares.values())
            for shares in self.rejected.values()
        ]
        if not are_shares or not all(are_shares):
            raise RecordError(
                "expected, for each reason why draws were rejected, shares of 0 to 1 of the "
                f"classes, received {self.rejected}."
            )


@dataclass(frozen=True, kw_only=True)
class Machine:
    """The machine that made a set.

    Args:
        system: operating system, such as "Linux".
        processor: its kind, such as "x86_64".
        cores: None where the system does not say.
    """

    system: str
    processor: str
    cores: int | None = None


@dataclass(frozen=True, kw_only=True)
class RunRecord:
    """What is known about a published set.

    Args:
        settings: of the build, with `labels` as they turned out.
        fingerprint: SHA-256 of all that decides the content.
        class_names: one a class.
        image_shape: (height, width, channels).
        count: images of the set.
        counts: images of each class, by name.
        label_source: where the labels come from, a key of `label_source.LABEL_SOURCES`.
        acceptance: share of the draws of each class that was kept, 0..1, by name.
        checkpoint: the generator.
        reference_sha256: of the training images that distances were measured to; None without.
        versions: of what can change a pixel, by name.
        precision: of the computation.
        machine: that made it.
        manifest: its manifest.
        seconds: that the build which published it took.
        shards: all shards, by number.
        framing: what the images look like; None where they are as the generator draws them.
        tfrecord_features: what the Examples of TFRecord shards hold, type by name, as
            `tf.io.FixedLenFeature([], type)` wants it; None without such shards.
        exported: formats that the set has beside those it was built in.
        png_folders: how PNG files lie in folders, see `plan.PNG_FOLDERS`.
        contact_sheet_sha256: of the file; None in a record of an earlier version.
        record_sha256: of all the rest of the record (see `seal`); None in a record of an earlier
            version.
        nearness_limits: of each class, see `NearnessScreening`; None where neither duplicates nor
            memorised images were drawn again.
        nearness: what came of that.
    """

    settings: BuildSettings
    fingerprint: str
    class_names: tuple[str, ...]
    image_shape: tuple[int, int, int]
    count: int
    counts: Mapping[str, int]
    label_source: str
    acceptance: Mapping[str, float]
    checkpoint: GeneratorOrigin
    reference_sha256: str | None
    versions: Mapping[str, str]
    precision: str
    machine: Machine
    manifest: ManifestEntry
    seconds: float
    shards: tuple[ShardEntry, ...]
    framing: Framing | None = None
    tfrecord_features: Mapping[str, str] | None = None
    exported: tuple[str, ...] = ()
    png_folders: str = FORMER_PNG_FOLDERS
    contact_sheet_sha256: str | None = None
    record_sha256: str | None = None
    nearness_limits: tuple[float, ...] | None = None
    nearness: NearnessScreening | None = None

    def __post_init__(self) -> None:
        if not all(1 <= side <= LARGEST_SIDE for side in self.image_shape):
            raise RecordError(
                f"expected an image_shape of 1 to {LARGEST_SIDE} pixels a side, "
                f"received {self.image_shape}."
            )
        if self.framing is not None and self.framing.image_shape != self.image_shape:
            raise RecordError(
                f"expected the image_shape of the framing, {self.framing.image_shape}, "
                f"received {self.image_shape}."
            )
        known = set(SHARD_FORMAT_NAMES) - set(self.settings.formats)
        if not set(self.exported) <= known or len(set(self.exported)) != len(self.exported):
            raise RecordError(
                f"expected exported formats among {', '.join(sorted(known)) or 'none'}, each once, "
                f"received {', '.join(self.exported)}."
            )
        if self.png_folders not in (PNG_FOLDERS, FORMER_PNG_FOLDERS):
            raise RecordError(
                f"expected {PNG_FOLDERS!r} or {FORMER_PNG_FOLDERS!r} as png_folders, "
                f"received {self.png_folders!r}."
            )
        try:
            plan = plan_set(self.settings, self.class_names)
        except SettingsError as error:
            raise RecordError(str(error)) from error
        last = max((entry.shard for entry in self.shards), default=-1)
        if last >= plan.shard_count:
            raise RecordError(
                f"expected shards 0 to {plan.shard_count - 1}, as the settings say, received shard "
                f"{last}."
            )
        classes = len(self.class_names)
        if self.label_source not in LABEL_SOURCES or self.settings.batch < classes:
            raise RecordError(
                f"expected a label_source among {', '.join(LABEL_SOURCES)} and a batch of "
                f"{classes} or more, received {self.label_source!r} and {self.settings.batch}."
            )
        if self.shards and not {*self.acceptance} <= {*self.class_names}:
            raise RecordError(
                f"expected the acceptance of classes among {', '.join(self.class_names)}, received "
                f"that of {', '.join(self.acceptance) or 'none'}."
            )
        if self.nearness is not None and not any(sum(entry.draws) for entry in self.shards):
            raise RecordError("expected draws in the shards of a screened set, received none.")
        for entry in self.shards:
            lacking = {*self.formats} - {*entry.sha256}
            if len(entry.draws) != classes or lacking:
                raise RecordError(
                    f"expected the draws of {classes} classes and a hash of each format of shard "
                    f"{entry.shard}, received {len(entry.draws)} and none of "
                    f"{', '.join(sorted(lacking)) or 'no format'}."
                )

    @property
    def plan(self) -> SetPlan:
        """The plan that the set was built to."""
        return plan_set(self.settings, self.class_names, self.png_folders)

    @property
    def formats(self) -> tuple[str, ...]:
        """All formats that the set has: those it was built in, and those exported since."""
        return (*self.settings.formats, *self.exported)


def describe_nearness(record: RunRecord) -> str:
    """Return what came of drawing duplicates and memorised images again, in a sentence or two."""
    if record.nearness is None:
        return ""
    draws = sum(sum(entry.draws) for entry in record.shards)
    found = []
    for reason, shares in record.nearness.rejected.items():
        counts = [sum((entry.rejected or {}).get(reason, ())) for entry in record.shards]
        share, name = max((share, name) for name, share in shares.items())
        what = "duplicates within their shard" if reason == "duplicates" else "memorised"
        found.append(
            f"{sum(counts) / draws:.2%} of all draws were {what} "
            f"(most of class {name!r}, {share:.2%})"
        )
    return (
        f"{' and '.join(found)}, and drawn again. The images of a shard cover "
        f"{record.nearness.coverage_after:.1%} of the unseen real digits, "
        f"{record.nearness.coverage_before:.1%} before."
    )


def read_record(storage: Storage, manifest: str) -> RunRecord:
    """Read the run record that belongs to a manifest.

    Args:
        storage: of the root.
        manifest: path of the manifest from there.

    Raises:
        ManifestError: if it is missing, damaged, or of another format; with the place within it.
    """
    path = record_path(manifest)
    where = f"{storage.url}/{path}"
    try:
        content = storage.read_bytes(path)
    except StorageError as error:
        raise ManifestError(
            f"Expected the run record of {manifest} at {where}: {error} Restore it, or run the "
            "same `synthgen build` again. A selection of a manifest's rows has none: name the "
            "manifest that it was made from."
        ) from error

    try:
        record = from_json(RunRecord, content, format=RUN_RECORD_FORMAT)
        # All settings have a default, but the ones of a set are those that stand in its record.
        given = parse_json(content)["settings"]
        missing = [
            field.name
            for field in dataclasses.fields(BuildSettings)
            if field.name not in given and field.name not in LATER_SETTINGS
        ]
        if missing:
            raise RecordError(f"settings: expected the key {missing[0]!r}, which is missing.")
    except RecordError as error:
        raise ManifestError(
            f"{where} is not a run record of format {RUN_RECORD_FORMAT!r}: {error} "
            "Restore it, or build the set again with --overwrite."
        ) from error
    return record


def write_record(storage: Storage, manifest: str, record: RunRecord) -> None:
    """Write the run record that belongs to a manifest; what is not known in it is left out.

    Args:
        storage: of the root.
        manifest: path of the manifest from there.
        record: what to write.
    """

    def known(fields: list[tuple[str, Any]]) -> dict[str, Any]:
        return {
            name: value
            for name, value in fields
            # null says that there was no reference
            if value is not None or name == "reference_sha256"
        }

    plain = dataclasses.asdict(record, dict_factory=known)
    for name in LATER_SETTINGS:
        if getattr(record.settings, name) == getattr(BuildSettings(), name):
            del plain["settings"][name]
    if not record.exported:
        del plain["exported"]
    if not record.manifest.parts:
        del plain["manifest"]["parts"]
    plain[SEAL] = seal({"format": RUN_RECORD_FORMAT} | plain)
    content = to_json(plain, format=RUN_RECORD_FORMAT, indent=2)
    storage.write_bytes(record_path(manifest), content)


def seal(plain: Mapping[str, Any]) -> str:
    """Return the hash of what a run record says, with which a later change of it is found.

    White space and the order of the keys do not count.

    Args:
        plain: the record as JSON has it; what it holds under SEAL is left out.
    """
    return fingerprint({name: value for name, value in plain.items() if name != SEAL})


def is_sealed(storage: Storage, manifest: str) -> bool:
    """Return whether a run record is as it was written; one of an earlier version is taken to be.

    Args:
        storage: of the root.
        manifest: path of the manifest from there, whose record can be read.
    """
    plain = parse_json(storage.read_bytes(record_path(manifest)))
    return SEAL not in plain or plain[SEAL] == seal(plain)
