"""Convolutions whose gradients run as forward convolutions.

TensorFlow's CPU kernel for the gradient with respect to a convolution's input reaches a quarter of
the speed of its forward kernel without AVX-512 (measured by tests/benchmarks/convolution.py). That
gradient is itself a convolution, so here it is computed as one. The functions are each other's
gradients, so gradients of any order (R1 needs the second) are quick.
"""

from collections.abc import Callable
from typing import Any

from synthgen.networks.backend import tf
from synthgen.networks.convolution.few_channels import FEW_CHANNELS, taps_of_phase, up_to_few


@tf.custom_gradient  # type: ignore[untyped-decorator]
def direct(images: Any, kernel: Any) -> tuple[Any, Callable[[Any], tuple[Any, Any]]]:
    """Convolve (n, h, w, c) by (k, k, c, d) to (n, h, w, d) float32: see `convolution.conv`."""

    def gradient(upstream: Any) -> tuple[Any, Any]:
        return direct(upstream, mirrored(kernel)), _kernel_gradient(images, kernel, upstream, 1)

    return tf.nn.conv2d(images, kernel, 1, "SAME"), gradient


@tf.custom_gradient  # type: ignore[untyped-decorator]
def direct_down(images: Any, kernel: Any) -> tuple[Any, Callable[[Any], tuple[Any, Any]]]:
    """Convolve (n, 2h, 2w, c) by (k, k, c, d) to (n, h, w, d): see `convolution.conv_down`."""

    def gradient(upstream: Any) -> tuple[Any, Any]:
        return direct_up(upstream, kernel), _kernel_gradient(images, kernel, upstream, 2)

    return tf.nn.conv2d(images, kernel, 2, "SAME"), gradient


@tf.custom_gradient  # type: ignore[untyped-decorator]
def direct_up(images: Any, kernel: Any) -> tuple[Any, Callable[[Any], tuple[Any, Any]]]:
    """Convolve (n, h, w, d) by (k, k, c, d) to (n, 2h, 2w, c): see `convolution.conv_up`."""

    def gradient(upstream: Any) -> tuple[Any, Any]:
        return direct_down(upstream, kernel), _kernel_gradient(upstream, kernel, images, 2)

    if kernel.shape[2] <= FEW_CHANNELS:
        return up_to_few(images, kernel), gradient
    return up_by_phases(images, kernel), gradient


def mirrored(kernel: Any) -> Any:
    """Return the kernel of the transpose of a convolution of stride 1, (k, k, d, c)."""
    return tf.transpose(tf.reverse(kernel, (0, 1)), (0, 1, 3, 2))


def up_by_phases(images: Any, kernel: Any) -> Any:
    """Convolve transposed, phase by phase.

    Each of the four phases of the result (even or odd rows, even or odd columns) is a small
    convolution with its own taps; then they are interleaved.

    Args:
        images: (n, h, w, d) float32.
        kernel: (k, k, c, d) float32, k 4 or 5.

    Returns:
        (n, 2h, 2w, c) float32.
    """
    _, height, width, _ = images.shape
    taps = [taps_of_phase(kernel.shape[0], phase) for phase in (0, 1)]
    padding = [[-min(of_phase.values()), max(of_phase.values())] for of_phase in taps]
    # the topmost pixel is met by the last tap
    order = [list(reversed(of_phase)) for of_phase in taps]
    rows = []
    for row in (0, 1):
        phases = []
        for column in (0, 1):
            part = tf.gather(kernel, order[row], axis=0)
            part = tf.gather(part, order[column], axis=1)
            part = tf.transpose(part, (0, 1, 3, 2))
            around = [[0, 0], padding[row], padding[column], [0, 0]]
            phases.append(tf.nn.conv2d(images, part, 1, around))
        rows.append(tf.stack(phases, axis=3))  # (n, h, w, 2, c)
    return tf.reshape(tf.stack(rows, axis=2), (-1, 2 * height, 2 * width, kernel.shape[2]))


def _kernel_gradient(images: Any, kernel: Any, upstream: Any, stride: int) -> Any:
    return tf.raw_ops.Conv2DBackpropFilter(
        input=images,
        filter_sizes=tf.shape(kernel),
        out_backprop=upstream,
        strides=[1, stride, stride, 1],
        padding="SAME",
    )
