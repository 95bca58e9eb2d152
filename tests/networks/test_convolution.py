import importlib
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import tensorflow as tf

from synthgen.networks.convolution import conv, conv_down, conv_up


def plain(images: Any, kernel: Any) -> Any:
    return tf.nn.conv2d(images, kernel, 1, "SAME")


def plain_down(images: Any, kernel: Any) -> Any:
    return tf.nn.conv2d(images, kernel, 2, "SAME")


def plain_up(images: Any, kernel: Any) -> Any:
    count, height, width, _ = images.shape
    return tf.nn.conv2d_transpose(
        images, kernel, (count, 2 * height, 2 * width, kernel.shape[2]), 2, "SAME"
    )


CASES = [
    (conv, plain, (3, 6, 10, 5), (3, 3, 5, 7)),
    (conv_down, plain_down, (3, 6, 10, 5), (4, 4, 5, 7)),
    (conv_up, plain_up, (3, 6, 10, 7), (4, 4, 5, 7)),
    (conv, plain, (3, 6, 10, 5), (5, 5, 5, 7)),
    (conv, plain, (3, 6, 10, 5), (3, 3, 5, 2)),
    (conv, plain, (3, 6, 10, 5), (5, 5, 5, 1)),
    (conv_down, plain_down, (3, 6, 10, 5), (5, 5, 5, 7)),
    (conv_up, plain_up, (3, 5, 7, 7), (5, 5, 5, 7)),
    (conv_up, plain_up, (3, 5, 7, 7), (5, 5, 1, 7)),
    (conv_up, plain_up, (3, 6, 10, 7), (4, 4, 4, 7)),
    (conv_down, plain_down, (3, 6, 10, 1), (5, 5, 1, 7)),
]


def penalty_and_gradients(
    function: Callable[[Any, Any], Any], images: Any, kernel: Any
) -> list[Any]:
    """Value, first and second order: what R1 takes of a discriminator."""
    with tf.GradientTape() as outer:
        outer.watch([images, kernel])
        with tf.GradientTape() as inner:
            inner.watch([images, kernel])
            result = function(images, kernel)
            total = tf.reduce_sum(tf.sin(result))
        first = inner.gradient(total, [images, kernel])
        penalty = tf.add_n([tf.reduce_sum(tf.square(gradient)) for gradient in first])
    return [result, *first, *outer.gradient(penalty, [images, kernel])]


NAMES = [
    "same3",
    "down4",
    "up4",
    "same5",
    "same3 to 2",
    "same5 to 1",
    "down5",
    "up5",
    "up5 to 1",
    "up4 to 4",
    "down5 of 1",
]


@pytest.mark.parametrize(("ours", "native", "shape", "kernel_shape"), CASES, ids=NAMES)
def test_values_and_both_gradients_equal_tensorflows_own(
    ours: Any, native: Any, shape: Any, kernel_shape: Any
) -> None:
    images, kernel = (
        tf.random.stateless_normal(shape, (0, 1)),
        tf.random.stateless_normal(kernel_shape, (0, 2)) / 5,
    )
    for mine, theirs in zip(
        penalty_and_gradients(ours, images, kernel),
        penalty_and_gradients(native, images, kernel),
        strict=True,
    ):
        np.testing.assert_allclose(
            mine, theirs, rtol=1e-4, atol=1e-4 * float(tf.reduce_max(tf.abs(theirs)))
        )


FOURIER, DIRECT = (
    "synthgen.networks.convolution.fourier_conv",
    "synthgen.networks.convolution.direct",
)
WAYS = [
    (conv, plain, (32, 7, 7, 64), (3, 3, 64, 65), FOURIER),
    (conv_down, plain_down, (32, 6, 10, 16), (5, 5, 16, 65), FOURIER),
    (conv_up, plain_up, (32, 3, 5, 65), (5, 5, 16, 65), FOURIER),
    (conv, plain, (32, 7, 7, 64), (3, 3, 64, 5), DIRECT),
    (conv_down, plain_down, (32, 6, 10, 16), (4, 4, 16, 65), f"{DIRECT}_down"),
    (conv_up, plain_up, (32, 3, 5, 65), (4, 4, 16, 65), f"{DIRECT}_up"),
    (
        conv_up,
        plain_up,
        (32, 3, 5, 65),
        (5, 5, 3, 65),
        "synthgen.networks.convolution.up_to_few",
    ),
    (
        conv,
        plain,
        (32, 7, 7, 64),
        (3, 3, 64, 3),
        "synthgen.networks.convolution.to_few",
    ),
]


@pytest.mark.parametrize(
    ("ours", "native", "shape", "kernel_shape", "way"),
    WAYS,
    ids=[f"{way[0].__name__} {way[4]}" for way in WAYS],
)
def test_cpus_take_the_quickest_way_and_gpus_their_own(
    ours: Any, native: Any, shape: Any, kernel_shape: Any, way: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    taken, module = [], importlib.import_module(way.rpartition(".")[0])
    function = getattr(module, way.rpartition(".")[2])
    monkeypatch.setattr(way, lambda *arguments: taken.append(way) or function(*arguments))
    images, kernel = (
        tf.random.stateless_normal(shape, (0, 1)),
        tf.random.stateless_normal(kernel_shape, (0, 2)) / 20,
    )
    for devices, expected in (([], [way]), (["a GPU"], [])):
        monkeypatch.setattr(tf.config, "list_logical_devices", lambda _, devices=devices: devices)
        taken.clear()
        np.testing.assert_allclose(
            ours(images, kernel), native(images, kernel), rtol=1e-4, atol=1e-4
        )
        assert taken == expected


@pytest.mark.parametrize(
    ("ours", "native", "shape", "kernel_shape"),
    [way[:4] for way in WAYS[:3]],
    ids=["same", "down", "up"],
)
def test_gradients_of_what_is_transformed_equal_tensorflows_own(
    ours: Any, native: Any, shape: Any, kernel_shape: Any
) -> None:
    images, kernel = (
        tf.random.stateless_normal(shape, (0, 1)),
        tf.random.stateless_normal(kernel_shape, (0, 2)) / 20,
    )
    for mine, theirs in zip(
        penalty_and_gradients(ours, images, kernel),
        penalty_and_gradients(native, images, kernel),
        strict=True,
    ):
        np.testing.assert_allclose(
            mine, theirs, rtol=1e-4, atol=1e-4 * float(tf.reduce_max(tf.abs(theirs)))
        )


def test_up_is_the_transpose_of_down() -> None:
    small, large = (
        tf.random.stateless_normal((2, 3, 4, 6), (1, 1)),
        tf.random.stateless_normal((2, 6, 8, 5), (1, 2)),
    )
    kernel = tf.random.stateless_normal((4, 4, 5, 6), (1, 3))
    left, right = (
        tf.reduce_sum(conv_up(small, kernel) * large),
        tf.reduce_sum(small * conv_down(large, kernel)),
    )
    assert float(left) == pytest.approx(float(right), rel=1e-4)
