import math

import numpy as np
import pytest

from synthgen.errors import CheckpointError
from synthgen.reports.training import MOST_POINTS, binned, plots_of, read_log
from tests.evaluation.run_example import HEADER


def log_of(*rows: str, header: str = HEADER) -> str:
    return "\n".join([header, *rows]) + "\n"


def test_an_empty_cell_is_a_value_that_was_not_measured() -> None:
    log = read_log(log_of("10,,0.5", "20,0.25,", header="step,coverage,loss"), "log.csv")
    assert log["step"].tolist() == [10, 20]
    assert math.isnan(log["coverage"][0])
    assert log["coverage"][1] == 0.25


def test_half_a_row_of_a_killed_writer_is_left_out() -> None:
    assert read_log(log_of("10,1", "20", header="step,loss"), "log.csv")["step"].tolist() == [10]


@pytest.mark.parametrize("text", ["", "step,loss\n", "loss\n1\n", "step,loss\nten,1\n", "\x89PNG"])
def test_something_else_is_refused(text: str) -> None:
    with pytest.raises(CheckpointError, match=r"Expected a log of a training in here\.csv"):
        read_log(text, "here.csv")


def test_columns_that_belong_together_share_a_plot_and_unknown_ones_get_their_own() -> None:
    row = "10,5,200,1,2,0.6,0.7,0.02,3,0.5,70"
    plots = {
        plot.title: plot
        for plot in plots_of(read_log(log_of(row, row.replace("10,", "20,", 1)), "log.csv"))
    }
    assert list(plots) == [
        "losses",
        "accuracy of the discriminator",
        "gradient norms",
        "penalties",
        "quality of the samples",
        "speed",
        "oddity",
    ]
    assert [line.label for line in plots["losses"].lines] == ["discriminator", "generator"]
    assert [line.label for line in plots["accuracy of the discriminator"].lines] == ["real", "fake"]
    assert plots["accuracy of the discriminator"].lines[1].y == [70, 70]
    assert plots["quality of the samples"].axis == "share (%)"
    assert plots["gradient norms"].log
    assert not plots["losses"].log


def test_a_column_that_was_never_measured_or_is_off_is_not_drawn() -> None:
    plots = list(
        plots_of(
            read_log(log_of("10,1,,0", "20,2,,0", header="step,loss,coverage,penalty"), "log.csv")
        )
    )
    assert [plot.title for plot in plots] == ["losses"]


def test_a_norm_that_is_zero_has_no_place_on_a_log_axis() -> None:
    plots = list(
        plots_of(read_log(log_of("10,0", "20,2", header="step,generator_gradient"), "log.csv"))
    )
    assert not plots[0].log


def test_what_is_no_share_is_not_shown_in_percent() -> None:
    (plot,) = plots_of(read_log(log_of("10,0.5", "20,2.5", header="step,coverage"), "log.csv"))
    assert plot.lines[0].y == [0.5, 2.5]
    assert plot.axis == "quality of the samples"


def test_few_values_are_drawn_as_they_are_and_many_as_medians_with_a_band() -> None:
    steps = np.arange(1.0, 10 * MOST_POINTS + 1)
    assert binned(steps[:3], np.array([1.0, np.nan, 3.0])) == ([1, 3], [1, 3], [], [])
    x, y, low, high = binned(steps, steps**2)
    assert len(x) == MOST_POINTS
    assert x[0] == 5.5
    assert y[0] == (25 + 36) / 2
    assert low[0] == pytest.approx(np.percentile(steps[:10] ** 2, 10))
    assert high[0] == pytest.approx(np.percentile(steps[:10] ** 2, 90))
