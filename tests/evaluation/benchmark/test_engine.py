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

from synthgen.classifiers.judge import Judge, JudgeTraining, Progress
from synthgen.config import GRID_ARMS, BenchmarkSettings
from synthgen.datasets.splits import RealDigits
from synthgen.errors import DataError, Interrupted, SettingsError
from synthgen.evaluation.engine import import_ray
from synthgen.evaluation.run_benchmark import prepare, run
from tests.evaluation.benchmark import conftest
from tests.evaluation.benchmark.conftest import FakeGenerator, FakeJudge, nearest_mean


@pytest.fixture(autouse=True)
def importable_fakes(monkeypatch: pytest.MonkeyPatch) -> None:
    """New processes import the fakes by name."""
    monkeypatch.syspath_prepend(str(Path(__file__).parents[3]))


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


def test_ray_finds_what_one_process_finds(
    ray: ModuleType,
    settings: BenchmarkSettings,
    tmp_path: Path,
    real: RealDigits,
    judge: FakeJudge,
    generator: FakeGenerator,
) -> None:
    found = {}
    for engine in ("local", "ray"):
        chosen = dataclasses.replace(settings, engine=engine)
        done = run(
            prepare(
                chosen,
                str(tmp_path / engine),
                real,
                FakeJudge().judge(),
                FakeGenerator().generator(),
                network=nearest_mean,
            )
        )
        assert done.ran == 36
        found[engine] = done.summary
    assert found["ray"].rows == found["local"].rows
    assert [arm.by_seed for arm in found["ray"].arms] == [
        arm.by_seed for arm in found["local"].arms
    ]
    assert found["ray"].fingerprint == found["local"].fingerprint
    again = run(
        prepare(
            settings,
            str(tmp_path / "ray"),
            real,
            judge.judge(),
            generator.generator(),
            network=nearest_mean,
        )
    )
    assert (again.ran, judge.trainings) == (0, [])  # cells of one engine are those of the other


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


def apart(judge: FakeJudge) -> Judge:
    return dataclasses.replace(judge.judge(), own_process=True)


def test_a_process_for_each_group_finds_what_one_process_finds(
    settings: BenchmarkSettings, tmp_path: Path, real: RealDigits
) -> None:
    judge = FakeJudge()
    here = run(
        prepare(
            settings,
            str(tmp_path / "here"),
            real,
            FakeJudge().judge(),
            FakeGenerator().generator(),
            network=nearest_mean,
        )
    ).summary
    there = run(
        prepare(
            settings,
            str(tmp_path / "there"),
            real,
            apart(judge),
            FakeGenerator().generator(),
            network=nearest_mean,
        )
    ).summary
    assert judge.trainings == []  # all in other processes
    assert (there.rows, there.fingerprint) == (here.rows, here.fingerprint)
    assert [arm.by_seed for arm in there.arms] == [arm.by_seed for arm in here.arms]
    assert multiprocessing.active_children() == []


@pytest.mark.parametrize(
    ("problem", "error", "message"),
    [
        ("error", DataError, "too few digits"),
        ("killed", Interrupted, "want of memory, .* 2 of 9 cells"),
    ],
)
def test_what_happens_to_a_process_is_told_and_its_finished_cells_are_kept(
    problem: str, error: type[Exception], message: str, tmp_path: Path, real: RealDigits
) -> None:
    settings = BenchmarkSettings(
        per_class=("3",), ratios=(1, 3), seeds=(1,), arms=GRID_ARMS, steps=20
    )
    with pytest.raises(error, match=message):
        run(
            prepare(
                settings,
                str(tmp_path),
                real,
                apart(ProblemJudge(problem=problem)),
                FakeGenerator().generator(),
            )
        )
    lines = (tmp_path / "data" / "benchmark-digits" / "cells.jsonl").read_text().splitlines()
    assert len(lines) == 2
    assert (
        run(
            prepare(
                settings,
                str(tmp_path),
                real,
                FakeJudge().judge(),
                FakeGenerator().generator(),
                network=nearest_mean,
            )
        ).ran
        == 7
    )
    assert multiprocessing.active_children() == []


def test_a_process_ends_with_the_one_that_started_it(tmp_path: Path) -> None:
    """The parent is killed with a signal that it cannot see coming; a child of the engine's kind is then told to stop."""
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
from synthgen.evaluation.engine import _stop_with_parent

def child():
    def stopped(*_):
        os.write(1, b"stopped\\n")
        os._exit(0)
    signal.signal(signal.SIGTERM, stopped)
    threading.Thread(target=_stop_with_parent, daemon=True).start()
    os.write(1, b"started\\n")
    time.sleep(120)

if __name__ == "__main__":
    multiprocessing.get_context("spawn").Process(target=child, daemon=True).start()
    time.sleep(120)
"""


def test_a_process_that_ends_before_it_knows_its_group_is_told_of(tmp_path: Path) -> None:
    """As in a script that starts processes when it is imported: each new process imports it, and fails."""
    script = tmp_path / "parent.py"
    script.write_text(
        "from synthgen.evaluation.engine import _run_apart\nnext(_run_apart('task', bytes(1_000_000)))\n"
    )
    ended = subprocess.run(
        [sys.executable, str(script)], capture_output=True, text=True, timeout=300, check=False
    )
    assert ended.returncode == 1
    assert ended.stderr.splitlines()[-1].startswith(
        "synthgen.errors.Interrupted: The process of a group of cells ended before it could begin. A script"
    )


def test_without_ray_it_is_said_how_to_install_it(
    monkeypatch: pytest.MonkeyPatch, real: RealDigits, tmp_path: Path, judge: FakeJudge
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
        prepare(
            BenchmarkSettings(engine="ray", per_class=("2",)),
            str(tmp_path),
            real,
            judge.judge(),
        )
