"""The random batches of a training: images, labels, latents.

All of them are drawn statelessly, as functions of the seed and the number of the critic step, so
that a training may be stopped after any step and goes on in the same way. With several devices each
gets its own rows of what one device would draw.
"""

from typing import Any

import numpy as np

from synthgen.config import GanSettings
from synthgen.datasets.digits import Digits
from synthgen.networks.backend import tf
from synthgen.networks.replicas import own_rows
from synthgen.networks.scaling import to_float

STREAMS = 16  # random streams of one critic step, these among them:
LATENT = 0
LABEL = 1
REAL_VIEW = 2
FAKE_VIEW = 3
GENERATOR_VIEW = 4
BETWEEN = 5
REAL_TARGET = 6
FAKE_TARGET = 7


class Batches:
    """Draws the batches of one training.

    Args:
        digits: the training digits, kept as uint8 beside the networks.
        settings: the recipe.
        seed: of the training.
    """

    def __init__(self, digits: Digits, settings: GanSettings, seed: int) -> None:
        rows = digits.balanced_rows() if settings.class_balance else np.arange(len(digits))
        self._settings = settings
        self._seed = seed
        self._classes = digits.classes
        self._count = len(rows)
        # bytes are looked up in the host's memory: a batch is small, the training set is not
        with tf.device("CPU"):
            self._images = tf.constant(digits.images)
            self._labels = tf.constant(digits.labels.astype(np.int32))
            self._rows = tf.constant(rows, tf.int64)

    def real(self, number: Any) -> tuple[Any, Any]:
        """Draw real images: each once an epoch or, with `class_balance`, every class equally often.

        Args:
            number: of the critic step, a scalar int64.

        Returns:
            Images (batch, h, w, c) float32 in -1..1 and labels (batch,) int32.
        """
        # places in the endless row of epochs
        rows = own_rows(tf.range(self._settings.batch, dtype=tf.int64))
        places = number * self._settings.batch + rows
        epochs = tf.cast(places // self._count, tf.int32)

        # each epoch has an order of its own
        seeds = tf.fill(tf.shape(epochs), self._seed)
        keys = tf.stack([seeds, tf.zeros_like(epochs), epochs], axis=1)  # (batch, 3)
        shuffled = tf.raw_ops.RandomIndexShuffle(
            index=places % self._count,
            seed=keys,
            max_index=tf.constant(self._count - 1, tf.int64),
        )

        with tf.device(self._images.device):
            rows = tf.gather(self._rows, shuffled)
            images = tf.gather(self._images, rows)
            labels = tf.gather(self._labels, rows)
        return to_float(images), labels

    def latents(self, number: Any) -> tuple[Any, Any]:
        """Draw what the generator makes images of.

        Args:
            number: of the critic step, a scalar int64.

        Returns:
            Latents (batch, latent) float32, standard normal, and labels (batch,) int32, uniform
            over all classes.
        """
        batch = self._settings.batch
        latents = tf.random.stateless_normal(
            (batch, self._settings.latent), self.key(number, LATENT), alg="philox"
        )
        labels = tf.random.stateless_uniform(
            (batch,), self.key(number, LABEL), 0, self._classes, tf.int32, alg="philox"
        )
        return own_rows(latents), own_rows(labels)

    def uniform(self, number: Any, stream: int, low: float = 0.0, high: float = 1.0) -> Any:
        """Draw a uniform number in [low, high) for each image, (batch,) float32."""
        key = self.key(number, stream)
        shape = (self._settings.batch,)
        return own_rows(tf.random.stateless_uniform(shape, key, low, high, alg="philox"))

    def key(self, number: Any, stream: int) -> Any:
        """Return the seed of one stream of one critic step, (2,) int64."""
        return tf.stack([tf.cast(self._seed, tf.int64), STREAMS * number + stream])
