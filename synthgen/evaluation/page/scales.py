"""The axes of plots: how far they reach, and what stands at their ticks."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from matplotlib.axes import Axes

# wrong answers in percent that the axis of `accuracy_y` marks
ERRORS = [0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 20.0, 50.0, 90.0]
LEAST_SPAN = 0.002  # of an axis, as a share of its largest figure: 0.2 points at 100 %


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
