"""HDF5 shards: data/NAME/hdf5/00000.h5, one file a shard.

    images    (n, height, width, channels) uint8, 0..255, white on black, gzip
    labels    (n,) uint8
    ids       (n,) bytes
    indices   (n,) int64
    seeds     (n,) uint64
    attempts  (n,) int64

The same content gives the same bytes: files are made in memory, without timestamps, and written
whole.
"""

import contextlib
import io
import math
import sys
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from synthgen.datasets.digits import Images
from synthgen.datasets.hdf5 import (
    READER_BYTES,
    READER_BYTES_A_SECOND,
    READER_SECONDS,
    limit_process,
    reading_process,
)
from synthgen.errors import DataError
from synthgen.processes import interrupts_held
from synthgen.shards.content import ShardContent
from synthgen.shards.plan import SetPlan, Shard
from synthgen.shards.shard_file import (
    COLUMN_OF,
    LARGEST_EXPANSION,
    is_shard_path,
    select_rows,
    shard_attributes,
    shard_paths,
)

try:
    from isal import isal_zlib as zlib  # unpacks in half the time
except ImportError:  # there are machines for which it is not made
    import zlib  # type: ignore[no-redef]

FOLDER = "hdf5"
MEDIA_TYPE = "application/x-hdf5"
WORDS = "HDF5, class-mixed shards; row *n* is `offset` *n* of the manifest"
REQUIRES: tuple[str, ...] = ()
# Images a chunk: as small as whole-shard chunks (184 bytes a digit), and a loader that wants one
# image unpacks few.
CHUNK = 100
# gzip is 22 % smaller than lzf and read by every HDF5 tool; level 4 saves another 7 % at half the
# speed.
GZIP_LEVEL = 1
READ = b"read"  # what the process of `try_out` says at its end


def paths(shard: Shard, plan: SetPlan) -> list[str]:
    """Return the file of each row: one for the whole shard."""
    return shard_paths(shard, plan, FOLDER, "h5")


def expects(path: str, plan: SetPlan) -> bool:
    """Return whether a path is that of a shard of the set."""
    return is_shard_path(path, plan, FOLDER, "h5")


def disk_bytes(pixels: int) -> int:
    """Estimate generously the bytes that an image takes on the disk."""
    return pixels // 3 + 40


def encode(content: ShardContent, plan: SetPlan, attributes: Mapping[str, Any]) -> dict[str, bytes]:
    """Return the file of a shard, by path.

    Args:
        content: of the shard.
        plan: of the set.
        attributes: of the file, beside or instead of format, pixels, shard and class_names (see
            `formats.set_attributes`).
    """
    columns = {
        "labels": content.labels,
        "ids": np.array(content.shard.ids(), np.bytes_),
        "indices": content.indices,
        "seeds": content.seeds,
        "attempts": content.attempts,
    }

    buffer = io.BytesIO()
    with interrupts_held(), h5py.File(buffer, "w") as file:
        file.create_dataset(
            "images",
            data=content.images,
            chunks=(min(CHUNK, len(content.images)), *content.images.shape[1:]),
            compression="gzip",
            compression_opts=GZIP_LEVEL,
        )
        for name, values in columns.items():
            file.create_dataset(name, data=values)
        for name, value in shard_attributes(content, plan, attributes).items():
            file.attrs[name] = value
    return {paths(content.shard, plan)[0]: buffer.getvalue()}


def decode(
    contents: Mapping[str, bytes],
    paths: Sequence[str],
    offsets: Sequence[int],
    data_sets: Collection[str] = tuple(COLUMN_OF),
) -> tuple[Images, dict[str, Any]]:
    """Read rows of a shard.

    Args:
        contents: the bytes of its file, by path.
        paths: the file of each row, the same for all.
        offsets: the place of each row in the shard.
        data_sets: that are read beside the images.

    Returns:
        The images, and what else the file says about each of them, by manifest column.

    Raises:
        DataError: if it is damaged, data sets are missing or of different lengths, lie elsewhere
            than in this file, or it holds no such rows.
    """
    path = paths[0]
    try:
        with interrupts_held() as pause, h5py.File(io.BytesIO(contents[path]), "r") as file:
            for name in ("images", *data_sets):
                check_data_set(file, name, len(contents[path]), path)
            images = PackedImages(file["images"], len(contents[path])).unpack(pause)
            columns = {COLUMN_OF[name]: np.asarray(file[name][()]) for name in data_sets}
        if "id" in columns:
            columns["id"] = columns["id"].astype(str)
    except DataError:
        raise
    except Exception as error:  # damaged bytes make h5py and NumPy raise nearly anything
        raise DataError(
            f"{path}: Expected an HDF5 shard with data sets images, {', '.join(data_sets)}, "
            f"received one that is damaged: {error}."
        ) from error

    # Every data set has a row for each image.
    return select_rows(images, columns, paths, offsets)


