"""`Digits`, the one value type: real and synthetic data, shards, the input of evaluations."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from synthgen.errors import DataError

Images = NDArray[np.uint8]
Labels = NDArray[np.uint8]
PictureSeries = Images | Sequence[Images]  # (n, height, width, channels), or n of several sizes
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
        images = self.images
        if (
            not isinstance(images, np.ndarray)
            or images.ndim != 4
            or images.dtype != np.uint8
            or images.shape[3] not in (1, 3)
        ):
            raise DataError(
                "Expected images of shape (n, height, width, 1 or 3) and dtype uint8, received "
                f"{_described(images)}."
            )
        labels = self.labels
        shape = (len(images),)
        if not isinstance(labels, np.ndarray) or labels.shape != shape or labels.dtype != np.uint8:
            raise DataError(
                f"Expected labels of shape {shape} and dtype uint8, one for each image, received "
                f"{_described(labels)}."
            )
        if len(labels) and int(labels.max()) >= self.classes:
            row = int(np.argmax(labels >= self.classes))
            raise DataError(
                f"Expected labels from 0 to {self.classes - 1}, received {int(labels[row])} for "
                f"image {row}. Correct or drop such images."
            )

    def __len__(self) -> int:
        return len(self.images)

    def __repr__(self) -> str:
        height, width, channels = self.image_shape
        return (
            f"Digits({len(self):,} images of {height} x {width} x {channels}, "
            f"{self.classes} classes)"
        )

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
        """Return rows with which every class that has images is as frequent as the largest one.

        The images of a smaller class are repeated, one after the other, again and again.

        Returns:
            (classes with images * images of the largest class,) int64.

        Example:
            >>> labels = np.array([0, 1, 1], np.uint8)
            >>> digits = Digits(np.zeros((3, 4, 4, 1), np.uint8), labels, ("a", "b"))
            >>> digits.balanced_rows().tolist()
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

    def numbered_as(self, class_names: Sequence[str]) -> "Digits":
        """The same images with labels that number these classes, by name.

        Args:
            class_names: in their order; those of all images are among them.

        Raises:
            DataError: if an image is of another class.
        """
        if tuple(self.class_names) == tuple(class_names):
            return self
        places = {name: label for label, name in enumerate(class_names)}
        has_images = self.counts() > 0
        names = list(self.class_names)
        foreign = [
            repr(name)
            for name, present in zip(names, has_images, strict=True)
            if present and name not in places
        ]
        if foreign:
            raise DataError(
                f"Expected images of the classes {', '.join(class_names)}, received some of "
                f"{', '.join(foreign)}."
            )
        numbers = np.array([places.get(name, 0) for name in names], np.uint8)
        return Digits(self.images, numbers[self.labels], class_names)

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
        """Return a `tf.data.Dataset` of (images, labels) batches, both uint8.

        The last batch is smaller if need be.

        Args:
            batch: images in one batch.
            shuffle_seed: seed of the order of all images, which is another one in each epoch;
                None for the order that they have here.

        Raises:
            DataError: if the batch is not 1 or more.
        """
        if batch < 1:
            raise DataError(f"Expected a batch of 1 or more images, received {batch}.")
        import tensorflow as tf

        dataset = tf.data.Dataset.from_tensor_slices((self.images, self.labels))
        if shuffle_seed is not None:
            dataset = dataset.shuffle(max(1, len(self)), seed=shuffle_seed)
        return dataset.batch(batch).prefetch(tf.data.AUTOTUNE)


def _described(values: Any) -> str:
    """Shape and dtype of an array, or the type of what is none."""
    if isinstance(values, np.ndarray):
        return f"{values.shape} {values.dtype}"
    return type(values).__name__


@dataclass(frozen=True, eq=False)
class Pictures:
    """Labelled pictures of several sizes, as files hold them before they are fitted to one size.

    Args:
        images: one (height, width, 1 or 3) uint8 array a picture, all of one number of channels.
        labels: (n,) uint8, each below the number of classes.
        class_names: one name a class.
    """

    images: Sequence[Images]
    labels: Labels
    class_names: Sequence[str]

    def __len__(self) -> int:
        return len(self.images)


class Parts(NamedTuple):
    """The parts as the files hold them; test is None where they hold no test part."""

    train: Digits
    test: Digits | None


class Reading(NamedTuple):
    """What a reader made of the files at a path.

    Args:
        train: all that is not a test part.
        test: the test part; None where the files have none.
        notes: what was passed over or decided on the way, a sentence each.
    """

    train: Digits | Pictures
    test: Digits | Pictures | None
    notes: tuple[str, ...] = ()
