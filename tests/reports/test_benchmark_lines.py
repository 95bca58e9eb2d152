import dataclasses

import pytest

from synthgen.evaluation.results import ArmResult, BenchmarkSummary
from synthgen.reports.benchmark_lines import benchmark_lines
from synthgen.reports.benchmark_words import benchmark_answer
from synthgen.text import MINUS, signed
from tests.evaluation.benchmark_example import make_summary


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
