"""IDX, the format of the original MNIST files: big-endian, a magic number, the dimensions, then the bytes.

    00 00 08 03 | 00 00 EA 60 | 00 00 00 1C | 00 00 00 1C | pixels ...     (60000, 28, 28) uint8
    00 00 08 01 | 00 00 EA 60 | labels ...                                 (60000,) uint8

The format: http://yann.lecun.com/exdb/mnist/, "file formats". 0x08 means unsigned byte, the last
byte the number of dimensions.
"""

import gzip
import math
import struct
import zlib
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from synthgen.datasets.digits import Parts, to_digits
from synthgen.errors import DataError
from synthgen.storage import Storage

LAYOUT = "a folder of the four IDX files of MNIST's format, gzipped or not"
TRAIN_IMAGES = "train-images-idx3-ubyte"
TRAIN_LABELS = "train-labels-idx1-ubyte"
TEST_IMAGES = "t10k-images-idx3-ubyte"
TEST_LABELS = "t10k-labels-idx1-ubyte"
NAMES = (TRAIN_IMAGES, TRAIN_LABELS, TEST_IMAGES, TEST_LABELS)
UNSIGNED_BYTE = 0x08


def parse_idx(content: bytes, dimensions: int, where: str) -> NDArray[np.uint8]:
    """Read an IDX file of unsigned bytes.

    Args:
        content: the file, gzipped or not.
        dimensions: 3 for images, 1 for labels.
        where: the file, for messages.

    Returns:
        The array, uint8, read-only.

    Raises:
        DataError: if the magic number, the dimensions or the size is not exactly what the format
            demands.

    Example:
        >>> parse_idx(bytes([0, 0, 8, 1, 0, 0, 0, 2, 7, 3]), 1, "labels").tolist()
        [7, 3]
    """
    raw = gunzip(content, where)
    magic, header = bytes([0, 0, UNSIGNED_BYTE, dimensions]), 4 + 4 * dimensions
    if raw[:4] != magic:
        raise DataError(
            f"{where}: Expected an IDX file that begins with {magic.hex(' ')}, received {raw[:4].hex(' ') or 'an empty file'}."
        )
    if len(raw) < header:
        raise DataError(
            f"{where}: Expected an IDX header of {header} bytes, received {len(raw)} bytes in all."
        )
    shape = struct.unpack(f">{dimensions}I", raw[4:header])
    if len(raw) - header != math.prod(shape):
        expected = f"{math.prod(shape)} bytes after the header, for shape {shape}"
        raise DataError(
            f"{where}: Expected {expected}, received {len(raw) - header}. The file is damaged or cut off."
        )
    return np.frombuffer(raw, np.uint8, offset=header).reshape(shape)


def to_idx(values: NDArray[np.uint8]) -> bytes:
    """An array of unsigned bytes as the content of an IDX file, the inverse of `parse_idx`."""
    return (
        struct.pack(f">BBBB{values.ndim}I", 0, 0, UNSIGNED_BYTE, values.ndim, *values.shape)
        + values.tobytes()
    )


def gunzip(content: bytes, where: str) -> bytes:
    """The content of a gzipped file; content that is not gzipped comes back as it is.

    Raises:
        DataError: if it is gzipped and damaged.
    """
    if not content.startswith(b"\x1f\x8b"):
        return content
    try:
        return gzip.decompress(content)
    except (OSError, EOFError, zlib.error) as error:
        raise DataError(
            f"{where}: Expected a whole gzip file, received a damaged one ({error})."
        ) from error


def matches(files: Sequence[str]) -> bool:
    """Whether these files are, or include, the four."""
    return all(find(name, files) for name in NAMES)


def find(name: str, files: Sequence[str]) -> str | None:
    """The file that holds `name`, see `find_all`."""
    return next(iter(find_all(name, files)), None)


def find_all(name: str, files: Sequence[str]) -> list[str]:
    """The files that hold `name`: plain or gzipped, with '-' or '.' before 'idx' (both are in circulation)."""
    spellings = [
        spelling + suffix
        for suffix in ("", ".gz")
        for spelling in (name, name.replace("-idx", ".idx"))
    ]
    return [spelling for spelling in spellings if spelling in files]


def read(storage: Storage, files: Sequence[str]) -> Parts:
    """Read the four files of a folder.

    Raises:
        DataError: if one of them is damaged, or labels and images do not fit together.
    """
    found = [find(name, files) or name for name in NAMES]
    return parse([storage.read_bytes(file) for file in found], found)


def parse(contents: Sequence[bytes], names: Sequence[str] = NAMES) -> Parts:
    """The contents of the four files, in the order of `NAMES`, as training and test digits."""
    dimensions = (3, 1, 3, 1)
    images, labels, test_images, test_labels = map(parse_idx, contents, dimensions, names)
    train = to_digits(images, labels, names[0], labels_where=names[1])
    return Parts(train, to_digits(test_images, test_labels, names[2], labels_where=names[3]))
