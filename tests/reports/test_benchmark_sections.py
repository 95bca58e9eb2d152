import dataclasses

import pytest

from synthgen.evaluation.results import BenchmarkSummary
from synthgen.reports.benchmark import benchmark_page
from synthgen.reports.page.blocks import Chart, Page, Table
from tests.evaluation.benchmark_example import MARK, make_summary


@pytest.fixture(scope="module")
def summary() -> BenchmarkSummary:
    return make_summary()


def table(page: Page, name: str) -> Table:
    return next(table for table in page.tables if table.name == name)


def test_every_comparison_is_a_row_with_its_verdict_and_its_mark(
    summary: BenchmarkSummary,
) -> None:
    rows = table(benchmark_page(summary), "rows").rows
    assert len(rows) == len(summary.comparisons)
    assert [row[2] for row in rows] == [row.verdict for row in summary.comparisons]
    assert [row[-1] for row in rows] == [row.mark for row in summary.comparisons]
    question = "Do synthetic digits help on top of tuned affine and elastic distortions?"
    assert ["all images", question, "hurts"] in [list(row[:3]) for row in rows]
    assert any("a synthetic top-up help over oversampling" in str(row[1]) for row in rows)
    assert MARK in {row[-1] for row in rows}


def test_arms_stand_in_the_table_of_their_scenario(summary: BenchmarkSummary) -> None:
    page = benchmark_page(summary)
    grid, rare = table(page, "arms-grid"), table(page, "arms-imbalance")
    assert len(grid.rows) == sum(arm.scenario == "grid" for arm in summary.arms)
    assert [column.title for column in rare.columns][:6] == [
        "real digits",
        "trained on",
        "accuracy",
        "balanced accuracy",
        "geometric mean of recalls",
        "minority recall",
    ]
    assert rare.rows[-1][:2] == ["5 % of one class", "top-up + distortions"]


def test_ratios_have_a_plot_each_and_a_single_budget_has_rows(
    summary: BenchmarkSummary,
) -> None:
    titles = [
        block.title
        for block in benchmark_page(summary).sections[0].blocks
        if hasattr(block, "draw")
    ]
    assert titles[:2] == [
        f"Accuracy against real images per class, {ratio} synthetic for one real"
        for ratio in (1, 5)
    ]
    quick = tuple(arm for arm in summary.arms if arm.budget == 20)
    section = benchmark_page(dataclasses.replace(summary, arms=quick)).sections[0]
    assert section.blocks[0].title == "Accuracy, 20 images per class"  # type: ignore[union-attr]


def test_comparisons_of_accuracy_are_shown_class_by_class(
    summary: BenchmarkSummary,
) -> None:
    sections = {section.name: section for section in benchmark_page(summary).sections}
    titles = {
        name: [block.title for block in section.blocks if isinstance(block, Chart)]
        for name, section in sections.items()
    }
    primary = [row for row in summary.comparisons if row.primary and row.scenario == "grid"]
    shown = [title for title in titles["grid"] if title.startswith("Class by class")]
    assert len(shown) == len(primary)
    assert "Class by class, 10 images per class, x1" in shown
    # the rare class is another one in each repetition
    assert not [title for title in titles["imbalance"] if title.startswith("Class by class")]


def test_copies_are_shown_where_they_were_looked_for(summary: BenchmarkSummary) -> None:
    arm = dataclasses.replace(
        summary.arms[0], scenario="stand-in", memorisation={"closer": 0.012, "closer_control": 0.01}
    )
    section = benchmark_page(dataclasses.replace(summary, arms=(arm,), comparisons=())).sections[0]
    assert section.title == "Synthetic digits in the place of real ones"
    copying = section.blocks[-1]
    assert isinstance(copying, Table)
    assert [column.title for column in copying.columns] == [
        "real digits",
        "synthetic",
        "closer",
        "closer control",
    ]
    assert list(copying.rows) == [["10 images per class", arm.title, 0.012, 0.01]]
