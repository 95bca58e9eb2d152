import dataclasses
import json
from pathlib import Path
from typing import Any

import pytest

from synthgen.config import BenchmarkSettings
from synthgen.datasets.splits import RealDigits
from synthgen.errors import DataError
from synthgen.evaluation.arms import arm_name
from synthgen.evaluation.benchmark import run_benchmark
from synthgen.evaluation.gates import BENCHMARK_FIGURES, figures_of
from synthgen.evaluation.results import (
    BenchmarkSummary,
    Evaluation,
    LabelsSaved,
    read_benchmark,
    read_evaluation,
)
from synthgen.evaluation.scenarios import budget_name
from tests.evaluation.benchmark_example import transfer_summary
from tests.evaluation.conftest import prepare_fake


def test_an_evaluation_survives_json(evaluation: Evaluation) -> None:
    again = read_evaluation(evaluation.to_json())
    assert again == evaluation
    assert again.to_json() == evaluation.to_json()


def test_one_seed_survives_json_too(evaluation: Evaluation) -> None:
    plain = json.loads(evaluation.to_json())
    plain["comparisons"][0]["difference"] |= {"low": None, "high": None}
    assert read_evaluation(json.dumps(plain).encode()).comparisons[0].difference.low is None


@pytest.mark.parametrize(
    "content",
    [b"", b"[]", b"{}", b'{"format": "synthgen-evaluation/2"}', b'{"format": "else"}', b"\xff"],
)
def test_what_is_not_an_evaluation_is_refused(content: bytes) -> None:
    with pytest.raises(DataError, match=r"Expected an evaluation\.json"):
        read_evaluation(content)


def test_a_value_of_another_type_is_named(evaluation: Evaluation) -> None:
    plain = json.loads(evaluation.to_json())
    plain["arms"][3]["steps"] = "many"
    with pytest.raises(DataError, match=r"arms\[3\]\.steps: expected a whole number"):
        read_evaluation(json.dumps(plain).encode())


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("arm", "unheard of", "Expected arms among .* received 'unheard of'"),
        ("metrics", {}, "each with an accuracy, received 'one without'"),
    ],
)
def test_arms_that_pages_cannot_name_are_refused(
    evaluation: Evaluation, key: str, value: Any, message: str
) -> None:
    plain = json.loads(evaluation.to_json())
    plain["arms"][0][key] = value
    with pytest.raises(DataError, match=message):
        read_evaluation(json.dumps(plain).encode())


def test_an_evaluation_without_classes_is_refused(evaluation: Evaluation) -> None:
    plain = json.loads(evaluation.to_json())
    plain["agreement"]["by_class"] = []
    with pytest.raises(DataError, match="received 10 classes, 0 shares"):
        read_evaluation(json.dumps(plain).encode())


def test_arms_and_comparisons_are_found_by_name(evaluation: Evaluation) -> None:
    real = evaluation.arm("real")
    assert real is evaluation.arms[0]
    assert evaluation.arm("top_up") is None
    found = evaluation.comparison("both", "classical")
    assert found is not None
    assert found is evaluation.comparisons[-1]
    assert evaluation.comparison("classical", "both") is None
    assert list(evaluation.verdicts) == [
        "real_synthetic against real",
        "synthetic against real",
        "classical against real",
        "both against real",
        "both against classical",
    ]
    assert evaluation.verdicts["both against classical"] == found.verdict


@pytest.fixture
def summary(
    everything: BenchmarkSettings, tmp_path: Path, real: RealDigits, few_digits_suffice: None
) -> BenchmarkSummary:
    found = run_benchmark(prepare_fake(everything, tmp_path, real)).summary
    assert found is not None
    return found


def test_a_benchmark_survives_json_and_anything_else_is_refused(summary: BenchmarkSummary) -> None:
    assert read_benchmark(summary.to_json()) == summary
    renamed = summary.to_json().replace(b'"notes"', b'"remarks"')
    for content in (b"", b"{}", b"[]", renamed):
        with pytest.raises(DataError, match=r"Expected a benchmark\.json"):
            read_benchmark(content)


def test_figures_keep_added_digits_and_stand_ins_apart(
    summary: BenchmarkSummary,
) -> None:
    primary = [row for row in summary.comparisons if row.primary]
    replaced = [row for row in primary if row.scenario == "stand-in"]
    added = [row for row in primary if row.scenario != "stand-in"]
    worst = min(added, key=lambda row: row.difference.mean)
    figures = summary.figures
    assert figures["delta"].value == worst.difference.mean
    assert figures["delta_stand_in"].value == min(row.difference.mean for row in replaced)
    place = budget_name(worst.scenario, worst.budget, worst.share)
    assert figures["delta"].where.startswith(f"{place}, {arm_name(worst.arm, worst.ratio)}")
    verdicts = [figures[name].value or 0 for name in ("helps", "no_effect", "hurts")]
    assert sum(verdicts) == len(added)


def test_labels_saved_are_those_of_the_first_budget_that_is_as_good() -> None:
    summary = transfer_summary()
    assert summary.labels_saved == LabelsSaved(
        budget=5, accuracy=0.96, reached_at=20, most=20, least=20, surely=20
    )
    few = [arm for arm in summary.arms if (arm.arm, arm.budget) != ("classical", 20)]
    fewer = dataclasses.replace(summary, arms=tuple(few))
    assert fewer.labels_saved == LabelsSaved(budget=5, accuracy=0.96, reached_at=None, most=5)
    without = [arm for arm in summary.arms if (arm.arm, arm.budget) != ("source", 5)]
    assert dataclasses.replace(summary, arms=tuple(without)).labels_saved is None
    alone = [arm for arm in summary.arms if arm.arm != "classical"]
    assert dataclasses.replace(summary, arms=tuple(alone)).labels_saved is None
    assert figures_of(summary, BENCHMARK_FIGURES)["labels_saved"].value == 15
    assert figures_of(fewer, BENCHMARK_FIGURES)["labels_saved"].value is None
