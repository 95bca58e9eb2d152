"""The screening policy: which images are kept. The classifier itself comes from the checkpoint."""

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray


class Screening(NamedTuple):
    """What the screening classifier says about images, and which of them are kept.

    Args:
        accepted: (n,) bool.
        predicted: (n,) int16, the likeliest class; -1 where there is no classifier.
        confidence: (n,) float32, its probability; NaN where there is no classifier.
    """

    accepted: NDArray[np.bool_]
    predicted: NDArray[np.int16]
    confidence: NDArray[np.float32]


def judge(
    probabilities: NDArray[np.float32], labels: NDArray[Any], screen: str, confidence: float
) -> Screening:
    """Decide which images are kept.

    Args:
        probabilities: (n, classes) float32.
        labels: (n,) the class each image should show.
        screen: "mislabels" rejects an image if the classifier is sure that it shows another class;
            "none" keeps all.
        confidence: what "sure" means, a probability.

    Example:
        >>> judge(np.array([[0.0, 1.0], [0.4, 0.6]], np.float32), np.array([0, 0]), "mislabels", 0.9).accepted.tolist()
        [False, True]
    """
    predicted = probabilities.argmax(axis=1)
    sure = probabilities.max(axis=1)
    mislabelled = (predicted != labels) & (sure >= confidence) & (screen == "mislabels")
    return Screening(~mislabelled, predicted.astype(np.int16), sure)


def recognise(probabilities: NDArray[np.float32], screen: str, confidence: float) -> Screening:
    """Decide which images get the label that the classifier sees.

    Args:
        probabilities: (n, classes) float32.
        screen: "mislabels" asks the classifier to be sure; "none" takes its likeliest class,
            however likely.
        confidence: what "sure" means, a probability.

    Example:
        >>> recognise(np.array([[0.0, 1.0], [0.4, 0.6]], np.float32), "mislabels", 0.9).accepted.tolist()
        [True, False]
    """
    sure = probabilities.max(axis=1)
    return Screening(
        (sure >= confidence) | (screen == "none"),
        probabilities.argmax(axis=1).astype(np.int16),
        sure,
    )


def unjudged(count: int) -> Screening:
    """The screening of images for which there is no classifier: all are kept."""
    return Screening(
        np.ones(count, np.bool_), np.full(count, -1, np.int16), np.full(count, np.nan, np.float32)
    )
