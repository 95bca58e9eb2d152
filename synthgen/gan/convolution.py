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
    return fourier_conv(images, kernel) if pays(images, kernel) else _direct(images, kernel)


@tf.custom_gradient  # type: ignore[untyped-decorator]
def _to_few(images: Any, kernel: Any) -> tuple[Any, Callable[[Any], tuple[Any, Any]]]:
    """To a few channels: one matrix product for all taps, whose results are then shifted and added."""
    side, _, channels, results = kernel.shape
    _, height, width, _ = images.shape
    pixels = tf.reshape(images, (-1, channels))

    def gradient(upstream: Any) -> tuple[Any, Any]:
        around = tf.reshape(tf.concat(_shifted(upstream, side), 3), (-1, side * side * results))
        mirrored = tf.reshape(tf.transpose(tf.reverse(kernel, (0, 1)), (0, 1, 3, 2)), (-1, channels))
        of_taps = tf.reshape(tf.matmul(around, pixels, transpose_a=True), (side, side, results, channels))
        of_kernel = tf.reverse(tf.transpose(of_taps, (0, 1, 3, 2)), (0, 1))
        return tf.reshape(around @ mirrored, tf.shape(images)), of_kernel

    by_tap = tf.reshape(pixels @ tf.reshape(tf.transpose(kernel, (2, 0, 1, 3)), (channels, -1)), (-1, height, width, side * side * results))
    taps = tf.split(_padded(by_tap, side), side * side, 3)
    views = [taps[side * a + b][:, a : a + height, b : b + width] for a in range(side) for b in range(side)]
    return tf.add_n(views), gradient


def _padded(images: Any, side: int) -> Any:
    rim = [side // 2, side // 2]
    return tf.pad(images, [[0, 0], rim, rim, [0, 0]])


def _shifted(images: Any, side: int) -> list[Any]:
    """What each tap of a kernel sees: side * side times the shape of the images."""
    _, height, width, _ = images.shape
    padded = _padded(images, side)
    return [padded[:, a : a + height, b : b + width] for a in range(side) for b in range(side)]


@tf.custom_gradient  # type: ignore[untyped-decorator]
def _direct(images: Any, kernel: Any) -> tuple[Any, Callable[[Any], tuple[Any, Any]]]:

    def gradient(upstream: Any) -> tuple[Any, Any]:
        mirrored = tf.transpose(tf.reverse(kernel, (0, 1)), (0, 1, 3, 2))
        return _direct(upstream, mirrored), _kernel_gradient(images, kernel, upstream, 1)

    return _strided(images, kernel, 1), gradient


@tf.custom_gradient  # type: ignore[untyped-decorator]
def conv_down(images: Any, kernel: Any) -> tuple[Any, Callable[[Any], tuple[Any, Any]]]:
    """A convolution of stride 2 with "same" padding.

    Args:
        images: (n, 2h, 2w, c) float32.
        kernel: (k, k, c, d) float32, k 4 or 5.

    Returns:
        (n, h, w, d) float32.
    """

    def gradient(upstream: Any) -> tuple[Any, Any]:
        return conv_up(upstream, kernel), _kernel_gradient(images, kernel, upstream, 2)

    return _strided(images, kernel, 2), gradient


@tf.custom_gradient  # type: ignore[untyped-decorator]
def conv_up(images: Any, kernel: Any) -> tuple[Any, Callable[[Any], tuple[Any, Any]]]:
    """The transpose of `conv_down`: a transposed convolution of stride 2.

    Args:
        images: (n, h, w, d) float32.
        kernel: (k, k, c, d) float32, k 4 or 5.

    Returns:
        (n, 2h, 2w, c) float32.
    """

    def gradient(upstream: Any) -> tuple[Any, Any]:
        return conv_down(upstream, kernel), _kernel_gradient(upstream, kernel, images, 2)

    return (_natively if kernel.shape[2] <= FEW else _by_phases)(images, kernel), gradient


def _natively(images: Any, kernel: Any) -> Any:
    """TensorFlow's own kernel: the quickest for a few channels, a quarter as quick for many."""
    count, height, width = tf.shape(images)[0], images.shape[1], images.shape[2]
    return tf.nn.conv2d_transpose(images, kernel, (count, 2 * height, 2 * width, kernel.shape[2]), 2, "SAME")


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
