from pathlib import Path

import pytest

from synthgen.config import BenchmarkSettings
from synthgen.datasets.splits import RealDigits
from synthgen.errors import DataError
from synthgen.evaluation.benchmark_values import BenchmarkSummary, read_summary
from synthgen.evaluation.run_benchmark import prepare, run
from synthgen.evaluation.wording import budget
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
