import io
import re
import xml.etree.ElementTree as ET

import numpy as np
import pytest
from matplotlib.figure import Figure
from PIL import Image

from synthgen.reports.page.svg import COLOURS, SERIES, Margins, draw_file, draw_svg, empty_figure


def plot(width: float) -> Figure:
    figure, axes = empty_figure(width, 150, Margins(left=30, right=10, top=10, bottom=40))
    axes.plot([0, 1], [0, 1], color=COLOURS["c2"], marker="o", label="<line>")
    axes.set_xlim(0.2, 1)  # clips, which needs an id
    axes.set_xlabel("steps & more")
    return figure


def test_a_drawing_is_one_element_with_variables_for_colours() -> None:
    drawing = draw_svg("loss", 'the "loss" & more', plot, (300,))
    root = ET.fromstring(drawing)
    assert root.tag == "svg"
    assert root.get("aria-label") == 'the "loss" & more'
    assert root.get("viewBox") == "0 0 300 150"
    assert not {"width", "height"} & set(root.keys())
    assert not re.search(r"#[0-9a-f]{6}|metadata|DejaVu|http|Date", drawing)
    assert "var(--c2)" in drawing
    assert "steps & more" in [text.text for text in root.iter("text")]


def test_the_same_values_give_the_same_characters() -> None:
    assert draw_svg("loss", "words", plot, (300, 200)) == draw_svg(
        "loss", "words", plot, (300, 200)
    )


def test_two_drawings_share_no_id_and_references_lead_somewhere() -> None:
    ids = []
    for name in ("one", "two"):
        for element in draw_svg(name, "words", plot, (300, 200)).split("</svg>")[:2]:
            found = re.findall(r'\bid="([^"]+)"', element)
            assert set(re.findall(r'(?:url\(|href=")#([^)"]+)', element)) <= set(found)
            ids += found
    assert ids
    assert len(set(ids)) == len(ids)


def test_two_widths_give_a_drawing_for_a_desktop_and_a_phone() -> None:
    drawing = draw_svg("loss", "words", plot, (300, 200))
    assert re.findall(r'viewBox="0 0 (\d+) 150".*class="(\w+)"', drawing) == [
        ("300", "wide"),
        ("200", "narrow"),
    ]


def test_no_settings_of_matplotlib_are_left_changed() -> None:
    import matplotlib

    before = dict(matplotlib.rcParams)
    draw_svg("loss", "words", plot, (300,))
    assert dict(matplotlib.rcParams) == before


def test_a_file_of_its_own_lies_on_white_and_keeps_its_colours() -> None:
    assert COLOURS["c2"] in draw_file(plot, 300, "svg").decode()
    picture = np.asarray(Image.open(io.BytesIO(draw_file(plot, 300, "png"))).convert("RGB"))
    assert picture.shape == (300, 600, 3)
    assert tuple(picture[0, 0]) == (255, 255, 255)


def _luminance(colour: str) -> float:
    parts = [int(colour[k : k + 2], 16) / 255 for k in (1, 3, 5)]
    linear = [
        part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts
    ]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


@pytest.mark.parametrize("name", SERIES)
def test_colours_stand_out_draw_file(name: str) -> None:
    # 3 : 1 is what the guidelines ask of graphics
    assert 1.05 / (_luminance(COLOURS[name]) + 0.05) >= 2.9


def test_every_colour_is_a_different_one() -> None:
    assert len(set(COLOURS.values())) == len(COLOURS)


@pytest.mark.parametrize(
    "label",
    [r"$\undefined$", "$x", "日本", "#0072b2", 'id="a"', "<b>&amp;</b>", "--><script>", "_hidden"],
)
def test_a_label_stays_what_it_is(label: str) -> None:
    """Labels may be names of classes, which others choose: not mathematics, markup or colours."""

    def named(width: float) -> Figure:
        figure, axes = empty_figure(width, 150, Margins(left=30, right=10, top=10, bottom=40))
        axes.set_xticks([0], [label])
        axes.annotate(label, (0, 0))
        axes.set_title(label)
        return figure

    drawing = ET.fromstring(draw_svg("labels", label, named, (300,)))
    assert [text.text for text in drawing.iter("text")].count(label) == 3
    assert drawing.get("aria-label") == label
