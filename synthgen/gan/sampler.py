"""The sampler: latents and labels to uint8 images, in batches of one fixed shape."""

from typing import Any

import keras
import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from synthgen.datasets.digits import Images
from synthgen.datasets.pixels import to_uint8
from synthgen.gan.checkpoint import Checkpoint
from synthgen.gan.networks import build_generator
from synthgen.gan.weights import set_weights


class Sampler:
    """A generator that is ready to be called.

    Every call runs batches of exactly `batch` rows, the last one padded with zeros, and BatchNorm in inference mode:
    an image is then a function of its own latent and label and of its row in the batch. (The other rows do not touch it,
    but the last few rows of a batch may be rounded differently, which is why `shards` gives every image a fixed row.)

    Args:
        model: a generator [(n, latent), (n,)] -> (n, height, width, channels) in -1..1; its weights are read at each call.
        batch: rows per pass.
    """

    def __init__(self, model: keras.Model, batch: int) -> None:
        self.latent, self.batch, self.image_shape = model.input_shape[0][1], batch, model.output_shape[1:]
        self._run = compiled(model, self.latent, batch)

    def images(self, latents: NDArray[np.float32], labels: NDArray[Any]) -> Images:
        """Generate one image a row.

        Args:
            latents: (n, latent) float32.
            labels: (n,) integers below the number of classes.

        Returns:
            (n, height, width, channels) uint8.
        """
        images = np.empty((len(labels), *self.image_shape), np.uint8)
        for start in range(0, len(labels), self.batch):
            rows = slice(start, start + self.batch)
            count = len(labels[rows])
            z, y = np.zeros((self.batch, self.latent), np.float32), np.zeros(self.batch, np.int32)
            z[:count], y[:count] = latents[rows], labels[rows]
            images[rows] = to_uint8(self._run(z, y).numpy()[:count])
        return images


def compiled(model: keras.Model, latent: int, batch: int) -> Any:
    """The generator in inference mode as one compiled function of (batch, latent) float32 and (batch,) int32."""

    @tf.function(input_signature=[tf.TensorSpec((batch, latent), tf.float32), tf.TensorSpec((batch,), tf.int32)])  # type: ignore[untyped-decorator]
    def run(latents: Any, labels: Any) -> Any:
        return model([latents, labels], training=False)

    return run


def load_sampler(checkpoint: Checkpoint, batch: int) -> Sampler:
    """The sampler of a trained generator.

    Raises:
        CheckpointError: if the weights do not fit the settings.
    """
    model = build_generator(checkpoint.settings, checkpoint.image_shape, len(checkpoint.class_names))
    set_weights(model, checkpoint.generator)
    return Sampler(model, batch)
