"""Commands that run in the process of the tests."""

import sys
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import pytest

from synthgen.cli import main


class CommandResult(NamedTuple):
    """How a command ended and what it printed."""

    code: int
    out: str
    err: str


RunCommand = Callable[..., CommandResult]


@pytest.fixture
def run_command(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> RunCommand:
    """Runs `synthgen ARGUMENTS` in an empty folder, from parsing to exit code."""

    def run(*arguments: str) -> CommandResult:
        monkeypatch.setattr(sys, "argv", ["synthgen", *arguments])
        with pytest.raises(SystemExit) as ended:
            main()
        captured = capsys.readouterr()
        assert isinstance(ended.value.code, int)
        return CommandResult(ended.value.code, captured.out, captured.err)

    monkeypatch.chdir(tmp_path)
    return run
