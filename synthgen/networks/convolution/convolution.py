"""The convolutions of the networks, each in the quickest way known for the processor and its size.

GPUs have good kernels for all of them. On CPUs small maps with many channels go between Fourier
transforms, a few channels come from one matrix product, and the others are convolutions whose
gradients are convolutions (tests/benchmarks/convolution.py has the times). All of them have
gradients of any order.
"""

from typing import Any

from synthgen.networks.backend import tf
from synthgen.networks.convolution.direct import direct, direct_down, direct_up, mirrored
from synthgen.networks.convolution.few_channels import FEW_CHANNELS, to_few
from synthgen.networks.convolution.fourier import fourier_conv, fourier_is_quicker

WIDE_KERNEL = 5  # side of a strided kernel; with 4 direct convolutions are as quick


def conv(images: Any, kernel: Any) -> Any:
    """Convolve with stride 1 and "same" padding.

    Args:
        images: (n, h, w, c) float32.
        kernel: (k, k, c, d) float32, k odd.

    Returns:
        (n, h, w, d) float32.
    """
    if _on_gpu():
        return tf.nn.conv2d(images, kernel, 1, "SAME")
    count, height, width, channels = images.shape
    results = kernel.shape[3]
    if results <= FEW_CHANNELS:
        return to_few(images, kernel)
    if fourier_is_quicker(count, height, width, channels, results):
        by_pixel = tf.transpose(images, (1, 2, 0, 3))  # (h, w, n, c)
        return tf.transpose(fourier_conv(by_pixel, kernel), (2, 0, 1, 3))
    return direct(images, kernel)


def conv_down(images: Any, kernel: Any) -> Any:
    """Convolve with stride 2 and "same" padding.

    Args:
        images: (n, 2h, 2w, c) float32.
        kernel: (k, k, c, d) float32, k 4 or 5.

    Returns:
        (n, h, w, d) float32.
    """
    if _on_gpu():
        return tf.nn.conv2d(images, kernel, 2, "SAME")
    count, height, width, channels = images.shape
    height //= 2
    width //= 2
    wide = kernel.shape[0] == WIDE_KERNEL
    if wide and fourier_is_quicker(count, height, width, 4 * channels, kernel.shape[3]):
        # a convolution of stride 1 over blocks of 2 x 2 pixels
        blocks = tf.reshape(images, (-1, height, 2, width, 2 * channels))
        blocks = tf.transpose(blocks, (1, 3, 0, 2, 4))  # (h, w, n, 2, 2c)
        blocks = tf.reshape(blocks, (height, width, -1, 4 * channels))
        results = fourier_conv(blocks, kernel_over_blocks(kernel))
        return tf.transpose(results, (2, 0, 1, 3))
    return direct_down(images, kernel)


def conv_up(images: Any, kernel: Any) -> Any:
    """Convolve transposed with stride 2: the transpose of `conv_down`.

    Args:
        images: (n, h, w, d) float32.
        kernel: (k, k, c, d) float32, k 4 or 5.

    Returns:
        (n, 2h, 2w, c) float32.
    """
    count, height, width, results = images.shape
    channels = kernel.shape[2]
    if _on_gpu():
        shape = (tf.shape(images)[0], 2 * height, 2 * width, channels)
        return tf.nn.conv2d_transpose(images, kernel, shape, 2, "SAME")
    wide = kernel.shape[0] == WIDE_KERNEL
    if wide and fourier_is_quicker(count, height, width, results, 4 * channels):
        by_pixel = tf.transpose(images, (1, 2, 0, 3))  # (h, w, n, d)
        blocks = fourier_conv(by_pixel, mirrored(kernel_over_blocks(kernel)))
        blocks = tf.reshape(blocks, (height, width, -1, 2, 2 * channels))
        rows = tf.transpose(blocks, (2, 0, 3, 1, 4))  # (n, h, 2, w, 2c)
        return tf.reshape(rows, (-1, 2 * height, 2 * width, channels))
    return direct_up(images, kernel)


def kernel_over_blocks(kernel: Any) -> Any:
    """Rewrite a kernel of stride 2 as one of stride 1 over blocks of 2 x 2 pixels.

    Args:
        kernel: (5, 5, c, d) float32.

    Returns:
        (3, 3, 4c, d) float32.
    """
    _, _, channels, results = kernel.shape
    six = tf.pad(kernel, [[1, 0], [1, 0], [0, 0], [0, 0]])
    six = tf.reshape(six, (3, 2, 3, 2, channels, results))
    return tf.reshape(tf.transpose(six, (0, 2, 1, 3, 4, 5)), (3, 3, 4 * channels, results))


def _on_gpu() -> bool:
    return bool(tf.config.list_logical_devices("GPU"))
