"""Plots as inline SVG, drawn by matplotlib: labelled axes, intervals, colours that colour-blind readers can tell apart.

Colours leave here as the page's CSS variables, so that a plot is readable in light and dark mode,
and text leaves as text. The same values give the same characters. matplotlib is loaded when the
first plot is drawn, not before.
"""

import functools
import math
import textwrap
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from markupsafe import Markup

from synthgen.metrics.intervals import Estimate
from synthgen.reports.page.svg import COLOURS, SERIES, Size, draw

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


# wrong answers in percent that the axis of `accuracy_y` marks
ERRORS = [0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 20.0, 50.0, 90.0]


LEAST_SPAN = 0.002  # of an axis, as a share of its largest figure: 0.2 points at 100 %


# widths in CSS pixels: a desktop, a phone, and two beside each other
WIDE, NARROW, HALF = 720.0, 336.0, 400.0
MARKERS = ("o", "s", "^", "D", "v", "P", "X")
DASHES: tuple[object, ...] = (
    "-",
    (0, (6, 2)),
    (0, (2, 1.5)),
    (0, (7, 2, 2, 2)),
    "-",
    (0, (6, 2)),
    (0, (2, 1.5)),
)
# heights of a row of `interval_plot`, and of a further line of its label
ROW_WIDE, ROW_NARROW, LINE = 32.0, 44.0, 15.0
FRACTION = ("axes fraction", "data")  # places at the ends of a row
KEY = 18.0  # height of a row of a legend
LETTER = 7.4  # width of a letter in CSS pixels, on average
LABEL = 32  # characters of a row's label before it breaks


@dataclass(frozen=True, kw_only=True)
class Line:
    """A curve with its band.

    Args:
        label: for the legend.
        x: positions.
        y: values.
        low: lower end of the band; empty for none.
        high: upper end of the band.
        style: number of its colour, marker and dashes; -1 for the ink of the text.
        marked: whether each value gets a marker; a single one always does.
    """

    label: str
    x: Sequence[float]
    y: Sequence[float]
    low: Sequence[float] = ()
    high: Sequence[float] = ()
    style: int = 0
    marked: bool = False


@dataclass(frozen=True, kw_only=True)
class Row:
    """A row of `interval_plot`.

    Args:
        label: what it shows.
        estimate: mean and interval.
        values: further single figures, such as one a seed.
        tone: name of its colour, a key of COLOURS.
        word: stands at the right end of the row.
    """

    label: str
    estimate: Estimate
    values: Sequence[float] = ()
    tone: str = "c1"
    word: str = ""


@dataclass(frozen=True, kw_only=True)
class Bars:
    """One bar a group, all of one colour; arguments as of `Line`."""

    label: str
    estimates: Sequence[Estimate]
    style: int = 0


@dataclass(frozen=True, kw_only=True)
class Point:
    """A point of `scatter_plot` with its intervals and its name."""

    label: str
    x: Estimate
    y: Estimate
    style: int = 0


Adjust = Callable[["Axes"], None]
Drawing = Callable[[], Markup]  # draws when the page wants it


def line_plot(
    name: str,
    alt: str,
    lines: Sequence[Line],
    x: str,
    y: str,
    *,
    half: bool = False,
    height: float = 300,
    adjust: Adjust | None = None,
) -> Drawing:
    """Curves over one axis.

    Args:
        name: unique on the page.
        alt: what the plot shows, for those who cannot see it.
        lines: in the order of the legend.
        x: label of the axis, with its unit.
        y: label of the axis, with its unit.
        half: narrow enough to stand beside another plot.
        height: in CSS pixels.
        adjust: last touches: limits, scales, reference lines.
    """
    plot = line_figure(lines, x, y, height=height, adjust=adjust)
    return functools.partial(draw, name, alt, plot, (HALF,) if half else (WIDE, NARROW))


def line_figure(
    lines: Sequence[Line], x: str, y: str, *, height: float = 300, adjust: Adjust | None = None
) -> Callable[[Size], "Figure"]:
    """What `line_plot` puts on a page, for any size; arguments as there."""

    def plot(size: Size) -> "Figure":
        figure, axes = _labelled(size, height, x, y, [line.label for line in lines])
        for line in lines:
            _draw_line(axes, line)
        if max(position for line in lines for position in line.x) >= 1000:
            axes.xaxis.set_major_formatter("{x:,.0f}")
        if adjust:
            adjust(axes)
        _legend(figure, axes, size)
        return figure

    return plot


