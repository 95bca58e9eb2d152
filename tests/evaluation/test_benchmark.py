import dataclasses
import json
from pathlib import Path

import pytest

from synthgen.config import BenchmarkSettings
from synthgen.datasets.digits import Digits
from synthgen.datasets.splits import RealDigits
from synthgen.errors import (
    CheckFailed,
    DataError,
    Interrupted,
    ResumeError,
    ScreeningExhausted,
    TrainingDiverged,
)
from synthgen.evaluation.benchmark import (
    DISTORTED_STEP,
    DRAWN_PER_SECOND,
    REFERENCE_STEP,
    SCREENER_SECONDS,
    TRAINED_PER_SECOND,
    BenchmarkRun,
    Speed,
    expected_seconds,
    forecast_benchmark,
    measure_speed,
    publish_benchmark,
    run_benchmark,
)
from synthgen.evaluation.cells import Task, exclusive_cells
from synthgen.evaluation.gates import BENCHMARK_FIGURES, parse_gates
from synthgen.evaluation.results import BenchmarkSummary
from synthgen.evaluation.synthetic import Synthetic
from synthgen.reports.benchmark import render_benchmark
from synthgen.reports.benchmark_words import forecast_line, forecast_lines
from synthgen.storage import open_storage
from tests.evaluation.conftest import FakeJudge, FakeSource, prepare_fake

pytestmark = pytest.mark.usefixtures("few_digits_suffice")


def benchmark(
    settings: BenchmarkSettings,
    root: Path,
    real: RealDigits,
    judge: FakeJudge | None = None,
    source: FakeSource | None = None,
    gates: tuple[str, ...] = (),
) -> BenchmarkRun:
    job = prepare_fake(settings, root, real, judge, source)
    return run_benchmark(job, parse_gates(gates, BENCHMARK_FIGURES))


def summary_of(run: BenchmarkRun) -> BenchmarkSummary:
    assert run.error is None
    assert run.summary is not None
    return run.summary


def finished(root: Path) -> int:
    return len((root / "data" / "benchmark-digits" / "cells.jsonl").read_text().splitlines())


def test_every_cell_is_kept_and_summarised(
    everything: BenchmarkSettings, tmp_path: Path, real: RealDigits
) -> None:
    run = benchmark(everything, tmp_path, real)
    summary = summary_of(run)
    assert finished(tmp_path) == run.ran == len(summary.cells) == 2 * (6 + 2) + 2 * 2 * 6
    assert {cell.scenario for cell in summary.cells} == {
        "grid",
        "imbalance",
        "long-tail",
        "stand-in",
    }
    assert summary.notes == (
        "no top-up by a generator of other hands: none is at hand that fits these digits and has "
        "not seen them",
    )


def test_a_summary_is_published_with_its_pages(
    settings: BenchmarkSettings, tmp_path: Path, real: RealDigits
) -> None:
    job = prepare_fake(settings, tmp_path, real)
    summary = summary_of(run_benchmark(job))
    publish_benchmark(job, summary, {"report.html": "<p>", "benchmark.md": "# Benchmark"})
    folder = tmp_path / "data" / "benchmark-digits"
    assert {file.name for file in folder.iterdir()} == {
        "cells.jsonl",
        "benchmark.json",
        "benchmark.md",
        "report.html",
    }
    assert (folder / "benchmark.json").read_bytes() == summary.to_json()


def test_a_second_benchmark_of_the_same_name_is_kept_away(
    settings: BenchmarkSettings, tmp_path: Path, real: RealDigits, judge: FakeJudge
) -> None:
    storage = open_storage(str(tmp_path))
    with (
        exclusive_cells(storage, "data/benchmark-digits", "This benchmark"),
        pytest.raises(ResumeError, match=r"This benchmark is running in .* already"),
    ):
        benchmark(settings, tmp_path, real, judge)
    assert judge.trainings == []


