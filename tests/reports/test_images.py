import numpy as np

from synthgen.datasets.digits import Digits
from synthgen.reports.images import (
    SHEET_COLUMNS,
    ShownImages,
    first_positions,
    images_section,
    shown_positions,
)
from synthgen.reports.page.blocks import Gallery
from tests.evaluation.example import make_evaluation

KNOWN = make_evaluation()


def test_the_sheet_holds_ten_of_each_class_one_class_a_row(tiny_digits: Digits) -> None:
    gallery = images_section(
        KNOWN, ShownImages(synthetic=tiny_digits, train=tiny_digits, rows={})
    ).blocks[0]
    assert isinstance(gallery, Gallery)
    assert gallery.columns == SHEET_COLUMNS
    assert len(gallery.pictures) == 100
    assert np.array_equal(
        gallery.pictures[70].images[0], tiny_digits.images[tiny_digits.labels == 7][0]
    )
    assert gallery.pictures[70].alts == ("Synthetic 7",)


def test_a_smaller_class_does_not_shift_the_rows_below(tiny_digits: Digits) -> None:
    by_class = tiny_digits.take(np.argsort(tiny_digits.labels, kind="stable"))
    few = by_class.take(np.arange(7, len(by_class)))
    shown = ShownImages(synthetic=few, train=few, rows={})
    gallery = images_section(KNOWN, shown).blocks[0]
    assert isinstance(gallery, Gallery)
    starts = [picture for picture in gallery.pictures if picture.column == 1]
    assert [picture.facts["class"] for picture in starts] == list(KNOWN.class_names)


def test_positions_are_those_of_the_set_in_any_order(tiny_digits: Digits) -> None:
    by_class = tiny_digits.take(np.argsort(tiny_digits.labels, kind="stable"))
    assert first_positions(by_class)[:12] == [*range(10), 20, 21]
    assert set(first_positions(by_class)) <= set(shown_positions(KNOWN, by_class))


def test_facts_have_the_same_names_for_every_picture(tiny_digits: Digits) -> None:
    shown = ShownImages(
        synthetic=tiny_digits,
        train=tiny_digits,
        rows={0: {"id": "0-0", "nearest_train_distance": None}, 1: {"id": "1-0", "seed": 3}},
    )
    assert shown.facts(0) == {"id": "0-0", "nearest train distance": "", "seed": ""}
    assert shown.facts(1) == {"id": "1-0", "nearest train distance": "", "seed": "3"}
    assert shown.facts(2) == {"id": "", "nearest train distance": "", "seed": ""}
