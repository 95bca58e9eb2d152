from pathlib import Path

import numpy as np

from synthgen.datasets.pixels import decode_png, grid
from synthgen.shards.load import load
from tests.shards.conftest import (
    make,
)


def test_the_contact_sheet_has_one_row_a_class(tmp_path: Path) -> None:
    make(tmp_path, shard_size=9)  # ten columns come from four shards
    images, labels = load(str(tmp_path / "manifests/tiny.csv")).as_numpy()
    rows = np.concatenate([images[labels == label][:10] for label in range(3)])
    sheet = decode_png((tmp_path / "data/tiny/contact_sheet.png").read_bytes())
    np.testing.assert_array_equal(sheet, grid(rows, 10).repeat(2, axis=0).repeat(2, axis=1))
