"""How numbers are written, the same in the terminal, on a page, in Markdown and in sentences."""

import functools
import math
from collections.abc import Callable, Mapping
from typing import Any

from synthgen.evaluation.verdict import HELPS, HURTS, NO_EFFECT, UNDECIDED, Estimate

MINUS = "\N{MINUS SIGN}"
DASH = "\N{EN DASH}"
GAP = "\N{NO-BREAK SPACE}"
# a word and a sign beside each colour
SIGNS = {HELPS: "▲", NO_EFFECT: "●", HURTS: "▼", UNDECIDED: "○"}
# the width of an interval, as a share of the mean, up to which it is that of single precision and
# not of the images
ROUNDING = 1e-5
TONES = {HELPS: "good", NO_EFFECT: "plain", HURTS: "bad", UNDECIDED: "plain"}


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


def in_percent(estimate: Estimate) -> Estimate:
    """A share 0..1 with its interval, times 100."""
    low, high = (None if end is None else 100 * end for end in (estimate.low, estimate.high))
    return Estimate(mean=100 * estimate.mean, low=low, high=high)


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


def half_width(estimate: Estimate) -> str:
    """'± 0.05' in points, '-1.84/+1.34' where the interval ends at a bound of the figure, or a dash where there is none."""
    if estimate.low is None or estimate.high is None:
        return DASH
    below, above = 100 * (estimate.mean - estimate.low), 100 * (estimate.high - estimate.mean)
    return (
        f"±{GAP}{above:.2f}"
        if math.isclose(below, above, abs_tol=1e-9)
        else f"{MINUS}{below:.2f}/+{above:.2f}"
    )


def between(estimate: Estimate) -> str:
    """'-0.12 to +0.14' in points, or a dash where there is no interval."""
    return _span(estimate, signed)


def percent_between(estimate: Estimate) -> str:
    """'99.28 to 99.58 %', or a dash where there is no interval."""
    return _span(estimate, percent).replace(f"{GAP}% to", " to")


FORMATS: dict[str, Callable[[Any], str]] = {
    "text": str,
    "code": str,
    "verdict": str,
    "percent": percent,
    "points": signed,
    "number": number,
    "decimal": lambda value: number(value, 2),
    "count": count,
    "duration": duration,
    "confusion": lambda share: count(10_000 * share) if share else "·",
}


def write(kind: str, value: Any) -> str:
    """A value in words, without its interval; empty for None."""
    mean = value.mean if isinstance(value, Estimate) else value
    return mean if isinstance(mean, str) else "" if mean is None else _format(kind, value)(mean)


def write_interval(kind: str, value: Any) -> str:
    """The interval of an estimate in words, a dash if it has none; empty for any other value."""
    if not isinstance(value, Estimate):
        return ""
    return percent_between(value) if kind == "percent" else _span(value, _format(kind, value))


def _format(kind: str, value: Any) -> Callable[[Any], str]:
    """How a value is written; a number with an interval as finely as two digits of the interval's half, if that is more than rounding."""
    if (
        kind == "number"
        and isinstance(value, Estimate)
        and value.low is not None
        and value.high is not None
    ):
        width = value.high - value.low
        if width > ROUNDING * abs(value.mean):
            return functools.partial(number, decimals=decimals_for(width / 2, 2))
    return FORMATS[kind]


def _span(estimate: Estimate, one: Callable[[float], str]) -> str:
    return (
        DASH
        if estimate.low is None or estimate.high is None
        else f"{one(estimate.low)} to {one(estimate.high)}"
    )
