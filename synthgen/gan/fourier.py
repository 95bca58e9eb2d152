"""Convolutions of small maps with large kernels, computed between Fourier transforms: exact up to rounding, with fewer operations.

A 5 x 5 convolution of a 7 x 7 map takes 1225 multiplications for each pair of channels, and 121 between transforms. Every
step is a matrix product, so TensorFlow derives gradients of any order. On CPUs this pays for the widest layer of `dcgan`
(measured by tests/benchmarks/convolution.py); GPUs have kernels of their own for it.
"""

import functools
from typing import Any

import numpy as np
import tensorflow as tf

LARGEST_MAP = 64  # pixels; the transforms are dense matrices, whose cost grows with the square of this
SMALLEST_SIDE = 5  # of a kernel
FEWEST_CHANNELS = 64  # on either side


def pays(images: Any, kernel: Any) -> bool:
    """Whether `fourier_conv` is expected to be quicker than TensorFlow's kernel.

    Args:
        images: (n, h, w, c).
        kernel: (k, k, c, d).
    """
    height, width = images.shape[1:3]
    large = height * width <= LARGEST_MAP and kernel.shape[0] >= SMALLEST_SIDE and min(kernel.shape[2:]) >= FEWEST_CHANNELS
    return large and not tf.config.list_logical_devices("GPU")


def fourier_conv(images: Any, kernel: Any) -> Any:
    """A convolution of stride 1 with "same" padding.

    Args:
        images: (n, h, w, c) float32.
        kernel: (k, k, c, d) float32, k odd.

    Returns:
        (n, h, w, d) float32.
    """
    height, width, channels = images.shape[1:]
    side, results = kernel.shape[0], kernel.shape[3]
    of_images, of_kernel, back = (tf.constant(matrix) for matrix in bilinear(height, width, side))
    count, products = tf.shape(images)[0], of_images.shape[0]
    pixels_first = tf.transpose(tf.reshape(images, (count, height * width, channels)), (1, 0, 2))
    maps = tf.reshape(of_images @ tf.reshape(pixels_first, (height * width, -1)), (products, count, channels))
    kernels = tf.reshape(of_kernel @ tf.reshape(kernel, (side * side, -1)), (products, channels, results))
    mixed = tf.stack([a @ b for a, b in zip(tf.unstack(maps), tf.unstack(kernels), strict=True)])  # twice as fast as one batched product
    pixels = tf.reshape(back @ tf.reshape(mixed, (products, -1)), (height * width, count, results))
    return tf.reshape(tf.transpose(pixels, (1, 0, 2)), (count, height, width, results))


@functools.cache
def bilinear(height: int, width: int, side: int) -> tuple[Any, Any, Any]:
    """Matrices A, B, C with which conv(x, w) is C((A x)(B w)), for a "same" convolution (the kernel is not mirrored).

    A discrete Fourier transform of height + k // 2 by width + k // 2 points: the zeros beyond the map are enough for
    results not to wrap around. Of each pair of conjugate frequencies one is kept, and its complex product takes three
    real ones (Gauss). Winograd 1980 calls such triples bilinear algorithms.

    Args:
        height: of the map.
        width: of the map.
        side: k of the kernel, odd.

    Returns:
        A (m, height * width), B (m, k * k) and C (height * width, m), float32.
    """
    axes = [_transforms(size, side) for size in (height, width)]
    of_images, of_kernel, back = (np.kron(rows, columns) for rows, columns in zip(*axes, strict=True))
    points = [size + side // 2 for size in (height, width)]
    opposite = np.add.outer(-np.arange(points[0]) % points[0] * points[1], -np.arange(points[1]) % points[1]).ravel()
    parts = [_products(of_images[f], of_kernel[f], back[:, f], g == f) for f, g in enumerate(opposite) if f <= g]
    a, b, c = (np.concatenate(rows).astype(np.float32) for rows in zip(*parts, strict=True))
    return a, b, np.ascontiguousarray(c.T)


def _transforms(size: int, side: int) -> tuple[Any, Any, Any]:
    """Along one axis, complex: of the map (points, size), of the kernel (points, side), and back (size, points)."""
    points = size + side // 2
    turn = 2j * np.pi * np.arange(points)[:, None] / points
    return np.exp(-turn * np.arange(size)), np.exp(turn * (np.arange(side) - side // 2)), np.exp(turn * np.arange(size)).T / points


def _products(of_image: Any, of_kernel: Any, back: Any, is_real: bool) -> tuple[Any, Any, Any]:
    """The rows of A, B and C^T for one frequency and its conjugate: the real part of back * (image * kernel)."""
    x, w, o = of_image, of_kernel, back
    if is_real:
        return x.real[None], w.real[None], o.real[None]
    of_maps = np.stack([x.real + x.imag, x.real, x.imag])
    of_kernels = np.stack([w.real, w.imag - w.real, w.real + w.imag])
    return of_maps, of_kernels, 2 * np.stack([o.real - o.imag, -o.imag, -o.real])
