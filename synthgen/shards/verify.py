"""Verifying a published set: is all of it there, unharmed, and described truly? No TensorFlow."""

import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from synthgen.errors import DataError, ManifestError, StorageError
from synthgen.records import file_sha256
from synthgen.shards.contact_sheet import sheet_is_whole
from synthgen.shards.content import hash_images
from synthgen.shards.formats import SHARD_FORMATS, ShardFiles, find_strays, set_attributes
from synthgen.shards.generate import seeds_and_slots
from synthgen.shards.label_source import LABEL_SOURCES
from synthgen.shards.layout import (
    check_named_files,
    contact_sheet_path,
    croissant_path,
    record_path,
)
from synthgen.shards.manifest import find_manifest, read_rows, rows_by_shard
from synthgen.shards.manifest_parts import (
    numbered_files,
    part_is_whole,
    read_parts,
    written_parts,
)
from synthgen.shards.plan import SetPlan, image_id
from synthgen.shards.run_record import RunRecord, is_sealed, read_record
from synthgen.shards.unfinished import UnfinishedBuild, UnfinishedExport
from synthgen.storage import Storage
from synthgen.text import counted, in_short

if TYPE_CHECKING:
    import pandas as pd

REBUILD = (
    "Running the same `synthgen build` again, with the versions that the run record names, "
    "makes again what is damaged or missing."
)
LEAST_BYTES_A_ROW = 64  # of a manifest: the hash of the image
REMOVE = "Remove the files that belong to no row."
RESTORE = (
    "Restore manifest and run record from a copy, or build the set again under another --name."
)


@dataclass(eq=False)
class VerifyReport:
    """What was checked and what is wrong.

    Args:
        manifest: as the user named it.
        rows: of the manifest.
        shards: that were read.
        seconds: that it took.
        labels: where they come from, in words.
        foreign: files of file managers and hidden ones, which do no harm.
        unfinished: formats that an export was stopped in, whose files are not looked at.
        growing: whether a build that is to grow the set was stopped, or runs.
        problems: in words; empty if all is well.
        remedies: what to do about those that have one, each once.
    """

    manifest: str
    rows: int = 0
    shards: int = 0
    seconds: float = 0.0
    labels: str = ""
    foreign: tuple[str, ...] = ()
    unfinished: tuple[str, ...] = ()
    growing: bool = False
    problems: list[str] = field(default_factory=list)
    remedies: list[str] = field(default_factory=list)

    def add(self, problem: str, remedy: str = "") -> None:
        """Note a problem, and what to do about it."""
        self.problems.append(in_short(problem))
        if remedy and remedy not in self.remedies:
            self.remedies.append(remedy)

    @property
    def hint(self) -> str:
        """What to do, in one sentence for each kind of problem."""
        return " ".join(self.remedies) or RESTORE

    def lines(self) -> list[str]:
        """Return a summary for the terminal."""
        checked = (
            f"{counted(self.rows, 'row')} and {counted(self.shards, 'shard')} of {self.manifest} "
            f"in {self.seconds:.1f} s"
        )
        if self.problems:
            lines = [f"Checked {checked}: {counted(len(self.problems), 'problem')}."]
            lines += [f"  - {problem}" for problem in self.problems]
        else:
            lines = [
                f"Verified {checked}: every file is there, every pixel has its hash, "
                "nothing is missing or left over.",
                f"Labels come from {self.labels}.",
            ]
        if self.unfinished:
            formats = ",".join(self.unfinished)
            lines.append(
                f"An export was stopped, which does no harm; `synthgen export {self.manifest} "
                f"--formats {formats}` completes it."
            )
        if self.growing:
            lines.append(
                "A build that grows the set was stopped or is running, which does no harm; the "
                "same `synthgen build` completes it."
            )
        if self.foreign:
            others = " and others" if len(self.foreign) > 1 else ""
            lines.append(
                f"Not of the set, and harmless: {counted(len(self.foreign), 'file')} of a file "
                f"manager or hidden, {self.foreign[0]}{others}."
            )
        return lines


