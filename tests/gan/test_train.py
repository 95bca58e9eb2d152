"""Trainings from their beginning to their end, to a signal, and on from there."""

import io
import json
import os
import shutil
import signal
import threading
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorflow as tf
from click.testing import CliRunner, Result
from PIL import Image
from safetensors.numpy import load_file

from synthgen.cli import cli
from synthgen.config import GanSettings, TrainSettings
from synthgen.datasets.digits import Digits
from synthgen.datasets.pixels import decode_png
from synthgen.errors import DataError, Interrupted, ResumeError
from synthgen.gan import run as run_module
from synthgen.gan.checkpoint import read_checkpoint
from synthgen.gan.job import TrainingJob, TrainingResult
from synthgen.gan.log import LOG_COLUMNS, RunLog
from synthgen.gan.monitor import Monitor, take_statistics
from synthgen.gan.presets import PRESETS
from synthgen.gan.resume import SavedRun, load_options, save_run
from synthgen.gan.run import Run
from synthgen.gan.state import GanState
from synthgen.gan.step import make_runner
from synthgen.gan.train import train
from synthgen.networks.layers import get_weights
from synthgen.storage import Storage, open_storage
from synthgen.weights import Weights
from tests.gan.jobs import RUN, job_of


@pytest.fixture
def job(
    patches: Digits, dense: GanSettings, patch_screener: Weights, tmp_path: Path
) -> TrainingJob:
    """A training that is to begin in an empty folder."""
    return job_of(patches, tmp_path, dense, patch_screener)


@pytest.fixture(scope="module")
def finished(
    patches: Digits,
    dense: GanSettings,
    patch_screener: Weights,
    tmp_path_factory: pytest.TempPathFactory,
) -> Path:
    out = tmp_path_factory.mktemp("finished")
    train(job_of(patches, out, dense, patch_screener))
    return out


def test_it_leaves_a_checkpoint_grids_a_log_and_events(
    finished: Path, dense: GanSettings, patches: Digits
) -> None:
    checkpoint = read_checkpoint(str(finished))
    assert checkpoint.settings == dense
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
    animation = (finished / "samples" / "animation.webp").read_bytes()
    with Image.open(io.BytesIO(animation)) as picture:
        assert picture.size == (102, 32)
        assert picture.n_frames in (2, 3)  # grids that look the same become one frame
    assert any(
        path.name.startswith("events.out.tfevents") for path in (finished / "training").iterdir()
    )


def test_the_log_has_a_row_every_few_steps(finished: Path) -> None:
    lines = (finished / "training" / "log.csv").read_text().splitlines()
    header, *rows = [line.split(",") for line in lines]
    assert tuple(header) == LOG_COLUMNS
    columns = dict(zip(header, zip(*rows, strict=True), strict=True))
    assert columns["step"] == ("5", "10", "15", "20", "24")
    for name in ("coverage", "label_agreement"):
        assert [bool(text) for text in columns[name]] == [False, False, False, True, True]
    assert not any(columns["usefulness"])


def test_without_validation_digits_nothing_is_scored(finished: Path) -> None:
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


