"""Options from a file: TOML, or the run record of a set."""

import json
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from synthgen.cli.config_file import CONFIG
from synthgen.cli.options import FAIL_IF, settings_options
from synthgen.config import BuildSettings
from synthgen.errors import SettingsError
from tests.cli.conftest import RunCommand


@click.command()
@CONFIG
@settings_options(BuildSettings)
@FAIL_IF
@click.option("--evaluate/--no-evaluate", default=True)
def command(settings: BuildSettings, fail_if: tuple[str, ...], evaluate: bool) -> None:
    click.echo(f"{settings.per_class} {settings.formats} {settings.counts} {fail_if} {evaluate}")


def run(toml: str, folder: Path, *arguments: str) -> str:
    """What the command says with a file of this content."""
    (folder / "build.toml").write_text(toml, encoding="utf-16" if "UTF-16" in toml else "utf-8")
    given = ["--config", str(folder / "build.toml"), *arguments]
    return CliRunner().invoke(command, given, catch_exceptions=False).output


def test_keys_are_options_and_the_command_line_wins(tmp_path: Path) -> None:
    toml = (
        "per-class = 20\nformats = ['hdf5', 'npz']\ncounts = '3=5,7=1'\nevaluate = false\n"
        "fail-if = ['fd > 2', 'coverage < 0.5']"
    )
    taken = "('hdf5', 'npz') ('3=5', '7=1')"
    gates = "('fd > 2', 'coverage < 0.5')"
    assert run(toml, tmp_path) == f"20 {taken} {gates} False\n"
    assert run("\ufeff" + toml, tmp_path) == run(toml, tmp_path)  # as Windows saves it
    assert run(toml, tmp_path, "--per-class", "7") == f"7 {taken} {gates} False\n"
    assert run("per_class = 1e3", tmp_path) == "1000 ('hdf5', 'png') () () True\n"


@pytest.mark.parametrize(
    ("toml", "message"),
    [
        ("per-clas = 3", "received 'per-clas'; did you mean per-class?"),
        ("[build]\nper-class = 3", "expected options of `command`, received 'build'"),
        ("config = 'x'", "received 'config'"),
        ("per-class = true", "--per-class: expected a text, a number or a list of these"),
        ("per-class = 2.5", "--per-class: expected a whole number, received '2.5'"),
        ("evaluate = 'no'", "--evaluate: expected true or false, received 'no'"),
        ("per-class = [[1]]", "--per-class: expected a text, a number or a list of these"),
        ("# UTF-16", "expected a TOML file in UTF-8, received another encoding"),
        ("per-class =", "expected a TOML file with lines such as `seed = 7`"),
    ],
)
def test_what_is_no_option_or_no_value_is_refused(toml: str, message: str, tmp_path: Path) -> None:
    with pytest.raises(SettingsError) as refused:
        run(toml, tmp_path)
    assert message in str(refused.value)
    assert str(tmp_path / "build.toml") in str(refused.value)


def test_a_run_record_goes_with_build_alone(run_command: RunCommand, tmp_path: Path) -> None:
    (tmp_path / "digits.json").write_text("{}")
    result = run_command("train", "--config", "digits.json")
    assert result.code == 2
    assert "A run record is taken by `synthgen build` alone." in result.err
    result = run_command("build", "--config", "digits.json")
    assert result.code == 2
    assert "digits.json is not a run record" in result.err


@pytest.mark.slow
def test_a_set_is_built_again_from_its_run_record(
    run_command: RunCommand, tmp_path: Path, mnist: object
) -> None:
    options = ["--per-class", "11", "--seed", "5", "--shard-size", "50", "--no-evaluate", "--json"]
    first = json.loads(run_command("build", "-q", "--root", "a", *options).out)
    assert first["images"] == 110
    assert first["counts"] == dict.fromkeys("0123456789", 11)
    assert first["same_shards_as_record"] is None

    result = run_command("build", "--config", first["record"], "--root", "b", "--no-evaluate")
    assert "a/manifests/digits.json says what was built, not where" in result.err
    assert "The shards are those of the run record, byte for byte." in result.out
    for path in ("data/digits/hdf5/00002.h5", "manifests/digits.csv"):
        assert (tmp_path / "a" / path).read_bytes() == (tmp_path / "b" / path).read_bytes()

    options = ["--config", first["record"], "--root", "c", "--no-evaluate", "--seed", "6", "--json"]
    result = run_command("build", *options)
    assert json.loads(result.out)["same_shards_as_record"] is False
    assert "other files than those of the run record: --seed was 5, is 6." in result.err

    # other commands for machines; nothing but the object on standard output, nothing to say
    for command in (["verify", first["manifest"]], ["show", first["manifest"], "3-0000002"]):
        result = run_command("-q", *command, "--json")
        assert (result.code, result.err) == (0, "")
        assert json.loads(result.out)
