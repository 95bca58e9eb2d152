"""The generator as it is kept and looked at: the averaged weights, with BatchNorm statistics of their own."""

from typing import Any

import keras
import tensorflow as tf

from synthgen.config import GanSettings
from synthgen.gan.layers import BatchNorm
from synthgen.gan.networks import ImageShape, build_generator
from synthgen.gan.weights import get_weights, set_weights

BATCHES, ROWS = 10, 256


class Snapshot:
    """A copy of a generator with precise BatchNorm: its statistics are taken from itself.

    The moving moments of a training belong to the weights of some hundred steps ago, and those of
    an averaged generator to no weights at all. Here they are the mean moments of a few thousand
    fresh images instead (Wu & Johnson 2021, https://arxiv.org/abs/2105.07576, section 3). Nothing
    of the training is touched, so that it takes the same course whenever somebody looks.

    Args:
        source: the generator; its weights are read at each refresh.
        settings: its recipe.
        shape: (height, width, channels) of the images.
        classes: number of classes.

    Attributes:
        model: the copy.
    """

    def __init__(
        self, source: keras.Model, settings: GanSettings, shape: ImageShape, classes: int
    ) -> None:
        self.model = build_generator(settings, shape, classes)
        self._source, self._latent, self._classes = source, settings.latent, classes
        self._step: int | None = None

    def refresh(self, step: int) -> None:
        """Copy the weights and take the statistics anew, unless that was done at this step."""
        if step == self._step:
            return
        set_weights(self.model, get_weights(self._source))
        _take_statistics(self.model, self._latent, self._classes)
        self._step = step


def _take_statistics(model: Any, latent: int, classes: int) -> None:
    norms = [layer for layer in model.layers if isinstance(layer, BatchNorm)]
    momenta = [norm.momentum for norm in norms]
    for k in range(BATCHES if norms else 0):
        for norm in norms:
            norm.momentum = k / (k + 1)  # the moving moments become the mean of all batches
        labels = tf.range(k * ROWS, (k + 1) * ROWS) % classes
        model(
            [tf.random.stateless_normal((ROWS, latent), (0, k), alg="philox"), labels],
            training=True,
        )
    for norm, momentum in zip(norms, momenta, strict=True):
        norm.momentum = momentum
