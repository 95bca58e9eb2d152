import numpy as np
import pytest

from synthgen.classifiers.networks import build_screener
from synthgen.classifiers.numpy_screener import NumpyScreener
from synthgen.classifiers.screener import load_screener
from synthgen.errors import CheckpointError
from synthgen.networks.layers import get_weights


@pytest.mark.parametrize("shape", [(28, 28, 1), (8, 12, 3)])
def test_probabilities_are_those_of_tensorflow_up_to_rounding(shape: tuple[int, int, int]) -> None:
    rng = np.random.default_rng(0)
    weights = {
        name: array + rng.uniform(0, 0.3, array.shape).astype(np.float32)
        for name, array in get_weights(build_screener(shape, 3)).items()
    }
    images = rng.integers(0, 256, (50, *shape), np.uint8)
    found = NumpyScreener(weights, shape, 3, batch=40).probabilities(images)
    expected = load_screener(weights, shape, 3, batch=40).probabilities(images)
    assert found.std() > 0.01
    np.testing.assert_allclose(found, expected, atol=1e-4)


def test_black_images_are_asked_about_like_others() -> None:
    weights = get_weights(build_screener((8, 8, 1), 3, seed=1))
    images = np.zeros((20, 8, 8, 1), np.uint8)
    images[3] = 200
    screener = NumpyScreener(weights, (8, 8, 1), 3, batch=20)
    some = screener.probabilities(images)
    black = screener.probabilities(np.zeros_like(images))
    np.testing.assert_allclose(black[4], some[4], atol=1e-6)
    np.testing.assert_allclose(black.sum(axis=1), 1, atol=1e-6)


def test_weights_of_other_classes_or_shapes_are_refused() -> None:
    weights = get_weights(build_screener((8, 8, 1), 3))
    with pytest.raises(CheckpointError, match="logits of 4 classes, received 3"):
        NumpyScreener(weights, (8, 8, 1), 4, batch=20)
    with pytest.raises(CheckpointError, match="Train it again"):
        NumpyScreener(weights, (16, 16, 1), 3, batch=20)
