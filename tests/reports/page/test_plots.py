import re
import subprocess
import sys
import xml.etree.ElementTree as ET
from typing import Any

import pytest

from synthgen.metrics.intervals import Estimate
from synthgen.reports.page.plots import (
    HALF,
    NARROW,
    WIDE,
    Bars,
    Line,
    Point,
    Row,
    bar_plot,
    interval_plot,
    line_plot,
    scatter_plot,
)


def around(mean: float, half: float) -> Estimate:
    return Estimate(mean=mean, low=mean - half, high=mean + half)


def drawings(markup: str) -> list[ET.Element]:
    return [ET.fromstring(part + "</svg>") for part in str(markup).split("</svg>") if part.strip()]


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


def test_a_forest_shows_each_interval_to_scale_its_seeds_its_label_and_its_word() -> None:
    rows = [
        Row(label="a & <b>", estimate=around(5, 5), values=[3, 7], tone="good", word="▲ helps"),
        Row(label="another", estimate=around(-10, 10), values=[-10], tone="bad", word="▼ hurts"),
        Row(label="one seed", estimate=Estimate(mean=0, low=None, high=None), tone="plain"),
    ]
    wide, narrow = drawings(interval_plot("forest", "what it shows", rows, "points", zero=True)())
    for drawing, width in ((wide, WIDE), (narrow, NARROW)):
        assert drawing.get("viewBox", "").split()[2] == f"{width:g}"
        assert {"a & <b>", "another", "one seed", "▲ helps", "▼ hurts", "points"} <= set(
            texts(drawing)
        )
        assert spans(drawing, "bad") == pytest.approx([2 * spans(drawing, "good")[0]], rel=1e-3)
        assert spans(drawing, "plain") == []
        assert drawing.get("aria-label") == "what it shows"


def test_a_half_plot_is_drawn_once() -> None:
    (drawing,) = drawings(
        interval_plot(
            "forest", "words", [Row(label="a", estimate=around(5, 5))], "points", half=True
        )()
    )
    assert drawing.get("viewBox", "").split()[2] == f"{HALF:g}"


def test_long_labels_break_where_there_is_no_room() -> None:
    row = Row(
        label="real and synthetic digits, all of them distorted, against distorted real ones",
        estimate=around(5, 5),
    )
    wide, narrow = drawings(interval_plot("forest", "words", [row], "points")())
    assert "real and synthetic digits, all" in texts(wide)
    assert any(text.startswith("real and synthetic digits, all of them") for text in texts(narrow))


def test_curves_have_labelled_axes_a_legend_and_bands() -> None:
    lines = [
        Line(
            label="real",
            x=[10, 100, 1000],
            y=[90, 95, 99],
            low=[89, 94, 98],
            high=[91, 96, 99.5],
            marked=True,
        ),
        Line(label="synthetic", x=[10, 100, 1000], y=[80, 85, 89], style=1),
    ]
    (drawing,) = drawings(
        line_plot("curve", "words", lines, "images per class", "accuracy (%)", half=True)()
    )
    assert {"real", "synthetic", "images per class", "accuracy (%)", "1,000"} <= set(texts(drawing))
    bands = [path for path in drawing.iter() if "fill-opacity: 0.16" in path.get("style", "")]
    assert len(bands) == 1
    assert "var(--c1)" in bands[0].get("style", "")


@pytest.mark.parametrize(("count", "markers"), [(1, 1), (2, 0)])
def test_a_curve_of_one_point_shows_the_point(count: int, markers: int) -> None:
    lines = [Line(label="a", x=[1, 2][:count], y=[3, 4][:count])]
    (drawing,) = drawings(line_plot("curve", "words", lines, "x", "y", half=True)())
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
    wide = drawings(bar_plot("errors", "words", ["0", "1"], bars, "class", "errors (%)")())[0]
    heights: dict[str, list[float]] = {}
    for path in wide.iter("path"):
        found = re.match(r"fill: var\(--(c\d)\)", path.get("style", ""))
        corners = [float(y) for y in re.findall(r"[\d.]+ ([\d.]+)", path.get("d", ""))]
        if found and corners and path.get("clip-path"):
            heights.setdefault(found.group(1), []).append(max(corners) - min(corners))
    assert heights["c1"][1] == pytest.approx(2 * heights["c1"][0], rel=1e-3)
    assert heights["c2"] == pytest.approx([4 * heights["c1"][0]] * 2, rel=1e-3)
    assert {"class", "errors (%)", "real", "synthetic", "0", "1"} <= set(texts(wide))


def test_points_carry_their_names() -> None:
    points = [
        Point(label="synthetic", x=around(81, 4), y=around(93, 4), style=1),
        Point(label="real", x=around(94, 1), y=around(95, 1)),
    ]
    (drawing,) = drawings(scatter_plot("points", "words", points, "recall (%)", "precision (%)")())
    assert {"synthetic", "real", "recall (%)", "precision (%)"} <= set(texts(drawing))
    assert spans(drawing, "c2")[0] == pytest.approx(4 * spans(drawing, "c1")[0], rel=1e-3)


def test_last_touches_are_applied() -> None:
    def adjust(axes: Any) -> None:
        axes.set_xticks([1], ["here"])

    (drawing,) = drawings(
        line_plot(
            "curve",
            "words",
            [Line(label="a", x=[1, 2], y=[1, 2])],
            "x",
            "y",
            half=True,
            adjust=adjust,
        )()
    )
    assert "here" in texts(drawing)


@pytest.mark.parametrize("module", ["report", "benchmark_report", "run_report"])
def test_reports_load_neither_tensorflow_nor_matplotlib_before_they_are_asked_for_a_page(
    module: str,
) -> None:
    code = f"import synthgen.evaluation.{module}, sys; sys.exit(bool({{'tensorflow', 'keras', 'matplotlib'}} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
