"""What an unfinished build keeps in manifests/.NAME.parts: what it is, and each finished shard.

An unfinished export keeps the same in manifests/.NAME.export, without rows.

identity.json   everything that decides the content
00000.csv       the manifest rows of shard 0, which wait there until all shards are finished
00000.json      the entry of shard 0 in the run record; written last, it makes the shard finished

Where the set is made in partitions, there are also:

set.json                the run record, as far as it is known before a shard is made
partition-3-of-8.json   partition 3 of 8 has begun
"""

import dataclasses
import hashlib
import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from synthgen.errors import RecordError, StorageError
from synthgen.records import from_json, parse_json, to_json
from synthgen.shards.layout import (
    data_folder,
    export_notes_folder,
    notes_folder,
    parts_folder,
)
from synthgen.shards.run_record import RunRecord, ShardEntry, read_record, write_record
from synthgen.storage import UNFINISHED, Storage


@dataclass(frozen=True)
class UnfinishedBuild:
    """The notes of the unfinished build of a set.

    Args:
        storage: of the root.
        name: of the set.
    """

    storage: Storage
    name: str

    @property
    def folder(self) -> str:
        """The hidden folder beside the manifest."""
        return notes_folder(self.name)

    def begin(self, identity: Mapping[str, Any]) -> None:
        """Forget the notes of an earlier build, and note what this one is."""
        self.remove()
        self.write_identity(identity)

    def write_identity(self, identity: Mapping[str, Any]) -> None:
        """Note what the unfinished build is."""
        content = json.dumps(identity, indent=2).encode()
        self.storage.write_bytes(f"{self.folder}/identity.json", content)

    def identity(self) -> dict[str, Any] | None:
        """Return what the unfinished build is.

        Returns:
            None if there is none, or one that was killed as it began or ended.
        """
        path = f"{self.folder}/identity.json"
        try:
            found = parse_json(self.storage.read_bytes(path)) if self.storage.exists(path) else None
        except (RecordError, StorageError):
            return None  # torn by a power cut: as if it were not there
        return found if isinstance(found, dict) else None

    def rows_path(self, number: int) -> str:
        """Return where the manifest rows of a shard wait."""
        return f"{self.folder}/{number:05d}.csv"

    def finish(self, entry: ShardEntry, rows: bytes) -> ShardEntry:
        """Note that the files of a shard are written.

        Args:
            entry: of the shard.
            rows: of the manifest, for this shard.

        Returns:
            The entry with the hash of the rows.
        """
        whole = dataclasses.replace(entry, rows_sha256=hashlib.sha256(rows).hexdigest())
        self.storage.write_bytes(self.rows_path(entry.shard), rows, durable=False)
        path = f"{self.folder}/{entry.shard:05d}.json"
        self.storage.write_bytes(path, to_json(whole), durable=False)
        return whole

    def entry(self, number: int) -> ShardEntry | None:
        """Return the entry of a shard; None if it is not finished or its notes are torn."""
        try:
            content = self.storage.read_bytes(f"{self.folder}/{number:05d}.json")
            entry = from_json(ShardEntry, content)
            rows = self.storage.read_bytes(self.rows_path(number))
        except (RecordError, StorageError):
            return None
        whole = entry.shard == number and entry.rows_sha256 == hashlib.sha256(rows).hexdigest()
        return entry if whole else None

    def rows(self, entries: Iterable[ShardEntry]) -> Iterator[bytes]:
        """Read the manifest rows of shards, shard by shard.

        Args:
            entries: as `finish` returned them.

        Raises:
            StorageError: if rows are not those whose hash the entry holds.
        """
        for entry in entries:
            path = self.rows_path(entry.shard)
            rows = self.storage.read_bytes(path)
            found = hashlib.sha256(rows).hexdigest()
            if found != entry.rows_sha256:
                raise StorageError(
                    f"{path}: Expected manifest rows with SHA-256 {entry.rows_sha256}, found "
                    f"{found}: the file changed since it was written. "
                    "Run the same command again, which makes that shard again."
                )
            yield rows

    def write_draft(self, draft: RunRecord) -> None:
        """Note the run record of a set whose shards are not made yet."""
        write_record(self.storage, f"{self.folder}/set.csv", draft)

    def draft(self) -> RunRecord | None:
        """Return the run record of a set that is made in partitions; None if there is none."""
        if not self.storage.exists(f"{self.folder}/set.json"):
            return None
        return read_record(self.storage, f"{self.folder}/set.csv")

    def note_partition(self, partition: str) -> None:
        """Note that a partition, such as "3/8", has begun."""
        name = partition.replace("/", "-of-")
        content = to_json({"partition": partition})
        self.storage.write_bytes(f"{self.folder}/partition-{name}.json", content)

    def partitions(self) -> list[str]:
        """Return the partitions that have begun, such as "3/8"."""
        names = [path.rpartition("/")[2] for path in self.storage.files(self.folder)]
        found = [re.fullmatch(r"partition-(\d+)-of-(\d+)\.json", name) for name in names]
        return [f"{match[1]}/{match[2]}" for match in found if match]

    def numbers(self) -> list[int]:
        """Return the numbers of the shards that have an entry."""
        names = [path.rpartition("/")[2] for path in self.storage.files(self.folder)]
        stems = [name.removesuffix(".json") for name in names if name.endswith(".json")]
        return [int(stem) for stem in stems if stem.isdecimal()]

    def remove(self) -> None:
        """Forget the unfinished build: what it is first, without which the rest means nothing."""
        self.storage.remove(f"{self.folder}/identity.json")
        self.storage.remove(self.folder)


class UnfinishedExport(UnfinishedBuild):
    """The notes of an unfinished export: of each finished shard, the hashes of its new files."""

    @property
    def folder(self) -> str:
        """The hidden folder beside the manifest."""
        return export_notes_folder(self.name)

    def begin_for(self, manifest_sha256: str) -> None:
        """Forget the notes of an earlier export, and note of which set this one is."""
        self.begin({"manifest": manifest_sha256})

    def belongs_to(self, manifest_sha256: str) -> bool:
        """Return whether there is an unfinished export of the set that a manifest lists."""
        identity = self.identity()
        return identity is not None and identity.get("manifest") == manifest_sha256


def remove_half_written(storage: Storage, name: str) -> None:
    """Remove the temporary files that killed processes left: of this set, and on a disk alone.

    An object store shows whole objects only.
    """
    if not storage.is_local:
        return
    folder = data_folder(name)
    for place in (folder, "manifests"):
        for paths in storage.walk(place):
            for path in paths:
                own = place == folder or path.startswith(
                    (f"manifests/{name}.", f"{parts_folder(name)}/", f"{notes_folder(name)}/")
                )
                if own and UNFINISHED.search(path):
                    storage.remove(path)
