import xml.etree.ElementTree as ET

import pytest

from synthgen.evaluation.figures import Row, dot_plot, tick_values
from synthgen.evaluation.verdict import Estimate


@pytest.mark.parametrize(
    ("low", "high", "ticks"),
    [(98.91, 99.47, [98.8, 99.0, 99.2, 99.4, 99.6]), (-0.49, 0.1, [-0.6, -0.4, -0.2, 0.0, 0.2]), (0, 100, [0, 20, 40, 60, 80, 100])],
)
def test_ticks_are_round_and_enclose_the_values(low: float, high: float, ticks: list[float]) -> None:
    assert tick_values(low, high) == ticks


@pytest.mark.parametrize("value", [0.0, 0.5, 100.0])
def test_a_single_value_still_has_an_axis(value: float) -> None:
    ticks = tick_values(value, value)
    assert len(ticks) >= 2
    assert ticks[0] <= value <= ticks[-1]


def test_a_figure_is_well_formed_places_its_marks_and_escapes_its_words() -> None:
    rows = [
        Row(label="a & <b>", estimate=Estimate(mean=50, low=25, high=75), values=[40, 60], colour="#000"),
        Row(label="one seed", estimate=Estimate(mean=100, low=None, high=None), values=[100], colour="#111"),
    ]
    root = ET.fromstring(dot_plot(rows, "share (%)", 'a "title"', zero=True))
    tag = "{*}line" if root.tag.startswith("{") else "line"
    whiskers = [line for line in root.iter(tag) if line.get("stroke") == "#000"]
    assert [(line.get("x1"), line.get("x2")) for line in whiskers] == [("117.0", "323.0")]  # a quarter and three quarters of 14..426
    assert [text.text for text in root.iter("text")][-1] == "share (%)"
    assert "a & <b>" in [text.text for text in root.iter("text")]
    assert len(list(root.iter("circle"))) == 3
    assert root.get("aria-label") == 'a "title"'
