import numpy as np
import pytest

from synthgen.datasets.digits import Digits
from synthgen.datasets.splits import RealDigits
from synthgen.errors import DataError
from synthgen.metrics.memorisation import (
    SEEN,
    TESTS,
    Memorisation,
    Neighbours,
    Side,
    authenticity,
    data_copying,
    flat,
    measure_copying,
    measure_duplicates,
    measure_memorisation,
    mixture_weights,
    neighbours,
    stratified_copying,
)


def clouds(seed: int, count: int, spread: float = 1.0) -> tuple[np.ndarray, np.ndarray]:
    """Two classes, each a cloud of 8 features."""
    random = np.random.default_rng(seed)
    labels = (np.arange(count) % 2).astype(np.uint8)
    return (random.normal(size=(count, 8)) * spread + 10 * labels[:, None]).astype(
        np.float32
    ), labels


def test_neighbours_are_sought_within_the_class() -> None:
    train, labels = (
        np.array([[0.0], [1.0], [5.0], [0.2], [9.0]], np.float32),
        np.array([0, 0, 0, 1, 1], np.uint8),
    )
    found = neighbours(
        np.array([[0.3], [0.3], [4.0]], np.float32), np.array([0, 1, 0], np.uint8), train, labels
    )
    assert found.positions.tolist() == [0, 3, 2]
    assert found.distances == pytest.approx([0.3, 0.1, 1.0])
    assert found.gaps == pytest.approx([1.0, 8.8, 4.0])


def test_a_class_with_one_training_image_is_an_error() -> None:
    with pytest.raises(DataError, match="received 1"):
        neighbours(
            np.zeros((1, 2), np.float32),
            np.zeros(1, np.uint8),
            np.zeros((1, 2), np.float32),
            np.zeros(1, np.uint8),
        )


def test_data_copying_is_the_z_score_of_mann_and_whitney() -> None:
    """All below: U = 0, so -(mn / 2) / sqrt(mn (m + n + 1) / 12)."""
    assert data_copying(np.zeros(100), np.ones(100)) == pytest.approx(
        -5000 / (10_000 * 201 / 12) ** 0.5
    )
    assert data_copying(np.ones(30), np.zeros(50)) == pytest.approx(750 / (1500 * 81 / 12) ** 0.5)
    assert data_copying(np.ones(20), np.ones(40)) == 0  # ties count half


def test_data_copying_of_equal_distributions_is_a_standard_normal() -> None:
    random = np.random.default_rng(0)
    scores = [data_copying(random.normal(size=80), random.normal(size=60)) for _ in range(400)]
    assert np.mean(scores) == pytest.approx(0, abs=0.15)
    assert np.std(scores) == pytest.approx(1, abs=0.12)


