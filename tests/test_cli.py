"""The command line: parsing, exit codes, messages. What the commands do is tested with the functions they call."""

import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from synthgen.cli import cli, main
from synthgen.errors import DataError, Interrupted, SynthgenError, WorkerLost
from synthgen.gan.presets import PRESETS
from tests.test_docs import commands


def synthgen(*arguments: str, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-m", "synthgen", *arguments], capture_output=True, text=True, check=False, cwd=cwd)


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
        (["build", "--train", "--preset", "unheard-of"], "--preset: expected one of cdcgan, cdcgan-concat"),
        (["build", "--train", "--checkpoint", "x"], "exclude each other"),
        (["build", "--checkpoint", "/nowhere"], "Expected a checkpoint folder at /nowhere"),
        (["build", "--labels", "unheard-of"], "--labels: expected one of auto, condition, per-class, classifier, received 'unheard-of'"),
        (["build", "--labels", "classifier"], "--labels classifier does not go with this generator: it is told the class"),
        (["build", "--train", "--labels", "per-class"], "--labels per-class does not go with this generator: it is told the class"),
        (
            ["build", "--train", "--preset", "dcgan"],
            "--labels auto does not go with this generator: it knows nothing of classes. Train one generator a class (`synthgen train --labels per-c",
        ),
        (["build", "--train", "--preset", "dcgan"], "`synthgen build --labels classifier`"),
        (["build", "--batch", "9"], "--batch: expected at least 10, one image of each class, received 9"),
        (["train", "--out", "x", "--labels", "per-class"], "its labels come from that condition; leave --labels away"),
        (["train", "--preset", "unheard-of", "--out", "x"], "--preset: expected one of cdcgan"),
        (["train", "--out", "x", "--generator-channels", "1,2"], "--generator-channels: expected one count for each of the 3 stages"),
        (["verify", "manifests/none.csv"], "manifests/none.csv, found none. A set has one when its build has ended."),
        (["evaluate", "manifests/none.csv"], "manifests/none.csv, found none. A set has one when its build has ended."),
        (["show", "manifests/none.csv", "0-0000000"], "manifests/none.csv, found none. A set has one when its build has ended."),
        (["evaluate", "data/none/hdf5/00000.h5"], "received 'data/none/hdf5/00000.h5'. Pass manifests/NAME.csv."),
        (["data", "info", "nowhere"], "nowhere"),
    ],
)
def test_bad_input_ends_with_code_2_and_a_message_and_writes_nothing(arguments: list[str], message: str, tmp_path: Path) -> None:
    result = synthgen(*arguments, cwd=tmp_path)
    assert message in " ".join((result.stdout + result.stderr).split())
    assert result.returncode == 2
    assert "Traceback" not in result.stderr
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("command", [(), *(tuple(name.split()[1:]) for name in commands()), ("data",)])
def test_no_help_shows_the_mark_that_keeps_its_lines_apart(command: tuple[str, ...]) -> None:
    result = CliRunner().invoke(cli, [*command, "--help"], prog_name="synthgen")
    assert result.output.startswith("Usage: synthgen")
    assert "\\b" not in result.output
    assert "\b" not in result.output


def test_the_examples_of_the_top_level_help_stand_on_lines_of_their_own() -> None:
    lines = [line.strip() for line in CliRunner().invoke(cli, ["--help"]).output.splitlines()]
    assert "synthgen build --per-class 5000        the whole job, into data/ and manifests/" in lines
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


def test_presets_are_listed() -> None:
    result = synthgen("presets")
    assert result.returncode == 0
    for name, (settings, recipe, reference, _) in PRESETS.items():
        assert f"{name:<14}{recipe}\n" in result.stdout
        assert f"{settings.steps:,} steps of {settings.batch} images, latent {settings.latent}, condition: {settings.condition}\n" in result.stdout
        assert f"{reference}\n" in result.stdout
    assert "parameters: generator 2,343,681, discriminator 212,865\n" in result.stdout
    assert "multiplications per image of 28 x 28: 51.7 M to generate, 217 M per training step\n" in result.stdout


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
    error: SynthgenError, said: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail(**_: object) -> None:
        raise error

    monkeypatch.setattr(cli, "main", fail)
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == error.exit_code
    assert capsys.readouterr().err == said
