"""Convolutions whose gradients run as forward convolutions.

On CPUs, TensorFlow's kernel for the gradient with respect to a convolution's input reaches a quarter of the speed of
its forward kernel (measured by tests/benchmarks/convolution.py). That gradient is itself a convolution, so here it is
computed as one. The functions are each other's gradients, so gradients of any order (R1 needs the second) are quick.
"""

from collections.abc import Callable
from typing import Any

import tensorflow as tf

# Taps of a kernel of side 4 or 5 that meet an even and an odd pixel of the larger side; 5 stands for a tap that is 0.
_TAPS = {4: ((3, 1), (2, 0)), 5: ((3, 1, 5), (4, 2, 0))}


def _strided(images: Any, kernel: Any, stride: int) -> Any:
    return tf.nn.conv2d(images, kernel, stride, "SAME")


def _kernel_gradient(images: Any, kernel: Any, upstream: Any, stride: int) -> Any:
    strides = [1, stride, stride, 1]
    return tf.raw_ops.Conv2DBackpropFilter(input=images, filter_sizes=tf.shape(kernel), out_backprop=upstream, strides=strides, padding="SAME")


@tf.custom_gradient  # type: ignore[untyped-decorator]
def conv(images: Any, kernel: Any) -> tuple[Any, Callable[[Any], tuple[Any, Any]]]:
    """A convolution of stride 1 with "same" padding.

    Args:
        images: (n, h, w, c) float32.
        kernel: (k, k, c, d) float32, k odd.

    Returns:
        (n, h, w, d) float32.
    """

    def gradient(upstream: Any) -> tuple[Any, Any]:
        mirrored = tf.transpose(tf.reverse(kernel, (0, 1)), (0, 1, 3, 2))
        return conv(upstream, mirrored), _kernel_gradient(images, kernel, upstream, 1)

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

    return _transposed(images, kernel), gradient


def _transposed(images: Any, kernel: Any) -> Any:
    """Each of the four phases of the result is a small convolution: all four at once, then interleaved."""
    side = kernel.shape[0]
    padded = tf.pad(kernel, [[0, side - 4], [0, side - 4], [0, 0], [0, 0]])
    taps = [tf.gather(tf.gather(padded, rows, axis=0), columns, axis=1) for rows in _TAPS[side] for columns in _TAPS[side]]
    phases = tf.concat([tf.transpose(part, (0, 1, 3, 2)) for part in taps], axis=3)  # (2 or 3, 2 or 3, d, 4c)
    mixed = tf.nn.conv2d(images, phases, 1, "SAME") if side == 5 else _aligned(images, phases)
    return tf.nn.depth_to_space(mixed, 2)


def _aligned(images: Any, phases: Any) -> Any:
    """2 x 2 convolutions whose four phases look one pixel further down or right: (n, h, w, d) -> (n, h, w, 4c)."""
    height, width, small = images.shape[1], images.shape[2], phases.shape[3] // 4
    mixed = tf.nn.conv2d(tf.pad(images, [[0, 0], [1, 1], [1, 1], [0, 0]]), phases, 1, "VALID")  # (n, h + 1, w + 1, 4c)
    parts = [mixed[:, a : a + height, b : b + width, (2 * a + b) * small : (2 * a + b + 1) * small] for a in (0, 1) for b in (0, 1)]
    return tf.concat(parts, axis=3)
