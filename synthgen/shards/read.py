"""Reading images of a set, and making sure that they are those which the manifest's rows describe.

Where manifest and shard are the files of the build, by their hashes in the run record, they are.
Otherwise each image is compared with the hash of its row before anybody gets it.

`read_images` reads rows of one shard. `SetReader` does so when images are asked for, and keeps what
it has unpacked as long as there is room.
"""

import functools
import os
import weakref
from collections.abc import Mapping
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from synthgen.datasets.digits import Images, Labels
from synthgen.errors import DataError, ManifestError, StorageError
from synthgen.processes import interrupts_held
from synthgen.records import file_sha256
from synthgen.shards import hdf5
from synthgen.shards.content import digest_images
from synthgen.shards.formats import SHARD_FORMATS, ShardFiles
from synthgen.shards.layout import check_named_files
from synthgen.shards.manifest_index import ManifestIndex, ShardRows, read_index
from synthgen.shards.run_record import RunRecord
from synthgen.storage import Storage

REMEDY = (
    "`synthgen verify` says what else is damaged; the same `synthgen build` again, "
    "with the same versions, makes what is damaged again."
)
CACHE_BYTES = 2**30  # of unpacked images that a process keeps: 1.3 million digits
OPEN_FILES = 32  # that a process keeps open
ONE_FILE = tuple(kind for kind in SHARD_FORMATS if kind != "png")  # a shard; PNG has one an image
FEW = 8  # fewer than one row in so many of a shard are read without the rest of it


def read_images(
    storage: Storage, rows: ShardRows, sha256: Mapping[str, str], rows_as_built: bool = False
) -> Images:
    """Read the images of manifest rows of one shard.

    Args:
        storage: of the root.
        rows: of the manifest, in any order.
        sha256: of the shard's files by format, as the run record gives them. An HDF5 file with
            another hash is tried out in a process of its own first.
        rows_as_built: whether these are rows of the manifest as the build wrote it. The images of a
            file that is as it was built, too, are not compared with them one by one.

    Returns:
        (n, height, width, channels) uint8, in the order of the rows, from the first format whose
        files are there.

    Raises:
        ManifestError: if the rows name files outside the root.
        StorageError: if the images are there in no format.
        DataError: if a file is damaged, or holds other images than the rows describe.
    """
    reasons = []
    for kind in rows.paths:
        paths = rows.paths_of(kind)
        check_named_files(storage, paths)
        try:
            files = ShardFiles(kind, storage.read_many(paths), sha256.get(kind))
            images, columns = files.decode(paths, rows.offsets.tolist(), labels_only=True)
        except StorageError as error:
            reasons.append(str(error))
            continue
        except DataError as error:
            raise DataError(f"{error} {REMEDY}") from error
        if not (rows_as_built and files.are_as_built):
            check_rows(rows, np.arange(len(rows)), images, columns.get("label"), kind)
        return images
    raise StorageError(
        f"Images of shard {rows.shard} are there in no format. "
        f"{' '.join(reasons) or 'The manifest names no file.'}"
    )


def check_rows(
    rows: ShardRows,
    places: NDArray[np.integer[Any]],
    images: Images,
    labels: NDArray[Any] | None,
    kind: str,
) -> None:
    """Make sure that images are those which manifest rows describe.

    Args:
        rows: of the shard.
        places: (m,) of those rows among them whose images these are.
        images: (m, height, width, channels) uint8.
        labels: (m,) that the files give; None where they give none.
        kind: the format of the files.

    Raises:
        DataError: naming the first that is another.
    """
    other = (rows.hashes[places] != digest_images(images)).any(axis=1)
    what = "pixels"
    if not other.any() and labels is not None:
        other = rows.labels[places] != labels
        what = "label"
    if other.any():
        place = int(places[np.argmax(other)])
        raise DataError(
            f"{rows.path_of(kind, place)}: Expected the {what} that the manifest gives for "
            f"{rows.image_id(place)!r}, received another; so for {int(other.sum())} "
            f"of {len(places)} rows of shard {rows.shard}. Either a file was changed or exchanged, "
            "or the rows are not those of this set: columns sorted apart, or kept from before a "
            f"build with --overwrite. {REMEDY}"
        )


