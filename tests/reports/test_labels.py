import dataclasses

from synthgen.datasets.digits import Digits
from synthgen.reports.images import ShownImages
from synthgen.reports.labels import labels_section
from synthgen.reports.page.blocks import Gallery, Table
from tests.evaluation.example import make_evaluation

KNOWN = make_evaluation()


def test_the_confusion_is_in_shares_of_a_label() -> None:
    table = next(block for block in labels_section(KNOWN, None).blocks if isinstance(block, Table))
    assert table.rows[7][0] == "7"
    assert table.rows[7][8] == 2950 / 3000
    assert table.rows[7][10] == 50 / 3000


def test_agreement_names_the_images_asked_about() -> None:
    text = labels_section(KNOWN, None).blocks[0].text.replace("\N{NO-BREAK SPACE}", " ")  # type: ignore[union-attr]
    asked = "10,000 synthetic digits (the first of each class, of 50,000)"
    assert f"in 99.39 % ± 0.10 of {asked}; 99.24 to 99.54 % by the choice" in text


def test_doubtful_images_stand_in_order_with_what_is_seen(tiny_digits: Digits) -> None:
    gallery = labels_section(
        KNOWN, ShownImages(synthetic=tiny_digits, train=tiny_digits, rows={})
    ).blocks[-1]
    assert isinstance(gallery, Gallery)
    assert [picture.name for picture in gallery.pictures[:3]] == ["100", "101", "102"]
    assert gallery.pictures[2].note.replace("\N{NO-BREAK SPACE}", " ") == "2 → 5\n3.0 %"
    assert gallery.pictures[2].facts == {
        "label": "2",
        "seen as": "5",
        "probability of the label": "0.0300",
        "position": 102,
    }


def test_what_screening_drew_again_is_said() -> None:
    words = "0.17% of all draws were duplicates within their shard, and drawn again."
    summary = dataclasses.replace(KNOWN.synthetic, screening=words)
    section = labels_section(dataclasses.replace(KNOWN, synthetic=summary), None)
    texts = [getattr(block, "text", "") for block in section.blocks]
    assert f"Screening: {words}" in texts
    assert not any(
        "Screening" in getattr(b, "text", "") for b in labels_section(KNOWN, None).blocks
    )
