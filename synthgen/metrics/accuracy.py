"""The figures of a classifier: accuracy, balanced accuracy, geometric mean, minority recall.

Each is computed as contributions of the single test images, whose mean is the figure. Thus the
uncertainty of any figure that comes from the choice of test images is the spread of a mean, and one
formula (`metrics.intervals.paired_difference`) serves them all. A figure that is made of recalls is
linearised: an image contributes the figure plus its influence on it (the infinitesimal jackknife,
Jaeckel 1972; Efron 1982, "The jackknife, the bootstrap and other resampling plans", chapter 6).
"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from synthgen.datasets.digits import Labels

Answers = NDArray[np.bool_]
Contributions = NDArray[np.float64]
Minority = tuple[int, ...]


def recalls(correct: Answers, labels: Labels) -> NDArray[np.float64]:
    """Measures the share of each class that is recognised.

    Args:
        correct: (n,) bool, whether the classifier is right about each image.
        labels: (n,) uint8, some images of each class.

    Returns:
        (classes,) float64, 0..1.
    """
    return np.bincount(labels, correct) / np.bincount(labels)


def accuracy(correct: Answers, labels: Labels, minority: Minority) -> Contributions:
    """Contributions to the share of all images: 1 where the classifier is right, else 0."""
    return correct.astype(np.float64)


def balanced_accuracy(correct: Answers, labels: Labels, minority: Minority) -> Contributions:
    """Contributions to the mean of the recalls.

    Brodersen et al. 2010, "The balanced accuracy and its posterior distribution".
    """
    return _mean_recall(correct, labels, tuple(range(int(labels.max()) + 1)))


def minority_recall(correct: Answers, labels: Labels, minority: Minority) -> Contributions:
    """Contributions to the mean of the recalls of the rarer classes alone."""
    return _mean_recall(correct, labels, minority)


def geometric_mean(correct: Answers, labels: Labels, minority: Minority) -> Contributions:
    """Contributions to the geometric mean G of the C recalls r, whose derivatives are G / (C r).

    Kubat and Matwin 1997, "Addressing the curse of imbalanced training sets". A class that is never
    recognised makes it 0.
    """
    recall = recalls(correct, labels)
    if not recall.all():
        return np.zeros(len(labels))
    figure = float(np.exp(np.log(recall).mean()))
    return _linearised(figure, figure / (len(recall) * recall), correct, labels)


def _mean_recall(correct: Answers, labels: Labels, classes: tuple[int, ...]) -> Contributions:
    """Contributions to the mean of the recalls of some classes."""
    recall = recalls(correct, labels)
    derivatives = np.isin(np.arange(len(recall)), classes) / len(classes)
    return _linearised(float(derivatives @ recall), derivatives, correct, labels)


def _linearised(
    figure: float, derivatives: NDArray[np.float64], correct: Answers, labels: Labels
) -> Contributions:
    """Contributions to a function of the recalls.

    An image moves the recall of its class by (correct - recall) / n_class, so that its influence is
    that times the derivative by this recall, times n.

    Args:
        figure: the function's value.
        derivatives: (classes,) of the function, by each recall.
        correct: (n,) bool.
        labels: (n,) uint8.

    Returns:
        (n,) float64.
    """
    recall = recalls(correct, labels)
    share = np.bincount(labels) / len(labels)
    return np.asarray(figure + (derivatives / share)[labels] * (correct - recall[labels]))


class ClassifierMetric(NamedTuple):
    """A figure of a classifier.

    Args:
        title: a name for people.
        contributions: (n,) bool whether the classifier is right, (n,) uint8 labels and the labels
            of the rarer classes -> (n,) float64, whose mean is the figure.
    """

    title: str
    contributions: Callable[[Answers, Labels, Minority], Contributions]


CLASSIFIER_METRICS = {
    "accuracy": ClassifierMetric("accuracy", accuracy),
    "balanced_accuracy": ClassifierMetric("balanced accuracy", balanced_accuracy),
    "geometric_mean": ClassifierMetric("geometric mean of recalls", geometric_mean),
    "minority_recall": ClassifierMetric("minority recall", minority_recall),
}


def measure_classifier(correct: Answers, labels: Labels, minority: Minority) -> dict[str, float]:
    """Computes all figures of a classifier.

    Args:
        correct: (n,) whether it is right about each test image.
        labels: (n,) of the test images, some of each class.
        minority: labels of the rarer classes; empty where there are none.

    Returns:
        The figures by their key in CLASSIFIER_METRICS, 0..1; minority recall only where there is a
        minority.
    """
    figures = {}
    for name, metric in CLASSIFIER_METRICS.items():
        if minority or name != "minority_recall":
            figures[name] = float(metric.contributions(correct, labels, minority).mean())
    return figures
