"""The classifier two-sample test: can a classifier learn to tell synthetic from real images?

Lopez-Paz & Oquab 2017, https://arxiv.org/abs/1610.06545. A detector is trained on images of both
kinds and asked about others. One that guesses is right half of the time; one that does better shows
that the sets differ, even if people do not see how.
"""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from synthgen.classifiers.judge import Judge, JudgeTraining
from synthgen.datasets.digits import Digits, Labels
from synthgen.errors import DataError
from synthgen.metrics.intervals import Estimate, sampling_interval

GROUPS = ("real", "other")  # the class names of a detector
MOST_DETECTOR_IMAGES = 5000  # of each side: four fifths to learn from, a fifth to be asked about
LEAST_DETECTOR_IMAGES = 50  # of each side
DETECTOR_STEPS = 120
DETECTOR_SEED = 4000
# Grey level -> grey level: 0, 32, 51, 64 ... for 0, 1, 2, 3 ..., and the same from the bright end.
SPREAD_DARK = np.rint(255 * np.log1p(np.arange(256)) / np.log(256)).astype(np.uint8)
SPREAD_BRIGHT = 255 - SPREAD_DARK[::-1]


@dataclass(frozen=True, kw_only=True)
class TwoSample:
    """How well a detector tells synthetic from real images that it has not seen.

    Args:
        train_images: number of images that it learnt from, half of them real.
        test_images: number of images that it was asked about, half of them real.
        steps: gradient steps.
        synthetic: its accuracy, with the interval of the choice of images; 0.5 is guessing.
        control: accuracy of a detector that has learnt to tell real training digits from real test
            digits.
        by_class: accuracy of the first one on the images of each class; None for a class without
            any.
    """

    train_images: int
    test_images: int
    steps: int
    synthetic: Estimate
    control: Estimate
    by_class: tuple[Estimate | None, ...]


class DetectorAnswers(NamedTuple):
    """What a detector said about images that it had not seen.

    Args:
        right: (images,) bool, whether it was right about each.
        labels: (images,) uint8, the class of each.
        train_images: number of images that it learnt from.
    """

    right: NDArray[np.bool_]
    labels: Labels
    train_images: int


def measure_two_sample(real: Digits, synthetic: Digits, control: Digits, judge: Judge) -> TwoSample:
    """Trains a detector of synthetic digits and, in the same way, one of other real digits.

    Of grey images they see three views, as they are and with dark or bright levels spread:
    generators betray themselves by a haze of one to three grey levels.

    Args:
        real: real training digits.
        synthetic: as many synthetic digits of each class.
        control: as many real test digits of each class.
        judge: trains the two detectors and is asked.

    Raises:
        DataError: if there are too few images.
    """
    answers = ask_detector(real, synthetic, judge)
    of_control = ask_detector(real, control, judge)
    by_class = []
    for label in range(real.classes):
        right = answers.right[answers.labels == label]
        by_class.append(_accuracy(right) if len(right) else None)
    return TwoSample(
        train_images=answers.train_images,
        test_images=len(answers.right),
        steps=DETECTOR_STEPS,
        synthetic=_accuracy(answers.right),
        control=_accuracy(of_control.right),
        by_class=tuple(by_class),
    )


def ask_detector(real: Digits, other: Digits, judge: Judge) -> DetectorAnswers:
    """Trains a detector on four fifths of both sides and asks it about the rest.

    Args:
        real: one side.
        other: the other side.
        judge: trains the detector and is asked.

    Raises:
        DataError: if there are too few images.
    """
    count = min(len(real), len(other), MOST_DETECTOR_IMAGES)
    if count < LEAST_DETECTOR_IMAGES:
        raise DataError(
            f"Expected at least {LEAST_DETECTOR_IMAGES} images of each side to learn to tell them "
            f"apart, received {count}."
        )
    random = np.random.Generator(np.random.Philox(key=DETECTOR_SEED))
    real_side = _spread(real.take(random.permutation(len(real))[:count]))
    other_side = _spread(other.take(random.permutation(len(other))[:count]))

    # the first fifth is held out
    fifth = count // 5
    held_out = _grouped(real_side.take(slice(0, fifth)), other_side.take(slice(0, fifth)))
    rest = slice(fifth, count)
    learnt = _grouped(real_side.take(rest), other_side.take(rest))

    training = JudgeTraining(digits=learnt, steps=DETECTOR_STEPS, seed=DETECTOR_SEED)
    predictions = judge.predict(judge.fit(training, None), held_out.images).argmax(axis=1)
    return DetectorAnswers(
        right=predictions == held_out.labels,
        labels=np.concatenate([real_side.labels[:fifth], other_side.labels[:fifth]]),
        train_images=len(learnt),
    )


def _spread(digits: Digits) -> Digits:
    """Gives grey images three channels: as they are, dark levels spread, bright levels spread."""
    images = digits.images
    if images.shape[3] == 1:
        images = np.concatenate([images, SPREAD_DARK[images], SPREAD_BRIGHT[images]], axis=3)
    return Digits(images, digits.labels, digits.class_names)


def _grouped(real: Digits, other: Digits) -> Digits:
    """Puts two sides together, with the side as the label."""
    return Digits(
        np.concatenate([real.images, other.images]),
        np.repeat(np.arange(2, dtype=np.uint8), [len(real), len(other)]),
        GROUPS,
    )


def _accuracy(right: NDArray[np.bool_]) -> Estimate:
    return sampling_interval(float(right.mean()), len(right))
