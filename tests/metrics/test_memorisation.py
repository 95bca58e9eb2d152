import numpy as np
import pytest

from synthgen.datasets.digits import Digits
from synthgen.datasets.splits import RealDigits
from synthgen.errors import DataError
from synthgen.metrics.copying import COPYING_TESTS
from synthgen.metrics.memorisation import (
    LEAST_IMAGES,
    SEEN,
    EmbeddedDigits,
    Memorisation,
    MemorisationSamples,
    copying_scores,
    count_copies,
    image_digests,
    measure_duplicates,
    measure_memorisation,
)
from synthgen.metrics.neighbours import pixel_vectors


def noise(seed: int, count: int) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (count, 4, 4, 1)).astype(np.uint8)


def test_copies_are_counted_pixel_by_pixel() -> None:
    originals = noise(0, 20)
    images = np.concatenate([noise(1, 5), originals[[3, 3, 7]]])
    images[-1, 0, 0, 0] ^= 1
    assert count_copies(images, originals) == 2


def test_digests_are_those_of_the_pixels_wherever_they_lie() -> None:
    images = noise(0, 6)
    assert image_digests(images[::2]) == image_digests(images)[::2]
    assert len(set(image_digests(images))) == 6


def test_images_that_are_alone_in_their_class_repeat_none() -> None:
    alone = Digits(noise(0, 2), np.arange(2, dtype=np.uint8), ("zero", "one"))
    with pytest.raises(DataError, match="Expected two images of one class"):
        measure_duplicates(alone.images, alone, alone)


@pytest.mark.mnist
def test_repeated_images_are_counted(mnist: RealDigits) -> None:
    rows = np.random.default_rng(0).permutation(len(mnist.train))
    train, unseen = mnist.train.take(rows[:4000]), mnist.train.take(rows[6000:7000])
    rows = np.concatenate([np.arange(900), np.arange(100)])
    found = measure_duplicates(unseen.images[rows], unseen.take(rows), train.take(slice(0, 1000)))
    assert (found.images, found.exact) == (1000, 100)
    assert found.near.mean >= 0.2  # both of each pair
    assert found.near_control.mean == pytest.approx(0.01, abs=0.002)
    assert found.near_distance > 1


Sides = tuple[Digits, Digits, Digits, Digits]


# Real digits: 4,000 to train on, the others held out


@pytest.fixture(scope="module")
def sides(mnist: RealDigits) -> Sides:
    """(train, held out, control, unseen), all MNIST's training digits, so of the same writers."""
    rows = np.random.default_rng(0).permutation(len(mnist.train))
    train, held_out, control, unseen = (
        mnist.train.take(part) for part in np.split(rows[:7000], [4000, 5000, 6000])
    )
    return train, held_out, control, unseen


def embedded(digits: Digits) -> EmbeddedDigits:
    """With features that are pixels of half the sides."""
    return EmbeddedDigits(digits, pixel_vectors(digits.images[:, ::2, ::2]))


def measured(made: Digits, sides: Sides) -> Memorisation:
    train, held_out, control, _ = sides
    samples = MemorisationSamples(
        synthetic=embedded(made),
        train=embedded(train),
        held_out=embedded(held_out),
        control=embedded(control),
    )
    duplicates = measure_duplicates(made.images, made, train.take(slice(0, len(made))))
    return measure_memorisation(samples, np.arange(len(made)) + 7, duplicates, SEEN)


@pytest.mark.mnist
def test_held_out_real_digits_are_no_copies(sides: Sides) -> None:
    found = measured(sides[3], sides)
    assert found.fired == ()
    assert (found.copies, found.duplicates.exact) == (0, 0)
    for space in found.spaces:
        assert abs(space.c_t) < 3
        assert space.authenticity.mean == pytest.approx(space.authenticity_held_out.mean, abs=0.06)
        assert space.closer.mean == pytest.approx(space.close_level, abs=0.02)


