"""The `synthgen` command, also as `python -m synthgen`."""

import os
import signal
import sys
from types import FrameType


def start() -> None:
    """Run the command line, once Ctrl-C and the names of files are taken care of."""
    if sys.getfilesystemencoding() != "utf-8" and os.environ.get("PYTHONUTF8") != "1":
        # begin again: in such a locale names of files are taken for others, or for none
        terminal = getattr(sys.stdout, "encoding", None) or "utf-8"
        environment = {"PYTHONIOENCODING": terminal} | dict(os.environ) | {"PYTHONUTF8": "1"}
        os.execve(sys.executable, sys.orig_argv, environment)
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, _end_at_once)
    from synthgen.cli import main

    main()


def _end_at_once(_: int, __: FrameType | None) -> None:
    """End the process, before a command has begun or after it has ended."""
    try:
        os.write(2, b"Interrupted.\n")
    finally:
        os._exit(130)


if __name__ == "__main__":
    start()
