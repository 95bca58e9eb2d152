"""Values of a page in words, the same in tables, Markdown, sentences and on the terminal."""

import math
from collections.abc import Callable
from typing import Any

from synthgen.metrics.intervals import HELPS, HURTS, NO_EFFECT, UNDECIDED, Estimate
from synthgen.reports.page.blocks import CellValue
from synthgen.text import DASH, GAP, MINUS, count, decimals_for, duration, number, percent, signed

# The sign and the tone that stand beside each verdict.
SIGNS = {HELPS: "▲", NO_EFFECT: "●", HURTS: "▼", UNDECIDED: "○"}
TONES = {HELPS: "good", NO_EFFECT: "plain", HURTS: "bad", UNDECIDED: "plain"}

# An interval of a smaller share of its mean is that of single precision, and not of the images.
ROUNDING = 1e-5


def write_hundredths(value: float) -> str:
    """Writes a number with two decimals."""
    return number(value, 2)


def write_confusions(share: float) -> str:
    """Writes a share as images of 10,000; none is a dot, so that the others stand out."""
    return count(10_000 * share) if share else "·"


# How the values of a column are written: one line a kind.
WRITERS: dict[str, Callable[[Any], str]] = {
    "text": str,
    "code": str,
    "verdict": str,
    "percent": percent,  # of a share 0..1
    "points": signed,  # of a difference of shares -1..1
    "number": number,  # four significant digits, or as many as its interval allows
    "decimal": write_hundredths,
    "count": count,
    "duration": duration,  # of seconds
    "confusion": write_confusions,
}


def write_value(kind: str, value: CellValue) -> str:
    """Writes the value of a cell, without its interval.

    Args:
        kind: of its column, a key of WRITERS.
        value: a number, an estimate, words that stand for a number, or None.

    Returns:
        Words; "" for None.
    """
    mean = value.mean if isinstance(value, Estimate) else value
    if mean is None:
        return ""
    if isinstance(mean, str):
        return mean
    return _writer(kind, value)(mean)


def write_interval(kind: str, value: CellValue) -> str:
    """Writes the interval of the value of a cell.

    Args:
        kind: of its column, a key of WRITERS.
        value: any value of a cell.

    Returns:
        Such as "0.12 to 0.14", a dash for an estimate without an interval, "" for other values.
    """
    if not isinstance(value, Estimate):
        return ""
    if kind == "percent":
        return percent_between(value)
    return _span(value, _writer(kind, value))


def half_width(estimate: Estimate) -> str:
    """Writes how far the interval of a share reaches, in percentage points.

    Returns:
        "± 0.05", or "-1.84/+1.34" where it ends at a bound of the figure, or a dash where there is
        no interval.
    """
    if estimate.low is None or estimate.high is None:
        return DASH
    below = 100 * (estimate.mean - estimate.low)
    above = 100 * (estimate.high - estimate.mean)
    if math.isclose(below, above, abs_tol=1e-9):
        return f"±{GAP}{above:.2f}"
    return f"{MINUS}{below:.2f}/+{above:.2f}"


def signed_between(estimate: Estimate) -> str:
    """Writes the interval of a difference of shares in points: "-0.12 to +0.14", or a dash."""
    return _span(estimate, signed)


def percent_between(estimate: Estimate) -> str:
    """Writes the interval of a share in percent: "99.28 to 99.58 %", or a dash."""
    return _span(estimate, percent).replace(f"{GAP}% to", " to")


def in_percent(estimate: Estimate) -> Estimate:
    """Multiplies a share 0..1 and its interval by 100."""
    return Estimate(
        mean=100 * estimate.mean,
        low=None if estimate.low is None else 100 * estimate.low,
        high=None if estimate.high is None else 100 * estimate.high,
    )


def _writer(kind: str, value: CellValue) -> Callable[[Any], str]:
    """Picks what writes the numbers of a value.

    A number with an interval is written as finely as two digits of the interval's half, unless the
    interval is no more than rounding.
    """
    if kind != "number" or not isinstance(value, Estimate):
        return WRITERS[kind]
    if value.low is None or value.high is None:
        return number
    width = value.high - value.low
    if width <= ROUNDING * abs(value.mean):
        return number
    decimals = decimals_for(width / 2, 2)
    return lambda figure: number(figure, decimals)


def _span(estimate: Estimate, write: Callable[[float], str]) -> str:
    if estimate.low is None or estimate.high is None:
        return DASH
    return f"{write(estimate.low)} to {write(estimate.high)}"
