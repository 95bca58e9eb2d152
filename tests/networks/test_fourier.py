from typing import Any

import numpy as np
import pytest
import tensorflow as tf

from synthgen.networks.fourier import (
    bilinear_matrices,
    fourier_conv,
    fourier_is_quicker,
)
from tests.networks.test_convolution import penalty_and_gradients, plain


def of_images(images: Any, kernel: Any) -> Any:
    return tf.transpose(fourier_conv(tf.transpose(images, (1, 2, 0, 3)), kernel), (2, 0, 1, 3))


@pytest.mark.parametrize(
    ("height", "width", "side"), [(7, 7, 5), (8, 8, 5), (4, 6, 3), (3, 5, 7), (1, 2, 5)]
)
def test_values_and_both_gradients_equal_tensorflows_own(
    height: int, width: int, side: int
) -> None:
    images = tf.random.stateless_normal((3, height, width, 5), (0, 1))
    kernel = tf.random.stateless_normal((side, side, 5, 4), (0, 2)) / 5
    for mine, theirs in zip(
        penalty_and_gradients(of_images, images, kernel),
        penalty_and_gradients(plain, images, kernel),
        strict=True,
    ):
        np.testing.assert_allclose(
            mine, theirs, rtol=1e-4, atol=1e-4 * float(tf.reduce_max(tf.abs(theirs)))
        )


@pytest.mark.parametrize(
    ("height", "width", "side", "products"),
    [(7, 7, 5, 1 + 40 * 3), (7, 7, 3, 4 + 30 * 3), (1, 1, 3, 4)],
)
def test_a_pair_of_frequencies_takes_three_products(
    height: int, width: int, side: int, products: int
) -> None:
    shapes = [matrix.shape for matrix in bilinear_matrices(height, width, side)]
    assert shapes == [
        (products, height * width),
        (products, side * side),
        (height * width, products),
    ]


@pytest.mark.parametrize(
    ("images", "results", "expected"),
    [
        ((32, 7, 7, 64), 80, True),
        ((None, 8, 8, 64), 64, True),
        ((31, 7, 7, 64), 80, False),
        ((32, 9, 8, 64), 80, False),
        ((32, 7, 7, 256), 1, False),
    ],
)
def test_many_small_maps_with_many_channels_are_quicker(
    images: Any, results: int, expected: bool
) -> None:
    assert fourier_is_quicker(*images, results) == expected
