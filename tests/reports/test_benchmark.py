import csv
import dataclasses
import io

import pytest

from synthgen.evaluation.results import BenchmarkSummary
from synthgen.metrics.intervals import HELPS, HURTS, NO_EFFECT, UNDECIDED, Estimate
from synthgen.reports.benchmark import (
    COMPARISON_COLUMNS,
    benchmark_page,
    common_word,
    comparison_csv,
    render_benchmark,
)
from synthgen.reports.benchmark_words import benchmark_answer
from synthgen.reports.page.blocks import Chart, Page, Table
from synthgen.reports.page.html import to_html
from synthgen.reports.page.markdown import to_markdown
from synthgen.text import MINUS
from tests.evaluation.benchmark_example import MARK, make_summary, transfer_summary
from tests.reports.page.structure import Structure, check_page


@pytest.fixture(scope="module")
def summary() -> BenchmarkSummary:
    return make_summary()


@pytest.fixture(scope="module")
def structure(summary: BenchmarkSummary) -> Structure:
    return check_page(render_benchmark(summary).html)


def table(page: Page, name: str) -> Table:
    return next(table for table in page.tables if table.name == name)


@pytest.mark.parametrize(
    ("verdicts", "word"),
    [
        ([HELPS, HELPS], HELPS),
        ([NO_EFFECT], NO_EFFECT),
        ([HELPS, NO_EFFECT], "helps in part"),
        ([HURTS, NO_EFFECT, UNDECIDED], "hurts in part"),
        ([HELPS, HURTS, NO_EFFECT], "mixed"),
        ([NO_EFFECT, UNDECIDED], NO_EFFECT),
        ([], UNDECIDED),
    ],
)
def test_one_word_for_several_verdicts(verdicts: list[str], word: str) -> None:
    assert common_word(verdicts) == word


def test_the_answer_stands_first_with_its_interval(
    structure: Structure, summary: BenchmarkSummary
) -> None:
    words = structure.words
    answer = words[words.index("Mixed") :]
    assert answer.startswith(
        "Mixed +0.10 points of accuracy corrected interval 0.00 to +0.19; "
        "1000 images per class, 1 synthetic for one real; the strongest"
    )
    assert (
        words.index("Mixed")
        < words.index(benchmark_answer(summary.comparisons))
        < words.index("Accuracy against real images per class")
    )


def test_a_single_row_is_the_headline(summary: BenchmarkSummary) -> None:
    only = next(row for row in summary.comparisons if row.primary and row.budget == "all")
    headline = benchmark_page(dataclasses.replace(summary, comparisons=(only,))).headline
    assert (headline.word, headline.tone) == ("hurts", "bad")
    assert headline.figure == f"{MINUS}0.05 points of accuracy"
    assert (
        headline.interval
        == f"corrected interval {MINUS}0.09 to {MINUS}0.01; all images, 1 synthetic for one real"
    )


def test_without_a_comparison_there_is_no_verdict(summary: BenchmarkSummary) -> None:
    headline = benchmark_page(dataclasses.replace(summary, comparisons=())).headline
    assert (headline.word, headline.figure) == (UNDECIDED, "")
    assert headline.sentence == benchmark_answer([])


def test_notes_and_marks_are_warnings(summary: BenchmarkSummary) -> None:
    warnings = benchmark_page(summary).warnings
    assert MARK in warnings[0]
    assert warnings[1] == summary.notes[0]


def test_a_failed_gate_is_named_with_its_figure(
    structure: Structure, summary: BenchmarkSummary
) -> None:
    assert "Gates 1 of 2 failed delta < 0: −0.001100" in structure.words  # noqa: RUF001 (a true minus)
    assert "label_agreement < 0.99 label_agreement 0.9951 passed" in structure.words
    assert all(
        section.name != "gates"
        for section in benchmark_page(dataclasses.replace(summary, gates=())).sections
    )


