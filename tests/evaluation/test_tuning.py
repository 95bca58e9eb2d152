import dataclasses
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import pytest

from synthgen.classifiers.judge import JudgeTraining
from synthgen.datasets.digits import Digits, Images
from synthgen.evaluation.tuning import (
    DEFAULT_DOSE,
    DOSES,
    Choice,
    Trial,
    Tuning,
    TuningSettings,
    best_dose,
    fold_count,
    log_losses,
    tune,
    tune_dose,
    tuning_steps,
)
from tests.evaluation.conftest import FakeJudge, hashes

CANDIDATES = (Choice(strength=0.5), Choice(strength=1.0))
SETTINGS = TuningSettings(candidates=CANDIDATES)


def test_log_loss_counts_every_class_the_same() -> None:
    probabilities = np.array([[0.5, 0.5], [0.5, 0.5], [0.25, 0.75]], np.float32)
    assert log_losses(probabilities, np.array([0, 0, 1], np.uint8)).mean() == pytest.approx(
        (np.log(2) - np.log(0.75)) / 2
    )
    assert log_losses(
        np.array([[1, 0]], np.float32), np.array([1], np.uint8)
    ).mean() == pytest.approx(-np.log(1e-7))


def test_the_strength_with_the_least_held_out_loss_is_chosen(
    tiny_digits: Digits, judge: FakeJudge
) -> None:
    found = tune("classical", tiny_digits, None, SETTINGS, judge.judge(), 100, 3)
    assert found.chosen == Choice(strength=0.5)  # the fake is noisier at 1.0
    assert [trial.choice for trial in found.trials] == list(CANDIDATES)
    assert found.trials[0].loss < found.trials[1].loss
    assert [training.strength for training in judge.trainings] == [0.5, 1.0] * 3
    assert {training.steps for training in judge.trainings} == {50}


def test_each_image_is_held_out_once(unequal_digits: Digits, judge: FakeJudge) -> None:
    tune("classical", unequal_digits, None, SETTINGS, judge.judge(), 100, 3)
    for training, asked in zip(judge.trainings, judge.asked, strict=True):
        assert not hashes(training.digits.images) & hashes(asked)
        assert len(training.digits) + len(asked) == len(unequal_digits)
        assert training.digits.counts().min() >= 13  # 20 of each class, in thirds
    of_one_strength = judge.asked[::2]
    assert set.union(*map(hashes, of_one_strength)) == hashes(unequal_digits.images)
    assert sum(map(len, of_one_strength)) == len(unequal_digits)


def test_fewer_folds_ask_about_fewer_images(tiny_digits: Digits, judge: FakeJudge) -> None:
    fewer = TuningSettings(candidates=CANDIDATES, folds=1)
    tune("classical", tiny_digits, None, fewer, judge.judge(), 100, 3)
    assert [training.strength for training in judge.trainings] == [0.5, 1.0]
    assert [len(asked) for asked in judge.asked] == [70, 70]


def test_a_rare_class_is_repeated_as_the_arm_does(tiny_digits: Digits, judge: FakeJudge) -> None:
    unequal = tiny_digits.take(np.flatnonzero((tiny_digits.labels != 4) | (np.arange(200) < 60)))
    assert unequal.counts()[4] == 6
    tune("oversampling", unequal, None, SETTINGS, judge.judge(), 100, 3)
    assert all(len(set(training.digits.counts().tolist())) == 1 for training in judge.trainings)


def test_one_image_a_class_cannot_be_held_out(tiny_digits: Digits, judge: FakeJudge) -> None:
    one = tiny_digits.take(
        np.array([np.flatnonzero(tiny_digits.labels == label)[0] for label in range(10)])
    )
    found = tune("classical", one, None, SETTINGS, judge.judge(), 100, 3)
    assert (found, judge.trainings) == (Tuning(chosen=Choice(strength=1.0)), [])


def test_many_images_need_one_fold() -> None:
    assert [fold_count(images, 3) for images in (100, 1000, 1001, 55_000)] == [3, 3, 1, 1]
    assert [fold_count(images, 1) for images in (100, 55_000)] == [1, 1]
    assert [tuning_steps(steps) for steps in (1, 2, 601)] == [1, 1, 300]


