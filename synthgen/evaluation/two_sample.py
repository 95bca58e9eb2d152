"""The classifier two-sample test: can a classifier that has learnt it tell synthetic from real images that it has not seen?

Lopez-Paz & Oquab 2017, https://arxiv.org/abs/1610.06545. A detector that guesses is right half of the time; one that is not shows
that the sets differ, even if people do not see how.
"""

import numpy as np
from numpy.typing import NDArray

from synthgen.datasets.digits import Digits
from synthgen.errors import DataError
from synthgen.evaluation.arms import Judge
from synthgen.evaluation.findings import TwoSample
from synthgen.evaluation.verdict import Estimate, sampling_interval

GROUPS = ("real", "other real", "synthetic")
DARK = np.rint(255 * np.log1p(np.arange(256)) / np.log(256)).astype(np.uint8)  # 0, 32, 51, 64 ... for the levels 0, 1, 2, 3 ...
BRIGHT = 255 - DARK[::-1]
TRAIN, TEST = 4000, 1000  # images of each side at most
STEPS = 120
SEED = 4000
LEAST = 50
Probabilities = NDArray[np.float32]


def measure_two_sample(real: Digits, synthetic: Digits, judge: Judge) -> TwoSample:
    """Train one detector and ask it both questions: synthetic or real, and which half of the real digits?

    It learns three groups, synthetic and two halves of the real digits. How it tells the halves apart is the control:
    they do not differ, and it is trained and asked in the same way. Of grey images it sees three views, as they are and with
    dark or bright levels spread: generators betray themselves by a haze of one to three grey levels.

    Args:
        real: real training digits.
        synthetic: as many of each class.
        judge: how to train and ask.

    Raises:
        DataError: if there are too few images.
    """
    count = min(len(real), len(synthetic), TRAIN + TEST)
    if count < LEAST:
        raise DataError(f"Expected at least {LEAST} images of each side to learn to tell them apart, received {count}.")
    random = np.random.Generator(np.random.Philox(key=SEED))
    sides = [_views(side.take(random.permutation(len(side))[:count])) for side in (real, synthetic)]
    asked, known = [side.take(slice(0, count // 5)) for side in sides], [side.take(slice(count // 5, count)) for side in sides]
    model = judge.fit(_grouped(*known), STEPS, SEED, lambda steps: None, False)
    of_real, of_synthetic = (judge.predict(model, side.images) for side in asked)
    right = np.concatenate([of_real[:, 2] < 0.5, of_synthetic[:, 2] >= 0.5])
    same = (of_real[:, 1] > of_real[:, 0]) == _second_half(len(of_real))
    labels = np.concatenate([side.labels for side in asked])
    return TwoSample(
        train_images=2 * len(known[0]),
        test_images=2 * len(asked[0]),
        steps=STEPS,
        synthetic=_share(right),
        control=_share(same),
        by_class=tuple(_share(right[labels == label]) if (labels == label).any() else None for label in range(real.classes)),
    )


def _views(digits: Digits) -> Digits:
    """Grey images with three channels: the levels, dark ones spread, bright ones spread. Colour images as they are."""
    levels = digits.images
    images = np.concatenate([levels, DARK[levels], BRIGHT[levels]], axis=3) if levels.shape[3] == 1 else levels
    return Digits(images, digits.labels, digits.class_names)


def _grouped(real: Digits, synthetic: Digits) -> Digits:
    """The images with their group as the label."""
    groups = np.concatenate([_second_half(len(real)), np.full(len(synthetic), 2)]).astype(np.uint8)
    return Digits(np.concatenate([real.images, synthetic.images]), groups, GROUPS)


def _second_half(count: int) -> NDArray[np.bool_]:
    return np.arange(count) >= count // 2


def _share(right: NDArray[np.bool_]) -> Estimate:
    return sampling_interval(float(right.mean()), len(right))
