from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import synthgen
from synthgen.datasets.digits import Digits
from synthgen.errors import DataError, SettingsError
from synthgen.shards.digit_set import DigitSet, open_set
from synthgen.shards.mix import Mix, mix
from tests.shards.conftest import make

NAMES = ("zero", "one", "two")


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> DigitSet:
    """75 synthetic images, of which half a shard is kept at a time."""
    root = tmp_path_factory.mktemp("set")
    make(root)
    return open_set(str(root / "manifests/tiny.csv"), cache_bytes=2 * 30 * 64)


def own_digits(counts: tuple[int, ...] = (20, 5, 5), names: tuple[str, ...] = NAMES) -> Digits:
    """Real images that are told by their last two pixels: 255, and a number of their own."""
    labels = np.repeat(np.arange(len(counts), dtype=np.uint8), counts)
    images = np.zeros((len(labels), 8, 8, 1), np.uint8)
    images[:, 7, 6] = 255
    images[:, 7, 7, 0] = np.arange(len(labels))
    images[:, 0, 0, 0] = labels
    return Digits(images, labels, names)


def is_real(images: np.ndarray) -> np.ndarray:
    """Which images of a batch are real."""
    numbers = images[:, 7, 7, 0].copy()
    painted = own_digits().images[np.minimum(numbers, 29)]
    painted[:, 0, 0] = images[:, 0, 0]
    return (painted == images).all(axis=(1, 2, 3))


def batches(mixed: Mix, *args: Any, **options: Any) -> list[tuple[np.ndarray, ...]]:
    """All batches of an epoch, each label that of its image."""
    found = list(mixed.batches(*args, **options))
    for images, labels, *_ in found:
        np.testing.assert_array_equal(images[:, 0, 0, 0], labels)
    return found


@pytest.mark.parametrize(("share", "steps"), [(0.0, 3), (0.3, 5), (0.5, 6), (0.9, 30)])
def test_batches_have_the_share_that_was_asked_for(
    made: DigitSet, share: float, steps: int
) -> None:
    mixed = synthgen.mix(own_digits(), made, share=share, batch=10)
    assert len(mixed) == steps
    found = batches(mixed)
    assert [len(images) for images, _ in found] == [10] * steps
    assert [int((~is_real(images)).sum()) for images, _ in found] == [round(10 * share)] * steps


def test_a_share_that_no_batch_can_have_is_that_of_the_epoch(made: DigitSet) -> None:
    found = batches(mix(own_digits(), made, share=0.25, batch=10))
    synthetic = [int((~is_real(images)).sum()) for images, _ in found]
    assert synthetic == [2, 3, 2, 3]


def test_an_epoch_shows_every_real_image_once(made: DigitSet) -> None:
    mixed = mix(own_digits(), made, share=0.5, batch=10)
    for epoch in (0, 1, 5):
        images = np.concatenate([images for images, _ in batches(mixed, epoch)])
        numbers = images[is_real(images)][:, 7, 7, 0]
        assert sorted(numbers.tolist()) == list(range(30))


def test_all_synthetic_images_come_before_one_comes_again(made: DigitSet) -> None:
    mixed = mix(own_digits(), made, share=0.5, batch=10)  # 30 of 75 images an epoch
    taken: Counter[bytes] = Counter()
    for epoch in range(5):
        images = np.concatenate([images for images, _ in batches(mixed, epoch)])
        taken.update(image.tobytes() for image in images[~is_real(images)])
    assert len(taken) == 75
    assert set(taken.values()) == {2}


def test_epochs_differ_and_are_the_same_in_each_run(made: DigitSet) -> None:
    def first(seed: int, epoch: int) -> np.ndarray:
        return batches(mix(own_digits(), made, share=0.5, batch=10, seed=seed), epoch)[0][0]

    np.testing.assert_array_equal(first(3, 1), first(3, 1))
    assert not np.array_equal(first(3, 1), first(3, 2))
    assert not np.array_equal(first(3, 1), first(4, 1))


