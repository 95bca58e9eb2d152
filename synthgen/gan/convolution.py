"""Convolutions whose gradients run as forward convolutions.

On CPUs, TensorFlow's kernel for the gradient with respect to a convolution's input reaches a quarter of the speed of
its forward kernel (measured by tests/benchmarks/convolution.py). That gradient is itself a convolution, so here it is
computed as one. The functions are each other's gradients, so gradients of any order (R1 needs the second) are quick.
"""

from collections.abc import Callable
from typing import Any

import tensorflow as tf

from synthgen.gan.fourier import fourier_conv, pays

# Taps of a kernel of side 4 or 5 that meet an even and an odd pixel of the larger side, and the pixels that they look beyond either end.
_TAPS = {4: ((3, 1), (2, 0)), 5: ((3, 1), (4, 2, 0))}
_PADDING = {4: ([1, 0], [0, 1]), 5: ([1, 0], [1, 1])}

FEW = 4  # channels of a result; TensorFlow's forward kernels reach a twentieth of their usual speed there


def _strided(images: Any, kernel: Any, stride: int) -> Any:
    return tf.nn.conv2d(images, kernel, stride, "SAME")


def _kernel_gradient(images: Any, kernel: Any, upstream: Any, stride: int) -> Any:
    strides = [1, stride, stride, 1]
    return tf.raw_ops.Conv2DBackpropFilter(input=images, filter_sizes=tf.shape(kernel), out_backprop=upstream, strides=strides, padding="SAME")


def _mirrored(kernel: Any) -> Any:
    """The kernel of the transpose of a convolution of stride 1: (k, k, c, d) -> (k, k, d, c)."""
    return tf.transpose(tf.reverse(kernel, (0, 1)), (0, 1, 3, 2))


def conv(images: Any, kernel: Any) -> Any:
    """A convolution of stride 1 with "same" padding.

    Args:
        images: (n, h, w, c) float32.
        kernel: (k, k, c, d) float32, k odd.

    Returns:
        (n, h, w, d) float32.
    """
    if kernel.shape[3] <= FEW:
        return _to_few(images, kernel)
    if pays(images.shape[1], images.shape[2], kernel):
        return tf.transpose(fourier_conv(tf.transpose(images, (1, 2, 0, 3)), kernel), (2, 0, 1, 3))
    return _direct(images, kernel)


@tf.custom_gradient  # type: ignore[untyped-decorator]
def _to_few(images: Any, kernel: Any) -> tuple[Any, Callable[[Any], tuple[Any, Any]]]:
    """To a few channels: one matrix product for all taps, whose results are then shifted and added."""
    side, _, channels, few = kernel.shape
    rim, by_few = side // 2, tf.transpose(kernel, (0, 1, 3, 2))

    def gradient(upstream: Any) -> tuple[Any, Any]:
        padded = _padded(tf.transpose(upstream, (3, 0, 1, 2)), rim)
        around = tf.reshape(tf.stack([_seen(padded, rim - a, rim - b, rim) for a in range(side) for b in range(side)]), (side * side * few, -1))
        of_images = tf.matmul(around, tf.reshape(by_few, (-1, channels)), transpose_a=True)
        of_kernel = tf.reshape(around @ tf.reshape(images, (-1, channels)), (side, side, few, channels))
        return tf.reshape(of_images, tf.shape(images)), tf.transpose(of_kernel, (0, 1, 3, 2))

    taps = _by_tap(images, by_few, rim)
    result = tf.add_n([_seen(taps[side * a + b], a - rim, b - rim, rim) for a in range(side) for b in range(side)])
    return tf.transpose(result, (1, 2, 3, 0)), gradient


def _by_tap(images: Any, kernel: Any, rim: int) -> list[Any]:
    """(n, h, w, c) and (k, k, few, c) -> what each of the k * k taps makes of each pixel: (few, n, h, w) with a rim of zeros."""
    side, _, few, channels = kernel.shape
    _, height, width, _ = images.shape
    products = tf.matmul(tf.reshape(kernel, (-1, channels)), tf.reshape(images, (-1, channels)), transpose_b=True)
    return list(tf.unstack(_padded(tf.reshape(products, (side * side, few, -1, height, width)), rim)))


def _padded(maps: Any, rim: int) -> Any:
    """A rim of zeros around the last two axes."""
    return tf.pad(maps, [[0, 0]] * (len(maps.shape) - 2) + [[rim, rim]] * 2)


def _seen(padded: Any, down: int, right: int, rim: int) -> Any:
    """Of maps with a rim (..., h, w) what lies so many pixels further down and to the right."""
    height, width = padded.shape[-2] - 2 * rim, padded.shape[-1] - 2 * rim
    return padded[..., rim + down : rim + down + height, rim + right : rim + right + width]


@tf.custom_gradient  # type: ignore[untyped-decorator]
def _direct(images: Any, kernel: Any) -> tuple[Any, Callable[[Any], tuple[Any, Any]]]:

    def gradient(upstream: Any) -> tuple[Any, Any]:
        return _direct(upstream, _mirrored(kernel)), _kernel_gradient(images, kernel, upstream, 1)

    return _strided(images, kernel, 1), gradient


