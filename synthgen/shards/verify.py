"""Verifying a published set, shard by shard: is all of it there, unharmed, and described truly? No TensorFlow."""

import hashlib
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd
from tqdm import tqdm

from synthgen.errors import DataError, ManifestError, StorageError
from synthgen.records import file_sha256
from synthgen.shards.contact_sheet import sheet_is_whole, sheet_path
from synthgen.shards.formats import FORMATS, digest, find_orphans
from synthgen.shards.manifest import find_manifest, read_record, read_rows, recorded_plan
from synthgen.shards.plan import DESCRIPTIONS, Plan, image_id
from synthgen.storage import Storage
from synthgen.text import counted

REBUILD = "Running the same `synthgen build` again, with the versions that the run record names, makes anew what is damaged or missing."
REMOVE = "Remove the files that belong to no row."
RESTORE = "Restore manifest and run record from a copy, or build the set anew under another --name."


@dataclass(eq=False)
class Report:
    """What was checked and what is wrong.

    Args:
        manifest: as the user named it.
        rows: of the manifest.
        shards: that were read.
        seconds: it took.
        labels: where they come from, in words.
        problems: in words; empty if all is well.
        remedies: what to do about those that have one, each once.
    """

    manifest: str
    rows: int = 0
    shards: int = 0
    seconds: float = 0.0
    labels: str = ""
    problems: list[str] = field(default_factory=list)
    remedies: list[str] = field(default_factory=list)

    def add(self, problem: str, remedy: str = "") -> None:
        """Note a problem, and what to do about it."""
        self.problems.append(problem)
        if remedy and remedy not in self.remedies:
            self.remedies.append(remedy)

    @property
    def hint(self) -> str:
        """What to do, in one sentence for each kind of problem."""
        return " ".join(self.remedies) or RESTORE

    def lines(self) -> list[str]:
        """A summary for the terminal."""
        checked = f"{counted(self.rows, 'row')} and {counted(self.shards, 'shard')} of {self.manifest} in {self.seconds:.1f} s"
        if not self.problems:
            return [
                f"Verified {checked}: every file is there, every pixel has its hash, nothing is missing or left over.",
                f"Labels come from {self.labels}.",
            ]
        return [
            f"Checked {checked}: {counted(len(self.problems), 'problem')}.",
            *(f"  - {problem}" for problem in self.problems),
        ]


def verify(manifest: str, root: str | None = None, progress: bool = True) -> Report:
    """Check a published set.

    Args:
        manifest: path or URL of the CSV.
        root: where data/ lies, if that is not the parent of the manifest's folder.
        progress: show a bar if standard error is a terminal.

    Raises:
        ManifestError: if there is no such manifest, or its run record cannot be read.
    """
    began, report = time.perf_counter(), Report(manifest)
    storage, relative = find_manifest(manifest, root)
    record = read_record(storage, relative)
    checker = _Checker(storage, record, report)
    with tqdm(
        total=record.get("count"), unit=" images", desc="verify", disable=None if progress else True
    ) as bar:
        checker.check_manifest(relative, bar.update)
    checker.check_contact_sheet()
    checker.check_orphans()
    report.seconds = time.perf_counter() - began
    return report


