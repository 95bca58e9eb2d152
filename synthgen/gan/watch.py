"""Looks at samples of a training: do they show what was asked for, and are they as many-sided as real digits?"""

from typing import NamedTuple

import numpy as np

from synthgen.datasets.digits import Digits
from synthgen.gan.samples import FixedSamples
from synthgen.gan.screener import Screener
from synthgen.gan.support import radii, support

IMAGES = 1000  # samples, and real digits at most, that are compared
NEIGHBOURS = 5


class Look(NamedTuple):
    """What one look found; each a share, 0..1, or None where it cannot be told.

    Args:
        label_agreement: of the samples, those in which the screening classifier sees the class that
            was asked for.
        distinct: of the samples, those that are not nearly the same as another one. Nearly the
            same: in the screening classifier's features nearer than half the distance that real
            digits typically have to their nearest fellow.
        recall: of the real digits, those within the support of the samples (see `support`).
        coverage: of the real digits, those that have a sample near.
    """

    label_agreement: float | None
    distinct: float | None
    recall: float | None
    coverage: float | None


class Watch:
    """Compares samples with real digits in the features of the screening classifier.

    Args:
        screener: trained on the training digits alone.
        reference: the real digits to compare with; up to IMAGES of them are used.
        seed: of the choice of these.
    """

    def __init__(self, screener: Screener, reference: Digits, seed: int) -> None:
        rows = np.random.Generator(np.random.Philox(key=seed)).permutation(len(reference))[:IMAGES]
        self._screener, self._comparable = screener, len(rows) > NEIGHBOURS
        self._real = screener.features(reference.images[rows])
        self._apart = float(np.median(radii(self._real, 1))) / 2 if self._comparable else 0.0

    def look(self, samples: FixedSamples) -> Look:
        """Look at IMAGES samples; as many of them as there are real digits are compared with these."""
        images, labels = samples.draw(IMAGES)
        seen = self._screener.probabilities(images).argmax(axis=1)
        agreement = float(np.mean(seen == labels)) if samples.settings.conditional else None
        if not self._comparable:
            return Look(agreement, None, None, None)
        features = self._screener.features(images[: len(self._real)])
        found = support(self._real, features, NEIGHBOURS)
        return Look(
            agreement,
            float(np.mean(radii(features, 1) > self._apart)),
            found.recall,
            found.coverage,
        )
