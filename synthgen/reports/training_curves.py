"""The curves of a training: the columns of its log, those that belong together in one plot."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from synthgen.reports.page.blocks import Block, Chart, Paragraph
from synthgen.reports.page.plots import Curve, PlotText, curve_plot, log_y
from synthgen.reports.training_files import LogColumns
from synthgen.text import number

MOST_POINTS = 60  # of a curve
BAND = (10, 90)  # percentiles of the values that one point of a curve stands for
NO_CURVES = ("step", "seconds")  # columns of the log that are drawn in no plot


@dataclass(frozen=True, kw_only=True)
class CurveFamily:
    """Columns of a log that are drawn in one plot.

    Args:
        title: of the plot.
        axis: label of its y axis, with the unit.
        parts: a column belongs here if its name has one of these parts.
        said: word at the end of a column's name that need not be repeated in the legend.
        share: whether values are shares 0..1, shown in percent.
        log: whether the y axis is logarithmic where all values are positive.
    """

    title: str
    axis: str
    parts: tuple[str, ...]
    said: str = ""
    share: bool = False
    log: bool = False


QUALITIES = (
    "coverage",
    "recall",
    "precision",
    "agreement",
    "usefulness",
    "accuracy",
    "distinct",
    "diversity",
)
# A column belongs to the first family of which it has a part.
CURVE_FAMILIES = (
    CurveFamily(title="losses", axis="loss", parts=("loss",), said="loss"),
    CurveFamily(
        title="accuracy of the discriminator",
        axis="images judged rightly (%)",
        parts=("real_accuracy", "fake_accuracy"),
        said="accuracy",
        share=True,
    ),
    CurveFamily(
        title="gradient norms",
        axis="norm of the gradient, log scale",
        parts=("gradient",),
        said="gradient",
        log=True,
    ),
    CurveFamily(title="penalties", axis="penalty", parts=("penalty",)),
    CurveFamily(title="quality of the samples", axis="share (%)", parts=QUALITIES, share=True),
    CurveFamily(title="speed", axis="training images per second", parts=("per_second",)),
)


@dataclass(frozen=True, kw_only=True)
class LogPlot:
    """A plot of some columns of a log.

    Args:
        title: a few words.
        axis: label of the y axis.
        curves: one a column, over the steps of the training.
        log: whether the y axis is logarithmic.
    """

    title: str
    axis: str
    curves: tuple[Curve, ...]
    log: bool


def training_curves(log: LogColumns) -> list[Block]:
    """Plots all columns of a log, and says how to read them.

    Args:
        log: of a training.
    """
    plots = list(log_plots(log))
    blocks: list[Block] = []
    if any(curve.low for plot in plots for curve in plot.curves):
        reading = "Line: median of neighbouring steps. Band: 80 % of their values lie in it."
        blocks.append(Paragraph(text=reading, soft=True))
    for plot in plots:
        ends = "; ".join(
            f"{curve.label} from {number(curve.y[0])} to {number(curve.y[-1])}"
            for curve in plot.curves
        )
        text = PlotText(
            name=f"curve-{plot.title.replace(' ', '-')}",
            alt=f"{plot.title.capitalize()} over the steps of the training: {ends}.",
            x="training step",
            y=plot.axis,
        )
        adjust = log_y if plot.log else None
        draw = curve_plot(text, plot.curves, half=True, height=250, adjust=adjust)
        blocks.append(Chart(title=plot.title.capitalize(), draw=draw, half=True))
    return blocks


def log_plots(log: LogColumns) -> Iterator[LogPlot]:
    """Sorts the columns of a log into plots.

    Args:
        log: of a training.

    Yields:
        One plot for each family that is there, then one for each column that belongs to none. A
        column of which every value is 0 or missing, such as a penalty that is off, is left out.
    """
    left = [
        name
        for name, values in log.items()
        if name not in NO_CURVES and values[np.isfinite(values)].any()
    ]
    for family in CURVE_FAMILIES:
        columns = [name for name in left if any(part in name for part in family.parts)]
        left = [name for name in left if name not in columns]
        if columns:
            yield _log_plot(log, columns, family)
    for name in left:
        family = CurveFamily(title=_spaced(name), axis=_spaced(name), parts=(name,))
        yield _log_plot(log, [name], family)


def binned(
    steps: NDArray[np.float64], values: NDArray[np.float64]
) -> tuple[list[float], list[float], list[float], list[float]]:
    """Reduces a column to at most MOST_POINTS points, each of equally many neighbouring values.

    Args:
        steps: (n,) ascending.
        values: (n,), NaN where there is none.

    Returns:
        Mean steps, medians, and the 10th and 90th percentiles; the last two are empty where each
        point is one value.

    Example:
        >>> binned(np.array([1.0, 2.0]), np.array([5.0, np.nan]))
        ([1.0], [5.0], [], [])
    """
    there = np.isfinite(values)
    steps = steps[there]
    values = values[there]
    if len(steps) <= MOST_POINTS:
        return steps.tolist(), values.tolist(), [], []

    centres = [float(piece.mean()) for piece in np.array_split(steps, MOST_POINTS)]
    pieces = np.array_split(values, MOST_POINTS)
    low, middle, high = (
        [float(np.percentile(piece, share)) for piece in pieces] for share in (BAND[0], 50, BAND[1])
    )
    return centres, middle, low, high


def _log_plot(log: LogColumns, columns: Sequence[str], family: CurveFamily) -> LogPlot:
    """Makes one plot of the columns of a family."""
    # what is no share in all columns is not shown in percent
    share = family.share and all(np.nanmax(log[name]) <= 1 for name in columns)
    curves = []
    for style, name in enumerate(columns):
        x, y, low, high = binned(log["step"], log[name] * (100 if share else 1))
        label = _spaced(name).removesuffix(f" {family.said}")
        curves.append(Curve(label=label, x=x, y=y, low=low, high=high, style=style))
    return LogPlot(
        title=family.title,
        axis=family.title if family.share and not share else family.axis,
        curves=tuple(curves),
        log=family.log and all(np.nanmin(log[name]) > 0 for name in columns),
    )


def _spaced(name: str) -> str:
    """Writes the name of a column as words."""
    return name.replace("_", " ")
