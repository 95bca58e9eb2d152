"""The command line as a whole: exit codes, messages, help, signals."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from click.testing import CliRunner

from synthgen.cli import cli, main
from synthgen.errors import DataError, Interrupted, SynthgenError, WorkerLost
from synthgen.signals import ending_signals
from tests.cli.conftest import RunCommand
from tests.test_docs import commands


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
        (
            ["build", "--preset", "unheard-of"],
            "--preset: expected one of cdcgan, cdcgan-concat",
        ),
        (["build", "--preset", "cdcgan"], "--preset goes with --train"),
        (
            ["build", "--train", "--preset", "unheard-of"],
            "--preset: expected one of cdcgan, cdcgan-concat",
        ),
        (["build", "--train", "--checkpoint", "x"], "exclude each other"),
        (["build", "--checkpoint", "/nowhere"], "Expected a checkpoint folder at /nowhere"),
        (
            ["build", "--labels", "unheard-of"],
            "--labels: expected one of auto, condition, per-class, classifier, "
            "received 'unheard-of'",
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
            "--labels auto does not go with this generator: it knows nothing of classes. "
            "Train one generator a class (`synthgen train --labels per-c",
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
def test_bad_input_ends_with_code_2_and_writes_nothing(
    arguments: list[str], message: str, run_command: RunCommand, tmp_path: Path
) -> None:
    result = run_command(*arguments)
    assert message in " ".join((result.out + result.err).split())
    assert result.code == 2
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "command", [(), *(tuple(name.split()[1:]) for name in commands()), ("data",)]
)
def test_help_does_not_show_the_mark_that_keeps_lines(command: tuple[str, ...]) -> None:
    result = CliRunner().invoke(cli, [*command, "--help"], prog_name="synthgen")
    assert result.output.startswith("Usage: synthgen")
    assert "\\b" not in result.output
    assert "\b" not in result.output


def test_the_examples_of_the_help_stand_on_their_own_lines() -> None:
    lines = [line.strip() for line in CliRunner().invoke(cli, ["--help"]).output.splitlines()]
    examples = (
        "synthgen build --per-class 5000        the whole job, into data/ and manifests/",
        "synthgen verify manifests/digits.csv   is all of it there and unharmed?",
    )
    for example in examples:
        assert example in lines


def test_a_disk_that_is_too_small_is_found_before_writing(
    run_command: RunCommand, tmp_path: Path
) -> None:
    result = run_command("build", "--per-class", "1e12", "--no-evaluate")
    assert result.code == 2
    assert "free" in result.err
    assert list(tmp_path.iterdir()) == []


def test_a_file_in_the_place_of_the_root_is_refused(
    run_command: RunCommand, tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("mine")
    result = run_command("build", "--per-class", "1", "--root", "file")
    assert result.code == 2
    assert "Expected a folder" in result.err
    assert (tmp_path / "file").read_text() == "mine"


def test_the_module_is_the_command() -> None:
    command = [sys.executable, "-m", "synthgen", "--version"]
    said = subprocess.run(command, capture_output=True, text=True, check=True)
    assert said.stdout.startswith("synthgen, version 0.1.0")


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


def test_after_a_failure_of_tensorflow_verbose_is_advised(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    failure = type("InternalError", (Exception,), {"__module__": "tensorflow.python.framework"})
    for error, advised in ((failure("DNN library"), True), (ValueError("a mistake"), False)):

        def fail(error: Exception = error, **_: object) -> None:
            raise error

        monkeypatch.setattr(cli, "main", fail)
        with pytest.raises(type(error), match=str(error)):
            main()
        assert ("`synthgen -v ...` shows everything" in capsys.readouterr().err) == advised


class ResourceExhaustedError(Exception):
    """As TensorFlow's, which says in many lines where it had too little memory."""


@pytest.mark.parametrize(
    "error", [MemoryError("Unable to allocate 9 GiB"), ResourceExhaustedError("OOM" * 1000)]
)
def test_too_little_memory_is_said_in_one_line(
    error: Exception, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def run(**_: object) -> None:
        raise error

    monkeypatch.setattr(cli, "main", run)
    with pytest.raises(SystemExit) as ended:
        main()
    (line,) = capsys.readouterr().err.splitlines()
    assert ended.value.code == 2
    assert len(line) < 400
    assert line.startswith("Error: There is not enough memory: ")
    assert line.endswith("or take a smaller --batch or network.")


@pytest.mark.parametrize(
    ("number", "code"),
    [
        (signal.SIGINT, 130),
        (signal.SIGTERM, 143),
        (signal.SIGHUP, 129),
        (signal.SIGUSR1, 138),
        (signal.SIGXCPU, 152),
    ],
)
@pytest.mark.parametrize("catches", [True, False])
def test_a_signal_ends_a_command_with_its_exit_code(
    number: signal.Signals,
    code: int,
    catches: bool,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Also where the command has a handler of its own, as a training has."""
    ignored = signal.getsignal(number)  # SIGHUP may be, where the tests run without a terminal
    before = signal.default_int_handler if number == signal.SIGINT else signal.SIG_DFL
    signal.signal(number, before)

    def run(**_: object) -> None:
        if catches:
            signal.signal(number, lambda *_: None)
            signal.raise_signal(number)
            raise Interrupted("Stopped; all is saved.")
        signal.raise_signal(number)
        time.sleep(10)

    monkeypatch.setattr(cli, "main", run)
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == code
    assert capsys.readouterr().err == ("Stopped; all is saved.\n" if catches else "Interrupted.\n")
    after = signal.getsignal(number)
    signal.signal(number, ignored)
    assert after == before


def test_a_warning_that_a_program_waits_for_is_left_to_it() -> None:
    assert signal.SIGUSR1 in ending_signals()
    before = signal.signal(signal.SIGUSR1, lambda *_: None)
    try:
        assert signal.SIGUSR1 not in ending_signals()
    finally:
        signal.signal(signal.SIGUSR1, before)


def test_a_signal_that_is_to_be_ignored_is_ignored(monkeypatch: pytest.MonkeyPatch) -> None:
    def run(**_: object) -> None:
        signal.raise_signal(signal.SIGHUP)

    monkeypatch.setattr(cli, "main", run)
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)  # as nohup does
    try:
        with pytest.raises(SystemExit) as ended:
            main()
    finally:
        signal.signal(signal.SIGHUP, before)
    assert ended.value.code == 0


def test_shells_complete_commands_and_options(
    run_command: RunCommand, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("_SYNTHGEN_COMPLETE", "bash_complete")
    monkeypatch.setattr(sys.modules["__main__"], "__package__", None)  # else "python -m pytest"
    for typed, offered in (("synthgen bu", "build"), ("synthgen build --per", "--per-class")):
        monkeypatch.setenv("COMP_WORDS", typed)
        monkeypatch.setenv("COMP_CWORD", str(typed.count(" ")))
        assert run_command().out == f"plain,{offered}\n"


def test_progress_bars_that_tqdm_cannot_draw_are_an_error() -> None:
    """tqdm reads its variables when it is imported, so this takes a process of its own."""
    environment = {**os.environ, "TQDM_MININTERVAL": "often"}
    command = [sys.executable, "-m", "synthgen", "presets"]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert done.stderr == (
        "Error: Expected settings of progress bars that tqdm can use, received "
        "TQDM_MININTERVAL=often in the environment: could not convert string to float: 'often'. "
        "Mend or unset them.\n"
    )
