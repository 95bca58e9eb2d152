"""The sampler: latents and labels to uint8 images, in batches of one fixed shape."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from synthgen.datasets.digits import Images
from synthgen.datasets.pixels import to_uint8
from synthgen.gan.checkpoint import Checkpoint
from synthgen.networks.backend import keras, tf
from synthgen.networks.gan import build_generator
from synthgen.networks.weights import set_weights
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
        self.latent, self.batch, self.image_shape = (
            model.input_shape[0][1],
            batch,
            model.output_shape[1:],
        )
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

    @tf.function(
        input_signature=[
            tf.TensorSpec((batch, latent), tf.float32),
            tf.TensorSpec((batch,), tf.int32),
        ]
    )  # type: ignore[untyped-decorator]
    def run(latents: Any, labels: Any) -> Any:
        return model([latents, labels], training=False)

    # many functions of one kind would be taken for needless retracing, with a warning
    return run.get_concrete_function()


class PerClassSampler:
    """One generator a class, all of the same recipe, behind the interface of one.

    Row r of every batch belongs to class r % classes, so each generator runs on a fixed batch of
    its own rows and an image is still a function of its own latent and row. A class that has
    nothing in a batch costs nothing.

    Args:
        models: a generator a class.
        batch: rows per pass, at least one a class; those beyond a multiple of the classes are not
            used.
    """

    def __init__(self, models: Sequence[keras.Model], batch: int) -> None:
        self.batch, self._rows = batch, batch // len(models)
        self._samplers = [Sampler(model, self._rows) for model in models]
        self.latent, self.image_shape = self._samplers[0].latent, self._samplers[0].image_shape

    def images(self, latents: NDArray[np.float32], labels: NDArray[Any]) -> Images:
        """Generate one image a row.

        Args:
            latents: (n, latent) float32; rows of zeros stay empty.
            labels: (n,) the class of each row that is not empty: r % classes in row r of each
                batch.

        Returns:
            (n, height, width, channels) uint8, black in empty rows of a class that has no other in
            its batch.

        Raises:
            ValueError: if a label has another row than its own.
        """
        classes, images = len(self._samplers), np.zeros((len(labels), *self.image_shape), np.uint8)
        rows, filled = np.arange(len(labels)) % self.batch, np.asarray(latents.any(axis=1))
        wrong = np.flatnonzero(
            filled & ((labels != rows % classes) | (rows >= self._rows * classes))
        )
        if len(wrong):
            row, label = rows[wrong[0]], labels[wrong[0]]
            raise ValueError(
                f"Expected class r % {classes} in row r of a batch of {self.batch}, received class {label} in row {row}."
            )
        for start in range(0, len(labels), self.batch):
            stop = min(start + self._rows * classes, len(labels))
            for label, sampler in enumerate(self._samplers):
                own = slice(start + label, stop, classes)
                if filled[own].any():
                    images[own] = sampler.images(latents[own], labels[own])
        return images


def load_sampler(checkpoint: Checkpoint, batch: int) -> "Sampler | PerClassSampler":
    """The sampler of a trained generator, or of one a class.

    Raises:
        CheckpointError: if the weights do not fit the settings.
    """
    classes = len(checkpoint.class_names)
    if not checkpoint.per_class:
        return Sampler(_load(checkpoint, checkpoint.generator), batch)
    return PerClassSampler(
        [_load(checkpoint, weights) for weights in split_classes(checkpoint.generator, classes)],
        batch,
    )


def _load(checkpoint: Checkpoint, weights: Weights) -> keras.Model:
    model = build_generator(
        checkpoint.settings, checkpoint.image_shape, len(checkpoint.class_names)
    )
    set_weights(model, weights)
    return model