def test_a_second_run_trains_nothing_and_says_the_same(
    settings: BenchmarkSettings,
    tmp_path: Path,
    real: RealDigits,
    judge: FakeJudge,
    source: FakeSource,
) -> None:
    first = summary_of(benchmark(settings, tmp_path, real, judge, source))
    judge.trainings.clear()
    source.given.clear()
    second = benchmark(settings, tmp_path, real, judge, source)
    assert (judge.trainings, source.given, second.ran) == ([], [], 0)
    assert dataclasses.replace(summary_of(second), created=first.created) == first


def test_more_seeds_run_only_the_cells_that_are_new(
    settings: BenchmarkSettings, tmp_path: Path, real: RealDigits
) -> None:
    benchmark(settings, tmp_path, real)
    more = benchmark(dataclasses.replace(settings, seeds=(3,)), tmp_path, real)
    assert more.ran == 18
    assert {len(arm.seeds) for arm in summary_of(more).arms} == {3}


@pytest.mark.parametrize("fail_at", [0, 2, 5, 17, 23])
def test_a_killed_benchmark_goes_on_and_ends_in_the_same_figures(
    fail_at: int, settings: BenchmarkSettings, tmp_path: Path, real: RealDigits
) -> None:
    once = FakeJudge()
    killed = FakeJudge(fail_at=fail_at)
    again = FakeJudge()
    whole = summary_of(benchmark(settings, tmp_path / "whole", real, once))
    stopped = benchmark(settings, tmp_path / "killed", real, killed)
    assert isinstance(stopped.error, Interrupted)
    assert " of 36 cells are finished and kept " in str(stopped.error)
    assert "Run the same command again" in str(stopped.error)
    resumed = benchmark(settings, tmp_path / "killed", real, again)
    of_one_tuning = 2 * 3
    most = len(once.trainings) + of_one_tuning
    assert len(once.trainings) <= len(killed.trainings) + len(again.trainings) <= most
    assert finished(tmp_path / "killed") == 36  # each cell is there once
    summary = summary_of(resumed)
    assert [arm.by_seed for arm in summary.arms] == [arm.by_seed for arm in whole.arms]
    assert summary.comparisons == whole.comparisons
    assert summary.fingerprint == whole.fingerprint


def test_a_stopped_benchmark_has_a_summary_of_what_is_finished(
    settings: BenchmarkSettings, tmp_path: Path, real: RealDigits
) -> None:
    stopped = benchmark(settings, tmp_path, real, FakeJudge(fail_at=20))
    assert isinstance(stopped.error, Interrupted)
    assert stopped.summary is not None
    cells = len(stopped.summary.cells)
    assert stopped.summary.notes == (f"unfinished: {cells} of 36 cells",)
    assert 0 < cells == stopped.ran == finished(tmp_path) < 36


def test_without_a_finished_cell_there_is_no_summary(
    settings: BenchmarkSettings, tmp_path: Path, real: RealDigits
) -> None:
    stopped = benchmark(settings, tmp_path, real, FakeJudge(fail_at=0))
    assert isinstance(stopped.error, Interrupted)
    assert (stopped.summary, stopped.ran) == (None, 0)


def test_a_stopped_generator_keeps_the_cells_of_other_groups(
    settings: BenchmarkSettings, tmp_path: Path, real: RealDigits, judge: FakeJudge
) -> None:
    def stop(made: int) -> None:
        if made:
            raise Interrupted("within a training")

    stopped = benchmark(settings, tmp_path, real, judge, FakeSource(before=stop))
    assert isinstance(stopped.error, Interrupted)
    assert "within a training 9 of 36 cells" in str(stopped.error)
    assert benchmark(settings, tmp_path, real, judge).ran == 27


@pytest.mark.parametrize("problem", [TrainingDiverged, ScreeningExhausted])
def test_a_failed_generator_leaves_the_other_groups_to_run(
    settings: BenchmarkSettings, tmp_path: Path, real: RealDigits, problem: type[CheckFailed]
) -> None:
    calls: list[int] = []

    def diverge(made: int) -> None:
        calls.append(made)
        if len(calls) == 1:
            raise problem("The loss is no number.")

    stopped = benchmark(settings, tmp_path, real, source=FakeSource(before=diverge))
    assert type(stopped.error) is problem
    assert "The loss is no number. 27 of 36 cells are finished" in str(stopped.error)
    assert stopped.summary is not None
    assert stopped.summary.notes == ("unfinished: 27 of 36 cells",)


