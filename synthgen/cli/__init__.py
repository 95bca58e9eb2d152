"""The command line: it parses, calls `synthgen.pipeline`, prints, and nothing else.

`main` here runs a command and turns errors into exit codes; the commands are in the files beside.
Nothing heavy is imported before a command needs it.
"""

import contextlib
import os
import signal
import socket
import sys
from collections.abc import Callable, Iterator

import click

from synthgen import __version__
from synthgen.cli.building import build, export, merge
from synthgen.cli.evaluating import benchmark, evaluate
from synthgen.cli.inspecting import data, presets, show, verify
from synthgen.cli.output import complain, open_streams, output_was_lost, show_messages
from synthgen.cli.training import train
from synthgen.errors import CheckFailed, Interrupted, SettingsError, SynthgenError, WorkerLost
from synthgen.signals import ending_signals
from synthgen.text import in_short

MEMORY_ADVICE = (
    "Free some, let fewer work side by side (--workers), or take a smaller --batch or network."
)


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 120})
@click.version_option(__version__, prog_name="synthgen")
def cli() -> None:
    """Labelled synthetic digits from a conditional GAN, and whether they help.

    The digits lie in files that any training job reads; the answer is measured on real digits.

    \b
    synthgen build --per-class 5000        the whole job, into data/ and manifests/
    synthgen verify manifests/digits.csv   is all of it there and unharmed?
    """  # noqa: D301 (click wants the character itself)


def _choose_messages(ctx: click.Context, param: click.Parameter, chosen: bool) -> None:
    """Heed -v or -q, which may stand before the command or behind it."""
    if chosen:
        show_messages(verbose=param.name == "verbose", quiet=param.name == "quiet")


MESSAGES = (
    click.Option(
        ["-v", "--verbose"],
        is_flag=True,
        is_eager=True,
        expose_value=False,
        callback=_choose_messages,
        help="Show what is tried, and all that TensorFlow writes (also with SYNTHGEN_VERBOSE=1).",
    ),
    click.Option(
        ["-q", "--quiet"],
        is_flag=True,
        is_eager=True,
        expose_value=False,
        callback=_choose_messages,
        help="Print results and errors only: no notices, no progress.",
    ),
)

for command in (build, merge, export, train, evaluate, benchmark, verify, show, data, presets):
    cli.add_command(command)
for command in (cli, *cli.commands.values(), *data.commands.values()):
    command.params += MESSAGES


def main() -> None:
    """Run the command line and end the process with the exit code of what happened."""
    output = open_streams()
    show_messages(verbose=bool(os.environ.get("SYNTHGEN_VERBOSE")), quiet=False)
    with _ended_by_signals() as received:
        code = _run()
        # tell a program that watches this one which signal ended it
        if code == Interrupted.exit_code and received():
            code = 128 + received()
    output.flush()
    if code == 0 and output_was_lost(output):
        complain(f"Error: the results above could not be printed: {output.failure}.")
        code = CheckFailed.exit_code
    sys.exit(code)


def _run() -> int:
    """Run the command line; returns the exit code."""
    # tqdm takes the defaults of its bars from the environment, as soon as it is imported
    bars = [f"{name}={value}" for name, value in os.environ.items() if name.startswith("TQDM_")]
    try:
        if bars:
            import tqdm  # noqa: F401
    except (TypeError, ValueError) as error:
        complain(
            in_short(
                f"Error: Expected settings of progress bars that tqdm can use, received "
                f"{', '.join(bars)} in the environment: {error}. Mend or unset them."
            )
        )
        return SettingsError.exit_code
    try:
        cli.main(standalone_mode=False)
    except click.ClickException as error:
        error.show()
        return error.exit_code
    except (KeyboardInterrupt, click.Abort):
        complain("Interrupted.")
        return Interrupted.exit_code
    except SynthgenError as error:
        # a stop that the user asked for is no error
        wanted = isinstance(error, Interrupted) and not isinstance(error, WorkerLost)
        complain(in_short(str(error) if wanted else f"Error: {error}"))
        return error.exit_code
    except Exception as error:
        # of NumPy and Python; of TensorFlow, which need not be loaded here
        if isinstance(error, MemoryError) or type(error).__name__ == "ResourceExhaustedError":
            complain(
                f"Error: There is not enough memory: {in_short(str(error), 200)}. {MEMORY_ADVICE}"
            )
            return SettingsError.exit_code
        if type(error).__module__.startswith("tensorflow."):
            complain("TensorFlow failed. `synthgen -v ...` shows everything that it writes.")
        raise
    return 0


@contextlib.contextmanager
def _ended_by_signals() -> Iterator[Callable[[], int]]:
    """Let other signals end a command as Ctrl-C does; yields what tells the last signal, or 0.

    A signal that the process was started to ignore (`nohup`) is still ignored. Which signals came
    is read from the wake-up descriptor, which sees them whoever handles them: a training has
    handlers of its own, to end between two steps.
    """
    ours, theirs = socket.socketpair()
    ours.setblocking(False)
    theirs.setblocking(False)
    seen = bytearray()

    def last() -> int:
        with contextlib.suppress(BlockingIOError):
            seen.extend(ours.recv(4096))
        return seen[-1] if seen else 0

    before = {
        number: signal.signal(number, signal.default_int_handler) for number in ending_signals()
    }
    signal.set_wakeup_fd(theirs.fileno(), warn_on_full_buffer=False)
    try:
        yield last
    finally:
        signal.set_wakeup_fd(-1)
        for number, handler in before.items():
            signal.signal(number, handler)
        ours.close()
        theirs.close()
