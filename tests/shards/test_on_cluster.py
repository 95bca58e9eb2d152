"""Builds on a Ray cluster of three nodes, each with raylet, store and workers of its own."""

import dataclasses
import importlib
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from synthgen.cluster import run_on_cluster, share
from synthgen.errors import ResumeError, StorageError, WorkerLost
from synthgen.gan.checkpoint import Checkpoint
from synthgen.gan.latents import draw_latents
from synthgen.shards.build import BuildResult, build
from synthgen.shards.generate import Networks
from synthgen.shards.job import prepare
from synthgen.shards.on_cluster import check_root, make_shard, prepare_worker
from synthgen.shards.verify import verify
from tests.shards import conftest
from tests.shards.conftest import (
    LATENT,
    REPOSITORY,
    FakeSampler,
    draw,
    fake_networks,
    files,
    make,
    make_checkpoint,
    make_settings,
)

SHARDS = 12
SETTINGS = make_settings(per_class=10 * SHARDS, manifest_rows=90)  # in four files


class Cluster:
    """A Ray cluster of three nodes with one core each."""

    def __init__(self) -> None:
        utilities: Any = importlib.import_module("ray.cluster_utils")
        self.nodes: Any = utilities.Cluster(
            initialize_head=True, head_node_args={"num_cpus": 1, "include_dashboard": False}
        )
        self.added = [self.nodes.add_node(num_cpus=1) for _ in range(2)]

    def lose_one(self) -> None:
        """Kill one node and all its workers."""
        self.nodes.remove_node(self.added.pop(), allow_graceful=False)


@pytest.fixture(scope="module")
def cluster() -> Iterator[Cluster]:
    ray: Any = importlib.import_module("ray")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RAY_USAGE_STATS_ENABLED", "0")
        patch.setenv("RAY_raylet_start_wait_time_s", "300")  # a busy machine is slow to start
        here = sys.modules[__name__]
        for module in (conftest, here):  # the fakes are sent whole
            ray.cloudpickle.register_pickle_by_value(module)
        made = Cluster()
        patch.setenv("RAY_ADDRESS", made.nodes.address)
        ray.init(log_to_driver=False, configure_logging=False)
        yield made
        ray.shutdown()
        made.nodes.shutdown()
        for module in (conftest, here):
            ray.cloudpickle.unregister_pickle_by_value(module)


@dataclasses.dataclass(frozen=True)
class SlowNetworks:
    """The fake networks, slow enough for something to happen meanwhile."""

    folder: Path  # gets a file for each worker that loads them

    def __call__(self, checkpoint: Checkpoint, batch: int) -> Networks:
        (self.folder / f"worker-{os.getpid()}").touch()
        loaded = fake_networks(checkpoint, batch)
        return Networks(SlowSampler(batch), loaded.screener)


class SlowSampler(FakeSampler):
    def images(self, latents: np.ndarray, labels: np.ndarray) -> np.ndarray:
        time.sleep(0.05)
        return super().images(latents, labels)


def build_on_ray(root: Path | str, networks: Any, **changes: Any) -> BuildResult:
    settings = dataclasses.replace(SETTINGS, **changes)
    return build(
        settings, str(root), make_checkpoint(), progress=False, networks=networks, engine="ray"
    )


