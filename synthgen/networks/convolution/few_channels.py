"""Convolutions to a few channels: one matrix product for all taps.

TensorFlow's kernels reach a twentieth of their usual speed there on CPUs (measured by
tests/benchmarks/convolution.py).
"""

from collections.abc import Callable
from typing import Any

from synthgen.networks.backend import tf

FEW_CHANNELS = 4  # of a result, at most


@tf.custom_gradient  # type: ignore[untyped-decorator]
def to_few(images: Any, kernel: Any) -> tuple[Any, Callable[[Any], tuple[Any, Any]]]:
    """Convolve (n, h, w, c) by (k, k, c, d) to (n, h, w, d) float32: see `convolution.conv`.

    What each tap makes of all pixels is shifted to where the tap stands, and added up.
    """
    side, _, channels, few = kernel.shape
    rim = side // 2
    by_few = tf.transpose(kernel, (0, 1, 3, 2))  # (k, k, d, c)

    def gradient(upstream: Any) -> tuple[Any, Any]:
        # what lies around each pixel of the upstream gradient, (k * k * d, n * h * w)
        padded = _padded(tf.transpose(upstream, (3, 0, 1, 2)), rim)
        views = [
            _shifted_view(padded, rim - row, rim - column, rim)
            for row in range(side)
            for column in range(side)
        ]
        around = tf.reshape(tf.stack(views), (side * side * few, -1))

        of_images = tf.matmul(around, tf.reshape(by_few, (-1, channels)), transpose_a=True)
        of_kernel = around @ tf.reshape(images, (-1, channels))
        of_kernel = tf.reshape(of_kernel, (side, side, few, channels))
        return tf.reshape(of_images, tf.shape(images)), tf.transpose(of_kernel, (0, 1, 3, 2))

    taps = _products_by_tap(images, by_few, rim)
    shifted = [
        _shifted_view(taps[side * row + column], row - rim, column - rim, rim)
        for row in range(side)
        for column in range(side)
    ]
    return tf.transpose(tf.add_n(shifted), (1, 2, 3, 0)), gradient


def up_to_few(images: Any, kernel: Any) -> Any:
    """Convolve (n, h, w, d) by (k, k, c, d) to (n, 2h, 2w, c): see `convolution.conv_up`.

    What the taps of each of four phases make of all pixels is shifted and added up; then the phases
    are interleaved.
    """
    side = kernel.shape[0]
    few = kernel.shape[2]
    _, height, width, _ = images.shape
    taps = _products_by_tap(images, kernel, 1)
    rows = []
    for row in (0, 1):
        phases = []
        for column in (0, 1):
            shifted = [
                _shifted_view(taps[side * a + b], down, right, 1)
                for a, down in taps_of_phase(side, row).items()
                for b, right in taps_of_phase(side, column).items()
            ]
            phases.append(tf.add_n(shifted))
        rows.append(tf.stack(phases, axis=-1))  # (few, n, h, w, 2)
    interleaved = tf.reshape(tf.stack(rows, axis=-3), (few, -1, 2 * height, 2 * width))
    return tf.transpose(interleaved, (1, 2, 3, 0))


def taps_of_phase(side: int, phase: int) -> dict[int, int]:
    """Find the taps of a kernel of stride 2 that meet the even or odd pixels of the larger side.

    Args:
        side: of the kernel, 4 or 5.
        phase: 0 for even pixels, 1 for odd ones.

    Returns:
        How far from the pixel each tap finds its smaller pixel: pixels further down or to the
        right, from 1 to -1, by tap in rising order.

    Example:
        >>> taps_of_phase(5, 1)
        {0: 1, 2: 0, 4: -1}
    """
    return {tap: (phase + 1 - tap) // 2 for tap in range(side) if (tap - phase) % 2}


def _products_by_tap(images: Any, kernel: Any, rim: int) -> list[Any]:
    """Compute what each of the k * k taps makes of each pixel.

    Args:
        images: (n, h, w, c) float32.
        kernel: (k, k, few, c) float32.
        rim: pixels of zeros around the result.

    Returns:
        (few, n, h + 2 rim, w + 2 rim) float32 for each tap.
    """
    side, _, few, channels = kernel.shape
    _, height, width, _ = images.shape
    products = tf.matmul(
        tf.reshape(kernel, (-1, channels)), tf.reshape(images, (-1, channels)), transpose_b=True
    )
    maps = tf.reshape(products, (side * side, few, -1, height, width))
    taps: list[Any] = tf.unstack(_padded(maps, rim))
    return taps


def _padded(maps: Any, rim: int) -> Any:
    """Put a rim of zeros around the last two axes."""
    return tf.pad(maps, [[0, 0]] * (len(maps.shape) - 2) + [[rim, rim]] * 2)


def _shifted_view(padded: Any, down: int, right: int, rim: int) -> Any:
    """Return of maps with a rim, (..., h, w), what lies so many pixels further down and right."""
    height = padded.shape[-2] - 2 * rim
    width = padded.shape[-1] - 2 * rim
    return padded[..., rim + down : rim + down + height, rim + right : rim + right + width]