def verify(manifest: str, root: str | None = None, progress: bool = True) -> VerifyReport:
    """Check a published set.

    Args:
        manifest: path or URL of the CSV.
        root: where data/ lies, if that is not the parent of the manifest's folder.
        progress: show a bar if standard error is a terminal.

    Raises:
        ManifestError: if there is no such manifest, or its run record cannot be read.
    """
    began = time.perf_counter()
    report = VerifyReport(manifest)
    storage, relative = find_manifest(manifest, root)
    record = read_record(storage, relative)
    plan = record.plan
    report.labels = LABEL_SOURCES.get(record.label_source, record.label_source)

    # Run record and manifest are the ones that the build wrote.
    if not is_sealed(storage, relative):
        report.add(
            f"{record_path(relative)}: it was changed since the build wrote it; its content does "
            f"not have the SHA-256 that it gives, {record.record_sha256}."
        )
    found = file_sha256(storage, relative)
    unchanged = found == record.manifest.sha256
    if not unchanged:
        report.add(
            f"{relative}: its SHA-256 is {found}, the run record says {record.manifest.sha256}.",
            REBUILD,
        )

    # So are the files with the rows, where there are several. A build that is to grow the set, and
    # was stopped, leaves them longer and more of them.
    growing = UnfinishedBuild(storage, plan.name).identity() is not None
    try:
        parts = read_parts(storage, relative)
    except ManifestError as error:
        report.add(str(error), REBUILD)
        report.seconds = time.perf_counter() - began
        return report
    in_order = [unchanged]
    if parts:
        in_order = [part_is_whole(storage, part, or_longer=growing) for part in parts]
        for part, whole in zip(parts, in_order, strict=True):
            if not whole:
                report.add(f"{part.path} is not the file that {relative} describes.", REBUILD)
    numbered = (numbered_files if parts else written_parts)(storage, plan.name)
    others = set(numbered) - {part.path for part in parts}
    if others and not growing:
        report.add(
            f"{counted(len(others), 'file')} of rows beside those that {relative} lists, the "
            f"first is {min(others)}.",
            REMOVE,
        )

    # There is room in the manifest for a row of each image. (What is taken to remember which rows
    # were there is not known to be little before.)
    paths = [part.path for part in parts] or [relative]
    size = sum(storage.size(path) for path in paths if storage.exists(path))
    if plan.count * LEAST_BYTES_A_ROW > size:
        report.add(
            f"{relative} of {counted(size, 'byte')} cannot list the {plan.count:,} images that the "
            "settings in the run record make."
        )
        report.seconds = time.perf_counter() - began
        return report

    # Every row is one of the plan, and its image has its hash in every format.
    bar = tqdm(
        total=record.count, unit=" images", desc="verify", disable=None if progress else True
    )
    with bar:
        checker = _RowChecker(storage, record, report)
        unreadable = False
        for number, whole in enumerate(in_order):
            pieces = read_rows(storage, relative, parts=parts[number : number + 1])
            try:
                for rows in rows_by_shard(pieces, in_order=whole):
                    report.rows += len(rows)
                    if checker.check_rows(rows):
                        checker.check_shard(rows)
                    bar.update(len(rows))
            except ManifestError as error:
                report.add(str(error))
                unreadable = True
        if not unreadable:
            checker.check_counts()

    # The contact sheet is the one that the build drew.
    if not sheet_is_whole(storage, plan.name, record.contact_sheet_sha256):
        report.add(f"{contact_sheet_path(plan.name)} is missing or damaged.", REBUILD)

    # What describes the set for machines is of this set, not of a smaller one.
    described = croissant_path(plan.name)
    wanted = record.manifest.sha256.encode()
    if storage.exists(described) and wanted not in storage.read_bytes(described):
        report.add(f"{described} gives another hash of the manifest.", REBUILD)

    # No file belongs to no row.
    strays = find_strays(storage, plan, record.formats)
    stopped = UnfinishedExport(storage, plan.name).belongs_to(record.manifest.sha256)
    for kind, orphans in strays.orphans.items():
        if stopped and kind not in record.formats:
            report.unfinished = (*report.unfinished, kind)
            continue
        if growing:
            report.growing = True
            continue
        report.add(
            f"{counted(len(orphans), 'file')} in {kind} without a row, the first is {orphans[0]}.",
            REMOVE,
        )
    report.foreign = tuple(strays.foreign)
    report.seconds = time.perf_counter() - began
    return report


