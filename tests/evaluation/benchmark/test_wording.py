from synthgen.evaluation.benchmark_values import Row
from synthgen.evaluation.wording import headline
from synthgen.metrics.intervals import HELPS, HURTS, NO_EFFECT, UNDECIDED, Estimate
from synthgen.text import MINUS


def row(
    verdict: str,
    mean: float,
    per_class: int | str = 20,
    ratio: int | None = 5,
    scenario: str = "grid",
    **changes: object,
) -> Row:
    estimate = Estimate(mean=mean, low=mean - 0.001, high=mean + 0.001)
    fields: dict[str, object] = {
        "scenario": scenario,
        "per_class": per_class,
        "share": None,
        "arm": "both",
        "ratio": ratio,
    }
    fields |= {
        "question": "?",
        "primary": True,
        "baseline": "classical",
        "metric": "accuracy",
        "seeds": 3,
        "difference": estimate,
    }
    fields |= {
        "corrected": estimate,
        "confidence": 0.95,
        "family": 1,
        "verdict": verdict,
        "by_seed": (mean,),
        "error_cut": None,
    }
    return Row(**fields | {"per_class_difference": (), "mark": ""} | changes)  # type: ignore[arg-type]


def text(*rows: Row) -> str:
    return headline(rows).replace(MINUS, "-")


def test_budgets_are_put_together_by_verdict() -> None:
    rows = [
        row(HELPS, 0.012, 10),
        row(HELPS, 0.005, 20),
        row(NO_EFFECT, 0.0004, 100),
        row(NO_EFFECT, -0.0003, 500),
        row(HURTS, -0.002, "all"),
    ]
    assert text(*rows) == (
        "Adding synthetic digits to real ones that are distorted (affine, elastic) anyway helps at 10 and 20 images per class "
        "(+0.50 to +1.20 points); it makes no difference that these repetitions can show at 100 and 500 images per class "
        "(-0.03 to +0.04 points); it hurts at all images (-0.20 points)."
    )


def test_ratios_are_named_where_they_disagree() -> None:
    rows = [
        row(HELPS, 0.02, 10, 1),
        row(HELPS, 0.01, 10, 5),
        row(NO_EFFECT, 0, 10, 20),
        row(UNDECIDED, 0.01, 20, 1),
    ]
    assert "helps at 10 images per class (ratio 1 and 5) (+1.00 to +2.00 points)" in text(*rows)
    assert "can show at 10 images per class (ratio 20) (0.00 points)" in text(*rows)
    assert "cannot be judged from one repetition at 20 images per class" in text(*rows)


def test_every_scenario_has_its_sentence_and_other_rows_are_passed_over() -> None:
    cut = row(HELPS, 0.003, "all", None, "imbalance", share=2.5, metric="minority_recall")
    tail = row(HURTS, -0.01, "4000-40", None, "long-tail", metric="minority_recall")
    other = row(HURTS, -0.5, primary=False)
    assert text(cut, tail, row(HURTS, -0.02, 100, 1, "stand-in"), other) == (
        "Topping up a rare class with synthetic digits, against repeating its real ones distorted helps at 2.5 % of one class "
        "(+0.30 points of minority recall). Topping up a long tail with synthetic digits, against repeating real ones distorted hurts at a tail of "
        "4000-40 images (-1.00 points of minority recall). Training on synthetic digits in the place of as many real ones hurts at "
        "100 images per class (-2.00 points)."
    )


def test_without_a_pair_of_arms_there_is_no_answer() -> None:
    assert (
        text(row(HELPS, 1, primary=False))
        == "These cells answer no question: there is no pair of arms to compare."
    )
