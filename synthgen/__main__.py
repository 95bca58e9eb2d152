"""The `synthgen` command, also as `python -m synthgen`."""

import os
import signal
from types import FrameType


def start() -> None:
    """Run the command line, which is imported once Ctrl-C is taken care of."""
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
