import numpy as np
import pytest
from scipy.stats import binomtest

from synthgen.metrics.intervals import (
    HELPS,
    HURTS,
    NO_EFFECT,
    UNDECIDED,
    Estimate,
    discordance_interval,
    family_confidence,
    paired_difference,
    sampling_interval,
    seed_interval,
    verdict,
)


def test_seed_interval_is_students() -> None:
    found = seed_interval([0.4, 0.5, 0.6])
    assert found.mean == pytest.approx(0.5)
    # t(0.975, 2) of every printed table
    assert found.low == pytest.approx(0.5 - 0.4302653 / 3**0.5, abs=1e-6)
    assert found.high == pytest.approx(0.5 + 0.4302653 / 3**0.5, abs=1e-6)


def test_seed_interval_narrows_with_less_confidence() -> None:
    assert seed_interval([0.4, 0.5, 0.6], 0.9).high == pytest.approx(
        0.5 + 0.2919986 / 3**0.5, abs=1e-6
    )


def test_intervals_end_where_shares_and_differences_do() -> None:
    half = 12.706205 * 0.01 / 2  # t(0.975, 1), two seeds a hundredth apart
    high, low = seed_interval([0.98, 0.99]), seed_interval([0.01, 0.02])
    assert (high.low, high.high) == (pytest.approx(0.985 - half, abs=1e-6), 1.0)
    assert (low.low, low.high) == (0.0, pytest.approx(0.015 + half, abs=1e-6))
    assert seed_interval([-0.5, 0.5], least=-1.0) == Estimate(mean=0.0, low=-1.0, high=1.0)
    assert seed_interval([-0.02, 0.0], least=-1.0).low == pytest.approx(-0.01 - 2 * half, abs=1e-6)
    arm, baseline = np.zeros((2, 9), bool), np.zeros((2, 9), bool)
    arm[0], baseline[1] = True, True
    assert paired_difference(arm, baseline) == Estimate(mean=0.0, low=-1.0, high=1.0)


def test_an_interval_never_leaves_its_mean_outside() -> None:
    """A mean of linearised contributions may exceed 1 by a rounding error."""
    assert seed_interval([1 + 1e-15, 1 + 1e-15]).high == 1 + 1e-15


def test_cutting_an_interval_changes_no_verdict() -> None:
    random = np.random.default_rng(3)
    shares = random.random((300, 2, 2, 1))
    pairs = [
        (random.random((2, 60)) < arm, random.random((2, 60)) < baseline)
        for arm, baseline in shares
    ]
    cut = [paired_difference(*pair) for pair in pairs]
    whole = [paired_difference(*pair, least=-np.inf, most=np.inf) for pair in pairs]
    assert [verdict(found) for found in cut] == [verdict(found) for found in whole]
    assert sum(one != other for one, other in zip(cut, whole, strict=True)) > 50
    assert {verdict(found) for found in cut} == {HELPS, NO_EFFECT, HURTS}


def test_one_seed_has_no_interval() -> None:
    assert seed_interval([0.99]) == Estimate(mean=0.99, low=None, high=None)
    assert paired_difference(np.ones((1, 9), bool), np.zeros((1, 9), bool)) == Estimate(
        mean=1.0, low=None, high=None
    )


@pytest.mark.parametrize(
    ("share", "images", "low", "high"),
    [
        (0.5, 10, 0.236593, 0.763407),
        (0.0, 10, 0.0, 0.277533),
        (1.0, 10, 0.722467, 1.0),
        (0.99, 10_000, 0.987853, 0.991770),
    ],
)
def test_sampling_interval_is_wilsons(share: float, images: int, low: float, high: float) -> None:
    found = sampling_interval(share, images)
    assert (found.mean, found.low, found.high) == pytest.approx((share, low, high), abs=1e-6)


def test_paired_difference_of_equal_seeds_is_over_images() -> None:
    """Where all seeds agree only images vary: of 1,000, 10 are gained and 4 lost.

    The variance is (0.014 - 0.006^2) * 1000 / 999 / 1000.
    """
    arm, baseline = np.ones((3, 1000), bool), np.ones((3, 1000), bool)
    arm[:, :4] = False
    baseline[:, 10:20] = False
    found = paired_difference(arm, baseline)
    half = 1.962341 * ((0.014 - 0.006**2) / 999) ** 0.5  # t(0.975, 999)
    assert (found.mean, found.low, found.high) == pytest.approx(
        (0.006, 0.006 - half, 0.006 + half), abs=1e-7
    )


