"""The arms of the benchmark: what a classifier is trained on, as data. `training_set` makes the images and their weights.

Every arm of a budget takes the same number of gradient steps, so that none gains from being trained
for longer, with one exception that is there to be seen: `real` takes half of them. That is what
equal passes over the data come to where every real digit gets one synthetic digit beside it, and it
is the control that most published gains are measured against. `real_repeated`, the same digits for
as many steps as every other arm, is the fair control: no verdict on synthetic data compares with
`real`, and the row "real_repeated against real" says what the longer training alone does.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from synthgen.datasets.digits import Digits, Labels
from synthgen.evaluation.arms import join

Weights = NDArray[np.float32]


class Arm(NamedTuple):
    """What a classifier is trained on.

    Args:
        title: for people.
        real: whether it sees the real digits.
        added: synthetic digits: "" none, "ratio" so many for each real one, "balance" until all
            classes are equally frequent.
        repeated: whether rarer classes are repeated until all are equally frequent.
        weighted: whether the loss counts each class equally, however frequent it is.
        augmented: whether every image is distorted afresh each time, affine and elastic, as
            strongly as the tuning found best.
        length: share of the steps.
    """

    title: str
    real: bool = True
    added: str = ""
    repeated: bool = False
    weighted: bool = False
    augmented: bool = False
    length: float = 1.0


ARMS = {
    "real": Arm("real, half of the steps", length=0.5),
    "real_repeated": Arm("real, repeated"),
    "classical": Arm("real + affine, elastic", augmented=True),
    "real_synthetic": Arm("real + synthetic", added="ratio"),
    "both": Arm("real + both", added="ratio", augmented=True),
    "synthetic": Arm("synthetic only", real=False, added="ratio"),
    "plain": Arm("as it is"),
    "class_weights": Arm("class weights", weighted=True),
    "oversampling": Arm("oversampling + affine, elastic", repeated=True, augmented=True),
    "top_up": Arm("synthetic top-up", added="balance"),
    "top_up_classical": Arm("top-up + affine, elastic", added="balance", augmented=True),
}
IMBALANCE_ARMS = ("plain", "class_weights", "oversampling", "top_up", "top_up_classical")
STAND_IN_ARMS = ("real_repeated", "synthetic")


def synthetic_counts(arm: str, ratio: int | None, counts: tuple[int, ...]) -> tuple[int, ...]:
    """Synthetic images of each class that an arm needs.

    Args:
        arm: a key of ARMS.
        ratio: synthetic images for one real one, over all classes; every class gets equally many.
        counts: real images of each class.

    Example:
        >>> synthetic_counts("both", 2, (10, 12)), synthetic_counts("top_up", None, (10, 12))
        ((22, 22), (2, 0))
    """
    if ARMS[arm].added == "balance":
        return tuple(max(counts) - count for count in counts)
    each = round((ratio or 0) * sum(counts) / len(counts)) if ARMS[arm].added else 0
    return (each,) * len(counts)


def training_set(
    arm: str, real: Digits, synthetic: Digits | None, synthetic_weight: float = 1.0
) -> tuple[Digits, Weights | None]:
    """The images of an arm, and the weight of each in the loss.

    Args:
        arm: a key of ARMS.
        real: real digits.
        synthetic: the synthetic digits that the arm needs (see `synthetic_counts`), None if it
            needs none.
        synthetic_weight: of a synthetic image in the loss, where a real one has 1.

    Returns:
        Digits, and (n,) float32 weights with mean 1, or None where all weigh the same.
    """
    recipe = ARMS[arm]
    digits = real.take(real.balanced_rows()) if recipe.repeated else real
    if recipe.weighted:
        return digits, class_weights(digits.labels, digits.classes)
    if synthetic is None:
        return digits, None
    if not recipe.real:
        return synthetic, None
    weights = np.repeat(np.array([1, synthetic_weight], np.float32), [len(digits), len(synthetic)])
    return join(digits, synthetic), weights / weights.mean() if synthetic_weight != 1 else None


def class_weights(labels: Labels, classes: int) -> Weights:
    """Weights with mean 1 with which every class that has images counts the same: n / (classes * n_class), (n,) float32.

    The heuristic of King and Zeng 2001, "Logistic regression in rare events data".

    Example:
        >>> class_weights(np.array([0, 0, 0, 1], np.uint8), 2).tolist()
        [0.6666666865348816, 0.6666666865348816, 0.6666666865348816, 2.0]
    """
    counts = np.bincount(labels, minlength=classes)
    return np.asarray(len(labels) / (np.count_nonzero(counts) * counts[labels]), np.float32)
