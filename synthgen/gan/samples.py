"""What a generator draws for latents that stay the same over the whole training."""

from collections.abc import Sequence

import keras
import numpy as np

from synthgen.config import GanSettings
from synthgen.datasets.digits import Images, Labels
from synthgen.datasets.pixels import grid
from synthgen.gan.latents import draw_latents, image_seeds
from synthgen.gan.sampler import Sampler

BATCH = 500


class FixedSamples:
    """The images of a generator for fixed latents; they change as it learns.

    Args:
        model: the generator; its weights are read at each call.
        settings: its recipe.
        class_names: one name a class.
        seed: of the training.
    """

    def __init__(
        self, model: keras.Model, settings: GanSettings, class_names: Sequence[str], seed: int
    ) -> None:
        self.settings, self.class_names = settings, class_names
        self._sampler, self._seed = Sampler(model, BATCH), seed

    def draw(self, count: int, first: int = 0) -> tuple[Images, Labels]:
        """Images of each class in turn.

        Args:
            count: number of images.
            first: they have the indices `first`, `first` + 1, ...

        Returns:
            (count, height, width, channels) uint8 and the labels that were asked for, (count,)
            uint8; without a condition these mean nothing.
        """
        labels = (np.arange(count) % len(self.class_names)).astype(np.uint8)
        seeds = image_seeds(self._seed, labels.tolist(), range(first, first + count), [0] * count)
        return self._sampler.images(draw_latents(seeds, self.settings.latent), labels), labels

    def sheet(self, side: int) -> Images:
        """A sample grid of `side` columns: one row a class or, without a condition, as many rows as columns."""
        images, labels = self.draw(
            side * (len(self.class_names) if self.settings.conditional else side)
        )
        return grid(
            images[np.argsort(labels, kind="stable")] if self.settings.conditional else images, side
        )
