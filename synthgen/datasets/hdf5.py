"""HDF5: one file, or a folder of files such as synthgen's own shards, each with images and labels."""

from collections.abc import Mapping, Sequence
from typing import Any

import h5py
import numpy as np

from synthgen.datasets.digits import DIGIT_NAMES, Digits, Parts, to_digits
from synthgen.errors import DataError, StorageError
from synthgen.storage import Storage

LAYOUT = "an .h5 or .hdf5 file, or a folder of them (synthgen's shards): images, labels [, test_images, test_labels; attribute class_names]"


def matches(files: Sequence[str]) -> bool:
    """Whether these are HDF5 files and nothing else."""
    return bool(files) and all(file.endswith((".h5", ".hdf5")) for file in files)


def read(storage: Storage, files: Sequence[str]) -> Parts:
    """Read HDF5 files, one after the other.

    Raises:
        DataError: if one is damaged, lacks a data set, or does not fit the others.
    """
    parts = {file: _read_file(storage, file) for file in files}
    tests = {file: part.test for file, part in parts.items() if part.test is not None}
    return Parts(
        _concatenate({file: part.train for file, part in parts.items()}),
        _concatenate(tests) if tests else None,
    )


def _read_file(storage: Storage, file: str) -> Parts:
    try:
        with storage.open(file) as stream, h5py.File(stream, "r") as content:
            names = tuple(
                _text(name) for name in np.atleast_1d(content.attrs.get("class_names", DIGIT_NAMES))
            )
            train = _digits(content, "", file, names)
            has_test = "test_images" in content or "test_labels" in content
            return Parts(train, _digits(content, "test_", file, names) if has_test else None)
    except (DataError, StorageError):
        raise
    except Exception as error:  # damaged bytes make h5py and NumPy raise nearly anything
        raise DataError(
            f"{file}: Expected an HDF5 file, received one that is damaged or of another kind ({error})."
        ) from error


def _digits(content: Any, prefix: str, file: str, names: Sequence[str]) -> Digits:
    for key in (f"{prefix}images", f"{prefix}labels"):
        if not isinstance(content.get(key), h5py.Dataset):
            raise DataError(
                f"{file}: Expected a data set {key!r}, found {', '.join(sorted(content)) or 'none'}. Expected is {LAYOUT}."
            )
    return to_digits(content[f"{prefix}images"][()], content[f"{prefix}labels"][()], file, names)


def _concatenate(parts: Mapping[str, Digits]) -> Digits:
    """Digits by the file that they are of -> all of them."""
    first, digits = next(iter(parts)), list(parts.values())
    for file, part in parts.items():
        expected, received = [(p.image_shape, tuple(p.class_names)) for p in (digits[0], part)]
        if expected != received:
            raise DataError(
                f"{file}: Expected image shape and classes of {first}, {expected}, received {received}."
            )
    return Digits(
        np.concatenate([p.images for p in digits]),
        np.concatenate([p.labels for p in digits]),
        digits[0].class_names,
    )


def _text(name: Any) -> str:
    return name.decode() if isinstance(name, bytes) else str(name)
