"""What a manifest says of its images, shard by shard, in few bytes an image.

A row of the manifest takes 220 bytes of text and more as a data frame; here it takes about 60, and
as much again where the set has one file an image. So the rows of a set fit into memory long after
its images no longer do.
"""

import binascii
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from synthgen.datasets.digits import Labels
from synthgen.errors import DataError, ManifestError
from synthgen.shards.formats import SHARD_FORMATS
from synthgen.shards.manifest import read_rows
from synthgen.shards.plan import image_id
from synthgen.shards.run_record import RunRecord
from synthgen.storage import Storage

if TYPE_CHECKING:
    import pandas as pd

INDEX_COLUMNS = ("label", "index", "shard", "offset", "sha256")
HASH_BYTES = 32
HASH_TYPE = f"S{2 * HASH_BYTES + 1}"  # cuts off what is longer than a hash, but not to a hash
NO_HASH = bytes(HASH_BYTES)  # stands for text that is no SHA-256; no image has it


@dataclass(frozen=True, kw_only=True, eq=False)
class ShardRows:
    """The rows of a manifest that lie in one shard, in the order of the manifest.

    Args:
        shard: its number.
        labels: (n,) uint8.
        indices: (n,) int64, the place of each image among those of its class.
        offsets: (n,) int64, the place of each image in the shard.
        hashes: (n, 32) uint8, the SHA-256 of the pixels of each image.
        paths: by format, the file of each row in UTF-8: (n,) bytes, or (1,) where it is one file.
            A format of which a row names no file is missing.
    """

    shard: int
    labels: Labels
    indices: NDArray[np.int64]
    offsets: NDArray[np.int64]
    hashes: NDArray[np.uint8]
    paths: dict[str, NDArray[np.bytes_]]

    def __len__(self) -> int:
        return len(self.labels)

    def paths_of(self, kind: str) -> list[str]:
        """Return the file of each row in one format."""
        paths = [path.decode() for path in self.paths[kind].tolist()]
        return paths * len(self) if len(paths) == 1 else paths

    def path_of(self, kind: str, place: int) -> str:
        """Return the file of one of these rows in one format."""
        paths = self.paths[kind]
        return str(paths[place if len(paths) > 1 else 0].decode())

    def image_id(self, place: int) -> str:
        """Return the id of the image in one of these rows."""
        return image_id(int(self.labels[place]), int(self.indices[place]))


class ManifestIndex(NamedTuple):
    """All rows of a manifest.

    Args:
        shards: the rows of each shard, by number.
        shard_of: (n,) int32, for each row of the manifest its place in `shards`.
        place_of: (n,) int32, its place among the rows of that shard.
        labels: (n,) uint8.
    """

    shards: Sequence[ShardRows]
    shard_of: NDArray[np.int32]
    place_of: NDArray[np.int32]
    labels: Labels

    def rows_of(self, shard: int) -> NDArray[np.int64]:
        """Return which rows of the manifest lie in a shard, given its place in `shards`."""
        return np.flatnonzero(self.shard_of == shard)


def index_rows(pieces: Iterable["pd.DataFrame"]) -> ManifestIndex:
    """Make the index of manifest rows.

    Args:
        pieces: data frames with the rows, as `manifest.read_rows` gives them; one row or more. A
            format without a column is one of which no row names a file.
    """
    import pandas as pd

    columns: dict[str, list[NDArray[np.generic]]] = {}
    for piece in pieces:
        for name in ("label", "index", "shard", "offset"):
            least = np.uint8 if name == "label" else np.int64
            columns.setdefault(name, []).append(piece[name].to_numpy().astype(least))
        hashes = piece["sha256"].tolist()
        if hashes and isinstance(hashes[0], str):
            hashes = [text.encode() for text in hashes]
        columns.setdefault("sha256", []).append(_hash_bytes(hashes))
        for kind in piece.columns.intersection(list(SHARD_FORMATS)):
            codes, files = pd.factorize(piece[kind])
            encoded = np.array([file.encode() for file in files.tolist()], np.bytes_)
            columns.setdefault(kind, []).append(encoded[codes])
    # column by column, so that little is in memory twice
    whole: dict[str, NDArray[Any]] = {
        name: np.concatenate(columns.pop(name)) for name in list(columns)
    }

    # Rows by shard, in each shard in the order of the manifest.
    shard_numbers = whole.pop("shard")
    numbers, shard_of = _count_up(shard_numbers)
    counts = np.bincount(shard_of)
    starts = np.cumsum(counts) - counts
    places: Sequence[slice | NDArray[np.int64]]
    if (np.diff(shard_of) >= 0).all():  # as a build writes them: nothing need be copied
        place_of = np.arange(len(shard_of), dtype=np.int32)
        place_of -= np.repeat(starts.astype(np.int32), counts)
        ends = (starts + counts).tolist()
        places = [slice(start, end) for start, end in zip(starts.tolist(), ends, strict=True)]
    else:
        order = np.argsort(shard_of, kind="stable")
        place_of = np.empty(len(order), np.int32)
        place_of[order] = np.arange(len(order)) - np.repeat(starts, counts)
        places = np.split(order, starts[1:])
    labels = whole["label"]

    shards = []
    for number, rows in zip(numbers.tolist(), places, strict=True):
        paths_by_kind = {}
        for kind in [kind for kind in SHARD_FORMATS if kind in whole]:
            paths = whole[kind][rows]
            if (paths == b"").any():
                continue
            paths_by_kind[kind] = paths[:1].copy() if (paths == paths[0]).all() else paths
        shards.append(
            ShardRows(
                shard=number,
                labels=labels[rows],
                indices=whole["index"][rows],
                offsets=whole["offset"][rows],
                hashes=whole["sha256"][rows],
                paths=paths_by_kind,
            )
        )
    return ManifestIndex(shards, shard_of, place_of, labels)


