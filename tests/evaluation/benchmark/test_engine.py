import builtins
import dataclasses
import importlib
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from synthgen.config import BenchmarkSettings
from synthgen.datasets.sources import RealDigits
from synthgen.errors import SettingsError
from synthgen.evaluation.benchmark.engine import import_ray
from synthgen.evaluation.benchmark.runner import prepare, run
from tests.evaluation.benchmark import conftest
from tests.evaluation.benchmark.conftest import FakeGenerator, FakeLearner


@pytest.fixture
def ray(monkeypatch: pytest.MonkeyPatch) -> Iterator[ModuleType]:
    """A Ray cluster of two processes on this machine, to which the fakes are sent whole."""
    monkeypatch.setenv("RAY_USAGE_STATS_ENABLED", "0")
    found: Any = importlib.import_module("ray")
    found.cloudpickle.register_pickle_by_value(conftest)
    found.init(num_cpus=2, include_dashboard=False, log_to_driver=False, configure_logging=False)
    yield found
    found.shutdown()
    found.cloudpickle.unregister_pickle_by_value(conftest)


def test_ray_finds_what_one_process_finds(
    ray: ModuleType, settings: BenchmarkSettings, tmp_path: Path, real: RealDigits, learner: FakeLearner, generator: FakeGenerator
) -> None:
    found = {}
    for engine in ("local", "ray"):
        chosen = dataclasses.replace(settings, engine=engine)
        done = run(prepare(chosen, str(tmp_path / engine), real, FakeLearner().learner(), FakeGenerator().generator()))
        assert done.ran == 36
        found[engine] = done.summary
    assert found["ray"].rows == found["local"].rows
    assert [arm.by_seed for arm in found["ray"].arms] == [arm.by_seed for arm in found["local"].arms]
    assert found["ray"].fingerprint == found["local"].fingerprint
    again = run(prepare(settings, str(tmp_path / "ray"), real, learner.learner(), generator.generator()))
    assert (again.ran, learner.lessons) == (0, [])  # cells of one engine are those of the other


def test_without_ray_it_is_said_how_to_install_it(monkeypatch: pytest.MonkeyPatch, real: RealDigits, tmp_path: Path, learner: FakeLearner) -> None:
    usual = builtins.__import__

    def missing(name: str, *rest: Any) -> Any:
        if name == "ray":
            raise ImportError(name)
        return usual(name, *rest)

    monkeypatch.setattr(builtins, "__import__", missing)
    with pytest.raises(SettingsError, match=r"--engine ray: .* pip install 'synthgen\[ray\]'"):
        import_ray()
    with pytest.raises(SettingsError, match="pip install"):
        prepare(BenchmarkSettings(engine="ray", per_class=("2",)), str(tmp_path), real, learner.learner())
