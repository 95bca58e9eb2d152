import pytest

from synthgen.metrics.intervals import Estimate
from synthgen.reports.page.plots import (
    Drawing,
    Line,
    Point,
    Row,
    accuracy_y,
    interval_plot,
    line_plot,
    log_y,
    scatter_plot,
)
from tests.reports.page.test_plots import around, drawings, texts


def ticks(drawing: Drawing) -> list[float]:
    """The numbers that stand at the axes of a plot, those of the first width."""
    return [
        float(text)
        for text in texts(drawings(str(drawing()))[0])
        if text.replace(".", "", 1).isdigit()
    ]


@pytest.mark.parametrize(
    "estimate", [around(100, 0), Estimate(mean=100.0, low=99.999998, high=100.0)]
)
def test_axes_of_figures_that_do_not_differ_are_not_zoomed_in_on_and_end_at_the_highest(
    estimate: Estimate,
) -> None:
    scatter = ticks(
        scatter_plot(
            "points",
            "words",
            [Point(label="a", x=estimate, y=estimate)],
            "recall (%)",
            "precision (%)",
        )
    )
    forest = ticks(
        interval_plot(
            "forest", "words", [Row(label="a", estimate=estimate, values=[100.0])], "accuracy (%)"
        )
    )
    for found, axes in ((scatter, 2), (forest, 1)):
        assert len(found) >= 3 * axes
        assert (min(found), max(found)) == (99.8, 100.0)


def test_axes_of_figures_that_differ_reach_as_far_as_these() -> None:
    found = ticks(
        interval_plot(
            "forest", "words", [Row(label="a", estimate=around(99.2, 0.4))], "accuracy (%)"
        )
    )
    assert 98.8 <= min(found) < 98.9
    assert 99.5 < max(found) <= 99.6


def test_a_difference_of_nothing_stands_within_its_axis() -> None:
    assert 0.0 in ticks(
        interval_plot(
            "forest", "words", [Row(label="a", estimate=around(0, 0))], "points", zero=True
        )
    )


def test_ticks_carry_whole_figures() -> None:
    lines = [Line(label="a", x=[1, 2], y=[12345.1, 12345.2])]
    words = texts(drawings(str(line_plot("curve", "words", lines, "x", "y", half=True)()))[0])
    assert "12345.10" in words
    assert not [word for word in words if "e" in word or "+" in word]


def test_accuracies_are_written_on_an_axis_of_errors_with_the_best_at_the_top() -> None:
    lines = [Line(label="real", x=[1, 2], y=[10, 0.5])]
    (drawing,) = drawings(
        line_plot("curve", "words", lines, "x", "accuracy (%)", half=True, adjust=accuracy_y)()
    )
    heights = {text.text: float(text.get("y", 0)) for text in drawing.iter("text")}
    assert heights["99.5"] < heights["99"] < heights["98"] < heights["95"] < heights["90"]
    assert heights["98"] - heights["99"] == pytest.approx(heights["99"] - heights["99.5"], rel=1e-3)


def test_a_log_axis_has_plain_numbers() -> None:
    lines = [Line(label="a", x=[1, 2], y=[0.01, 100])]
    (drawing,) = drawings(line_plot("curve", "words", lines, "x", "y", half=True, adjust=log_y)())
    assert {"0.01", "1", "100"} <= set(texts(drawing))
