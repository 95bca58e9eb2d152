import numpy as np
import pytest

from synthgen.reports.page.blocks import Chart, Paragraph
from synthgen.reports.training_curves import MOST_POINTS, binned, log_plots, training_curves
from synthgen.reports.training_files import LogColumns, read_log
from tests.reports.training_example import HEADER


def log_of(*rows: str, header: str = HEADER) -> LogColumns:
    return read_log("\n".join([header, *rows, ""]).encode(), "log.csv")


def test_columns_that_belong_together_share_a_plot() -> None:
    """Columns that no family knows get a plot of their own."""
    row = "10,5,200,1,2,0.6,0.7,0.02,3,0.5,70"
    plots = {plot.title: plot for plot in log_plots(log_of(row, row.replace("10,", "20,", 1)))}
    assert list(plots) == [
        "losses",
        "accuracy of the discriminator",
        "gradient norms",
        "penalties",
        "quality of the samples",
        "speed",
        "oddity",
    ]
    assert [curve.label for curve in plots["losses"].curves] == ["discriminator", "generator"]
    accuracies = plots["accuracy of the discriminator"].curves
    assert [curve.label for curve in accuracies] == ["real", "fake"]
    assert accuracies[1].y == [70, 70]
    assert plots["quality of the samples"].axis == "share (%)"
    assert plots["gradient norms"].log
    assert not plots["losses"].log


def test_a_column_that_was_never_measured_or_is_off_is_not_drawn() -> None:
    log = log_of("10,1,,0,inf", "20,2,,0,inf", header="step,loss,coverage,penalty,norm")
    assert [plot.title for plot in log_plots(log)] == ["losses"]


def test_a_norm_that_is_zero_has_no_place_on_a_log_axis() -> None:
    (plot,) = log_plots(log_of("10,0", "20,2", header="step,generator_gradient"))
    assert not plot.log


def test_what_is_no_share_is_not_shown_in_percent() -> None:
    (plot,) = log_plots(log_of("10,0.5", "20,2.5", header="step,coverage"))
    assert plot.curves[0].y == [0.5, 2.5]
    assert plot.axis == "quality of the samples"


def test_many_values_are_drawn_as_medians_with_a_band() -> None:
    steps = np.arange(1.0, 10 * MOST_POINTS + 1)
    assert binned(steps[:3], np.array([1.0, np.nan, 3.0])) == ([1, 3], [1, 3], [], [])
    x, y, low, high = binned(steps, steps**2)
    assert len(x) == MOST_POINTS
    assert x[0] == 5.5
    assert y[0] == (25 + 36) / 2
    assert low[0] == pytest.approx(np.percentile(steps[:10] ** 2, 10))
    assert high[0] == pytest.approx(np.percentile(steps[:10] ** 2, 90))


def test_bands_are_explained_where_there_are_any() -> None:
    few = [f"{step},{step / 7}" for step in range(1, 10)]
    many = [f"{step},{step / 7}" for step in range(1, 2 * MOST_POINTS)]
    header = "step,generator_loss"
    assert [type(block) for block in training_curves(log_of(*few, header=header))] == [Chart]
    blocks = training_curves(log_of(*many, header=header))
    assert [type(block) for block in blocks] == [Paragraph, Chart]
