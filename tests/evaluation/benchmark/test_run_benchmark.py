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
    ScreeningExhausted,
    TrainingDiverged,
)
from synthgen.evaluation.benchmark_summary import FIGURES
from synthgen.evaluation.benchmark_values import read_summary
from synthgen.evaluation.gates import parse_gates
from synthgen.evaluation.generators import Synthetic
from synthgen.evaluation.run_benchmark import Benchmarked, forecast, prepare, run
from synthgen.reports.benchmark import render_benchmark
from synthgen.text import MINUS
from tests.evaluation.benchmark.conftest import FakeGenerator, FakeJudge, nearest_mean


def benchmark(
    settings: BenchmarkSettings,
    root: Path,
    real: RealDigits,
    judge: FakeJudge,
    generator: FakeGenerator,
    gates: tuple[str, ...] = (),
) -> Benchmarked:
    return run(
        prepare(
            settings,
            str(root),
            real,
            judge.judge(),
            generator.generator(),
            network=nearest_mean,
        ),
        parse_gates(gates, FIGURES),
    )


def test_a_benchmark_leaves_its_files(
    everything: BenchmarkSettings,
    tmp_path: Path,
    real: RealDigits,
    judge: FakeJudge,
    generator: FakeGenerator,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("synthgen.evaluation.run_benchmark.render_benchmark", render_benchmark)
    done = benchmark(everything, tmp_path, real, judge, generator)
    folder = tmp_path / "data" / "benchmark-digits"
    assert {"cells.jsonl", "benchmark.json", "benchmark.md", "benchmark.csv", "report.html"} <= {
        file.name for file in folder.iterdir()
    }
    assert read_summary((folder / "benchmark.json").read_bytes()) == done.summary
    lines = [json.loads(line) for line in (folder / "cells.jsonl").read_text().splitlines()]
    assert len(lines) == done.ran == len(done.summary.cells) == 2 * (6 + 2) + 2 * 2 * 5
    assert {line["scenario"] for line in lines} == {"grid", "imbalance", "long-tail", "stand-in"}
    assert done.summary.headline.replace(MINUS, "-") in " ".join(" ".join(done.lines()).split())
    assert done.summary.notes == ()


def test_a_second_run_trains_nothing_and_says_the_same(
    settings: BenchmarkSettings,
    tmp_path: Path,
    real: RealDigits,
    judge: FakeJudge,
    generator: FakeGenerator,
) -> None:
    first = benchmark(settings, tmp_path, real, judge, generator)
    judge.trainings.clear(), generator.given.clear()
    second = benchmark(settings, tmp_path, real, judge, generator)
    assert (judge.trainings, generator.given, second.ran) == ([], [], 0)
    assert dataclasses.replace(second.summary, created=first.summary.created) == first.summary
    assert "nothing was trained" in second.lines()[-1]


def test_more_seeds_run_only_the_cells_that_are_new(
    settings: BenchmarkSettings,
    tmp_path: Path,
    real: RealDigits,
    judge: FakeJudge,
    generator: FakeGenerator,
) -> None:
    benchmark(settings, tmp_path, real, judge, generator)
    more = benchmark(dataclasses.replace(settings, seeds=(3,)), tmp_path, real, judge, generator)
    assert more.ran == 18
    assert {len(arm.seeds) for arm in more.summary.arms} == {3}


@pytest.mark.parametrize("fail_at", [0, 2, 5, 17, 23])
def test_a_killed_benchmark_goes_on_where_it_stopped_and_ends_in_the_same_figures(
    fail_at: int, settings: BenchmarkSettings, tmp_path: Path, real: RealDigits
) -> None:
    once, killed, again = FakeJudge(), FakeJudge(fail_at=fail_at), FakeJudge()
    whole = benchmark(settings, tmp_path / "whole", real, once, FakeGenerator())
    with pytest.raises(
        Interrupted, match=r"of 36 cells are finished and kept .* Run the same command again"
    ):
        benchmark(settings, tmp_path / "killed", real, killed, FakeGenerator())
    resumed = benchmark(settings, tmp_path / "killed", real, again, FakeGenerator())
    of_one_tuning = 2 * 3
    assert (
        len(once.trainings)
        <= len(killed.trainings) + len(again.trainings)
        <= len(once.trainings) + of_one_tuning
    )
    # each cell is there once
    assert resumed.ran + finished(tmp_path / "killed") - 36 == resumed.ran
    assert [arm.by_seed for arm in resumed.summary.arms] == [
        arm.by_seed for arm in whole.summary.arms
    ]
    assert (resumed.summary.rows, resumed.summary.fingerprint) == (
        whole.summary.rows,
        whole.summary.fingerprint,
    )


def finished(root: Path) -> int:
    return len((root / "data" / "benchmark-digits" / "cells.jsonl").read_text().splitlines())


def test_a_stopped_benchmark_leaves_a_summary_of_what_is_finished(
    settings: BenchmarkSettings, tmp_path: Path, real: RealDigits, generator: FakeGenerator
) -> None:
    with pytest.raises(Interrupted):
        benchmark(settings, tmp_path, real, FakeJudge(fail_at=20), generator)
    summary = read_summary((tmp_path / "data" / "benchmark-digits" / "benchmark.json").read_bytes())
    assert summary.notes == (f"unfinished: {len(summary.cells)} of 36 cells",)
    assert 0 < len(summary.cells) == finished(tmp_path) < 36


def test_a_generator_that_was_stopped_keeps_the_cells_of_other_groups(
    settings: BenchmarkSettings,
    tmp_path: Path,
    real: RealDigits,
    judge: FakeJudge,
    generator: FakeGenerator,
) -> None:
    def stops(digits: object, per_class: int, seed: int) -> object:
        if generator.given:
            raise Interrupted("within a training")
        return generator.make(digits, per_class, seed)  # type: ignore[arg-type]

    stopping = dataclasses.replace(generator.generator(), make=stops)  # type: ignore[arg-type]
    with pytest.raises(Interrupted, match="9 of 36 cells"):
        run(prepare(settings, str(tmp_path), real, judge.judge(), stopping, network=nearest_mean))
    assert benchmark(settings, tmp_path, real, judge, FakeGenerator()).ran == 27


@pytest.mark.parametrize("problem", [TrainingDiverged, ScreeningExhausted])
def test_a_generator_that_makes_no_digits_keeps_only_its_own_cells_from_being_run(
    settings: BenchmarkSettings,
    tmp_path: Path,
    real: RealDigits,
    judge: FakeJudge,
    generator: FakeGenerator,
    problem: type[CheckFailed],
) -> None:
    def diverges(digits: object, per_class: int, seed: int) -> object:
        if not generator.given:
            generator.given.append(digits)  # type: ignore[arg-type]
            raise problem("The loss is no number.")
        return generator.make(digits, per_class, seed)  # type: ignore[arg-type]

    diverging = dataclasses.replace(generator.generator(), make=diverges)  # type: ignore[arg-type]
    with pytest.raises(problem, match=r"The loss is no number\. 27 of 36 cells are finished"):
        run(prepare(settings, str(tmp_path), real, judge.judge(), diverging, network=nearest_mean))
    summary = read_summary((tmp_path / "data" / "benchmark-digits" / "benchmark.json").read_bytes())
    assert summary.notes == ("unfinished: 27 of 36 cells",)


def test_digits_that_are_taken_unscreened_are_noted(
    settings: BenchmarkSettings,
    tmp_path: Path,
    real: RealDigits,
    judge: FakeJudge,
    generator: FakeGenerator,
) -> None:
    def unscreened(digits: Digits, per_class: int, seed: int) -> Synthetic:
        made = generator.make(digits, per_class, seed)
        return dataclasses.replace(made, record=dict(made.record) | {"screened": seed != 1})

    careless = dataclasses.replace(generator.generator(), make=unscreened)
    summary = run(
        prepare(settings, str(tmp_path), real, judge.judge(), careless, network=nearest_mean)
    ).summary
    assert summary.notes == (
        "not screened, because a class failed too often: the digits of 2 of 4 generators",
    )


def test_gates_are_in_the_summary_with_their_figures(
    settings: BenchmarkSettings,
    tmp_path: Path,
    real: RealDigits,
    judge: FakeJudge,
    generator: FakeGenerator,
) -> None:
    gates = ("delta < -1", "label_agreement < 0.99", "minority_recall < 0.5")
    summary = benchmark(settings, tmp_path, real, judge, generator, gates).summary
    found = {gate.name: (gate.figure, gate.failed) for gate in summary.gates}
    assert found["delta"] == (
        min(row.difference.mean for row in summary.rows if row.primary),
        False,
    )
    assert found["label_agreement"][0] == min(
        arm.label_agreement.mean for arm in summary.arms if arm.label_agreement
    )
    assert found["minority_recall"] == (None, True)  # this benchmark has no minority


def test_what_a_foreign_generator_has_seen_stands_in_every_table(
    everything: BenchmarkSettings, tmp_path: Path, real: RealDigits, judge: FakeJudge
) -> None:
    done = benchmark(everything, tmp_path, real, judge, FakeGenerator(saw_more=True))
    folder = tmp_path / "data" / "benchmark-digits"
    mark = "has seen all 60"
    for arm in done.summary.arms:
        assert (mark in arm.title) == (arm.mark == mark) == bool(arm.synthetic_images)
    assert {
        row.mark
        for row in done.summary.rows
        if row.arm in ("both", "synthetic", "real_synthetic", "top_up", "top_up_classical")
    } == {mark}
    for line in (folder / "cells.jsonl").read_text().splitlines():
        cell = json.loads(line)
        assert (cell["generator"] or {}).get("saw_more_than_cell", False) == bool(
            cell["synthetic_images"]
        )
    table = [
        line
        for line in (folder / "benchmark.md").read_text().splitlines()
        if "synthetic x" in line or ("top" in line and "|" in line)
    ]
    assert table
    assert all(mark in line for line in table)
    assert all(
        mark in line
        for line in done.lines()
        if line.strip().startswith(("real + synthetic", "synthetic only", "synthetic top-up"))
    )
    assert all(
        mark in line
        for line in (folder / "benchmark.csv").read_text().splitlines()
        if ",both," in line
    )
    assert f"The generator {mark}: this does not hold" in done.summary.headline
    assert all(mark in line for line in done.lines() if line.strip().startswith("gain in points"))
    assert {bool(cell["mark"]) for cell in done.summary.cells if cell["ratio"]} == {True}
    # copies of images outside the cell are not looked for
    assert [line.split()[-1] for line in done.lines() if "copies real ones?" in line] == ["?"]


def test_a_forecast_runs_and_writes_nothing_and_lists_the_cells(
    settings: BenchmarkSettings,
    tmp_path: Path,
    real: RealDigits,
    judge: FakeJudge,
    generator: FakeGenerator,
) -> None:
    job = prepare(
        settings,
        str(tmp_path),
        real,
        judge.judge(),
        generator.generator(),
        network=nearest_mean,
    )
    found = forecast(job)
    assert found.missing == 36
    assert list(tmp_path.iterdir()) == []
    text = "\n".join(found.lines())
    arms = "real, real_repeated, classical, real_synthetic x1, real_synthetic x3, both x1, both x3, synthetic x1, synthetic x3"
    assert "36 cells in 4 groups; each group trains one generator." in text
    assert f"grid, 2 per class, 2 seeds: {arms}" in text
    assert f"grid, 4 per class, 2 seeds: {arms}" in text
    assert "36 cells to run: expected to take about" in text
    run(job)
    assert forecast(job).line().startswith("0 cells to run, 36 are there already")


def test_a_forecast_with_a_named_generator_says_that_none_is_trained(
    settings: BenchmarkSettings,
    tmp_path: Path,
    real: RealDigits,
    judge: FakeJudge,
    generator: FakeGenerator,
) -> None:
    named = dataclasses.replace(generator.generator(), trains=False)
    text = "\n".join(
        forecast(
            prepare(settings, str(tmp_path), real, judge.judge(), named, network=nearest_mean)
        ).lines()
    )
    assert "36 cells in 4 groups; all use the generator named, none is trained." in text
    assert "each group trains" not in text


def test_too_few_test_digits_are_refused(
    settings: BenchmarkSettings, tmp_path: Path, real: RealDigits, judge: FakeJudge
) -> None:
    few = dataclasses.replace(real, test=real.test.take(slice(0, 95)))
    with pytest.raises(
        DataError,
        match="Expected at least 10 real test digits of each class, received 9 of class 5",
    ):
        prepare(settings, str(tmp_path), few, judge.judge())
