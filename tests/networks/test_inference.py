import numpy as np
import pytest

from synthgen.networks.convolution import conv, conv_up
from synthgen.networks.inference import (
    Normalisation,
    PreparedConvolution,
    interleave,
    pass_images,
    rectify,
    toom_cook_matrices,
)


def numbers(seed: int, *shape: int) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal(shape).astype(np.float32)


def images_last(images: np.ndarray) -> np.ndarray:
    return np.ascontiguousarray(images.transpose(1, 2, 3, 0))


@pytest.mark.parametrize(
    ("size", "side", "channels", "results"),
    [
        ((7, 7), 3, 16, 20),  # between transforms
        ((8, 5), 5, 16, 16),  # of a map that is no square
        ((7, 7), 3, 4, 16),  # directly, for want of channels
        ((10, 12), 5, 3, 2),  # directly, for its size
    ],
)
def test_convolutions_are_those_of_the_networks(
    size: tuple[int, int], side: int, channels: int, results: int
) -> None:
    images = numbers(0, 3, *size, channels)
    kernel = numbers(1, side, side, channels, results)
    expected = images_last(conv(images, kernel).numpy())
    (found,) = PreparedConvolution.same(size, kernel)(images_last(images))
    assert np.abs(found - expected).max() < 2e-4 * np.abs(expected).max()


@pytest.mark.parametrize("side", [4, 5])
@pytest.mark.parametrize(("size", "results"), [((7, 7), 16), ((4, 9), 3)])
def test_transposed_convolutions_are_those_of_the_networks(
    side: int, size: tuple[int, int], results: int
) -> None:
    images = numbers(0, 3, *size, 17)
    kernel = numbers(1, side, side, results, 17)
    expected = images_last(conv_up(images, kernel).numpy())
    found = interleave(PreparedConvolution.up(size, kernel)(images_last(images)))
    assert np.abs(found - expected).max() < 1e-4 * np.abs(expected).max()


def test_a_strided_convolution_pads_as_tensorflow_does() -> None:
    import tensorflow as tf

    images = numbers(0, 2, 6, 8, 4)
    kernel = numbers(1, 3, 3, 4, 5)
    expected = images_last(tf.nn.conv2d(images, kernel, 2, "SAME").numpy())
    (found,) = PreparedConvolution.same((6, 8), kernel, stride=2)(images_last(images))
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-5)


def test_three_taps_on_seven_pixels_take_81_multiplications() -> None:
    of_maps, of_kernel, back = toom_cook_matrices(7, 7, 3, (-1, -1))
    assert of_maps.shape == (81, 49)
    assert of_kernel.shape == (81, 9)
    assert back.shape == (49, 81)


def test_normalisation_by_class_and_for_all() -> None:
    weights = {
        "norm/gamma": np.array([[1.0], [2.0]], np.float32),
        "norm/beta": np.array([[0.0], [1.0]], np.float32),
        "norm/moving_mean": np.array([3.0], np.float32),
        "norm/moving_variance": np.array([4.0 - 1e-3], np.float32),
    }
    maps = np.full((1, 1, 1, 2), 5.0, np.float32)
    assert Normalisation.of(weights, "norm")(maps, np.array([0, 1])).ravel().tolist() == [1, 3]
    of_all = weights | {"norm/gamma": np.ones(1, np.float32), "norm/beta": np.ones(1, np.float32)}
    maps = np.full((1, 1, 1, 2), 5.0, np.float32)
    assert Normalisation.of(of_all, "norm")(maps, np.array([0, 1])).ravel().tolist() == [2, 2]


def test_rectified_maps_keep_a_slope_below_zero() -> None:
    assert rectify(np.array([-2.0, 3.0], np.float32)).tolist() == [0, 3]
    assert rectify(np.array([-2.0, 3.0], np.float32), 0.25).tolist() == [-0.5, 3]


def test_small_batches_go_through_in_one_pass() -> None:
    assert [pass_images(batch) for batch in (1, 16, 17, 250)] == [16, 16, 32, 64]