def conv_down(images: Any, kernel: Any) -> Any:
    """A convolution of stride 2 with "same" padding.

    Args:
        images: (n, 2h, 2w, c) float32.
        kernel: (k, k, c, d) float32, k 4 or 5.

    Returns:
        (n, h, w, d) float32.
    """
    height, width, channels = images.shape[1] // 2, images.shape[2] // 2, images.shape[3]
    if kernel.shape[0] == 5 and pays(height, width, over_blocks := _over_blocks(kernel)):
        blocks = tf.transpose(tf.reshape(images, (-1, height, 2, width, 2 * channels)), (1, 3, 0, 2, 4))
        return tf.transpose(fourier_conv(tf.reshape(blocks, (height, width, -1, 4 * channels)), over_blocks), (2, 0, 1, 3))
    return _direct_down(images, kernel)


def _over_blocks(kernel: Any) -> Any:
    """A kernel of stride 2 (5, 5, c, d) as one of stride 1 over blocks of 2 x 2 pixels (3, 3, 4c, d)."""
    _, _, channels, results = kernel.shape
    six = tf.reshape(tf.pad(kernel, [[1, 0], [1, 0], [0, 0], [0, 0]]), (3, 2, 3, 2, channels, results))
    return tf.reshape(tf.transpose(six, (0, 2, 1, 3, 4, 5)), (3, 3, 4 * channels, results))


@tf.custom_gradient  # type: ignore[untyped-decorator]
def _direct_down(images: Any, kernel: Any) -> tuple[Any, Callable[[Any], tuple[Any, Any]]]:

    def gradient(upstream: Any) -> tuple[Any, Any]:
        return _direct_up(upstream, kernel), _kernel_gradient(images, kernel, upstream, 2)

    return _strided(images, kernel, 2), gradient


def conv_up(images: Any, kernel: Any) -> Any:
    """The transpose of `conv_down`: a transposed convolution of stride 2.

    Args:
        images: (n, h, w, d) float32.
        kernel: (k, k, c, d) float32, k 4 or 5.

    Returns:
        (n, 2h, 2w, c) float32.
    """
    _, height, width, _ = images.shape
    if kernel.shape[0] == 5 and kernel.shape[2] > FEW and pays(height, width, to_blocks := _mirrored(_over_blocks(kernel))):
        blocks = fourier_conv(tf.transpose(images, (1, 2, 0, 3)), to_blocks)
        rows = tf.transpose(tf.reshape(blocks, (height, width, -1, 2, 2 * kernel.shape[2])), (2, 0, 3, 1, 4))
        return tf.reshape(rows, (-1, 2 * height, 2 * width, kernel.shape[2]))
    return _direct_up(images, kernel)


@tf.custom_gradient  # type: ignore[untyped-decorator]
def _direct_up(images: Any, kernel: Any) -> tuple[Any, Callable[[Any], tuple[Any, Any]]]:

    def gradient(upstream: Any) -> tuple[Any, Any]:
        return _direct_down(upstream, kernel), _kernel_gradient(upstream, kernel, images, 2)

    return (_up_to_few if kernel.shape[2] <= FEW else _by_phases)(images, kernel), gradient


def _up_to_few(images: Any, kernel: Any) -> Any:
    """One matrix product for all taps, whose results are then shifted and added, those of each phase by themselves, and interleaved."""
    side, few = kernel.shape[0], kernel.shape[2]
    _, height, width, _ = images.shape
    taps = _by_tap(images, kernel, 1)

    def phase(row: int, column: int) -> Any:
        met = [(a, b) for a in range(side) for b in range(side) if (a - row) % 2 and (b - column) % 2]
        return tf.add_n([_seen(taps[side * a + b], (row + 1 - a) // 2, (column + 1 - b) // 2, 1) for a, b in met])

    rows = tf.stack([tf.stack([phase(row, 0), phase(row, 1)], axis=-1) for row in (0, 1)], axis=-3)  # (few, n, h, 2, w, 2)
    return tf.transpose(tf.reshape(rows, (few, -1, 2 * height, 2 * width)), (1, 2, 3, 0))


def _by_phases(images: Any, kernel: Any) -> Any:
    """Each of the four phases of the result is a small convolution with its own taps; then they are interleaved."""
    taps, padding = _TAPS[kernel.shape[0]], _PADDING[kernel.shape[0]]
    rows = []
    for row in (0, 1):
        phases = []
        for column in (0, 1):
            part = tf.gather(tf.gather(kernel, taps[row], axis=0), taps[column], axis=1)
            around = [[0, 0], padding[row], padding[column], [0, 0]]
            phases.append(tf.nn.conv2d(images, tf.transpose(part, (0, 1, 3, 2)), 1, around))
        rows.append(tf.stack(phases, axis=3))  # (n, h, w, 2, c)
    _, height, width, _ = images.shape
    return tf.reshape(tf.stack(rows, axis=2), (-1, 2 * height, 2 * width, kernel.shape[2]))
