"""The convolutions of the networks, each in the quickest way known for the processor and its size.

GPUs have good kernels for all of them. On CPUs small maps with many channels go between Fourier
transforms, a few channels come from one matrix product, and the others are convolutions whose
gradients are convolutions (tests/benchmarks/convolution.py has the times). All of them have
gradients of any order.
"""

from collections.abc import Callable
from typing import Any

from synthgen.networks.backend import tf
from synthgen.networks.fourier import fourier_conv, fourier_is_quicker

FEW_CHANNELS = 4  # of a result, at most
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


# Convolutions whose gradients run as forward convolutions.
#
# TensorFlow's CPU kernel for the gradient with respect to a convolution's input reaches a quarter
# of the speed of its forward kernel without AVX-512. That gradient is itself a convolution, so here
# it is computed as one. The functions are each other's gradients, so gradients of any order (R1
# needs the second) are quick.


@tf.custom_gradient  # type: ignore[untyped-decorator]
def direct(images: Any, kernel: Any) -> tuple[Any, Callable[[Any], tuple[Any, Any]]]:
    """Convolve (n, h, w, c) by (k, k, c, d) to (n, h, w, d) float32: see `conv`."""

    def gradient(upstream: Any) -> tuple[Any, Any]:
        return direct(upstream, mirrored(kernel)), _kernel_gradient(images, kernel, upstream, 1)

    return tf.nn.conv2d(images, kernel, 1, "SAME"), gradient


@tf.custom_gradient  # type: ignore[untyped-decorator]
def direct_down(images: Any, kernel: Any) -> tuple[Any, Callable[[Any], tuple[Any, Any]]]:
    """Convolve (n, 2h, 2w, c) by (k, k, c, d) to (n, h, w, d): see `conv_down`."""

    def gradient(upstream: Any) -> tuple[Any, Any]:
        return direct_up(upstream, kernel), _kernel_gradient(images, kernel, upstream, 2)

    return tf.nn.conv2d(images, kernel, 2, "SAME"), gradient


@tf.custom_gradient  # type: ignore[untyped-decorator]
def direct_up(images: Any, kernel: Any) -> tuple[Any, Callable[[Any], tuple[Any, Any]]]:
    """Convolve (n, h, w, d) by (k, k, c, d) to (n, 2h, 2w, c): see `conv_up`."""

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


# Convolutions to a few channels: one matrix product for all taps.
#
# TensorFlow's CPU kernels reach a twentieth of their usual speed there.


@tf.custom_gradient  # type: ignore[untyped-decorator]
def to_few(images: Any, kernel: Any) -> tuple[Any, Callable[[Any], tuple[Any, Any]]]:
    """Convolve (n, h, w, c) by (k, k, c, d) to (n, h, w, d) float32: see `conv`.

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
    """Convolve (n, h, w, d) by (k, k, c, d) to (n, 2h, 2w, c): see `conv_up`.

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