class PackedImages:
    """The images of a shard, which lie in chunks that were packed with gzip.

    Chunks are unpacked here: the HDF5 library would unpack them to whatever length they expand to.

    Args:
        data_set: of the images.
        most: bytes that a chunk can have, those of the file.

    Raises:
        ValueError: if the images do not lie in such chunks.
    """

    def __init__(self, data_set: Any, most: int) -> None:
        properties = data_set.id.get_create_plist()
        filters = [properties.get_filter(number)[0] for number in range(properties.get_nfilters())]
        chunk = data_set.chunks
        if filters != [h5py.h5z.FILTER_DEFLATE] or chunk[1:] != data_set.shape[1:]:
            raise ValueError(f"images in chunks {chunk} with filters {filters}")
        self.shape: tuple[int, ...] = data_set.shape
        self.chunk: tuple[int, ...] = chunk
        self._id = data_set.id
        self._dtype = data_set.dtype
        self._bytes = math.prod(chunk) * data_set.dtype.itemsize  # of an unpacked chunk
        self._most = most

    def unpack_chunk(self, start: int) -> NDArray[Any]:
        """Unpack a chunk.

        Args:
            start: its first image, a multiple of `chunk[0]`.

        Returns:
            (m, height, width, channels), fewer than a chunk has at the end of the shard.

        Raises:
            ValueError: if the chunk is missing or has another length.
        """
        place = (start, *[0] * (len(self.chunk) - 1))
        if self._id.get_chunk_info_by_coord(place).size > self._most:
            raise ValueError(f"a chunk of images of more than the {self._most} bytes of the file")
        _, content = self._id.read_direct_chunk(place)
        inflating = zlib.decompressobj()
        values = inflating.decompress(content, self._bytes + 1)
        if len(values) != self._bytes or not inflating.eof:
            raise ValueError(f"the chunk of images from {start} on is not of {self._bytes} bytes")
        images = np.frombuffer(values, self._dtype).reshape(self.chunk)
        return images[: self.shape[0] - start]

    def unpack(self, pause: Callable[[], None]) -> NDArray[Any]:
        """Unpack all images.

        Args:
            pause: is called after each chunk (see `interrupts_held`).

        Returns:
            (n, height, width, channels).
        """
        images = np.empty(self.shape, self._dtype)
        for start in range(0, len(images), self.chunk[0]):
            images[start : start + self.chunk[0]] = self.unpack_chunk(start)
            pause()
        return images


def read_attributes(contents: Mapping[str, bytes]) -> dict[str, Any]:
    """Read what the file of a shard says about itself and its set.

    Args:
        contents: the bytes of the file, by path.

    Returns:
        Plain numbers, texts and lists of texts, by name.

    Raises:
        DataError: if the file is damaged.
    """
    found: dict[str, Any] = {}
    for path, content in contents.items():
        try:
            with interrupts_held(), h5py.File(io.BytesIO(content), "r") as file:
                for name in file.attrs:
                    value = file.attrs[name]
                    found[name] = value.tolist() if hasattr(value, "tolist") else value
        except Exception as error:  # damaged bytes make h5py and NumPy raise nearly anything
            raise DataError(
                f"{path}: Expected an HDF5 shard with attributes of its set, "
                f"received one that is damaged: {error}."
            ) from error
    return found


def check_data_set(file: Any, name: str, size: int, path: str) -> None:
    """Make sure that a data set can be read: its values lie in this file, and as many as it says.

    HDF5 can take the values of a data set from any other file of the machine (links, external
    storage, virtual data sets), fills what was never written, and the library ends the process on
    some of these.

    Args:
        file: an open HDF5 file.
        name: of the data set.
        size: of the file in bytes.
        path: of the file, for the message.

    Raises:
        DataError: if the values lie elsewhere or cannot all be there.
    """
    link = file.get(name, getlink=True)
    found = ""
    if link is not None and not isinstance(link, h5py.HardLink):
        found = "a link"
    elif link is not None and file.get(name, getclass=True) is h5py.Dataset:
        data_set = file[name]
        properties = data_set.id.get_create_plist()
        if properties.get_layout() == h5py.h5d.VIRTUAL:
            found = "a virtual data set"
        elif properties.get_external_count():
            found = "one in an external file"
        elif (data_set.nbytes or 0) > LARGEST_EXPANSION * size:
            found = f"one of {data_set.nbytes:,} bytes in a file of {size:,} bytes"
    if found:
        raise DataError(
            f"{path}: Expected the data set {name!r} to be stored in the shard itself, "
            f"received {found}. Use the shard as `synthgen build` wrote it."
        )


def try_out(contents: Mapping[str, bytes]) -> None:
    """Make sure that files which are not those of the build neither end nor stall this process.

    The HDF5 library can crash or loop for ever on a damaged file; so it is read in another process
    before.

    Args:
        contents: the bytes of the file of a shard, by path.

    Raises:
        DataError: if that process was ended, or was busy for too long.
    """
    for path, content in contents.items():
        with reading_process("synthgen.shards.hdf5") as process:
            answer, _ = process.communicate(content)
        if answer != READ:
            raise DataError(
                f"{path}: Expected an HDF5 shard, received one that is damaged: it ends the HDF5 "
                f"library or keeps it busy (exit code {process.returncode})."
            )


def read_once() -> None:
    """Read the shard on standard input and say that this process is still there."""
    content = sys.stdin.buffer.read()
    seconds = READER_SECONDS + len(content) / READER_BYTES_A_SECOND
    limit_process(math.ceil(seconds), READER_BYTES + LARGEST_EXPANSION * len(content))
    with contextlib.suppress(DataError):
        decode({"": content}, [""], [0])
    with contextlib.suppress(DataError):
        read_attributes({"": content})
    sys.stdout.buffer.write(READ)


if __name__ == "__main__":
    read_once()
