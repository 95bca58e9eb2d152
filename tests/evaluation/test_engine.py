import builtins
import dataclasses
import importlib
import os
import signal
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from synthgen.classifiers.judge import JudgeTraining
from synthgen.classifiers.settings import Progress
from synthgen.cluster import import_ray
from synthgen.config import GRID_ARMS, BenchmarkSettings
from synthgen.datasets.splits import RealDigits
from synthgen.errors import DataError, Interrupted, SettingsError
from synthgen.evaluation.benchmark import BenchmarkRun, run_benchmark
from tests.evaluation import conftest
from tests.evaluation.conftest import FakeJudge, prepare_fake


@pytest.fixture(autouse=True)
def importable_fakes(monkeypatch: pytest.MonkeyPatch) -> None:
    """New processes import the fakes by name."""
    monkeypatch.syspath_prepend(str(Path(__file__).parents[2]))


@pytest.fixture
def ray(monkeypatch: pytest.MonkeyPatch) -> Iterator[ModuleType]:
    """A Ray cluster of two processes on this machine, to which the fakes are sent whole."""
    monkeypatch.setenv("RAY_USAGE_STATS_ENABLED", "0")
    monkeypatch.setenv("RAY_raylet_start_wait_time_s", "300")  # a busy machine is slow to start
    found: Any = importlib.import_module("ray")
    found.cloudpickle.register_pickle_by_value(conftest)
    # not one that other tests run on this machine
    found.init(
        "local", num_cpus=2, include_dashboard=False, log_to_driver=False, configure_logging=False
    )
    yield found
    found.shutdown()
    found.cloudpickle.unregister_pickle_by_value(conftest)


def benchmark(
    settings: BenchmarkSettings, root: Path, real: RealDigits, judge: FakeJudge | None = None
) -> BenchmarkRun:
    return run_benchmark(prepare_fake(settings, root, real, judge))


@pytest.mark.slow
def test_ray_finds_what_one_process_finds(
    ray: ModuleType, settings: BenchmarkSettings, tmp_path: Path, real: RealDigits, judge: FakeJudge
) -> None:
    found = {}
    for engine in ("local", "ray"):
        chosen = dataclasses.replace(settings, engine=engine)
        run = benchmark(chosen, tmp_path / engine, real)
        assert run.ran == 36
        assert run.summary is not None
        found[engine] = run.summary
    local = found["local"]
    assert found["ray"].comparisons == local.comparisons
    assert [arm.by_seed for arm in found["ray"].arms] == [arm.by_seed for arm in local.arms]
    assert found["ray"].fingerprint == local.fingerprint
    # cells of one engine are those of the other
    again = benchmark(settings, tmp_path / "ray", real, judge)
    assert (again.ran, judge.trainings) == (0, [])


@dataclasses.dataclass
class ProblemJudge(FakeJudge):
    """Does something to its process at the fourth training."""

    problem: str = "error"

    def fit(self, training: JudgeTraining, progress: Progress | None = None) -> Any:
        if len(self.trainings) == 3 and self.problem == "killed":
            os.kill(os.getpid(), signal.SIGKILL)
        if len(self.trainings) == 3:
            raise DataError("too few digits")
        return super().fit(training, progress)


@pytest.mark.slow
def test_a_process_for_each_group_finds_what_one_process_finds(
    tmp_path: Path, real: RealDigits
) -> None:
    judge = FakeJudge(own_process=True)
    settings = dataclasses.replace(FEW, seeds=(2,), workers=2)
    here = benchmark(settings, tmp_path / "here", real).summary
    there = benchmark(settings, tmp_path / "there", real, judge).summary
    assert judge.trainings == []  # all in other processes
    assert here is not None
    assert there is not None
    assert (there.comparisons, there.fingerprint) == (here.comparisons, here.fingerprint)
    assert [arm.by_seed for arm in there.arms] == [arm.by_seed for arm in here.arms]


FEW = BenchmarkSettings(per_class=("3",), ratios=(1, 3), seeds=(1,), arms=GRID_ARMS, steps=20)


@pytest.mark.slow
def test_an_error_in_a_process_is_raised_and_cells_are_kept(
    tmp_path: Path, real: RealDigits
) -> None:
    judge = ProblemJudge(own_process=True, problem="error")
    with pytest.raises(DataError, match="too few digits"):
        benchmark(FEW, tmp_path, real, judge)
    cells = (tmp_path / "data" / "benchmark-digits" / "cells.jsonl").read_text()
    assert len(cells.splitlines()) == 2
    assert benchmark(FEW, tmp_path, real).ran == 7


@pytest.mark.slow
def test_a_killed_process_is_noticed_and_its_cells_are_kept(
    tmp_path: Path, real: RealDigits
) -> None:
    stopped = benchmark(FEW, tmp_path, real, ProblemJudge(own_process=True, problem="killed"))
    assert isinstance(stopped.error, Interrupted)
    assert "side by side (--workers). 2 of 9 cells" in str(stopped.error)
    assert stopped.ran == 2
    assert benchmark(FEW, tmp_path, real).ran == 7


def test_without_ray_it_is_said_how_to_install_it(
    monkeypatch: pytest.MonkeyPatch, real: RealDigits, tmp_path: Path
) -> None:
    usual = builtins.__import__

    def missing(name: str, *rest: Any) -> Any:
        if name == "ray":
            raise ImportError(name)
        return usual(name, *rest)

    monkeypatch.setattr(builtins, "__import__", missing)
    with pytest.raises(SettingsError, match=r"--engine ray: .* pip install 'ray>=2\.40,<3'"):
        import_ray()
    with pytest.raises(SettingsError, match="pip install"):
        prepare_fake(BenchmarkSettings(engine="ray", per_class=("2",)), tmp_path, real)
