import dataclasses

import pytest

from synthgen.evaluation.results import Comparison, Evaluation
from synthgen.metrics.intervals import HELPS, HURTS, UNDECIDED, Estimate
from synthgen.reports.evaluation import evaluation_lines
from synthgen.reports.evaluation_words import (
    advice,
    against,
    comparison_sentence,
    few_seeds,
    main_comparison,
    origin,
    weakest_class,
)
from synthgen.text import GAP, MINUS
from tests.evaluation.example import make_evaluation


@pytest.fixture(scope="module")
def known() -> Evaluation:
    return make_evaluation()


def added(evaluation: Evaluation) -> Comparison:
    return next(
        comparison for comparison in evaluation.comparisons if comparison.arm == "real_synthetic"
    )


def test_a_comparison_is_a_question_and_a_sentence(known: Evaluation) -> None:
    comparison = added(known)
    assert comparison.question == "Adding the synthetic digits to the real ones"
    assert against(comparison) == "real + synthetic against real"
    interval = f"95{GAP}% interval {MINUS}0.18 to {MINUS}0.02"
    assert (
        comparison_sentence(comparison)
        == f"{comparison.question}: hurts ({MINUS}0.10 points, {interval})."
    )


def test_one_seed_has_no_interval(known: Evaluation) -> None:
    alone = dataclasses.replace(
        added(known), difference=Estimate(mean=-0.001, low=None, high=None), verdict=UNDECIDED
    )
    assert "interval" not in comparison_sentence(alone)
    assert "--seeds 3" in advice(known, alone)


def of_seeds(known: Evaluation, count: int) -> Evaluation:
    return dataclasses.replace(known, seeds=tuple(range(count)))


@pytest.mark.parametrize(
    ("seeds", "words"), [(1, "One seed decides nothing"), (2, "Two seeds decide little")]
)
def test_few_seeds_are_said_to_decide_little(known: Evaluation, seeds: int, words: str) -> None:
    few = of_seeds(known, seeds)
    assert few_seeds(few) == f"{words}: evaluate with --seeds 3 or more."
    assert advice(few, added(few)).endswith(f" without them. {few_seeds(few)}")
    lines = evaluation_lines(few)
    assert lines.count(f"  {few_seeds(few)}") == 1
    assert lines[lines.index(f"  {few_seeds(few)}") - 1].endswith(("hurts", "no effect"))


def test_three_seeds_are_not_few(known: Evaluation) -> None:
    assert few_seeds(of_seeds(known, 3)) == ""
    words = " ".join([*evaluation_lines(known), advice(known, added(known))])
    assert "seeds decide" not in words


def test_the_advice_to_use_more_seeds_is_given_once(known: Evaluation) -> None:
    alone = dataclasses.replace(added(known), verdict=UNDECIDED)
    assert advice(of_seeds(known, 1), alone).count("--seeds 3") == 1


@pytest.mark.parametrize(
    ("verdict", "words"), [(HELPS, "help: use them"), (HURTS, "do harm: leave them out")]
)
def test_advice_names_what_to_do_and_the_errors(
    known: Evaluation, verdict: str, words: str
) -> None:
    text = advice(known, dataclasses.replace(added(known), verdict=verdict))
    assert text == (
        f"Added to the real digits, the synthetic digits {words}. "
        "6.2 errors on 1,000 unseen real digits, against 5.2 without them."
    )


def test_advice_on_synthetic_digits_alone_is_not_of_adding(known: Evaluation) -> None:
    alone = next(comparison for comparison in known.comparisons if comparison.arm == "synthetic")
    assert advice(known, alone).startswith("In place of the real digits, ")


def test_what_the_generator_has_seen(known: Evaluation) -> None:
    other = dataclasses.replace(
        known.synthetic,
        generator_saw_only_real_train=False,
        generator_trained_on={"images": 60_000, "source": "X"},
    )
    unknown = dataclasses.replace(other, generator_trained_on={})
    own = "The generator saw the same 55,000 training digits as the classifiers, and no others."
    assert origin(known) == own
    assert origin(dataclasses.replace(known, synthetic=other)).startswith(
        "WARNING: the generator has seen 60,000 digits (X), not the 55,000"
    )
    assert "not known" in origin(dataclasses.replace(known, synthetic=unknown))


def test_the_weakest_class(known: Evaluation) -> None:
    assert weakest_class(known) == ("7", 0.9833)


@pytest.mark.parametrize(
    ("asked", "arm"),
    [
        (["both", "real_synthetic", "synthetic"], "both"),
        (["synthetic", "real_synthetic"], "real_synthetic"),
        (["synthetic", "classical"], "synthetic"),
        (["classical"], None),
    ],
)
def test_the_main_comparison_is_the_hardest_question_asked(
    known: Evaluation, asked: list[str], arm: str | None
) -> None:
    comparisons = tuple(row for row in known.comparisons if row.arm in asked)
    main = main_comparison(dataclasses.replace(known, comparisons=comparisons))
    assert (main.arm if main else None) == arm
    assert main is None or main.baseline == ("classical" if arm == "both" else "real")
