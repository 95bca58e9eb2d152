"""Which signals end a job as Ctrl-C does."""

import signal

# Windows has the first two alone.
ENDING_SIGNALS = [n for n in signal.Signals if n.name in ("SIGINT", "SIGTERM", "SIGHUP")]
# What batch systems send before the time of a job is over; without a handler it ends the process.
WARNING_SIGNALS = [n for n in signal.Signals if n.name in ("SIGUSR1", "SIGUSR2", "SIGXCPU")]


def ending_signals() -> list[signal.Signals]:
    """Return the signals that are to end a job: those that would end the process.

    Signals that this process ignores are not among them (SIGHUP under nohup), nor warnings of a
    batch system that the program has a handler of its own for.
    """
    ends = (signal.SIG_DFL, signal.default_int_handler)
    found = [n for n in ENDING_SIGNALS if signal.getsignal(n) is not signal.SIG_IGN]
    return found + [n for n in WARNING_SIGNALS if signal.getsignal(n) in ends]
