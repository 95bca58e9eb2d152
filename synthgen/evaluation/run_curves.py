"""The log of a training as curves: which columns belong together, and few enough points to draw."""

import csv
import io
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from synthgen.errors import CheckpointError
from synthgen.evaluation.page.plots import Line

# columns of equal length, NaN where a value was not measured
Log = Mapping[str, NDArray[np.float64]]
TIMES = ("step", "seconds")
MOST_POINTS = 60
BAND = (10, 90)  # percentiles of the values that one point of a curve stands for


@dataclass(frozen=True, kw_only=True)
class Family:
    """Columns that are drawn in one plot: those whose name has one of these parts.

    Args:
        title: of the plot.
        axis: label of its y axis, with the unit.
        parts: of column names.
        said: word at the end of a column's name that need not be repeated in the legend.
        share: whether values are shares 0..1, shown in percent.
        log: whether the axis is logarithmic where all values are positive.
    """

    title: str
    axis: str
    parts: tuple[str, ...]
    said: str = ""
    share: bool = False
    log: bool = False


FAMILIES = (
    Family(title="losses", axis="loss", parts=("loss",), said="loss"),
    Family(
        title="accuracy of the discriminator",
        axis="images judged rightly (%)",
        parts=("real_accuracy", "fake_accuracy"),
        said="accuracy",
        share=True,
    ),
    Family(
        title="gradient norms",
        axis="norm of the gradient, log scale",
        parts=("gradient",),
        said="gradient",
        log=True,
    ),
    Family(title="penalties", axis="penalty", parts=("penalty",)),
    Family(
        title="quality of the samples",
        axis="share (%)",
        parts=(
            "coverage",
            "recall",
            "precision",
            "agreement",
            "usefulness",
            "accuracy",
            "distinct",
            "diversity",
        ),
        share=True,
    ),
    Family(title="speed", axis="training images per second", parts=("per_second",)),
)


@dataclass(frozen=True, kw_only=True)
class Plot:
    """A plot of some columns of a log."""

    title: str
    axis: str
    lines: tuple[Line, ...]
    log: bool


def read_log(text: str, path: str) -> Log:
    """A log.csv as columns.

    Args:
        text: content of the file.
        path: for messages.

    Raises:
        CheckpointError: if it is not a log with a column `step` and at least one whole row.
    """
    rows = list(csv.DictReader(io.StringIO(text)))
    try:
        # a killed writer may leave half a row
        whole = [row for row in rows if None not in row.values()]
        log = {name: np.array([float(row[name] or "nan") for row in whole]) for name in rows[0]}
    except (IndexError, KeyError, TypeError, ValueError) as error:
        raise CheckpointError(
            f"Expected a log of a training in {path}, with a header and numbers, received something else: {error}."
        ) from error
    if not len(log.get("step", ())):
        raise CheckpointError(
            f"Expected a log of a training in {path}, with a column 'step' and at least one row. Train for a few steps more."
        )
    return log


def plots_of(log: Log) -> Iterator[Plot]:
    """One plot for each family that is there, then one for each column that belongs to none; nothing of columns that are 0 or empty throughout."""
    # a penalty that is off is 0 all along
    left = [name for name in log if name not in TIMES and np.nan_to_num(log[name]).any()]
    for family in FAMILIES:
        columns = [name for name in left if any(part in name for part in family.parts)]
        left = [name for name in left if name not in columns]
        if columns:
            yield _plot(log, columns, family)
    for name in left:
        yield _plot(log, [name], Family(title=_words(name), axis=_words(name), parts=(name,)))


def binned(
    steps: NDArray[np.float64], values: NDArray[np.float64]
) -> tuple[list[float], list[float], list[float], list[float]]:
    """At most MOST_POINTS points: of equally many neighbouring values each the median, and between which ends most of them lie.

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
    steps, values = steps[there], values[there]
    if len(steps) <= MOST_POINTS:
        return steps.tolist(), values.tolist(), [], []
    pieces = np.array_split(np.arange(len(steps)), MOST_POINTS)
    low, middle, high = (
        np.array([np.percentile(values[piece], share) for piece in pieces]).tolist()
        for share in (BAND[0], 50, BAND[1])
    )
    return [float(steps[piece].mean()) for piece in pieces], middle, low, high


def _plot(log: Log, columns: Sequence[str], family: Family) -> Plot:
    share = family.share and all(np.nanmax(log[name]) <= 1 for name in columns)
    lines = [
        _line(log, name, style, 100.0 if share else 1.0, family)
        for style, name in enumerate(columns)
    ]
    positive = all(np.nanmin(log[name]) > 0 for name in columns)
    return Plot(
        title=family.title,
        axis=family.axis if share or not family.share else family.title,
        lines=tuple(lines),
        log=family.log and positive,
    )


def _line(log: Log, name: str, style: int, scale: float, family: Family) -> Line:
    x, y, low, high = binned(log["step"], log[name] * scale)
    return Line(
        label=_words(name).removesuffix(f" {family.said}"),
        x=x,
        y=y,
        low=low,
        high=high,
        style=style,
    )


def _words(name: str) -> str:
    return name.replace("_", " ")
