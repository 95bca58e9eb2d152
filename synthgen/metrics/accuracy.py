"""The figures of a classifier, each as contributions of the single test images whose mean is the figure.

With contributions the uncertainty of any figure that comes from the choice of test images is the
spread of a mean, so that one formula (`evaluation.verdict.paired_difference`) serves them all. A
figure that is made of recalls is linearised: an image contributes the figure plus its influence on
it (the infinitesimal jackknife, Jaeckel 1972; Efron 1982, "The jackknife, the bootstrap and other
resampling plans", chapter 6).
"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from synthgen.datasets.digits import Labels

Contributions = NDArray[np.float64]
Minority = tuple[int, ...]


class Metric(NamedTuple):
    """A figure of a classifier: a name for people, and (correct, labels, minority) -> contributions, (n,) each."""

    title: str
    contributions: Callable[[NDArray[np.bool_], Labels, Minority], Contributions]


def recalls(correct: NDArray[np.bool_], labels: Labels) -> NDArray[np.float64]:
    """Share of each class that is recognised: (n,) bool, (n,) uint8 -> (classes,) float64; every class has images."""
    return np.bincount(labels, correct) / np.bincount(labels)


def _accuracy(correct: NDArray[np.bool_], labels: Labels, minority: Minority) -> Contributions:
    """Share of all images."""
    return correct.astype(np.float64)


def _balanced_accuracy(
    correct: NDArray[np.bool_], labels: Labels, minority: Minority
) -> Contributions:
    """Mean of the recalls (Brodersen et al. 2010, "The balanced accuracy and its posterior distribution")."""
    return _mean_recall(correct, labels, tuple(range(int(labels.max()) + 1)))


def _minority_recall(
    correct: NDArray[np.bool_], labels: Labels, minority: Minority
) -> Contributions:
    """Mean of the recalls of the rarer classes alone."""
    return _mean_recall(correct, labels, minority)


def _geometric_mean(
    correct: NDArray[np.bool_], labels: Labels, minority: Minority
) -> Contributions:
    """Geometric mean of the recalls (Kubat and Matwin 1997, "Addressing the curse of imbalanced training sets").

    Its slope by one recall r of C is G / (C r); a class that is never recognised makes it 0.
    """
    recall = recalls(correct, labels)
    if not recall.all():
        return np.zeros(len(labels))
    figure = float(np.exp(np.log(recall).mean()))
    return _linearised(figure, figure / (len(recall) * recall), correct, labels)


def _mean_recall(correct: NDArray[np.bool_], labels: Labels, of: tuple[int, ...]) -> Contributions:
    recall = recalls(correct, labels)
    slopes = np.isin(np.arange(len(recall)), of) / len(of)
    return _linearised(float(slopes @ recall), slopes, correct, labels)


def _linearised(
    figure: float, slopes: NDArray[np.float64], correct: NDArray[np.bool_], labels: Labels
) -> Contributions:
    """A function of the recalls, and its slope by each: an image moves the recall of its class by (correct - recall) / n_class."""
    recall, share = recalls(correct, labels), np.bincount(labels) / len(labels)
    return np.asarray(figure + (slopes / share)[labels] * (correct - recall[labels]))


METRICS = {
    "accuracy": Metric("accuracy", _accuracy),
    "balanced_accuracy": Metric("balanced accuracy", _balanced_accuracy),
    "geometric_mean": Metric("geometric mean of recalls", _geometric_mean),
    "minority_recall": Metric("minority recall", _minority_recall),
}


def measure(correct: NDArray[np.bool_], labels: Labels, minority: Minority) -> dict[str, float]:
    """All figures of a classifier, 0..1; minority recall only where there is a minority.

    Args:
        correct: (n,) whether it is right about each test image.
        labels: (n,) of the test images, some of each class.
        minority: labels of the rarer classes.
    """
    asked = {
        name: metric for name, metric in METRICS.items() if minority or name != "minority_recall"
    }
    return {
        name: float(metric.contributions(correct, labels, minority).mean())
        for name, metric in asked.items()
    }
