import dataclasses
from typing import Any

import pytest

from synthgen.evaluation.results import ArmResult, BenchmarkSummary, Comparison, LabelsSaved
from synthgen.evaluation.scenarios import Draw, Forecast, Group, Key, Plan
from synthgen.metrics.intervals import HELPS, HURTS, NO_EFFECT, UNDECIDED, Estimate
from synthgen.reports.benchmark_words import (
    benchmark_answer,
    benchmark_lines,
    forecast_line,
    forecast_lines,
    joined_with_and,
    labels_saved_words,
)
from synthgen.text import GAP, MINUS, signed
from tests.evaluation.benchmark_example import make_summary, transfer_summary

GRID_ROW = Comparison(
    scenario="grid",
    budget=20,
    share=None,
    arm="both",
    ratio=5,
    mark="",
    baseline="classical",
    question="?",
    primary=True,
    metric="accuracy",
    seeds=3,
    difference=Estimate(mean=0.01, low=0.009, high=0.011),
    corrected=Estimate(mean=0.01, low=0.009, high=0.011),
    confidence=0.95,
    family=1,
    verdict=HELPS,
    by_seed=(0.01,),
    over_seeds=Estimate(mean=0.01, low=0.009, high=0.011),
    error_cut=None,
    by_class=(),
)


def row(verdict: str, mean: float, budget: int | str = 20, **changes: Any) -> Comparison:
    """A comparison of the grid with ratio 5, but for these values."""
    difference = Estimate(mean=mean, low=mean - 0.001, high=mean + 0.001)
    return dataclasses.replace(
        GRID_ROW, verdict=verdict, difference=difference, budget=budget, **changes
    )


def text(*rows: Comparison) -> str:
    return benchmark_answer(rows).replace(MINUS, "-")


def test_budgets_are_put_together_by_verdict() -> None:
    rows = [
        row(HELPS, 0.012, 10),
        row(HELPS, 0.005, 20),
        row(NO_EFFECT, 0.0004, 100),
        row(NO_EFFECT, -0.0003, 500),
        row(HURTS, -0.002, "all"),
    ]
    assert text(*rows) == (
        "Adding synthetic digits to real ones that are distorted (affine, elastic) anyway helps at "
        "10 and 20 images per class (+0.50 to +1.20 points); it makes no difference that these "
        "repetitions can show at 100 and 500 images per class (-0.03 to +0.04 points); "
        "it hurts at all images (-0.20 points)."
    )


def test_ratios_are_named_where_they_disagree() -> None:
    rows = [
        row(HELPS, 0.02, 10, ratio=1),
        row(HELPS, 0.01, 10, ratio=5),
        row(NO_EFFECT, 0, 10, ratio=20),
        row(UNDECIDED, 0.01, 20, ratio=1),
    ]
    assert "helps at 10 images per class (ratio 1 and 5) (+1.00 to +2.00 points)" in text(*rows)
    assert "can show at 10 images per class (ratio 20) (0.00 points)" in text(*rows)
    assert "cannot be judged from one repetition at 20 images per class" in text(*rows)


def test_every_scenario_has_a_sentence_about_its_primary_rows() -> None:
    cut = row(
        HELPS,
        0.003,
        "all",
        ratio=None,
        scenario="imbalance",
        share=2.5,
        metric="minority_recall",
    )
    tail = row(
        HURTS,
        -0.01,
        "4000-40",
        ratio=None,
        scenario="long-tail",
        metric="minority_recall",
    )
    other = row(HURTS, -0.5, primary=False)
    assert text(cut, tail, row(HURTS, -0.02, 100, ratio=1, scenario="stand-in"), other) == (
        "Topping up a rare class with synthetic digits, against repeating its real ones distorted "
        "helps at 2.5 % of one class (+0.30 points of minority recall). "
        "Topping up a long tail with synthetic digits, against repeating real ones distorted "
        "hurts at a tail of 4000-40 images (-1.00 points of minority recall). "
        "Training on synthetic digits in the place of as many real ones "
        "hurts at 100 images per class (-2.00 points)."
    )


def test_without_a_pair_of_arms_there_is_no_answer() -> None:
    assert (
        text(row(HELPS, 1, primary=False))
        == "These cells answer no question: there is no pair of arms to compare."
    )


def test_what_texts_share_at_the_end_is_said_once() -> None:
    assert joined_with_and(["one"]) == "one"
    assert joined_with_and(["1 %", "2 %", "3 %"]) == "1 %, 2 % and 3 %"
    assert (
        joined_with_and(["2.5 % of one class", "5 % of one class"]) == "2.5 % and 5 % of one class"
    )


@pytest.fixture(scope="module")
def summary() -> BenchmarkSummary:
    """The known benchmark of one ratio, with a stand-in beside it: as much as one screen holds."""
    known = make_summary()
    arms = [arm for arm in known.arms if arm.ratio != 5]
    grid = [arm for arm in arms if arm.scenario == "grid"]
    stand_ins = [stand_in(arm) for arm in grid if arm.arm in ("real", "synthetic")]
    rows = tuple(row for row in known.comparisons if row.ratio != 5)
    return dataclasses.replace(known, arms=(*arms, *stand_ins), comparisons=rows)


