"""Streams that nobody reads, that are full or closed, and letters that they lack."""

import errno
import io
import subprocess
import sys
from pathlib import Path

import pytest

from synthgen.cli.output import StandardStream, as_argument, notice, output_was_lost, say
from tests.cli.conftest import RunCommand


class BrokenStream(io.TextIOWrapper):
    """Standard output that fails with an error number; what is discarded goes to a real file."""

    def __init__(self, number: int, descriptor: int) -> None:
        super().__init__(io.BytesIO(), "ascii")
        self._number, self._descriptor = number, descriptor

    def write(self, text: str) -> int:
        raise OSError(self._number, "broken")

    def fileno(self) -> int:
        return self._descriptor


@pytest.mark.parametrize(
    ("number", "lost"), [(errno.EPIPE, False), (errno.ENOSPC, True), (errno.EIO, True)]
)
def test_a_stream_that_breaks_raises_nothing(
    number: int, lost: bool, tmp_path_factory: pytest.TempPathFactory
) -> None:
    with (tmp_path_factory.mktemp("stream") / "file").open("w") as file:
        stream = StandardStream(BrokenStream(number, file.fileno()))
        assert stream.failure is None
        assert stream.write("results") == 7
        assert stream.failure is not None
        assert stream.failure.errno == number
        assert output_was_lost(stream) == lost


def test_letters_that_the_encoding_lacks_are_written_as_numbers() -> None:
    written = io.BytesIO()
    stream = StandardStream(io.TextIOWrapper(written, "ascii"))
    stream.write("één 二")
    stream.flush()
    assert written.getvalue() == rb"\xe9\xe9n \u4e8c"
    assert not output_was_lost(stream)


def test_what_a_terminal_would_obey_is_replaced(capsys: pytest.CaptureFixture[str]) -> None:
    say("class \x1b[31mseven", "next")
    notice("\x07bell")
    captured = capsys.readouterr()
    assert captured.out == "class \N{REPLACEMENT CHARACTER}[31mseven\nnext\n"
    assert captured.err == "\N{REPLACEMENT CHARACTER}bell\n"


@pytest.mark.parametrize(
    ("redirection", "code", "error"),
    [
        ("| head -1", 0, ""),
        (">&-", 0, ""),
        ("2>&-", 0, ""),
        (">&- 2>&-", 0, ""),
        ("> /dev/full", 1, "Error: the results above could not be printed: [Errno 28]"),
        ("2> /dev/full", 0, ""),
    ],
)
def test_no_redirection_ends_in_a_traceback(redirection: str, code: int, error: str) -> None:
    command = f"set -o pipefail; {sys.executable} -m synthgen presets {redirection}"
    result = subprocess.run(["bash", "-c", command], capture_output=True, text=True, check=False)
    assert result.returncode == code
    assert result.stderr.startswith(error)
    assert "Traceback" not in result.stderr
    assert result.stderr.count("\n") <= 1


def test_a_path_that_begins_with_a_dash_stays_a_path() -> None:
    assert as_argument("-x/manifests/digits.csv") == "./-x/manifests/digits.csv"
    assert as_argument("my root/a.csv") == "'my root/a.csv'"
    assert as_argument("s3://bucket/a.csv") == "s3://bucket/a.csv"


def test_quiet_leaves_results_and_errors(run_command: RunCommand, tmp_path: Path) -> None:
    """Before the command or behind it; progress bars see no terminal then."""
    stream = StandardStream(io.StringIO())
    stream.quiet = True
    assert not stream.isatty()
    (tmp_path / "digits.json").write_text("{}")
    for arguments in (["-q", "presets"], ["presets", "--quiet"]):
        result = run_command(*arguments)
        assert result.out.startswith("cdcgan")
    result = run_command("verify", "none.csv", "-q")
    assert result.code == 2
    assert result.err.startswith("Error: ")


def test_no_command_colours_its_words(run_command: RunCommand) -> None:
    """Whatever NO_COLOR and FORCE_COLOR say."""
    for arguments in (["--help"], ["presets"], ["verify", "none.csv"], ["build", "--seed", "x"]):
        result = run_command(*arguments)
        assert "\x1b" not in result.out + result.err
