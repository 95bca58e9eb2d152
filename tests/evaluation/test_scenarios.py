import dataclasses

import numpy as np
import pytest

from synthgen.config import FULL_BENCHMARK, GRID_ARMS, BenchmarkSettings, EvaluationSettings
from synthgen.datasets.digits import Digits
from synthgen.datasets.splits import RealDigits
from synthgen.errors import SettingsError
from synthgen.evaluation.scenarios import (
    LEAST_EVALUATION_STEPS,
    Draw,
    Group,
    Key,
    benchmark_steps,
    paired_seeds,
    plan_benchmark,
    plan_evaluation,
)


def test_the_grid_has_exactly_these_cells(real: RealDigits) -> None:
    plan = plan_benchmark(
        BenchmarkSettings(per_class=("2", "all"), ratios=(1, 3), seeds=(2,), arms=GRID_ARMS),
        real.train,
    )
    arms = [
        ("real_half_steps", 0),
        ("real", 0),
        ("classical", 0),
        ("real_synthetic", 1),
        ("real_synthetic", 3),
    ]
    arms += [("both", 1), ("both", 3), ("synthetic", 1), ("synthetic", 3)]
    assert [(key.budget, key.arm, key.ratio, key.seed) for key in plan.keys] == [
        (budget, arm, ratio, seed)
        for seed in (1000, 1001)
        for budget in (2, "all")
        for arm, ratio in arms
    ]
    assert {(key.scenario, key.share, key.minority) for key in plan.keys} == {("grid", None, ())}
    assert [group.draw for group in plan.groups] == [
        Draw(counts=(count,) * 10, seed=seed) for seed in (1000, 1001) for count in (2, 6)
    ]
    assert plan.notes == ()


def test_the_full_benchmark_of_mnist_has_exactly_these_cells() -> None:
    labels = np.repeat(np.arange(10, dtype=np.uint8), 5500)
    plan = plan_benchmark(FULL_BENCHMARK, Digits(np.zeros((55_000, 4, 4, 1), np.uint8), labels))
    count = {
        scenario: sum(key.scenario == scenario for key in plan.keys)
        for scenario in ("grid", "imbalance", "long-tail", "stand-in")
    }
    assert count == {
        "grid": 5 * (6 * 12 + 6),
        "imbalance": 3 * 10 * 7,
        "long-tail": 10 * 7,
        "stand-in": 5 * 7 * 2,
    }
    assert len(plan.groups) == 5 * 7 + 3 * 10 + 10  # grid and stand-in share their draws
    assert plan.notes == tuple(
        f"ratio {ratio} at all images per class is left out: "
        "more than --max-synthetic 200,000 images"
        for ratio in (5, 20)
    )


def test_budgets_may_have_seeds_of_their_own(real: RealDigits) -> None:
    plan = plan_benchmark(
        BenchmarkSettings(per_class=("2", "4"), seeds=(3, 1), arms=("real",)), real.train
    )
    assert [(key.budget, key.seed) for key in plan.keys] == [
        (2, 1000),
        (4, 1000),
        (2, 1001),
        (2, 1002),
    ]


def test_one_class_is_cut_and_they_take_turns(real: RealDigits) -> None:
    plan = plan_benchmark(
        BenchmarkSettings(scenarios=("imbalance",), shares=(50.0, 17.0), rotations=11), real.train
    )
    assert [key.arm for key in plan.groups[0].keys] == [
        "real",
        "class_weights",
        "oversampling",
        "top_up",
        "top_up_classical",
        "half_top_up",
        "source_top_up",
    ]
    assert [key.ratio for key in plan.groups[0].keys] == [0, 0, 0, None, None, None, None]
    cut = [
        (group.draw.counts, group.keys[0].share, group.keys[0].minority) for group in plan.groups
    ]
    assert cut[0] == ((3, *(6,) * 9), 50.0, (0,))
    assert cut[1] == ((1, *(6,) * 9), 17.0, (0,))
    assert cut[2] == ((6, 3, *(6,) * 8), 50.0, (1,))
    assert cut[20][2] == (0,)
    assert {minority for *_, minority in cut} == {(label,) for label in range(10)}


