"""The classifier two-sample test: can a classifier that has learnt it tell synthetic from real images that it has not seen?

Lopez-Paz & Oquab 2017, https://arxiv.org/abs/1610.06545. A detector that guesses is right half of
the time; one that is not shows that the sets differ, even if people do not see how.
"""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from synthgen.classifiers.judge import Judge, JudgeTraining
from synthgen.datasets.digits import Digits, Labels
from synthgen.errors import DataError
from synthgen.metrics.intervals import Estimate, sampling_interval


@dataclass(frozen=True, kw_only=True)
class TwoSample:
    """How well a classifier that has learnt it tells synthetic from real images that it has not seen; 0.5 is guessing.

    Args:
        train_images: that it learnt on, half of them real.
        test_images: that it is asked about, half of them real.
        steps: gradient steps.
        synthetic: its accuracy, interval of the choice of images.
        control: the accuracy of one that has learnt to tell real training digits from real test
            digits.
        by_class: accuracy on the images of each class; None for a class without any.
    """

    train_images: int
    test_images: int
    steps: int
    synthetic: Estimate
    control: Estimate
    by_class: tuple[Estimate | None, ...]


GROUPS = ("real", "other")
# 0, 32, 51, 64 ... for the levels 0, 1, 2, 3 ...
DARK = np.rint(255 * np.log1p(np.arange(256)) / np.log(256)).astype(np.uint8)
BRIGHT = 255 - DARK[::-1]
TRAIN, TEST = 4000, 1000  # images of each side at most
STEPS = 120
SEED = 4000
LEAST = 50


class Told(NamedTuple):
    """A detector's answers about images that it has not seen: whether each is right, and the class of each."""

    right: NDArray[np.bool_]
    labels: Labels
    learnt: int


def measure_two_sample(real: Digits, synthetic: Digits, control: Digits, judge: Judge) -> TwoSample:
    """Train two detectors in the same way: one for synthetic digits among real ones, one, as the control, for other real digits.

    Of grey images they see three views, as they are and with dark or bright levels spread:
    generators betray themselves by a haze of one to three grey levels.

    Args:
        real: real training digits.
        synthetic: as many of each class.
        control: as many real test digits of each class.
        judge: trains the two detectors and is asked.

    Raises:
        DataError: if there are too few images.
    """
    told, honest = _tell(real, synthetic, judge), _tell(real, control, judge)
    return TwoSample(
        train_images=told.learnt,
        test_images=len(told.right),
        steps=STEPS,
        synthetic=_share(told.right),
        control=_share(honest.right),
        by_class=tuple(
            _share(told.right[told.labels == label]) if (told.labels == label).any() else None
            for label in range(real.classes)
        ),
    )


def _tell(real: Digits, other: Digits, judge: Judge) -> Told:
    """Learn from four fifths of both sides which is which, and be asked about the rest."""
    count = min(len(real), len(other), TRAIN + TEST)
    if count < LEAST:
        raise DataError(
            f"Expected at least {LEAST} images of each side to learn to tell them apart, received {count}."
        )
    random = np.random.Generator(np.random.Philox(key=SEED))
    sides = [_views(side.take(random.permutation(len(side))[:count])) for side in (real, other)]
    asked, known = (
        _grouped(*(side.take(part) for side in sides))
        for part in (slice(0, count // 5), slice(count // 5, count))
    )
    model = judge.fit(JudgeTraining(digits=known, steps=STEPS, seed=SEED), None)
    right = judge.predict(model, asked.images).argmax(axis=1) == asked.labels
    return Told(right, np.concatenate([side.labels[: count // 5] for side in sides]), len(known))


def _views(digits: Digits) -> Digits:
    """Grey images with three channels: the levels, dark ones spread, bright ones spread. Colour images as they are."""
    levels = digits.images
    images = (
        np.concatenate([levels, DARK[levels], BRIGHT[levels]], axis=3)
        if levels.shape[3] == 1
        else levels
    )
    return Digits(images, digits.labels, digits.class_names)


def _grouped(real: Digits, other: Digits) -> Digits:
    """The images with their group as the label."""
    return Digits(
        np.concatenate([real.images, other.images]),
        np.repeat(np.arange(2, dtype=np.uint8), [len(real), len(other)]),
        GROUPS,
    )


def _share(right: NDArray[np.bool_]) -> Estimate:
    return sampling_interval(float(right.mean()), len(right))