def stand_in(arm: ArmResult) -> ArmResult:
    found = {"found": 0.5} if arm.budget == 10 else None
    return dataclasses.replace(arm, scenario="stand-in", memorisation=found)


def test_the_screen_shows_every_arm_and_the_gain(summary: BenchmarkSummary) -> None:
    lines = benchmark_lines(summary)
    assert max(map(len, lines)) <= 80
    text = "\n".join(lines)
    assert text.isascii()
    for arm in summary.arms:
        metric = "minority_recall" if arm.scenario == "imbalance" else "accuracy"
        figure = f"{100 * arm.metrics[metric].mean:.2f}"
        of_arm = [line for line in lines if line.strip().startswith(arm.title)]
        assert any(figure in line for line in of_arm), arm.title
    for row in summary.comparisons:
        if row.primary:
            assert signed(row.difference.mean).replace(MINUS, "-") in text


def test_the_answer_comes_first_and_the_gates_last(summary: BenchmarkSummary) -> None:
    lines = benchmark_lines(summary)
    assert lines[0] == "Benchmark digits: 60 cells, 72 minutes of work"
    words = " ".join(" ".join(lines).split())
    assert benchmark_answer(summary.comparisons).replace(MINUS, "-") in words
    assert f"NOTE: {summary.notes[0]}" in words
    assert lines[-2:] == (
        "  gate 'delta < 0': FAILED",
        "  gate 'label_agreement < 0.99': passed",
    )


def test_budgets_are_short_and_copies_are_counted(summary: BenchmarkSummary) -> None:
    lines = [line.split() for line in benchmark_lines(summary)]
    assert ["10", "20", "100", "1000", "all"] in lines
    assert ["2.5", "%", "5", "%"] in lines
    assert ["copies", "real", "ones?", "%", "of", "seeds", "50", "?", "?", "?", "?"] in lines


RARE = Key(scenario="imbalance", budget="all", share=2.5, arm="top_up", ratio=None, seed=1)


def grid(arm: str, ratio: int, seed: int) -> Key:
    return Key(scenario="grid", budget=20, share=None, arm=arm, ratio=ratio, seed=seed)


def group(*keys: Key) -> Group:
    return Group(draw=Draw(counts=(20,) * 10, seed=1), keys=keys, steps=100)


FORECAST = Forecast(
    plan=Plan(
        groups=(
            group(grid("real", 0, 1), grid("both", 5, 1)),
            group(grid("real", 0, 2), grid("both", 5, 2)),
            group(RARE),
        ),
        notes=("500 were left out.",),
    ),
    trains=True,
    place="data/benchmark-digits",
    engine="local",
    missing=4,
    seconds=4321.0,
)


def test_a_dry_run_lists_the_cells_and_the_time() -> None:
    assert forecast_lines(FORECAST) == (
        "5 cells in 3 groups; each group trains one generator. The cells:",
        "  grid, 20 per class, 2 seeds: real, both x5",
        "  imbalance, all per class, 2.5 % of one, 1 seed: top_up",
        "NOTE: 500 were left out.",
        "4 cells to run, 1 are there already: expected to take about 72 min one after the other, "
        "as measured on this machine.",
        "Nothing was run; without --dry-run the results go to data/benchmark-digits "
        "(engine local).",
    )


@pytest.mark.parametrize(("missing", "there"), [(5, ""), (3, ", 2 are there already")])
def test_cells_that_are_there_are_not_run_again(missing: int, there: str) -> None:
    forecast = dataclasses.replace(FORECAST, missing=missing)
    assert forecast_line(forecast).startswith(f"{missing} cells to run{there}: expected")


def test_a_named_generator_is_not_trained() -> None:
    forecast = dataclasses.replace(FORECAST, trains=False)
    assert "all use the generator named, none is trained" in forecast_lines(forecast)[0]


def test_what_a_generator_is_worth_in_labels() -> None:
    at = LabelsSaved(budget=5, accuracy=0.95, reached_at=20, most=50)
    worth = f"Labels saved: 5 own images per class and the generator come to 95.00{GAP}%; "
    alone = f"{worth}distortions alone"
    assert labels_saved_words(at) == f"{alone} need 20 per class for that (a point estimate)."
    never = dataclasses.replace(at, reached_at=None)
    assert labels_saved_words(never) == f"{alone} do not with up to 50 per class."
    wide = dataclasses.replace(at, least=10)
    over = "by 95 % intervals over the repetitions)."
    assert (
        labels_saved_words(wide) == f"{alone} need 20 per class for that (10 to more than 50 {over}"
    )
    close = dataclasses.replace(never, least=50)
    assert labels_saved_words(close).endswith(f"50 per class (50 to more than 50 {over}")
    assert labels_saved_words(None) == ""


def test_transfer_has_a_matrix_and_its_labels_saved() -> None:
    lines = benchmark_lines(transfer_summary())
    (source,) = [line for line in lines if line.strip().startswith("own + generated")]
    assert source.split()[-3:] == ["92.00", "96.00", "97.00"]
    assert any("Labels saved: 5 own images per class" in line for line in lines)
    gains = [line.split("  ")[1].strip() for line in lines if line.strip().startswith("gain over")]
    assert gains == ["gain over own digits alone", "gain over the best control"]
