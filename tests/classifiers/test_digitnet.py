import dataclasses
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from synthgen.classifiers import digitnet as digit_network
from synthgen.classifiers.digitnet import (
    RECORD,
    WEIGHTS,
    feature_network,
    read_network,
    shipped_identity,
    shipped_storage,
    write_network,
)
from synthgen.classifiers.screener import build_screener
from synthgen.datasets.digits import Digits
from synthgen.datasets.splits import RealDigits
from synthgen.errors import DataError
from synthgen.networks.weights import get_weights
from synthgen.storage import open_storage
from synthgen.weights import Weights


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache folder."""
    monkeypatch.setenv("SYNTHGEN_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture
def trainings(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Trainings that take no time: they give the initial weights. How many images each was given."""
    given: list[int] = []

    def initial_weights(digits: Digits) -> Weights:
        given.append(len(digits))
        return get_weights(digit_network._build(digits.image_shape, digits.classes, len(given)))

    monkeypatch.setattr(digit_network, "train_network", initial_weights)
    return given


@pytest.mark.mnist
def test_mnists_own_digits_get_the_shipped_network(mnist: RealDigits, cache: Path) -> None:
    net = feature_network(mnist)
    assert net.name == "digitnet"
    assert net.record["training_data"]["sha256"] == mnist.train.sha256()
    assert not cache.exists()
    features, probabilities = net.embed(mnist.validation.images[:1000])
    assert (features.shape, features.dtype, probabilities.shape) == (
        (1000, 64),
        np.float32,
        (1000, 10),
    )
    np.testing.assert_allclose(probabilities.sum(axis=1), 1, atol=1e-5)
    assert (probabilities.argmax(axis=1) == mnist.validation.labels[:1000]).mean() > 0.985
    assert (features.std(axis=0) > 0.01).all()


def test_the_shipped_network_is_small_and_whole() -> None:
    storage, found = shipped_storage(), read_network(shipped_storage())
    assert found is not None
    assert found[0]["training_data"]["images"] == 55_000
    assert found[0]["validation_accuracy"] > 0.99
    assert len(storage.read_bytes(WEIGHTS)) < 500_000
    assert len(shipped_identity()) == 64


@pytest.mark.mnist
def test_some_of_mnists_digits_do_not_get_the_network_that_has_seen_all_of_them(
    mnist: RealDigits, cache: Path, trainings: list[int]
) -> None:
    few = dataclasses.replace(
        mnist, train=mnist.train.take(slice(0, 300)), validation=mnist.validation.take(slice(0, 50))
    )
    net = feature_network(few)
    assert net.name == f"digitnet-{few.train.sha256()[:8]}"
    assert net.record["training_data"]["images"] == 300
    assert trainings == [300]
    seen = net.embed(few.validation.images).probabilities.argmax(axis=1)
    assert net.record["validation_accuracy"] == (seen == few.validation.labels).mean()


def test_other_digits_get_a_network_that_is_trained_once(
    real: RealDigits, cache: Path, trainings: list[int]
) -> None:
    first, second = feature_network(real), feature_network(real)
    assert trainings == [60]
    assert first.name == f"digitnet-{real.train.sha256()[:8]}"
    assert second.record == first.record
    for one, other in zip(
        first.embed(real.test.images), second.embed(real.test.images), strict=True
    ):
        np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize(
    "damage",
    [lambda storage: storage.remove(RECORD), lambda storage: storage.write_bytes(WEIGHTS, b"")],
)
def test_a_damaged_network_is_trained_anew(
    real: RealDigits, cache: Path, trainings: list[int], damage: Any
) -> None:
    feature_network(real)
    damage(open_storage(str(next(cache.glob("features/*")))))
    feature_network(real)
    feature_network(real)
    assert trainings == [60, 60]


def test_digits_without_a_validation_part_have_no_accuracy(
    real: RealDigits, trainings: list[int], tmp_path: Path
) -> None:
    storage = open_storage(str(tmp_path / "net"))
    write_network(
        storage,
        dataclasses.replace(real, validation=real.validation.take(slice(0, 0))),
        {"command": "by hand"},
    )
    record = json.loads(storage.read_bytes(RECORD))
    assert record["validation_accuracy"] is None
    assert record["command"] == "by hand"


def test_images_of_another_shape_are_refused(
    real: RealDigits, cache: Path, trainings: list[int]
) -> None:
    net = feature_network(real)
    with pytest.raises(
        DataError,
        match=r"uint8 images of shape \(n, 28, 28, 1\), received uint8 of shape \(2, 24, 28, 1\)",
    ):
        net.embed(real.test.images[:2, :24])
    with pytest.raises(DataError, match="received float64"):
        net.embed(real.test.images[:2] / 2)


def test_it_learns_and_the_same_seed_gives_the_same_weights(
    tiny_digits: Digits, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(digit_network, "LEAST_STEPS", 60)
    one, other = (digit_network.train_network(tiny_digits, 1) for _ in range(2))
    assert all(np.array_equal(one[name], other[name]) for name in one)
    net = digit_network.DigitNetwork(one, (28, 28, 1), 10)
    images = np.concatenate([tiny_digits.images] * 3)
    features, probabilities = net(images)
    assert (probabilities[:200].argmax(axis=1) == tiny_digits.labels).mean() > 0.9
    # whatever the batch
    np.testing.assert_allclose(features[500:], net(images[500:])[0], atol=1e-4)
    assert net(images[:0])[0].shape == (0, 64)


def test_it_is_another_network_than_the_one_that_screens() -> None:
    shapes = sorted(tuple(weight.shape) for weight in build_screener((28, 28, 1), 10).weights)
    found = read_network(shipped_storage())
    assert found is not None
    assert sorted(weight.shape for weight in found[1].values()) != shapes
