"""Convolutions whose gradients run as forward convolutions.

On CPUs, TensorFlow's kernel for the gradient with respect to a convolution's input reaches a quarter of the speed of
its forward kernel (measured by tests/benchmarks/convolution.py). That gradient is itself a convolution, so here it is
computed as one. The functions are each other's gradients, so gradients of any order (R1 needs the second) are quick.
"""

from collections.abc import Callable
from typing import Any

import tensorflow as tf
from keras import layers

_EVEN, _ODD = (3, 1), (2, 0)  # taps of a 4 x 4 kernel that meet an even and an odd pixel of the larger side


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
    """A 4 x 4 convolution of stride 2 with "same" padding.

    Args:
        images: (n, 2h, 2w, c) float32.
        kernel: (4, 4, c, d) float32.

    Returns:
        (n, h, w, d) float32.
    """

    def gradient(upstream: Any) -> tuple[Any, Any]:
        return conv_up(upstream, kernel), _kernel_gradient(images, kernel, upstream, 2)

    return _strided(images, kernel, 2), gradient


@tf.custom_gradient  # type: ignore[untyped-decorator]
def conv_up(images: Any, kernel: Any) -> tuple[Any, Callable[[Any], tuple[Any, Any]]]:
    """The transpose of `conv_down`: a 4 x 4 transposed convolution of stride 2.

    Args:
        images: (n, h, w, d) float32.
        kernel: (4, 4, c, d) float32.

    Returns:
        (n, 2h, 2w, c) float32.
    """

    def gradient(upstream: Any) -> tuple[Any, Any]:
        return conv_down(upstream, kernel), _kernel_gradient(upstream, kernel, images, 2)

    return _transposed(images, kernel), gradient


def _transposed(images: Any, kernel: Any) -> Any:
    """Each of the four phases of the result is a 2 x 2 convolution: all four at once, then interleaved."""
    height, width, small = images.shape[1], images.shape[2], kernel.shape[2]
    taps = [tf.gather(tf.gather(kernel, rows, axis=0), columns, axis=1) for rows in (_EVEN, _ODD) for columns in (_EVEN, _ODD)]
    phases = tf.concat([tf.transpose(part, (0, 1, 3, 2)) for part in taps], axis=3)  # (2, 2, d, 4c)
    padded = tf.pad(images, [[0, 0], [1, 1], [1, 1], [0, 0]])
    mixed = tf.nn.conv2d(padded, phases, 1, "VALID")  # (n, h + 1, w + 1, 4c)
    parts = [mixed[:, a : a + height, b : b + width, (2 * a + b) * small : (2 * a + b + 1) * small] for a in (0, 1) for b in (0, 1)]
    return tf.nn.depth_to_space(tf.concat(parts, axis=3), 2)


class Convolution(layers.Layer):
    """`conv`, `conv_down` or `conv_up` with a kernel and, if asked for, a bias.

    Args:
        channels: of the result.
        kind: "same", "down" or "up".
        initializer: of the kernel.
        use_bias: add one number a channel.
    """

    def __init__(self, channels: int, kind: str, initializer: Any, use_bias: bool = True, **options: Any) -> None:
        super().__init__(**options)
        self.channels, self.kind, self.initializer, self.use_bias = channels, kind, initializer, use_bias

    def build(self, input_shape: Any) -> None:
        """Make the kernel: (3, 3, in, out), (4, 4, in, out) or, transposed, (4, 4, out, in)."""
        side, ends = (3 if self.kind == "same" else 4), (input_shape[-1], self.channels)
        shape = (side, side, *(reversed(ends) if self.kind == "up" else ends))
        self.kernel = self.add_weight(name="kernel", shape=shape, initializer=self.initializer)
        self.bias = self.add_weight(name="bias", shape=(self.channels,), initializer="zeros") if self.use_bias else None

    def call(self, inputs: Any) -> Any:
        """(n, h, w, c) float32 -> (n, h', w', channels) float32."""
        function = {"same": conv, "down": conv_down, "up": conv_up}[self.kind]
        result = function(inputs, tf.convert_to_tensor(self.kernel))
        return result if self.bias is None else tf.nn.bias_add(result, self.bias)
