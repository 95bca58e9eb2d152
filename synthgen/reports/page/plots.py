"""Plots as inline SVG, drawn by matplotlib: curves, forests, bars, points.

Axes are labelled, every figure has its interval, and colours, markers and dashes can be told apart
by colour-blind readers. Colours leave here as the page's CSS variables, so that a plot can be read
in light and dark mode, and text leaves as text. The same values give the same characters.
matplotlib is loaded when the first plot is drawn, not before.
"""

import functools
import math
import textwrap
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from markupsafe import Markup

from synthgen.metrics.intervals import Estimate
from synthgen.reports.page.svg import COLOURS, SERIES, Margins, draw_svg, empty_figure
from synthgen.text import printable

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# Widths in CSS pixels: of a desktop, of a phone, and of two plots beside each other.
WIDE = 720.0
NARROW = 336.0
HALF = 400.0

# Heights and widths in CSS pixels: of a row of a forest, of a further line of text, of a row of a
# legend, and of a letter on average.
ROW_WIDE = 32.0
ROW_NARROW = 44.0
TEXT_LINE = 15.0
LEGEND_LINE = 18.0
LETTER = 7.4

# Letters of the label of a row before it breaks, and of a label or name before it is cut off.
LABEL_LINE = 32
MOST_LABEL = 128
MOST_NAME = 24

# What tells series of one plot from each other, besides their colour.
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

# Wrong answers in percent that the axis of `accuracy_y` marks.
MARKED_ERRORS = (0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 20.0, 50.0, 90.0)
# An axis spans at least this share of its largest figure: 0.2 points at 100 %.
LEAST_SPAN = 0.002

Adjust = Callable[["Axes"], None]  # last touches to axes
FigureOfWidth = Callable[[float], "Figure"]  # draws a figure for a width in CSS pixels
Drawing = Callable[[], Markup]  # draws when the page wants it


@dataclass(frozen=True, kw_only=True)
class PlotText:
    """What is written on a plot and behind it.

    Args:
        name: unique on the page; ids begin with it.
        alt: what the plot shows, for those who cannot see it.
        x: label of the x axis, with its unit.
        y: label of the y axis, with its unit; "" where rows have labels instead.
    """

    name: str
    alt: str
    x: str
    y: str = ""


