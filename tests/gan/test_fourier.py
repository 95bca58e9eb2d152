from typing import Any

import numpy as np
import pytest
import tensorflow as tf

from synthgen.gan.convolution import conv
from synthgen.gan.fourier import bilinear, fourier_conv, pays
from tests.gan.test_convolution import penalty_and_gradients, plain


@pytest.mark.parametrize(("height", "width", "side"), [(7, 7, 5), (8, 8, 5), (4, 6, 3), (3, 5, 7), (1, 2, 5)])
def test_values_and_gradients_of_both_orders_equal_tensorflows_own(height: int, width: int, side: int) -> None:
    images = tf.random.stateless_normal((3, height, width, 5), (0, 1))
    kernel = tf.random.stateless_normal((side, side, 5, 4), (0, 2)) / 5
    for mine, theirs in zip(penalty_and_gradients(fourier_conv, images, kernel), penalty_and_gradients(plain, images, kernel), strict=True):
        np.testing.assert_allclose(mine, theirs, rtol=1e-4, atol=1e-4 * float(tf.reduce_max(tf.abs(theirs))))


@pytest.mark.parametrize(("height", "width", "side", "products"), [(7, 7, 5, 1 + 40 * 3), (7, 7, 3, 4 + 30 * 3), (1, 1, 3, 4)])
def test_a_pair_of_frequencies_takes_three_products(height: int, width: int, side: int, products: int) -> None:
    shapes = [matrix.shape for matrix in bilinear(height, width, side)]
    assert shapes == [(products, height * width), (products, side * side), (height * width, products)]


@pytest.mark.parametrize(
    ("images", "kernel", "expected"),
    [
        ((256, 7, 7, 256), (5, 5, 256, 128), True),
        ((256, 7, 7, 256), (3, 3, 256, 128), False),
        ((256, 14, 14, 256), (5, 5, 256, 128), False),
        ((256, 7, 7, 256), (5, 5, 256, 1), False),
    ],
)
def test_only_large_kernels_on_small_maps_are_transformed(images: Any, kernel: Any, expected: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    images, kernel = tf.zeros(images), tf.zeros(kernel)
    monkeypatch.setattr(tf.config, "list_logical_devices", lambda _: [])
    assert pays(images, kernel) == expected
    monkeypatch.setattr(tf.config, "list_logical_devices", lambda _: ["a GPU"])
    assert not pays(images, kernel)


def test_a_convolution_that_pays_is_transformed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tf.config, "list_logical_devices", lambda _: [])
    monkeypatch.setattr("synthgen.gan.convolution.fourier_conv", lambda images, kernel: "transformed")
    assert conv(tf.zeros((1, 7, 7, 64)), tf.zeros((5, 5, 64, 64))) == "transformed"
    assert conv(tf.zeros((1, 7, 7, 4)), tf.zeros((3, 3, 4, 5))).shape == (1, 7, 7, 5)
