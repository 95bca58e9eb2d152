"""What every reader of a file format returns, and the one check that raw arrays pass on the way in."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from synthgen.datasets.digits import DIGIT_NAMES, Digits
from synthgen.errors import DataError


class Parts(NamedTuple):
    """The parts as the files hold them; test is None where they hold no test part."""

    train: Digits
    test: Digits | None


def to_digits(
    images: Any,
    labels: Any,
    where: str,
    class_names: Sequence[str] = DIGIT_NAMES,
    labels_where: str = "",
) -> Digits:
    """Make `Digits` of the arrays in a file, without changing a pixel.

    Args:
        images: (n, height, width) or (n, height, width, channels) uint8.
        labels: (n,) of any integer type.
        where: the file, for messages.
        class_names: one name a class.
        labels_where: the file of the labels, if it is another one.

    Raises:
        DataError: naming the file, what was expected and what was received.
    """
    images, labels = np.asarray(images), np.asarray(labels)
    if len(class_names) > 256:
        raise DataError(
            f"{where}: Expected at most 256 classes (labels are uint8), received {len(class_names)}."
        )
    if labels.ndim != 1 or labels.dtype.kind not in "iu":
        raise DataError(
            f"{where}: Expected labels of shape (n,) and an integer dtype, received {labels.shape} {labels.dtype}."
        )
    if images.ndim and len(images) != len(labels):
        raise DataError(
            f"{where}: Expected one label for each image, received {len(images)} images and {len(labels)} labels."
        )
    outside = np.flatnonzero((labels < 0) | (labels >= len(class_names)))
    if len(outside):
        row = int(outside[0])
        raise DataError(
            f"{labels_where or where}: Expected labels from 0 to {len(class_names) - 1}, received {labels[row]} for image {row} "
            f"({len(outside)} in all)."
        )
    try:
        return Digits(
            images[..., None] if images.ndim == 3 else images,
            labels.astype(np.uint8),
            tuple(class_names),
        )
    except DataError as error:
        raise DataError(f"{where}: {error}") from error
