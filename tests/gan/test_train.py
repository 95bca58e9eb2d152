import io
import json
import os
import shutil
import signal
import threading
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorflow as tf
from click.testing import CliRunner, Result
from PIL import Image
from safetensors.numpy import load_file

from synthgen.classifiers import screener
from synthgen.cli import cli
from synthgen.config import GanSettings, TrainSettings
from synthgen.datasets.digits import Digits
from synthgen.datasets.pixels import decode_png
from synthgen.errors import (
    CheckpointError,
    DataError,
    Interrupted,
    ResumeError,
    StorageError,
    TrainingDiverged,
)
from synthgen.gan import monitor as usefulness
from synthgen.gan import monitor as watch
from synthgen.gan import run as module
from synthgen.gan.checkpoint import read_checkpoint
from synthgen.gan.devices import Devices
from synthgen.gan.log import COLUMNS, RunLog
from synthgen.gan.monitor import Snapshot
from synthgen.gan.recipes import PRESETS
from synthgen.gan.saved import SavedRun, begun_with, load_run, save_run
from synthgen.gan.step import GanState, make_runner
from synthgen.gan.train import DIVERGED, Trained, _together, train
from synthgen.networks.weights import get_weights
from synthgen.storage import Storage, open_storage
from synthgen.weights import Weights

RUN = TrainSettings(samples_every=10, log_every=5, watch_every=20)


def run(
    digits: Digits,
    out: Path,
    settings: GanSettings,
    resume: bool = False,
    watched: TrainSettings = RUN,
    **options: Any,
) -> Trained:
    return train(
        digits,
        str(out),
        settings,
        watched,
        preset="cdcgan",
        source="test",
        command="synthgen train",
        resume=resume,
        **options,
    )


