"""What a set is worth beside own digits: parts, choices, figures."""

import dataclasses
import json
from typing import Any

import numpy as np
import pytest

from synthgen.datasets.digits import Digits
from synthgen.datasets.splits import RealDigits
from synthgen.errors import RecordError
from synthgen.evaluation.cells import CellStore
from synthgen.evaluation.own_digits import (
    OwnDigitsTrial,
    OwnDigitsVerdict,
    difference_of,
    is_top_up,
    judge_own_digits,
    read_own_digits,
    steps_done,
    write_own_digits,
)
from synthgen.metrics.intervals import Estimate, discordance_interval, paired_difference
from synthgen.records import parse_json, to_json
from synthgen.storage import Storage
from tests.evaluation.conftest import FakeJudge, hashes

MEASURED = OwnDigitsVerdict(
    fingerprint="f",
    own=50,
    synthetic=10_000,
    dose=0.5,
    strength=1.0,
    seeds=3,
    alone=0.9,
    together=0.96,
    difference=Estimate(mean=0.06, low=0.01, high=0.11),
    by_seed=(0.05, 0.06, 0.07),
    by_class=((0.9, 0.96), (0.9, 0.96)),
    class_names=("0", "1"),
    code="synthgen.mix(...)",
)


def trial_of(own: Digits, synthetic: Digits, judge: FakeJudge, **how: Any) -> OwnDigitsTrial:
    """A trial of 100 steps and two repetitions, or of what is named."""
    settings: dict[str, Any] = {"steps": 100, "seeds": 2, **how}
    return OwnDigitsTrial(
        own=own, synthetic=synthetic, judge=judge.judge(), fingerprint="f", **settings
    )


def test_each_digit_is_read_by_classifiers_that_never_saw_it(
    unequal_digits: Digits, synthetic: Digits, judge: FakeJudge
) -> None:
    own = unequal_digits.take(slice(0, 60))
    steps: list[int] = []
    trial = trial_of(own, synthetic, judge)
    found = judge_own_digits(trial, progress=steps.append)
    whole = [training for training in judge.trainings if training.steps == 100]
    last = [judge.asked[k] for k, one in enumerate(judge.trainings) if one.steps == 100]
    assert sum(len(images) for images in last) >= 2 * 60
    for training, images in zip(whole, last, strict=True):
        assert not hashes(training.digits.images) & hashes(images)
    # nothing that is read in the end takes part in a choice, and each seed deals anew
    for training in judge.trainings:
        assert hashes(training.digits.images) & hashes(own.images) < hashes(own.images)
    held_out = {frozenset(hashes(images)) for images in last}
    assert len(held_out) == 6
    assert {training.seed for training in judge.trainings} == {1000, 1001}

    assert (found.own, found.synthetic, found.fingerprint, found.seeds) == (60, 150, "f", 2)
    assert found.alone is not None
    assert found.together is not None
    assert found.difference is not None
    assert found.difference.mean == pytest.approx(found.together - found.alone)
    assert np.mean(found.by_seed) == pytest.approx(found.difference.mean)
    assert np.mean(found.by_class, axis=0) == pytest.approx((found.alone, found.together))
    assert sum(steps) == 2 * 3 * ((2 + 4) * 20 + 2 * 100)
    assert sum(steps) == trial.steps_in_all


def test_too_few_digits_get_the_default_and_no_figure(
    unequal_digits: Digits, synthetic: Digits, judge: FakeJudge
) -> None:
    found = judge_own_digits(trial_of(unequal_digits.take(slice(0, 20)), synthetic, judge))
    assert (found.dose, found.alone, found.verdict, judge.trainings) == (0.5, None, "undecided", [])
    assert found.share == 0.5


def test_a_top_up_has_its_own_share_and_every_class_counts_the_same(
    unequal_digits: Digits, synthetic: Digits, judge: FakeJudge
) -> None:
    """20 of class 0 and 5 of class 1; 15 synthetic ones of class 1."""
    rows = [np.flatnonzero(unequal_digits.labels == label) for label in (0, 1)]
    own = unequal_digits.take(np.concatenate([rows[0][:20], rows[1][:5]]))
    made = synthetic.take(np.flatnonzero(synthetic.labels == 1)[:15])
    found = judge_own_digits(trial_of(own, made, judge, tops_up=True))
    assert found.dose == 15 / 40
    whole = [one.digits for one in judge.trainings if one.steps == 100]
    with_set = [digits for digits in whole if hashes(digits.images) & hashes(made.images)]
    assert len(with_set) == 6
    for digits in with_set:
        assert np.ptp(digits.counts()[:2]) <= 4  # but for the rounding of the parts
    assert found.alone == pytest.approx(np.mean([alone for alone, _ in found.by_class]))
    assert found.class_names == ("0", "1")


