"""The command line: parsing, exit codes, messages. What the commands do is tested with the functions they call."""

import dataclasses
import subprocess
import sys
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
from click.testing import CliRunner

from synthgen.cli import cli, main
from synthgen.config import GanSettings
from synthgen.datasets import sources
from synthgen.datasets.digits import Digits
from synthgen.datasets.sources import load_real
from synthgen.errors import CheckpointError, DataError, Interrupted, SynthgenError, WorkerLost
from synthgen.gan.checkpoint import (
    Checkpoint,
    read_checkpoint,
    shipped_checkpoint,
    write_checkpoint,
)
from synthgen.gan.recipes import PRESETS, recipe_for
from synthgen.gan.saved import SavedRun, save_run
from synthgen.storage import open_storage
from tests.test_docs import commands


def synthgen(*arguments: str, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "synthgen", *arguments],
        capture_output=True,
        text=True,
        check=False,
        cwd=cwd,
    )


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["build", "--per-class", "0"], "--per-class: expected a number from 1"),
        (["build", "--per-class", "-1"], "--per-class: expected a number from 1"),
        (["build", "--per-class", "2.5"], "expected a whole number, received '2.5'"),
        (["build", "--formats", "hdf5,tiff"], "--formats: expected one or more of hdf5, png"),
        (["build", "--formats", ""], "--formats: expected one or more of hdf5, png"),
        (["build", "--name", "../x"], "--name: expected a file name"),
        (["build", "--unheard-of"], "No such option"),
        (["build", "--preset", "unheard-of"], "--preset: expected one of cdcgan, cdcgan-concat"),
        (["build", "--preset", "cdcgan"], "--preset goes with --train"),
        (
            ["build", "--train", "--preset", "unheard-of"],
            "--preset: expected one of cdcgan, cdcgan-concat",
        ),
        (["build", "--train", "--checkpoint", "x"], "exclude each other"),
        (["build", "--checkpoint", "/nowhere"], "Expected a checkpoint folder at /nowhere"),
        (
            ["build", "--labels", "unheard-of"],
            "--labels: expected one of auto, condition, per-class, classifier, received 'unheard-of'",
        ),
        (
            ["build", "--labels", "classifier"],
            "--labels classifier does not go with this generator: it is told the class",
        ),
        (
            ["build", "--train", "--labels", "per-class"],
            "--labels per-class does not go with this generator: it is told the class",
        ),
        (
            ["build", "--train", "--preset", "dcgan"],
            "--labels auto does not go with this generator: it knows nothing of classes. Train one generator a class (`synthgen train --labels per-c",
        ),
        (["build", "--train", "--preset", "dcgan"], "`synthgen build --labels classifier`"),
        (
            ["build", "--batch", "9"],
            "--batch: expected at least 10, one image of each class, received 9",
        ),
        (
            ["train", "--out", "x", "--labels", "per-class"],
            "its labels come from that condition; leave --labels away",
        ),
        (["train", "--preset", "unheard-of", "--out", "x"], "--preset: expected one of cdcgan"),
        (
            ["train", "--out", "x", "--generator-channels", "1,2"],
            "--generator-channels: expected one count for each of the 3 stages",
        ),
        (
            ["verify", "manifests/none.csv"],
            "manifests/none.csv, found none. A set has one when its build has ended.",
        ),
        (
            ["evaluate", "manifests/none.csv"],
            "manifests/none.csv, found none. A set has one when its build has ended.",
        ),
        (
            ["show", "manifests/none.csv", "0-0000000"],
            "manifests/none.csv, found none. A set has one when its build has ended.",
        ),
        (
            ["evaluate", "data/none/hdf5/00000.h5"],
            "received 'data/none/hdf5/00000.h5'. Pass manifests/NAME.csv.",
        ),
        (["data", "info", "nowhere"], "nowhere"),
    ],
)
def test_bad_input_ends_with_code_2_and_a_message_and_writes_nothing(
    arguments: list[str], message: str, tmp_path: Path
) -> None:
    result = synthgen(*arguments, cwd=tmp_path)
    assert message in " ".join((result.stdout + result.stderr).split())
    assert result.returncode == 2
    assert "Traceback" not in result.stderr
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "command", [(), *(tuple(name.split()[1:]) for name in commands()), ("data",)]
)
def test_no_help_shows_the_mark_that_keeps_its_lines_apart(command: tuple[str, ...]) -> None:
    result = CliRunner().invoke(cli, [*command, "--help"], prog_name="synthgen")
    assert result.output.startswith("Usage: synthgen")
    assert "\\b" not in result.output
    assert "\b" not in result.output


def test_the_examples_of_the_top_level_help_stand_on_lines_of_their_own() -> None:
    lines = [line.strip() for line in CliRunner().invoke(cli, ["--help"]).output.splitlines()]
    assert (
        "synthgen build --per-class 5000        the whole job, into data/ and manifests/" in lines
    )
    assert "synthgen verify manifests/digits.csv   is all of it there and unharmed?" in lines


