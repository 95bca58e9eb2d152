"""A sheet that shows pictures before and after they are fitted to a generator."""

import numpy as np
from PIL import Image

from synthgen.datasets.digits import Images, Reading
from synthgen.datasets.framing import Framing, FramingSettings, fit_reading
from synthgen.datasets.pixels import grid

CELL = 56  # pixels that each picture is shown in
SHOWN_A_CLASS = 10
MOST_SHOWN_CLASSES = 36


def draw_before_and_after(reading: Reading, settings: FramingSettings) -> tuple[Images, Framing]:
    """Draw some pictures of each class as they are and, below each, fitted.

    Args:
        reading: the pictures as they were read.
        settings: how to fit them, and to what.

    Returns:
        ((height, width, 3) uint8: two rows a class, what was done to the pictures).

    Raises:
        DataError: if the pictures cannot be fitted in this way.
    """
    parts, framing = fit_reading(reading, settings)
    cells = []
    for label in range(min(len(parts.train.class_names), MOST_SHOWN_CLASSES)):
        rows = np.flatnonzero(parts.train.labels == label)
        rows = rows[np.linspace(0, len(rows) - 1, min(SHOWN_A_CLASS, len(rows))).astype(int)]
        empty = [np.zeros((CELL, CELL, 3), np.uint8)] * (SHOWN_A_CLASS - len(rows))
        cells += [_in_cell(reading.train.images[row]) for row in rows] + empty
        cells += [_in_cell(parts.train.images[row]) for row in rows] + empty
    return grid(np.stack(cells), columns=SHOWN_A_CLASS), framing


def _in_cell(image: Images) -> Images:
    """One picture, as large as a cell holds it, in colour: (CELL, CELL, 3) uint8."""
    height, width = image.shape[:2]
    scale = CELL / max(height, width)
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    way = Image.Resampling.NEAREST if scale > 1 else Image.Resampling.BOX
    picture = Image.fromarray(image[..., 0] if image.shape[2] == 1 else image).convert("RGB")
    cell = np.full((CELL, CELL, 3), 90, np.uint8)
    cell[: size[1], : size[0]] = np.asarray(picture.resize(size, way))
    return cell
