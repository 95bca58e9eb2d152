"""Random changes of training images, as TensorFlow graph code.

`distortion` changes every image in its own way, `batch_shift` moves a batch as a whole. The affine
and the elastic distortion both move pixels, so that they are one resampling: each pixel of the
result is read, bilinearly, where its position is mapped to.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from synthgen.classifiers.settings import DistortionSettings
from synthgen.errors import InputError
from synthgen.networks.backend import tf

# (images (n, height, width, channels) float32 0..255, step () int64) -> images of that shape
Augment = Callable[[tf.Tensor, tf.Tensor], tf.Tensor]


def distortion(settings: DistortionSettings, shape: tuple[int, int, int], seed: int) -> Augment:
    """Make the function that distorts every image of every batch in its own way.

    Rotation, shear, stretch and shift about the middle of the image, then the elastic distortion of
    Simard et al. 2003, "Best practices for convolutional neural networks applied to visual document
    analysis": a random displacement of each pixel, smoothed by a Gaussian. What comes in from
    outside is black. The same seed and step give the same distortions; no global random generator
    is read.

    Args:
        settings: the ranges that rotation, shear and the others are drawn from.
        shape: (height, width, channels) of the images.
        seed: 0 or more.

    Returns:
        A graph function for the `augment` argument of `fit`.

    Raises:
        InputError: if the seed is negative.

    Example:
        >>> augment = distortion(DistortionSettings(), (28, 28, 1), seed=0)
        >>> fit(network, digits, FitSettings(), seed=0, augment=augment)
    """
    if seed < 0:
        raise InputError(f"Expected a seed of 0 or more, received {seed}.")
    height, width, _ = shape
    sides = tf.constant([height, width], tf.float32)
    middle = (sides - 1) / 2
    pixels = np.indices((height, width), np.float32).reshape(2, -1)
    centre = np.array([[(height - 1) / 2], [(width - 1) / 2]], np.float32)
    offsets = tf.constant(pixels - centre)  # (2, height * width), rows before columns
    smooth_rows = _smoother(height, settings.smoothness)
    smooth_columns = _smoother(width, settings.smoothness)

    def augment(images: tf.Tensor, step: tf.Tensor) -> tf.Tensor:
        count = tf.shape(images)[0]
        affine_key = tf.stack([tf.constant(seed, tf.int64), 2 * step])
        elastic_key = tf.stack([tf.constant(seed, tf.int64), 2 * step + 1])

        # affine: where each pixel of the result is read
        matrices, shifts = _affine(settings, count, affine_key)
        places = tf.reshape(matrices @ offsets, (count, 2, height, width))
        places = places + (middle + shifts * sides)[:, :, None, None]

        # elastic: white noise, smoothed along both axes, displaces it
        noise = tf.random.stateless_normal((count, 2, height, width), elastic_key, alg="philox")
        smooth = tf.einsum("ij,ncjk,lk->ncil", smooth_rows, noise, smooth_columns)
        displacement = smooth * (settings.elastic * sides)[:, None, None]
        return _read_bilinearly(images, places + displacement)

    return augment


def batch_shift(reach: int, seed: int) -> Augment:
    """Make the function that shifts each batch as a whole, another way at each step.

    Args:
        reach: largest shift in each direction, pixels; every whole number of pixels up to it is
            equally likely. What comes in is black.
        seed: 0 or more.

    Returns:
        A graph function for the `augment` argument of `fit`.
    """

    def augment(images: tf.Tensor, step: tf.Tensor) -> tf.Tensor:
        height, width = images.shape[1:3]
        key = tf.stack([tf.constant(seed, tf.int64), step])
        corner = tf.random.stateless_uniform((2,), key, 0, 2 * reach + 1, tf.int32, alg="philox")
        top, left = tf.unstack(corner)
        padded = tf.pad(images, [[0, 0], [reach, reach], [reach, reach], [0, 0]])
        return padded[:, top : top + height, left : left + width]

    return augment


def _affine(
    settings: DistortionSettings, count: Any, key: tf.Tensor
) -> tuple[tf.Tensor, tf.Tensor]:
    """Draw an affine map for each image: from places in the result to places in the image.

    Returns:
        Matrices (n, 2, 2) and shifts (n, 2) as shares of the sides; rows before columns.
    """
    uniform = tf.random.stateless_uniform((count, 6), key, -1, 1, alg="philox")
    turn, lean, stretch_down, stretch_right, _, _ = tf.unstack(uniform, axis=1)
    angle = turn * (settings.rotation * np.pi / 180)
    shear = lean * settings.shear
    down = 1 + stretch_down * settings.scale
    right = 1 + stretch_right * settings.scale
    cos = tf.cos(angle)
    sin = tf.sin(angle)
    entries = [
        cos * down,
        -sin * right,
        sin * down + shear * cos * down,
        cos * right - shear * sin * right,
    ]
    matrices = tf.reshape(tf.stack(entries, axis=1), (count, 2, 2))
    return matrices, uniform[:, 4:] * settings.translation


def _smoother(side: int, smoothness: float) -> tf.Tensor:
    """Make the matrix of a Gaussian smoothing along one axis: (side, side) float32.

    Its rows have a norm of 1, so that smoothed white noise keeps its variance.
    """
    distances = np.subtract.outer(np.arange(side), np.arange(side)) / (smoothness * side)
    weights: NDArray[np.float64] = np.exp(-(distances**2) / 2)
    return tf.constant(weights / np.linalg.norm(weights, axis=1, keepdims=True), tf.float32)


def _read_bilinearly(images: tf.Tensor, places: tf.Tensor) -> tf.Tensor:
    """Read images between pixels; outside they are black.

    Args:
        images: (n, h, w, c) float32.
        places: (n, 2, h, w) float32: row and column, in pixels, of what each pixel of the result
            reads.

    Returns:
        (n, h, w, c) float32.
    """
    _, height, width, channels = images.shape
    # a pixel and its neighbours to the right, below and both lie side by side, so that one gather
    # reads all four; a black rim on every side
    padded = tf.pad(images, [[0, 0], [1, 2], [1, 2], [0, 0]])  # (n, h + 3, w + 3, c)
    corners = [padded[:, a : a + height + 2, b : b + width + 2] for a in (0, 1) for b in (0, 1)]
    squares = tf.reshape(tf.concat(corners, axis=3), (-1, (height + 2) * (width + 2), 4 * channels))

    rows, columns = tf.unstack(places, axis=1)
    y = tf.clip_by_value(rows + 1, 0.0, height + 1.0)
    x = tf.clip_by_value(columns + 1, 0.0, width + 1.0)
    top = tf.floor(y)
    left = tf.floor(x)
    index = tf.cast(top * (width + 2) + left, tf.int32)
    found = tf.gather(squares, index, batch_dims=1)  # (n, h, w, 4c)

    down = (y - top)[..., None]
    right = (x - left)[..., None]
    weights = ((1 - down) * (1 - right), (1 - down) * right, down * (1 - right), down * right)
    parts = zip(weights, tf.split(found, 4, axis=3), strict=True)
    return tf.add_n([weight * corner for weight, corner in parts])
