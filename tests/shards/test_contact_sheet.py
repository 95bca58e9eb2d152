from pathlib import Path

import numpy as np

from synthgen.datasets.pixels import decode_png, grid
from synthgen.shards.contact_sheet import draw_sheet, sheet_is_whole
from synthgen.shards.load import load
from synthgen.storage import open_storage
from tests.shards.conftest import make


def test_the_contact_sheet_has_one_row_a_class(tmp_path: Path) -> None:
    make(tmp_path, shard_size=9)  # ten columns come from four shards
    images, labels = load(str(tmp_path / "manifests/tiny.csv")).as_numpy()
    rows = np.concatenate([images[labels == label][:10] for label in range(3)])
    sheet = decode_png((tmp_path / "data/tiny/contact_sheet.png").read_bytes())
    np.testing.assert_array_equal(sheet, grid(rows, 10).repeat(2, axis=0).repeat(2, axis=1))


def test_a_small_set_has_a_narrow_sheet() -> None:
    images = np.arange(6, dtype=np.uint8).repeat(16).reshape(6, 4, 4, 1)  # index by index
    sheet = decode_png(draw_sheet(images, np.tile(np.arange(3, dtype=np.uint8), 2)))
    assert sheet.shape[2] == 1
    first = images[[0, 3, 1, 4, 2, 5]]  # class by class
    np.testing.assert_array_equal(sheet, grid(first, 2).repeat(2, axis=0).repeat(2, axis=1))


def test_a_class_with_fewer_images_has_empty_cells() -> None:
    images = np.arange(3, dtype=np.uint8).repeat(16).reshape(3, 4, 4, 1)
    sheet = decode_png(draw_sheet(images, np.array([2, 5, 5], np.uint8)))
    cells = images[[0, 0, 1, 2]]
    cells[1] = 128
    np.testing.assert_array_equal(sheet, grid(cells, 2).repeat(2, axis=0).repeat(2, axis=1))


def test_large_images_are_reduced() -> None:
    sheet = decode_png(draw_sheet(np.zeros((1, 300, 500, 3), np.uint8), np.zeros(1, np.uint8)))
    assert sheet.shape == (75 + 4, 125 + 4, 3)


def test_only_the_picture_of_the_build_is_its_sheet(tmp_path: Path) -> None:
    """A record of an earlier version, which gives no hash of it, is content with any picture."""
    storage = open_storage(str(tmp_path / "root"))
    sha256 = make(tmp_path / "root").record.contact_sheet_sha256
    sheet = tmp_path / "root/data/tiny/contact_sheet.png"

    def whole() -> tuple[bool, bool]:
        return sheet_is_whole(storage, "tiny", sha256), sheet_is_whole(storage, "tiny", None)

    assert whole() == (True, True)
    sheet.rename(tmp_path / "outside.png")
    assert whole() == (False, False)
    sheet.symlink_to(tmp_path / "outside.png")
    assert whole() == (False, False)
    sheet.unlink()
    sheet.write_bytes(b"torn")
    assert whole() == (False, False)
    sheet.write_bytes((tmp_path / "outside.png").read_bytes() + b"more")
    assert whole() == (False, True)
