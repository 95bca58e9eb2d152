import csv
import io
from pathlib import Path

import pytest

from synthgen.config import BenchmarkSettings
from synthgen.datasets.splits import RealDigits
from synthgen.errors import DataError
from synthgen.evaluation.benchmark_values import BenchmarkSummary, read_summary
from synthgen.evaluation.run_benchmark import prepare, run
from synthgen.evaluation.wording import budget
from synthgen.reports.benchmark import COLUMNS, markdown, terminal_lines, to_csv
from synthgen.text import MINUS, signed
from tests.evaluation.benchmark.conftest import FakeGenerator, FakeJudge, nearest_mean


@pytest.fixture
def summary(
    everything: BenchmarkSettings,
    tmp_path: Path,
    real: RealDigits,
    judge: FakeJudge,
    generator: FakeGenerator,
) -> BenchmarkSummary:
    return run(
        prepare(
            everything,
            str(tmp_path),
            real,
            judge.judge(),
            generator.generator(),
            network=nearest_mean,
        )
    ).summary


def test_the_screen_shows_every_arm_and_the_gain(summary: BenchmarkSummary) -> None:
    lines = terminal_lines(summary, "data/benchmark-digits")
    assert max(map(len, lines)) <= 80
    text = "\n".join(lines)
    assert text.isascii()
    for arm in summary.arms:
        metric = "minority_recall" if arm.scenario in ("imbalance", "long-tail") else "accuracy"
        figure = f"{100 * arm.metrics[metric].mean:.2f}"
        assert any(line.strip().startswith(arm.title) and figure in line for line in lines), (
            arm.title
        )
    for row in summary.rows:
        if row.primary:
            assert signed(row.difference.mean).replace(MINUS, "-") in text
    assert (
        lines[-1] == "  data/benchmark-digits: report.html, cells.jsonl, benchmark.json, .csv, .md"
    )


def test_the_csv_has_a_line_for_each_comparison(summary: BenchmarkSummary) -> None:
    rows = list(csv.DictReader(io.StringIO(to_csv(summary))))
    assert tuple(rows[0]) == COLUMNS
    assert len(rows) == len(summary.rows)
    for plain, row in zip(rows, summary.rows, strict=True):
        assert float(plain["difference"]) == row.difference.mean
        assert (plain["arm"], plain["baseline"], plain["metric"], plain["verdict"]) == (
            row.arm,
            row.baseline,
            row.metric,
            row.verdict,
        )
        assert float(plain["corrected_low"]) == row.corrected.low


def test_the_markdown_has_whole_tables_with_every_question(summary: BenchmarkSummary) -> None:
    text = markdown(summary)
    assert text.startswith("# Benchmark digits\n\n" + summary.headline)
    for question in {row.question for row in summary.rows}:
        assert f"### {question}" in text
    blocks = [block.splitlines() for block in text.split("\n\n") if block.startswith("|")]
    # each has a line about copies
    shared = [arm for arm in summary.arms if arm.scenario == "stand-in" and arm.synthetic_images]
    assert sum(len(block) - 2 for block in blocks) == len(summary.arms) + len(summary.rows) + len(
        shared
    )
    assert all(len({line.count("|") for line in block}) == 1 for block in blocks)
    assert summary.real["source"] in text


def test_a_summary_survives_json_and_anything_else_is_refused(summary: BenchmarkSummary) -> None:
    assert read_summary(summary.to_json()) == summary
    for content in (b"", b"{}", b"[]", summary.to_json().replace(b'"headline"', b'"headlines"')):
        with pytest.raises(DataError, match=r"Expected a benchmark\.json"):
            read_summary(content)


def test_gates_keep_what_is_added_apart_from_what_takes_the_place_of_real_digits(
    summary: BenchmarkSummary,
) -> None:
    replaced = [
        row.difference.mean for row in summary.rows if row.primary and row.scenario == "stand-in"
    ]
    added = [
        row.difference.mean for row in summary.rows if row.primary and row.scenario != "stand-in"
    ]
    assert (summary.figures["delta_stand_in"], summary.figures["delta"]) == (
        min(replaced),
        min(added),
    )
    worst = min(
        (row for row in summary.rows if row.primary and row.scenario != "stand-in"),
        key=lambda row: row.difference.mean,
    )
    assert summary.places["delta"].startswith(f"{budget(worst)}, {worst.arm}")
    assert sum(summary.figures[name] or 0 for name in ("helps", "no_effect", "hurts")) == len(added)
