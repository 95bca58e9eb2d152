import numpy as np
import pytest

from synthgen.errors import DataError
from synthgen.metrics.copying import (
    authenticity,
    data_copying,
    measure_copying,
    mixture_weights,
    stratified_copying,
)
from synthgen.metrics.neighbours import ClassNeighbours, nearest_in_class


def clouds(seed: int, count: int, spread: float = 1.0) -> tuple[np.ndarray, np.ndarray]:
    """Two classes, each a cloud of 8 features."""
    random = np.random.default_rng(seed)
    labels = (np.arange(count) % 2).astype(np.uint8)
    return (random.normal(size=(count, 8)) * spread + 10 * labels[:, None]).astype(
        np.float32
    ), labels


def test_data_copying_is_the_z_score_of_mann_and_whitney() -> None:
    """All below: U = 0, so -(mn / 2) / sqrt(mn (m + n + 1) / 12)."""
    assert data_copying(np.zeros(100), np.ones(100)) == pytest.approx(
        -5000 / (10_000 * 201 / 12) ** 0.5
    )
    assert data_copying(np.ones(30), np.zeros(50)) == pytest.approx(750 / (1500 * 81 / 12) ** 0.5)
    assert data_copying(np.ones(20), np.ones(40)) == 0  # ties count half


def test_data_copying_of_equal_distributions_is_standard_normal() -> None:
    random = np.random.default_rng(0)
    scores = [data_copying(random.normal(size=80), random.normal(size=60)) for _ in range(400)]
    assert np.mean(scores) == pytest.approx(0, abs=0.15)
    assert np.std(scores) == pytest.approx(1, abs=0.12)


def test_ranks_are_within_the_class() -> None:
    """Class 1 lies farther from its training images, and is rarer on one side: no copying."""
    random = np.random.default_rng(0)

    def side(counts: tuple[int, int]) -> ClassNeighbours:
        labels = np.repeat(np.arange(2, dtype=np.uint8), counts)
        return ClassNeighbours(
            labels,
            np.zeros(len(labels), np.int64),
            (random.normal(size=len(labels)) + 5 * labels).astype(np.float32),
            np.zeros(1),
        )

    even, uneven = side((300, 300)), side((100, 500))
    assert abs(stratified_copying(even, uneven)) < 3
    assert data_copying(even.distances, uneven.distances) < -6
    assert stratified_copying(even, even) == 0


def test_no_class_in_common_is_an_error() -> None:
    zeros, ones = (
        ClassNeighbours(
            np.full(5, label, np.uint8),
            np.zeros(5, np.int64),
            np.ones(5, np.float32),
            np.ones(5, np.float32),
        )
        for label in (0, 1)
    )
    with pytest.raises(DataError, match="at least one class that is asked about"):
        stratified_copying(zeros, ones)


def test_classes_are_weighted_as_in_the_mixture() -> None:
    weights = mixture_weights(np.array([0, 0, 0, 1, 2], np.uint8), np.array([0, 1, 1, 1], np.uint8))
    assert weights == pytest.approx([1 / 12, 1 / 12, 1 / 12, 3 / 4, 0])


def test_authenticity_is_the_share_beyond_the_gap() -> None:
    found = ClassNeighbours(
        np.zeros(4, np.uint8),
        np.zeros(4, np.int64),
        np.array([0, 1, 2, 3], np.float32),
        np.full(4, 1.5, np.float32),
    )
    assert authenticity(found, found.labels).mean == 0.5


def test_a_score_class_by_class_finds_copying_in_one_class() -> None:
    train, labels = clouds(0, 800)
    held_out, control = (nearest_in_class(*clouds(seed, 400), train, labels) for seed in (1, 2))
    mixed, mixed_labels = clouds(3, 400)
    mixed[mixed_labels == 1] = train[labels == 1][:200]
    found = measure_copying(
        "features", nearest_in_class(mixed, mixed_labels, train, labels), held_out, control, 2
    )
    assert found.c_t_by_class[0] == pytest.approx(0, abs=3)
    assert found.c_t_by_class[1] < -10  # type: ignore[operator]
    assert found.c_t_class_mean == pytest.approx(sum(found.c_t_by_class) / 2)  # type: ignore[arg-type]
    assert abs(found.c_t_control) < 3
    assert found.close_level == 0.05  # the closest 20 of 400
    assert found.closer.mean > 0.5
    assert found.synthetic[0] == 0
    assert found.synthetic[-1] == pytest.approx(
        float(nearest_in_class(mixed, mixed_labels, train, labels).distances.max())
    )


def test_classes_with_few_images_have_no_score_of_their_own() -> None:
    train, labels = clouds(0, 100)
    few, few_labels = clouds(1, 70)
    some = nearest_in_class(few[few_labels == 0], few_labels[few_labels == 0], train, labels)
    held_out = nearest_in_class(*clouds(2, 60), train, labels)
    found = measure_copying("pixels", some, held_out, some, 2)
    assert found.c_t_by_class[1] is None
    assert found.c_t_class_mean == found.c_t_by_class[0]