class OpenShard:
    """An HDF5 shard that stays open, so that few rows are read without the rest of it.

    Args:
        path: of the file.
        name: of the file, for messages.

    Raises:
        OSError: if it cannot be opened.
        DataError: if its values do not lie in it.
    """

    def __init__(self, path: str, name: str) -> None:
        size = os.path.getsize(path)
        self._file = h5py.File(path, "r")
        for data_set in ("images", "labels"):
            hdf5.check_data_set(self._file, data_set, size, name)
        self._images = hdf5.PackedImages(self._file["images"], size)
        self._labels: Labels = self._file["labels"][()]
        self.shape: tuple[int, ...] = self._images.shape[1:]
        self._length = self._images.chunk[0]
        self._last = (-1, np.empty(0, np.uint8))  # the chunk that was unpacked last

    def read(self, offsets: NDArray[np.int64]) -> tuple[Images, Labels]:
        """Read some rows, chunk by chunk of the file.

        Args:
            offsets: (n,) of the rows in the shard.

        Returns:
            Images (n, height, width, channels) and labels (n,), both uint8.
        """
        images = np.empty((len(offsets), *self.shape), np.uint8)
        chunks = offsets // self._length
        for chunk in np.unique(chunks).tolist() if len(chunks) > 1 else chunks.tolist():
            number, block = self._last
            if number != chunk:
                block = self._images.unpack_chunk(chunk * self._length)
                self._last = (chunk, block)
            inside = chunks == chunk
            images[inside] = block[offsets[inside] - chunk * self._length]
        return images, self._labels[offsets]