@pytest.fixture(scope="module")
def local(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """What the local engine makes."""
    root = tmp_path_factory.mktemp("local")
    make(root, per_class=SETTINGS.per_class, manifest_rows=SETTINGS.manifest_rows)
    return files(root)


def shards_there(root: Path) -> int:
    return len(list(root.glob("manifests/.tiny.parts/0*.json")))


@pytest.mark.slow
def test_a_cluster_makes_the_bytes_that_one_machine_makes(
    cluster: Cluster, tmp_path: Path, local: dict[str, bytes]
) -> None:
    """Half of the set first, which then grows, and with it the last file of its manifest."""
    workers = tmp_path / "workers"
    workers.mkdir()
    root = tmp_path / "root"
    build_on_ray(root, SlowNetworks(tmp_path), per_class=50)
    result = build_on_ray(root, SlowNetworks(workers))
    assert files(root) == local
    assert verify(str(root / "manifests/tiny.csv"), progress=False).problems == []
    assert [entry.shard for entry in result.record.shards] == list(range(SHARDS))
    # the networks are loaded once a worker
    assert 1 <= len(list(workers.iterdir())) < SHARDS
    assert build_on_ray(root, SlowNetworks(workers)).unchanged


DRIVER = """
import sys
from pathlib import Path
from tests.shards import conftest, test_on_cluster
import ray
ray.cloudpickle.register_pickle_by_value(conftest)
ray.cloudpickle.register_pickle_by_value(test_on_cluster)
test_on_cluster.build_on_ray(Path(sys.argv[1]), test_on_cluster.SlowNetworks(Path(sys.argv[2])))
"""


@pytest.mark.slow
def test_a_killed_driver_goes_on_where_it_was(
    cluster: Cluster, tmp_path: Path, local: dict[str, bytes]
) -> None:
    root = tmp_path / "root"
    with subprocess.Popen(
        [sys.executable, "-c", DRIVER, str(root), str(tmp_path)], cwd=REPOSITORY
    ) as driver:
        while shards_there(root) < 2:
            assert driver.poll() is None
            time.sleep(0.05)
        driver.kill()
    assert not (root / "manifests/tiny.csv").exists()
    result = build_on_ray(root, SlowNetworks(tmp_path))
    assert len(result.skipped) >= 2
    assert files(root) == local


@dataclasses.dataclass(frozen=True)
class BrokenNetworks:
    """Networks with which a shard cannot be made.

    Args:
        folder: gets a file for each attempt at the third shard, which fails.
    """

    folder: Path

    def __call__(self, checkpoint: Checkpoint, batch: int) -> Networks:
        return Networks(BrokenSampler(batch, self), None)


class BrokenSampler(FakeSampler):
    def __init__(self, batch: int, networks: BrokenNetworks) -> None:
        super().__init__(batch)
        self.networks = networks
        self.latents = draw(2, per_class=SETTINGS.per_class, screen="none")[0].seeds

    def images(self, latents: np.ndarray, labels: np.ndarray) -> np.ndarray:
        wanted = draw_latents(self.latents[:1], LATENT)
        if (latents == wanted).all(axis=1).any():
            (self.networks.folder / f"attempt-{time.time_ns()}").touch()
            raise StorageError("the network is down")
        return super().images(latents, labels)


@pytest.mark.slow
def test_a_shard_that_always_fails_is_named(cluster: Cluster, tmp_path: Path) -> None:
    attempts = tmp_path / "attempts"
    attempts.mkdir()
    root = tmp_path / "root"
    with pytest.raises(StorageError, match="Shard 2 cannot be made: the network is down"):
        build_on_ray(root, BrokenNetworks(attempts), screen="none")
    assert len(list(attempts.iterdir())) == 4
    assert not (root / "manifests/tiny.csv").exists()
    assert not (root / "manifests/tiny.json").exists()


def kill_its_process(task: int, state: int) -> Iterator[int]:
    """Ends the worker at its second task as want of memory would."""
    if task + state == 3:
        os.kill(os.getpid(), signal.SIGKILL)
    yield task


@pytest.mark.slow
def test_a_task_that_kills_its_worker_is_named(cluster: Cluster) -> None:
    results = run_on_cluster(
        kill_its_process, [1, 2], share(0, one_more), name=lambda task: f"task {task}"
    )
    with pytest.raises(WorkerLost, match=r"The worker of task 2 on the Ray cluster was killed"):
        list(results)


def one_more(shared: int) -> int:
    return shared + 1


@pytest.mark.slow
def test_a_node_is_lost_and_the_bytes_are_the_same(
    cluster: Cluster, tmp_path: Path, local: dict[str, bytes]
) -> None:
    root = tmp_path / "root"

    def lose_a_node() -> None:
        while shards_there(root) < 2:
            time.sleep(0.05)
        there.append(shards_there(root))
        cluster.lose_one()

    there: list[int] = []
    losing = threading.Thread(target=lose_a_node, daemon=True)
    losing.start()
    result = build_on_ray(root, SlowNetworks(tmp_path))
    losing.join(60)
    assert there[0] < SHARDS
    assert files(root) == local
    assert not result.skipped


def test_a_root_that_a_machine_does_not_see_is_refused(tmp_path: Path) -> None:
    worker = prepare_worker((prepare(SETTINGS, str(tmp_path), make_checkpoint()), fake_networks))
    with pytest.raises(
        StorageError, match=r"all machines of the Ray cluster see, .*\.ray, written"
    ):
        next(check_root("manifests/.tiny.ray", worker))
    with pytest.raises(StorageError, match=r"all machines .* see, .*\.tiny\.parts, written"):
        next(make_shard(worker.job.plan.shard(0), worker))


def test_a_worker_with_other_versions_is_refused(tmp_path: Path) -> None:
    job = prepare(SETTINGS, str(tmp_path), make_checkpoint())
    other = dataclasses.replace(job, versions=dict(job.versions) | {"numpy": "1.0"})
    with pytest.raises(ResumeError, match=r"on one: version of numpy was 1\.0, is "):
        prepare_worker((other, fake_networks))
