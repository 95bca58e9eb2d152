"""The usefulness of a generator: how well a small classifier that learned from its digits alone reads real validation digits."""

import numpy as np

from synthgen.datasets.digits import Digits
from synthgen.gan import watch
from synthgen.gan.samples import FixedSamples
from synthgen.gan.screener import Screener, ScreenerTraining

IMAGES = 3000  # synthetic digits to learn from
STEPS = 250
# digits without a label of their own are kept from this confidence of the screening classifier
CONFIDENT = 0.6


class Usefulness:
    """Scores generators on validation digits, each time with the same latents and the same initial weights.

    The classifier has the architecture of the screening classifier and a seed of its own. Nothing
    of the training that is scored changes by it.

    Args:
        validation: real digits that the training does not see.
        screener: the screening classifier, which labels the digits of an unconditional generator.
        seed: of the training.
    """

    def __init__(self, validation: Digits, screener: Screener, seed: int) -> None:
        shape, classes = validation.image_shape, validation.classes
        self._validation, self._screener = validation, screener
        self._training = ScreenerTraining(shape, classes, STEPS, seed + 1)
        self._reader = Screener(self._training.initial, shape, classes)

    def score(self, samples: FixedSamples) -> float | None:
        """Accuracy on the validation digits, 0..1; None if there is no digit that could be labelled."""
        synthetic = self._labelled(samples)
        if not len(synthetic):
            return None
        self._reader.load(self._training.run(synthetic))
        read = self._reader.probabilities(self._validation.images).argmax(axis=1)
        return float(np.mean(read == self._validation.labels))

    def _labelled(self, samples: FixedSamples) -> Digits:
        """With a condition the labels that were asked for, without one those of which the screening classifier is confident."""
        images, labels = samples.draw(IMAGES, first=watch.IMAGES)
        if samples.settings.conditional:
            return Digits(images, labels, samples.class_names)
        probabilities = self._screener.probabilities(images)
        kept = probabilities.max(axis=1) >= CONFIDENT
        return Digits(
            images[kept], probabilities[kept].argmax(axis=1).astype(np.uint8), samples.class_names
        )