@pytest.fixture(scope="module", autouse=True)
def short_screener_training() -> Iterator[None]:
    """A screening classifier of few steps, wherever a training begins with one."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(screener, "LEAST_STEPS", 20)
        yield


@pytest.fixture(scope="module")
def small() -> GanSettings:
    """A conditional recipe of dense layers, which is compiled in a moment."""
    dense = {
        "generator_stages": ("dense",),
        "generator_channels": (8,),
        "discriminator_stages": ("dense",),
        "discriminator_channels": (8,),
    }
    return GanSettings(
        **dense, condition="concat", discriminator_dense=0, steps=24, batch=8, latent=6, r1_gamma=0
    )


@pytest.fixture(scope="module")
def finished(patches: Digits, small: GanSettings, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("finished")
    run(patches, out, small)
    return out


def test_it_leaves_a_checkpoint_grids_a_log_and_events(
    finished: Path, small: GanSettings, patches: Digits
) -> None:
    checkpoint = read_checkpoint(str(finished))
    assert checkpoint.settings == small
    assert checkpoint.record["step"] == 24
    assert checkpoint.record["training_data"] == {
        "source": "test",
        "sha256": patches.sha256(),
        "images": 60,
    }
    assert sorted(path.name for path in (finished / "samples").iterdir()) == [
        "000010.png",
        "000020.png",
        "000024.png",
        "animation.webp",
    ]
    sheet = decode_png((finished / "samples" / "000024.png").read_bytes())
    # three classes, ten images each, enlarged twice
    assert sheet.shape == (2 * (3 * 10 + 2), 2 * (10 * 10 + 2), 1)
    with Image.open(
        io.BytesIO((finished / "samples" / "animation.webp").read_bytes())
    ) as animation:
        assert animation.size == (102, 32)
        assert animation.n_frames in (2, 3)  # grids that look the same become one frame
    assert any(
        path.name.startswith("events.out.tfevents") for path in (finished / "training").iterdir()
    )


def test_the_log_has_a_row_every_few_steps_and_figures_of_the_samples_in_some(
    finished: Path,
) -> None:
    header, *lines = [
        line.split(",") for line in (finished / "training" / "log.csv").read_text().splitlines()
    ]
    assert tuple(header) == COLUMNS
    rows = [dict(zip(header, line, strict=True)) for line in lines]
    assert [int(row["step"]) for row in rows] == [5, 10, 15, 20, 24]
    assert [bool(row["coverage"]) and bool(row["label_agreement"]) for row in rows] == [
        False,
        False,
        False,
        True,
        True,
    ]
    assert not any(row["usefulness"] for row in rows)


def test_without_validation_digits_nothing_is_scored_and_samples_are_compared_with_training_digits(
    finished: Path,
) -> None:
    measured = read_checkpoint(str(finished)).record["measured"]
    assert (measured["compared_with"], measured["usefulness"]) == ("training digits", None)
    assert 0 <= measured["coverage"] <= 1
    assert not (finished / "best").exists()


def interrupt_after(monkeypatch: pytest.MonkeyPatch, step: int) -> None:
    original = RunLog.add

    def add(self: RunLog, row: Mapping[str, Any]) -> None:
        original(self, row)
        if row["step"] == step:
            os.kill(os.getpid(), signal.SIGINT)

    monkeypatch.setattr(RunLog, "add", add)


def state_of(folder: Path) -> bytes:
    """The whole state of a training as bytes."""
    (file,) = (folder / "training").glob("state-*.safetensors")
    return file.read_bytes()


def test_ctrl_c_saves_and_the_resumed_run_ends_in_the_same_bytes(
    patches: Digits,
    small: GanSettings,
    tmp_path: Path,
    finished: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with monkeypatch.context() as patch:
        interrupt_after(patch, 15)
        with pytest.raises(Interrupted, match=r"step 15 of 24.*--resume"):
            run(patches, tmp_path, small)
    assert read_checkpoint(str(tmp_path)).record["step"] == 15
    assert not (tmp_path / "samples" / "animation.webp").exists()  # one grid does not move
    run(patches, tmp_path, small, resume=True)
    assert read_checkpoint(str(tmp_path)).sha256 == read_checkpoint(str(finished)).sha256
    assert state_of(tmp_path) == state_of(finished)
    logs = [
        [line.split(",")[3:] for line in (folder / "training" / "log.csv").read_text().splitlines()]
        for folder in (tmp_path, finished)
    ]
    assert logs[0] == logs[1]
    assert (
        tmp_path / "training" / "events.jsonl"
    ).read_text() == '{"step": 15, "kind": "resumed"}\n'


def test_ctrl_c_during_the_last_steps_ends_it_saved_and_a_kill_before_the_animation_leaves_it_to_the_next_run(
    patches: Digits,
    small: GanSettings,
    patch_screener: Weights,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with monkeypatch.context() as patch:
        interrupt_after(patch, 24)
        with pytest.raises(Interrupted, match="step 24 of 24; all is saved"):
            run(patches, tmp_path, small, screener=patch_screener)
    animation, written = (
        tmp_path / "samples" / "animation.webp",
        (tmp_path / "checkpoint.json").read_bytes(),
    )
    animation.unlink()
    assert run(patches, tmp_path, small, resume=True).step == 24
    assert animation.exists()
    assert (tmp_path / "checkpoint.json").read_bytes() == written


def test_one_that_was_killed_while_it_first_saved_goes_on_from_its_beginning(
    patches: Digits,
    small: GanSettings,
    tmp_path: Path,
    finished: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def kill(
        storage: Storage, identity: Mapping[str, Any], saved: SavedRun, options: Mapping[str, Any]
    ) -> None:
        if saved.arrays["step"]:
            raise SystemExit
        save_run(storage, identity, saved, options)

    with monkeypatch.context() as patch:
        patch.setattr(module, "save_run", kill)
        with pytest.raises(SystemExit):
            run(patches, tmp_path, small)
    assert (tmp_path / "checkpoint.json").exists()
    run(patches, tmp_path, small, resume=True)
    assert state_of(tmp_path) == state_of(finished)
    assert read_checkpoint(str(tmp_path)).sha256 == read_checkpoint(str(finished)).sha256


CUT: dict[str, dict[str, Any]] = {
    "dcgan": {"generator_channels": (12, 8, 4), "discriminator_channels": (4, 8)},
    "cdcgan": {
        "generator_channels": (8, 8, 4),
        "discriminator_channels": (4, 8, 8),
        "discriminator_dense": 8,
        "label_embedding": 3,
    },
    "wgan-gp": {"generator_channels": (8, 4), "discriminator_channels": (4, 8)},
}


@pytest.mark.parametrize("preset", CUT)
def test_a_preset_killed_after_any_step_and_resumed_ends_in_the_same_weights(
    preset: str,
    patches: Digits,
    patch_screener: Weights,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    settings = replace(PRESETS[preset].settings, steps=12, batch=6, latent=5, **CUT[preset])
    step, save = int(np.random.default_rng().integers(1, 12)), module.Run.save
    killed, whole = tmp_path / f"killed-after-{step}", tmp_path / "whole"

    def save_and_leave(self: module.Run) -> None:
        save(self)
        if self.step == step:
            shutil.copytree(whole, killed)  # what a kill would leave

    with monkeypatch.context() as patch:
        patch.setattr(module.Run, "save", save_and_leave)
        run(
            patches,
            whole,
            settings,
            watched=TrainSettings(log_every=1, samples_every=99, watch_every=99, save_minutes=0),
            screener=patch_screener,
        )
    done = run(
        patches,
        killed,
        settings,
        watched=TrainSettings(log_every=5, samples_every=7, watch_every=99),
        resume=True,
        screener=patch_screener,
    )
    assert done.step == 12
    assert state_of(killed) == state_of(whole), f"{preset} was killed after step {step}"


@pytest.mark.parametrize("preset", CUT)
def test_a_preset_of_full_width_goes_on_bit_for_bit(preset: str, tiny_digits: Digits) -> None:
    settings = replace(PRESETS[preset].settings, batch=16)
    first, second = (GanState(settings, tiny_digits, seed=0) for _ in range(2))
    run = make_runner(first, tiny_digits)
    run(tf.constant(2))
    second.restore(first.export())
    run(tf.constant(2))
    make_runner(second, tiny_digits)(tf.constant(2))
    expected = first.export()
    for name, array in second.export().items():
        np.testing.assert_array_equal(array, expected[name], err_msg=name)


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Scores that take a moment."""
    monkeypatch.setattr(usefulness, "STEPS", 8)
    monkeypatch.setattr(usefulness, "IMAGES", 60)
    monkeypatch.setattr(watch, "IMAGES", 60)