@pytest.mark.mnist
def test_a_copied_training_set_makes_every_test_fire(
    sides: Sides,
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
    tests = {name.removesuffix("_pixels").removesuffix("_features") for name in found.fired}
    assert tests == set(COPYING_TESTS)
    assert (found.copies, found.copies_control) == (1000, 0)
    assert all(space.authenticity.mean == 0 for space in found.spaces)
    assert [pair.distance for pair in found.closest] == [0.0] * 20
    assert all(pair.position == pair.train_position + 7 for pair in found.closest)
    assert all(pair.label == sides[0].labels[pair.train_position] for pair in found.closest)


@pytest.mark.mnist
def test_slightly_noisy_copies_are_found_too(sides: Sides) -> None:
    copied = sides[0].take(slice(0, 1000))
    noisy = copied.images.astype(int) + np.random.default_rng(1).integers(
        -12, 13, copied.images.shape
    )
    found = measured(Digits(noisy.clip(0, 255).astype(np.uint8), copied.labels), sides)
    assert found.copies == 0
    assert {"closer_pixels", "c_t_pixels", "authenticity_pixels"} <= set(found.fired)
    assert all(0 < pair.distance < 1 for pair in found.closest)


@pytest.mark.mnist
def test_one_copy_in_ten_is_enough(sides: Sides) -> None:
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
@pytest.mark.slow
def test_a_balanced_set_beside_uneven_real_digits_is_no_copier(mnist: RealDigits) -> None:
    """Class 1, whose digits are nearest to each other, is rare among the real ones alone."""
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
@pytest.mark.slow
def test_copies_are_found_in_a_balanced_set_beside_uneven_ones(mnist: RealDigits) -> None:
    """One image in five is a noisy copy; digits far from each other are rarer among real ones."""
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


def test_too_few_images_are_an_error() -> None:
    images = np.random.default_rng(0).integers(0, 256, (100, 4, 4, 1)).astype(np.uint8)
    digits = Digits(images, (np.arange(100) % 2).astype(np.uint8), ("zero", "one"))
    whole = embedded(digits)
    part = embedded(digits.take(slice(0, 49)))
    with pytest.raises(DataError, match=r"at least 50 real validation digits .* received 49"):
        MemorisationSamples(synthetic=whole, train=whole, held_out=part, control=whole)


def blurred(count: int, seed: int) -> Digits:
    """Two classes of noise: a bright left or right half, and a pattern of each image's own."""
    random = np.random.default_rng(seed)
    labels = np.tile(np.arange(2, dtype=np.uint8), count // 2)
    images = random.integers(0, 150, (count, 8, 8, 1))
    images[labels == 0, :, :4] += 100
    images[labels == 1, :, 4:] += 100
    return Digits(images.astype(np.uint8), labels, ("left", "right"))


def test_copies_are_seen_and_honest_images_are_not() -> None:
    train, held_out, control = blurred(200, 1), blurred(200, 2), blurred(200, 3)
    copied = copying_scores(train, train, held_out, control)
    assert copied is not None
    assert copied["found"] == 1
    assert (copied["copies"], copied["copies_control"]) == (1, 0)
    assert copied["c_t"] < -10 < -3 < copied["c_t_control"]
    assert (copied["authenticity"], copied["median_distance"]) == (0, 0)
    assert copied["closer"] == 1
    honest = copying_scores(blurred(200, 4), train, held_out, control)
    assert honest is not None
    assert honest["found"] == 0
    assert honest["copies"] == 0
    assert abs(honest["c_t"]) < 3
    assert honest["closer"] < 0.25
    assert abs(honest["authenticity"] - honest["authenticity_held_out"]) < 0.15
    assert abs(honest["median_distance"] / honest["median_distance_held_out"] - 1) < 0.1


def test_one_training_image_of_a_class_is_too_few() -> None:
    assert copying_scores(blurred(20, 1), blurred(2, 2), blurred(20, 3), blurred(20, 4)) is None


def test_with_too_few_images_nothing_is_said() -> None:
    train = blurred(200, 1)
    enough, few = (blurred(count, 2) for count in (LEAST_IMAGES, LEAST_IMAGES - 2))
    assert copying_scores(enough, train, enough, enough) is not None
    assert (
        copying_scores(few, train, enough, enough)
        is copying_scores(enough, train, few, enough)
        is copying_scores(enough, train, enough, few)
        is None
    )
