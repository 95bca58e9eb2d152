"""What a machine lets the others know; trainings on several machines are in test_devices.py."""

from pathlib import Path

import pytest
from tqdm import tqdm

from synthgen.config import GanSettings
from synthgen.datasets.digits import Digits
from synthgen.errors import TrainingDiverged
from synthgen.gan.devices import Devices
from synthgen.gan.machines import DIVERGED, GO_ON, STOP, Follower, together
from synthgen.weights import Weights
from tests.gan.jobs import job_of


class FakeDevices(Devices):
    """Machines of which the others give these numbers."""

    answers: list[list[int]]
    given: list[int]

    def all_gather(self, number: int) -> list[int]:
        self.given.append(number)
        return [number, *self.answers.pop(0)]


def fake_devices(*answers: list[int]) -> FakeDevices:
    devices = FakeDevices(None, 0, 2)
    devices.answers = list(answers)
    devices.given = []
    return devices


def test_a_machine_goes_on_until_one_of_them_is_to_stop() -> None:
    devices = fake_devices([GO_ON], [STOP], [GO_ON])
    stopped = [together(devices, lambda: None, lambda stop=stop: stop) for stop in (0, 0, 1)]
    assert stopped == [False, True, True]
    assert devices.given == [GO_ON, GO_ON, STOP]


def test_a_divergence_is_let_known_to_the_other_machines() -> None:
    def diverge() -> None:
        raise TrainingDiverged("Training diverged before step 2.")

    devices = fake_devices([GO_ON])
    with pytest.raises(TrainingDiverged, match="before step 2"):
        together(devices, diverge)
    assert devices.given == [DIVERGED]


def test_a_divergence_of_the_chief_ends_the_others() -> None:
    with pytest.raises(TrainingDiverged, match="the chief says how"):
        together(fake_devices([DIVERGED]), lambda: None)


def test_a_follower_takes_the_steps_and_writes_nothing(
    patches: Digits, dense: GanSettings, patch_screener: Weights, tmp_path: Path
) -> None:
    job = job_of(patches, tmp_path / "new", dense, patch_screener)
    follower = Follower(job, None, None)
    follower.advance(tqdm(disable=True))
    follower.finish()
    assert follower.step == 5
    result = follower.result()
    assert (result.step, result.chief, result.label_agreement) == (5, False, None)
    assert result.lines()[1] == f"Checkpoint {tmp_path / 'new'}, written by the chief"
    assert not (tmp_path / "new").exists()
