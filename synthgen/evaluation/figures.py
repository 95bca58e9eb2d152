"""Dot-and-whisker figures as inline SVG: one row an arm, its seeds, its mean and its interval on a labelled axis."""

import importlib.resources
import math
from collections.abc import Sequence
from dataclasses import dataclass

import jinja2
from markupsafe import Markup

from synthgen.evaluation.verdict import Estimate

COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9")  # Okabe and Ito 2008: safe for colour-blind readers
WIDTH, MARGIN, ROW, AXIS = 440, 14, 46, 52  # SVG units


@dataclass(frozen=True, kw_only=True)
class Row:
    """One row of a figure.

    Args:
        label: what it shows.
        estimate: mean and interval.
        values: the figure of each seed.
        colour: any CSS colour.
    """

    label: str
    estimate: Estimate
    values: Sequence[float]
    colour: str


def dot_plot(rows: Sequence[Row], axis: str, title: str, zero: bool = False) -> Markup:
    """Draw means (diamonds), intervals (lines) and single seeds (open dots).

    Args:
        rows: from top to bottom.
        axis: label of the axis, with its unit.
        title: what the figure shows, for those who cannot see it.
        zero: include and mark 0, the place of no difference.

    Returns:
        An <svg> element that takes its ink from the text colour around it.
    """
    ends = [end for row in rows for end in (row.estimate.low, row.estimate.high, row.estimate.mean, *row.values) if end is not None]
    ticks = tick_values(min([*ends, *[0.0] * zero]), max([*ends, *[0.0] * zero]))
    low, high = ticks[0], ticks[-1]
    height = len(rows) * ROW + AXIS

    def place(value: float) -> float:
        return round(MARGIN + (value - low) / (high - low) * (WIDTH - 2 * MARGIN), 2)

    drawing = environment().get_template("figure.svg.j2")
    sizes = {"width": WIDTH, "height": height, "bottom": height - AXIS + 8, "row_height": ROW}
    decimals = max(0, -math.floor(math.log10(ticks[1] - ticks[0]) + 1e-9))
    labels = [f"{tick:.{decimals}f}".replace("-", "−") for tick in ticks]  # noqa: RUF001 (a true minus)
    return Markup(drawing.render(rows=rows, ticks=list(zip(ticks, labels, strict=True)), place=place, axis=axis, title=title, zero=zero, **sizes))


def tick_values(low: float, high: float, about: int = 5) -> list[float]:
    """Round numbers that enclose [low, high], 1, 2 or 5 times a power of ten apart, about `about` intervals of them.

    Example:
        >>> tick_values(98.91, 99.47)
        [98.8, 99.0, 99.2, 99.4, 99.6]
    """
    spread = max(high - low, 1e-3)
    power = 10.0 ** math.floor(math.log10(spread / about))
    step = next(power * factor for factor in (1, 2, 5, 10) if power * factor * about >= spread * 0.999)
    first, last = math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9)
    return [round(step * k, 10) for k in range(first, max(last, first + 1) + 1)]


def environment() -> jinja2.Environment:
    """Templates of this folder; every value is escaped, a forgotten one is an error."""
    texts = {
        file.name: file.read_text(encoding="utf-8")
        for file in importlib.resources.files("synthgen.evaluation").iterdir()
        if file.name.endswith(".j2")
    }
    return jinja2.Environment(
        loader=jinja2.DictLoader(texts), autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