@pytest.mark.usefixtures("quick")
def test_scores_choose_the_best_checkpoint_and_do_not_change_the_course(
    patches: Digits, small: GanSettings, finished: Path, tmp_path: Path
) -> None:
    screener_weights = read_checkpoint(str(finished)).screener
    done = run(
        patches,
        tmp_path,
        small,
        watched=replace(RUN, score_minutes=1e-9),
        screener=screener_weights,
        validation=patches,
    )
    assert state_of(tmp_path) == state_of(finished)
    events = [
        json.loads(line)
        for line in (tmp_path / "training" / "events.jsonl").read_text().splitlines()
    ]
    assert [(event["step"], event["kind"]) for event in events] == [
        (step, "score") for step in (5, 10, 15, 20, 24)
    ]
    best = max(events, key=lambda event: event["usefulness"])  # the first one of equals
    assert (done.best_step, done.best_usefulness, done.usefulness) == (
        best["step"],
        best["usefulness"],
        events[-1]["usefulness"],
    )
    kept = read_checkpoint(str(tmp_path / "best")).record
    assert kept["step"] == best["step"]
    assert (kept["measured"]["usefulness"], kept["measured"]["usefulness_step"]) == (
        best["usefulness"],
        best["step"],
    )
    assert kept["measured"]["compared_with"] == "validation digits"
    assert [event["step"] for event in events if event["best"]][-1] == best["step"]
    assert read_checkpoint(str(tmp_path)).record["step"] == 24


