import dataclasses

from synthgen.reports.evaluation import report_page, terminal_table
from synthgen.reports.page.content import Figure, Table
from synthgen.reports.page.html import to_html
from synthgen.reports.usefulness import all_comparisons, class_section, section
from tests.evaluation.example import make_evaluation

KNOWN = make_evaluation()


def test_tables_hold_the_estimates_themselves() -> None:
    arms, differences = section(KNOWN).blocks[2:]
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
    assert [type(block) for block in section(alone).blocks] == [Figure, Table]
    assert "No classifier was trained with the synthetic digits." in to_html(
        report_page(alone, None)
    )
    assert "verdict" in terminal_table(KNOWN)
    assert "verdict" not in terminal_table(alone)


def test_what_synthetic_digits_add_to_augmentation_is_the_last_comparison() -> None:
    assert all_comparisons(KNOWN)[-1] is KNOWN.beyond_classical
    assert all_comparisons(dataclasses.replace(KNOWN, beyond_classical=None)) == list(
        KNOWN.comparisons
    )


def test_a_class_has_its_accuracy_every_difference_and_its_label_agreement() -> None:
    table = class_section(KNOWN).blocks[-1]
    seven = table.rows[7]  # type: ignore[union-attr]
    assert seven[0] == "7"
    assert seven[1] == KNOWN.arms[0].per_class[7]
    assert seven[2:-1] == [comparison.per_class[7] for comparison in all_comparisons(KNOWN)]
    assert seven[-1] == KNOWN.agreement.per_class[7]
