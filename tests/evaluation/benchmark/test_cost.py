import pytest

from synthgen.config import BenchmarkSettings
from synthgen.datasets.splits import RealDigits
from synthgen.evaluation.benchmark_cost import (
    DISTORTED,
    DRAWING,
    SCREENER,
    STEP,
    TRAINING,
    Speed,
    expected_seconds,
    measure_speed,
)
from synthgen.evaluation.runs import Laboratory
from synthgen.evaluation.scenarios import make_plan
from tests.evaluation.benchmark.conftest import FakeGenerator, FakeJudge, nearest_mean


def test_the_expected_time_is_the_sum_of_its_parts(
    real: RealDigits, judge: FakeJudge, generator: FakeGenerator
) -> None:
    settings = BenchmarkSettings(
        per_class=("4",), seeds=(1,), ratios=(3,), arms=("classical", "both"), steps=120, folds=3
    )
    parts = {
        "judge": judge.judge(),
        "generator": generator.generator(),
        "machine": {},
        "versions": {},
    }
    lab = Laboratory(real=real, settings=settings, network=nearest_mean, **parts)  # type: ignore[arg-type]
    (group,) = make_plan(settings, real.train).groups
    speed = Speed(step=2 * STEP, training=3.0, image=0.01)  # a machine half as fast
    steps = 100  # 120 * (40 / 100) ** 0.2
    cells = 2 * (3 + steps * DISTORTED * 2 * STEP + 120 * 0.01)
    tuning = 2 * 3 * (3 + steps / 2 * DISTORTED * 2 * STEP)  # two strengths, three folds
    # the fake needs 40 / 10, and 0.001 an image
    generator_seconds = 2 * (SCREENER + 4.0 / TRAINING + 0.001 * 12 * 10 / DRAWING)
    assert expected_seconds([(group, group.keys)], lab, speed) == pytest.approx(
        cells + tuning + generator_seconds, rel=1e-3
    )
    classical = [key for key in group.keys if key.arm == "classical"]
    assert expected_seconds([(group, classical)], lab, speed) == pytest.approx(
        cells / 2 + tuning, rel=1e-3
    )
    assert expected_seconds([], lab, speed) == 0


def test_the_classifier_is_timed_by_two_short_trainings_after_one_that_is_not_counted(
    real: RealDigits, judge: FakeJudge
) -> None:
    speed = measure_speed(judge.judge(), real.train)
    assert [training.steps for training in judge.trainings] == [5, 5, 205]
    assert min(speed) >= 0