@pytest.mark.usefixtures("quick")
def test_a_resumed_training_keeps_the_best_checkpoint_of_before(
    patches: Digits,
    small: GanSettings,
    finished: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    options = {
        "screener": read_checkpoint(str(finished)).screener,
        "validation": patches,
        "watched": replace(RUN, score_minutes=1e-9),
    }
    scores = iter([0.5, 0.7, 0.6, 0.65, 0.7])
    monkeypatch.setattr(usefulness.Usefulness, "score", lambda *_: next(scores))
    with monkeypatch.context() as patch:
        interrupt_after(patch, 15)
        with pytest.raises(Interrupted):
            run(patches, tmp_path, small, **options)
    done = run(patches, tmp_path, small, resume=True, **options)
    assert (done.best_step, done.best_usefulness, done.usefulness) == (10, 0.7, 0.7)
    assert read_checkpoint(str(tmp_path / "best")).record["step"] == 10
    written = (tmp_path / "checkpoint.json").read_bytes()
    # it is finished: nothing is trained, scored or written
    again = run(patches, tmp_path, small, resume=True, **options)
    assert (again.best_step, again.best_usefulness, again.usefulness) == (10, 0.7, 0.7)
    assert (tmp_path / "checkpoint.json").read_bytes() == written


def test_weights_that_are_no_numbers_are_never_saved(
    patches: Digits,
    small: GanSettings,
    patch_screener: Weights,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    original = module.get_weights

    # as after an update that the figures of its row do not show yet
    def broken(model: Any) -> Weights:
        weights = original(model)
        return (
            {name: np.full_like(array, np.nan) for name, array in weights.items()}
            if (tmp_path / "checkpoint.json").exists()
            else weights
        )

    monkeypatch.setattr(module, "get_weights", broken)
    with pytest.raises(
        TrainingDiverged,
        match=r"before step 10: weights not finite.*checkpoint of step 5 in .* is kept",
    ):
        run(patches, tmp_path, small, screener=patch_screener, watched=replace(RUN, save_minutes=0))
    good = read_checkpoint(str(tmp_path))
    assert good.record["step"] == 5
    assert good.record["alarms"][0]["name"] == "divergence"


def test_a_divergence_found_in_the_last_save_is_told_to_the_other_machines(
    patches: Digits,
    small: GanSettings,
    patch_screener: Weights,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def diverge(_: Any) -> None:
        raise TrainingDiverged("Training diverged before step 2.")

    told: list[int] = []
    monkeypatch.setattr(Devices, "tell", lambda _, number: told.append(number) or [number])
    monkeypatch.setattr(module.Run, "save", diverge)
    with pytest.raises(TrainingDiverged, match="before step 2"):
        run(patches, tmp_path, replace(small, steps=2), screener=patch_screener)
    assert told[-2:] == [0, DIVERGED]


def test_what_the_others_say_is_heeded(monkeypatch: pytest.MonkeyPatch) -> None:
    said = iter([[0, 0], [0, 1], [DIVERGED, 0]])
    monkeypatch.setattr(Devices, "tell", lambda *_: next(said))
    follower = Devices(None, 1, 2)
    assert [_together(follower, lambda: None) for _ in range(2)] == [False, True]
    with pytest.raises(TrainingDiverged, match="the chief says how"):
        _together(follower, lambda: None)


def test_a_divergence_that_cannot_be_noted_is_still_what_ends_the_training(
    patches: Digits,
    small: GanSettings,
    patch_screener: Weights,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    original, write = module.get_weights, module.write_checkpoint

    def broken(model: Any) -> Weights:
        return (
            {name: np.full_like(array, np.nan) for name, array in original(model).items()}
            if (tmp_path / "checkpoint.json").exists()
            else original(model)
        )

    def full(folder: str, checkpoint: Any) -> None:
        if (tmp_path / "checkpoint.json").exists():
            raise StorageError("Cannot write: the disk is full.")
        write(folder, checkpoint)

    monkeypatch.setattr(module, "get_weights", broken)
    monkeypatch.setattr(module, "write_checkpoint", full)
    with pytest.raises(
        TrainingDiverged,
        match=r"checkpoint of step 5 in .* is kept\. That could not be noted in the folder: Cannot write",
    ):
        run(patches, tmp_path, small, screener=patch_screener, watched=replace(RUN, save_minutes=0))
    assert read_checkpoint(str(tmp_path)).record["alarms"] == []


def test_a_second_run_and_other_settings_are_refused(
    patches: Digits, small: GanSettings, finished: Path
) -> None:
    with pytest.raises(ResumeError, match="already holds a training"):
        run(patches, finished, small)
    other = GanSettings(**{**vars(small), "batch": 4})
    with pytest.raises(ResumeError, match="batch was 8, is 4"):
        run(patches, finished, other, resume=True)


def test_settings_that_are_equal_are_not_other_settings(finished: Path) -> None:
    storage = open_storage(str(finished))
    identity = json.loads((finished / "training" / "state.json").read_text())["identity"]
    assert repr(identity["gan"]["r1_gamma"]) == "0"
    equal = identity | {"gan": identity["gan"] | {"r1_gamma": 0.0}}
    assert load_run(storage, equal, resume=True) is not None
    with pytest.raises(
        ResumeError, match=r"begun with other settings: r1_gamma was 0, is 0\.5\. Leave"
    ):
        load_run(storage, identity | {"gan": identity["gan"] | {"r1_gamma": 0.5}}, resume=True)


def test_two_trainings_into_one_folder_at_once(
    patches: Digits, small: GanSettings, tmp_path: Path
) -> None:
    with (
        open_storage(str(tmp_path)).exclusive(".lock", "held"),
        pytest.raises(ResumeError, match="Another training is running in"),
    ):
        run(patches, tmp_path, small)
    assert list(tmp_path.iterdir()) == []


def test_a_training_at_constant_rates_may_go_on_for_longer(
    patches: Digits, small: GanSettings, patch_screener: Weights, tmp_path: Path
) -> None:
    constant = replace(small, decay_from=1.0)
    whole, longer = tmp_path / "whole", tmp_path / "longer"
    run(patches, whole, constant, screener=patch_screener)
    run(patches, longer, replace(constant, steps=10), screener=patch_screener)
    assert run(patches, longer, constant, resume=True).step == 24
    assert state_of(longer) == state_of(whole)
    with pytest.raises(
        ResumeError, match=r"--steps: expected 24 or more, which are done in .*, received 10"
    ):
        run(patches, longer, replace(constant, steps=10), resume=True)


def test_a_training_whose_rates_fall_may_not(
    patches: Digits, small: GanSettings, finished: Path
) -> None:
    with pytest.raises(
        ResumeError,
        match=r"steps was 24, is 30\. Its rates fall .* \(--decay-from\), so that it cannot go on for longer",
    ):
        run(patches, finished, replace(small, steps=30), resume=True)


def test_nothing_to_resume_is_said(patches: Digits, small: GanSettings, tmp_path: Path) -> None:
    with pytest.raises(ResumeError, match="found none"):
        run(patches, tmp_path, small, resume=True)


def test_a_checkpoint_that_it_did_not_begin_is_never_replaced(
    patches: Digits, small: GanSettings, finished: Path, tmp_path: Path
) -> None:
    record = (finished / "checkpoint.json").read_bytes()
    (tmp_path / "checkpoint.json").write_bytes(record)
    with pytest.raises(ResumeError, match="holds a checkpoint without a training"):
        run(patches, tmp_path, small)
    assert [path.name for path in tmp_path.iterdir()] == ["checkpoint.json"]


def test_an_image_shape_that_no_network_takes_leaves_no_folder(
    patches: Digits, small: GanSettings, tmp_path: Path
) -> None:
    odd = Digits(np.zeros((3, 30, 30, 1), np.uint8), np.arange(3, dtype=np.uint8), ("a", "b", "c"))
    with pytest.raises(DataError, match="nearest legal size"):
        run(odd, tmp_path / "new", small)
    assert not (tmp_path / "new").exists()


def test_a_damaged_state_is_refused(
    patches: Digits, small: GanSettings, finished: Path, tmp_path: Path
) -> None:
    (tmp_path / "training").mkdir()
    (tmp_path / "training" / "state.json").write_bytes(
        (finished / "training" / "state.json").read_bytes()
    )
    (tmp_path / "training" / "state-000024.safetensors").write_bytes(b"cut")
    with pytest.raises(CheckpointError, match="is damaged"):
        run(patches, tmp_path, small, resume=True)
    (tmp_path / "training" / "state.json").write_text("{")
    with pytest.raises(CheckpointError, match=r"state.json is damaged"):
        run(patches, tmp_path, small, resume=True)


def test_weights_that_are_no_numbers_stop_it_and_the_last_good_checkpoint_is_kept(
    patches: Digits,
    small: GanSettings,
    tmp_path: Path,
    patch_screener: Weights,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with monkeypatch.context() as patch:
        interrupt_after(patch, 5)
        with pytest.raises(Interrupted):
            run(patches, tmp_path, small, screener=patch_screener)
    good, runner = read_checkpoint(str(tmp_path)).sha256, module.make_runner

    def broken(state: Any, digits: Digits) -> Any:
        state.generator.trainable_variables[0].assign(
            np.full(state.generator.trainable_variables[0].shape, np.nan, np.float32)
        )
        return runner(state, digits)

    monkeypatch.setattr(module, "make_runner", broken)
    with pytest.raises(TrainingDiverged, match=r"before step 10.*generator_loss.*--generator-rate"):
        run(patches, tmp_path, small, resume=True)
    assert read_checkpoint(str(tmp_path)).sha256 == good
    assert read_checkpoint(str(tmp_path)).record["alarms"][0]["name"] == "divergence"
    assert (tmp_path / "training" / "log.csv").read_text().splitlines()[-1].startswith("10,")


def test_it_trains_outside_the_main_thread(
    patches: Digits, small: GanSettings, patch_screener: Weights, tmp_path: Path
) -> None:
    results: list[Trained] = []
    short = GanSettings(**{**vars(small), "steps": 2})
    thread = threading.Thread(
        target=lambda: results.append(run(patches, tmp_path, short, screener=patch_screener))
    )
    thread.start()
    thread.join()
    assert results[0].step == 2
    assert json.loads((tmp_path / "checkpoint.json").read_text())["settings"]["steps"] == 2


def test_the_summary_says_what_came_of_it() -> None:
    lines = Trained(
        folder="f",
        step=1200,
        seconds=60,
        label_agreement=0.5,
        usefulness=0.9,
        best_step=800,
        best_usefulness=0.95,
    ).lines()
    assert lines == [
        "Trained    1,200 steps in 60 s",
        "Labels     50.00% of samples show the digit asked for",
        "Usefulness 90.00% of validation digits read by a classifier of samples alone",
        "Best       f/best: step 800, usefulness 95.00%",
        "Alarms     none",
        "Checkpoint f, grids in samples/, log in training/log.csv",
    ]


@pytest.mark.usefixtures("quick")
def test_the_command_passes_validation_digits_and_writes_the_report(
    patches: Digits, tmp_path: Path
) -> None:
    np.savez(
        tmp_path / "digits.npz",
        images=patches.images,
        labels=patches.labels,
        class_names=patches.class_names,
    )
    out, cut = (
        tmp_path / "gan",
        [
            "--steps",
            "4",
            "--batch",
            "6",
            "--generator-channels",
            "8,8,8",
            "--discriminator-channels",
            "8,8",
        ],
    )
    result = CliRunner().invoke(
        cli,
        [
            "train",
            "--preset",
            "fc",
            "--labels",
            "classifier",
            "--data",
            str(tmp_path / "digits.npz"),
            "--out",
            str(out),
            "--report",
            *cut,
        ],
    )
    assert result.exit_code == 0, result.output
    assert f"Best       {out}/best: step 4" in result.output
    assert f"synthgen build --checkpoint {out} --labels classifier" in result.output
    assert (out / "report.html").read_text().startswith("<!doctype html>")
    assert read_checkpoint(str(out)).record["measured"]["compared_with"] == "validation digits"


@pytest.mark.usefixtures("quick")
def test_the_command_goes_on_with_what_a_training_was_begun_with(
    patches: Digits, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    np.savez(
        tmp_path / "digits.npz",
        images=patches.images,
        labels=patches.labels,
        class_names=patches.class_names,
    )

    def invoke(*more: str, **options: Any) -> Result:
        return CliRunner().invoke(cli, ["train", "--out", str(out), *more], **options)

    out, cut = (
        tmp_path / "gan",
        [
            "--steps",
            "4",
            "--batch",
            "6",
            "--generator-channels",
            "8,8,8",
            "--discriminator-channels",
            "8,8",
        ],
    )
    monkeypatch.chdir(tmp_path)
    watched = [
        "--grid",
        "4",
        "--log-every",
        "2",
        "--samples-every",
        "3",
        "--watch-every",
        "4",
        "--save-minutes",
        "7",
        "--score-minutes",
        "8",
    ]
    assert (
        invoke(
            "--data",
            "digits.npz",
            "--preset",
            "fc",
            "--labels",
            "classifier",
            "--seed",
            "3",
            *cut,
            *watched,
        ).exit_code
        == 0
    )
    files = {path: path.read_bytes() for path in out.rglob("*") if path.is_file()}
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    again = invoke("--resume")
    assert again.exit_code == 0, again.output
    assert "Trained    4 steps" in again.output
    assert {path: path.read_bytes() for path in out.rglob("*") if path.is_file()} == files
    longer = invoke("--resume", "--preset", "fc", "--steps", "6", "--grid", "5")
    assert longer.exit_code == 0, longer.output
    checkpoint = read_checkpoint(str(out))
    assert (checkpoint.settings.steps, checkpoint.settings.batch, checkpoint.record["seed"]) == (
        6,
        6,
        3,
    )
    begun = begun_with(open_storage(str(out)))
    assert begun is not None
    assert TrainSettings(**begun.run) == TrainSettings(
        seed=3, grid=5, log_every=2, samples_every=3, watch_every=4, save_minutes=7, score_minutes=8
    )
    assert begun.data == str(tmp_path / "digits.npz")
    with pytest.raises(
        ResumeError, match=r"--preset: expected fc, .* received dcgan\. Leave --preset away"
    ):
        invoke("--resume", "--preset", "dcgan", catch_exceptions=False)
    np.savez(
        tmp_path / "other.npz",
        images=255 - patches.images,
        labels=patches.labels,
        class_names=patches.class_names,
    )
    with pytest.raises(
        ResumeError,
        match=rf"on other digits: expected .* Pass the same --data \({tmp_path}/digits\.npz\), as it was then",
    ):
        invoke("--resume", "--data", str(tmp_path / "other.npz"), catch_exceptions=False)


def test_a_training_of_which_only_the_identity_was_saved_is_run_as_its_preset_says(
    finished: Path, tmp_path: Path
) -> None:
    record = json.loads((finished / "training" / "state.json").read_text())
    (tmp_path / "training").mkdir()
    (tmp_path / "training" / "state.json").write_text(
        json.dumps(
            {name: record[name] for name in ("identity", "file", "sha256", "seconds", "log")}
        )
    )
    begun = begun_with(open_storage(str(tmp_path)))
    assert begun is not None
    assert (begun.preset, begun.run, begun.data) == ("cdcgan", {"seed": 0}, "")
    with pytest.raises(ResumeError, match=r"Pass the same --data, as it was then"):
        load_run(
            open_storage(str(tmp_path)),
            record["identity"] | {"training_data": "f" * 64},
            resume=True,
        )


def test_a_checkpoint_holds_statistics_of_its_own_weights(
    finished: Path, small: GanSettings, patches: Digits
) -> None:
    state = GanState(small, patches, RUN.seed)
    arrays = load_file(finished / "training" / "state-000024.safetensors")
    state.restore(
        {name: array for name, array in arrays.items() if not name.startswith("screener/")}
    )
    kept = Snapshot(state.average, small, patches.image_shape, patches.classes)
    kept.refresh(24)
    stored = read_checkpoint(str(finished)).generator
    for name, array in get_weights(kept.model).items():
        np.testing.assert_array_equal(stored[name], array, err_msg=name)
    assert not np.array_equal(
        stored["project_norm/moving_mean"], arrays["average/project_norm/moving_mean"]
    )


def test_a_training_of_the_first_version_goes_on(
    patches: Digits, small: GanSettings, tmp_path: Path
) -> None:
    run(patches, tmp_path, replace(small, updates="alternating"))
    file = tmp_path / "training" / "state.json"
    record = json.loads(file.read_text())
    del record["identity"]["gan"]["updates"]  # a setting that it did not know
    file.write_text(json.dumps(record))
    assert run(patches, tmp_path, replace(small, updates="alternating"), resume=True).step == 24
    with pytest.raises(ResumeError, match="updates was alternating, is simultaneous"):
        run(patches, tmp_path, replace(small, updates="simultaneous"), resume=True)
