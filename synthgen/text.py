"""Words for numbers, sizes and records, the same in the terminal, on a page and in messages.

`for_terminal` makes lines of anybody's words safe to print.
"""

import math
import re
import textwrap
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

MINUS = "\N{MINUS SIGN}"
DASH = "\N{EN DASH}"  # in the place of a figure that there is not
GAP = "\N{NO-BREAK SPACE}"  # between a figure and its unit

COLUMNS_OF_TERMINAL = 80
LEFT_OUT = " ... "

# Typography that not every terminal can show, and what stands in its place there.
PLAIN = str.maketrans({MINUS: "-", DASH: "-", GAP: " ", "\n": " ", "\t": " "})

# Characters that a terminal or a browser obeys instead of showing them, and halves of surrogate
# pairs, which no encoding can write. Line breaks and tabs are not among them.
UNPRINTABLE = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff]"
)

# How `repr` writes a wide blank, behind backslashes that belong to the text.
WIDE_BLANK = re.compile(r"(?<!\\)((?:\\\\)*)\\u3000")

# The line that Excel writes above a table, and reads, to say what parts its values.
SEPARATOR_LINE = re.compile(r'"?sep=([,;\t|])"?\r?(?:\n|$)')

NOT_IN_NAMES = re.compile(r'^\.|[/\\:*?"<>|\x00-\x1f\x7f-\x9f\ud800-\udfff]')
LONGEST_NAME = 255  # bytes of a file or folder


def can_name_folder(name: str) -> bool:
    """Returns whether a text can name a folder, on any system, that is not hidden."""
    if not name or NOT_IN_NAMES.search(name):
        return False
    return len(name.encode()) <= LONGEST_NAME


def count(value: float) -> str:
    """Writes a number of things: 12345 -> '12,345'."""
    return f"{round(value):,}".replace("-", MINUS)


def counted(value: int, noun: str) -> str:
    """Writes a number of things with their name.

    Args:
        value: how many there are.
        noun: what they are, in the singular; its plural is made with an s.

    Example:
        >>> counted(1, "shard"), counted(2000, "image")
        ('1 shard', '2,000 images')
    """
    return f"{value:,} {noun}" if value == 1 else f"{value:,} {noun}s"


def few_of(names: Sequence[str], most: int = 5) -> str:
    """Names the first few of a list.

    Example:
        >>> few_of(["a", "b", "c"], 2)
        'a, b and 1 more'
    """
    more = f" and {len(names) - most:,} more" if len(names) > most else ""
    return ", ".join(names[:most]) + more


def percent(share: float) -> str:
    """Writes a share of 0..1 as a percentage of two decimals: 0.9945 -> '99.45 %'."""
    return f"{100 * share:.2f}{GAP}%".replace("-", MINUS)


def signed(difference: float) -> str:
    """Writes a difference of two shares in percentage points, with its sign: 0.0049 -> '+0.49'.

    What rounds to 0 has no sign. The minus sign is a true one and not a hyphen.
    """
    text = f"{100 * difference:+.2f}"
    return "0.00" if float(text) == 0 else text.replace("-", MINUS)


def number(value: float, decimals: int | None = None) -> str:
    """Writes a number: 0.0123456 -> '0.01235', 12345.6 -> '12,346'.

    Args:
        value: any number.
        decimals: digits after the point; None for as many as show four significant digits.

    Returns:
        The number with commas between thousands; with an exponent from nine decimals on.
    """
    if value == 0:
        return "0"
    if not math.isfinite(value):
        return str(value)
    places = decimals_for(value, 4) if decimals is None else decimals
    text = f"{value:,.{places}f}" if places < 9 else f"{value:.3e}"
    return text.replace("-", MINUS)


def decimals_for(value: float, digits: int) -> int:
    """Returns how many decimals show so many significant digits of a value: 0.0123, 2 -> 3."""
    if value == 0:
        return digits
    rounded = abs(float(f"{value:.{digits - 1}e}"))  # 0.99996 is written as 1.000 and not as 1.0000
    return max(0, digits - 1 - math.floor(math.log10(rounded)))


def duration(seconds: float) -> str:
    """Writes a time as people say it: 4.21 -> '4.2 s', 3900 -> '65 min', 9000 -> '2.5 h'."""
    if seconds < 10:
        return f"{seconds:.1f}{GAP}s"
    if seconds < 180:
        return f"{seconds:.0f}{GAP}s"
    if seconds < 7200:
        return f"{seconds / 60:.0f}{GAP}min"
    return f"{seconds / 3600:,.1f}{GAP}h"


def byte_size(size: int) -> str:
    """Writes a number of bytes in powers of 1000: 512 -> '512 bytes', 12345678 -> '12.3 MB'."""
    if size < 1000:
        return f"{size} bytes"
    value = float(size)
    for unit in ("kB", "MB", "GB", "TB"):
        value /= 1000
        if value < 1000:
            return f"{value:.1f} {unit}"
    return f"{value / 1000:,.1f} PB"


def listed(value: Any) -> str:
    """Writes what a record holds, with the names of its fields as words.

    Args:
        value: what JSON can hold. The objects within an object stand in brackets, and a SHA-256 of
            64 hex digits stands in backticks.

    Example:
        >>> listed({"kind": "small", "batch_size": 64, "net": {"channels": [16, 32]}})
        'kind small; batch size 64; net (channels 16, 32)'
    """

    def inner(part: Any) -> str:
        return f"({listed(part)})" if isinstance(part, Mapping) else listed(part)

    if isinstance(value, Mapping):
        parts = [f"{str(name).replace('_', ' ')} {inner(part)}" for name, part in value.items()]
        return "; ".join(parts)
    if isinstance(value, list | tuple):
        return ", ".join(inner(part) for part in value)
    if isinstance(value, str) and len(value) == 64:
        return f"`{value}`"
    if isinstance(value, float):
        return f"{value:g}"
    return str(value)


def printable(text: str) -> str:
    r"""Replaces the characters of a text that would be obeyed instead of shown.

    Names and messages of others may hold escape sequences of terminals, marks that turn the
    direction of writing, and halves of surrogate pairs. Whatever is shown to people goes through
    here; what is written to files for programs does not.

    Args:
        text: a class name, a file name, a message: anything.

    Returns:
        The text with U+FFFD in the place of each such character.

    Example:
        >>> printable("\x1b[31mseven")
        '�[31mseven'
    """
    return UNPRINTABLE.sub("\N{REPLACEMENT CHARACTER}", text)


def as_python(text: str) -> str:
    r"""Writes a text as a string of Python code, with the wide blanks of Japanese as they are.

    `repr` escapes these. Other blanks that look like a plain one stay escaped.

    Example:
        >>> as_python("a\u3000b") == "'a\u3000b'", as_python("a\xa0b")
        (True, "'a\\xa0b'")
    """
    return WIDE_BLANK.sub("\\1\N{IDEOGRAPHIC SPACE}", repr(text))


def in_short(text: str, most: int = 2000) -> str:
    """Leaves out the middle of a message that nobody would read to its end.

    Args:
        text: a message, with names and values of others in it, which may have any length.
        most: characters that it may have.

    Example:
        >>> in_short("a" * 50 + "b" * 50, most=60)
        'aaaaaaaaaaaaaaaaaaaaaaaaaaaaaa ... bbbbbbbbbbbbbbbbbbbbbbbbb'
    """
    if len(text) <= most:
        return text
    end = most - most // 2 - len(LEFT_OUT)
    return f"{text[: most // 2]}{LEFT_OUT}{text[-end:]}"


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
