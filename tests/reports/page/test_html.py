import base64
import hashlib
import json
import re
from dataclasses import replace

import numpy as np
from markupsafe import Markup

from synthgen.datasets.pixels import decode_png
from synthgen.metrics.intervals import Estimate
from synthgen.reports.page.blocks import (
    Animation,
    Block,
    CellValue,
    Chart,
    Column,
    Facts,
    Filmstrip,
    Frame,
    Gallery,
    Headline,
    Page,
    Picture,
    Section,
    Table,
)
from synthgen.reports.page.html import SEARCHED_ROWS, heat, sort_key, to_html
from synthgen.text import printable
from tests.reports.page.structure import Structure, check_page

IMAGE = np.arange(12, dtype=np.uint8).reshape(3, 4, 1)


def page_of(*blocks: Block) -> Page:
    headline = Headline(word="no effect", tone="plain", figure="", interval="", sentence="Nothing.")
    return Page(
        kind="Test",
        title="A <title>",
        subtitle="x & y",
        headline=headline,
        sections=[Section(name="one", title="One", blocks=blocks)],
    )


def table_of(kind: str, *values: CellValue) -> Table:
    rows = [[f"row {number}", value] for number, value in enumerate(values)]
    return Table(
        name="some",
        caption="Some values",
        columns=[Column(title="name"), Column(title="value", kind=kind)],
        rows=rows,
    )


def test_a_page_of_every_kind_of_block_is_well_formed() -> None:
    frame = Frame(content=b"GIF89a", media="image/gif", alt="a film", label="step 1")
    pair = Picture(
        name="7", images=(IMAGE, IMAGE), alts=("left", "right"), note="0.5", facts={"id": "7"}
    )
    page = to_html(
        page_of(
            table_of("number", 1.0),
            Chart(
                title="Plot",
                draw=lambda: Markup('<svg role="img" aria-label="a plot"></svg>'),
                half=True,
            ),
            Chart(
                title="Plot",
                draw=lambda: Markup('<svg role="img" aria-label="a plot"></svg>'),
                half=True,
            ),
            Gallery(name="pairs", caption="Pairs", pictures=[pair]),
            Filmstrip(name="film", caption="Film", frames=[frame, frame]),
            Animation(moving=frame, still=frame, caption="Moves"),
            Facts(facts={"hash": "before `abc` after"}),
        )
    )
    structure = check_page(page)
    assert "before abc after" in structure.words
    assert "<code>abc</code>" in page
    assert (
        len([classes for classes in structure.all("div") if classes.get("class") == "halves"]) == 2
    )


def test_everything_from_outside_is_escaped() -> None:
    evil = '<script>alert("1")</script>'
    table = Table(
        name="some",
        caption=evil,
        columns=[Column(title=evil, choice=True)],
        rows=[[evil]] * SEARCHED_ROWS,
    )
    picture = Picture(name="7", images=(IMAGE,), alts=(evil,), note=evil, facts={evil: evil})
    page = to_html(
        replace(
            page_of(
                table,
                Gallery(name="g", caption=evil, pictures=[picture]),
                Facts(facts={evil: evil}),
            ),
            title=evil,
        )
    )
    check_page(page)
    assert page.count("<script>") == 1
    assert json.loads(
        next(head["data-choices"] for head in Structure(page).all("th") if "data-choices" in head)
    ) == [evil]


def test_no_text_holds_control_codes_or_what_cannot_be_written() -> None:
    name = "caf\udce9 \x1b[31m\u202etxt"
    table = Table(
        name="some",
        caption=name,
        columns=[Column(title=name, choice=True)],
        rows=[[name]] * SEARCHED_ROWS,
    )
    picture = Picture(name="7", images=(IMAGE,), alts=(name,), note=name, facts={name: name})
    gallery = Gallery(name="g", caption=name, pictures=[picture])
    page = to_html(replace(page_of(table, gallery, Facts(facts={name: name})), title=name))
    assert page.encode()
    assert not set(page) & set("\udce9\x1b\u202e")
    heads = [head for head in check_page(page).all("th") if "data-choices" in head]
    assert json.loads(heads[0]["data-choices"]) == [printable(name)]


