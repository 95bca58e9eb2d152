import dataclasses
import json
import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from synthgen.config import BuildSettings, GanSettings, TrainSettings
from synthgen.datasets.digits import Digits
from synthgen.datasets.pixels import decode_png
from synthgen.errors import DataError, Interrupted, ResumeError, SettingsError, TrainingDiverged
from synthgen.gan import cache as cache_module
from synthgen.gan import per_class as module
from synthgen.gan.cache import train_into_cache
from synthgen.gan.checkpoint import Checkpoint, read_checkpoint
from synthgen.gan.devices import Devices
from synthgen.gan.job import TrainingJob
from synthgen.gan.per_class import PerClassResult, train_per_class
from synthgen.gan.resume import load_options
from synthgen.gan.run import Run
from synthgen.gan.train import train
from synthgen.shards.build import build
from synthgen.shards.show import rebuild
from synthgen.shards.verify import verify
from synthgen.storage import open_storage
from synthgen.weights import split_classes

pytestmark = pytest.mark.slow

RUN = TrainSettings(samples_every=10, log_every=5, grid=4)
STEPS = 10


@pytest.fixture(scope="module")
def plain() -> GanSettings:
    """A recipe without a condition that is compiled and trained in a moment."""
    dense = {
        "generator_stages": ("dense",),
        "generator_channels": (8,),
        "discriminator_stages": ("dense",),
        "discriminator_channels": (8,),
    }
    return GanSettings(
        **dense,
        condition="none",
        discriminator_dense=0,
        steps=STEPS,
        batch=8,
        latent=6,
        r1_gamma=0,
        ema=0,
    )


@pytest.fixture(scope="module")
def pairs(patches: Digits) -> Digits:
    """Forty images, twenty of each of two classes."""
    rows = patches.labels < 2
    return Digits(patches.images[rows], patches.labels[rows], ("a", "b"))


def job_of(digits: Digits, out: Path, gan: GanSettings, **more: Any) -> TrainingJob:
    return TrainingJob(
        digits=digits,
        out=str(out),
        gan=gan,
        run=RUN,
        preset="dcgan",
        source="test",
        command="synthgen train",
        **more,
    )


def run(
    digits: Digits, out: Path, gan: GanSettings, resume: bool = False, **more: Any
) -> PerClassResult:
    return train_per_class(job_of(digits, out, gan, **more), resume=resume)


@pytest.fixture(scope="module")
def finished(
    pairs: Digits, plain: GanSettings, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Path, PerClassResult]:
    out = tmp_path_factory.mktemp("finished")
    return out, run(pairs, out, plain, validation=pairs, data="/digits.npz")


def test_it_leaves_one_checkpoint_of_a_generator_a_class(
    finished: tuple[Path, PerClassResult], pairs: Digits
) -> None:
    out, done = finished
    checkpoint = read_checkpoint(str(out))
    assert (checkpoint.labels, checkpoint.class_names) == ("per-class", ("a", "b"))
    assert checkpoint.record["training_data"] == {
        "source": "test",
        "sha256": pairs.sha256(),
        "images": 40,
    }
    assert (done.classes, done.steps, checkpoint.record["step"]) == (2, STEPS, STEPS)
    assert checkpoint.record["sha256"] == checkpoint.sha256
    assert checkpoint.record["measured"]["label_agreement_by_screener"] == done.label_agreement
    generators = split_classes(checkpoint.generator, 2)
    assert not np.array_equal(generators[0]["project/kernel"], generators[1]["project/kernel"])
    for label, weights in enumerate(generators):
        own = read_checkpoint(f"{out}/classes/{label}")
        assert own.record["training_data"]["images"] == 20
        assert own.labels == "none"
        for classifier in (own.screener, checkpoint.screener):  # trained once, on all classes
            np.testing.assert_array_equal(
                classifier["logits/kernel"], checkpoint.screener["logits/kernel"]
            )
        for name, array in own.generator.items():
            np.testing.assert_array_equal(weights[name], array)
    assert decode_png((out / f"samples/0000{STEPS}.png").read_bytes()).shape == (
        2 * (2 * 10 + 2),
        2 * (4 * 10 + 2),
        1,
    )
    assert "Trained    2 generators, one a class, 10 steps each" in done.lines()[0]


def begin(out: Path, finished: tuple[Path, PerClassResult]) -> None:
    """A training whose screening classifier is trained and nothing else."""
    (out / "training").mkdir(parents=True)
    for file in ("training/state.json", "training/state-000000.safetensors"):
        (out / file).write_bytes((finished[0] / file).read_bytes())


