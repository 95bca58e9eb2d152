"""The random draws of a training: statelessly, from (seed, turn), so that a training may be stopped after any step and go on the same way."""

from typing import Any

import numpy as np

from synthgen.config import GanSettings
from synthgen.datasets.digits import Digits
from synthgen.networks.backend import tf
from synthgen.networks.replicas import own_rows, own_uniform
from synthgen.networks.scaling import to_float

BLACK = -1.0


STREAMS = 16  # random streams of one turn
LATENT, LABEL, REAL_VIEW, FAKE_VIEW, GENERATOR_VIEW, BETWEEN, REAL_TARGET, FAKE_TARGET = range(8)


class Draws:
    """The random draws of one turn, functions of (seed, turn): images, labels, latents, keys; with several devices the rows of each."""

    def __init__(self, data: Digits, settings: GanSettings, seed: int) -> None:
        # bytes are looked up in the host's memory: a batch is small, the training set is not
        with tf.device("CPU"):
            self._images, self._labels = (
                tf.constant(data.images),
                tf.constant(data.labels.astype(np.int32)),
            )
            rows = data.balanced_rows() if settings.class_balance else np.arange(len(data))
            self._rows = tf.constant(rows, tf.int64)
        self._count, self._classes, self._settings, self._seed = (
            len(rows),
            data.classes,
            settings,
            seed,
        )

    def real(self, turn: Any) -> tuple[Any, Any]:
        """Turn -> images (batch, h, w, c) float32 in -1..1 and labels (batch,) int32; every image once an epoch, or every class equally often."""
        position = turn * self._settings.batch + own_rows(
            tf.range(self._settings.batch, dtype=tf.int64)
        )
        epoch = tf.cast(position // self._count, tf.int32)
        # (batch, 3)
        keys = tf.stack([tf.fill(tf.shape(epoch), self._seed), tf.zeros_like(epoch), epoch], axis=1)
        places = tf.raw_ops.RandomIndexShuffle(
            index=position % self._count,
            seed=keys,
            max_index=tf.constant(self._count - 1, tf.int64),
        )
        with tf.device(self._images.device):
            rows = tf.gather(self._rows, places)
            images, labels = tf.gather(self._images, rows), tf.gather(self._labels, rows)
        return to_float(images), labels

    def latent(self, turn: Any) -> tuple[Any, Any]:
        """Turn -> latents (batch, latent) float32, standard normal, and labels (batch,) int32, uniform over all classes."""
        shape = (self._settings.batch, self._settings.latent)
        latents = tf.random.stateless_normal(shape, self.key(turn, LATENT), alg="philox")
        labels = tf.random.stateless_uniform(
            shape[:1], self.key(turn, LABEL), 0, self._classes, tf.int32, alg="philox"
        )
        return own_rows(latents), own_rows(labels)

    def uniform(self, turn: Any, stream: int, low: float = 0.0, high: float = 1.0) -> Any:
        """Turn -> (batch,) float32 in [low, high)."""
        return own_rows(
            tf.random.stateless_uniform(
                (self._settings.batch,), self.key(turn, stream), low, high, alg="philox"
            )
        )

    def key(self, turn: Any, stream: int) -> Any:
        """The seed of one stream of one turn, (2,) int64."""
        return tf.stack([tf.cast(self._seed, tf.int64), STREAMS * turn + stream])


def augment(images: Any, key: Any, translation: float, cutout: float) -> Any:
    """Shift each image and black out a square of it.

    Args:
        images: (n, height, width, channels) float32 in -1..1.
        key: (2,) int64: the same key draws the same shifts and squares.
        translation: largest shift as a share of the side, 0..0.5, a pixel at least; black comes in;
            0: none.
        cutout: side of the square as a share of the side, 0..1.

    Returns:
        The same shape, differentiable in the images.
    """
    if translation:
        images = translate(images, _places(key, 0, tf.shape(images)[0]), translation)
    if cutout:
        images = cut_out(images, _places(key, 1, tf.shape(images)[0]), cutout)
    return images


def translate(images: Any, places: Any, reach: float) -> Any:
    """Shift image i by round((2 places[:, i] - 1) * reach * side) pixels down and right, reach * side being 1 at least.

    Args:
        images: (n, height, width, channels) float32.
        places: (2, n) float32 in 0..1.
        reach: largest shift as a share of the side.
    """
    rows, columns = (_sources(images.shape[axis + 1], places[axis], reach) for axis in (0, 1))
    moved = tf.gather(
        tf.gather(images, tf.maximum(rows, 0), axis=1, batch_dims=1),
        tf.maximum(columns, 0),
        axis=2,
        batch_dims=1,
    )
    inside = (rows >= 0)[:, :, None, None] & (columns >= 0)[:, None, :, None]
    return tf.where(inside, moved, BLACK)


def _sources(side: int, places: Any, reach: float) -> Any:
    """For each image and each pixel of a side the pixel it comes from, (n, side) int32; -1 for outside."""
    shifts = tf.cast(tf.round((2 * places - 1) * max(reach, 1 / side) * side), tf.int32)
    sources = tf.range(side)[None] - shifts[:, None]
    return tf.where(sources < side, sources, -1)


def cut_out(images: Any, places: Any, share: float) -> Any:
    """Black out a square of each image, its centre anywhere in it.

    Args:
        images: (n, height, width, channels) float32.
        places: (2, n) float32 in 0..1, the centre as shares of height and width.
        share: side of the square as a share of the image's.
    """
    near = [_near(images.shape[axis + 1], places[axis], share) for axis in (0, 1)]
    return tf.where(near[0][:, :, None, None] & near[1][:, None, :, None], BLACK, images)


def _near(side: int, places: Any, share: float) -> Any:
    pixels = tf.range(side, dtype=tf.float32)[None] + 0.5
    return tf.abs(pixels - places[:, None] * side) < share * side / 2


def _places(key: Any, stream: int, count: Any) -> Any:
    """(2, count) float32 in 0..1."""
    return own_uniform((2, count), tf.random.experimental.stateless_fold_in(key, stream), axis=1)
