import dataclasses
import hashlib
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from synthgen.classifiers.digitnet import (
    DIGITNET_RECORD,
    DIGITNET_SETTINGS,
    DIGITNET_WEIGHTS,
    feature_network,
    load_digitnet,
    read_digitnet,
    shipped_identity,
    shipped_storage,
    train_digitnet,
    write_digitnet,
)
from synthgen.classifiers.networks import build_digitnet
from synthgen.datasets.digits import Digits
from synthgen.datasets.splits import RealDigits
from synthgen.errors import DataError
from synthgen.networks.layers import get_weights
from synthgen.storage import Storage, open_storage
from synthgen.weights import Weights, pack_weights


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache folder."""
    monkeypatch.setenv("SYNTHGEN_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


@dataclasses.dataclass
class QuickTraining:
    """A training that gives initial weights; remembers how many images it was given."""

    images: list[int] = dataclasses.field(default_factory=list)

    def __call__(self, digits: Digits) -> Weights:
        self.images.append(len(digits))
        return get_weights(build_digitnet(digits.image_shape, digits.classes, len(self.images)))


@pytest.fixture
def quick() -> QuickTraining:
    return QuickTraining()


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
    storage = shipped_storage()
    found = read_digitnet(storage)
    assert found is not None
    assert found.record["training_data"]["images"] == 55_000
    assert found.record["validation_accuracy"] > 0.99
    assert len(storage.read_bytes(DIGITNET_WEIGHTS)) < 500_000
    assert len(shipped_identity()) == 64


@pytest.mark.mnist
def test_a_part_of_mnist_gets_a_network_that_saw_no_more_than_it(
    mnist: RealDigits, cache: Path, quick: QuickTraining
) -> None:
    few = dataclasses.replace(
        mnist, train=mnist.train.take(slice(0, 300)), validation=mnist.validation.take(slice(0, 50))
    )
    net = feature_network(few, quick)
    assert net.name == f"digitnet-{few.train.sha256()[:8]}"
    assert net.record["training_data"]["images"] == 300
    assert quick.images == [300]
    seen = net.embed(few.validation.images).probabilities.argmax(axis=1)
    assert net.record["validation_accuracy"] == (seen == few.validation.labels).mean()


def test_other_digits_get_a_network_that_is_trained_once(
    real: RealDigits, cache: Path, quick: QuickTraining
) -> None:
    first = feature_network(real, quick)
    second = feature_network(real, quick)
    assert quick.images == [60]
    assert first.name == f"digitnet-{real.train.sha256()[:8]}"
    assert second.record == first.record
    for one, other in zip(
        first.embed(real.test.images), second.embed(real.test.images), strict=True
    ):
        np.testing.assert_array_equal(one, other)


def not_finite(storage: Storage) -> None:
    """Weights with a NaN, whose hash is what the record says."""
    content = pack_weights({"features/bias": np.full(64, np.nan, np.float32)})
    record = json.loads(storage.read_bytes(DIGITNET_RECORD))
    record["sha256"] = hashlib.sha256(content).hexdigest()
    storage.write_bytes(DIGITNET_WEIGHTS, content)
    storage.write_bytes(DIGITNET_RECORD, json.dumps(record).encode())


@pytest.mark.parametrize(
    "damage",
    [
        lambda storage: storage.remove(DIGITNET_RECORD),
        lambda storage: storage.write_bytes(DIGITNET_WEIGHTS, b""),
        lambda storage: storage.write_bytes(DIGITNET_RECORD, b"{}"),
        lambda storage: storage.write_bytes(DIGITNET_RECORD, b"[1]"),
        not_finite,
    ],
)
def test_a_damaged_network_is_trained_again(
    real: RealDigits, cache: Path, quick: QuickTraining, damage: Callable[[Storage], None]
) -> None:
    feature_network(real, quick)
    damage(open_storage(str(next(cache.glob("features/*")))))
    feature_network(real, quick)
    feature_network(real, quick)
    assert quick.images == [60, 60]


def test_digits_without_a_validation_part_have_no_accuracy(
    real: RealDigits, quick: QuickTraining, tmp_path: Path
) -> None:
    storage = open_storage(str(tmp_path / "net"))
    unchecked = dataclasses.replace(real, validation=real.validation.take(slice(0, 0)))
    write_digitnet(storage, unchecked, {"command": "by hand"}, quick)
    record = json.loads(storage.read_bytes(DIGITNET_RECORD))
    assert record["validation_accuracy"] is None
    assert record["command"] == "by hand"


def test_images_of_another_shape_are_refused(
    real: RealDigits, cache: Path, quick: QuickTraining
) -> None:
    net = feature_network(real, quick)
    with pytest.raises(
        DataError,
        match=r"uint8 images of shape \(n, 28, 28, 1\), received uint8 of shape \(2, 24, 28, 1\)",
    ):
        net.embed(real.test.images[:2, :24])
    with pytest.raises(DataError, match="received float64"):
        net.embed(real.test.images[:2] / 2)


@pytest.mark.slow
def test_it_learns_and_the_same_seed_gives_the_same_weights(tiny_digits: Digits) -> None:
    settings = dataclasses.replace(DIGITNET_SETTINGS, steps=60)
    one, other = (train_digitnet(tiny_digits, 1, settings) for _ in range(2))
    assert all(np.array_equal(one[name], other[name]) for name in one)
    classifier = load_digitnet(one, (28, 28, 1), 10)
    seen = classifier.probabilities(tiny_digits.images).argmax(axis=1)
    assert (seen == tiny_digits.labels).mean() > 0.9
