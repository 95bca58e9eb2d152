import numpy as np
import pytest

from synthgen.classifiers.screener import Screener, ScreenerTraining, build_screener, train_screener
from synthgen.datasets.digits import Digits
from synthgen.errors import CheckpointError
from synthgen.networks.weights import get_weights
from synthgen.weights import Weights


def test_it_learns_small_data_and_gives_probabilities(patches: Digits) -> None:
    weights = train_screener(patches, seed=0)
    screener = Screener(weights, patches.image_shape, patches.classes, batch=16)
    probabilities = screener.probabilities(patches.images)
    assert probabilities.shape == (60, 3)
    np.testing.assert_allclose(probabilities.sum(axis=1), 1, atol=1e-5)
    assert np.mean(probabilities.argmax(axis=1) == patches.labels) > 0.9
    np.testing.assert_array_equal(
        screener.probabilities(patches.images[17:18])[0], probabilities[17]
    )


def test_the_same_seed_gives_the_same_weights(patches: Digits) -> None:
    first, second = train_screener(patches, seed=3), train_screener(patches, seed=3)
    for name, array in first.items():
        np.testing.assert_array_equal(array, second[name], err_msg=name)


def test_it_is_small() -> None:
    assert build_screener((28, 28, 1), 10).count_params() * 4 < 200_000


def test_weights_of_other_classes_are_refused(patches: Digits) -> None:
    weights = get_weights(build_screener(patches.image_shape, 3))
    with pytest.raises(CheckpointError, match="logits"):
        Screener(weights, patches.image_shape, 4)


def test_a_training_can_be_run_again_from_the_same_weights(patches: Digits) -> None:
    training, steps = ScreenerTraining(patches.image_shape, 3, steps=70, seed=5), []
    first = training.run(patches, steps.append)
    training.run(patches.take(slice(0, 9)))
    again = training.run(patches)
    assert steps == [50, 20]
    for name, array in first.items():
        np.testing.assert_array_equal(array, again[name], err_msg=name)
        if "kernel" in name:
            assert not np.array_equal(array, training.initial[name])


def test_features_are_what_the_last_layer_sees(patches: Digits, patch_screener: Weights) -> None:
    screener = Screener(patch_screener, patches.image_shape, patches.classes, batch=16)
    features = screener.features(patches.images)
    assert features.shape == (60, 64)
    logits = features @ patch_screener["logits/kernel"] + patch_screener["logits/bias"]
    shares = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    np.testing.assert_allclose(screener.probabilities(patches.images), shares, atol=1e-4)


def test_other_weights_can_be_loaded(patches: Digits, patch_screener: Weights) -> None:
    screener = Screener(
        get_weights(build_screener(patches.image_shape, 3)), patches.image_shape, 3, batch=16
    )
    before = screener.probabilities(patches.images)
    screener.load(patch_screener)
    assert np.mean(screener.probabilities(patches.images).argmax(1) == patches.labels) > np.mean(
        before.argmax(1) == patches.labels
    )
