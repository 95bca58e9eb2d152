"""`Digits`, the one value type: real data, synthetic data, the content of a shard, the input of every evaluation."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from synthgen.errors import DataError

Images = NDArray[np.uint8]
Labels = NDArray[np.uint8]
DIGIT_NAMES = tuple("0123456789")


@dataclass(frozen=True, eq=False)  # compared by identity: arrays have no single truth value
class Digits:
    """Labelled images.

    Args:
        images: (n, height, width, channels) uint8, 0..255, white on black.
        labels: (n,) uint8, each below the number of classes.
        class_names: one name a class.

    Raises:
        DataError: if shapes, types or labels do not fit together.

    Example:
        >>> Digits(np.zeros((2, 28, 28, 1), np.uint8), np.array([3, 7], np.uint8)).counts().tolist()
        [0, 0, 0, 1, 0, 0, 0, 1, 0, 0]
    """

    images: Images
    labels: Labels
    class_names: Sequence[str] = DIGIT_NAMES

    def __post_init__(self) -> None:
        _check_images(self.images)
        _check_labels(self.labels, len(self.images), len(self.class_names))

    def __len__(self) -> int:
        return len(self.images)

    def __repr__(self) -> str:
        height, width, channels = self.image_shape
        return f"Digits({len(self):,} images of {height} x {width} x {channels}, {self.classes} classes)"

    @property
    def classes(self) -> int:
        """Number of classes."""
        return len(self.class_names)

    @property
    def image_shape(self) -> tuple[int, int, int]:
        """(height, width, channels)."""
        height, width, channels = self.images.shape[1:]
        return height, width, channels

    def counts(self) -> NDArray[np.int64]:
        """Images per class, (classes,) int64."""
        return np.bincount(self.labels, minlength=self.classes).astype(np.int64)

    def balanced_rows(self) -> NDArray[np.int64]:
        """Rows with which every class that has images is as frequent as the most frequent one: its images, one after the other, again and again.

        Example:
            >>> Digits(np.zeros((3, 4, 4, 1), np.uint8), np.array([0, 1, 1], np.uint8), ("a", "b")).balanced_rows().tolist()
            [0, 0, 1, 2]
        """
        most = int(self.counts().max())
        return np.concatenate(
            [
                np.resize(np.flatnonzero(self.labels == label), most)
                for label in np.unique(self.labels)
            ]
        )

    def take(self, rows: Any) -> "Digits":
        """The images at these rows (indices or a mask), in this order."""
        return Digits(self.images[rows], self.labels[rows], self.class_names)

    def sha256(self) -> str:
        """SHA-256 of shape, pixels and labels, as 64 hex digits."""
        digest = hashlib.sha256(repr(self.images.shape).encode())
        digest.update(np.ascontiguousarray(self.images).data)
        digest.update(np.ascontiguousarray(self.labels).data)
        return digest.hexdigest()

    def as_numpy(self) -> tuple[Images, Labels]:
        """(images, labels): (n, height, width, channels) uint8 and (n,) uint8."""
        return self.images, self.labels

    def as_tf_dataset(self, batch: int, shuffle_seed: int | None = None) -> Any:
        """A `tf.data.Dataset` of (images, labels) batches, uint8, the last one smaller if need be.

        Args:
            batch: images in one.
            shuffle_seed: of the order of all images, another one in each epoch; None: the order
                they have here.

        Raises:
            DataError: if the batch is not 1 or more.
        """
        if batch < 1:
            raise DataError(f"Expected a batch of 1 or more images, received {batch}.")
        import tensorflow as tf

        dataset = tf.data.Dataset.from_tensor_slices((self.images, self.labels))
        dataset = (
            dataset
            if shuffle_seed is None
            else dataset.shuffle(max(1, len(self)), seed=shuffle_seed)
        )
        return dataset.batch(batch).prefetch(tf.data.AUTOTUNE)


def _check_images(images: Any) -> None:
    if (
        not isinstance(images, np.ndarray)
        or images.ndim != 4
        or images.dtype != np.uint8
        or images.shape[3] not in (1, 3)
    ):
        received = f"{getattr(images, 'shape', type(images).__name__)} {getattr(images, 'dtype', '')}".strip()
        raise DataError(
            f"Expected images of shape (n, height, width, 1 or 3) and dtype uint8, received {received}."
        )


def _check_labels(labels: Any, count: int, classes: int) -> None:
    if not isinstance(labels, np.ndarray) or labels.shape != (count,) or labels.dtype != np.uint8:
        received = f"{getattr(labels, 'shape', type(labels).__name__)} {getattr(labels, 'dtype', '')}".strip()
        raise DataError(
            f"Expected labels of shape ({count},) and dtype uint8, one for each image, received {received}."
        )
    if count and int(labels.max()) >= classes:
        row = int(np.argmax(labels >= classes))
        raise DataError(
            f"Expected labels from 0 to {classes - 1}, received {int(labels[row])} for image {row}. Correct or drop such images."
        )


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
