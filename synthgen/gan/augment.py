"""Differentiable augmentation of what the discriminator sees: both real and generated images, in both updates.

Zhao et al. 2020, https://arxiv.org/abs/2006.10738: it keeps the discriminator from learning few
real images by heart, and since the generator's gradient passes through it, it does not leak into
what is generated.
"""

from typing import Any

import tensorflow as tf

from synthgen.gan.devices import own_uniform

BLACK = -1.0


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
