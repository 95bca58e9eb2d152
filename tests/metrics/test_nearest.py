import numpy as np
import pytest

from synthgen.datasets.digits import Digits
from synthgen.errors import DataError
from synthgen.metrics import neighbours as nearest
from synthgen.metrics.neighbours import NearestTrain, check_reference


def brute_force(images: np.ndarray, labels: np.ndarray, reference: Digits) -> list[float]:
    result = []
    for image, label in zip(images, labels, strict=True):
        others = reference.images[reference.labels == label].astype(np.float64)
        result.append(
            round(float(np.sqrt((((others - image) / 255) ** 2).sum(axis=(1, 2, 3))).min()), 4)
        )
    return result


def test_distances_are_those_of_the_definition(reference: Digits) -> None:
    images = np.random.Generator(np.random.Philox(key=9)).integers(0, 256, (50, 8, 8, 1), np.uint8)
    labels = np.arange(50, dtype=np.uint8) % 3
    assert NearestTrain(reference).distances(images, labels).tolist() == brute_force(
        images, labels, reference
    )


def test_a_copy_has_distance_zero_and_one_grey_level_is_seen(reference: Digits) -> None:
    images = reference.images.copy()
    images[1, 4, 4, 0] ^= 1
    distances = NearestTrain(reference).distances(images, reference.labels)
    assert distances[0] == 0
    assert distances[1] == round(1 / 255, 4)


def test_only_the_own_class_counts(reference: Digits) -> None:
    assert NearestTrain(reference).distances(reference.images[:1], np.array([1]))[0] > 0


def test_the_result_does_not_depend_on_blocks_or_neighbours(
    reference: Digits, monkeypatch: pytest.MonkeyPatch
) -> None:
    images = np.random.Generator(np.random.Philox(key=4)).integers(0, 256, (31, 8, 8, 1), np.uint8)
    labels = np.arange(31) % 3
    whole = NearestTrain(reference).distances(images, labels)
    monkeypatch.setattr(nearest, "BLOCK", 4)
    np.testing.assert_array_equal(
        NearestTrain(reference).distances(images[::-1], labels[::-1])[::-1], whole
    )


def test_real_shapes_against_the_definition(tiny_digits: Digits) -> None:
    images = np.roll(tiny_digits.images[:30], 1, axis=1)
    distances = NearestTrain(tiny_digits).distances(images, tiny_digits.labels[:30])
    assert distances.tolist() == brute_force(images, tiny_digits.labels[:30], tiny_digits)


def test_a_class_without_references_is_an_error(reference: Digits) -> None:
    with pytest.raises(DataError, match="none of class 'two'"):
        check_reference(reference.take(reference.labels < 2))
