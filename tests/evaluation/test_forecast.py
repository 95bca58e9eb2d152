from pathlib import Path

import pytest

from synthgen.config import BenchmarkSettings
from synthgen.datasets.splits import RealDigits
from synthgen.evaluation.cells import Task
from synthgen.evaluation.forecast import (
    DISTORTED_STEP,
    DRAWN_PER_SECOND,
    REFERENCE_STEP,
    SCREENER_SECONDS,
    TRAINED_PER_SECOND,
    Speed,
    expected_seconds,
    measure_speed,
)
from tests.evaluation.conftest import FakeJudge, FakeSource, prepare_fake


def test_the_expected_time_is_the_sum_of_its_parts(
    real: RealDigits, judge: FakeJudge, source: FakeSource
) -> None:
    settings = BenchmarkSettings(
        per_class=("4",), seeds=(1,), ratios=(3,), arms=("classical", "both"), steps=120, folds=3
    )
    job = prepare_fake(settings, Path("unused"), real, judge, source)
    (group,) = job.plan.groups
    speed = Speed(step=2 * REFERENCE_STEP, training=3.0, image=0.01)  # a machine half as fast
    steps = 100  # 120 * (40 / 100) ** 0.2
    cells = 2 * (3 + steps * DISTORTED_STEP * 2 * REFERENCE_STEP + 120 * 0.01)
    # two strengths, three folds
    tuning = 2 * 3 * (3 + steps / 2 * DISTORTED_STEP * 2 * REFERENCE_STEP)
    # the fake needs 40 / 10, and 0.001 an image
    work = 4.0 / TRAINED_PER_SECOND + 0.001 * 12 * 10 / DRAWN_PER_SECOND
    generator_seconds = 2 * (SCREENER_SECONDS + work)
    expected = cells + tuning + generator_seconds
    whole = Task(group, group.keys, ())
    assert expected_seconds([whole], job.experiment, speed) == pytest.approx(expected, rel=1e-3)
    classical = Task(group, tuple(key for key in group.keys if key.arm == "classical"), ())
    expected = cells / 2 + tuning
    assert expected_seconds([classical], job.experiment, speed) == pytest.approx(expected, rel=1e-3)
    assert expected_seconds([], job.experiment, speed) == 0


def test_the_classifier_is_timed_by_two_short_trainings(real: RealDigits, judge: FakeJudge) -> None:
    speed = measure_speed(judge.judge(), real.train)
    assert [training.steps for training in judge.trainings] == [5, 5, 205]
    assert min(speed.step, speed.training, speed.image) >= 0
