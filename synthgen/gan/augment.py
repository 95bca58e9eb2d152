"""Differentiable augmentation: what the discriminator sees of real and generated images.

Zhao et al. 2020, https://arxiv.org/abs/2006.10738: images are shifted and a square of them is
blacked out, in a way that gradients pass through.
"""

from typing import Any

from synthgen.networks.backend import tf
from synthgen.networks.replicas import own_uniform

BLACK_PIXEL = -1.0  # of images in -1..1


def augment(images: Any, key: Any, translation: float, cutout: float) -> Any:
    """Shift each image and black out a square of it.

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
