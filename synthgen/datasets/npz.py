"""NPZ: Keras's `mnist.npz`, or any archive of images and labels."""

import io
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from synthgen.datasets.digits import DIGIT_NAMES, Parts, to_digits
from synthgen.errors import DataError
from synthgen.storage import Storage

ZIP = b"PK\x03\x04"
LAYOUT = "an .npz file: x_train, y_train, x_test, y_test (as Keras's mnist.npz), or images, labels [, test_images, test_labels, class_names]"
KEYS = (
    ("x_train", "y_train", "x_test", "y_test"),
    ("images", "labels", "test_images", "test_labels"),
)


def matches(files: Sequence[str]) -> bool:
    """Whether this is one NPZ file."""
    return len(files) == 1 and files[0].endswith(".npz")


def read(storage: Storage, files: Sequence[str]) -> Parts:
    """Read one NPZ file.

    Raises:
        DataError: if it is damaged, lacks a key, or its arrays do not fit together.
    """
    return parse(storage.read_bytes(files[0]), files[0])


def parse(content: bytes, where: str) -> Parts:
    """The content of an NPZ file as training and test digits (None without a test part)."""
    arrays = _load(content, where)
    train_images, train_labels, test_images, test_labels = next(
        (keys for keys in KEYS if keys[0] in arrays), KEYS[1]
    )
    names = tuple(str(name) for name in np.atleast_1d(arrays.get("class_names", DIGIT_NAMES)))
    train = to_digits(
        _get(arrays, train_images, where), _get(arrays, train_labels, where), where, names
    )
    if test_images not in arrays and test_labels not in arrays:
        return Parts(train, None)
    return Parts(
        train,
        to_digits(
            _get(arrays, test_images, where),
            _get(arrays, test_labels, where),
            f"{where}, test part",
            names,
        ),
    )


def _load(content: bytes, where: str) -> dict[str, Any]:
    try:
        with np.load(io.BytesIO(content), allow_pickle=False) as archive:
            return {key: archive[key] for key in archive.files}
    except Exception as error:  # damaged bytes make zipfile and NumPy raise nearly anything
        raise DataError(
            f"{where}: Expected an NPZ file, received {len(content)} bytes that are not one or are damaged ({_reason(content, error)})."
        ) from error


def _reason(content: bytes, error: Exception) -> str:
    """Why an archive cannot be read; NumPy takes all that it does not know for pickled objects, and would have them loaded."""
    if not content.startswith(ZIP):
        return "they do not begin like a zip archive"
    return (
        "they hold Python objects, which are not read"
        if "allow_pickle" in str(error)
        else str(error)
    )


def _get(arrays: Mapping[str, Any], key: str, where: str) -> Any:
    if key not in arrays:
        raise DataError(
            f"{where}: Expected an array {key!r}, found {', '.join(sorted(arrays)) or 'none'}. Expected is {LAYOUT}."
        )
    return arrays[key]
