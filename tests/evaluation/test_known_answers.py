"""Usefulness where the answer is known beforehand: 20 real digits of each class, and as "synthetic" ones what nobody could mistake."""

import numpy as np
import pytest

from synthgen.classifiers.judge import JudgeSettings, default_judge
from synthgen.datasets.digits import Digits
from synthgen.datasets.splits import RealDigits
from synthgen.evaluation.arms import Cell, run_cell
from synthgen.evaluation.cells import seeds_of
from synthgen.evaluation.measure import first_rows
from synthgen.evaluation.results import Comparison
from synthgen.evaluation.summary import compare, summarise_agreement
from synthgen.metrics.intervals import HELPS, HURTS, NO_EFFECT

pytestmark = pytest.mark.mnist
STEPS, SEEDS = 100, seeds_of(3)


@pytest.fixture(scope="module")
def real(mnist: RealDigits) -> Digits:
    return mnist.train.take(first_rows(mnist.train.labels, 20))


@pytest.fixture(scope="module")
def others(mnist: RealDigits) -> Digits:
    """400 other digits of each class."""
    rest = mnist.train.take(slice(20_000, None))
    return rest.take(first_rows(rest.labels, 400))


def train(arm: str, real: Digits, synthetic: Digits, mnist: RealDigits) -> list[Cell]:
    judge = default_judge(JudgeSettings(channels=(8, 16, 16, 32)))
    digits = {
        "real": real,
        "synthetic": synthetic,
        "asked": synthetic,
        "test": mnist.validation.take(slice(0, 2000)),
    }
    return [
        run_cell(
            arm,
            seed,
            **digits,
            steps=STEPS,
            judge=judge,
            fingerprint="f",
            progress=lambda steps: None,
        )
        for seed in SEEDS
    ]


@pytest.fixture(scope="module")
def shuffled(others: Digits) -> Digits:
    return Digits(others.images, np.random.default_rng(0).permutation(others.labels))


@pytest.fixture(scope="module")
def baseline(real: Digits, shuffled: Digits, mnist: RealDigits) -> list[Cell]:
    """Classifiers of the real digits alone, asked about the shuffled labels."""
    return train("real", real, shuffled, mnist)


def compared(
    arm: str, real: Digits, synthetic: Digits, baseline: list[Cell], mnist: RealDigits
) -> Comparison:
    return compare(train(arm, real, synthetic, mnist), baseline, mnist.validation.labels[:2000], 10)


def test_independent_real_digits_help(
    real: Digits, others: Digits, baseline: list[Cell], mnist: RealDigits
) -> None:
    found = compared("real_synthetic", real, others, baseline, mnist)
    assert found.verdict == HELPS
    assert found.difference.mean > 0.02


def test_the_training_digits_once_more_have_no_effect(
    real: Digits, baseline: list[Cell], mnist: RealDigits
) -> None:
    found = compared("real_synthetic", real, real, baseline, mnist)
    assert found.verdict == NO_EFFECT
    assert abs(found.difference.mean) < 0.02


def test_shuffled_labels_hurt_and_are_agreed_with_by_chance(
    real: Digits, shuffled: Digits, baseline: list[Cell], mnist: RealDigits
) -> None:
    assert compared("real_synthetic", real, shuffled, baseline, mnist).verdict == HURTS
    seen_as, belief = (
        np.stack([getattr(cell, name) for cell in baseline]) for name in ("seen_as", "belief")
    )
    found = summarise_agreement(seen_as, belief, shuffled, range(len(shuffled)), [0.9] * 10)
    # 4,000 labels: one standard error is 0.005
    assert found.share.mean == pytest.approx(0.1, abs=0.02)
    assert found.failed_classes == tuple(range(10))