@dataclass(frozen=True, kw_only=True)
class Curve:
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
class ForestRow:
    """A row of a forest plot.

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
    """A series of bars.

    Args:
        label: for the legend.
        estimates: one a group, from 0 upwards.
        style: number of its colour.
    """

    label: str
    estimates: Sequence[Estimate]
    style: int = 0


@dataclass(frozen=True, kw_only=True)
class ScatterPoint:
    """A named point with an interval along each axis.

    Args:
        label: its name, which stands beside it.
        x: mean and interval along the x axis.
        y: mean and interval along the y axis.
        style: number of its colour and marker.
    """

    label: str
    x: Estimate
    y: Estimate
    style: int = 0


def curve_plot(
    text: PlotText,
    curves: Sequence[Curve],
    *,
    half: bool = False,
    height: float = 300,
    adjust: Adjust | None = None,
) -> Drawing:
    """Plots curves over one axis.

    Args:
        text: what is written on it.
        curves: in the order of the legend.
        half: narrow enough to stand beside another plot.
        height: in CSS pixels.
        adjust: last touches: limits, scales, reference lines.
    """
    figure = curve_figure(text, curves, height=height, adjust=adjust)
    return _drawing(text, figure, half)


def curve_figure(
    text: PlotText, curves: Sequence[Curve], *, height: float = 300, adjust: Adjust | None = None
) -> FigureOfWidth:
    """Plots curves over one axis, for any width: on a page or as a file of its own.

    Args:
        text: what is written on it.
        curves: in the order of the legend.
        height: in CSS pixels.
        adjust: last touches: limits, scales, reference lines.
    """

    def plot(width: float) -> "Figure":
        figure, axes = _labelled_axes(text, width, height, [curve.label for curve in curves])
        for curve in curves:
            colour = colour_of(curve.style)
            dashes = DASHES[curve.style % len(DASHES)] if curve.style >= 0 else "-"

            # a curve of one point cannot be seen without a marker
            marked = curve.marked or len(curve.y) == 1
            axes.plot(
                curve.x,
                curve.y,
                color=colour,
                label=printable(curve.label),
                marker=MARKERS[curve.style % len(MARKERS)] if marked else None,
                markersize=5,
                linestyle=dashes if curve.marked else "-",
            )
            if curve.low and curve.high:
                axes.fill_between(
                    curve.x, curve.low, curve.high, color=colour, alpha=0.16, linewidth=0
                )
        if max(position for curve in curves for position in curve.x) >= 1000:
            axes.xaxis.set_major_formatter("{x:,.0f}")
        if adjust:
            adjust(axes)
        _draw_legend(figure, axes, width)
        return figure

    return plot


def forest_plot(
    text: PlotText, rows: Sequence[ForestRow], *, zero: bool = False, half: bool = False
) -> Drawing:
    """Plots means (diamonds), intervals (lines) and single figures (open dots), a row each.

    Args:
        text: what is written on it; the rows carry their own labels.
        rows: from top to bottom.
        zero: mark 0, the place of no difference.
        half: narrow enough to stand beside another plot.
    """

    def plot(width: float) -> "Figure":
        # where there is no room for labels at the left, they stand above their rows
        above = width < WIDE
        letters = int(width / LETTER)
        labels = [
            textwrap.fill(_shortened(row.label, MOST_LABEL), letters if above else LABEL_LINE)
            for row in rows
        ]
        lines = [line for label in labels for line in label.split("\n")]
        longest = max(len(line) for line in lines)
        deepest = max(label.count("\n") for label in labels)
        row_height = ROW_NARROW + TEXT_LINE * deepest if above else ROW_WIDE

        figure, axes = empty_figure(
            width,
            row_height * len(rows) + 58,
            Margins(
                left=14 if above else 14 + LETTER * longest,
                right=max(18.0, 12 + LETTER * max(len(row.word) for row in rows)),
                top=8,
                bottom=48,
            ),
        )
        for place, row in enumerate(rows):
            _draw_forest_row(axes, row, -float(place), labels[place] if above else "")

        # rows instead of a y axis
        axes.set_ylim(-len(rows) + 0.5, 0.9 if above else 0.5)
        if above:
            axes.set_yticks([])
        else:
            axes.set_yticks([-place for place in range(len(rows))], labels)
        axes.tick_params(axis="y", length=0)
        axes.grid(False, axis="y")
        axes.spines["left"].set_visible(False)

        # figures along the x axis
        if zero:
            axes.axvline(0, color=COLOURS["ink"], linewidth=1.2, dashes=(4, 3), zorder=1)
        axes.margins(x=0.06)
        widen_to_least_span(axes)
        axes.set_xlabel(textwrap.fill(text.x, letters))
        return figure

    return _drawing(text, plot, half)


def bar_plot(
    text: PlotText, groups: Sequence[str], bars: Sequence[Bars], *, height: float = 280
) -> Drawing:
    """Plots bars from 0 with intervals, side by side in groups.

    Args:
        text: what is written on it.
        groups: names of the groups.
        bars: one estimate a group each.
        height: in CSS pixels.
    """

    def plot(width: float) -> "Figure":
        # names that would run into each other are cut off
        room = max(2, int((width - 70) / LETTER / len(groups)) - 1)
        names = [_shortened(group, room) for group in groups]

        figure, axes = _labelled_axes(text, width, height, [series.label for series in bars])
        bar_width = 0.8 / len(bars)
        for number, series in enumerate(bars):
            offset = (number - (len(bars) - 1) / 2) * bar_width
            places = [group + offset for group in range(len(names))]
            means = [estimate.mean for estimate in series.estimates]
            lows, highs = zip(*map(_ends, series.estimates), strict=True)
            axes.bar(
                places,
                means,
                bar_width * 0.9,
                color=colour_of(series.style),
                label=printable(series.label),
            )
            axes.vlines(
                places,
                [max(0.0, low) for low in lows],
                highs,
                color=COLOURS["ink"],
                linewidth=1,
                alpha=0.75,
            )
        axes.set_xticks(range(len(names)), names)
        axes.tick_params(axis="x", length=0)
        axes.grid(False, axis="x")
        axes.set_ylim(bottom=0)
        _draw_legend(figure, axes, width)
        return figure

    return _drawing(text, plot, half=False)


def scatter_plot(text: PlotText, points: Sequence[ScatterPoint]) -> Drawing:
    """Plots named points with intervals along both axes, half a page wide.

    Args:
        text: what is written on it.
        points: in the order in which they are drawn.
    """

    def plot(width: float) -> "Figure":
        figure, axes = _labelled_axes(text, width, HALF * 0.9, [])
        for point in points:
            colour = colour_of(point.style)
            x = point.x.mean
            y = point.y.mean
            axes.plot([*_ends(point.x)], [y, y], color=colour, linewidth=1.2, zorder=2)
            axes.plot([x, x], [*_ends(point.y)], color=colour, linewidth=1.2, zorder=2)
            axes.scatter([x], [y], s=36, color=colour, marker=MARKERS[point.style], zorder=3)
            axes.annotate(
                _shortened(point.label, MOST_NAME),
                (x, y),
                xytext=(6, 5),
                textcoords="offset points",
                zorder=4,
            )
        widen_to_least_span(axes)
        return figure

    return _drawing(text, plot, half=True)


def colour_of(style: int) -> str:
    """Gives the colour of a series of this number in every plot; -1 is the ink of the text."""
    return COLOURS["ink"] if style < 0 else COLOURS[SERIES[style % len(SERIES)]]


def log_y(axes: "Axes") -> None:
    """Makes the y axis logarithmic, with plain numbers on it."""
    from matplotlib.ticker import FuncFormatter, NullLocator

    axes.set_yscale("log")
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,g}"))
    axes.yaxis.set_minor_locator(NullLocator())


def accuracy_y(axes: "Axes") -> None:
    """Makes a y axis of wrong answers in percent one of accuracies, with the best at the top.

    It is logarithmic and upside down, and the accuracy is written on it: 90, 99 and 99.9 are
    equally far apart.
    """
    from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator

    axes.set_yscale("log")
    axes.invert_yaxis()
    axes.yaxis.set_major_locator(FixedLocator(MARKED_ERRORS))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda error, _: f"{100 - error:g}"))
    axes.yaxis.set_minor_locator(NullLocator())


def widen_to_least_span(axes: "Axes") -> None:
    """Makes sure that linear axes do not zoom in on rounding.

    Figures that hardly differ get room below them; above a share of 100 % there is nothing. Axes
    whose limits were set by hand keep them.

    Args:
        axes: with everything drawn that they are to hold.
    """
    for (low, high), vertical in ((axes.dataLim.intervalx, False), (axes.dataLim.intervaly, True)):
        least = LEAST_SPAN * max(abs(low), abs(high))
        if high - low < least:
            end = high - least
            axes.update_datalim([(end, end)], updatex=not vertical, updatey=vertical)
    axes.autoscale_view()


def _shortened(text: str, letters: int) -> str:
    """Makes a label inert, and cuts it off where it has more letters than there is room for."""
    label = printable(text)
    return label if len(label) <= letters else f"{label[: letters - 1]}…"


def _drawing(text: PlotText, plot: FigureOfWidth, half: bool) -> Drawing:
    """Binds a plot to the widths that a page shows it at."""
    widths = (HALF,) if half else (WIDE, NARROW)
    return functools.partial(draw_svg, text.name, text.alt, plot, widths)


def _draw_forest_row(axes: "Axes", row: ForestRow, place: float, label: str) -> None:
    """Draws one row of a forest plot, with its label above it unless that is ""."""
    colour = COLOURS[row.tone]
    if row.estimate.low is not None and row.estimate.high is not None:
        axes.plot(
            [row.estimate.low, row.estimate.high],
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

    # words at the ends of the row
    ends_of_row = ("axes fraction", "data")
    if label:
        axes.annotate(
            label,
            (0, place),
            xytext=(0, 9),
            xycoords=ends_of_row,
            textcoords="offset points",
            weight="bold",
            bbox={"facecolor": COLOURS["paper"], "edgecolor": "none", "pad": 1.5},
            zorder=5,
        )
    if row.word:
        axes.annotate(
            row.word,
            (1, place),
            xytext=(8, -4),
            xycoords=ends_of_row,
            textcoords="offset points",
            color=colour,
        )


def _ends(estimate: Estimate) -> tuple[float, float]:
    """Gives the ends of an interval, or the mean twice where there is none."""
    low = estimate.mean if estimate.low is None else estimate.low
    high = estimate.mean if estimate.high is None else estimate.high
    return low, high


def _labelled_axes(
    text: PlotText, width: float, height: float, legend: Sequence[str]
) -> "tuple[Figure, Axes]":
    """Makes axes with their labels and room for a legend.

    The label of the y axis lies above it, where it need not be read sideways.
    """
    letters = int(width / LETTER)
    below = textwrap.wrap(printable(text.x), letters)
    above = textwrap.wrap(printable(text.y), letters)
    rows = math.ceil(len(legend) / _legend_columns(legend, width)) if len(legend) > 1 else 0
    room = LEGEND_LINE * rows
    figure, axes = empty_figure(
        width,
        height + room,
        Margins(
            left=50,
            right=18,
            top=room + 10 + TEXT_LINE * len(above),
            bottom=32 + TEXT_LINE * len(below),
        ),
    )
    axes.set_xlabel("\n".join(below))
    axes.set_title("\n".join(above), loc="left", fontsize=12, color=COLOURS["soft"], pad=7)
    return figure, axes


def _legend_columns(labels: Sequence[str], width: float) -> int:
    """Tells how many entries of a legend fit beside each other."""
    fitting = int(width / (44 + LETTER * max(map(len, labels))))
    return max(1, min(len(labels), fitting))


def _draw_legend(figure: "Figure", axes: "Axes", width: float) -> None:
    """Draws a legend at the top, unless there is but one series."""
    handles, labels = axes.get_legend_handles_labels()
    if len(handles) > 1:
        columns = _legend_columns(labels, width)
        figure.legend(handles, labels, loc="upper left", borderaxespad=0, ncols=columns)
