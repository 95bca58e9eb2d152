"""The file formats: a format is a module with the functions of `ShardFormat`, and one line here."""

import hashlib
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any, Protocol

from synthgen.datasets.digits import Images
from synthgen.errors import StorageError
from synthgen.shards import hdf5, png
from synthgen.shards.plan import Drawn, Plan, Shard
from synthgen.storage import Storage


class ShardFormat(Protocol):
    """What a format module offers. `FOLDER` is its folder below data/NAME."""

    FOLDER: str

    def paths(self, shard: Shard, plan: Plan) -> list[str]:
        """The file of each row, relative to the root."""

    def expects(self, path: str, plan: Plan) -> bool:
        """Whether a path is one of the set's."""

    def disk_bytes(self, pixels: int) -> int:
        """Estimated bytes on the disk for an image of so many values."""

    def encode(self, drawn: Drawn, plan: Plan, attributes: Mapping[str, Any]) -> dict[str, bytes]:
        """The files of a shard, by path."""

    def decode(
        self, contents: Mapping[str, bytes], paths: Sequence[str], offsets: Sequence[int]
    ) -> tuple[Images, dict[str, Any]]:
        """Images of some rows of a shard and, by manifest column, what else the files tell of them."""


FORMATS: dict[str, ShardFormat] = {
    "hdf5": hdf5,
    "png": png,
}


def digest(contents: Iterable[bytes]) -> str:
    """SHA-256 of a file, or, of several files, of their SHA-256 digests in row order; 64 hex digits."""
    digests = [hashlib.sha256(content) for content in contents]
    return (
        digests[0].hexdigest()
        if len(digests) == 1
        else hashlib.sha256(b"".join(one.digest() for one in digests)).hexdigest()
    )


def stored_digest(storage: Storage, kind: str, shard: Shard, plan: Plan) -> str | None:
    """The digest of a shard's files as they lie there; None if one is missing."""
    try:
        return digest(storage.read_many(FORMATS[kind].paths(shard, plan)).values())
    except StorageError:
        return None


def find_orphans(storage: Storage, plan: Plan, kinds: Collection[str]) -> dict[str, list[str]]:
    """The files below the shard folders that belong to no image of the set, by format; formats without such files are left out.

    Args:
        storage: of the root.
        plan: of the set.
        kinds: the formats that it was written in.
    """
    found: dict[str, list[str]] = {}
    for kind, module in FORMATS.items():
        for files in storage.walk(f"data/{plan.name}/{module.FOLDER}"):
            orphans = [
                path for path in files if kind not in kinds or not module.expects(path, plan)
            ]
            if orphans:
                found.setdefault(kind, []).extend(orphans)
    return found


def disk_need(plan: Plan, formats: Iterable[str], pixels: int) -> int:
    """Estimated bytes on the disk for all shards and the manifest (which exists twice for a moment)."""
    return plan.count * (sum(FORMATS[kind].disk_bytes(pixels) for kind in formats) + 2 * 220)
