import dataclasses
from typing import Any

import pytest

from synthgen.datasets.digits import Digits
from synthgen.evaluation.results import Evaluation
from synthgen.metrics.copying import COPYING_TESTS
from synthgen.metrics.memorisation import OTHERS, SEEN, UNKNOWN
from synthgen.reports.images import ShownImages
from synthgen.reports.memorisation import COPYING_FOUND, memorisation_section
from synthgen.reports.page.blocks import Gallery, Paragraph, Table
from tests.evaluation.example import make_evaluation

KNOWN = make_evaluation()


def words(evaluation: Evaluation) -> list[str]:
    return [
        block.text
        for block in memorisation_section(evaluation, None).blocks
        if isinstance(block, Paragraph)
    ]


def changed(**parts: Any) -> Evaluation:
    assert KNOWN.measures.memorisation
    found = dataclasses.replace(KNOWN.measures.memorisation, **parts)
    return dataclasses.replace(
        KNOWN, measures=dataclasses.replace(KNOWN.measures, memorisation=found)
    )


def test_no_copying_is_said_first() -> None:
    assert words(KNOWN)[0] == "No test found signs of copying of these digits."


@pytest.mark.parametrize("test", COPYING_TESTS)
def test_every_test_that_fired_is_explained(test: str) -> None:
    fired = (test,) if test == "copies" else (f"{test}_pixels", f"{test}_features")
    text = words(changed(fired=fired))[0]
    assert text.startswith("Signs of copying.")
    assert text.count(COPYING_FOUND[test]) == len(fired)
    assert ("In features" in text) == (test != "copies")


@pytest.mark.parametrize(("saw", "caveats"), [(SEEN, 0), (OTHERS, 1), (UNKNOWN, 1)])
def test_a_generator_of_other_digits_is_a_caveat(saw: str, caveats: int) -> None:
    assert (
        sum("this says nothing about copies" in text for text in words(changed(generator_saw=saw)))
        == caveats
    )


def test_each_figure_has_its_control() -> None:
    copying, duplicates, by_class = (
        block for block in memorisation_section(KNOWN, None).blocks if isinstance(block, Table)
    )
    assert [row[:2] for row in copying.rows[:3]] == [
        ["synthetic", "pixels"],
        ["real, test", "pixels"],
        ["real, validation", "pixels"],
    ]
    assert copying.rows[0][3:5] == [-1.2, -0.9]
    assert copying.rows[1][3:5] == [0.4, 0.2]
    assert duplicates.rows[1] == [
        "pixel-identical to another one of the set",
        3,
        50_000,
        3 / 50_000,
        None,
    ]
    assert by_class.rows[9] == ["9", None, None]


def test_pairs_show_a_synthetic_digit_beside_its_training_image(tiny_digits: Digits) -> None:
    shown = ShownImages(
        synthetic=tiny_digits,
        train=tiny_digits,
        rows={140: {"id": "4-0000014", "confidence": float("nan")}},
    )
    gallery = memorisation_section(KNOWN, shown).blocks[-1]
    assert isinstance(gallery, Gallery)
    first = gallery.pictures[0]
    assert (first.images[0] == tiny_digits.images[140]).all()
    assert (first.images[1] == tiny_digits.images[0]).all()
    assert first.facts == {
        "distance": "1.200",
        "nearest training image": 0,
        "id": "4-0000014",
        "confidence": "",
    }
    assert first.note == "0: 1.20"