def test_only_its_own_script_may_run() -> None:
    page = to_html(page_of())
    script = re.search(r"<script>(.*?)</script>", page, re.DOTALL)
    assert script
    digest = base64.b64encode(hashlib.sha256(script.group(1).encode()).digest()).decode()
    policy = next(
        meta["content"]
        for meta in Structure(page).all("meta")
        if meta.get("http-equiv") == "Content-Security-Policy"
    )
    assert policy == (
        "default-src 'none'; style-src 'unsafe-inline'; img-src data:; "
        f"script-src 'sha256-{digest}'"
    )


def test_the_answer_comes_first_and_begins_with_a_capital() -> None:
    words = check_page(to_html(page_of(table_of("number", 1.0)))).words
    assert words.index("● No effect") < words.index("Some values")


def test_contents_lead_to_every_section() -> None:
    assert [link["href"] for link in Structure(to_html(page_of())).all("a")] == ["#answer", "#one"]


def test_cells_sort_by_full_values_and_show_intervals() -> None:
    page = to_html(page_of(table_of("percent", Estimate(mean=0.98765, low=0.98, high=0.99), None)))
    cell = (
        '<td class="percent" data-key="0.98765">98.77\N{NO-BREAK SPACE}% '
        "<small>98.00 to 99.00\N{NO-BREAK SPACE}%</small></td>"
    )
    assert cell in page
    assert '<td class="percent"></td>' in page


def test_verdicts_have_a_sign_and_a_colour() -> None:
    assert (
        '<td class="verdict no-effect"><span aria-hidden="true">●</span> no effect</td>'
        in to_html(page_of(table_of("verdict", "no effect")))
    )


def test_long_tables_can_be_searched_and_short_ones_need_not() -> None:
    assert (
        "data-search"
        not in to_html(page_of(table_of("number", *[1.0] * (SEARCHED_ROWS - 1))))
        .split("<script>")[0]
        .split("</style>")[1]
    )
    assert "data-search>" in to_html(page_of(table_of("number", *[1.0] * SEARCHED_ROWS)))


def test_the_diagonal_of_a_confusion_has_no_heat() -> None:
    columns = [Column(title="label"), *(Column(title=name, kind="confusion") for name in "01")]
    page = to_html(
        page_of(
            Table(name="c", caption="", columns=columns, rows=[["0", 0.98, 0.02], ["1", 0.9, 0.1]])
        )
    )
    assert re.findall(r"--heat:([\d.]+)%", page) == ["24.0", "75.0"]


def test_heat_and_sort_keys() -> None:
    assert (heat(0.01), heat(0.5)) == ("12.0", "75.0")
    assert (
        sort_key(3),
        sort_key("3"),
        sort_key(None),
        sort_key(Estimate(mean=0.5, low=None, high=None)),
    ) == ("3.0", "", "", "0.5")


def test_pictures_hold_their_pixels_and_lead_to_what_is_known() -> None:
    picture = Picture(
        name="7-0000001",
        images=(IMAGE,),
        alts=("a seven",),
        note="",
        facts={"id": "7-0000001", "seed": 12, "gone": None},
    )
    structure = check_page(
        to_html(page_of(Gallery(name="sheet", caption="All", pictures=[picture], columns=10)))
    )
    image = structure.all("img")[0]
    assert np.array_equal(decode_png(base64.b64decode(image["src"].partition(",")[2])), IMAGE)
    assert (image["width"], image["height"], image["alt"]) == ("4", "3", "a seven")
    assert structure.all("a")[-1]["href"] == "#sheet-7-0000001"
    assert {"id": "sheet-7-0000001"} in structure.all("tr")
