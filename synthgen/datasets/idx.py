"""IDX, the format of the original MNIST files: a magic number, the dimensions, then the bytes.

    00 00 08 03 | 00 00 EA 60 | 00 00 00 1C | 00 00 00 1C | pixels ...     (60000, 28, 28) uint8
    00 00 08 01 | 00 00 EA 60 | labels ...                                 (60000,) uint8

All numbers are big-endian. 0x08 means unsigned byte, the last byte of the magic number is the
number of dimensions. The format: http://yann.lecun.com/exdb/mnist/, "file formats".
"""

import gzip
import io
import math
import struct
import zlib
from collections.abc import Collection, Sequence

import numpy as np
from numpy.typing import NDArray

from synthgen.datasets.arrays import to_digits
from synthgen.datasets.digits import Parts, Reading
from synthgen.datasets.files import ARRAY_BYTES, Listing, check_array_bytes
from synthgen.errors import DataError
from synthgen.text import counted, few_of

IDX_LAYOUT = (
    "a folder of the four IDX files of MNIST's format, gzipped or not "
    "[, class_names.txt with a name a line]"
)
TRAIN_IMAGES = "train-images-idx3-ubyte"
TRAIN_LABELS = "train-labels-idx1-ubyte"
TEST_IMAGES = "t10k-images-idx3-ubyte"
TEST_LABELS = "t10k-labels-idx1-ubyte"
IDX_NAMES = (TRAIN_IMAGES, TRAIN_LABELS, TEST_IMAGES, TEST_LABELS)
CLASS_NAMES_FILE = "class_names.txt"
UNSIGNED_BYTE = 0x08
GZIP_BLOCK = 2**20  # bytes decompressed at a time


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
    magic = bytes([0, 0, UNSIGNED_BYTE, dimensions])
    header = 4 + 4 * dimensions
    raw = gunzip(content, where, most=header)
    if raw[:4] == magic and len(raw) >= header:
        declared = math.prod(struct.unpack(f">{dimensions}I", raw[4:header]))
        raw = gunzip(content, where, most=header + declared + 1)
    if raw[:4] != magic:
        raise DataError(
            f"{where}: Expected an IDX file that begins with {magic.hex(' ')}, received "
            f"{raw[:4].hex(' ') or 'an empty file'}."
        )
    if len(raw) < header:
        raise DataError(
            f"{where}: Expected an IDX header of {header} bytes, received {len(raw)} bytes in all."
        )
    shape = struct.unpack(f">{dimensions}I", raw[4:header])
    if len(raw) - header != math.prod(shape):
        raise DataError(
            f"{where}: Expected {math.prod(shape)} bytes after the header, for shape {shape}, "
            f"received {len(raw) - header}. The file is damaged or cut off."
        )
    if not all(shape[1:]):
        raise DataError(f"{where}: Expected images of at least 1 x 1, received shape {shape}.")
    return np.frombuffer(raw, np.uint8, offset=header).reshape(shape)


def to_idx(values: NDArray[np.uint8]) -> bytes:
    """Return an array of unsigned bytes as the content of an IDX file; `parse_idx` reads it."""
    header = struct.pack(f">BBBB{values.ndim}I", 0, 0, UNSIGNED_BYTE, values.ndim, *values.shape)
    return header + values.tobytes()


def gunzip(content: bytes, where: str, most: int | None = None) -> bytes:
    """Return the content of a gzipped file; content that is not gzipped comes back as it is.

    Args:
        content: the file.
        where: its name, for messages.
        most: bytes of the gzipped content that are wanted; None for all.

    Raises:
        DataError: if it is gzipped and damaged, or decompresses to more than `ARRAY_BYTES`.
    """
    if not content.startswith(b"\x1f\x8b"):
        return content
    wanted = ARRAY_BYTES + GZIP_BLOCK if most is None else most
    raw = bytearray()
    try:
        with gzip.GzipFile(fileobj=io.BytesIO(content)) as stream:
            while len(raw) < wanted:
                block = stream.read(min(GZIP_BLOCK, wanted - len(raw)))
                if not block:
                    break
                raw += block
                check_array_bytes(len(raw), where)
    except (OSError, EOFError, zlib.error) as error:
        raise DataError(
            f"{where}: Expected a whole gzip file, received a damaged one ({error})."
        ) from error
    return bytes(raw)


def matches(files: Collection[str]) -> bool:
    """Whether these files are, or include, the four."""
    return all(find(name, files) for name in IDX_NAMES)


def find(name: str, files: Collection[str]) -> str | None:
    """Return the file that holds `name`, in the spelling that it has; None if there is none."""
    return next(iter(find_all(name, files)), None)


def find_all(name: str, files: Collection[str]) -> list[str]:
    """Return all files that hold `name`, in the order in which they are preferred.

    They may be plain or gzipped, with '-' or '.' before 'idx': both are in circulation.
    """
    spellings = [
        spelling + suffix
        for suffix in ("", ".gz")
        for spelling in (name, name.replace("-idx", ".idx"))
    ]
    return [spelling for spelling in spellings if spelling in files]


def read(listing: Listing) -> Reading:
    """Read the four files of a folder, and the class names if there is a file of them.

    Raises:
        DataError: if one of them is damaged, or labels and images do not fit together.
    """
    found = [find(name, listing.files) or name for name in IDX_NAMES]
    names = None
    if CLASS_NAMES_FILE in listing.files:
        content = listing.read_bytes(CLASS_NAMES_FILE, limit=2**20)
        try:
            lines = content.decode("utf-8-sig").replace("\r", "\n").split("\n")
        except UnicodeDecodeError as error:
            raise DataError(
                f"{CLASS_NAMES_FILE}: Expected names in UTF-8, received another encoding. Save it "
                "as UTF-8."
            ) from error
        names = [line.strip() for line in lines if line.strip()]
    contents = [listing.read_bytes(file, limit=ARRAY_BYTES) for file in found]
    left = [file for file in listing.files if file not in {*found, CLASS_NAMES_FILE}]
    notes = (f"Passed over: {counted(len(left), 'file')} ({few_of(left, 3)}).",) if left else ()
    return Reading(*parse(contents, found, names), notes)


def parse(
    contents: Sequence[bytes],
    files: Sequence[str] = IDX_NAMES,
    class_names: Sequence[str] | None = None,
) -> Parts:
    """Make training and test digits of the contents of the four files.

    Args:
        contents: the bytes of each file, gzipped or not, in the order of `IDX_NAMES`.
        files: their names, for messages.
        class_names: one name a class; None for "0" to "9".

    Raises:
        DataError: if one of them is damaged, or labels and images do not fit together.
    """
    images = parse_idx(contents[0], 3, files[0])
    labels = parse_idx(contents[1], 1, files[1])
    test_images = parse_idx(contents[2], 3, files[2])
    test_labels = parse_idx(contents[3], 1, files[3])
    return Parts(
        to_digits(images, labels, files[0], class_names, labels_where=files[1]),
        to_digits(test_images, test_labels, files[2], class_names, labels_where=files[3]),
    )
