from typing import Any

import numpy as np
import pytest
import tensorflow as tf

from synthgen.gan.convolution import conv, conv_down, conv_up
from synthgen.gan.fourier import bilinear, fourier_conv, pays
from tests.gan.test_convolution import penalty_and_gradients, plain, plain_down, plain_up


def of_images(images: Any, kernel: Any) -> Any:
    return tf.transpose(fourier_conv(tf.transpose(images, (1, 2, 0, 3)), kernel), (2, 0, 1, 3))


@pytest.mark.parametrize(("height", "width", "side"), [(7, 7, 5), (8, 8, 5), (4, 6, 3), (3, 5, 7), (1, 2, 5)])
def test_values_and_gradients_of_both_orders_equal_tensorflows_own(height: int, width: int, side: int) -> None:
    images = tf.random.stateless_normal((3, height, width, 5), (0, 1))
    kernel = tf.random.stateless_normal((side, side, 5, 4), (0, 2)) / 5
    for mine, theirs in zip(penalty_and_gradients(of_images, images, kernel), penalty_and_gradients(plain, images, kernel), strict=True):
        np.testing.assert_allclose(mine, theirs, rtol=1e-4, atol=1e-4 * float(tf.reduce_max(tf.abs(theirs))))


@pytest.mark.parametrize(("height", "width", "side", "products"), [(7, 7, 5, 1 + 40 * 3), (7, 7, 3, 4 + 30 * 3), (1, 1, 3, 4)])
def test_a_pair_of_frequencies_takes_three_products(height: int, width: int, side: int, products: int) -> None:
    shapes = [matrix.shape for matrix in bilinear(height, width, side)]
    assert shapes == [(products, height * width), (products, side * side), (height * width, products)]


@pytest.mark.parametrize(("side", "kernel", "expected"), [(7, (3, 3, 64, 80), True), (14, (5, 5, 256, 128), False), (7, (5, 5, 256, 1), False)])
def test_only_small_maps_with_many_channels_are_transformed(side: int, kernel: Any, expected: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tf.config, "list_logical_devices", lambda _: [])
    assert pays(side, side, tf.zeros(kernel)) == expected
    monkeypatch.setattr(tf.config, "list_logical_devices", lambda _: ["a GPU"])
    assert not pays(side, side, tf.zeros(kernel))


TRANSFORMED = [
    (conv, plain, (2, 7, 7, 64), (3, 3, 64, 65)),
    (conv_down, plain_down, (2, 6, 10, 16), (5, 5, 16, 65)),
    (conv_up, plain_up, (2, 3, 5, 65), (5, 5, 16, 65)),
]


@pytest.mark.parametrize(("ours", "native", "shape", "kernel_shape"), TRANSFORMED, ids=["same", "down", "up"])
def test_a_convolution_that_pays_is_transformed_and_is_the_same(
    ours: Any, native: Any, shape: Any, kernel_shape: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls = []
    monkeypatch.setattr(tf.config, "list_logical_devices", lambda _: [])
    monkeypatch.setattr("synthgen.gan.convolution.fourier_conv", lambda *arguments: calls.append(1) or fourier_conv(*arguments))
    images, kernel = tf.random.stateless_normal(shape, (0, 1)), tf.random.stateless_normal(kernel_shape, (0, 2)) / 20
    mine = penalty_and_gradients(ours, images, kernel)
    assert len(calls) == 1
    for own, theirs in zip(mine, penalty_and_gradients(native, images, kernel), strict=True):
        np.testing.assert_allclose(own, theirs, rtol=1e-4, atol=1e-4 * float(tf.reduce_max(tf.abs(theirs))))


@pytest.mark.parametrize(("function", "shape", "kernel"), [(conv, (1, 7, 7, 64), (3, 3, 64, 5)), (conv_down, (1, 14, 14, 32), (4, 4, 32, 64))])
def test_others_are_not(function: Any, shape: Any, kernel: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("synthgen.gan.convolution.fourier_conv", lambda *_: pytest.fail("transformed"))
    assert function(tf.zeros(shape), tf.zeros(kernel)).shape == (1, 7, 7, kernel[3])
