"""Section: the images themselves; and what the report shows of which image."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from synthgen.datasets.digits import Digits
from synthgen.evaluation.results import Evaluation
from synthgen.reports.page.content import Gallery, Picture, Section, Value

PER_CLASS = 10


@dataclass(frozen=True, kw_only=True, eq=False)
class Shown:
    """Where the report takes its pictures from.

    Args:
        synthetic: the set, in the order in which it was evaluated.
        train: the real training digits.
        rows: the manifest's row of each image that is shown, by its position in the set; empty if
            there is no manifest.
    """

    synthetic: Digits
    train: Digits
    rows: Mapping[int, Mapping[str, Any]]

    def facts(self, position: int) -> dict[str, Value]:
        """What is known of a synthetic image: its row of the manifest, or where it lies in the set."""
        columns = dict.fromkeys(name for row in self.rows.values() for name in row)
        row = self.rows.get(position, {})
        known: dict[str, Value] = {
            name.replace("_", " "): _plain(row.get(name)) for name in columns
        }
        return known or {"position": position}


def section(evaluation: Evaluation, shown: Shown) -> Section:
    """The first images of each class."""
    names = evaluation.class_names
    pictures = [
        Picture(
            name=str(position),
            images=(shown.synthetic.images[position],),
            alts=(f"Synthetic {names[shown.synthetic.labels[position]]}",),
            note="",
            facts={"class": names[shown.synthetic.labels[position]]} | shown.facts(position),
        )
        for position in first_positions(shown.synthetic)
    ]
    caption = f"The first {PER_CLASS} images of each class, one class a row, not selected. Open one to see its row of the manifest."
    return Section(
        name="images",
        title="The images",
        blocks=[Gallery(name="sheet", caption=caption, pictures=pictures, columns=PER_CLASS)],
    )


def shown_positions(evaluation: Evaluation, synthetic: Digits) -> list[int]:
    """Positions in the set of all images that the report shows, each once, ascending."""
    pairs = evaluation.memorisation.closest if evaluation.memorisation else ()
    doubtful = evaluation.agreement.doubtful
    return sorted(
        {
            *first_positions(synthetic),
            *(one.position for one in doubtful),
            *(pair.position for pair in pairs),
        }
    )


def first_positions(digits: Digits) -> list[int]:
    """The first images of each class, one class after the other; fewer where a class has fewer."""
    return [
        position
        for label in range(digits.classes)
        for position in (digits.labels == label).nonzero()[0][:PER_CLASS].tolist()
    ]


def _plain(value: Any) -> Value:
    text = "" if value is None else str(value)
    return "" if text in ("nan", "<NA>") else text
