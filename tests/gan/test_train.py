import json
import os
import signal
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from synthgen.config import GanSettings, TrainSettings
from synthgen.datasets.digits import Digits
from synthgen.datasets.pixels import decode_png
from synthgen.errors import CheckpointError, DataError, Interrupted, ResumeError, TrainingDiverged
from synthgen.gan import train as module
from synthgen.gan.checkpoint import read_checkpoint
from synthgen.gan.train import Trained, train

RUN = TrainSettings(samples_every=10, log_every=5)


def run(digits: Digits, out: Path, settings: GanSettings, resume: bool = False) -> Trained:
    return train(digits, str(out), settings, RUN, preset="cdcgan", source="test", command="synthgen train", resume=resume)


@pytest.fixture(scope="module")
def finished(patches: Digits, small: GanSettings, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("finished")
    run(patches, out, small)
    return out


def test_it_leaves_a_checkpoint_grids_a_log_and_events(finished: Path, small: GanSettings, patches: Digits) -> None:
    checkpoint = read_checkpoint(str(finished))
    assert checkpoint.settings == small
    assert checkpoint.record["step"] == 24
    assert checkpoint.record["training_data"] == {"source": "test", "sha256": patches.sha256(), "images": 60}
    assert sorted(path.name for path in (finished / "samples").iterdir()) == ["000010.png", "000020.png", "000024.png"]
    sheet = decode_png((finished / "samples" / "000024.png").read_bytes())
    assert sheet.shape == (2 * (3 * 10 + 2), 2 * (10 * 10 + 2), 1)  # three classes, ten images each, enlarged twice
    log = (finished / "training" / "log.csv").read_text().splitlines()
    assert [int(line.split(",")[0]) for line in log[1:]] == [5, 10, 15, 20, 24]
    assert any(path.name.startswith("events.out.tfevents") for path in (finished / "training").iterdir())


def interrupt_after(monkeypatch: pytest.MonkeyPatch, step: int) -> None:
    original = module._Training._log

    def log(self: Any, metrics: Mapping[str, float], speed: float) -> None:
        original(self, metrics, speed)
        if self.step == step:
            os.kill(os.getpid(), signal.SIGINT)

    monkeypatch.setattr(module._Training, "_log", log)


def test_ctrl_c_saves_and_the_resumed_run_ends_in_the_same_bytes(
    patches: Digits, small: GanSettings, tmp_path: Path, finished: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        interrupt_after(patch, 15)
        with pytest.raises(Interrupted, match=r"step 15 of 24.*--resume"):
            run(patches, tmp_path, small)
    assert read_checkpoint(str(tmp_path)).record["step"] == 15
    run(patches, tmp_path, small, resume=True)
    assert read_checkpoint(str(tmp_path)).sha256 == read_checkpoint(str(finished)).sha256
    assert (tmp_path / "training" / "state-000024.safetensors").read_bytes() == (finished / "training" / "state-000024.safetensors").read_bytes()
    columns = [line.split(",")[3:] for line in (tmp_path / "training" / "log.csv").read_text().splitlines()]
    assert columns == [line.split(",")[3:] for line in (finished / "training" / "log.csv").read_text().splitlines()]


def test_a_second_run_and_other_settings_are_refused(patches: Digits, small: GanSettings, finished: Path) -> None:
    with pytest.raises(ResumeError, match="already holds a training"):
        run(patches, finished, small)
    other = GanSettings(**{**vars(small), "batch": 4})
    with pytest.raises(ResumeError, match="batch was 8, is 4"):
        run(patches, finished, other, resume=True)


def test_nothing_to_resume_is_said(patches: Digits, small: GanSettings, tmp_path: Path) -> None:
    with pytest.raises(ResumeError, match="found none"):
        run(patches, tmp_path, small, resume=True)


def test_a_checkpoint_that_it_did_not_begin_is_never_replaced(patches: Digits, small: GanSettings, finished: Path, tmp_path: Path) -> None:
    record = (finished / "checkpoint.json").read_bytes()
    (tmp_path / "checkpoint.json").write_bytes(record)
    with pytest.raises(ResumeError, match="holds a checkpoint without a training"):
        run(patches, tmp_path, small)
    assert [path.name for path in tmp_path.iterdir()] == ["checkpoint.json"]


def test_an_image_shape_that_no_network_takes_leaves_no_folder(patches: Digits, small: GanSettings, tmp_path: Path) -> None:
    odd = Digits(np.zeros((3, 30, 30, 1), np.uint8), np.arange(3, dtype=np.uint8), ("a", "b", "c"))
    with pytest.raises(DataError, match="nearest legal size"):
        run(odd, tmp_path / "new", small)
    assert not (tmp_path / "new").exists()


def test_a_damaged_state_is_refused(patches: Digits, small: GanSettings, finished: Path, tmp_path: Path) -> None:
    (tmp_path / "training").mkdir()
    (tmp_path / "training" / "state.json").write_bytes((finished / "training" / "state.json").read_bytes())
    (tmp_path / "training" / "state-000024.safetensors").write_bytes(b"cut")
    with pytest.raises(CheckpointError, match="is damaged"):
        run(patches, tmp_path, small, resume=True)
    (tmp_path / "training" / "state.json").write_text("{")
    with pytest.raises(CheckpointError, match=r"state.json is damaged"):
        run(patches, tmp_path, small, resume=True)


def test_divergence_stops_and_keeps_the_last_good_checkpoint(
    patches: Digits, small: GanSettings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        interrupt_after(patch, 5)
        with pytest.raises(Interrupted):
            run(patches, tmp_path, small)
    good = read_checkpoint(str(tmp_path)).sha256
    runner = module.make_runner

    def broken(state: Any, digits: Digits) -> Any:
        state.generator.get_layer("up").kernel.assign(np.full(state.generator.get_layer("up").kernel.shape, np.nan, np.float32))
        return runner(state, digits)

    monkeypatch.setattr(module, "make_runner", broken)
    with pytest.raises(TrainingDiverged, match=r"before step 10.*generator_loss.*--generator-rate"):
        run(patches, tmp_path, small, resume=True)
    assert read_checkpoint(str(tmp_path)).sha256 == good


def test_it_trains_outside_the_main_thread(patches: Digits, small: GanSettings, tmp_path: Path) -> None:
    results: list[Trained] = []
    short = GanSettings(**{**vars(small), "steps": 2})
    thread = threading.Thread(target=lambda: results.append(run(patches, tmp_path, short)))
    thread.start()
    thread.join()
    assert results[0].step == 2
    assert json.loads((tmp_path / "checkpoint.json").read_text())["settings"]["steps"] == 2