def test_digits_that_are_taken_unscreened_are_noted(
    settings: BenchmarkSettings, tmp_path: Path, real: RealDigits
) -> None:
    class CarelessSource(FakeSource):
        def make(self, real: Digits, per_class: int, seed: int) -> Synthetic:
            made = super().make(real, per_class, seed)
            record = dataclasses.replace(made.record, screened=seed != 1)
            return dataclasses.replace(made, record=record)

    summary = summary_of(benchmark(settings, tmp_path, real, source=CarelessSource()))
    assert summary.notes == (
        "not screened, because a class failed too often: the digits of 2 of 4 generators",
    )


def test_a_named_generator_that_was_once_unscreened_is_noted(
    settings: BenchmarkSettings, tmp_path: Path, real: RealDigits
) -> None:
    class CarelessSource(FakeSource):
        def make(self, real: Digits, per_class: int, seed: int) -> Synthetic:
            made = super().make(real, per_class, seed)
            record = dataclasses.replace(
                made.record, screened=seed != 0, checkpoint_sha256="e" * 64
            )
            return dataclasses.replace(made, record=record)

    summary = summary_of(benchmark(settings, tmp_path, real, source=CarelessSource()))
    assert summary.notes == (
        "not screened, because a class failed too often: the digits of 1 of 1 generators",
    )


def test_gates_are_in_the_summary_with_their_figures(
    settings: BenchmarkSettings, tmp_path: Path, real: RealDigits
) -> None:
    gates = ("delta < -1", "label_agreement < 0.99", "minority_recall < 0.5")
    summary = summary_of(benchmark(settings, tmp_path, real, gates=gates))
    found = {gate.name: (gate.figure, gate.failed) for gate in summary.gates}
    gains = [row.difference.mean for row in summary.comparisons if row.primary]
    assert found["delta"] == (min(gains), False)
    agreements = [arm.label_agreement.mean for arm in summary.arms if arm.label_agreement]
    assert found["label_agreement"][0] == min(agreements)
    assert found["minority_recall"] == (None, True)  # this benchmark has no minority


@pytest.mark.slow
def test_what_a_foreign_generator_has_seen_stands_in_every_table(
    everything: BenchmarkSettings, tmp_path: Path, real: RealDigits
) -> None:
    summary = summary_of(benchmark(everything, tmp_path, real, source=FakeSource(saw_more=True)))
    report = render_benchmark(summary)
    mark = "has seen all 60"

    # the values
    for arm in summary.arms:
        assert (mark in arm.title) == (arm.mark == mark) == bool(arm.synthetic_images)
    synthetic = ("both", "synthetic", "real_synthetic", "top_up", "top_up_classical")
    assert {row.mark for row in summary.comparisons if row.arm in synthetic} == {mark}
    assert {bool(cell.mark) for cell in summary.cells if cell.ratio} == {True}
    for line in (tmp_path / "data" / "benchmark-digits" / "cells.jsonl").read_text().splitlines():
        cell = json.loads(line)
        saw_more = (cell["generator"] or {}).get("saw_more_than_cell", False)
        assert saw_more == bool(cell["synthetic_images"])

    # the pages
    titles = ("real + synthetic", "synthetic only", "synthetic top-up")
    rows = [line for line in report.lines if line.strip().startswith(titles)]
    gains = [line for line in report.lines if line.strip().startswith("gain in points")]
    both = [line for line in report.csv.splitlines() if ",both," in line]
    for lines in (rows, gains, both):
        assert lines
        assert all(mark in line for line in lines)
    assert f"The generator {mark}: this does not hold" in " ".join(report.markdown.split())
    # copies of images outside the cell are not looked for
    assert [line.split()[-1] for line in report.lines if "copies real ones?" in line] == ["?"]


