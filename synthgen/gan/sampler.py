"""The sampler: latents and labels to uint8 images, in batches of one fixed shape."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from synthgen.datasets.digits import Images
from synthgen.datasets.pixels import to_uint8
from synthgen.gan.checkpoint import Checkpoint
from synthgen.gan.per_class_sampler import PerClassSampler
from synthgen.networks.backend import keras, keras_defaults, tf
from synthgen.networks.gan import build_generator
from synthgen.networks.layers import set_weights
from synthgen.weights import Weights, split_classes


class Sampler:
    """A generator that is ready to be called.

    Every call runs batches of exactly `batch` rows, the last one padded with zeros, and BatchNorm
    in inference mode: an image is then a function of its own latent and label and of its row in the
    batch. (The other rows do not touch it, but the last few rows of a batch may be rounded
    differently, which is why `shards` gives every image a fixed row.)

    Args:
        model: a generator [(n, latent), (n,)] -> (n, height, width, channels) in -1..1; its weights
            are read at each call.
        batch: rows per pass.
    """

    def __init__(self, model: keras.Model, batch: int) -> None:
        self.latent = model.input_shape[0][1]
        self.image_shape = model.output_shape[1:]
        self.batch = batch
        self._generate = compile_generator(model, batch)

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
            padded_latents = np.zeros((self.batch, self.latent), np.float32)
            padded_latents[:count] = latents[rows]
            padded_labels = np.zeros(self.batch, np.int32)
            padded_labels[:count] = labels[rows]
            generated = self._generate(padded_latents, padded_labels).numpy()
            images[rows] = to_uint8(generated[:count])
        return images


@keras_defaults()
def compile_generator(model: keras.Model, batch: int) -> Any:
    """Compile a generator in inference mode.

    Returns:
        A function of latents (batch, latent) float32 and labels (batch,) int32 to images
        (batch, height, width, channels) float32 in -1..1.
    """
    latents = tf.TensorSpec((batch, model.input_shape[0][1]), tf.float32)
    labels = tf.TensorSpec((batch,), tf.int32)

    @tf.function(input_signature=[latents, labels])  # type: ignore[untyped-decorator]
    def run(latents: Any, labels: Any) -> Any:
        return model([latents, labels], training=False)

    # many functions of one kind would be taken for needless retracing, with a warning
    return run.get_concrete_function()


def load_sampler(checkpoint: Checkpoint, batch: int) -> Sampler | PerClassSampler:
    """Make the sampler of a trained generator, or of one a class.

    Args:
        checkpoint: the generator.
        batch: rows per pass.

    Raises:
        CheckpointError: if the weights do not fit the settings.
    """
    classes = len(checkpoint.class_names)

    def load(weights: Weights) -> keras.Model:
        model = build_generator(checkpoint.settings, checkpoint.image_shape, classes)
        set_weights(model, weights)
        return model

    if not checkpoint.per_class:
        return Sampler(load(checkpoint.generator), batch)
    generators = split_classes(checkpoint.generator, classes)
    rows = batch // classes
    return PerClassSampler([Sampler(load(weights), rows) for weights in generators], batch)