class _Checker:
    """Collects the problems of one set."""

    def __init__(self, storage: Storage, record: Mapping[str, Any], report: Report) -> None:
        self._storage, self._record, self._report = storage, record, report
        self._plan: Plan = recorded_plan(record)
        self._formats = tuple(record["settings"]["formats"])
        self._entries = {entry["shard"]: entry for entry in record["shards"]}
        self._seen = np.zeros((self._plan.classes, self._plan.per_class), np.bool_)
        report.labels = DESCRIPTIONS.get(record["label_source"], record["label_source"])

    def check_manifest(self, path: str, done: Callable[[int], Any]) -> None:
        """Hash, columns, rows and counts, and the shard of each row."""
        found, expected = file_sha256(self._storage, path), self._record["manifest"]["sha256"]
        if found != expected:
            self._report.add(
                f"{path}: its SHA-256 is {found}, the run record says {expected}.", REBUILD
            )
        try:
            for rows in _by_shard(read_rows(self._storage, path)):
                self._report.rows += len(rows)
                if self._check_rows(rows):
                    self._check_shard(rows)
                done(len(rows))
        except ManifestError as error:
            self._report.add(str(error))
            return
        self._check_counts()

    def _check_rows(self, rows: Any) -> bool:
        """Whether rows are those of the plan; says what is not."""
        plan, number = self._plan, int(rows["shard"].iloc[0])
        label, index = rows["label"].to_numpy(), rows["index"].to_numpy()
        outside = (label < 0) | (label >= plan.classes) | (index < 0) | (index >= plan.per_class)
        self._some(
            rows,
            outside,
            f"with a label outside 0..{plan.classes - 1} or an index outside 0..{plan.per_class - 1}",
        )
        label, index = label[~outside], index[~outside]
        place = label * plan.per_class + index
        repeated = np.ones(len(place), np.bool_)
        repeated[np.unique(place, return_index=True)[1]] = False
        self._some(
            rows[~outside],
            repeated | self._seen[label, index],
            "with the label and index of another row",
        )
        self._seen[label, index] = True
        if not 0 <= number < plan.shard_count:
            self._report.add(
                f"{counted(len(rows), 'row')} in shard {number}; there are shards 0 to {plan.shard_count - 1}."
            )
            return False
        shard = plan.shard(number)
        offset = (index - shard.start) * plan.classes + label
        wrong = (
            (index < shard.start)
            | (index >= shard.stop)
            | (offset != rows["offset"].to_numpy()[~outside])
        )
        self._some(
            rows[~outside],
            wrong,
            "in another place (shard and offset) than that of the label and index",
        )
        ids = [
            image_id(a, b)
            for a, b in zip(rows["label"].tolist(), rows["index"].tolist(), strict=True)
        ]
        self._some(
            rows,
            rows["id"].to_numpy() != np.array(ids, object),
            "with another id than that of the label and index",
        )
        source = self._record["label_source"]
        self._some(
            rows,
            rows["label_source"].to_numpy() != source,
            f"with another label_source than the run record, which says {source!r}",
        )
        return not (outside.any() or wrong.any()) and self._check_paths(rows, number)

    def _check_paths(self, rows: Any, number: int) -> bool:
        """Whether the rows name the files of the plan."""
        right = True
        for kind, module in FORMATS.items():
            asked = kind in self._formats
            names = np.array(
                module.paths(self._plan.shard(number), self._plan) if asked else [""], object
            )
            wrong = rows[kind].to_numpy() != (names[rows["offset"].to_numpy()] if asked else "")
            self._some(
                rows, wrong, f"with another {kind} file than that of the shard, class and index"
            )
            right &= not wrong.any()
        return right

    def _some(self, rows: Any, wrong: Any, what: str) -> None:
        """Say that some rows are wrong, with the first as an example."""
        if np.any(wrong):
            which = f"{counted(int(np.sum(wrong)), 'row')} of shard {rows['shard'].iloc[0]}"
            self._report.add(f"{which} {what}; the first is {rows['id'].to_numpy()[wrong][0]!r}.")

    def _check_shard(self, rows: Any) -> None:
        """The files of one shard against their recorded hash and the rows."""
        number = int(rows["shard"].iloc[0])
        self._report.shards += 1
        for kind in self._formats:
            paths = FORMATS[kind].paths(self._plan.shard(number), self._plan)
            contents = self._read(number, kind, paths)
            if not contents:
                continue
            expected = self._entries.get(number, {}).get("sha256", {}).get(kind)
            if len(contents) == len(set(paths)) and digest(contents.values()) != expected:
                self._report.add(
                    f"shard {number}, {kind}: its files do not have the hash that the run record gives.",
                    REBUILD,
                )
            self._check_content(rows[rows[kind].isin(contents.keys())], kind, contents)

    def _read(self, number: int, kind: str, paths: list[str]) -> dict[str, bytes]:
        """The files that are there; says which are missing."""
        try:
            return self._storage.read_many(paths)
        except StorageError:
            there = {
                path: content
                for path in dict.fromkeys(paths)
                if (content := self._content(path)) is not None
            }
            missing = sorted(set(paths) - set(there))
            which = f"{missing[0]}{' and others' * (len(missing) > 1)}"
            self._report.add(
                f"shard {number}, {kind}: {counted(len(missing), 'file')} missing or unreadable, {which}.",
                REBUILD,
            )
            return there

    def _content(self, path: str) -> bytes | None:
        try:
            return self._storage.read_bytes(path)
        except StorageError:
            return None

    def _check_content(self, rows: Any, kind: str, contents: Mapping[str, bytes]) -> None:
        """Pixels and columns in the files against the rows; a file that cannot be decoded does not hide the others."""
        try:
            images, columns = FORMATS[kind].decode(
                contents, rows[kind].tolist(), rows["offset"].tolist()
            )
        except DataError as error:
            decodable = self._decodable(rows, kind, contents)
            if len(decodable) == len(rows):  # each by itself, but not together
                self._report.add(f"shard {rows['shard'].iloc[0]}, {kind}: {error}", REBUILD)
            elif len(decodable):
                self._check_content(decodable, kind, contents)
            return
        if list(images.shape[1:]) != list(self._record["image_shape"]):
            shapes = (
                f"images are {images.shape[1:]}, the run record says {self._record['image_shape']}"
            )
            self._report.add(f"shard {rows['shard'].iloc[0]}, {kind}: {shapes}.")
        hashes = np.array([hashlib.sha256(image.tobytes()).hexdigest() for image in images], object)
        self._some(
            rows,
            rows["sha256"].to_numpy() != hashes,
            f"with another SHA-256 than the pixels in the {kind} file",
        )
        for name, values in columns.items():
            wrong = rows[name].to_numpy() != (
                values.astype(object) if name == "id" else values.astype(np.int64)
            )
            self._some(rows, wrong, f"with another {name} than the {kind} file")

    def _decodable(self, rows: Any, kind: str, contents: Mapping[str, bytes]) -> Any:
        """The rows whose file can be decoded; says which files cannot."""
        damaged: set[str] = set()
        for path, own in rows.groupby(kind, sort=False):
            try:
                FORMATS[kind].decode(contents, own[kind].tolist(), own["offset"].tolist())
            except DataError as error:
                damaged.add(path)
                self._report.add(f"shard {rows['shard'].iloc[0]}, {kind}: {error}", REBUILD)
        return rows[~rows[kind].isin(damaged)]

    def _check_counts(self) -> None:
        """Each class has all its images, and the record tells the same numbers."""
        for name, seen in zip(self._plan.class_names, self._seen, strict=True):
            if not seen.all():
                there = f"{int(seen.sum()):,} of {counted(len(seen), 'image')}"
                self._report.add(
                    f"class {name!r}: {there}; the first missing index is {int(np.argmin(seen))}."
                )
        numbers = {
            "count": self._record.get("count"),
            "manifest rows": self._record["manifest"].get("rows"),
        }
        numbers["rows of all shards"] = sum(entry["rows"] for entry in self._entries.values())
        for name, number in numbers.items():
            if number != self._plan.count:
                self._report.add(
                    f"the run record gives {number} as {name}, its settings make {self._plan.count}."
                )
        source, settings = self._record["label_source"], self._record["settings"]
        if source != settings["labels"]:
            self._report.add(
                f"the run record gives {source!r} as label_source, its settings {settings['labels']!r}."
            )

    def check_contact_sheet(self) -> None:
        """It is there and is a picture; its pixels are those of images whose hashes are checked."""
        if not sheet_is_whole(self._storage, self._plan.name):
            self._report.add(f"{sheet_path(self._plan.name)} is missing or damaged.", REBUILD)

    def check_orphans(self) -> None:
        """Files below the shard folders that belong to no row."""
        for kind, orphans in find_orphans(self._storage, self._plan, self._formats).items():
            self._report.add(
                f"{counted(len(orphans), 'file')} in {kind} without a row, the first is {orphans[0]}.",
                REMOVE,
            )


def _by_shard(pieces: Iterator[Any]) -> Iterator[Any]:
    """Join neighbouring pieces of the same shard."""
    held: list[Any] = []
    for piece in pieces:
        if held and held[0]["shard"].iloc[0] != piece["shard"].iloc[0]:
            yield pd.concat(held)
            held = []
        held.append(piece)
    if held:
        yield pd.concat(held)
