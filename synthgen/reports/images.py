"""Section: the images themselves; and what a report shows of which image."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from synthgen.datasets.digits import Digits
from synthgen.evaluation.results import Evaluation
from synthgen.reports.page.blocks import CellValue, Gallery, Picture, Section

SHEET_COLUMNS = 10  # images of each class on the sheet


@dataclass(frozen=True, kw_only=True, eq=False)
class ShownImages:
    """Where a report takes its pictures from.

    Args:
        synthetic: the set, in the order in which it was evaluated.
        train: the real training digits.
        rows: the manifest's row of each image that is shown, by its position in the set (see
            `shown_positions`); empty if there is no manifest.
    """

    synthetic: Digits
    train: Digits
    rows: Mapping[int, Mapping[str, Any]]

    def facts(self, position: int) -> dict[str, CellValue]:
        """Tells what is known of a synthetic image.

        Args:
            position: of the image in the set.

        Returns:
            Its row of the manifest, with the same names for every image, or where it lies.
        """
        columns = dict.fromkeys(name for row in self.rows.values() for name in row)
        row = self.rows.get(position, {})
        known: dict[str, CellValue] = {}
        for name in columns:
            text = str(row.get(name))
            missing = text in ("None", "nan", "<NA>")
            known[name.replace("_", " ")] = "" if missing else text
        return known or {"position": position}


def images_section(evaluation: Evaluation, shown: ShownImages) -> Section:
    """Shows the first images of each class.

    Args:
        evaluation: names the classes.
        shown: the images.
    """
    pictures = []
    labels = shown.synthetic.labels.tolist()
    before = None
    for position in first_positions(shown.synthetic):
        label = labels[position]
        name = evaluation.class_names[label]
        picture = Picture(
            name=str(position),
            images=(shown.synthetic.images[position],),
            alts=(f"Synthetic {name}",),
            note="",
            facts={"class": name, **shown.facts(position)},
            column=0 if label == before else 1,
        )
        before = label
        pictures.append(picture)
    caption = (
        f"The first {SHEET_COLUMNS} images of each class, one class a row, not selected. "
        "Open one to see its row of the manifest."
    )
    sheet = Gallery(name="sheet", caption=caption, pictures=pictures, columns=SHEET_COLUMNS)
    return Section(name="images", title="The images", blocks=[sheet])


def shown_positions(evaluation: Evaluation, synthetic: Digits) -> list[int]:
    """Lists the positions in the set of all images that a report shows.

    Args:
        evaluation: the figures.
        synthetic: the set, in the order in which it was evaluated.

    Returns:
        Each position once, ascending.
    """
    positions = set(first_positions(synthetic))
    positions |= {image.position for image in evaluation.agreement.suspects}
    if evaluation.measures.memorisation:
        positions |= {pair.position for pair in evaluation.measures.memorisation.closest}
    return sorted(positions)


def first_positions(digits: Digits) -> list[int]:
    """Lists the positions of the first images of each class, one class after the other."""
    return [
        position
        for label in range(digits.classes)
        for position in (digits.labels == label).nonzero()[0][:SHEET_COLUMNS].tolist()
    ]
