"""How numbers are written, the same in the terminal, on a page, in Markdown and in sentences."""

import functools
import math
from collections.abc import Callable
from typing import Any

from synthgen.metrics.intervals import HELPS, HURTS, NO_EFFECT, UNDECIDED, Estimate
from synthgen.text import DASH, GAP, MINUS, count, decimals_for, duration, number, percent, signed

# a word and a sign beside each colour
SIGNS = {HELPS: "▲", NO_EFFECT: "●", HURTS: "▼", UNDECIDED: "○"}
# the width of an interval, as a share of the mean, up to which it is that of single precision and
# not of the images
ROUNDING = 1e-5
TONES = {HELPS: "good", NO_EFFECT: "plain", HURTS: "bad", UNDECIDED: "plain"}


def in_percent(estimate: Estimate) -> Estimate:
    """A share 0..1 with its interval, times 100."""
    low, high = (None if end is None else 100 * end for end in (estimate.low, estimate.high))
    return Estimate(mean=100 * estimate.mean, low=low, high=high)


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
