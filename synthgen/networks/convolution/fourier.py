"""Convolutions of small maps, computed between Fourier transforms: exact up to rounding, with fewer operations.

A 5 x 5 convolution of a 7 x 7 map takes 1225 multiplications for each pair of channels, and 121
between transforms; a 3 x 3 one 441, and 94. Every step is a matrix product, so TensorFlow derives
gradients of any order. On CPUs this pays on small maps with many channels (measured by
tests/benchmarks/convolution.py).
"""

import functools
from collections.abc import Callable
from typing import Any

import numpy as np

from synthgen.networks.backend import tf

# pixels; the transforms are dense matrices, whose cost grows with the square of this
LARGEST_MAP = 64
FEWEST_CHANNELS = 64  # on either side
FEWEST_IMAGES = 32  # to transform a kernel for


def pays(images: int | None, height: int, width: int, channels: int, results: int) -> bool:
    """Whether `fourier_conv` is expected to be quicker than TensorFlow's kernels on a CPU.

    Args:
        images: how many there are (None: not known, taken for many).
        height: of the maps.
        width: of the maps.
        channels: of the maps.
        results: channels of the result.
    """
    return (
        (images is None or images >= FEWEST_IMAGES)
        and height * width <= LARGEST_MAP
        and min(channels, results) >= FEWEST_CHANNELS
    )


def fourier_conv(pixels: Any, kernel: Any) -> Any:
    """A convolution of stride 1 with "same" padding, of maps that are stored pixel by pixel.

    Args:
        pixels: (h, w, n, c) float32.
        kernel: (k, k, c, d) float32, k odd.

    Returns:
        (h, w, n, d) float32.
    """
    height, width, _, channels = pixels.shape
    side, results = kernel.shape[0], kernel.shape[3]
    of_maps, of_kernel, back = bilinear(height, width, side)
    products = len(of_maps)
    maps = tf.reshape(
        _transformed(of_maps, tf.reshape(pixels, (height * width, -1))), (products, -1, channels)
    )
    kernels = tf.reshape(
        _transformed(of_kernel, tf.reshape(kernel, (side * side, -1))),
        (products, channels, results),
    )
    return tf.reshape(
        _transformed(back, tf.reshape(maps @ kernels, (products, -1))), (height, width, -1, results)
    )


def _transformed(matrix: Any, values: Any) -> Any:
    """(m, k) NumPy array and (k, n) -> (m, n). TensorFlow's own gradient would transpose the matrix within the product, which is slower."""

    @tf.custom_gradient  # type: ignore[untyped-decorator]
    def product(given: Any) -> tuple[Any, Callable[[Any], Any]]:
        return tf.constant(matrix) @ given, lambda upstream: _transformed(
            np.ascontiguousarray(matrix.T), upstream
        )

    return product(values)


@functools.cache
def bilinear(height: int, width: int, side: int) -> tuple[Any, Any, Any]:
    """Matrices A, B, C with which conv(x, w) is C((A x)(B w)), for a "same" convolution (the kernel is not mirrored).

    A discrete Fourier transform of height + k // 2 by width + k // 2 points: the zeros beyond the
    map are enough for results not to wrap around. Of each pair of conjugate frequencies one is
    kept, and its complex product takes three real ones (Gauss). Winograd 1980 calls such triples
    bilinear algorithms.

    Args:
        height: of the map.
        width: of the map.
        side: k of the kernel, odd.

    Returns:
        A (m, height * width), B (m, k * k) and C (height * width, m), float32.
    """
    axes = [_transforms(size, side) for size in (height, width)]
    of_images, of_kernel, back = (
        np.kron(rows, columns) for rows, columns in zip(*axes, strict=True)
    )
    points = [size + side // 2 for size in (height, width)]
    opposite = np.add.outer(
        -np.arange(points[0]) % points[0] * points[1], -np.arange(points[1]) % points[1]
    ).ravel()
    parts = [
        _products(of_images[f], of_kernel[f], back[:, f], g == f)
        for f, g in enumerate(opposite)
        if f <= g
    ]
    a, b, c = (np.concatenate(rows).astype(np.float32) for rows in zip(*parts, strict=True))
    return a, b, np.ascontiguousarray(c.T)


def _transforms(size: int, side: int) -> tuple[Any, Any, Any]:
    """Along one axis, complex: of the map (points, size), of the kernel (points, side), and back (size, points)."""
    points = size + side // 2
    turn = 2j * np.pi * np.arange(points)[:, None] / points
    return (
        np.exp(-turn * np.arange(size)),
        np.exp(turn * (np.arange(side) - side // 2)),
        np.exp(turn * np.arange(size)).T / points,
    )


def _products(of_image: Any, of_kernel: Any, back: Any, is_real: bool) -> tuple[Any, Any, Any]:
    """The rows of A, B and C^T for one frequency and its conjugate: the real part of back * (image * kernel)."""
    x, w, o = of_image, of_kernel, back
    if is_real:
        return x.real[None], w.real[None], o.real[None]
    of_maps = np.stack([x.real + x.imag, x.real, x.imag])
    of_kernels = np.stack([w.real, w.imag - w.real, w.real + w.imag])
    return of_maps, of_kernels, 2 * np.stack([o.real - o.imag, -o.imag, -o.real])