def test_a_forecast_runs_and_writes_nothing_and_lists_the_cells(
    settings: BenchmarkSettings, tmp_path: Path, real: RealDigits
) -> None:
    job = prepare_fake(settings, tmp_path, real)
    found = forecast_benchmark(job)
    assert found.missing == 36
    assert list(tmp_path.iterdir()) == []
    text = "\n".join(forecast_lines(found))
    arms = (
        "real_half_steps, real, classical, real_synthetic x1, real_synthetic x3, both x1, both x3, "
        "synthetic x1, synthetic x3"
    )
    assert "36 cells in 4 groups; each group trains one generator." in text
    assert f"grid, 2 per class, 2 seeds: {arms}" in text
    assert f"grid, 4 per class, 2 seeds: {arms}" in text
    assert "36 cells to run: expected to take about" in text
    run_benchmark(job)
    line = forecast_line(forecast_benchmark(job))
    assert line.startswith("0 cells to run, 36 are there already")


def test_a_forecast_says_that_a_named_generator_is_not_trained(
    settings: BenchmarkSettings, tmp_path: Path, real: RealDigits
) -> None:
    job = prepare_fake(settings, tmp_path, real)
    named = dataclasses.replace(job.experiment.source, trains=False)
    job = dataclasses.replace(job, experiment=dataclasses.replace(job.experiment, source=named))
    text = "\n".join(forecast_lines(forecast_benchmark(job)))
    assert "36 cells in 4 groups; all use the generator named, none is trained." in text
    assert "each group trains" not in text


def test_too_few_test_digits_are_refused(
    settings: BenchmarkSettings, tmp_path: Path, real: RealDigits
) -> None:
    few = dataclasses.replace(real, test=real.test.take(slice(0, 95)))
    message = "Expected at least 10 real test digits of each class .* received 9 of class 5"
    with pytest.raises(DataError, match=message):
        prepare_fake(settings, tmp_path, few)


def test_the_expected_time_is_the_sum_of_its_parts(
    real: RealDigits, judge: FakeJudge, source: FakeSource
) -> None:
    settings = BenchmarkSettings(
        per_class=("4",), seeds=(1,), ratios=(3,), arms=("classical", "both"), steps=120, folds=3
    )
    job = prepare_fake(settings, Path("unused"), real, judge, source)
    (group,) = job.plan.groups
    speed = Speed(step=2 * REFERENCE_STEP, training=3.0, image=0.01)  # a machine half as fast
    steps = 100  # 120 * (40 / 100) ** 0.2
    cells = 2 * (3 + steps * DISTORTED_STEP * 2 * REFERENCE_STEP + 120 * 0.01)
    # two strengths, three folds
    tuning = 2 * 3 * (3 + steps / 2 * DISTORTED_STEP * 2 * REFERENCE_STEP)
    # the fake needs 40 / 10, and 0.001 an image
    work = 4.0 / TRAINED_PER_SECOND + 0.001 * 12 * 10 / DRAWN_PER_SECOND
    generator_seconds = 2 * (SCREENER_SECONDS + work)
    expected = cells + tuning + generator_seconds
    whole = Task(group, group.keys, ())
    assert expected_seconds([whole], job.experiment, speed) == pytest.approx(expected, rel=1e-3)
    classical = Task(group, tuple(key for key in group.keys if key.arm == "classical"), ())
    expected = cells / 2 + tuning
    assert expected_seconds([classical], job.experiment, speed) == pytest.approx(expected, rel=1e-3)
    assert expected_seconds([], job.experiment, speed) == 0


def test_the_classifier_is_timed_by_two_short_trainings(real: RealDigits, judge: FakeJudge) -> None:
    speed = measure_speed(judge.judge(), real.train)
    assert [training.steps for training in judge.trainings] == [5, 5, 205]
    assert min(speed.step, speed.training, speed.image) >= 0