def _count_up(
    numbers: NDArray[np.int64],
) -> tuple[NDArray[np.int64], NDArray[np.int32]]:
    """Return the different numbers in order, and of each number its place among them."""
    steps = np.diff(numbers)
    if (steps < 0).any():
        different, inverse = np.unique(numbers, return_inverse=True)
        return different, inverse.astype(np.int32)
    begins = np.concatenate([[True], steps > 0])
    places = np.cumsum(begins, dtype=np.int32)
    places -= 1
    return numbers[begins], places


def read_index(
    storage: Storage,
    manifest: str,
    record: RunRecord,
    per_class: int | None = None,
    formats: Collection[str] = tuple(SHARD_FORMATS),
) -> ManifestIndex:
    """Read the index of a manifest.

    Args:
        storage: of the root.
        manifest: path from there.
        record: of the set.
        per_class: at most so many rows of each class; None for all.
        formats: of which files are wanted.

    Raises:
        ManifestError: if the manifest cannot be read or has no rows.
        DataError: if a label is that of no class.
    """
    columns = (*INDEX_COLUMNS, *formats)
    pieces = read_wanted_rows(storage, manifest, record, per_class, columns, HASH_TYPE)
    return index_rows(rows for rows, _ in pieces)


def read_wanted_rows(
    storage: Storage,
    manifest: str,
    record: RunRecord,
    per_class: int | None = None,
    columns: Collection[str] | None = None,
    hash_type: str = "str",
) -> Iterator[tuple["pd.DataFrame", NDArray[np.int64]]]:
    """Read the rows of a manifest whose images are wanted: all, or the first ones of each class.

    Args:
        storage: of the root.
        manifest: path from there.
        record: of the set.
        per_class: at most so many rows of each class; None for all.
        columns: that are wanted, with the label; None for all.
        hash_type: that `sha256` is read as, see `manifest.read_rows`.

    Yields:
        Data frames with rows, and (classes,) int64 counts of each class among all rows of the
        manifest up to there.

    Raises:
        ManifestError: if the manifest cannot be read or has no rows.
        DataError: if a label is that of no class.
    """
    classes = len(record.class_names)
    counts = np.zeros(classes, np.int64)
    for piece in read_rows(storage, manifest, columns=columns, hash_type=hash_type):
        labels = piece["label"].to_numpy()
        if labels.max() >= classes:
            raise DataError(
                f"Expected labels from 0 to {classes - 1} in the manifest, "
                f"received {labels.min()} to {labels.max()}."
            )
        wanted = piece
        if per_class is not None:
            number = counts[labels] + piece.groupby("label").cumcount().to_numpy()
            wanted = piece[number < per_class]
        counts += np.bincount(labels, minlength=classes)
        yield wanted, counts
    if not counts.sum():
        raise ManifestError(
            f"Expected a manifest with at least one row at {storage.url}/{manifest}, received none."
        )


def _hash_bytes(texts: list[bytes]) -> NDArray[np.uint8]:
    """Return (n, 32) uint8 of n hashes in hexadecimal; NO_HASH where a text is not one."""
    try:
        packed = binascii.unhexlify(b"".join(texts))
        regular = set(map(len, texts)) == {2 * HASH_BYTES}
    except ValueError:
        regular = False
    if not regular:
        packed = b"".join(map(_parse_hash, texts))
    return np.frombuffer(packed, np.uint8).reshape(-1, HASH_BYTES)


def _parse_hash(text: bytes) -> bytes:
    try:
        parsed = binascii.unhexlify(text)
    except ValueError:
        return NO_HASH
    return parsed if len(parsed) == HASH_BYTES else NO_HASH