@pytest.mark.slow
def test_ctrl_c_saves_and_resuming_ends_in_the_same_bytes(
    job: TrainingJob, tmp_path: Path, finished: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        interrupt_after(patch, 15)
        with pytest.raises(Interrupted, match=r"step 15 of 24.*--resume"):
            train(job)
    assert read_checkpoint(str(tmp_path)).record["step"] == 15
    assert not (tmp_path / "samples" / "animation.webp").exists()  # one grid does not move
    train(job, resume=True)
    assert read_checkpoint(str(tmp_path)).sha256 == read_checkpoint(str(finished)).sha256
    assert state_of(tmp_path) == state_of(finished)
    logs = [
        [line.split(",")[3:] for line in (folder / "training" / "log.csv").read_text().splitlines()]
        for folder in (tmp_path, finished)
    ]
    assert logs[0] == logs[1]
    events = (tmp_path / "training" / "events.jsonl").read_text()
    assert events == '{"step": 15, "kind": "resumed"}\n'


def test_ctrl_c_in_the_last_steps_ends_it_saved(
    job: TrainingJob, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A kill before the animation was written leaves it to the next run."""
    with monkeypatch.context() as patch:
        interrupt_after(patch, 24)
        with pytest.raises(Interrupted, match="step 24 of 24; all is saved"):
            train(job)
    animation = tmp_path / "samples" / "animation.webp"
    written = (tmp_path / "checkpoint.json").read_bytes()
    animation.unlink()
    assert train(job, resume=True).step == 24
    assert animation.exists()
    assert (tmp_path / "checkpoint.json").read_bytes() == written


@pytest.mark.slow
def test_one_killed_while_it_first_saved_begins_again(
    job: TrainingJob, tmp_path: Path, finished: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def kill(
        storage: Storage, identity: Mapping[str, Any], saved: SavedRun, options: Mapping[str, Any]
    ) -> None:
        if saved.arrays["step"]:
            raise SystemExit
        save_run(storage, identity, saved, options)

    with monkeypatch.context() as patch:
        patch.setattr(run_module, "save_run", kill)
        with pytest.raises(SystemExit):
            train(job)
    assert (tmp_path / "checkpoint.json").exists()
    train(job, resume=True)
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


@pytest.mark.slow
@pytest.mark.parametrize("preset", CUT)
def test_a_preset_killed_after_any_step_ends_in_the_same_weights(
    preset: str,
    patches: Digits,
    patch_screener: Weights,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    settings = replace(PRESETS[preset].settings, steps=12, batch=6, latent=5, **CUT[preset])
    step = int(np.random.default_rng().integers(1, 12))
    save = Run.save
    killed = tmp_path / f"killed-after-{step}"
    whole = tmp_path / "whole"

    def save_and_leave(self: Run) -> None:
        save(self)
        if self.step == step:
            shutil.copytree(whole, killed)  # what a kill would leave

    with monkeypatch.context() as patch:
        patch.setattr(Run, "save", save_and_leave)
        each = TrainSettings(log_every=1, samples_every=99, watch_every=99, save_minutes=0)
        train(job_of(patches, whole, settings, patch_screener, run=each))
    some = TrainSettings(log_every=5, samples_every=7, watch_every=99)
    done = train(job_of(patches, killed, settings, patch_screener, run=some), resume=True)
    assert done.step == 12
    assert state_of(killed) == state_of(whole), f"{preset} was killed after step {step}"


@pytest.mark.slow
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


@pytest.mark.slow
def test_scores_choose_the_best_and_do_not_change_the_course(
    job: TrainingJob, patches: Digits, finished: Path, tmp_path: Path
) -> None:
    often = replace(RUN, score_minutes=1e-9)
    done = train(replace(job, run=often, validation=patches))
    assert state_of(tmp_path) == state_of(finished)
    lines = (tmp_path / "training" / "events.jsonl").read_text().splitlines()
    events = [json.loads(line) for line in lines]
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
    # a checkpoint is written beside the best one, not over it
    assert (tmp_path / "best" / f"generator-{best['step']:06d}.safetensors").exists()


@pytest.mark.slow
def test_a_resumed_training_keeps_the_best_checkpoint_of_before(
    job: TrainingJob, patches: Digits, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = replace(job, run=replace(RUN, score_minutes=1e-9), validation=patches)
    scores = iter([0.5, 0.7, 0.6, 0.65, 0.7])
    monkeypatch.setattr(Monitor, "score", lambda *_: next(scores))
    with monkeypatch.context() as patch:
        interrupt_after(patch, 15)
        with pytest.raises(Interrupted):
            train(job)
    done = train(job, resume=True)
    assert (done.best_step, done.best_usefulness, done.usefulness) == (10, 0.7, 0.7)
    assert read_checkpoint(str(tmp_path / "best")).record["step"] == 10
    written = (tmp_path / "checkpoint.json").read_bytes()
    # it is finished: nothing is trained, scored or written
    again = train(job, resume=True)
    assert (again.best_step, again.best_usefulness, again.usefulness) == (10, 0.7, 0.7)
    assert (tmp_path / "checkpoint.json").read_bytes() == written


def test_a_second_run_and_other_settings_are_refused(
    job: TrainingJob, finished: Path, dense: GanSettings
) -> None:
    job = replace(job, out=str(finished))
    with pytest.raises(ResumeError, match="already holds a training"):
        train(job)
    with pytest.raises(ResumeError, match="batch was 8, is 4"):
        train(replace(job, gan=replace(dense, batch=4)), resume=True)


def test_two_trainings_into_one_folder_at_once(job: TrainingJob, tmp_path: Path) -> None:
    with (
        open_storage(str(tmp_path)).exclusive(".lock", "held"),
        pytest.raises(ResumeError, match="Another training is running in"),
    ):
        train(job)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
def test_a_training_at_constant_rates_may_go_on_for_longer(
    job: TrainingJob, dense: GanSettings, tmp_path: Path
) -> None:
    constant = replace(dense, decay_from=1.0)
    whole = replace(job, out=str(tmp_path / "whole"), gan=constant)
    longer = replace(job, out=str(tmp_path / "longer"), gan=constant)
    shorter = replace(longer, gan=replace(constant, steps=10))
    train(whole)
    train(shorter)
    assert train(longer, resume=True).step == 24
    assert state_of(tmp_path / "longer") == state_of(tmp_path / "whole")
    with pytest.raises(
        ResumeError, match=r"--steps: expected 24 or more, which are done in .*, received 10"
    ):
        train(shorter, resume=True)


def test_a_training_whose_rates_fall_may_not(
    job: TrainingJob, dense: GanSettings, finished: Path
) -> None:
    with pytest.raises(
        ResumeError,
        match=r"steps was 24, is 30\. Its rates fall .* \(--decay-from\), so that it cannot go on",
    ):
        train(replace(job, out=str(finished), gan=replace(dense, steps=30)), resume=True)


def test_nothing_to_resume_is_said(job: TrainingJob) -> None:
    with pytest.raises(ResumeError, match="found none"):
        train(job, resume=True)


def test_a_checkpoint_that_it_did_not_begin_is_never_replaced(
    job: TrainingJob, finished: Path, tmp_path: Path
) -> None:
    record = (finished / "checkpoint.json").read_bytes()
    (tmp_path / "checkpoint.json").write_bytes(record)
    with pytest.raises(ResumeError, match="holds a checkpoint without a training"):
        train(job)
    assert [path.name for path in tmp_path.iterdir()] == ["checkpoint.json"]


def test_an_image_shape_that_no_network_takes_leaves_no_folder(
    job: TrainingJob, tmp_path: Path
) -> None:
    odd = Digits(np.zeros((3, 30, 30, 1), np.uint8), np.arange(3, dtype=np.uint8), ("a", "b", "c"))
    with pytest.raises(DataError, match="nearest legal size"):
        train(replace(job, digits=odd, out=str(tmp_path / "new")))
    assert not (tmp_path / "new").exists()


def test_it_trains_outside_the_main_thread(
    job: TrainingJob, dense: GanSettings, tmp_path: Path
) -> None:
    results: list[TrainingResult] = []
    short = replace(job, gan=replace(dense, steps=2))
    thread = threading.Thread(target=lambda: results.append(train(short)))
    thread.start()
    thread.join()
    assert results[0].step == 2
    assert json.loads((tmp_path / "checkpoint.json").read_text())["settings"]["steps"] == 2


def test_a_checkpoint_holds_statistics_of_its_own_weights(
    finished: Path, dense: GanSettings, patches: Digits
) -> None:
    state = GanState(dense, patches, RUN.seed)
    arrays = load_file(finished / "training" / "state-000024.safetensors")
    state.restore(
        {name: array for name, array in arrays.items() if not name.startswith("screener/")}
    )
    take_statistics(state.average, patches.classes)
    stored = read_checkpoint(str(finished)).generator
    for name, array in get_weights(state.average).items():
        np.testing.assert_array_equal(stored[name], array, err_msg=name)
    assert not np.array_equal(
        stored["project_norm/moving_mean"], arrays["average/project_norm/moving_mean"]
    )


@pytest.mark.slow
def test_a_training_of_the_first_version_goes_on(
    job: TrainingJob, dense: GanSettings, tmp_path: Path
) -> None:
    alternating = replace(job, gan=replace(dense, updates="alternating"))
    train(alternating)
    file = tmp_path / "training" / "state.json"
    record = json.loads(file.read_text())
    del record["identity"]["gan"]["updates"]  # a setting that it did not know
    file.write_text(json.dumps(record))
    assert train(alternating, resume=True).step == 24
    with pytest.raises(ResumeError, match="updates was alternating, is simultaneous"):
        train(replace(job, gan=replace(dense, updates="simultaneous")), resume=True)


CUT_OPTIONS = [
    "--steps",
    "4",
    "--batch",
    "6",
    "--generator-channels",
    "8,8,8",
    "--discriminator-channels",
    "8,8",
]


def save_digits(file: Path, patches: Digits) -> None:
    np.savez(file, images=patches.images, labels=patches.labels, class_names=patches.class_names)


@pytest.mark.slow
def test_the_command_watches_with_validation_digits_and_reports(
    patches: Digits, tmp_path: Path
) -> None:
    save_digits(tmp_path / "digits.npz", patches)
    out = tmp_path / "gan"
    options = ["--preset", "fc", "--labels", "classifier", "--report", *CUT_OPTIONS]
    result = CliRunner().invoke(
        cli, ["train", "--data", str(tmp_path / "digits.npz"), "--out", str(out), *options]
    )
    assert result.exit_code == 0, result.output
    assert f"Best       {out}/best: step 4" in result.output
    assert f"synthgen build --checkpoint {out} --labels classifier" in result.output
    assert (out / "report.html").read_text().startswith("<!doctype html>")
    assert read_checkpoint(str(out)).record["measured"]["compared_with"] == "validation digits"


@pytest.mark.slow
def test_the_command_goes_on_with_the_options_of_then(
    patches: Digits, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    save_digits(tmp_path / "digits.npz", patches)
    out = tmp_path / "gan"

    def invoke(*more: str, **options: Any) -> Result:
        return CliRunner().invoke(cli, ["train", "--out", str(out), *more], **options)

    monkeypatch.chdir(tmp_path)
    watched = "--grid 4 --log-every 2 --samples-every 3 --watch-every 4"
    minutes = "--save-minutes 7 --score-minutes 8"
    begun = f"--data digits.npz --preset fc --labels classifier --seed 3 {watched} {minutes}"
    first = invoke(*begun.split(), *CUT_OPTIONS)
    assert first.exit_code == 0, first.output

    # elsewhere, without any option: all is done, and nothing is written
    files = {path: path.read_bytes() for path in out.rglob("*") if path.is_file()}
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    again = invoke("--resume")
    assert again.exit_code == 0, again.output
    assert "Trained    4 steps" in again.output
    assert {path: path.read_bytes() for path in out.rglob("*") if path.is_file()} == files

    # with more steps
    longer = invoke("--resume", "--preset", "fc", "--steps", "6", "--grid", "5")
    assert longer.exit_code == 0, longer.output
    checkpoint = read_checkpoint(str(out))
    assert (checkpoint.settings.steps, checkpoint.settings.batch) == (6, 6)
    assert checkpoint.record["seed"] == 3
    saved = load_options(open_storage(str(out)))
    assert saved is not None
    assert saved.run == TrainSettings(
        seed=3, grid=5, log_every=2, samples_every=3, watch_every=4, save_minutes=7, score_minutes=8
    )
    assert saved.data == str(tmp_path / "digits.npz")

    # another preset, other digits
    with pytest.raises(
        ResumeError, match=r"--preset: expected fc, .* received dcgan\. Leave --preset away"
    ):
        invoke("--resume", "--preset", "dcgan", catch_exceptions=False)
    save_digits(tmp_path / "other.npz", replace(patches, images=255 - patches.images))
    with pytest.raises(
        ResumeError,
        match=rf"on other digits: expected .* Pass the same --data \({tmp_path}/digits\.npz\)",
    ):
        invoke("--resume", "--data", str(tmp_path / "other.npz"), catch_exceptions=False)
