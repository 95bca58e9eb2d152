"""Convolutions and their gradients: TensorFlow's own kernels against those of the package.

The layers are those of `dcgan`, of `cdcgan` and of the recipe of the shipped generator (64 to 128
channels).

    python -m tests.benchmarks.convolution

Prints milliseconds per forward and backward pass (batch of 256), and the ratio.
"""

import os
import statistics
import time
from collections.abc import Callable
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
import tensorflow as tf

from synthgen.networks.convolution import conv, conv_down, conv_up

BATCH, RUNS = 256, 7


def native_up(images: Any, kernel: Any) -> Any:
    return tf.nn.conv2d_transpose(
        images,
        kernel,
        (BATCH, 2 * images.shape[1], 2 * images.shape[2], kernel.shape[2]),
        2,
        "SAME",
    )


def native(stride: int) -> Callable[[Any, Any], Any]:
    return lambda images, kernel: tf.nn.conv2d(images, kernel, stride, "SAME")


LAYERS = {
    "dcgan generator, 256 -> 128, 5 x 5 on 7 x 7": (conv, native(1), (7, 7, 256), (5, 5, 256, 128)),
    "dcgan generator up 128 -> 64, 5 x 5 on 7 x 7": (
        conv_up,
        native_up,
        (7, 7, 128),
        (5, 5, 64, 128),
    ),
    "dcgan discriminator down 64 -> 128, 5 x 5": (
        conv_down,
        native(2),
        (14, 14, 64),
        (5, 5, 64, 128),
    ),
    "cdcgan generator output 32 -> 4, 3 x 3 on 14 x 14": (
        conv,
        native(1),
        (14, 14, 32),
        (3, 3, 32, 4),
    ),
    "cdcgan discriminator refine 64 -> 96, 7 x 7": (conv, native(1), (7, 7, 64), (3, 3, 64, 96)),
    "cdcgan generator up 64 -> 32, 7 x 7": (conv_up, native_up, (7, 7, 64), (4, 4, 32, 64)),
    "discriminator down 64 -> 112, 14 x 14": (conv_down, native(2), (14, 14, 64), (4, 4, 64, 112)),
    "discriminator refine 112 -> 112, 7 x 7": (conv, native(1), (7, 7, 112), (3, 3, 112, 112)),
    "the same with 128 channels": (conv, native(1), (7, 7, 128), (3, 3, 128, 128)),
    "generator up 112 -> 96, 7 x 7": (conv_up, native_up, (7, 7, 112), (4, 4, 96, 112)),
    "generator refine 96 -> 64, 14 x 14": (conv, native(1), (14, 14, 96), (3, 3, 96, 64)),
}


def forward_and_backward(function: Callable[[Any, Any], Any]) -> Any:
    @tf.function
    def run(images: Any, kernel: Any) -> Any:
        with tf.GradientTape() as tape:
            tape.watch([images, kernel])
            total = tf.reduce_sum(tf.square(function(images, kernel)))
        return tape.gradient(total, [images, kernel])

    return run


def milliseconds(functions: list[Any], *arguments: Any) -> list[float]:
    """Median time of each function, the functions taking turns."""
    times: list[list[float]] = [[] for _ in functions]
    for turn in range(RUNS + 2):
        for function, seconds in zip(functions, times, strict=True):
            began = time.perf_counter()
            function(*arguments)[0].numpy()
            if turn >= 2:
                seconds.append(1000 * (time.perf_counter() - began))
    return [statistics.median(seconds) for seconds in times]


def main() -> None:
    print(f"{'layer':<52}{'native ms':>10}{'ours ms':>10}{'ratio':>8}")
    for name, (ours, theirs, shape, kernel_shape) in LAYERS.items():
        images, kernel = (
            tf.random.stateless_normal((BATCH, *shape), (0, 1)),
            tf.random.stateless_normal(kernel_shape, (0, 2)),
        )
        before, after = milliseconds(
            [forward_and_backward(theirs), forward_and_backward(ours)], images, kernel
        )
        print(f"{name:<52}{before:>10.1f}{after:>10.1f}{before / after:>8.2f}")


if __name__ == "__main__":
    main()
