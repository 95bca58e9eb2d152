"""Several devices train as one does.

The trainings run in processes of their own (many_devices.py), all begun by the first test.
"""

import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorflow as tf
from safetensors.numpy import load_file

from synthgen.datasets.digits import Digits
from synthgen.errors import SettingsError, WorkerLost
from synthgen.gan.devices import Devices, find_devices, place_among_machines
from tests.gan.many_devices import MORE, RECIPES

pytestmark = pytest.mark.slow

SCRIPT = Path(__file__).parent / "many_devices.py"
WAIT = 1500  # seconds, for a machine that does much else


class Processes:
    """Starts many_devices.py and waits for it; all processes write into one folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._virtual = self._start("virtual")
        self._machines = self._start_machines("machine")
        self._resumed: list[subprocess.Popen[bytes]] = []

    def _start(self, mode: str, config: dict[str, Any] | None = None) -> subprocess.Popen[bytes]:
        environment = (
            os.environ
            | {"TF_CPP_MIN_LOG_LEVEL": "3"}
            | ({"TF_CONFIG": json.dumps(config)} if config else {})
        )
        place = config["task"]["index"] if config else ""
        with (self.folder / f"{mode}{place}.txt").open("wb") as output:
            return subprocess.Popen(
                [sys.executable, str(SCRIPT), mode, str(self.folder)],
                env=environment,
                stdout=output,
                stderr=output,
            )

    def _start_machines(self, mode: str) -> list[subprocess.Popen[bytes]]:
        cluster = {"worker": [f"localhost:{port}" for port in free_ports(2)]}
        return [
            self._start(mode, {"cluster": cluster, "task": {"type": "worker", "index": index}})
            for index in range(2)
        ]

    def virtual(self) -> Path:
        """Wait for the two devices of one process."""
        assert self._virtual.wait(WAIT) == 0, (self.folder / "virtual.txt").read_text()
        return self.folder

    def machines(self) -> Path:
        """Wait for the two machines."""
        codes = [process.wait(WAIT) for process in self._machines]
        assert codes == [130, -signal.SIGKILL], "".join(
            (self.folder / f"machine{index}.txt").read_text() for index in range(2)
        )
        return self.folder

    def resumed(self) -> Path:
        """Wait for the two machines that go on."""
        self.machines()
        self._resumed = self._resumed or self._start_machines("resume")
        codes = [process.wait(WAIT) for process in self._resumed]
        assert codes == [-signal.SIGKILL, 130], "".join(
            (self.folder / f"resume{index}.txt").read_text() for index in range(2)
        )
        return self.folder

    def stop(self) -> None:
        """Leave no process behind."""
        for process in (self._virtual, *self._machines, *self._resumed):
            process.kill()
            process.wait()


def free_ports(count: int) -> list[int]:
    sockets = [socket.socket() for _ in range(count)]
    for each in sockets:
        each.bind(("localhost", 0))
    ports = [each.getsockname()[1] for each in sockets]
    for each in sockets:
        each.close()
    return ports


@pytest.fixture(scope="module")
def processes(patches: Digits, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Processes]:
    folder = tmp_path_factory.mktemp("devices")
    np.savez(folder / "digits.npz", images=patches.images, labels=patches.labels)
    started = Processes(folder)
    yield started
    started.stop()


def load(file: Path, name: str) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    """Metrics (steps, 7) and the arrays of the state at the end."""
    with np.load(file) as arrays:
        end = {
            path.removeprefix(f"{name}|end|"): arrays[path]
            for path in arrays.files
            if path.startswith(f"{name}|end|")
        }
        return arrays[f"{name}|metrics"], end


def check_same(expected: dict[str, np.ndarray], received: dict[str, np.ndarray]) -> None:
    assert expected.keys() == received.keys()
    for path, array in expected.items():
        np.testing.assert_allclose(received[path], array, atol=1e-5, rtol=1e-4, err_msg=path)


@pytest.mark.parametrize("name", RECIPES | MORE)
def test_two_devices_train_as_one(processes: Processes, name: str) -> None:
    folder = processes.virtual()
    one, weights = load(folder / "one.npz", name)
    two, same = load(folder / "two.npz", name)
    np.testing.assert_allclose(two, one, atol=1e-5, rtol=1e-4)
    check_same(weights, same)


@pytest.mark.parametrize("name", RECIPES)
def test_a_training_begun_on_one_device_goes_on_on_two(processes: Processes, name: str) -> None:
    folder = processes.virtual()
    one, weights = load(folder / "one.npz", name)
    moved, same = load(folder / "moved.npz", name)
    np.testing.assert_allclose(moved, one[-len(moved) :], atol=1e-5, rtol=1e-4)
    check_same(weights, same)


@pytest.mark.parametrize("name", RECIPES)
def test_two_machines_train_as_one_device(processes: Processes, name: str) -> None:
    one, weights = load(processes.virtual() / "one.npz", name)
    for place in range(2):
        two, same = load(processes.machines() / f"machine-{place}.npz", name)
        np.testing.assert_allclose(two, one, atol=1e-5, rtol=1e-4)
        check_same(weights, same)


def ended(folder: Path, name: str, place: int) -> dict[str, Any]:
    return json.loads((folder / f"{name}-{place}.json").read_text())


def test_the_chief_alone_writes_and_reports(processes: Processes) -> None:
    folder = processes.resumed()
    assert json.loads((folder / "lost" / "checkpoint.json").read_text())["step"] == 24
    # begun once, resumed twice
    assert len(list((folder / "lost" / "training").glob("events.out.*"))) == 3
    assert any("Alarms" in line for line in ended(folder, "resumed", 0)["lines"])
    assert (
        ended(folder, "resumed", 1)["lines"][1]
        == f"Checkpoint {folder / 'lost'}, written by the chief"
    )


def test_a_signal_to_one_machine_stops_all_after_the_same_step(processes: Processes) -> None:
    folder = processes.machines()
    for place in range(2):
        assert ended(folder, "stopped", place)["error"] == "Interrupted"
        assert "Stopped after step 6 of 24" in ended(folder, "stopped", place)["message"]


@pytest.mark.parametrize(("name", "place"), [("lost", 0), ("orphaned", 1)])
def test_the_survivor_of_a_killed_machine_says_so(
    processes: Processes, name: str, place: int
) -> None:
    survivor = ended(processes.resumed(), name, place)
    assert survivor["error"] == "WorkerLost"
    assert survivor["message"].startswith("Another of the 2 machines of this training was killed")
    assert "--resume" in survivor["message"]


def test_machines_that_do_not_share_the_folder_are_refused(processes: Processes) -> None:
    folder = processes.resumed()
    for place in range(2):
        assert (
            "begin at the same step, received [6, 0]" in ended(folder, "unshared", place)["message"]
        )
    assert not (folder / "elsewhere").exists()


def test_resuming_after_a_lost_machine_ends_as_if_none_was_lost(processes: Processes) -> None:
    processes.virtual()
    folder = processes.resumed()
    whole, resumed = (
        load_file(folder / name / "training" / "state-000024.safetensors")
        for name in ("whole", "lost")
    )
    check_same(whole, resumed)


def test_a_machine_says_that_it_waits_for_the_others(processes: Processes) -> None:
    output = (processes.machines() / "machine1.txt").read_text()
    assert "Waiting for the 2 machines of TF_CONFIG; this is 1." in output


def test_one_device_needs_no_strategy() -> None:
    assert find_devices() == Devices(tf.distribute.get_strategy(), 0, 1)
    assert find_devices().chief
    assert find_devices().all_gather(7) == [7]


def test_a_batch_that_cannot_be_shared_out_is_refused() -> None:
    class Three:
        num_replicas_in_sync = 3

    devices = Devices(Three(), 0, 1)
    devices.check_batch(129)
    with pytest.raises(
        SettingsError, match=r"multiple of the 3 devices.*received 128. Use --batch 129"
    ):
        devices.check_batch(128)


def test_the_chief_is_the_first_machine() -> None:
    cluster = {"worker": ["a:1", "b:1"], "chief": ["c:1"]}
    assert place_among_machines(
        json.dumps({"cluster": cluster, "task": {"type": "worker", "index": 1}})
    ) == (
        2,
        3,
    )
    assert place_among_machines(
        json.dumps({"cluster": cluster, "task": {"type": "chief", "index": "0"}})
    ) == (
        0,
        3,
    )
    assert place_among_machines("") == place_among_machines('{"environment": "cloud"}') == (0, 1)


@pytest.mark.parametrize(
    "config",
    [
        "{",
        "[1]",
        '{"cluster": {"worker": ["a:1"]}}',
        '{"cluster": {"worker": ["a:1"]}, "task": {"type": "ps", "index": 0}}',
    ],
)
def test_another_form_of_tf_config_is_refused(config: str) -> None:
    with pytest.raises(SettingsError, match=r"TF_CONFIG: expected .*cluster.*received"):
        place_among_machines(config)


def test_errors_of_one_machine_alone_are_left_as_they_are() -> None:
    lost = tf.errors.UnavailableError(None, None, "gone")
    with pytest.raises(tf.errors.UnavailableError), Devices(None, 0, 1).watched():
        raise lost
    with (
        pytest.raises(WorkerLost, match="Another of the 2 machines"),
        Devices(None, 0, 2).watched(),
    ):
        raise lost


def test_what_needs_one_machine_refuses_more() -> None:
    Devices(None, 0, 1).check_single("--labels per-class")
    with pytest.raises(
        SettingsError, match=r"--labels per-class: expected one machine .*received TF_CONFIG with 2"
    ):
        Devices(None, 0, 2).check_single("--labels per-class")