def interval_plot(
    name: str, alt: str, rows: Sequence[Row], x: str, *, zero: bool = False, half: bool = False
) -> Drawing:
    """Means (diamonds) with intervals (lines) and single figures (open dots), one row a comparison: a forest plot.

    Args:
        name: unique on the page.
        alt: what the plot shows, for those who cannot see it.
        rows: from top to bottom.
        x: label of the axis, with its unit.
        zero: mark 0, the place of no difference.
        half: narrow enough to stand beside another plot.
    """

    def plot(size: Size) -> "Figure":
        above = size.width < WIDE  # no room for labels at the left: they stand above their row
        letters = int(size.width / LETTER) if above else LABEL
        labels = [textwrap.fill(row.label, letters) for row in rows]
        step = (
            (ROW_NARROW + LINE * max(label.count("\n") for label in labels)) if above else ROW_WIDE
        )
        right = max(18.0, 12 + LETTER * max(len(row.word) for row in rows))
        left = (
            14.0
            if above
            else 14 + LETTER * max(len(line) for label in labels for line in label.split("\n"))
        )
        figure, axes = size.axes(step * len(rows) + 58, left=left, right=right, top=8, bottom=48)
        for place, row in enumerate(rows):
            _draw_row(axes, row, -float(place), labels[place] if above else "")
        axes.set_ylim(-len(rows) + 0.5, 0.9 if above else 0.5)
        axes.set_yticks([] if above else [-k for k in range(len(rows))], [] if above else labels)
        axes.tick_params(axis="y", length=0)
        axes.grid(False, axis="y")
        axes.spines["left"].set_visible(False)
        if zero:
            axes.axvline(0, color=COLOURS["ink"], linewidth=1.2, dashes=(4, 3), zorder=1)
        axes.margins(x=0.06)
        least_span(axes)
        axes.set_xlabel(textwrap.fill(x, letters if above else int(size.width / LETTER)))
        return figure

    return functools.partial(draw, name, alt, plot, (HALF,) if half else (WIDE, NARROW))


def bar_plot(
    name: str,
    alt: str,
    groups: Sequence[str],
    bars: Sequence[Bars],
    x: str,
    y: str,
    *,
    height: float = 280,
) -> Drawing:
    """Bars from 0, side by side in groups, with intervals.

    Args:
        name: unique on the page.
        alt: what the plot shows, for those who cannot see it.
        groups: names of the groups.
        bars: one estimate a group each.
        x: label of the axis.
        y: label of the axis, with its unit.
        height: in CSS pixels.
    """

    def plot(size: Size) -> "Figure":
        figure, axes = _labelled(size, height, x, y, [bar.label for bar in bars])
        width = 0.8 / len(bars)
        for number, bar in enumerate(bars):
            places = [
                group + (number - (len(bars) - 1) / 2) * width for group in range(len(groups))
            ]
            means = [estimate.mean for estimate in bar.estimates]
            low, high = zip(*map(_ends, bar.estimates), strict=True)
            axes.bar(places, means, width * 0.9, color=colour_of(bar.style), label=bar.label)
            axes.vlines(
                places,
                [max(0.0, end) for end in low],
                high,
                color=COLOURS["ink"],
                linewidth=1,
                alpha=0.75,
            )
        axes.set_xticks(range(len(groups)), groups)
        axes.tick_params(axis="x", length=0)
        axes.grid(False, axis="x")
        axes.set_ylim(bottom=0)
        _legend(figure, axes, size)
        return figure

    return functools.partial(draw, name, alt, plot, (WIDE, NARROW))


def scatter_plot(
    name: str, alt: str, points: Sequence[Point], x: str, y: str, *, adjust: Adjust | None = None
) -> Drawing:
    """Named points with intervals on both axes; arguments as of `line_plot`."""

    def plot(size: Size) -> "Figure":
        figure, axes = _labelled(size, HALF * 0.9, x, y, [])
        for point in points:
            style = {"color": colour_of(point.style), "linewidth": 1.2, "zorder": 2.0}
            axes.plot([*_ends(point.x)], [point.y.mean] * 2, **style)  # type: ignore[arg-type]
            axes.plot([point.x.mean] * 2, [*_ends(point.y)], **style)  # type: ignore[arg-type]
            axes.scatter(
                [point.x.mean],
                [point.y.mean],
                s=36,
                color=colour_of(point.style),
                marker=MARKERS[point.style],
                zorder=3,
            )
            axes.annotate(
                point.label,
                (point.x.mean, point.y.mean),
                xytext=(6, 5),
                textcoords="offset points",
                zorder=4,
            )
        least_span(axes)
        if adjust:
            adjust(axes)
        return figure

    return functools.partial(draw, name, alt, plot, (HALF,))


def colour_of(style: int) -> str:
    """The colour that a series of this number has in every plot."""
    return COLOURS["ink"] if style < 0 else COLOURS[SERIES[style % len(SERIES)]]


