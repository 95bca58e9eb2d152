import re
import subprocess
import sys
import xml.etree.ElementTree as ET
from typing import TYPE_CHECKING

import pytest

from synthgen.metrics.intervals import Estimate
from synthgen.reports.page.plots import (
    HALF,
    NARROW,
    WIDE,
    Bars,
    Curve,
    Drawing,
    ForestRow,
    PlotText,
    ScatterPoint,
    accuracy_y,
    bar_plot,
    curve_plot,
    forest_plot,
    log_y,
    scatter_plot,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes

POINTS = PlotText(name="forest", alt="what it shows", x="points")
CURVE = PlotText(name="curve", alt="what it shows", x="images per class", y="accuracy (%)")
PLANE = PlotText(name="points", alt="what it shows", x="recall (%)", y="precision (%)")
ERRORS = PlotText(name="errors", alt="what it shows", x="class", y="errors (%)")


def around(mean: float, half: float) -> Estimate:
    return Estimate(mean=mean, low=mean - half, high=mean + half)


def drawings(drawing: Drawing) -> list[ET.Element]:
    """The <svg> elements that a plot gives, one a width."""
    parts = str(drawing()).split("</svg>")
    return [ET.fromstring(part + "</svg>") for part in parts if part.strip()]


def texts(drawing: ET.Element) -> list[str]:
    return [text.text or "" for text in drawing.iter("text")]


def spans(drawing: ET.Element, colour: str) -> list[float]:
    """Widths of the straight lines of this colour, in the order in which they were drawn."""
    paths = [
        path
        for path in drawing.iter("path")
        if f"stroke: var(--{colour})" in path.get("style", "")
        and "fill: none" in path.get("style", "")
    ]
    found = [
        re.fullmatch(r"M ([\d.]+) [\d.]+ L ([\d.]+) [\d.]+", " ".join(path.get("d", "").split()))
        for path in paths
    ]
    return [float(match.group(2)) - float(match.group(1)) for match in found if match]


def ticks(drawing: Drawing) -> list[float]:
    """The numbers that stand at the axes of a plot, those of the first width."""
    words = texts(drawings(drawing)[0])
    return [float(text) for text in words if text.replace(".", "", 1).isdigit()]


def test_a_forest_shows_intervals_seeds_labels_and_words() -> None:
    rows = [
        ForestRow(label="a & <b>", estimate=around(5, 5), values=[3, 7], tone="good", word="▲ up"),
        ForestRow(label="another", estimate=around(-10, 10), values=[-10], tone="bad", word="▼"),
        ForestRow(label="one seed", estimate=Estimate(mean=0, low=None, high=None), tone="plain"),
    ]
    wide, narrow = drawings(forest_plot(POINTS, rows, zero=True))
    for drawing, width in ((wide, WIDE), (narrow, NARROW)):
        assert drawing.get("viewBox", "").split()[2] == f"{width:g}"
        assert {"a & <b>", "another", "one seed", "▲ up", "▼", "points"} <= set(texts(drawing))
        assert spans(drawing, "bad") == pytest.approx([2 * spans(drawing, "good")[0]], rel=1e-3)
        assert spans(drawing, "plain") == []
        assert drawing.get("aria-label") == "what it shows"


def test_a_half_plot_is_drawn_once() -> None:
    row = ForestRow(label="a", estimate=around(5, 5))
    (drawing,) = drawings(forest_plot(POINTS, [row], half=True))
    assert drawing.get("viewBox", "").split()[2] == f"{HALF:g}"


def test_long_labels_break_where_there_is_no_room() -> None:
    label = "real and synthetic digits, all of them distorted, against distorted real ones"
    wide, narrow = drawings(forest_plot(POINTS, [ForestRow(label=label, estimate=around(5, 5))]))
    assert "real and synthetic digits, all" in texts(wide)
    assert any(text.startswith("real and synthetic digits, all of them") for text in texts(narrow))


def test_curves_have_labelled_axes_a_legend_and_bands() -> None:
    real = Curve(
        label="real",
        x=[10, 100, 1000],
        y=[90, 95, 99],
        low=[89, 94, 98],
        high=[91, 96, 99.5],
        marked=True,
    )
    synthetic = Curve(label="synthetic", x=[10, 100, 1000], y=[80, 85, 89], style=1)
    (drawing,) = drawings(curve_plot(CURVE, [real, synthetic], half=True))
    assert {"real", "synthetic", "images per class", "accuracy (%)", "1,000"} <= set(texts(drawing))
    bands = [path for path in drawing.iter() if "fill-opacity: 0.16" in path.get("style", "")]
    assert len(bands) == 1
    assert "var(--c1)" in bands[0].get("style", "")


@pytest.mark.parametrize(("count", "markers"), [(1, 1), (2, 0)])
def test_a_curve_of_one_point_shows_the_point(count: int, markers: int) -> None:
    curve = Curve(label="a", x=[1, 2][:count], y=[3, 4][:count])
    (drawing,) = drawings(curve_plot(CURVE, [curve], half=True))
    groups = [
        group for group in drawing.iter("g") if group.get("id", "").startswith("curve-wide-line2d")
    ]
    shown = [
        use for group in groups for use in group.iter("use") if "var(--c1)" in use.get("style", "")
    ]
    assert len(shown) == markers


def test_bars_begin_at_zero_and_are_as_high_as_their_values() -> None:
    bars = [
        Bars(label="real", estimates=[around(1.0, 0.5), around(2.0, 0.5)]),
        Bars(label="synthetic", estimates=[around(4.0, 9)] * 2, style=1),
    ]
    wide = drawings(bar_plot(ERRORS, ["0", "1"], bars))[0]
    heights: dict[str, list[float]] = {}
    for path in wide.iter("path"):
        found = re.match(r"fill: var\(--(c\d)\)", path.get("style", ""))
        corners = [float(y) for y in re.findall(r"[\d.]+ ([\d.]+)", path.get("d", ""))]
        if found and corners and path.get("clip-path"):
            heights.setdefault(found.group(1), []).append(max(corners) - min(corners))
    assert heights["c1"][1] == pytest.approx(2 * heights["c1"][0], rel=1e-3)
    assert heights["c2"] == pytest.approx([4 * heights["c1"][0]] * 2, rel=1e-3)
    assert {"class", "errors (%)", "real", "synthetic", "0", "1"} <= set(texts(wide))


def test_names_of_groups_that_do_not_fit_are_cut_off() -> None:
    names = ["a rather long name of a class", *"123456789"]
    bars = [Bars(label="real", estimates=[around(1.0, 0.5)] * 10)]
    wide, narrow = drawings(bar_plot(ERRORS, names, bars))
    assert "a rath…" in texts(wide)
    assert "a…" in texts(narrow)
    assert "9" in texts(narrow)


def test_endless_names_are_cut_off() -> None:
    name = "seven " * 200
    one = around(5, 1)
    (points,) = drawings(scatter_plot(PLANE, [ScatterPoint(label=name, x=one, y=one)]))
    assert "seven seven seven seven…" in [text.rstrip() for text in texts(points)]
    (forest,) = drawings(forest_plot(POINTS, [ForestRow(label=name, estimate=one)], half=True))
    assert len(" ".join(texts(forest))) < 200


def test_points_carry_their_names() -> None:
    points = [
        ScatterPoint(label="synthetic", x=around(81, 4), y=around(93, 4), style=1),
        ScatterPoint(label="real", x=around(94, 1), y=around(95, 1)),
    ]
    (drawing,) = drawings(scatter_plot(PLANE, points))
    assert {"synthetic", "real", "recall (%)", "precision (%)"} <= set(texts(drawing))
    assert spans(drawing, "c2")[0] == pytest.approx(4 * spans(drawing, "c1")[0], rel=1e-3)


def test_last_touches_are_applied() -> None:
    def adjust(axes: "Axes") -> None:
        axes.set_xticks([1], ["here"])

    curve = Curve(label="a", x=[1, 2], y=[1, 2])
    (drawing,) = drawings(curve_plot(CURVE, [curve], half=True, adjust=adjust))
    assert "here" in texts(drawing)


@pytest.mark.parametrize(
    "estimate", [around(100, 0), Estimate(mean=100.0, low=99.999998, high=100.0)]
)
def test_axes_do_not_zoom_in_on_figures_that_do_not_differ(estimate: Estimate) -> None:
    scatter = ticks(scatter_plot(PLANE, [ScatterPoint(label="a", x=estimate, y=estimate)]))
    forest = ticks(forest_plot(POINTS, [ForestRow(label="a", estimate=estimate, values=[100.0])]))
    for found, axes in ((scatter, 2), (forest, 1)):
        assert len(found) >= 3 * axes
        assert (min(found), max(found)) == (99.8, 100.0)


def test_axes_of_figures_that_differ_reach_as_far_as_these() -> None:
    found = ticks(forest_plot(POINTS, [ForestRow(label="a", estimate=around(99.2, 0.4))]))
    assert 98.8 <= min(found) < 98.9
    assert 99.5 < max(found) <= 99.6


def test_a_difference_of_nothing_stands_within_its_axis() -> None:
    row = ForestRow(label="a", estimate=around(0, 0))
    assert 0.0 in ticks(forest_plot(POINTS, [row], zero=True))


def test_ticks_carry_whole_figures() -> None:
    curve = Curve(label="a", x=[1, 2], y=[12345.1, 12345.2])
    text = PlotText(name="curve", alt="", x="x", y="y")
    words = texts(drawings(curve_plot(text, [curve], half=True))[0])
    assert "12345.10" in words
    assert not [word for word in words if "e" in word or "+" in word]


def test_accuracies_stand_on_an_axis_of_errors_the_best_on_top() -> None:
    curve = Curve(label="real", x=[1, 2], y=[10, 0.5])
    (drawing,) = drawings(curve_plot(CURVE, [curve], half=True, adjust=accuracy_y))
    heights = {text.text: float(text.get("y", 0)) for text in drawing.iter("text")}
    assert heights["99.5"] < heights["99"] < heights["98"] < heights["95"] < heights["90"]
    assert heights["98"] - heights["99"] == pytest.approx(heights["99"] - heights["99.5"], rel=1e-3)


def test_a_log_axis_has_plain_numbers() -> None:
    curve = Curve(label="a", x=[1, 2], y=[0.01, 100])
    (drawing,) = drawings(curve_plot(CURVE, [curve], half=True, adjust=log_y))
    assert {"0.01", "1", "100"} <= set(texts(drawing))


@pytest.mark.parametrize("name", ["$\\undefined$", "\x1b[31m", "caf\udce9", "日本", "_x", "a\nb"])
def test_names_of_others_are_drawn_as_words(name: str) -> None:
    """A class may have any name: it is neither mathematics nor the end of a report."""
    shown = name.replace("\x1b", "\N{REPLACEMENT CHARACTER}")
    shown = shown.replace("\udce9", "\N{REPLACEMENT CHARACTER}").split("\n")[0]
    one = around(5, 1)
    bars = [Bars(label=name, estimates=[one]), Bars(label="b", estimates=[one])]
    for plot in (
        bar_plot(ERRORS, [name], bars),
        forest_plot(POINTS, [ForestRow(label=name, estimate=one)]),
        scatter_plot(PLANE, [ScatterPoint(label=name, x=one, y=one)]),
        curve_plot(PlotText(name="c", alt=name, x=name, y=name), [Curve(label="", x=[1], y=[1])]),
    ):
        assert any(text.startswith(shown) for text in texts(drawings(plot)[0]))


@pytest.mark.parametrize("module", ["evaluation", "benchmark", "training"])
def test_reports_load_no_tensorflow_and_matplotlib_when_asked(module: str) -> None:
    loaded = "{'tensorflow', 'keras', 'matplotlib'} & set(sys.modules)"
    code = f"import synthgen.reports.{module}, sys; sys.exit(bool({loaded}))"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
