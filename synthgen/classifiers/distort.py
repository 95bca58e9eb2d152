"""Classical augmentation as TensorFlow graph code: affine and elastic distortions, drawn anew for every image of every batch.

Both move pixels, so that they are one resampling: each pixel of the result is read, bilinearly,
where its position is mapped to. It adds about a tenth to a training step of the judging classifier.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from synthgen.classifiers.fit import Augment
from synthgen.classifiers.settings import DistortionSettings
from synthgen.errors import InputError
from synthgen.networks.backend import tf


def augmentation(settings: DistortionSettings, shape: tuple[int, int, int], seed: int) -> Augment:
    """The `augment` argument of `train_classifier`.

    Rotation, shear, stretch and shift about the centre, then the elastic distortion of Simard et
    al. 2003, "Best practices for convolutional neural networks applied to visual document
    analysis": a random displacement of each pixel, smoothed by a Gaussian. What comes in from
    outside is black. The same seed and step give the same distortions; no global generator is read.

    Args:
        settings: the ranges.
        shape: (height, width, channels) of the images.
        seed: 0 or more.

    Returns:
        A graph function ((n, height, width, channels) float32 0..255, int64 step) -> images of the
        same shape, type and range.

    Raises:
        InputError: if the seed is negative.

    Example:
        >>> distort = augmentation(DistortionSettings(), (28, 28, 1), seed=0)
        >>> model = train_classifier(images, labels, ClassifierSettings(), seed=0, augment=distort)
    """
    if seed < 0:
        raise InputError(f"Expected a seed of 0 or more, received {seed}.")
    height, width, _ = shape
    smoothers = _smoother(height, settings.smoothness), _smoother(width, settings.smoothness)
    sides = tf.constant([height, width], tf.float32)

    def augment(images: tf.Tensor, step: tf.Tensor) -> tf.Tensor:
        count = tf.shape(images)[0]
        keys = [tf.stack([tf.constant(seed, tf.int64), 2 * step + k]) for k in (0, 1)]
        matrices, shifts = _affine(settings, count, keys[0])
        noise = tf.random.stateless_normal((count, 2, height, width), keys[1], alg="philox")
        smooth = (
            tf.einsum("ij,ncjk,lk->ncil", smoothers[0], noise, smoothers[1])
            * (settings.elastic * sides)[:, None, None]
        )
        grid = tf.reshape(matrices @ _centred(height, width), (count, 2, height, width))
        middle = (sides - 1) / 2
        return _sample(images, grid + (middle + shifts * sides)[:, :, None, None] + smooth)

    return augment


def _affine(
    settings: DistortionSettings, count: Any, key: tf.Tensor
) -> tuple[tf.Tensor, tf.Tensor]:
    """One matrix (n, 2, 2) and one shift (n, 2) an image, rows before columns: where a pixel of the result is read."""
    draws = tf.unstack(tf.random.stateless_uniform((count, 6), key, -1, 1, alg="philox"), axis=1)
    angle, shear = draws[0] * (settings.rotation * np.pi / 180), draws[1] * settings.shear
    down, right = 1 + draws[2] * settings.scale, 1 + draws[3] * settings.scale
    cos, sin = tf.cos(angle), tf.sin(angle)
    rows = [
        cos * down,
        -sin * right,
        sin * down + shear * cos * down,
        cos * right - shear * sin * right,
    ]
    return tf.reshape(tf.stack(rows, axis=1), (count, 2, 2)), tf.stack(
        draws[4:], axis=1
    ) * settings.translation


def _centred(height: int, width: int) -> tf.Tensor:
    """Rows and columns of all pixels, from the middle of the image: (2, height * width) float32."""
    grid = np.indices((height, width), np.float32).reshape(2, -1)
    return tf.constant(grid - np.array([[(height - 1) / 2], [(width - 1) / 2]], np.float32))


def _smoother(side: int, smoothness: float) -> tf.Tensor:
    """Gaussian smoothing along one axis as a matrix (side, side) float32 that keeps the variance of white noise."""
    distances = np.subtract.outer(np.arange(side), np.arange(side)) / (smoothness * side)
    weights: NDArray[np.float64] = np.exp(-(distances**2) / 2)
    return tf.constant(weights / np.linalg.norm(weights, axis=1, keepdims=True), tf.float32)


def _sample(images: tf.Tensor, places: tf.Tensor) -> tf.Tensor:
    """Read images between pixels, bilinearly, black outside: (n, h, w, c) at (n, 2, h, w) -> (n, h, w, c).

    Each pixel and its neighbours to the right, below and both lie side by side, so that one gather
    reads all four.
    """
    _, height, width, channels = images.shape
    # (n, h + 3, w + 3, c): a black rim on every side of every square
    padded = tf.pad(images, [[0, 0], [1, 2], [1, 2], [0, 0]])
    corners = [padded[:, a : a + height + 2, b : b + width + 2] for a in (0, 1) for b in (0, 1)]
    squares = tf.reshape(tf.concat(corners, axis=3), (-1, (height + 2) * (width + 2), 4 * channels))
    y, x = (
        tf.clip_by_value(place + 1, 0.0, side + 1.0)
        for place, side in zip(tf.unstack(places, axis=1), (height, width), strict=True)
    )
    top, left = tf.floor(y), tf.floor(x)
    # (n, h, w, 4c)
    found = tf.gather(squares, tf.cast(top * (width + 2) + left, tf.int32), batch_dims=1)
    down, right = (y - top)[..., None], (x - left)[..., None]
    weights = ((1 - down) * (1 - right), (1 - down) * right, down * (1 - right), down * right)
    return tf.add_n(
        [
            weight * corner
            for weight, corner in zip(weights, tf.split(found, 4, axis=3), strict=True)
        ]
    )