def _draw_line(axes: "Axes", line: Line) -> None:
    colour = colour_of(line.style)
    if line.low and line.high:
        axes.fill_between(line.x, line.low, line.high, color=colour, alpha=0.16, linewidth=0)
    # a line through one point cannot be seen
    marker = MARKERS[line.style % len(MARKERS)] if line.marked or len(line.y) == 1 else None
    dashes = DASHES[line.style % len(DASHES)] if line.style >= 0 else "-"
    axes.plot(
        line.x,
        line.y,
        color=colour,
        label=line.label,
        marker=marker,
        markersize=5,
        linestyle=dashes if line.marked else "-",
    )


def _draw_row(axes: "Axes", row: Row, place: float, above: str) -> None:
    colour, low, high = COLOURS[row.tone], row.estimate.low, row.estimate.high
    if low is not None and high is not None:
        axes.plot(
            [low, high],
            [place, place],
            color=colour,
            linewidth=2.6,
            solid_capstyle="round",
            zorder=2,
        )
    axes.scatter(
        row.values,
        [place] * len(row.values),
        s=20,
        facecolors=COLOURS["paper"],
        edgecolors=colour,
        linewidths=1.2,
        zorder=3,
    )
    axes.scatter([row.estimate.mean], [place], s=44, color=colour, marker="D", zorder=4)
    if above:
        ground = {"facecolor": COLOURS["paper"], "edgecolor": "none", "pad": 1.5}
        axes.annotate(
            above,
            (0, place),
            xytext=(0, 9),
            xycoords=FRACTION,
            textcoords="offset points",
            weight="bold",
            bbox=ground,
            zorder=5,
        )
    if row.word:
        axes.annotate(
            row.word,
            (1, place),
            xytext=(8, -4),
            xycoords=FRACTION,
            textcoords="offset points",
            color=colour,
        )


def _ends(estimate: Estimate) -> tuple[float, float]:
    low, high = estimate.low, estimate.high
    return (estimate.mean if low is None else low, estimate.mean if high is None else high)


def _labelled(
    size: Size, height: float, x: str, y: str, legend: Sequence[str]
) -> "tuple[Figure, Axes]":
    """Axes with their labels and room for a legend; that of the y axis lies above it, where it need not be read sideways."""
    letters = int(size.width / LETTER)
    below, above = textwrap.wrap(x, letters), textwrap.wrap(y, letters)
    room = KEY * math.ceil(len(legend) / _columns(legend, size)) if len(legend) > 1 else 0
    figure, axes = size.axes(
        height + room,
        left=50,
        right=18,
        top=room + 10 + LINE * len(above),
        bottom=32 + LINE * len(below),
    )
    axes.set_xlabel("\n".join(below))
    axes.set_title("\n".join(above), loc="left", fontsize=12, color=COLOURS["soft"], pad=7)
    return figure, axes


def _columns(labels: Sequence[str], size: Size) -> int:
    """Entries of a legend that fit beside each other."""
    return max(1, min(len(labels), int(size.width / (44 + LETTER * max(map(len, labels))))))


def _legend(figure: "Figure", axes: "Axes", size: Size) -> None:
    handles, labels = axes.get_legend_handles_labels()
    if len(handles) > 1:
        figure.legend(
            handles, labels, loc="upper left", borderaxespad=0, ncols=_columns(labels, size)
        )


def least_span(axes: "Axes") -> None:
    """Make sure that linear axes do not zoom in on rounding: figures that hardly differ get room below them.

    Below, because above a share of 100 % there is nothing. Axes whose limits were set by hand keep
    them.

    Args:
        axes: with everything drawn that they are to hold.
    """
    for (low, high), vertical in ((axes.dataLim.intervalx, False), (axes.dataLim.intervaly, True)):
        least = LEAST_SPAN * max(abs(low), abs(high))
        if high - low < least:
            axes.update_datalim(
                [(high - least, high - least)], updatex=not vertical, updatey=vertical
            )
    axes.autoscale_view()


def log_y(axes: "Axes") -> None:
    """A logarithmic y axis with plain numbers on it."""
    from matplotlib.ticker import FuncFormatter, NullLocator

    axes.set_yscale("log")
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,g}"))
    axes.yaxis.set_minor_locator(NullLocator())


def accuracy_y(axes: "Axes") -> None:
    """A y axis for wrong answers in percent, logarithmic and upside down, with the accuracy written on it: 90, 99 and 99.9 are equally far apart."""
    from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator

    axes.set_yscale("log")
    axes.invert_yaxis()
    axes.yaxis.set_major_locator(FixedLocator(ERRORS))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda error, _: f"{100 - error:g}"))
    axes.yaxis.set_minor_locator(NullLocator())
