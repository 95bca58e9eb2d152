"""Numbers in sentences."""

import math
import re
from collections.abc import Mapping
from typing import Any

MINUS = "\N{MINUS SIGN}"


DASH = "\N{EN DASH}"


GAP = "\N{NO-BREAK SPACE}"


def counted(count: int, noun: str) -> str:
    """A number of things, in words.

    Example:
        >>> counted(1, "shard"), counted(2000, "image")
        ('1 shard', '2,000 images')
    """
    return f"{count:,} {noun}{'s' * (count != 1)}"


def percent(share: float) -> str:
    """0.9945 -> '99.45 %'."""
    return f"{100 * share:.2f}{GAP}%".replace("-", MINUS)


def signed(share: float) -> str:
    """A difference of shares in points: -0.0049 -> '-0.49', with a true minus sign."""
    text = f"{100 * share:+.2f}"
    return ("0.00" if float(text) == 0 else text).replace("-", MINUS)


def number(value: float, decimals: int | None = None) -> str:
    """Four significant digits, or so many decimals, thousands apart: 0.0123456 -> '0.01235', 12345.6 -> '12,346'."""
    if value == 0 or not math.isfinite(value):
        return "0" if value == 0 else str(value)
    places = decimals_for(value, 4) if decimals is None else decimals
    text = f"{value:,.{places}f}" if places < 9 else f"{value:.3e}"
    return text.replace("-", MINUS)


def decimals_for(value: float, digits: int) -> int:
    """Decimals that show so many significant digits of a value: 0.0123, 2 -> 3."""
    rounded = abs(float(f"{value:.{digits - 1}e}"))  # 0.99996 is written as 1.000 and not as 1.0000
    return max(0, digits - 1 - math.floor(math.log10(rounded))) if value else digits


def count(value: float) -> str:
    """12345 -> '12,345'."""
    return f"{round(value):,}".replace("-", MINUS)


def duration(seconds: float) -> str:
    """Seconds as a reader would say them: 42.31 -> '42 s', 3900 -> '65 min', 9000 -> '2.5 h'."""
    if seconds < 180:
        return f"{seconds:.{int(seconds < 10)}f}{GAP}s"
    return f"{seconds / 60:.0f}{GAP}min" if seconds < 7200 else f"{seconds / 3600:.1f}{GAP}h"


def listed(value: Any) -> str:
    """A value of a record in words: {'kind': 'small', 'channels': [16, 32]} -> 'kind small; channels 16, 32', hashes in backticks."""
    if isinstance(value, Mapping):
        return "; ".join(
            f"{str(name).replace('_', ' ')} {_inner(part)}" for name, part in value.items()
        )
    if isinstance(value, list | tuple):
        return ", ".join(map(_inner, value))
    return (
        f"`{value}`"
        if isinstance(value, str) and len(value) == 64
        else f"{value:g}"
        if isinstance(value, float)
        else str(value)
    )


def _inner(value: Any) -> str:
    return f"({listed(value)})" if isinstance(value, Mapping) else listed(value)


def human(size: int) -> str:
    """A number of bytes for people."""
    value = float(size)
    for unit in ("bytes", "kB", "MB", "GB", "TB"):
        if value < 1000:
            return f"{value:.0f} {unit}" if unit == "bytes" else f"{value:.1f} {unit}"
        value /= 1000
    return f"{value:,.1f} PB"


def _duration(seconds: float) -> str:
    if seconds < 120:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} minutes" if seconds < 7200 else f"{seconds / 3600:,.0f} hours"


# Characters that a terminal or a browser obeys instead of showing them, and halves of surrogate
# pairs, which no encoding can write. Line breaks and tabs are not among them.
UNPRINTABLE = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff]"
)


def printable(text: str) -> str:
    r"""Replace the characters of a text that would be obeyed instead of shown.

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