def test_a_top_up_is_known_by_its_counts(real: RealDigits) -> None:
    """The test part lacks the 3s, but nothing is learnt from it."""
    assert not is_top_up(np.zeros(10, np.int64), real)
    uneven = dataclasses.replace(real, test=real.test.take(real.test.labels != 3))
    lacking = uneven.whole.counts().max() - uneven.whole.counts()
    assert lacking.tolist() == [0, 0, 0, 12, 0, 0, 0, 0, 0, 0]
    assert is_top_up(lacking, uneven)
    assert not is_top_up(lacking + 1, uneven)
    rare = dataclasses.replace(real, train=real.train.take(real.train.labels != 3))
    assert is_top_up(lacking // 12 * 6, rare)


def test_the_interval_covers_digits_and_seeds() -> None:
    alone = np.zeros((3, 40))
    # four digits to none are chance, in whichever seeds
    four = alone.copy()
    four[:, :4] = 1
    found = difference_of(alone, four)
    assert found.mean == pytest.approx(0.1)
    assert found.low == discordance_interval(4, 0, 40).low
    assert found.low is not None
    assert found.low < 0

    # ten to none are not, unless a single seed says so
    ten = alone.copy()
    ten[:, :10] = 1
    steady = difference_of(alone, ten)
    assert steady.low is not None
    assert steady.low > 0
    ten[1:] = 0
    lucky = difference_of(alone, ten)
    assert lucky.mean == pytest.approx(10 / 120)
    assert lucky.low == paired_difference(ten, alone).low
    assert lucky.low is not None
    assert lucky.low < 0


def test_the_share_that_is_advised() -> None:
    assert MEASURED.verdict == "helps"
    assert MEASURED.share == 0.5
    assert MEASURED.weight == pytest.approx(50 / 10_000)
    assert dataclasses.replace(MEASURED, together=0.9).share == 0
    assert dataclasses.replace(MEASURED, dose=0.0).share == 0


def test_a_verdict_survives_a_trip_through_a_file() -> None:
    content = write_own_digits(MEASURED)
    assert read_own_digits(content) == MEASURED
    plain = parse_json(content)
    assert (plain["verdict"], plain["share"]) == ("helps", 0.5)
    assert plain["weight"] == pytest.approx(50 / 10_000)
    # of earlier versions, which left these to be computed
    former = to_json(MEASURED, format="synthgen-own-digits/2")
    assert read_own_digits(former) == MEASURED
    for strange in (b"[]", b"{}", former.replace(b"digits/2", b"digits/1")):
        with pytest.raises(RecordError, match="synthgen-own-digits/2"):
            read_own_digits(strange)


@pytest.mark.parametrize(("key", "value"), [("dose", 1), ("dose", -0.5), ("own", 2**80)])
def test_a_verdict_that_no_share_follows_from_is_refused(key: str, value: Any) -> None:
    plain = parse_json(write_own_digits(MEASURED)) | {key: value}
    with pytest.raises(RecordError, match="dose of 0 or more and below 1"):
        read_own_digits(json.dumps(plain).encode())


@pytest.mark.parametrize("tops_up", [False, True])
def test_a_trial_that_was_stopped_goes_on(
    unequal_digits: Digits, synthetic: Digits, judge: FakeJudge, storage: Storage, tops_up: bool
) -> None:
    own = unequal_digits.take(slice(0, 60))
    whole = judge_own_digits(trial_of(own, synthetic, judge, tops_up=tops_up))
    trainings = len(judge.trainings)

    # stopped within the choices of the arm with synthetic digits, of the second part
    kept = CellStore(storage, "data/digits/evaluation")
    stopped = FakeJudge(fail_at=trainings // 4)
    with pytest.raises(KeyboardInterrupt):
        judge_own_digits(trial_of(own, synthetic, stopped, tops_up=tops_up), kept)

    # read again from its file by another process
    store = CellStore(storage, "data/digits/evaluation")
    again = FakeJudge()
    steps: list[int] = []
    trial = trial_of(own, synthetic, again, tops_up=tops_up)
    before = steps_done(trial, store)
    assert 0 < before < trial.steps_in_all
    assert judge_own_digits(trial, store, progress=steps.append) == whole
    assert trainings // 2 < len(again.trainings) < trainings
    assert before + sum(steps) == trial.steps_in_all == steps_done(trial, store)

    # finished: nothing is trained; of other digits nothing is taken
    idle = FakeJudge()
    assert judge_own_digits(trial_of(own, synthetic, idle, tops_up=tops_up), store) == whole
    assert idle.trainings == []
    other = dataclasses.replace(trial_of(own, synthetic, idle, tops_up=tops_up), fingerprint="g")
    judge_own_digits(other, store)
    assert len(idle.trainings) == trainings


def test_classes_without_digits_are_not_missed(
    unequal_digits: Digits, synthetic: Digits, judge: FakeJudge
) -> None:
    some = unequal_digits.take(np.isin(unequal_digits.labels, [3, 7]))
    found = judge_own_digits(trial_of(some, synthetic, judge, seeds=1))
    assert found.alone is not None
    assert found.class_names == ("3", "7")
    assert {training.steps for training in judge.trainings} == {20, 100}  # choices were made, too