def test_the_rarest_three_tenths_of_a_tail_are_the_minority(
    real: RealDigits,
) -> None:
    tail = (6, 6, 5, 4, 4, 3, 3, 2, 2, 1)
    plan = plan_benchmark(
        BenchmarkSettings(scenarios=("long-tail",), long_tail=tail[::-1], rotations=3), real.train
    )
    assert [group.draw.counts for group in plan.groups] == [
        tail,
        (1, *tail[:-1]),
        (2, 1, *tail[:-2]),
    ]
    assert [group.keys[0].minority for group in plan.groups] == [(7, 8, 9), (0, 8, 9), (0, 1, 9)]
    assert plan.groups[0].keys[0].budget == "6-1"


def test_what_does_not_fit_is_left_out_with_a_reason(real: RealDigits) -> None:
    settings = BenchmarkSettings(
        scenarios=("grid", "long-tail"),
        per_class=("6", "7"),
        ratios=(1, 4),
        seeds=(1,),
        max_synthetic=100,
    )
    plan = plan_benchmark(settings, real.train)
    assert {(key.budget, key.ratio) for key in plan.keys} == {(6, 0), (6, 1)}
    assert plan.notes == (
        "ratio 4 at 6 images per class is left out: more than --max-synthetic 100 images",
        "7 images per class are left out: the rarest class has 6",
        "the long tail 4000 to 40 is left out: 10 counts for 10 classes of 6 images or more",
    )


def test_a_benchmark_without_any_cell_is_refused(real: RealDigits) -> None:
    with pytest.raises(
        SettingsError, match="7 images per class are left out: the rarest class has 6"
    ):
        plan_benchmark(BenchmarkSettings(per_class=("7",)), real.train)


def test_seeds_must_fit_the_budgets() -> None:
    with pytest.raises(
        SettingsError, match="one for each of the 3 values of --per-class, received 2"
    ):
        BenchmarkSettings(per_class=("1", "2", "3"), seeds=(1, 2))


def test_draws_have_their_counts_are_nested_and_differ_by_seed(unequal: RealDigits) -> None:
    few, more = (
        Draw(counts=(2,) * 10, seed=7).digits(unequal.train),
        Draw(counts=(4,) * 10, seed=7).digits(unequal.train),
    )
    assert few.counts().tolist() == [2] * 10
    assert more.counts().tolist() == [4] * 10
    kept = {image.tobytes() for image in more.images}
    assert all(image.tobytes() in kept for image in few.images)
    other = Draw(counts=(4,) * 10, seed=8).digits(unequal.train)
    assert kept != {image.tobytes() for image in other.images}
    assert (
        Draw(counts=tuple(unequal.train.counts().tolist()), seed=7).digits(unequal.train).sha256()
        == unequal.train.sha256()
    )


def test_all_arms_have_the_same_steps_but_real_which_has_half(real: RealDigits) -> None:
    settings = BenchmarkSettings(steps=600, per_class=("6",), seeds=(1,), arms=GRID_ARMS)
    plan = plan_benchmark(settings, real.train)
    group = dataclasses.replace(plan.groups[0], steps=benchmark_steps(100, settings))
    steps = {key.arm: group.steps_of(key) for key in plan.keys}
    assert steps == {
        "real_half_steps": 300,
        "real": 600,
        "classical": 600,
        "real_synthetic": 600,
        "both": 600,
        "synthetic": 600,
    }
    assert benchmark_steps(3200, settings) == 1200  # 32 times the images: twice the steps


def test_a_generator_makes_what_the_largest_cell_needs() -> None:
    def key(arm: str, ratio: int | None) -> Key:
        return Key(scenario="grid", budget=4, share=None, arm=arm, ratio=ratio, seed=0)

    def group(*keys: Key) -> Group:
        return Group(draw=Draw(counts=(4, 6), seed=0), keys=keys, steps=1)

    assert group(key("real_half_steps", 0)).synthetic_per_class == 0
    assert group(key("both", 3), key("synthetic", 1)).synthetic_per_class == 15
    assert group(key("top_up", None)).synthetic_per_class == 2


