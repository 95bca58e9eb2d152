"""The random batches of a training: images, labels, latents, and the augmentation of images.

All of them are drawn statelessly, as functions of the seed and the number of the critic step, so
that a training may be stopped after any step and goes on in the same way. With several devices each
gets its own rows of what one device would draw.
"""

from typing import Any

import numpy as np

from synthgen.config import GanSettings
from synthgen.datasets.digits import Digits
from synthgen.networks.backend import tf
from synthgen.networks.replicas import own_rows, own_uniform

STREAMS = 16  # random streams of one critic step, these among them:
LATENT = 0
LABEL = 1
REAL_VIEW = 2
FAKE_VIEW = 3
GENERATOR_VIEW = 4
BETWEEN = 5
REAL_TARGET = 6
FAKE_TARGET = 7

BLACK_PIXEL = -1.0  # of images in -1..1


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


def to_float(images: Any) -> Any:
    """Scale uint8 0..255 to float32 -1..1, the range of tanh; any shape.

    `datasets.pixels.to_uint8` is the way back.
    """
    return tf.cast(images, tf.float32) / 127.5 - 1.0


def augment(images: Any, key: Any, translation: float, cutout: float) -> Any:
    """Shift each image and black out a square of it: what the discriminator sees of any image.

    Differentiable augmentation (Zhao et al. 2020, https://arxiv.org/abs/2006.10738): gradients pass
    through both changes.

    Args:
        images: (n, height, width, channels) float32 in -1..1.
        key: (2,) int64: the same key draws the same shifts and squares.
        translation: largest shift as a share of the side, 0..0.5, a pixel at least; black comes in;
            0: none.
        cutout: side of the square as a share of the side, 0..1; 0: none.

    Returns:
        The same shape, differentiable in the images.
    """
    if translation:
        images = translate(images, _uniform_places(images, key, stream=0), translation)
    if cutout:
        images = cut_out(images, _uniform_places(images, key, stream=1), cutout)
    return images


def translate(images: Any, places: Any, reach: float) -> Any:
    """Shift image i by round((2 places[:, i] - 1) * reach * side) pixels down and to the right.

    Args:
        images: (n, height, width, channels) float32.
        places: (2, n) float32 in 0..1.
        reach: largest shift as a share of the side; at least a pixel is taken.
    """
    rows = source_pixels(images.shape[1], places[0], reach)  # (n, height)
    columns = source_pixels(images.shape[2], places[1], reach)  # (n, width)
    moved = tf.gather(images, tf.maximum(rows, 0), axis=1, batch_dims=1)
    moved = tf.gather(moved, tf.maximum(columns, 0), axis=2, batch_dims=1)
    inside = (rows >= 0)[:, :, None, None] & (columns >= 0)[:, None, :, None]
    return tf.where(inside, moved, BLACK_PIXEL)


def source_pixels(side: int, places: Any, reach: float) -> Any:
    """For each image and each pixel of a side find the pixel it comes from.

    Args:
        side: height or width of the images, in pixels.
        places: (n,) float32 in 0..1; 0.5: no shift.
        reach: largest shift as a share of the side; at least a pixel is taken.

    Returns:
        (n, side) int32; -1 for outside.
    """
    shifts = tf.cast(tf.round((2 * places - 1) * max(reach, 1 / side) * side), tf.int32)
    sources = tf.range(side)[None] - shifts[:, None]
    return tf.where(sources < side, sources, -1)


def cut_out(images: Any, places: Any, share: float) -> Any:
    """Black out a square of each image, its centre anywhere in the image.

    Args:
        images: (n, height, width, channels) float32.
        places: (2, n) float32 in 0..1, the centre as shares of height and width.
        share: side of the square as a share of the image's.
    """
    within = []
    for axis in (0, 1):
        side = images.shape[axis + 1]
        pixels = tf.range(side, dtype=tf.float32)[None] + 0.5
        distances = tf.abs(pixels - places[axis][:, None] * side)
        within.append(distances < share * side / 2)  # (n, side)
    square = within[0][:, :, None, None] & within[1][:, None, :, None]
    return tf.where(square, BLACK_PIXEL, images)


def _uniform_places(images: Any, key: Any, stream: int) -> Any:
    """Two uniform numbers for each image, (2, n) float32 in 0..1."""
    stream_key = tf.random.experimental.stateless_fold_in(key, stream)
    return own_uniform((2, tf.shape(images)[0]), stream_key, axis=1)
