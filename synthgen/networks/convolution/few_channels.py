"""Convolutions to a few channels, where TensorFlow's kernels reach a twentieth of their usual speed on CPUs: one matrix product for all taps."""

from collections.abc import Callable
from typing import Any

from synthgen.networks.backend import tf

FEW = 4  # channels of a result


@tf.custom_gradient  # type: ignore[untyped-decorator]
def to_few(images: Any, kernel: Any) -> tuple[Any, Callable[[Any], tuple[Any, Any]]]:
    """(n, h, w, c), (k, k, c, d) -> (n, h, w, d) float32, see `convolution.conv`: what the taps make of the pixels is shifted and added."""
    side, _, channels, few = kernel.shape
    rim, by_few = side // 2, tf.transpose(kernel, (0, 1, 3, 2))

    def gradient(upstream: Any) -> tuple[Any, Any]:
        padded = _padded(tf.transpose(upstream, (3, 0, 1, 2)), rim)
        views = [
            _shifted_view(padded, rim - a, rim - b, rim) for a in range(side) for b in range(side)
        ]
        around = tf.reshape(tf.stack(views), (side * side * few, -1))
        of_images = tf.matmul(around, tf.reshape(by_few, (-1, channels)), transpose_a=True)
        of_kernel = tf.reshape(
            around @ tf.reshape(images, (-1, channels)), (side, side, few, channels)
        )
        return tf.reshape(of_images, tf.shape(images)), tf.transpose(of_kernel, (0, 1, 3, 2))

    taps = _products_by_tap(images, by_few, rim)
    result = tf.add_n(
        [
            _shifted_view(taps[side * a + b], a - rim, b - rim, rim)
            for a in range(side)
            for b in range(side)
        ]
    )
    return tf.transpose(result, (1, 2, 3, 0)), gradient


def up_to_few(images: Any, kernel: Any) -> Any:
    """(n, h, w, d), (k, k, c, d) -> (n, 2h, 2w, c) float32, see `convolution.conv_up`: the same for each of four phases, then interleaved."""
    side, few = kernel.shape[0], kernel.shape[2]
    _, height, width, _ = images.shape
    taps = _products_by_tap(images, kernel, 1)

    def phase(row: int, column: int) -> Any:
        rows, columns = taps_of_phase(side, row), taps_of_phase(side, column)
        return tf.add_n(
            [
                _shifted_view(taps[side * a + b], down, right, 1)
                for a, down in rows.items()
                for b, right in columns.items()
            ]
        )

    # (few, n, h, 2, w, 2)
    rows = tf.stack([tf.stack([phase(row, 0), phase(row, 1)], axis=-1) for row in (0, 1)], axis=-3)
    return tf.transpose(tf.reshape(rows, (few, -1, 2 * height, 2 * width)), (1, 2, 3, 0))


def taps_of_phase(side: int, phase: int) -> dict[int, int]:
    """Which taps of a kernel of stride 2 meet the even (0) or odd (1) pixels of the larger side, and how far from it each finds its smaller pixel.

    Args:
        side: of the kernel, 4 or 5.
        phase: 0 or 1.

    Returns:
        Pixels further down or to the right, from 1 to -1, by tap in rising order.

    Example:
        >>> taps_of_phase(5, 1)
        {0: 1, 2: 0, 4: -1}
    """
    return {tap: (phase + 1 - tap) // 2 for tap in range(side) if (tap - phase) % 2}


def _products_by_tap(images: Any, kernel: Any, rim: int) -> list[Any]:
    """(n, h, w, c) and (k, k, few, c) -> what each of the k * k taps makes of each pixel: (few, n, h, w) with a rim of zeros."""
    side, _, few, channels = kernel.shape
    _, height, width, _ = images.shape
    products = tf.matmul(
        tf.reshape(kernel, (-1, channels)), tf.reshape(images, (-1, channels)), transpose_b=True
    )
    taps: list[Any] = tf.unstack(
        _padded(tf.reshape(products, (side * side, few, -1, height, width)), rim)
    )
    return taps


def _padded(maps: Any, rim: int) -> Any:
    """A rim of zeros around the last two axes."""
    return tf.pad(maps, [[0, 0]] * (len(maps.shape) - 2) + [[rim, rim]] * 2)


def _shifted_view(padded: Any, down: int, right: int, rim: int) -> Any:
    """Of maps with a rim (..., h, w) what lies so many pixels further down and to the right."""
    height, width = padded.shape[-2] - 2 * rim, padded.shape[-1] - 2 * rim
    return padded[..., rim + down : rim + down + height, rim + right : rim + right + width]