def test_ranks_are_within_the_class() -> None:
    """Class 1 lies farther from its training images, and the two sides mix the classes differently: no sign of copying."""
    random = np.random.default_rng(0)

    def side(counts: tuple[int, int]) -> Neighbours:
        labels = np.repeat(np.arange(2, dtype=np.uint8), counts)
        return Neighbours(
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
        Neighbours(
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
    found = Neighbours(
        np.zeros(4, np.uint8),
        np.zeros(4, np.int64),
        np.array([0, 1, 2, 3], np.float32),
        np.full(4, 1.5, np.float32),
    )
    assert authenticity(found, found.labels).mean == 0.5


def test_a_cell_by_cell_score_finds_copying_in_one_class() -> None:
    train, labels = clouds(0, 800)
    held_out, control = (neighbours(*clouds(seed, 400), train, labels) for seed in (1, 2))
    mixed, mixed_labels = clouds(3, 400)
    mixed[mixed_labels == 1] = train[labels == 1][:200]
    found = measure_copying(
        "features", neighbours(mixed, mixed_labels, train, labels), held_out, control, 2
    )
    assert found.c_t_by_class[0] == pytest.approx(0, abs=3)
    assert found.c_t_by_class[1] < -10  # type: ignore[operator]
    assert found.c_t_cells == pytest.approx((found.c_t_by_class[0] + found.c_t_by_class[1]) / 2)  # type: ignore[operator]
    assert abs(found.c_t_control) < 3
    assert found.close_level == 0.05  # the closest 20 of 400
    assert found.closer.mean > 0.5
    assert found.synthetic[0] == 0
    assert found.synthetic[-1] == pytest.approx(
        float(neighbours(mixed, mixed_labels, train, labels).distances.max())
    )


def test_classes_with_few_images_have_no_score_of_their_own() -> None:
    train, labels = clouds(0, 100)
    few, few_labels = clouds(1, 70)
    some = neighbours(few[few_labels == 0], few_labels[few_labels == 0], train, labels)
    found = measure_copying("pixels", some, neighbours(*clouds(2, 60), train, labels), some, 2)
    assert found.c_t_by_class[1] is None
    assert found.c_t_cells == found.c_t_by_class[0]


# Real digits: 4,000 to train on, the others held out


@pytest.fixture(scope="module")
def sides(mnist: RealDigits) -> tuple[Digits, Digits, Digits, Digits]:
    """(train, held out, control, unseen), all of them MNIST's training digits, so of the same writers."""
    rows = np.random.default_rng(0).permutation(len(mnist.train))
    train, held_out, control, unseen = (
        mnist.train.take(part) for part in np.split(rows[:7000], [4000, 5000, 6000])
    )
    return train, held_out, control, unseen


def measured(made: Digits, sides: tuple[Digits, Digits, Digits, Digits]) -> Memorisation:
    """With features that are pixels of half the sides."""

    def side(digits: Digits) -> Side:
        return Side(digits, flat(digits.images[:, ::2, ::2]))

    train, held_out, control, _ = sides
    options = {
        "positions": np.arange(len(made)) + 7,
        "used": made.images,
        "fellows": (made, train.take(slice(0, len(made)))),
        "generator_saw": SEEN,
    }
    return measure_memorisation(side(made), side(train), side(held_out), side(control), **options)


@pytest.mark.mnist
def test_held_out_real_digits_are_no_copies(sides: tuple[Digits, Digits, Digits, Digits]) -> None:
    found = measured(sides[3], sides)
    assert found.fired == ()
    assert (found.copies, found.duplicates.exact) == (0, 0)
    for space in found.spaces:
        assert abs(space.c_t) < 3
        assert space.authenticity.mean == pytest.approx(space.authenticity_held_out.mean, abs=0.06)
        assert space.closer.mean == pytest.approx(space.close_level, abs=0.02)


@pytest.mark.mnist
def test_a_copied_training_set_makes_every_test_fire(
    sides: tuple[Digits, Digits, Digits, Digits],
) -> None:
    found = measured(sides[0].take(slice(0, 1000)), sides)
    assert found.fired == (
        "copies",
        *(
            f"{name}_{space}"
            for space in ("pixels", "features")
            for name in ("closer", "c_t", "authenticity")
        ),
    )
    assert {name.split("_pixels")[0].split("_features")[0] for name in found.fired} == set(TESTS)
    assert (found.copies, found.copies_control) == (1000, 0)
    assert all(space.authenticity.mean == 0 for space in found.spaces)
    assert [pair.distance for pair in found.closest] == [0.0] * 20
    assert all(pair.position == pair.train_position + 7 for pair in found.closest)
    assert all(pair.label == sides[0].labels[pair.train_position] for pair in found.closest)


@pytest.mark.mnist
def test_slightly_noisy_copies_are_found_too(sides: tuple[Digits, Digits, Digits, Digits]) -> None:
    copied = sides[0].take(slice(0, 1000))
    noisy = copied.images.astype(int) + np.random.default_rng(1).integers(
        -12, 13, copied.images.shape
    )
    found = measured(Digits(noisy.clip(0, 255).astype(np.uint8), copied.labels), sides)
    assert found.copies == 0
    assert {"closer_pixels", "c_t_pixels", "authenticity_pixels"} <= set(found.fired)
    assert all(0 < pair.distance < 1 for pair in found.closest)


@pytest.mark.mnist
def test_one_copy_in_ten_is_enough(sides: tuple[Digits, Digits, Digits, Digits]) -> None:
    unseen, train = sides[3], sides[0]
    mixed = Digits(
        np.concatenate([unseen.images[:900], train.images[:100]]),
        np.concatenate([unseen.labels[:900], train.labels[:100]]),
    )
    found = measured(mixed, sides)
    assert {"copies", "closer_pixels", "closer_features"} <= set(found.fired)
    assert found.copies == 100


def uneven(digits: Digits, counts: dict[int, int], other: int) -> Digits:
    """The first so many images of each class."""
    rows = [
        np.flatnonzero(digits.labels == label)[: counts.get(label, other)] for label in range(10)
    ]
    return digits.take(np.concatenate(rows))


@pytest.mark.mnist
def test_a_balanced_set_beside_uneven_real_digits_is_no_copier(mnist: RealDigits) -> None:
    """Class 1, whose digits are nearest to each other, is rare among the real ones and as frequent as all others in the set."""
    rows = np.random.default_rng(2).permutation(len(mnist.train))
    parts = [mnist.train.take(part) for part in np.split(rows[:40_000], [10_000, 20_000, 30_000])]
    rare = [
        uneven(part, {1: count}, 5 * count)
        for part, count in zip(parts[:3], (120, 24, 24), strict=True)
    ]
    found = measured(uneven(parts[3], {}, 500), (*rare, rare[0]))
    assert found.fired == ()
    assert abs(found.spaces[0].c_t) < 3


@pytest.mark.mnist
def test_copies_are_found_in_a_balanced_set_beside_uneven_real_digits(mnist: RealDigits) -> None:
    """One image in five is a noisy copy, in a set in which the digits that are farthest from each other are more frequent than among real ones."""
    rows = np.random.default_rng(3).permutation(len(mnist.train))
    parts = [mnist.train.take(part) for part in np.split(rows[:44_000], [14_000, 24_000, 34_000])]
    sides = [
        uneven(part, dict.fromkeys((1, 7, 9), 12 * few), few)
        for part, few in zip(parts[:3], (100, 50, 50), strict=True)
    ]
    honest, copied = uneven(parts[3], {}, 80), uneven(sides[0], {}, 20)
    noisy = copied.images.astype(int) + np.random.default_rng(1).integers(
        -12, 13, copied.images.shape
    )
    images = np.concatenate([honest.images, noisy.clip(0, 255).astype(np.uint8)])
    found = measured(
        Digits(images, np.concatenate([honest.labels, copied.labels])), (*sides, honest)
    )
    assert "closer_pixels" in found.fired
    assert measured(honest, (*sides, honest)).fired == ()


@pytest.mark.mnist
def test_repeated_images_are_counted(sides: tuple[Digits, Digits, Digits, Digits]) -> None:
    unseen, train = sides[3], sides[0]
    rows = np.concatenate([np.arange(900), np.arange(100)])
    found = measure_duplicates(unseen.images[rows], unseen.take(rows), train.take(slice(0, 1000)))
    assert (found.images, found.exact) == (1000, 100)
    assert found.near.mean >= 0.2  # both of each pair
    assert found.near_control.mean == pytest.approx(0.01, abs=0.002)
    assert found.near_distance > 1


def test_too_few_images_are_an_error() -> None:
    images = np.random.default_rng(0).integers(0, 256, (100, 4, 4, 1)).astype(np.uint8)
    digits = Digits(images, (np.arange(100) % 2).astype(np.uint8), ("zero", "one"))
    whole, part = Side(digits, flat(images)), Side(digits.take(slice(0, 49)), flat(images[:49]))
    options = {
        "positions": np.arange(100),
        "used": images,
        "fellows": (digits, digits),
        "generator_saw": SEEN,
    }
    with pytest.raises(DataError, match=r"at least 50 real validation digits .* received 49"):
        measure_memorisation(whole, whole, part, whole, **options)
