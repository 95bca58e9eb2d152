"""What commands print: results to standard output, everything else to standard error.

A reader that has gone (`synthgen build | head -1`), a terminal that was closed, a full disk behind
`> file`, a letter that the encoding lacks: none of them stops the work of a command or ends it in a
traceback.
"""

import errno
import logging
import os
import shlex
import sys
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, TextIO

import click

from synthgen.text import printable

if TYPE_CHECKING:
    from synthgen.evaluation.evaluate import Evaluated
    from synthgen.evaluation.own_digits import OwnDigitsVerdict
    from synthgen.pipeline import WholeBuild
    from synthgen.shards.build import BuildResult


def say(*lines: str) -> None:
    """Print results."""
    for line in lines:
        click.echo(printable(line))


def say_json(result: Mapping[str, Any]) -> None:
    """Print results as one JSON object, in one line."""
    from synthgen.records import to_json

    click.echo(to_json(result).decode().rstrip())


def notice(line: str) -> None:
    """Print what is neither a result nor an error, to standard error; nothing with --quiet."""
    if not getattr(sys.stderr, "quiet", False):
        complain(line)


def complain(line: str) -> None:
    """Print an error."""
    click.echo(printable(line), err=True)


def as_argument(path: str) -> str:
    """Write a path so that a shell and a command take it for one, also if it begins with a dash."""
    return shlex.quote(f"./{path}" if path.startswith("-") else path)


def say_evaluation(evaluated: "Evaluated", beside: str = "/") -> None:
    """Print what an evaluation found and where its report lies.

    Args:
        evaluated: the evaluation.
        beside: a path as the user named it; where it is relative, that of the report is, too.
    """
    from synthgen.reports.evaluation import evaluation_lines

    evaluation = evaluated.evaluation
    report = evaluated.place.report
    if os.path.isabs(report) and not os.path.isabs(beside):
        report = os.path.relpath(report)
    say(*evaluation_lines(evaluation), f"  report: {report}")
    if evaluated.reused:
        size = f"arms: {len(evaluation.settings.arms)}, seeds: {len(evaluation.seeds)}"
        say(
            f"This evaluation was there already ({size}), of the same data, settings and "
            "versions: nothing was trained."
        )


def say_own_digits(found: "OwnDigitsVerdict", made: "BuildResult") -> None:
    """Print what a set is worth beside own digits, and where the report lies."""
    from synthgen.reports.own_digits import OWN_DIGITS_REPORT, own_digits_lines
    from synthgen.shards.layout import evaluation_folder

    name = made.manifest.rpartition("/")[2].removesuffix(".csv")
    report = f"{evaluation_folder(name)}/{OWN_DIGITS_REPORT}"
    if made.root != ".":
        report = os.path.join(made.root, report)
    say(*own_digits_lines(found), f"  report: {report}")


def say_worth(done: "WholeBuild") -> None:
    """Print for whom a set of the shipped generator is worth what."""
    from synthgen.evaluation.worth import worth_of
    from synthgen.reports.worth import worth_lines

    assert done.evaluation is not None
    if done.evaluation.evaluation.synthetic.generator_saw_only_real_train:
        say(*worth_lines(worth_of(done.set.record.checkpoint.sha256)))


class StandardStream:
    r"""A text stream that goes on without an error when it can be written no longer.

    Args:
        stream: the stream to write to; what it cannot encode is written as \u1234.
    """

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self.quiet = False  # then it is no terminal, for progress bars, and gets no notices
        self.failure: OSError | None = None
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")

    def write(self, text: str) -> int:
        """Write a text, or drop it."""
        try:
            self._stream.write(text)
        except OSError as error:
            self._give_up(error)
        return len(text)

    def flush(self) -> None:
        """Write what is waiting, or drop it."""
        try:
            self._stream.flush()
        except OSError as error:
            self._give_up(error)

    def isatty(self) -> bool:
        """Whether somebody is looking."""
        return not self.quiet and self._stream.isatty()

    def _give_up(self, error: OSError) -> None:
        """Send what is waiting, and all that follows, to nowhere."""
        self.failure = error
        null = os.open(os.devnull, os.O_WRONLY)
        os.dup2(null, self._stream.fileno())
        os.close(null)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


def open_streams() -> StandardStream:
    """Replace the standard streams by ones that never raise an error; returns standard output.

    A process may be started with one of them closed (`2>&-`). The next file that is opened would
    take its number, and messages of C libraries would end up in that file: the null device takes
    it instead.
    """
    for descriptor in (0, 1, 2):
        try:
            os.fstat(descriptor)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # takes the lowest number that is free
    output = StandardStream(sys.stdout or os.fdopen(1, "w"))
    sys.stdout = output
    sys.stderr = StandardStream(sys.stderr or os.fdopen(2, "w"))
    return output


def output_was_lost(output: StandardStream) -> bool:
    """Whether results could not be written although their reader is there: a full disk, say."""
    return output.failure is not None and output.failure.errno != errno.EPIPE


def show_messages(verbose: bool, quiet: bool) -> None:
    """Decide what is shown beside the words of a command.

    Args:
        quiet: show no notices and no progress.
        verbose: show what is tried, step by step, and everything that TensorFlow writes. Otherwise
            it writes what makes it abort; its other errors arrive as exceptions.
    """
    os.environ.pop("MPLBACKEND", None)  # of windows, which no plot here needs
    if quiet and isinstance(sys.stderr, StandardStream):
        sys.stderr.quiet = True
        logging.getLogger("synthgen").setLevel(logging.ERROR)
    if verbose:
        os.environ["SYNTHGEN_VERBOSE"] = "1"  # for TensorFlow's import, in other processes too
        logger = logging.getLogger("synthgen")
        logger.setLevel(logging.DEBUG)
        logger.addHandler(logging.StreamHandler())
    else:
        # not 2: its optimizers write lines of severity E about rewrites that they skip
        os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
        for library in ("tensorflow", "matplotlib"):
            logging.getLogger(library).setLevel(logging.ERROR)
        logging.getLogger("PIL").setLevel(logging.CRITICAL)  # its errors arrive as exceptions