def interrupt(monkeypatch: pytest.MonkeyPatch, label: int) -> None:
    """Press Ctrl-C when the training of a class has begun."""
    original = module.train

    def pressed(job: TrainingJob, *, resume: bool) -> Any:
        if job.digits.labels[0] == label:
            monkeypatch.setattr(Run, "advance", after_five())
        return original(job, resume=resume)

    monkeypatch.setattr(module, "train", pressed)


def after_five() -> Callable[..., None]:
    original = Run.advance

    def advance(self: Any, bar: Any) -> None:
        original(self, bar)
        os.kill(os.getpid(), signal.SIGINT)

    return advance


def test_it_goes_on_in_the_class_and_at_the_step_of_the_stop(
    finished: tuple[Path, PerClassResult],
    pairs: Digits,
    plain: GanSettings,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    begin(tmp_path, finished)
    with monkeypatch.context() as patch:
        interrupt(patch, 1)
        with pytest.raises(Interrupted, match=r"Class 'b': Stopped after step 5 of 10.*--resume"):
            run(pairs, tmp_path, plain, resume=True, validation=pairs)
    assert not (tmp_path / "checkpoint.json").exists()
    assert json.loads((tmp_path / "classes/1/checkpoint.json").read_text())["step"] == 5
    before = (tmp_path / "classes/0/checkpoint.json").stat().st_mtime_ns
    trained: list[int] = []
    original = module.train

    def noted(job: TrainingJob, *, resume: bool) -> Any:
        trained.append(int(job.digits.labels[0]))
        return original(job, resume=resume)

    with monkeypatch.context() as patch:
        patch.setattr(module, "train", noted)
        run(pairs, tmp_path, plain, resume=True, validation=pairs)
    assert trained == [1]
    assert before == (tmp_path / "classes/0/checkpoint.json").stat().st_mtime_ns
    assert read_checkpoint(str(tmp_path)).sha256 == read_checkpoint(str(finished[0])).sha256


def test_ctrl_c_in_the_last_steps_of_a_class_stops_the_next(
    finished: tuple[Path, PerClassResult],
    pairs: Digits,
    plain: GanSettings,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    original = Run.advance

    def advance(self: Run, bar: Any) -> None:
        original(self, bar)
        if self.step == STEPS:
            os.kill(os.getpid(), signal.SIGINT)

    begin(tmp_path, finished)
    monkeypatch.setattr(Run, "advance", advance)
    with pytest.raises(Interrupted, match=r"Class 'a': Stopped after step 10 of 10"):
        run(pairs, tmp_path, plain, resume=True, validation=pairs)
    assert json.loads((tmp_path / "classes/0/checkpoint.json").read_text())["step"] == STEPS
    assert not (tmp_path / "classes/1").exists()


def test_how_it_is_run_is_kept(finished: tuple[Path, PerClassResult]) -> None:
    begun = load_options(open_storage(str(finished[0])))
    assert begun is not None
    assert (begun.labels, begun.data, begun.run) == (
        "per-class",
        "/digits.npz",
        RUN,
    )


def test_a_finished_training_is_finished_again_without_training(
    finished: tuple[Path, PerClassResult],
    pairs: Digits,
    plain: GanSettings,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(module, "train", lambda *_, **__: pytest.fail("trained"))
    assert (
        run(pairs, finished[0], plain, resume=True, validation=pairs).label_agreement
        == finished[1].label_agreement
    )


def test_what_a_kill_left_before_the_first_state_is_removed(
    finished: tuple[Path, PerClassResult],
    pairs: Digits,
    plain: GanSettings,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def seen(job: TrainingJob, *, resume: bool) -> None:
        raise Interrupted(f"resume {resume}, found {os.path.exists(job.out)}")

    begin(tmp_path, finished)
    (tmp_path / "classes/0").mkdir(parents=True)
    (tmp_path / "classes/0/checkpoint.json").write_text(
        '{"format": "synthgen-checkpoint/1", "weights": {}, "step": 5}'
    )
    monkeypatch.setattr(module, "train", seen)
    with pytest.raises(Interrupted, match="Class 'a': resume False, found False"):
        run(pairs, tmp_path, plain, resume=True)


def test_other_settings_and_other_trainings_are_refused(
    finished: tuple[Path, PerClassResult],
    pairs: Digits,
    plain: GanSettings,
    small: GanSettings,
    tmp_path: Path,
) -> None:
    with pytest.raises(ResumeError, match="already holds a training"):
        run(pairs, finished[0], plain)
    with pytest.raises(ResumeError, match="batch was 8, is 4"):
        run(pairs, finished[0], dataclasses.replace(plain, batch=4), resume=True)
    with pytest.raises(ResumeError, match="labels was per-class, is None"):
        train(job_of(pairs, finished[0], plain), resume=True)
    with pytest.raises(SettingsError, match="its condition gives the labels"):
        run(pairs, tmp_path / "new", small)
    with pytest.raises(DataError, match="received none of class 'b'"):
        run(pairs.take(pairs.labels < 1), tmp_path / "new", plain)
    assert not (tmp_path / "new").exists()


def test_two_trainings_into_one_folder_at_once(
    pairs: Digits, plain: GanSettings, tmp_path: Path
) -> None:
    with (
        open_storage(str(tmp_path)).exclusive(".lock", "held"),
        pytest.raises(ResumeError, match="Another training is running in"),
    ):
        run(pairs, tmp_path, plain)
    assert list(tmp_path.iterdir()) == []


def test_a_class_that_diverges_is_named(
    finished: tuple[Path, PerClassResult],
    pairs: Digits,
    plain: GanSettings,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def diverge(*_: Any, **__: Any) -> None:
        raise TrainingDiverged("Training diverged before step 5.")

    begin(tmp_path, finished)
    monkeypatch.setattr(module, "train", diverge)
    with pytest.raises(TrainingDiverged, match=r"Class 'a': Training diverged before step 5\."):
        run(pairs, tmp_path, plain, resume=True)


def test_the_cache_keeps_it_apart_from_one_generator_for_all(
    finished: tuple[Path, PerClassResult],
    pairs: Digits,
    plain: GanSettings,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    calls: list[tuple[str, bool]] = []
    monkeypatch.setenv("SYNTHGEN_CACHE", str(tmp_path))

    def call(job: TrainingJob, *, resume: bool, **_: Any) -> None:
        calls.append((job.out, resume))

    monkeypatch.setattr(cache_module, "train", call)
    monkeypatch.setattr(cache_module, "train_per_class", call)
    job = job_of(pairs, Path(), plain)
    one = train_into_cache(job)
    many = train_into_cache(job, per_class=True)
    assert many == one.replace("/dcgan-", "/dcgan-per-class-")
    (Path(many) / "training").mkdir(parents=True)
    (Path(many) / "training/state.json").write_text("{}")
    train_into_cache(job, per_class=True)
    assert calls == [(one, False), (many, False), (many, True)]


@pytest.fixture(scope="module")
def checkpoint(finished: tuple[Path, PerClassResult]) -> Checkpoint:
    return read_checkpoint(str(finished[0]))


def make(root: Path, checkpoint: Checkpoint, **changes: Any) -> Any:
    settings = BuildSettings(
        **({"per_class": 11, "batch": 10, "shard_size": 12, "screen": "none"} | changes)
    )
    return build(settings, str(root), checkpoint, progress=False)


def test_a_set_is_built_from_it_verified_and_rebuilt(
    tmp_path: Path, checkpoint: Checkpoint
) -> None:
    result = make(tmp_path, checkpoint)
    table = pd.read_csv(result.manifest_path)
    assert table["label"].value_counts().to_dict() == {0: 11, 1: 11}
    assert set(table["label_source"]) == {"per-class"}
    assert "Labels come from one generator a class." in result.lines()[1]
    assert verify(result.manifest_path).problems == []
    for image_id in ("0-0000000", "0-0000006", "1-0000010"):
        assert rebuild(result.manifest_path, image_id, checkpoint).identical


def test_its_images_do_not_depend_on_shards_or_screening(
    tmp_path: Path, checkpoint: Checkpoint
) -> None:
    tables = [
        pd.read_csv(make(tmp_path / name, checkpoint, **changes).manifest_path)
        .set_index("id")
        .sort_index()
        for name, changes in {
            "a": {},
            "b": {"shard_size": 3},
            "c": {"screen": "mislabels", "max_attempts": 10_000},
        }.items()
    ]
    assert tables[0]["sha256"].tolist() == tables[1]["sha256"].tolist()
    kept = tables[2]["attempt"] == 0
    assert tables[2]["sha256"][kept].tolist() == tables[0]["sha256"][kept].tolist()


def test_several_machines_are_refused(
    pairs: Digits, plain: GanSettings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "find_devices", lambda: Devices(None, 0, 2))
    with pytest.raises(
        SettingsError, match=r"--labels per-class: expected one machine .*received TF_CONFIG with 2"
    ):
        run(pairs, tmp_path, plain)
