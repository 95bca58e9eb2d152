"""Lines for a terminal."""

import textwrap
from collections.abc import Iterable

from synthgen.text import DASH, GAP, MINUS, printable

COLUMNS_OF_TERMINAL = 80

# Typography that not every terminal can show, and what stands in its place there.
PLAIN = str.maketrans({MINUS: "-", DASH: "-", GAP: " ", "\n": " ", "\t": " "})


def for_terminal(lines: Iterable[str]) -> tuple[str, ...]:
    """Makes lines inert: a terminal shows them, each as one line, and obeys nothing in them.

    Args:
        lines: words of anyone.

    Returns:
        As many lines, without blanks at their ends.
    """
    return tuple(printable(line).translate(PLAIN).rstrip() for line in lines)


def wrapped(text: str, indent: str, further: str = "") -> list[str]:
    """Breaks a sentence into lines of at most 80 columns.

    Args:
        text: of any length.
        indent: what each line begins with.
        further: what every line but the first begins with besides.
    """
    return textwrap.wrap(
        text,
        COLUMNS_OF_TERMINAL,
        initial_indent=indent,
        subsequent_indent=indent + further,
    )
