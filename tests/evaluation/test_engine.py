import builtins
import dataclasses
import importlib
import multiprocessing
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from synthgen.classifiers.judge import JudgeTraining
from synthgen.classifiers.settings import Progress
from synthgen.config import GRID_ARMS, BenchmarkSettings
from synthgen.datasets.splits import RealDigits
from synthgen.errors import DataError, Interrupted, SettingsError
from synthgen.evaluation.benchmark import BenchmarkRun, run_benchmark
from synthgen.evaluation.engine import import_ray
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
    found.init(num_cpus=2, include_dashboard=False, log_to_driver=False, configure_logging=False)
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
    settings: BenchmarkSettings, tmp_path: Path, real: RealDigits
) -> None:
    judge = FakeJudge(own_process=True)
    here = benchmark(settings, tmp_path / "here", real).summary
    there = benchmark(settings, tmp_path / "there", real, judge).summary
    assert judge.trainings == []  # all in other processes
    assert here is not None
    assert there is not None
    assert (there.comparisons, there.fingerprint) == (here.comparisons, here.fingerprint)
    assert [arm.by_seed for arm in there.arms] == [arm.by_seed for arm in here.arms]
    assert multiprocessing.active_children() == []


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
    assert multiprocessing.active_children() == []


@pytest.mark.slow
def test_a_killed_process_is_noticed_and_its_cells_are_kept(
    tmp_path: Path, real: RealDigits
) -> None:
    stopped = benchmark(FEW, tmp_path, real, ProblemJudge(own_process=True, problem="killed"))
    assert isinstance(stopped.error, Interrupted)
    assert "want of memory, free some. 2 of 9 cells" in str(stopped.error)
    assert stopped.ran == 2
    assert benchmark(FEW, tmp_path, real).ran == 7
    assert multiprocessing.active_children() == []


@pytest.mark.slow
def test_a_process_ends_with_the_one_that_started_it(tmp_path: Path) -> None:
    """The parent is killed with a signal that it cannot see coming."""
    script = tmp_path / "parent.py"
    script.write_text(PARENT)
    with subprocess.Popen(
        [sys.executable, str(script)], stdout=subprocess.PIPE, text=True
    ) as parent:
        assert parent.stdout is not None
        assert parent.stdout.readline() == "started\n"
        parent.kill()
        # it ends when the last process that holds the pipe is gone
        assert parent.stdout.read() == "stopped\n"


PARENT = """
import multiprocessing, os, signal, sys, threading, time
from synthgen.evaluation.engine import stop_with_parent

def child():
    def stopped(*_):
        os.write(1, b"stopped\\n")
        os._exit(0)
    signal.signal(signal.SIGTERM, stopped)
    threading.Thread(target=stop_with_parent, daemon=True).start()
    os.write(1, b"started\\n")
    time.sleep(120)

if __name__ == "__main__":
    multiprocessing.get_context("spawn").Process(target=child, daemon=True).start()
    time.sleep(120)
"""


@pytest.mark.slow
def test_a_process_that_could_not_begin_is_noticed(tmp_path: Path) -> None:
    """A script that starts processes when it is imported: each new process imports it."""
    script = tmp_path / "parent.py"
    script.write_text(
        "from synthgen.evaluation.engine import run_in_process\n"
        "next(run_in_process('task', bytes(1_000_000)))\n"
    )
    ended = subprocess.run(
        [sys.executable, str(script)], capture_output=True, text=True, timeout=300, check=False
    )
    assert ended.returncode == 1
    assert ended.stderr.splitlines()[-1].startswith(
        "synthgen.errors.Interrupted: The process of a group of cells ended before it could begin."
    )


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
