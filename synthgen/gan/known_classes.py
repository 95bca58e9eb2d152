"""Does a generator draw the classes of a user's pictures? Its screening classifier is asked."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from synthgen.classifiers.numpy_screener import NumpyScreener
from synthgen.datasets.digits import Digits, Images
from synthgen.errors import DataError
from synthgen.gan.checkpoint import Checkpoint

# Of the way from guessing to reading every image as labelled. Digits of other hands than those of
# the generator stand at 0.8 and more, clothes and letters with the names of digits near 0.
LEAST_AGREEMENT = 1 / 3
IMAGES_READ_AT_ONCE = 250  # images
LEAST_SIGNIFICANCE = 0.05  # chance with which guessing reads so many as labelled, at most


@dataclass(frozen=True, kw_only=True)
class ClassReading:
    """How many labelled images a generator's screening classifier reads as they are labelled.

    Args:
        images: that it read.
        right: how many of them it read as labelled.
        guessing: share that it would read as labelled if it saw its classes as often, but in
            images taken at random (the agreement by chance of Cohen 1960, "A coefficient of
            agreement for nominal scales"); of images of one class, one in the generator's classes.
        classes: of the generator.
    """

    images: int
    right: int
    guessing: float
    classes: int

    @property
    def share(self) -> float:
        """Share of the images that it read as labelled, 0..1."""
        return self.right / self.images

    @property
    def is_clear(self) -> bool:
        """Whether it reads clearly more as labelled than guessing would."""
        from scipy.stats import binom  # takes a while to load

        agreement = (self.share - self.guessing) / max(1 - self.guessing, 1e-9)
        by_chance = binom.sf(self.right - 1, self.images, 1 / self.classes)
        return bool(agreement >= LEAST_AGREEMENT and by_chance <= LEAST_SIGNIFICANCE)

    def __str__(self) -> str:
        return (
            f"reads {self.share:.0%} of your {self.images:,} images as labelled; "
            f"guessing reads {self.guessing:.0%}"
        )


def read_labels(
    checkpoint: Checkpoint,
    digits: Digits,
    classify: Callable[[Images], NDArray[np.float32]] | None = None,
) -> ClassReading:
    """Let the screening classifier of a generator read labelled images.

    Args:
        checkpoint: generator and screening classifier.
        digits: images as the generator draws them, of classes that it has by name.
        classify: gives the probability of each class of images; None: the checkpoint's classifier.

    Raises:
        DataError: if the images are of another shape, or of a class that the generator has not.
    """
    if digits.image_shape != checkpoint.image_shape:
        raise DataError(
            f"Expected images of the generator's shape {checkpoint.image_shape}, received "
            f"{digits.image_shape}. Fit them with --fit auto, or use a --checkpoint that was "
            "trained on such images."
        )
    try:
        numbered = digits.numbered_as(checkpoint.class_names)
    except DataError as error:
        raise DataError(
            f"{error} These are the classes that the generator draws: give yours the same names if "
            "they are the same, or train a generator on them with --train."
        ) from error
    if classify is None:
        classes = len(checkpoint.class_names)
        classify = NumpyScreener(
            checkpoint.screener, checkpoint.image_shape, classes, IMAGES_READ_AT_ONCE
        ).probabilities
    seen = classify(numbered.images).argmax(axis=1)  # (n,)

    labelled_share = numbered.counts() / len(numbered)  # (classes,)
    seen_share = np.bincount(seen, minlength=numbered.classes) / len(numbered)  # (classes,)
    guessing = float(labelled_share @ seen_share)
    if np.count_nonzero(labelled_share) == 1:
        guessing = 1 / numbered.classes
    return ClassReading(
        images=len(numbered),
        right=int((seen == numbered.labels).sum()),
        guessing=guessing,
        classes=numbered.classes,
    )
