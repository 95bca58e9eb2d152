import dataclasses

from synthgen.reports.evaluation import evaluation_lines, evaluation_page
from synthgen.reports.page.blocks import Chart, Table
from synthgen.reports.usefulness import (
    accuracy_table,
    class_section,
    class_table,
    difference_table,
    usefulness_section,
)
from tests.evaluation.example import make_evaluation

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
