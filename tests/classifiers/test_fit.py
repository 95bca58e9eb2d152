import dataclasses
from typing import Any

import numpy as np
import pytest

from synthgen.classifiers.fit import Trainer, fit, make_optimizer, shuffled_rows
from synthgen.classifiers.networks import build_judge
from synthgen.classifiers.predict import Classifier
from synthgen.classifiers.settings import FitSettings
from synthgen.datasets.digits import Digits
from synthgen.errors import InputError
from synthgen.networks.backend import keras, tf

SMALL = FitSettings(steps=60, batch=32)


def network(seed: int = 0, channels: int = 8, dropout: float = 0.2) -> keras.Model:
    """The judge's network with few channels."""
    return build_judge((28, 28, 1), 10, seed, (channels,) * 4, dropout)


def trained(digits: Digits, seed: int = 0, **options: Any) -> Classifier:
    found = network(seed)
    fit(found, digits, SMALL, seed, **options)
    return Classifier(found)


def share_right(classifier: Classifier, digits: Digits) -> float:
    seen = classifier.probabilities(digits.images).argmax(axis=1)
    return float(np.mean(seen == digits.labels))


@pytest.fixture(scope="module")
def usual(tiny_digits: Digits) -> Classifier:
    return trained(tiny_digits)


def test_it_learns(usual: Classifier, tiny_digits: Digits) -> None:
    assert share_right(usual, tiny_digits) > 0.9


@pytest.mark.slow
def test_the_same_seed_gives_the_same_weights_another_others(
    usual: Classifier, tiny_digits: Digits
) -> None:
    expected = usual.probabilities(tiny_digits.images)
    again = trained(tiny_digits, seed=0).probabilities(tiny_digits.images)
    np.testing.assert_array_equal(again, expected)
    other = trained(tiny_digits, seed=1).probabilities(tiny_digits.images)
    assert not np.array_equal(other, expected)


@pytest.mark.slow
@pytest.mark.parametrize("count", [9, 200])
def test_it_takes_exactly_the_steps_asked_for(count: int, tiny_digits: Digits) -> None:
    done: list[int] = []
    settings = FitSettings(steps=53, batch=32)
    fit(
        network(channels=4),
        tiny_digits.take(slice(0, count)),
        settings,
        seed=0,
        progress=done.append,
    )
    assert done == [50, 3]


def test_rows_are_shuffled_epochs_each_running_into_the_next() -> None:
    chunks = list(shuffled_rows(7, FitSettings(steps=103, batch=5), seed=3))
    assert [chunk.shape for chunk in chunks] == [(50, 5), (50, 5), (3, 5)]
    rows = np.concatenate(chunks).reshape(-1)
    epochs = rows[: 7 * 73].reshape(73, 7)
    np.testing.assert_array_equal(np.sort(epochs, axis=1), np.tile(np.arange(7), (73, 1)))
    assert len({tuple(epoch) for epoch in epochs}) > 60
    again = np.concatenate(list(shuffled_rows(7, FitSettings(steps=103, batch=5), seed=3)))
    np.testing.assert_array_equal(again.reshape(-1), rows)


def test_the_rate_rises_to_its_highest_value_and_falls_to_zero() -> None:
    settings = FitSettings(steps=100, rate=0.4, start_divisor=10, warmup=0.2)
    rate = make_optimizer(network(channels=4), settings)._learning_rate
    found = [float(rate(step)) for step in (0, 10, 20, 60, 100)]
    assert found == pytest.approx([0.04, 0.22, 0.4, 0.2, 0.0], abs=1e-6)
    flat = make_optimizer(network(channels=4), dataclasses.replace(settings, warmup=0))
    assert float(flat._learning_rate(0)) == pytest.approx(0.4)


@pytest.mark.slow
def test_augmentation_decides_what_is_learned(tiny_digits: Digits) -> None:
    def blank(images: tf.Tensor, step: tf.Tensor) -> tf.Tensor:
        return tf.zeros_like(images) + tf.cast(step, tf.float32) * 0

    assert share_right(trained(tiny_digits, augment=blank), tiny_digits) < 0.5


@pytest.mark.slow
def test_weights_of_one_change_nothing(usual: Classifier, tiny_digits: Digits) -> None:
    ones = trained(tiny_digits, weights=np.ones(200, np.float32))
    np.testing.assert_array_equal(
        ones.probabilities(tiny_digits.images), usual.probabilities(tiny_digits.images)
    )


@pytest.mark.slow
def test_weights_of_zero_take_images_out(tiny_digits: Digits) -> None:
    labels = tiny_digits.labels.copy()
    labels[100:] = 3
    wrong = Digits(tiny_digits.images, labels)
    right_only = (np.arange(200) < 100).astype(np.float32) * 2
    assert share_right(trained(wrong, weights=right_only), tiny_digits) > 0.8
    seen = trained(wrong).probabilities(tiny_digits.images).argmax(axis=1)
    assert np.mean(seen == 3) > 0.4


@pytest.mark.slow
def test_a_training_can_be_repeated_from_the_same_weights(tiny_digits: Digits) -> None:
    """Weights, moments of the gradients, number of steps and states of the dropout begin anew."""
    repeated = network(channels=4)
    trainer = Trainer(repeated, FitSettings(steps=7, batch=32), seed=5)
    found = []
    for digits in (tiny_digits, tiny_digits.take(slice(0, 9)), tiny_digits):
        trainer.fit(digits)
        found.append([variable.numpy().copy() for variable in repeated.weights])
    for first, again in zip(found[0], found[2], strict=True):
        np.testing.assert_array_equal(first, again)
    kernels = [k for k, variable in enumerate(repeated.weights) if variable.name == "kernel"]
    assert not any(np.array_equal(found[0][k], found[1][k]) for k in kernels)


@pytest.mark.parametrize(
    ("digits", "received"),
    [
        (Digits(np.zeros((0, 28, 28, 1), np.uint8), np.zeros(0, np.uint8)), "0 images of 28 x 28"),
        (Digits(np.zeros((2, 32, 28, 1), np.uint8), np.zeros(2, np.uint8)), "2 images of 32 x 28"),
        (Digits(np.zeros((2, 28, 28, 1), np.uint8), np.zeros(2, np.uint8), "ab"), "2 classes"),
    ],
)
def test_what_cannot_be_trained_on_is_refused(digits: Digits, received: str) -> None:
    expected = rf"Expected at least one image of 28 x 28 x 1 in 10 classes .* received .*{received}"
    with pytest.raises(InputError, match=expected):
        fit(network(channels=4), digits, SMALL, seed=0)


@pytest.mark.parametrize(
    ("weights", "received"),
    [
        (np.ones(199, np.float32), r"float32 of shape \(199,\)"),
        (np.ones(200), r"float64 of shape \(200,\)"),
        (np.full(200, -1, np.float32), "some down to -1"),
        (np.full(200, np.nan, np.float32), "some that are not finite"),
    ],
)
def test_weights_that_cannot_be_used_are_refused(
    weights: Any, received: str, tiny_digits: Digits
) -> None:
    with pytest.raises(InputError, match=f"Expected 200 float32 weights, .* received {received}"):
        fit(network(channels=4), tiny_digits, SMALL, seed=0, weights=weights)