def test_synthetic_digits_are_needed_by_the_cells_that_add_some() -> None:
    def key(arm: str, ratio: int | None) -> Key:
        return Key(scenario="grid", budget=4, share=None, arm=arm, ratio=ratio, seed=0)

    unequal = Group(draw=Draw(counts=(4, 6), seed=0), keys=(), steps=1)
    equal = Group(draw=Draw(counts=(5, 5), seed=0), keys=(), steps=1)
    assert not unequal.needs_synthetic([key("real", 0), key("classical", 0)])
    assert unequal.needs_synthetic([key("real", 0), key("both", 1)])
    assert unequal.needs_synthetic([key("top_up", None)])
    assert not equal.needs_synthetic([key("top_up", None)])
    assert equal.needs_synthetic([key("synthetic", None)])  # all that there are


def test_an_evaluation_has_every_arm_and_seed_beside_all_digits(real: RealDigits) -> None:
    settings = EvaluationSettings(arms=("synthetic", "real"), seeds=2)
    plan = plan_evaluation(settings, real.train, batch=16)
    assert [(key.arm, key.ratio, key.seed) for key in plan.keys] == [
        ("real", 0, 1000),
        ("synthetic", None, 1000),
        ("real", 0, 1001),
        ("synthetic", None, 1001),
    ]
    assert {(key.scenario, key.budget, key.share) for key in plan.keys} == {
        ("this-set", "all", None)
    }
    assert [group.steps for group in plan.groups] == [300, 300]
    assert plan.groups[0].draw.digits(real.train) is real.train
    longer = EvaluationSettings(arms=("real",), seeds=1, epochs=200)
    # 200 passes over 60 digits, 16 at a time
    assert plan_evaluation(longer, real.train, batch=16).groups[0].steps == 750


def test_the_least_number_of_steps_is_that_of_the_options_help() -> None:
    (epochs,) = (
        field for field in dataclasses.fields(EvaluationSettings) if field.name == "epochs"
    )
    assert f", {LEAST_EVALUATION_STEPS} steps at least." in epochs.metadata["help"]


def test_more_seeds_begin_with_the_same_ones() -> None:
    assert paired_seeds(3) == paired_seeds(10)[:3]
    assert len(set(paired_seeds(10))) == 10


def test_transfer_has_every_arm_at_every_budget(real: RealDigits) -> None:
    settings = BenchmarkSettings(
        scenarios=("transfer", "grid"), per_class=("2", "7", "4"), seeds=(2,), arms=("real",)
    )
    plan = plan_benchmark(settings, real.train)
    own = ("classical", "source", "source_real", "fine_tuned")
    found = [
        (key.scenario, key.budget, key.arm, key.ratio) for key in plan.keys if key.seed == 1001
    ]
    assert found == [
        *(("transfer", 2, arm, None if arm != "classical" else 0) for arm in own),
        *(("transfer", 4, arm, None if arm != "classical" else 0) for arm in own),
        ("transfer", 0, "source_only", None),
        ("transfer", 0, "source_real_only", None),
        ("grid", 2, "real", 0),
        ("grid", 4, "real", 0),
    ]
    steps = {group.keys[0].scenario: {group.steps} for group in plan.groups}
    assert steps["transfer"] == {1500}
    assert {group.draw.counts[0] for group in plan.groups} == {0, 2, 4}
    assert plan.notes == ("7 images per class are left out: the rarest class has 6",)


def test_transfer_shares_no_group_even_at_equal_steps(real: RealDigits) -> None:
    settings = BenchmarkSettings(
        scenarios=("grid", "transfer"),
        per_class=("2",),
        seeds=(1,),
        arms=("real",),
        steps=500,
        transfer_steps=benchmark_steps(20, BenchmarkSettings(steps=500)),
    )
    plan = plan_benchmark(settings, real.train)
    found = [(group.draw.counts[0], {key.scenario for key in group.keys}) for group in plan.groups]
    assert found == [(2, {"grid"}), (2, {"transfer"}), (0, {"transfer"})]
    assert plan.groups[0].steps == plan.groups[1].steps


def test_arms_can_be_left_out_of_a_plan(real: RealDigits) -> None:
    settings = BenchmarkSettings(scenarios=("transfer",), per_class=("2",), seeds=(1,))
    plan = plan_benchmark(settings, real.train)
    left = plan.without(("source_only", "source_real_only", "source_real"), "they are gone")
    assert [key.arm for key in left.keys] == ["classical", "source", "fine_tuned"]
    assert (len(plan.groups), len(left.groups), left.notes) == (2, 1, ("they are gone",))