def test_plots_say_what_they_show(structure: Structure) -> None:
    labels = {drawing["aria-label"] for drawing in structure.all("svg")}
    curve = next(
        label
        for label in labels
        if label.startswith("Accuracy by arm. ") and "both + distortions x5" in label
    )
    assert "real: 88.83\N{NO-BREAK SPACE}% at 10 images per class" in curve
    assert any("all images, x5: -0.05 points, hurts" in label for label in labels)
    assert any(
        label.startswith("Minority recall, 2.5 % of one class: real 94.00") for label in labels
    )


def test_a_benchmark_with_one_seed_has_no_bands_and_no_verdict(summary: BenchmarkSummary) -> None:
    def alone(value: Estimate) -> Estimate:
        return dataclasses.replace(value, low=None, high=None)

    arms = tuple(
        dataclasses.replace(
            arm, metrics={name: alone(value) for name, value in arm.metrics.items()}
        )
        for arm in summary.arms
        if arm.scenario == "grid" and arm.ratio != 5
    )
    rows = tuple(
        dataclasses.replace(
            row,
            verdict=UNDECIDED,
            difference=alone(row.difference),
            corrected=alone(row.corrected),
            by_class=(),
        )
        for row in summary.comparisons
        if row.primary and row.scenario == "grid" and row.ratio != 5
    )
    page = to_html(benchmark_page(dataclasses.replace(summary, arms=arms, comparisons=rows)))
    assert "○ Undecided" in check_page(page).words
    assert "fill-opacity: 0.16" not in page


def test_the_csv_has_a_line_for_each_comparison(summary: BenchmarkSummary) -> None:
    rows = list(csv.DictReader(io.StringIO(comparison_csv(summary))))
    assert tuple(rows[0]) == COMPARISON_COLUMNS
    assert len(rows) == len(summary.comparisons)
    for plain, row in zip(rows, summary.comparisons, strict=True):
        assert float(plain["difference"]) == row.difference.mean
        assert (plain["arm"], plain["baseline"], plain["metric"], plain["verdict"]) == (
            row.arm,
            row.baseline,
            row.metric,
            row.verdict,
        )
        assert float(plain["corrected_low"]) == row.corrected.low


def test_the_markdown_has_whole_tables_with_every_question(summary: BenchmarkSummary) -> None:
    text = to_markdown(benchmark_page(summary)).replace("\N{NO-BREAK SPACE}", " ")
    assert text.startswith("# Do synthetic digits help a classifier")
    assert benchmark_answer(summary.comparisons).replace("\N{NO-BREAK SPACE}", " ") in text
    for row in summary.comparisons:
        assert f"| {row.question} | " in text
    blocks = [block.splitlines() for block in text.split("\n\n") if block.startswith("|")]
    assert all(len({line.count("|") for line in block}) == 1 for block in blocks)
    expected = (
        len(summary.arms) + len(summary.comparisons) + len(summary.gates) + len(summary.cells)
    )
    assert sum(len(block) - 2 for block in blocks) == expected
    assert summary.real.source in text


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
    assert rare.rows[-1][:2] == ["5 % of one class", "others' top-up + distortions"]


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


def test_both_verdicts_of_transfer_stand_side_by_side() -> None:
    summary = transfer_summary()
    page = benchmark_page(summary)
    rows = table(page, "transfer-verdicts").rows
    assert [[row[0], row[4], row[5], row[7]] for row in rows] == [
        ["1 images per class", "helps", "own + others' real digits", "helps"],
        ["5 images per class", "helps", "own + others' real digits", "no effect"],
        ["20 images per class", "no effect", "own + others' real digits", "no effect"],
    ]
    assert page.sections[0].title == "A generator of other hands beside few digits of one's own"
    words = check_page(render_benchmark(summary).html).words
    assert "Labels saved: 5 own images per class and the generator come to 96.00" in words
    assert not page.warnings
