import dataclasses

import pytest

from synthgen.config import EVALUATION_ARMS, GRID_ARMS
from synthgen.evaluation.arms import ARMS
from synthgen.evaluation.results import Comparison, Evaluation
from synthgen.evaluation.scenarios import IMBALANCE_ARMS, SOURCE_ARMS, TRANSFER_ARMS
from synthgen.metrics.intervals import HELPS, HURTS, UNDECIDED, Estimate
from synthgen.reports.evaluation import evaluation_lines, evaluation_page
from synthgen.reports.page.blocks import Chart, Table
from synthgen.reports.usefulness import (
    ARM_STYLES,
    accuracy_table,
    advice,
    against,
    arm_tone,
    class_section,
    class_table,
    comparison_sentence,
    difference_table,
    few_seeds,
    main_comparison,
    origin,
    usefulness_section,
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
    half = dataclasses.replace(other, generator_trained_on={"sha256": "0" * 64})
    assert origin(dataclasses.replace(known, synthetic=half)).startswith(
        "WARNING: the generator has seen an unknown number of digits (of unknown source), not the"
    )


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


KNOWN = make_evaluation()


def test_tables_hold_the_estimates_themselves() -> None:
    arm = KNOWN.arms[1]
    comparison = KNOWN.comparisons[0]
    assert accuracy_table(KNOWN).rows[1][:3] == ["real + synthetic", 105_000, arm.accuracy]
    assert difference_table(KNOWN).rows[0] == [
        "real + synthetic",
        "real",
        "hurts",
        comparison.difference,
        comparison.over_seeds,
    ]


def test_real_digits_alone_have_no_differences() -> None:
    alone = dataclasses.replace(KNOWN, arms=KNOWN.arms[:1], comparisons=())
    assert [type(block) for block in usefulness_section(alone).blocks] == [Chart, Table]
    sentence = "No classifier was trained with the synthetic digits."
    assert evaluation_page(alone).headline.sentence == sentence
    assert "verdict" in "".join(evaluation_lines(KNOWN))
    assert "verdict" not in "".join(evaluation_lines(alone))


def test_a_class_has_accuracy_differences_and_label_agreement() -> None:
    seven = class_table(KNOWN).rows[7]
    assert seven[0] == "7"
    assert seven[1] == KNOWN.arms[0].by_class[7]
    assert seven[2:-1] == [comparison.by_class[7] for comparison in KNOWN.comparisons]
    assert seven[-1] == KNOWN.agreement.by_class[7]


def test_the_plot_by_class_says_where_most_errors_are() -> None:
    chart = class_section(KNOWN).blocks[1]
    assert isinstance(chart, Chart)
    assert "Most errors: real in class 7" in chart.draw()


def test_every_arm_has_a_colour_and_none_share_one_in_a_plot() -> None:
    assert set(ARM_STYLES) == set(ARMS)
    transfer = (*TRANSFER_ARMS, *SOURCE_ARMS)
    # the rows of the seven arms of imbalance carry their names
    for arms in (EVALUATION_ARMS, GRID_ARMS, IMBALANCE_ARMS[:-1], transfer):
        assert len({arm_tone(arm) for arm in arms}) == len(arms)