class SetReader:
    """Reads images of a set when they are asked for, and keeps those that it has unpacked.

    Whole shards are unpacked and kept. Where the set has no room in memory, few rows of a shard are
    read without the rest of it. A reader may be pickled and used after a fork: no file is open
    then, and the other process opens its own.

    Args:
        storage: of the root.
        manifest: path from there.
        record: of the set.
        per_class: at most so many rows of each class; None for all.
        index: of these rows, if it was read before.
        cache_bytes: of unpacked images that are kept, at most; each process keeps its own.
    """

    def __init__(
        self,
        storage: Storage,
        manifest: str,
        record: RunRecord,
        per_class: int | None = None,
        *,
        index: ManifestIndex | None = None,
        cache_bytes: int = CACHE_BYTES,
    ) -> None:
        self.storage = storage
        self.image_shape = record.image_shape
        self._read_index = functools.partial(read_index, storage, manifest, record, per_class)
        self.index = self._read_index(formats=ONE_FILE) if index is None else index
        self._is_complete = index is not None
        # Of an object store the whole manifest would be fetched once more to know this.
        files = {manifest: record.manifest.sha256}
        files |= {part.path: part.sha256 for part in record.manifest.parts}
        self.rows_as_built = storage.is_local and all(
            file_sha256(storage, path) == sha256 for path, sha256 in files.items()
        )
        self.file_hashes = {entry.shard: entry.sha256 for entry in record.shards}
        self.cache_bytes = cache_bytes
        self._forget()
        _READERS.add(self)

    def _forget(self) -> None:
        self._kept: dict[int, Images] = {}
        self._open: dict[int, OpenShard] = {}
        self._tried: set[int] = set()  # shards whose file was compared with its hash

    def __getstate__(self) -> dict[str, Any]:
        own = ("_kept", "_open", "_tried")
        return {name: value for name, value in vars(self).items() if name not in own}

    def __setstate__(self, state: dict[str, Any]) -> None:
        vars(self).update(state)
        self._forget()
        _READERS.add(self)

    def close(self) -> None:
        """Close the files that are open; they are opened again when they are needed."""
        self._open = {}

    @property
    def image_bytes(self) -> int:
        """Bytes of an unpacked image."""
        height, width, channels = self.image_shape
        return height * width * channels

    @property
    def fits(self) -> bool:
        """Whether all images may be kept."""
        return len(self.index.labels) * self.image_bytes <= self.cache_bytes

    def images(self, rows: NDArray[np.int64], whole_shards: bool = False) -> Images:
        """Read the images of manifest rows in any order.

        Args:
            rows: (m,) of the manifest.
            whole_shards: whether the rest of a shard is wanted soon, too.

        Returns:
            (m, height, width, channels) uint8.
        """
        shards = self.index.shard_of[rows]
        places = self.index.place_of[rows]
        if not len(rows):
            return np.empty((0, *self.image_shape), np.uint8)
        if (shards == shards[0]).all():
            return self._read(int(shards[0]), places, whole_shards)

        # Shard by shard, whatever the order of the rows.
        images = np.empty((len(rows), *self.image_shape), np.uint8)
        order = np.argsort(shards, kind="stable")
        bounds = np.flatnonzero(np.diff(shards[order])) + 1
        for positions in np.split(order, bounds):
            shard = int(shards[positions[0]])
            images[positions] = self._read(shard, places[positions], whole_shards)
        return images

    def all_images(self) -> Images:
        """Read the images of all rows; nothing of them is kept."""
        images: Images | None = None
        for shard in range(len(self.index.shards)):
            kept = self._kept.get(shard)
            found = self._unpack(shard) if kept is None else kept
            if images is None:  # a record that lies about the shape takes no memory
                images = np.empty((len(self.index.labels), *found.shape[1:]), np.uint8)
            place = self.index.rows_of(shard)
            if place[-1] - place[0] == len(place) - 1:  # side by side, as a build writes them
                images[place[0] : place[-1] + 1] = found
            else:
                images[place] = found
        assert images is not None  # there is a row, and it has a shard
        return images

    def _read(self, shard: int, places: NDArray[np.int32], whole_shards: bool) -> Images:
        """Read the images of some rows of a shard, given its place in the index."""
        kept = self._kept.pop(shard, None)
        if kept is None:
            few = len(places) * FEW < len(self.index.shards[shard])
            if few and not whole_shards and not self.fits:
                found = self._read_few(shard, places)
                if found is not None:
                    return found
            kept = self._unpack(shard)
            room = max(1, self.cache_bytes // max(1, kept.nbytes))
            for oldest in list(self._kept)[: max(0, len(self._kept) - room + 1)]:
                self._kept.pop(oldest, None)
        self._kept[shard] = kept  # the one that was used last is last
        return kept[places]

    def _unpack(self, shard: int) -> Images:
        """Read all rows of a shard."""
        rows = self.index.shards[shard]
        sha256 = self.file_hashes.get(rows.shard, {})
        try:
            images = read_images(self.storage, rows, sha256, self.rows_as_built)
        except StorageError:
            if self._is_complete:
                raise
            self._complete_index()
            rows = self.index.shards[shard]
            images = read_images(self.storage, rows, sha256, self.rows_as_built)
        self._check_shape(images.shape[1:], rows.shard)
        return images

    def _complete_index(self) -> None:
        """Read the paths of PNG files, too, which are many and seldom needed."""
        index = self._read_index()
        if not np.array_equal(index.shard_of, self.index.shard_of):
            raise ManifestError(
                "Expected the manifest as it was when the set was opened, received other rows. "
                "Open it again."
            )
        self.index = index
        self._is_complete = True

    def _read_few(self, shard: int, places: NDArray[np.int32]) -> Images | None:
        """Read some rows of a shard without the rest; None where its files do not allow that."""
        rows = self.index.shards[shard]
        in_one_file = len(rows.paths.get("hdf5", ())) == 1
        if not in_one_file or not self.storage.is_local:
            return None
        opened = self._open.pop(shard, None)
        try:
            if opened is None:
                path = rows.path_of("hdf5", 0)
                check_named_files(self.storage, rows.paths_of("hdf5"))
                if shard not in self._tried:
                    found = file_sha256(self.storage, path)
                    if found != self.file_hashes.get(rows.shard, {}).get("hdf5"):
                        hdf5.try_out({path: self.storage.read_bytes(path)})
                    self._tried.add(shard)
                with interrupts_held():
                    opened = OpenShard(self.storage.full(path), path)
            self._check_shape(opened.shape, rows.shard)
            with interrupts_held():
                images, labels = opened.read(rows.offsets[places])
        except DataError:
            raise
        except Exception:
            return None  # reading the whole shard says what is wrong with it
        for oldest in list(self._open)[: max(0, len(self._open) - OPEN_FILES + 1)]:
            self._open.pop(oldest, None)
        self._open[shard] = opened
        check_rows(rows, places, images, labels, "hdf5")
        return images

    def _check_shape(self, shape: tuple[int, ...], number: int) -> None:
        if shape != self.image_shape:
            raise DataError(
                f"Expected images of the run record's shape, {self.image_shape}, received "
                f"{shape} in shard {number}. `synthgen verify` says what is damaged."
            )


_READERS: "weakref.WeakSet[SetReader]" = weakref.WeakSet()


def _close_files() -> None:
    for reader in list(_READERS):
        reader.close()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(before=_close_files)
