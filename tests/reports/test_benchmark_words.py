import dataclasses
from typing import Any

from synthgen.evaluation.results import Comparison
from synthgen.metrics.intervals import HELPS, HURTS, NO_EFFECT, UNDECIDED, Estimate
from synthgen.reports.benchmark_words import benchmark_answer, joined_with_and
from synthgen.text import MINUS

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
