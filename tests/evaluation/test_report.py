import base64
import dataclasses
import re
from html.parser import HTMLParser

import numpy as np

from synthgen.datasets.digits import Digits
from synthgen.datasets.pixels import decode_png
from synthgen.evaluation.report import contact_sheet, render_report, terminal_table
from synthgen.evaluation.results import Evaluation

VOID = {"meta", "link", "img", "br", "line", "circle", "rect"}


class Structure(HTMLParser):
    """Tags in order, attributes, and whether each element is closed where it should be."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.attributes: list[tuple[str, str, str]] = []
        self.text = ""

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.attributes += [(tag, name, value or "") for name, value in attributes]
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.attributes += [(tag, name, value or "") for name, value in attributes]

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data


def parse(page: str) -> Structure:
    structure = Structure()
    structure.feed(page)
    assert structure.open == []
    return structure


def test_the_report_is_one_well_formed_file_that_loads_nothing(evaluation: Evaluation, synthetic: Digits) -> None:
    page = render_report(evaluation, contact_sheet(synthetic))
    structure = parse(page)
    loads = [value for _, name, value in structure.attributes if name in ("src", "href", "srcset", "action", "data", "poster")]
    assert loads
    assert all(value.startswith("data:") for value in loads)
    assert not re.search(r"https?:|@import|url\(|<script", page)


def test_the_report_says_the_verdict_first(evaluation: Evaluation, synthetic: Digits) -> None:
    text = parse(render_report(evaluation, contact_sheet(synthetic))).text
    first = text.index(evaluation.comparisons[0].verdict)
    assert first < text.index("trained on")
    assert all(comparison.verdict in text for comparison in evaluation.comparisons)
    assert evaluation.synthetic["sha256"] in text
    assert evaluation.real["sha256"] in text


def test_names_from_outside_are_escaped(evaluation: Evaluation, synthetic: Digits) -> None:
    names = ("<script>alert(1)</script>", *evaluation.class_names[1:])
    page = render_report(dataclasses.replace(evaluation, name='<img src="http://x">', class_names=names), contact_sheet(synthetic))
    assert "<script" not in page
    assert "&lt;script&gt;alert(1)" in page
    assert '<img src="http' not in page
    assert "drawn &lt;digits&gt; &amp; more" in page


def test_pictures_have_words_for_those_who_cannot_see_them(evaluation: Evaluation, synthetic: Digits) -> None:
    structure = parse(render_report(evaluation, contact_sheet(synthetic)))
    assert len([value for tag, name, value in structure.attributes if tag == "img" and name == "alt" and value]) == 1
    labels = [value for tag, name, value in structure.attributes if tag == "svg" and name == "aria-label"]
    assert len(labels) == 2
    assert all("synthetic" in label for label in labels)


def test_the_contact_sheet_shows_ten_of_each_class(synthetic: Digits, evaluation: Evaluation) -> None:
    png = contact_sheet(synthetic)
    sheet = decode_png(png)
    assert sheet.shape == (302, 302, 1)
    first_seven = synthetic.images[synthetic.labels == 7][0]
    assert np.array_equal(sheet[2 + 7 * 30 : 30 + 7 * 30, 2:30], first_seven)
    assert base64.b64encode(png).decode() in render_report(evaluation, png)


def test_a_class_with_few_images_fills_its_row(tiny_digits: Digits) -> None:
    assert decode_png(contact_sheet(tiny_digits.take(slice(0, 30)))).shape == (302, 302, 1)


def test_the_terminal_table_fits_a_terminal(evaluation: Evaluation) -> None:
    lines = terminal_table(evaluation, "data/digits/report.html").splitlines()
    assert len(lines) <= 20
    assert max(map(len, lines)) <= 80
    assert "report: data/digits/report.html" in lines[-1]
    assert "".join(lines).encode("cp1252")


def test_the_terminal_table_holds_the_figures(evaluation: Evaluation) -> None:
    table = terminal_table(evaluation)
    for arm in evaluation.arms:
        assert f"{100 * arm.accuracy.mean:.2f} %" in table
    for comparison in evaluation.comparisons:
        assert f"{100 * comparison.difference.mean:+.2f}".replace("+0.00", "0.00").replace("-0.00", "0.00") in table
        assert comparison.verdict in table
    assert f"{100 * evaluation.agreement.share.mean:.2f} %" in table
    assert "report:" not in table


def test_terminal_and_report_say_what_the_generator_has_seen(evaluation: Evaluation, synthetic: Digits) -> None:
    own = dict(evaluation.synthetic) | {"generator_trained_on": {"images": 55, "source": "X"}, "generator_saw_only_real_train": True}
    other = own | {"generator_saw_only_real_train": False}
    for seen, words in (
        (own, "saw the same"),
        (other, "WARNING: the generator has seen 55 digits (X)"),
        ({**other, "generator_trained_on": {}}, "not known"),
    ):
        changed = dataclasses.replace(evaluation, synthetic=seen)
        assert words in " ".join(terminal_table(changed).split())
        assert words in " ".join(parse(render_report(changed, contact_sheet(synthetic))).text.split())
