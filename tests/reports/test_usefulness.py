import dataclasses

from synthgen.reports.evaluation import evaluation_lines, evaluation_page
from synthgen.reports.evaluation_words import all_comparisons
from synthgen.reports.page.content import Chart, Table
from synthgen.reports.usefulness import class_section, usefulness_section
from tests.evaluation.example import make_evaluation

KNOWN = make_evaluation()


def test_tables_hold_the_estimates_themselves() -> None:
    arms, differences = usefulness_section(KNOWN).blocks[2:]
    assert arms.rows[1][:3] == ["real + synthetic", 105_000, KNOWN.arms[1].accuracy]  # type: ignore[union-attr]
    assert differences.rows[0] == [  # type: ignore[union-attr]
        "real + synthetic",
        "real",
        "hurts",
        KNOWN.comparisons[0].difference,
        KNOWN.comparisons[0].over_seeds,
    ]


def test_real_digits_alone_have_no_differences() -> None:
    alone = dataclasses.replace(KNOWN, arms=KNOWN.arms[:1], comparisons=(), beyond_classical=None)
    assert [type(block) for block in usefulness_section(alone).blocks] == [Chart, Table]
    sentence = "No classifier was trained with the synthetic digits."
    assert evaluation_page(alone).headline.sentence == sentence
    assert "verdict" in "".join(evaluation_lines(KNOWN))
    assert "verdict" not in "".join(evaluation_lines(alone))


def test_a_class_has_its_accuracy_every_difference_and_its_label_agreement() -> None:
    table = class_section(KNOWN).blocks[-1]
    seven = table.rows[7]  # type: ignore[union-attr]
    assert seven[0] == "7"
    assert seven[1] == KNOWN.arms[0].per_class[7]
    assert seven[2:-1] == [comparison.per_class[7] for comparison in all_comparisons(KNOWN)]
    assert seven[-1] == KNOWN.agreement.per_class[7]
