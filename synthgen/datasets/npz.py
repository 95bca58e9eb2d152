"""NPZ: Keras's `mnist.npz`, or any archive of images and labels."""

import io
import math
import zipfile
from collections.abc import Collection
from typing import IO, Any

import numpy as np

from synthgen.datasets.arrays import find_keys, left_arrays, to_parts
from synthgen.datasets.digits import Parts, Reading
from synthgen.datasets.files import FILE_BYTES, Listing, check_array_bytes
from synthgen.errors import DataError

ZIP_START = b"PK\x03\x04"
MOST_ARRAYS = 1000
NPZ_LAYOUT = (
    "an .npz file: x_train, y_train, x_test, y_test (as Keras's mnist.npz), or images, labels "
    "[, test_images, test_labels, class_names]"
)


def matches(files: Collection[str]) -> bool:
    """Whether this is one NPZ file."""
    return len(files) == 1 and next(iter(files)).lower().endswith(".npz")


def read(listing: Listing) -> Reading:
    """Read one NPZ file.

    Raises:
        DataError: if it is damaged, lacks an array, or its arrays do not fit together.
    """
    (file,) = listing.files
    listing.check_size(file, FILE_BYTES)
    with listing.open(file) as stream:
        parts, left = _parse(stream, file)
    return Reading(*parts, (left,) if left else ())


def parse(stream: IO[bytes], where: str) -> Parts:
    """Make training and test digits of an NPZ file.

    Args:
        stream: the file.
        where: its name, for messages.

    Raises:
        DataError: if it is damaged, lacks an array, or its arrays do not fit together.
    """
    return _parse(stream, where)[0]


def _parse(stream: IO[bytes], where: str) -> tuple[Parts, str]:
    """Make digits of a file, and say in a sentence which arrays were not read; see `parse`."""
    size = stream.seek(0, io.SEEK_END)
    stream.seek(0)
    start = stream.read(4)
    try:
        with zipfile.ZipFile(stream) as archive:
            members = archive.namelist()
            if len(members) > MOST_ARRAYS:
                raise ValueError(
                    f"{len(members):,} arrays, of which {MOST_ARRAYS:,} are read at most"
                )
            names = [name.removesuffix(".npy") for name in members if name.endswith(".npy")]
            keys = find_keys(names, where, NPZ_LAYOUT)
            arrays = {key: _read_array(archive, key, where) for key in keys.used}
            shapes = {name: _shape_of(archive, name) for name in {*names} - {*keys.used}}
    except DataError:
        raise
    except Exception as error:  # damaged bytes make zipfile and NumPy raise nearly anything
        reason = str(error) if start == ZIP_START else "they do not begin like a zip archive"
        raise DataError(
            f"{where}: Expected an NPZ file, received {size} bytes that are not one or are "
            f"damaged ({reason})."
        ) from error
    train, test = to_parts(
        keys.train and (arrays[keys.train[0]], arrays[keys.train[1]]),
        keys.test and (arrays[keys.test[0]], arrays[keys.test[1]]),
        where,
        arrays.get(keys.class_names or ""),
    )
    if train is None:
        raise DataError(
            f"{where}: Expected training images, found only test images {keys.used[0]!r}. Name "
            "them images and labels: a test part is set aside from these."
        )
    return Parts(train, test), left_arrays(shapes, keys.used)


def _read_array(archive: zipfile.ZipFile, key: str, where: str) -> Any:
    """Read one array, whose declared size is checked before it is allocated."""
    shape, dtype = _read_header(archive, key)
    if dtype.hasobject:
        raise DataError(
            f"{where}, {key!r}: Expected numbers or text, received Python objects, which are "
            "not read because that can run anything. Save the array with a dtype of its own, "
            "such as int64 or str."
        )
    check_array_bytes(math.prod(shape) * dtype.itemsize, f"{where}, {key!r}")
    with archive.open(f"{key}.npy") as member:
        return np.lib.format.read_array(member, allow_pickle=False)


def _shape_of(archive: zipfile.ZipFile, key: str) -> tuple[int, ...]:
    """Return the shape of an array that is not read; (0, 0) where it is damaged."""
    try:
        return _read_header(archive, key)[0]
    except Exception:  # whatever it is, it is not read
        return (0, 0)


def _read_header(archive: zipfile.ZipFile, key: str) -> tuple[tuple[int, ...], np.dtype[Any]]:
    """Read the shape and the dtype of an array."""
    with archive.open(f"{key}.npy") as member:
        version = np.lib.format.read_magic(member)
        read_header = {
            (1, 0): np.lib.format.read_array_header_1_0,
            (2, 0): np.lib.format.read_array_header_2_0,
        }[version]
        shape, _, dtype = read_header(member)
    return shape, dtype