def test_paired_difference_is_as_wide_as_over_seeds_alone() -> None:
    random = np.random.default_rng(0)
    for _ in range(50):
        arm, baseline = random.random((3, 200)) < 0.9, random.random((3, 200)) < 0.9
        found, over_seeds = (
            paired_difference(arm, baseline),
            seed_interval((arm.mean(axis=1) - baseline.mean(axis=1)).tolist()),
        )
        assert found.low is not None
        assert over_seeds.low is not None
        assert found.mean == pytest.approx(over_seeds.mean)
        assert found.low <= over_seeds.low + 1e-12


def test_equal_arms_have_a_difference_of_exactly_zero() -> None:
    arm = np.random.default_rng(1).random((3, 100)) < 0.9
    assert paired_difference(arm, arm) == Estimate(mean=0.0, low=0.0, high=0.0)
    assert verdict(paired_difference(arm, arm)) == NO_EFFECT


@pytest.mark.parametrize(
    ("low", "high", "word"),
    [
        (0.001, 0.002, HELPS),
        (-0.001, 0.002, NO_EFFECT),
        (0.0, 0.002, NO_EFFECT),
        (-0.2, -0.1, HURTS),
        (None, None, UNDECIDED),
    ],
)
def test_the_word_follows_the_interval(low: float | None, high: float | None, word: str) -> None:
    assert verdict(Estimate(mean=0.0, low=low, high=high)) == word


def test_family_confidence_is_bonferronis() -> None:
    assert family_confidence(10) == pytest.approx(0.995)
    assert family_confidence(1) == 0.95


def simulate(
    random: np.random.Generator, gain: float, seeds: int, images: int, seed_spread: float
) -> str:
    """Two arms that read the same images: each image is as hard as it is, each seed lucky."""
    difficulty = random.normal(-3, 1.5, images)

    def correct(shift: float) -> np.ndarray:
        # what this arm finds hard, whatever the seed
        own = difficulty + random.normal(0, 0.5, images)
        return random.random((seeds, images)) > 1 / (
            1 + np.exp(-(own - shift + random.normal(0, seed_spread, (seeds, 1))))
        )

    return verdict(paired_difference(correct(gain), correct(0.0)))


@pytest.mark.parametrize("seeds", [3, 5, 10])
@pytest.mark.parametrize("seed_spread", [0.0, 0.05, 0.4])
def test_without_a_true_difference_the_word_is_no_effect(seeds: int, seed_spread: float) -> None:
    """At most 5 % of rows may say otherwise: 33 or fewer of 400 with a probability of 0.999."""
    random = np.random.default_rng([seeds, int(100 * seed_spread)])
    words = [simulate(random, 0.0, seeds, 1000, seed_spread) for _ in range(400)]
    assert words.count(NO_EFFECT) >= 400 - 33


@pytest.mark.parametrize("seeds", [3, 5])
def test_arms_of_the_same_set_differ_in_at_most_one_row_of_20(seeds: int) -> None:
    """As MNIST is read: 10,000 images, 99.4 % right, most errors in the same hard images.

    Two trainings with the same data differ in the order of images and the initial weights alone;
    here even these are paired in part. 200 rows.
    """
    random = np.random.default_rng([5, seeds])
    words = []
    for _ in range(200):
        difficulty = random.normal(-14, 5.5, 10_000)
        of_seed = random.normal(0, 0.1, (seeds, 1))
        arms = [
            difficulty
            + of_seed
            + random.normal(0, 0.1, (seeds, 1))
            + random.logistic(size=(seeds, 10_000))
            < 0
            for _ in range(2)
        ]
        words.append(verdict(paired_difference(*arms)))
    assert 0.99 < np.mean(arms) < 0.997
    assert len(words) - words.count(NO_EFFECT) <= 10


def test_a_true_difference_is_found() -> None:
    random = np.random.default_rng(2)
    assert [simulate(random, 1.0, 3, 2000, 0.05) for _ in range(50)].count(HELPS) >= 45
    assert [simulate(random, -1.0, 3, 2000, 0.05) for _ in range(50)].count(HURTS) >= 45


@pytest.mark.parametrize(("gained", "lost"), [(4, 0), (5, 0), (6, 0), (9, 2), (10, 1), (1, 10)])
def test_few_discordant_images_are_judged_as_by_mcnemar(gained: int, lost: int) -> None:
    found = discordance_interval(gained, lost, 50)
    assert found.mean == pytest.approx((gained - lost) / 50)
    is_clear = binomtest(gained, gained + lost).pvalue < 0.05
    assert (verdict(found) != NO_EFFECT) == is_clear


def test_without_discordant_images_there_is_no_difference() -> None:
    assert discordance_interval(0, 0, 50) == Estimate(mean=0.0, low=0.0, high=0.0)
