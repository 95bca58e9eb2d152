"""What is said of a set beside own digits: lines for the terminal, a page."""

import dataclasses

import numpy as np

from synthgen.datasets.digits import Digits
from synthgen.metrics.intervals import Estimate
from synthgen.reports.own_digits import own_digits_lines, own_digits_page, render_own_digits
from tests.evaluation.test_own_digits import MEASURED


def two_classes(count: int) -> Digits:
    images = np.random.default_rng(count).integers(0, 255, (count, 8, 8, 1), np.uint8)
    return Digits(images, np.arange(count, dtype=np.uint8) % 2)


def test_what_to_do_is_said_with_its_figures() -> None:
    assert own_digits_lines(MEASURED) == [
        "Your 50 digits in 3 parts, each read by classifiers of the others, dealt 3 times:",
        "  your digits, distorted          90.0%",
        "  and synthetic ones              96.0%   +6.0 points (+1.0 to +11.0): helps",
        "What to do: train on your 50 digits and these 10,000, share 0.5 of each batch, all "
        "distorted: 96.0% instead of 90.0%.",
        "  synthgen.mix(...)",
    ]
    wide = Estimate(mean=0.06, low=-0.01, high=0.13)
    unclear = dataclasses.replace(MEASURED, difference=wide, tops_up=True)
    lines = own_digits_lines(unclear)
    assert lines[0].endswith("dealt 3 times, every class counting the same:")
    assert lines[-2].endswith("90.0%. So few digits cannot tell this from chance.")


def test_where_nothing_is_gained_the_own_digits_alone_are_advised() -> None:
    without = dataclasses.replace(MEASURED, dose=0.0, code="")
    level = dataclasses.replace(MEASURED, together=0.9, code="")
    for found in (without, level):
        assert own_digits_lines(found)[-1] == (
            "What to do: train on your 50 digits alone, distorted. The synthetic ones add nothing "
            "that shows on them."
        )


def test_too_few_digits_are_said_to_be_so() -> None:
    few = dataclasses.replace(MEASURED, alone=None, together=None, difference=None, code="")
    assert own_digits_lines(few) == [
        "Your digits are too few to measure with: a class has fewer than 3.",
        "What to do: train on your 50 digits and these 10,000, share 0.5 of each batch, all "
        "distorted. No figure of your own stands behind this share.",
    ]
    page = own_digits_page(few, two_classes(4), two_classes(6), "mine", "manifests/d.csv")
    assert page.headline.word == "undecided"
    assert [section.name for section in page.sections] == ["images", "method"]


def test_a_page_shows_figures_digits_and_the_call() -> None:
    own = two_classes(4)
    made = two_classes(30)
    page = own_digits_page(MEASURED, own, made, "<mine>", "manifests/d.csv")
    tables = {table.name: table.rows for table in page.tables}
    assert tables["accuracy"][1] == [
        "own and synthetic digits, distorted",
        0.96,
        MEASURED.difference,
    ]
    assert [row[1] for row in tables["repetitions"]] == [0.05, 0.06, 0.07]
    assert [row[0] for row in tables["classes"]] == ["0", "1"]
    (sheet,) = page.sections[1].blocks
    names = [picture.name for picture in sheet.pictures]  # type: ignore[union-attr]
    assert names[:7] == ["own-0", "own-2", *[f"synthetic-{k}" for k in (0, 2, 4, 6, 8)]]

    # one class a row, the synthetic ones behind a gap
    assert sheet.columns == 11  # type: ignore[union-attr]
    columns = [picture.column for picture in sheet.pictures]  # type: ignore[union-attr]
    assert columns == 2 * [1, 2, 7, 8, 9, 10, 11]

    html = render_own_digits(MEASURED, own, made, "<mine>", "manifests/d.csv")
    assert "+6.00" in html
    assert "synthgen.mix(...)" in html
    assert html.count('<li style="grid-column:7">') == 2
    assert "&lt;mine&gt;" in html
    assert "<mine>" not in html