def test_a_single_candidate_is_taken_without_a_comparison(
    tiny_digits: Digits, judge: FakeJudge
) -> None:
    only = TuningSettings(candidates=(Choice(strength=0.25),))
    found = tune("classical", tiny_digits, None, only, judge.judge(), 100, 3)
    assert (found, judge.trainings) == (Tuning(chosen=Choice(strength=0.25)), [])


CHOSEN = Choice(strength=1.0)
TUNED = Tuning(chosen=CHOSEN, trials=(Trial(choice=CHOSEN, loss=9.0),))


def test_the_dose_is_chosen_with_synthetic_digits_in_each_fold(
    unequal_digits: Digits, judge: FakeJudge
) -> None:
    synthetic = unequal_digits.take(slice(0, 50))
    own = unequal_digits.take(slice(50, 200))
    found = tune_dose(TUNED, own, synthetic, SETTINGS, judge.judge(), 100, 3)
    doses = (0.0, *DOSES)
    assert [trial.choice for trial in found.trials] == [
        Choice(strength=1.0, dose=dose) for dose in doses
    ]
    assert found.trials[doses.index(DEFAULT_DOSE)].error == 0
    assert len(judge.trainings) == 3 * len(doses)
    made = hashes(synthetic.images)
    for number, (training, asked) in enumerate(zip(judge.trainings, judge.asked, strict=True)):
        learnt = hashes(training.digits.images)
        assert made < learnt or doses[number % len(doses)] == 0
        assert not (learnt - made) & hashes(asked)
        assert hashes(asked) < hashes(own.images)
    assert {training.strength for training in judge.trainings} == {1.0}


@pytest.mark.parametrize(
    ("losses", "dose"),
    [
        ((0.50, 0.46, 0.45, 0.44), 0.5),  # another is better, but not clearly
        ((0.50, 0.46, 0.45, 0.34), 0.8),
        ((0.50, 0.34, 0.45, 0.30), 0.8),  # of two, the better one
        ((0.40, 0.46, 0.45, 0.44), 0.5),  # so is none
        ((0.34, 0.46, 0.45, 0.44), 0.0),
    ],
)
def test_the_default_dose_is_kept_unless_another_is_clearly_better(
    losses: tuple[float, ...], dose: float
) -> None:
    trials = tuple(
        Trial(choice=Choice(strength=1.0, dose=place), loss=loss, error=0.05)
        for place, loss in zip((0.0, *DOSES), losses, strict=True)
    )
    assert best_dose(trials).dose == dose


@pytest.mark.parametrize(("misread", "dose"), [(1, DEFAULT_DOSE), (9, 0.0)])
def test_one_misread_image_does_not_decide_about_the_dose(
    unequal_digits: Digits, misread: int, dose: float
) -> None:
    """All are read surely and rightly, but for some where half of a batch is synthetic."""
    own = unequal_digits
    wrong = hashes(own.images[:misread])

    def answers(trainings: Sequence[JudgeTraining], asked: Sequence[Images]) -> Iterator[Any]:
        for number, images in enumerate(asked):
            labels = [label_of[one.tobytes()] for one in images]
            if (0.0, *DOSES)[number % (1 + len(DOSES))] != 0:
                labels = [
                    (label + 1) % 10 if hashes(one[None]) <= wrong else label
                    for label, one in zip(labels, images, strict=True)
                ]
            yield np.eye(10, dtype=np.float32)[labels]

    label_of = {
        one.tobytes(): int(label) for one, label in zip(own.images, own.labels, strict=True)
    }
    judge = dataclasses.replace(FakeJudge().judge(), fit_and_predict=answers)
    found = tune_dose(TUNED, own, own, SETTINGS, judge, 100, 3)
    assert found.chosen.dose == dose


def test_without_held_out_images_the_dose_is_the_default(
    tiny_digits: Digits, judge: FakeJudge
) -> None:
    untuned = Tuning(chosen=Choice(strength=1.0))
    found = tune_dose(untuned, tiny_digits, tiny_digits, SETTINGS, judge.judge(), 100, 3)
    assert found == Tuning(chosen=Choice(strength=1.0, dose=DEFAULT_DOSE))
    assert judge.trainings == []


def test_short_trainings_take_their_share_of_the_steps(
    tiny_digits: Digits, judge: FakeJudge
) -> None:
    short = TuningSettings(candidates=CANDIDATES, folds=1, length=0.2)
    tune("classical", tiny_digits, None, short, judge.judge(), 100, 3)
    assert {training.steps for training in judge.trainings} == {20}
