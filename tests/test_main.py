"""The `synthgen` command before its command line is there."""

import os
import subprocess
import sys
from pathlib import Path


def test_an_interrupt_of_the_start_is_no_traceback(tmp_path: Path) -> None:
    """It comes while the first of all libraries is being imported."""
    (tmp_path / "click.py").write_text("import signal\nsignal.raise_signal(signal.SIGINT)\n")
    path = os.pathsep.join([str(tmp_path), str(Path(__file__).parents[1])])
    ended = subprocess.run(
        [sys.executable, "-m", "synthgen", "presets"],
        capture_output=True,
        env=os.environ | {"PYTHONPATH": path},
    )
    assert (ended.returncode, ended.stderr) == (130, b"Interrupted.\n")


def test_a_locale_without_utf8_changes_no_names(tmp_path: Path) -> None:
    """The command begins again, with the encoding of the terminal as it was."""
    (tmp_path / "click.py").write_text(
        "import os, sys\nprint(ascii(sys.argv[1]), sys.stdout.encoding)\nos._exit(7)\n"
    )
    path = os.pathsep.join([str(tmp_path), str(Path(__file__).parents[1])])
    locale = {"LC_ALL": "C", "PYTHONCOERCECLOCALE": "0", "PYTHONUTF8": "0"}
    ended = subprocess.run(
        [sys.executable, "-m", "synthgen", b"\xc3\x9f"],
        capture_output=True,
        env=os.environ | {"PYTHONPATH": path, "PYTHONIOENCODING": "latin-1"} | locale,
    )
    assert (ended.returncode, ended.stdout) == (7, b"'\\xdf' iso8859-1\n")
