"""The convolutions of the networks: on each kind of processor, for each size, the quickest way known.

GPUs have good kernels for all of them. On CPUs small maps with many channels go between Fourier
transforms, a few channels come from one matrix product, and the others are convolutions whose
gradients are convolutions (tests/benchmarks/convolution.py has the times). All of them have
gradients of any order.
"""

from typing import Any

from synthgen.networks.backend import tf
from synthgen.networks.convolution.direct import direct, direct_down, direct_up, mirrored
from synthgen.networks.convolution.few_channels import FEW, to_few
from synthgen.networks.convolution.fourier import fourier_conv, pays

WIDE = 5  # side of a strided kernel; with 4 direct convolutions are as quick


def conv(images: Any, kernel: Any) -> Any:
    """A convolution of stride 1 with "same" padding.

    Args:
        images: (n, h, w, c) float32.
        kernel: (k, k, c, d) float32, k odd.

    Returns:
        (n, h, w, d) float32.
    """
    if _on_gpu():
        return tf.nn.conv2d(images, kernel, 1, "SAME")
    count, height, width, channels = images.shape
    if kernel.shape[3] <= FEW:
        return to_few(images, kernel)
    if pays(count, height, width, channels, kernel.shape[3]):
        return tf.transpose(fourier_conv(tf.transpose(images, (1, 2, 0, 3)), kernel), (2, 0, 1, 3))
    return direct(images, kernel)


def conv_down(images: Any, kernel: Any) -> Any:
    """A convolution of stride 2 with "same" padding.

    Args:
        images: (n, 2h, 2w, c) float32.
        kernel: (k, k, c, d) float32, k 4 or 5.

    Returns:
        (n, h, w, d) float32.
    """
    if _on_gpu():
        return tf.nn.conv2d(images, kernel, 2, "SAME")
    count, height, width, channels = (
        images.shape[0],
        images.shape[1] // 2,
        images.shape[2] // 2,
        images.shape[3],
    )
    if kernel.shape[0] == WIDE and pays(count, height, width, 4 * channels, kernel.shape[3]):
        blocks = tf.transpose(
            tf.reshape(images, (-1, height, 2, width, 2 * channels)), (1, 3, 0, 2, 4)
        )
        return tf.transpose(
            fourier_conv(
                tf.reshape(blocks, (height, width, -1, 4 * channels)), _over_blocks(kernel)
            ),
            (2, 0, 1, 3),
        )
    return direct_down(images, kernel)


def conv_up(images: Any, kernel: Any) -> Any:
    """The transpose of `conv_down`: a transposed convolution of stride 2.

    Args:
        images: (n, h, w, d) float32.
        kernel: (k, k, c, d) float32, k 4 or 5.

    Returns:
        (n, 2h, 2w, c) float32.
    """
    count, height, width, results = images.shape
    channels = kernel.shape[2]
    if _on_gpu():
        return tf.nn.conv2d_transpose(
            images, kernel, (tf.shape(images)[0], 2 * height, 2 * width, channels), 2, "SAME"
        )
    if kernel.shape[0] == WIDE and pays(count, height, width, results, 4 * channels):
        blocks = fourier_conv(tf.transpose(images, (1, 2, 0, 3)), mirrored(_over_blocks(kernel)))
        blocks = tf.reshape(blocks, (height, width, -1, 2, 2 * channels))
        return tf.reshape(
            tf.transpose(blocks, (2, 0, 3, 1, 4)), (-1, 2 * height, 2 * width, channels)
        )
    return direct_up(images, kernel)


def _on_gpu() -> bool:
    return bool(tf.config.list_logical_devices("GPU"))


def _over_blocks(kernel: Any) -> Any:
    """A kernel of stride 2 (5, 5, c, d) as one of stride 1 over blocks of 2 x 2 pixels (3, 3, 4c, d)."""
    _, _, channels, results = kernel.shape
    six = tf.reshape(
        tf.pad(kernel, [[1, 0], [1, 0], [0, 0], [0, 0]]), (3, 2, 3, 2, channels, results)
    )
    return tf.reshape(tf.transpose(six, (0, 2, 1, 3, 4, 5)), (3, 3, 4 * channels, results))
