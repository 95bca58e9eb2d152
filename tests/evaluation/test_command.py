"""The command `benchmark`: options become settings, gates become exit codes."""

import json
import os
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from synthgen.cli import cli
from synthgen.cli.output import say_evaluation
from synthgen.config import FULL_BENCHMARK, BenchmarkSettings
from synthgen.datasets.splits import RealDigits
from synthgen.errors import CheckFailed, CheckpointError, SettingsError
from synthgen.evaluation.evaluate import Evaluated, EvaluationPlace
from synthgen.evaluation.results import Evaluation
from synthgen.storage import open_storage
from tests.evaluation.conftest import FakeJudge, FakeSource


@pytest.fixture
def small_world(
    monkeypatch: pytest.MonkeyPatch,
    real: RealDigits,
    judge: FakeJudge,
    source: FakeSource,
    tmp_path: Path,
) -> Path:
    """The command with fakes in the place of the digits, the classifier and the generator."""
    monkeypatch.setattr("synthgen.datasets.sources.load_real", lambda *given, **named: real)
    monkeypatch.setattr("synthgen.evaluation.benchmark.default_judge", judge.judge)
    monkeypatch.setattr(
        "synthgen.evaluation.benchmark.own_generator",
        lambda settings, source_name: source.source(),
    )
    return tmp_path


def benchmark(root: Path, *arguments: str) -> Result:
    return CliRunner().invoke(
        cli, ["benchmark", "--root", str(root), "--per-class", "3", "--seeds", "2", *arguments]
    )


@pytest.mark.slow
def test_the_command_runs_and_ends_in_one_screen(small_world: Path) -> None:
    result = benchmark(small_world, "--name", "mine", "--ratios", "1,2")
    assert result.exit_code == 0
    assert result.stdout.startswith("Benchmark mine: 16 cells")
    assert result.stdout.count("\n") < 45
    assert (small_world / "data" / "benchmark-mine" / "benchmark.json").exists()


@pytest.mark.slow
def test_a_second_run_says_that_nothing_was_trained(small_world: Path, judge: FakeJudge) -> None:
    benchmark(small_world)
    judge.trainings.clear()
    result = benchmark(small_world)
    assert judge.trainings == []
    assert "nothing was trained" in result.stdout.splitlines()[-1]


@pytest.mark.slow
def test_quick_and_full_are_settings_that_options_override(small_world: Path) -> None:
    full = benchmark(small_world, "--full", "--scenarios", "grid")
    assert "cells to run: expected to take about" in full.stderr  # before it starts
    record = json.loads(
        (small_world / "data" / "benchmark-digits" / "benchmark.json").read_bytes()
    )["settings"]
    assert record["ratios"] == list(FULL_BENCHMARK.ratios)
    assert (record["per_class"], record["seeds"], record["scenarios"]) == (["3"], [2], ["grid"])
    assert "expected to take" not in benchmark(small_world).output
    record = json.loads(
        (small_world / "data" / "benchmark-digits" / "benchmark.json").read_bytes()
    )["settings"]
    assert record["ratios"] == list(BenchmarkSettings().ratios)


def test_a_dry_run_lists_the_cells_and_writes_nothing(small_world: Path) -> None:
    result = benchmark(small_world, "--dry-run")
    assert "10 cells in 2 groups" in result.stdout
    assert list(small_world.iterdir()) == []


def test_a_gate_that_fails_ends_with_code_1_after_the_summary(small_world: Path) -> None:
    result = benchmark(small_world, "--fail-if", "delta > -1", "--fail-if", "hurts < 0")
    assert "gate 'delta > -1': FAILED" in result.stdout
    assert "gate 'hurts < 0': passed" in result.stdout
    assert isinstance(result.exception, CheckFailed)
    assert str(result.exception).startswith("1 of 2 gates failed: delta > -1: delta is ")
    assert benchmark(small_world, "--fail-if", "delta < -1").exit_code == 0


@pytest.mark.parametrize("command", ["benchmark", "evaluate"])
def test_unknown_figures_are_refused_before_any_work(command: str, tmp_path: Path) -> None:
    arguments = (
        ["benchmark", "--root", str(tmp_path)]
        if command == "benchmark"
        else ["evaluate", "manifests/none.csv"]
    )
    result = CliRunner().invoke(cli, [*arguments, "--fail-if", "deltas < 0"])
    assert isinstance(result.exception, SettingsError)
    assert "received 'deltas'" in str(result.exception)
    assert "label_agreement" in str(result.exception)
    assert list(tmp_path.iterdir()) == []


def test_a_generator_must_make_such_images(small_world: Path, real: RealDigits) -> None:
    assert isinstance(benchmark(small_world, "--generator", "/nowhere").exception, CheckpointError)


def test_an_evaluation_that_was_there_already_is_said_to_be(
    evaluation: Evaluation, place: EvaluationPlace, capsys: pytest.CaptureFixture[str]
) -> None:
    say_evaluation(Evaluated(evaluation=evaluation, place=place))
    *_, report, last = capsys.readouterr().out.splitlines()
    assert report == f"  report: {place.report}"
    assert last.startswith("This evaluation was there already (arms: 5, seeds: 3), of the same")


def test_the_report_is_named_as_the_manifest_was(
    evaluation: Evaluation, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    place = EvaluationPlace(storage=open_storage(f"{tmp_path}/sets"), folder="data/a/evaluation")
    found = {}
    for manifest in ("manifests/a.csv", f"{tmp_path}/manifests/a.csv"):
        say_evaluation(Evaluated(evaluation=evaluation, place=place), beside=manifest)
        found[manifest] = capsys.readouterr().out.splitlines()[-2]
    report = f"{tmp_path}/sets/data/a/evaluation/report.html"
    assert list(found.values()) == [
        f"  report: {os.path.relpath(report)}",
        f"  report: {report}",
    ]
