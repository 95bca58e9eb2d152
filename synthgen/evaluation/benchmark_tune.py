"""How strongly to distort: chosen by cross-validation within a cell's own real images, and by nothing else.

The strength multiplies every range of the affine and elastic distortions. Three candidates, the
images of each class in thirds: a classifier learns from two thirds and is asked about the rest.
With many images one of the three turns is enough.
"""

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize_scalar
from scipy.special import softmax

from synthgen.classifiers.judge import Judge, JudgeTraining
from synthgen.datasets.digits import Digits, Labels
from synthgen.evaluation.benchmark_arms import training_set

FOLDS = 3
ENOUGH = 1000  # with more images than this one fold says enough
LENGTH = 0.5  # share of the steps: order, not accuracy, is asked for
DEFAULT = 1.0  # the strength where nothing can be held out
LEAST = 1e-7  # probabilities below this count as this
SHARPNESS = (-2.0, 3.0)  # -log t that is looked through
CRITERION = "log-loss at the best temperature"


class Tuning(NamedTuple):
    """The strength that was best, and the held-out loss of each."""

    strength: float
    losses: dict[float, float]

    def to_json(self) -> dict[str, Any]:
        """Plain values."""
        return {
            "strength": self.strength,
            "losses": {str(strength): loss for strength, loss in self.losses.items()},
        }

    @staticmethod
    def from_json(plain: dict[str, Any]) -> "Tuning":
        """The inverse of `to_json`."""
        return Tuning(
            plain["strength"], {float(strength): loss for strength, loss in plain["losses"].items()}
        )


def tune(
    real: Digits,
    judge: Judge,
    steps: int,
    seed: int,
    arm: str = "classical",
    folds: int = FOLDS,
) -> Tuning:
    """Choose the strength of the distortions.

    The criterion is a log-loss, which tells a sure error from a close one: with 100 images accuracy
    moves in points. It is taken at the temperature that suits the classifier best, see
    `tempered_loss`. Where every class has a single image none can be held out: the strength is then
    the default, and nothing was compared.

    Args:
        real: the cell's real images: nothing else is looked at.
        judge: trains the classifiers and is asked.
        steps: gradient steps of the arms.
        seed: of the folds and the classifiers.
        arm: a key of ARMS: what the classifier is trained on.
        folds: turns of the cross-validation, 1 to FOLDS; with many images one.
    """
    losses: dict[float, list[float]] = {}
    for rest, part in split(real, seed, fold_count(len(real), folds)):
        digits, weights = training_set(arm, rest, None)
        for strength in judge.strengths:
            training = JudgeTraining(
                digits=digits,
                steps=short_steps(steps),
                seed=seed,
                weights=weights,
                strength=strength,
            )
            model = judge.fit(training, None)
            losses.setdefault(strength, []).append(
                tempered_loss(judge.predict(model, part.images), part.labels)
            )
    means = {strength: float(np.mean(found)) for strength, found in losses.items()}
    return Tuning(min(means, key=means.__getitem__) if means else DEFAULT, means)


def short_steps(steps: int) -> int:
    """Gradient steps of one training of the tuning."""
    return max(1, round(LENGTH * steps))


def fold_count(images: int, folds: int) -> int:
    """Trainings for each strength."""
    return folds if images <= ENOUGH else 1


def log_loss(probabilities: NDArray[np.float32], labels: Labels) -> float:
    """Mean over the classes of the mean of -log p(label): every class counts the same, however frequent it is.

    Args:
        probabilities: (n, classes) float32, rows summing to 1.
        labels: (n,) uint8.

    Example:
        >>> round(log_loss(np.array([[0.5, 0.5], [0.5, 0.5], [0.0, 1.0]], np.float32), np.array([0, 0, 1], np.uint8)), 4)
        0.3466
    """
    own = -np.log(np.maximum(probabilities[np.arange(len(labels)), labels], LEAST))
    return float(np.mean([own[labels == label].mean() for label in np.unique(labels)]))


def tempered_loss(probabilities: NDArray[np.float32], labels: Labels) -> float:
    """The log-loss of p^(1/t), scaled to sum 1, at the temperature t that makes it least.

    Guo et al. 2017, "On calibration of modern neural networks", https://arxiv.org/abs/1706.04599.
    Label smoothing makes a classifier less sure than it may be, and distortions change by how much:
    untempered, that outweighs the errors.

    Args:
        probabilities: (n, classes) float32, rows summing to 1.
        labels: (n,) uint8.

    Example:
        >>> unsure = np.array([[0.6, 0.4], [0.6, 0.4], [0.4, 0.6], [0.6, 0.4]], np.float32)  # right about three of four
        >>> round(tempered_loss(unsure, np.array([0, 0, 1, 1], np.uint8)), 3), round(log_loss(unsure, np.array([0, 0, 1, 1], np.uint8)), 3)
        (0.562, 0.612)
    """
    logs = np.log(np.maximum(probabilities, LEAST)).astype(np.float64)

    def loss(sharpness: float) -> float:
        return log_loss(softmax(logs * np.exp(sharpness), axis=1), labels)

    return float(minimize_scalar(loss, bounds=SHARPNESS, method="bounded").fun)


def split(digits: Digits, seed: int, turns: int) -> Iterator[tuple[Digits, Digits]]:
    """The turns of a stratified cross-validation in FOLDS parts.

    Args:
        digits: to be shared out.
        seed: of the shares.
        turns: 1 to FOLDS; one in which there is nothing to ask about, or to learn from, is left
            out.

    Returns:
        (to learn from, to ask about) of each turn; no image is asked about twice.
    """
    fold = np.empty(len(digits), np.int64)
    for label in range(digits.classes):
        rows = np.flatnonzero(digits.labels == label)
        fold[rows] = (
            np.random.Generator(np.random.Philox(key=[seed, label])).permutation(len(rows)) % FOLDS
        )
    for turn in range(turns):
        if 0 < np.count_nonzero(fold == turn) < len(digits):
            yield digits.take(fold != turn), digits.take(fold == turn)