def test_classes_are_equally_frequent_if_wanted(made: DigitSet) -> None:
    uneven = made.take(np.flatnonzero((made.labels != 2) | (np.arange(75) < 6)))
    mixed = mix(own_digits(), uneven, share=0.5, batch=30, balanced=True)
    assert len(mixed) == 4  # 20 real images of each of three classes
    found = batches(mixed, 0) + batches(mixed, 1)
    images, labels = (np.concatenate(column) for column in zip(*found, strict=True))
    real = is_real(images)
    assert np.bincount(labels[real]).tolist() == [40, 40, 40]
    assert np.bincount(labels[~real]).max() <= 1.7 * np.bincount(labels[~real]).min()
    assert len({image.tobytes() for image in images[real]}) == 30


def test_weights_of_synthetic_images(made: DigitSet) -> None:
    for images, _, weights in batches(mix(own_digits(), made, share=0.5, batch=10, weight=0.25)):
        real = is_real(images)
        assert weights.dtype == np.float32
        np.testing.assert_allclose(weights[real], 1 / 0.625)
        np.testing.assert_allclose(weights[~real], 0.25 / 0.625)


def test_processes_share_an_epoch(made: DigitSet) -> None:
    mixed = mix(own_digits(), made, share=0.5, batch=5)
    assert mixed.steps(world_size=4) == 4  # each has 8 of 30 real images
    numbers = []
    for rank in range(4):
        found = batches(mixed, 0, rank=rank, world_size=4)
        assert len(found) == 4
        images = np.concatenate([images for images, _ in found])
        numbers += images[is_real(images)][:, 7, 7, 0].tolist()
    assert set(numbers) == set(range(30))


def test_some_steps_of_an_epoch_are_those_of_the_whole(made: DigitSet) -> None:
    mixed = mix(own_digits(), made, share=0.3, batch=10)
    whole = batches(mixed, 2)
    some = batches(mixed, 2, steps=range(2, 4))
    for (images, _), (others, _) in zip(some, whole[2:4], strict=True):
        np.testing.assert_array_equal(images, others)


def test_synthetic_images_alone(made: DigitSet) -> None:
    found = batches(mix(own_digits(), made, share=1, batch=15))
    assert len({image.tobytes() for images, _ in found for image in images}) == 75


def test_classes_go_by_name(made: DigitSet) -> None:
    real = own_digits((0, 4), ("one", "two"))
    mixed = mix(real, made, share=0, batch=4)
    ((_, labels),) = mixed.batches()
    assert labels.tolist() == [2, 2, 2, 2]
    assert mixed.class_names == NAMES


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            {"share": 1.5},
            r"from 0 \(none\) to 1 \(all\), received 1\.5",
        ),
        ({"batch": 0}, "a batch of 1 or more"),
        ({"weight": 0.0}, r"a weight above 0 .* say share=0"),
    ],
)
def test_settings_that_cannot_be(made: DigitSet, options: Any, message: str) -> None:
    with pytest.raises(SettingsError, match=message):
        mix(own_digits(), made, **options)


def test_images_that_do_not_fit_together(made: DigitSet, tmp_path: Path) -> None:
    large = Digits(np.zeros((1, 9, 8, 1), np.uint8), np.zeros(1, np.uint8), NAMES)
    with pytest.raises(DataError, match=r"one shape, received real ones of \(9, 8, 1\)"):
        mix(large, made)
    with pytest.raises(DataError, match="at least one real image"):
        mix(own_digits((0, 0, 0)), made)
    with pytest.raises(DataError, match=r"received some of 'four'"):
        mix(own_digits((1,), ("four",)), made)
    other = made[:2]
    with pytest.raises(DataError, match="the same classes of both"):
        mix(made, Digits(other.images, other.labels, ("a", "b", "c")))
