"""Convolutions of small maps, computed between Fourier transforms.

They are exact up to rounding, with fewer operations: a 5 x 5 convolution of a 7 x 7 map takes 1225
multiplications for each pair of channels, and 121 between transforms; a 3 x 3 one 441, and 94.
Every step is a matrix product, so TensorFlow derives gradients of any order. On CPUs this is
quicker on small maps with many channels (measured by tests/benchmarks/convolution.py).
"""

import functools
from collections.abc import Callable
from typing import Any

import numpy as np

from synthgen.networks.backend import tf

# pixels; the transforms are dense matrices, whose cost grows with the square of this
LARGEST_MAP = 64
FEWEST_CHANNELS = 64  # of maps and of results
FEWEST_IMAGES = 32  # to transform a kernel for


def fourier_is_quicker(
    images: int | None, height: int, width: int, channels: int, results: int
) -> bool:
    """Return whether `fourier_conv` is expected to be quicker than TensorFlow's kernels on a CPU.

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
    """Convolve maps that are stored pixel by pixel, with stride 1 and "same" padding.

    Args:
        pixels: (h, w, n, c) float32.
        kernel: (k, k, c, d) float32, k odd.

    Returns:
        (h, w, n, d) float32.
    """
    height, width, _, channels = pixels.shape
    side = kernel.shape[0]
    results = kernel.shape[3]
    of_maps, of_kernel, back = bilinear_matrices(height, width, side)
    products = len(of_maps)

    # to the frequencies, one product there for each, and back
    maps = _transformed(of_maps, tf.reshape(pixels, (height * width, -1)))
    maps = tf.reshape(maps, (products, -1, channels))
    kernels = _transformed(of_kernel, tf.reshape(kernel, (side * side, -1)))
    kernels = tf.reshape(kernels, (products, channels, results))
    found = _transformed(back, tf.reshape(maps @ kernels, (products, -1)))
    return tf.reshape(found, (height, width, -1, results))


def _transformed(matrix: Any, values: Any) -> Any:
    """Multiply a NumPy array (m, k) by values (k, n).

    TensorFlow's own gradient would transpose the matrix within the product, which is slower.
    """

    @tf.custom_gradient  # type: ignore[untyped-decorator]
    def product(given: Any) -> tuple[Any, Callable[[Any], Any]]:
        transposed = np.ascontiguousarray(matrix.T)
        return tf.constant(matrix) @ given, lambda upstream: _transformed(transposed, upstream)

    return product(values)


@functools.cache
def bilinear_matrices(height: int, width: int, side: int) -> tuple[Any, Any, Any]:
    """Compute matrices A, B, C with which conv(x, w) is C((A x)(B w)), for "same" padding.

    A discrete Fourier transform of height + k // 2 by width + k // 2 points: the zeros beyond the
    map are enough for results not to wrap around. Of each pair of conjugate frequencies one is
    kept, and its complex product takes three real ones (Gauss). Winograd 1980 calls such triples
    bilinear algorithms. The kernel is not mirrored.

    Args:
        height: of the map.
        width: of the map.
        side: k of the kernel, odd.

    Returns:
        A (m, height * width), B (m, k * k) and C (height * width, m), float32.
    """
    # the transforms of both axes, joined
    rows = _transforms(height, side)
    columns = _transforms(width, side)
    of_images, of_kernel, back = (np.kron(r, c) for r, c in zip(rows, columns, strict=True))

    # each frequency and its conjugate
    row_count = height + side // 2
    column_count = width + side // 2
    conjugate_rows = -np.arange(row_count) % row_count
    conjugate_columns = -np.arange(column_count) % column_count
    conjugates = np.add.outer(conjugate_rows * column_count, conjugate_columns).ravel()

    parts = [
        _products(of_images[f], of_kernel[f], back[:, f], is_real=g == f)
        for f, g in enumerate(conjugates)
        if f <= g
    ]
    a, b, c = (np.concatenate(each).astype(np.float32) for each in zip(*parts, strict=True))
    return a, b, np.ascontiguousarray(c.T)


def _transforms(size: int, side: int) -> tuple[Any, Any, Any]:
    """Compute the complex transforms along one axis.

    Returns:
        Of the map (points, size), of the kernel (points, side), and back (size, points).
    """
    points = size + side // 2
    angles = 2j * np.pi * np.arange(points)[:, None] / points
    of_map = np.exp(-angles * np.arange(size))
    of_kernel = np.exp(angles * (np.arange(side) - side // 2))
    back = np.exp(angles * np.arange(size)).T / points
    return of_map, of_kernel, back


def _products(of_image: Any, of_kernel: Any, back: Any, *, is_real: bool) -> tuple[Any, Any, Any]:
    """Compute the rows of A, B and C^T for one frequency and its conjugate.

    They give the real part of back * (image * kernel).
    """
    x = of_image
    w = of_kernel
    o = back
    if is_real:
        return x.real[None], w.real[None], o.real[None]
    of_maps = np.stack([x.real + x.imag, x.real, x.imag])
    of_kernels = np.stack([w.real, w.imag - w.real, w.real + w.imag])
    return of_maps, of_kernels, 2 * np.stack([o.real - o.imag, -o.imag, -o.real])
