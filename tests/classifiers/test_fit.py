from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf

from synthgen.classifiers import digitnet as digit_network
from synthgen.classifiers import fit as classifier
from synthgen.classifiers.fit import (
    PREDICT_BATCH,
    embed,
    predict_probabilities,
    train_classifier,
)
from synthgen.classifiers.screener import build_screener
from synthgen.classifiers.settings import ClassifierSettings
from synthgen.config import GanSettings
from synthgen.datasets.digits import Digits
from synthgen.errors import InputError
from synthgen.networks.gan import build_discriminator, build_generator

SMALL = ClassifierSettings(steps=60, batch=32, channels=(8, 8, 8, 8))


@pytest.fixture(scope="module")
def trained(tiny_digits: Digits) -> Any:
    return train_classifier(tiny_digits.images, tiny_digits.labels, SMALL, seed=0)


def test_it_learns_and_gives_probabilities(trained: Any, tiny_digits: Digits) -> None:
    probabilities = predict_probabilities(trained, tiny_digits.images)
    assert probabilities.shape == (200, 10)
    np.testing.assert_allclose(probabilities.sum(axis=1), 1, atol=1e-5)
    assert np.mean(probabilities.argmax(axis=1) == tiny_digits.labels) > 0.9


def test_the_same_seed_gives_the_same_classifier_and_another_seed_another(
    trained: Any, tiny_digits: Digits
) -> None:
    again, other = (
        train_classifier(tiny_digits.images, tiny_digits.labels, SMALL, seed=seed)
        for seed in (0, 1)
    )
    expected = predict_probabilities(trained, tiny_digits.images)
    np.testing.assert_array_equal(predict_probabilities(again, tiny_digits.images), expected)
    assert not np.array_equal(predict_probabilities(other, tiny_digits.images), expected)


@pytest.mark.parametrize("count", [9, 200])
def test_it_takes_exactly_the_steps_asked_for_whatever_the_number_of_images(
    count: int, tiny_digits: Digits
) -> None:
    done: list[int] = []
    settings = ClassifierSettings(steps=53, batch=32, channels=(4, 4, 4, 4))
    train_classifier(
        tiny_digits.images[:count],
        tiny_digits.labels[:count],
        settings,
        seed=0,
        progress=done.append,
    )
    assert sum(done) == 53


def test_augmentation_sees_every_batch_and_decides_what_is_learned(tiny_digits: Digits) -> None:
    def blank(images: tf.Tensor, step: tf.Tensor) -> tf.Tensor:
        return tf.zeros_like(images) + tf.cast(step, tf.float32) * 0

    model = train_classifier(tiny_digits.images, tiny_digits.labels, SMALL, seed=0, augment=blank)
    assert (
        np.mean(
            predict_probabilities(model, tiny_digits.images).argmax(axis=1) == tiny_digits.labels
        )
        < 0.5
    )


def test_predictions_come_row_by_row_whatever_the_number_of_images(
    trained: Any, tiny_digits: Digits
) -> None:
    many = np.concatenate([tiny_digits.images] * 4)
    assert len(many) > PREDICT_BATCH
    np.testing.assert_allclose(
        predict_probabilities(trained, many)[600:],
        predict_probabilities(trained, tiny_digits.images),
        atol=1e-6,
    )
    assert predict_probabilities(trained, tiny_digits.images[:0]).shape == (0, 10)


def test_features_are_what_the_last_layer_reads(trained: Any, tiny_digits: Digits) -> None:
    features = embed(trained, tiny_digits.images)
    assert features.shape == (200, 4 * 4 * 8)
    assert features.dtype == np.float32
    assert features.min() >= 0


@pytest.mark.parametrize(
    ("images", "labels", "message"),
    [
        (np.zeros((0, 28, 28, 1), np.uint8), np.zeros(0, np.uint8), "images"),
        (np.zeros((2, 27, 28, 1), np.uint8), np.zeros(2, np.uint8), "27"),
        (np.zeros((2, 28, 28, 1), np.float32), np.zeros(2, np.uint8), "float32"),
        (np.zeros((2, 28, 28, 1), np.uint8), np.zeros(3, np.uint8), "labels"),
        (np.zeros((2, 28, 28, 1), np.uint8), np.full(2, 10, np.uint8), "10"),
    ],
)
def test_what_cannot_be_trained_on_is_refused(images: Any, labels: Any, message: str) -> None:
    with pytest.raises(InputError, match=message):
        train_classifier(images, labels, SMALL, seed=0)


def test_weights_of_one_change_nothing_and_weights_of_zero_take_images_out(
    trained: Any, tiny_digits: Digits
) -> None:
    images, labels = tiny_digits.images, tiny_digits.labels
    ones = train_classifier(images, labels, SMALL, seed=0, weights=np.ones(200, np.float32))
    np.testing.assert_array_equal(
        predict_probabilities(ones, images), predict_probabilities(trained, images)
    )
    wrong = labels.copy()
    wrong[100:] = 3
    right_only = (np.arange(200) < 100).astype(np.float32) * 2
    weighted = train_classifier(images, wrong, SMALL, seed=0, weights=right_only)
    assert np.mean(predict_probabilities(weighted, images).argmax(axis=1) == labels) > 0.8
    plain = train_classifier(images, wrong, SMALL, seed=0)
    assert np.mean(predict_probabilities(plain, images).argmax(axis=1) == 3) > 0.4


@pytest.mark.parametrize(
    "weights",
    [
        np.ones(199, np.float32),
        np.ones(200),
        np.full(200, -1, np.float32),
        np.full(200, np.nan, np.float32),
    ],
)
def test_weights_that_cannot_be_used_are_refused(weights: Any, tiny_digits: Digits) -> None:
    with pytest.raises(InputError, match="Expected 200 float32 weights"):
        train_classifier(tiny_digits.images, tiny_digits.labels, SMALL, seed=0, weights=weights)


@pytest.mark.parametrize(
    "build", ["classifier", "digit network", "screener", "generator", "discriminator"]
)
def test_networks_compute_in_float32_whatever_the_policy_of_the_program_around(build: str) -> None:
    builders = {
        "classifier": lambda: classifier._network((8, 8, 1), 3, SMALL, 0),
        "digit network": lambda: digit_network._build((28, 28, 1), 3, 0),
        "screener": lambda: build_screener((28, 28, 1), 3),
        "generator": lambda: build_generator(GanSettings(), (28, 28, 1), 3),
        "discriminator": lambda: build_discriminator(GanSettings(), (28, 28, 1), 3),
    }
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        network = builders[build]()
        assert keras.config.dtype_policy().name == "mixed_bfloat16"
    finally:
        keras.config.set_dtype_policy(before)
    assert {layer.compute_dtype for layer in network.layers if layer.variables} == {"float32"}