def test_a_disk_that_is_too_small_is_found_before_anything_is_written(tmp_path: Path) -> None:
    result = synthgen("build", "--per-class", "1e12", "--no-evaluate", cwd=tmp_path)
    assert result.returncode == 2
    assert "free" in result.stderr
    assert list(tmp_path.iterdir()) == []


def test_a_file_in_the_place_of_the_root_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("mine")
    result = synthgen("build", "--per-class", "1", "--root", "file", cwd=tmp_path)
    assert result.returncode == 2
    assert "Expected a folder" in result.stderr
    assert (tmp_path / "file").read_text() == "mine"


@pytest.fixture
def drawings(tiny_digits: Digits, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A file of drawn digits, and an empty cache."""
    monkeypatch.setenv("SYNTHGEN_CACHE", str(tmp_path / "cache"))
    np.savez(tmp_path / "drawings.npz", images=tiny_digits.images, labels=tiny_digits.labels)
    return str(tmp_path / "drawings.npz")


class Would(NamedTuple):
    """In the place of a dry run: which generator it was given."""

    generator: Checkpoint

    def lines(self) -> list[str]:
        return [f"Would use {self.generator.record['step']} steps."]


@pytest.fixture
def dry(monkeypatch: pytest.MonkeyPatch) -> None:
    """Dry runs that draw nothing."""
    monkeypatch.setattr(
        "synthgen.shards.build.dry_run", lambda settings, root, generator, **_: Would(generator)
    )


def copy_shipped(folder: str, **record: Any) -> None:
    shipped = read_checkpoint(shipped_checkpoint())
    write_checkpoint(folder, dataclasses.replace(shipped, record=dict(shipped.record) | record))


@pytest.mark.usefixtures("dry")
def test_a_generator_with_alarms_is_not_built_from_in_silence(
    drawings: str, tmp_path: Path
) -> None:
    alarms = [
        {"step": 1200, "name": "mode collapse", "message": "few."},
        {"step": 9, "name": "mode collapse", "message": "few.", "class": "3"},
    ]
    copy_shipped(str(tmp_path / "gan"), alarms=alarms)
    result = CliRunner().invoke(
        cli, ["build", "--checkpoint", str(tmp_path / "gan"), "--data", drawings, "--dry-run"]
    )
    assert result.exit_code == 0, result.output
    assert (
        "NOTICE: the training of this generator raised an alarm at step 1,200, mode collapse: few.\n"
        in result.stderr
    )
    assert (
        "NOTICE: the training of this generator of class '3' raised an alarm at step 9, mode collapse: few.\n"
        in result.stderr
    )
    assert (
        "raised an alarm"
        not in CliRunner().invoke(cli, ["build", "--data", drawings, "--dry-run"]).stderr
    )


@pytest.mark.usefixtures("dry")
def test_a_dry_run_trains_nothing(drawings: str, monkeypatch: pytest.MonkeyPatch) -> None:
    from synthgen.gan import cache

    monkeypatch.setattr(cache, "train", lambda *_, **__: pytest.fail("trained"))
    command, read = ["build", "--train", "--dry-run", "--data", drawings], []
    monkeypatch.setattr(
        sources,
        "load_real",
        lambda *args, **options: read.append(args) or load_real(*args, **options),
    )
    with pytest.raises(
        CheckpointError,
        match="expected a generator of preset 'cdcgan' that is trained on these digits already",
    ):
        CliRunner().invoke(cli, command, catch_exceptions=False)
    train = load_real(drawings).train
    settings = recipe_for(train.counts().tolist(), "cdcgan")
    copy_shipped(cache._folder(train, settings, "cdcgan", False, 0), step=settings.steps)
    result = CliRunner().invoke(cli, command, catch_exceptions=False)
    assert f"Would use {settings.steps} steps." in result.output
    assert (
        f"cdcgan is trained with --steps {settings.steps} --translation {settings.translation};"
        in result.stderr
    )
    assert len(read) == 2  # once a command


class Made(NamedTuple):
    """In the place of a build: a set that is not there."""

    manifest: str = "manifests/digits.csv"
    manifest_path: str = "manifests/digits.csv"

    def lines(self) -> list[str]:
        return ["Made it."]


def test_a_build_says_where_a_generator_is_that_it_trained(
    drawings: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("synthgen.shards.build.build", lambda *_, **__: Made())
    monkeypatch.setattr(
        "synthgen.gan.cache.train", lambda digits, folder, *_, **__: copy_shipped(folder)
    )
    built, trained = (
        CliRunner().invoke(cli, ["build", "--no-evaluate", "--data", drawings, *more]).output
        for more in ([], ["--train"])
    )
    assert "Generator" not in built
    (folder,) = (
        line.removeprefix("Generator ")
        for line in trained.splitlines()
        if line.startswith("Generator ")
    )
    assert read_checkpoint(folder).sha256 == read_checkpoint(shipped_checkpoint()).sha256


def test_a_build_leaves_a_fuller_evaluation_alone(
    drawings: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[Any] = []
    monkeypatch.setattr("synthgen.shards.build.build", lambda *_, **__: Made())
    monkeypatch.setattr(
        "synthgen.cli.building.evaluate_set", lambda *_, **options: asked.append(options)
    )
    assert CliRunner().invoke(cli, ["build", "--data", drawings]).exit_code == 0
    assert asked == [{"or_fuller": True}]


def test_a_training_of_one_generator_a_class_goes_on_as_one(
    drawings: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out, asked = str(tmp_path / "gan"), []
    gan = dataclasses.asdict(PRESETS["dcgan"].settings)
    identity = {
        "gan": gan,
        "seed": 0,
        "preset": "dcgan",
        "training_data": "",
        "labels": "per-class",
    }
    save_run(
        open_storage(out),
        identity,
        SavedRun({"step": np.array(0)}, {}, 0.0, {"log": [], "events": []}),
    )
    monkeypatch.setattr(
        "synthgen.cli.training._trainer", lambda labels: asked.append(labels) or stop
    )
    for more in ([], ["--preset", "dcgan"], ["--labels", "classifier"]):
        CliRunner().invoke(cli, ["train", "--out", out, "--resume", "--data", drawings, *more])
    assert asked == ["per-class", "per-class", "none"]


def test_the_default_recipe_is_fitted_to_few_images(
    drawings: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    recipes: list[GanSettings] = []
    few = [], ["--steps", "7", "--latent", "5"], ["--preset", "dcgan", "--labels", "classifier"]
    monkeypatch.setattr(
        "synthgen.cli.training._trainer",
        lambda _: lambda digits, out, gan, *rest, **about: recipes.append(gan) or stop(),
    )
    told = [
        CliRunner()
        .invoke(cli, ["train", "--out", str(tmp_path / "gan"), "--data", drawings, *more])
        .stderr
        for more in few
    ]
    default, fitted = (
        PRESETS["cdcgan"].settings,
        recipe_for(load_real(drawings).train.counts().tolist(), "cdcgan"),
    )
    assert fitted.steps < default.steps
    assert recipes == [
        fitted,
        dataclasses.replace(fitted, steps=7, latent=5),
        PRESETS["dcgan"].settings,
    ]
    assert "training images, " in told[0]
    assert (
        f"cdcgan is trained with --steps {fitted.steps} --translation {fitted.translation}; options that you name"
        in told[0]
    )
    assert f"cdcgan is trained with --translation {fitted.translation}; options" in told[1]
    assert "is trained with" not in told[2]


def stop(*_: Any, **__: Any) -> None:
    raise Interrupted("Stopped after step 5.")


def test_a_report_that_cannot_be_written_does_not_hide_why_a_training_ended(
    drawings: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("synthgen.cli.training._trainer", lambda _: stop)
    result = CliRunner().invoke(
        cli, ["train", "--out", str(tmp_path / "gan"), "--data", drawings, "--report"]
    )
    assert isinstance(result.exception, Interrupted)
    assert "NOTICE: no report. Expected a training in" in result.stderr


def test_only_mnist_is_said_to_lie_in_the_cache(
    drawings: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    digits = load_real(drawings)
    monkeypatch.setattr(sources, "load_real", lambda *_, **__: digits)
    said = [CliRunner().invoke(cli, ["data", "info", name]).output for name in ("mnist", drawings)]
    assert said == [f"cache   {tmp_path}/cache/mnist\n{said[1]}", said[1]]
    assert said[1].startswith("source  ")


def test_presets_are_listed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KERAS_BACKEND", "torch")  # as other programs of the user may want it
    result = synthgen("presets")
    assert result.returncode == 0
    for name, (settings, recipe, reference, *_) in PRESETS.items():
        assert f"{name:<14}{recipe}\n" in result.stdout
        assert (
            f"{settings.steps:,} steps of {settings.batch} images, latent {settings.latent}, condition: {settings.condition}\n"
            in result.stdout
        )
        assert f"{reference}\n" in result.stdout
    assert "parameters: generator 2,343,681, discriminator 212,865\n" in result.stdout
    assert (
        "multiplications per image of 28 x 28: 51.7 M to generate, 217 M per training step\n"
        in result.stdout
    )


def test_the_version_is_said() -> None:
    assert synthgen("--version").stdout.startswith("synthgen, version 0.1.0")


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (Interrupted("Stopped; all is saved."), "Stopped; all is saved.\n"),
        (WorkerLost("Another machine is gone."), "Error: Another machine is gone.\n"),
        (DataError("Too few."), "Error: Too few.\n"),
    ],
)
def test_stopping_on_purpose_is_no_error(
    error: SynthgenError,
    said: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    def fail(**_: object) -> None:
        raise error

    monkeypatch.setattr(cli, "main", fail)
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == error.exit_code
    assert capsys.readouterr().err == said
