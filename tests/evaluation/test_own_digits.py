"""What a set is worth beside few own digits: parts, choices, figures, and what to do."""

import dataclasses

import numpy as np
import pytest

from synthgen.datasets.digits import Digits
from synthgen.evaluation.own_digits import OwnDigitsVerdict, judge_own_digits
from synthgen.metrics.intervals import Estimate
from synthgen.records import from_json, to_json
from tests.evaluation.conftest import FakeJudge, hashes

MEASURED = OwnDigitsVerdict(
    fingerprint="f",
    own=50,
    synthetic=10_000,
    dose=0.5,
    strength=1.0,
    alone=0.9,
    together=0.96,
    difference=Estimate(mean=0.06, low=0.01, high=0.11),
)


def test_each_digit_is_read_by_classifiers_that_never_saw_it(
    unequal_digits: Digits, synthetic: Digits, judge: FakeJudge
) -> None:
    own = unequal_digits.take(slice(0, 60))
    found = judge_own_digits(own, synthetic, judge.judge(), "f", steps=100)
    whole = [training for training in judge.trainings if training.steps == 100]
    last = [judge.asked[k] for k, one in enumerate(judge.trainings) if one.steps == 100]
    assert sum(len(images) for images in last) == len(whole) // 3 * 60
    for training, images in zip(whole, last, strict=True):
        assert not hashes(training.digits.images) & hashes(images)
    # nothing that is read in the end takes part in a choice
    for training in judge.trainings:
        assert hashes(training.digits.images) & hashes(own.images) < hashes(own.images)
    assert (found.own, found.synthetic, found.fingerprint) == (60, 150, "f")
    assert found.alone is not None
    assert found.together is not None
    assert found.difference is not None
    assert found.difference.mean == pytest.approx(found.together - found.alone)


def test_where_nothing_is_gained_the_own_digits_alone_are_advised() -> None:
    without = dataclasses.replace(MEASURED, dose=0.0)
    level = dataclasses.replace(MEASURED, together=0.9)
    for found in (without, level):
        assert found.lines()[-1] == (
            "What to do: train on your 50 digits alone, distorted. The synthetic ones add nothing "
            "that shows on them."
        )


def test_too_few_digits_get_the_default_and_no_figure(
    unequal_digits: Digits, synthetic: Digits, judge: FakeJudge
) -> None:
    found = judge_own_digits(unequal_digits.take(slice(0, 20)), synthetic, judge.judge(), "f")
    assert (found.dose, found.alone, found.verdict, judge.trainings) == (0.5, None, "undecided", [])
    assert found.lines() == [
        "Your digits are too few to measure with: a class has fewer than 3.",
        "What to do: train on your 20 digits and these 150 (share 0.5 of each batch), all "
        "distorted. No figure of your own stands behind this share.",
    ]


def test_what_to_do_is_said_with_its_figures() -> None:
    assert MEASURED.verdict == "helps"
    assert MEASURED.lines() == [
        "Your 50 digits in 3 parts, each read by classifiers of the others:",
        "  your digits, distorted          90.0%",
        "  and synthetic ones              96.0%   +6.0 points (+1.0 to +11.0): helps",
        "What to do: train on your 50 digits and these 10,000, share 0.5 of each batch, all "
        "distorted: 96.0% instead of 90.0%.",
    ]
    wide = Estimate(mean=0.06, low=-0.01, high=0.13)
    unclear = dataclasses.replace(MEASURED, difference=wide)
    assert unclear.lines()[-1].endswith("90.0%. So few digits cannot tell this from chance.")


def test_a_verdict_survives_a_trip_through_a_file() -> None:
    content = to_json(MEASURED, format="synthgen-own-digits/1")
    assert from_json(OwnDigitsVerdict, content, format="synthgen-own-digits/1") == MEASURED


def test_classes_without_digits_are_not_missed(
    unequal_digits: Digits, synthetic: Digits, judge: FakeJudge
) -> None:
    some = unequal_digits.take(np.isin(unequal_digits.labels, [3, 7]))
    found = judge_own_digits(some, synthetic, judge.judge(), "f", steps=100)
    assert found.alone is not None
    assert {training.steps for training in judge.trainings} == {20, 100}  # choices were made, too
