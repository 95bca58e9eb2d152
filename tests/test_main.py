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