class _RowChecker:
    """Compares the rows of a manifest with the plan and with the files, and reports what is wrong.

    Args:
        storage: of the root.
        record: the run record.
        report: receives the problems.
    """

    def __init__(self, storage: Storage, record: RunRecord, report: VerifyReport) -> None:
        self.storage = storage
        self.record = record
        self.report = report
        self.plan: SetPlan = record.plan
        self.entries = {entry.shard: entry for entry in record.shards}
        self.counts = np.array(self.plan.counts)
        self.attributes = set_attributes(record.settings, record.checkpoint.sha256, record.framing)
        self.seen = np.zeros((self.plan.classes, max(self.plan.counts)), np.bool_)

    def check_rows(self, rows: "pd.DataFrame") -> bool:
        """Return whether the rows of a shard are those of the plan; report what is not."""
        plan = self.plan
        number = int(rows["shard"].iloc[0])

        # Label and index are possible ones, and those of no other row.
        label = rows["label"].to_numpy()
        index = rows["index"].to_numpy()
        outside = label >= plan.classes
        outside |= index >= self.counts[np.where(outside, 0, label)]
        self.report_rows(
            rows,
            outside,
            f"with a label outside 0..{plan.classes - 1} "
            "or an index beyond the images of its class",
        )
        possible = rows[~outside]
        label = label[~outside]
        index = index[~outside]
        place = label * self.seen.shape[1] + index
        repeated = np.ones(len(place), np.bool_)
        repeated[np.unique(place, return_index=True)[1]] = False
        self.report_rows(
            possible, repeated | self.seen[label, index], "with the label and index of another row"
        )
        self.seen[label, index] = True

        # They lie in the shard and at the place that follow from label and index.
        if number >= plan.shard_count:
            self.report.add(
                f"{counted(len(rows), 'row')} in shard {number}; "
                f"there are shards 0 to {plan.shard_count - 1}."
            )
            return False
        misplaced = (index // plan.block != number) | (
            possible["offset"].to_numpy() != plan.offsets(label, index)
        )
        self.report_rows(
            possible,
            misplaced,
            "in another place (shard and offset) than that of the label and index",
        )

        # So do their ids; and labels come from where the record says.
        ids = map(image_id, rows["label"].tolist(), rows["index"].tolist())
        self.report_rows(
            rows,
            rows["id"].to_numpy() != np.array(list(ids), object),
            "with another id than that of the label and index",
        )
        self.report_rows(
            rows,
            rows["label_source"].to_numpy() != self.record.label_source,
            "with another label_source than the run record, "
            f"which says {self.record.label_source!r}",
        )
        if outside.any() or misplaced.any():
            return False

        # Their seeds are those of the run seed.
        seeds, _ = seeds_and_slots(
            self.record.settings, plan.classes, label, index, possible["attempt"].to_numpy()
        )
        self.report_rows(
            possible,
            possible["seed"].to_numpy() != seeds.astype(np.int64),
            "with another seed than that of the run record's seed, "
            f"{self.record.settings.seed}, the label, index and attempt",
        )

        # They name the files of the plan.
        are_those = True
        for kind, module in SHARD_FORMATS.items():
            expected = np.array("", object)
            if kind in self.record.settings.formats:
                paths = np.array(module.paths(plan.shard(number), plan), object)
                expected = paths[rows["offset"].to_numpy()]
            wrong = rows[kind].to_numpy() != expected
            self.report_rows(
                rows, wrong, f"with another {kind} file than that of the shard, class and index"
            )
            are_those = are_those and not wrong.any()
        return are_those

    def check_shard(self, rows: "pd.DataFrame") -> None:
        """Compare the files of one shard with their recorded hash and with its rows."""
        number = int(rows["shard"].iloc[0])
        self.report.shards += 1
        for kind in self.record.formats:
            paths = SHARD_FORMATS[kind].paths(self.plan.shard(number), self.plan)
            contents = self.read_files(number, kind, paths)
            if not contents:
                continue
            entry = self.entries.get(number)
            expected = entry.sha256.get(kind) if entry is not None else None
            which = f"shard {number}, {kind}"
            another_hash = f"{which}: its files do not have the hash that the run record gives."
            try:
                files = ShardFiles(kind, contents, expected)
            except DataError as error:
                self.report.add(another_hash, REBUILD)
                self.report.add(f"{which}: {error}", REBUILD)
                continue
            are_all = len(contents) == len(set(paths))
            if are_all and not files.are_as_built:
                self.report.add(another_hash, REBUILD)
            if kind in self.record.exported:  # of which the manifest says nothing
                own = np.array(paths, object)[rows["offset"].to_numpy()]
                rows = rows.assign(**{kind: own})
            there = rows if are_all else rows[rows[kind].isin(contents.keys())]
            self.check_content(there, kind, files)
            self.check_attributes(number, kind, files)

    def check_attributes(self, number: int, kind: str, files: ShardFiles) -> None:
        """Compare what the files of a shard say about the set with the run record."""
        try:
            found = files.read_attributes()
        except DataError as error:
            self.report.add(f"shard {number}, {kind}: {error}", REBUILD)
            return
        expected = self.attributes | {
            "shard": number,
            "class_names": list(self.record.class_names),
        }
        for name, value in expected.items():
            if found.get(name, value) != value:  # earlier versions did not write all of them
                self.report.add(
                    f"shard {number}, {kind}: its attribute {name} is "
                    f"{str(found[name])[:70]}, the run record says {str(value)[:70]}."
                )

    def read_files(self, number: int, kind: str, paths: list[str]) -> dict[str, bytes]:
        """Return the contents of the files that are there; report which are missing."""
        try:
            check_named_files(self.storage, paths)
            return self.storage.read_many(paths)
        except ManifestError as error:
            self.report.add(f"shard {number}, {kind}: {error}")
            return {}
        except StorageError:
            pass

        # One or more cannot be read: which?
        there = {}
        missing = []
        for path in dict.fromkeys(paths):
            try:
                there[path] = self.storage.read_bytes(path)
            except StorageError:
                missing.append(path)
        if missing:
            others = " and others" if len(missing) > 1 else ""
            self.report.add(
                f"shard {number}, {kind}: {counted(len(missing), 'file')} missing or unreadable, "
                f"{min(missing)}{others}.",
                REBUILD,
            )
        return there

    def check_content(self, rows: "pd.DataFrame", kind: str, files: ShardFiles) -> None:
        """Compare pixels and columns in the files with the rows."""
        number = int(rows["shard"].iloc[0])
        try:
            images, columns = files.decode(rows[kind].tolist(), rows["offset"].tolist())
        except DataError as error:
            # A file that cannot be decoded does not hide the others.
            damaged = set()
            for path, own in rows.groupby(kind, sort=False):
                try:
                    files.decode(own[kind].tolist(), own["offset"].tolist())
                except DataError as alone:
                    damaged.add(path)
                    self.report.add(f"shard {number}, {kind}: {alone}", REBUILD)
            if not damaged:  # each by itself can be decoded, but not together
                self.report.add(f"shard {number}, {kind}: {error}", REBUILD)
                return
            others = rows[~rows[kind].isin(damaged)]
            if len(others):
                self.check_content(others, kind, files)
            return

        if images.shape[1:] != self.record.image_shape:
            self.report.add(
                f"shard {number}, {kind}: images are {images.shape[1:]}, "
                f"the run record says {self.record.image_shape}."
            )
        self.report_rows(
            rows,
            rows["sha256"].to_numpy() != np.array(hash_images(images), object),
            f"with another SHA-256 than the pixels in the {kind} file",
        )
        for name, values in columns.items():
            found = values.astype(object if name == "id" else np.int64)
            self.report_rows(
                rows, rows[name].to_numpy() != found, f"with another {name} than the {kind} file"
            )

    def check_counts(self) -> None:
        """Report whether each class has all its images, and the record gives the same numbers."""
        record = self.record
        for name, count, row in zip(record.class_names, self.plan.counts, self.seen, strict=True):
            seen = row[:count]
            if not seen.all():
                self.report.add(
                    f"class {name!r}: {int(seen.sum()):,} of {counted(len(seen), 'image')}; "
                    f"the first missing index is {int(np.argmin(seen))}."
                )
        numbers = {
            "count": record.count,
            "manifest rows": record.manifest.rows,
            "rows of all shards": sum(entry.rows for entry in record.shards),
        }
        for name, number in numbers.items():
            if number != self.plan.count:
                self.report.add(
                    f"the run record gives {number} as {name}, its settings make {self.plan.count}."
                )
        if record.label_source != record.settings.labels:
            self.report.add(
                f"the run record gives {record.label_source!r} as label_source, "
                f"its settings {record.settings.labels!r}."
            )

    def report_rows(self, rows: "pd.DataFrame", wrong: NDArray[Any], what: str) -> None:
        """Report that some rows are wrong, with the first as an example.

        Args:
            rows: of one shard.
            wrong: (rows,) bool.
            what: is wrong with them, in words.
        """
        if wrong.any():
            which = f"{counted(int(wrong.sum()), 'row')} of shard {rows['shard'].iloc[0]}"
            first = rows["id"].to_numpy()[wrong][0]
            self.report.add(f"{which} {what}; the first is {first!r}.")
