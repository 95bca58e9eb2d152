from typing import Any

import numpy as np

from synthgen.evaluation.arms import Cell
from synthgen.evaluation.cells import CELLS, read_cells, seeds_of, write_cells
from synthgen.storage import Storage


def cell(arm: str = "real", seed: int = 1000, fingerprint: str = "now") -> Cell:
    what: dict[str, Any] = {
        "steps": 5,
        "train_images": 60,
        "seconds": 1.5,
        "predictions": np.array([1, 2], np.uint8),
    }
    return Cell(fingerprint=fingerprint, arm=arm, seed=seed, **what, seen_as=None, belief=None)


def test_more_seeds_begin_with_the_same_ones() -> None:
    assert seeds_of(3) == seeds_of(10)[:3]
    assert len(set(seeds_of(10))) == 10


def test_cells_are_found_again_by_arm_and_seed(storage: Storage) -> None:
    write_cells(storage, "data/x", [cell(), cell("synthetic", 1001)])
    found = read_cells(storage, "data/x", "now")
    assert list(found) == [("real", 1000), ("synthetic", 1001)]
    assert found["real", 1000].to_json() == cell().to_json()


def test_no_file_means_no_cells(storage: Storage) -> None:
    assert read_cells(storage, "data/x", "now") == {}


def test_cells_of_other_settings_unknown_arms_and_damaged_lines_do_not_count(
    storage: Storage,
) -> None:
    write_cells(
        storage, "data/x", [cell(), cell(fingerprint="before", seed=1001), cell("gone", 1002)]
    )
    content = storage.read_bytes(f"data/x/{CELLS}")
    storage.write_bytes(f"data/x/{CELLS}", content + b'{"arm": "real"}\n[]\n{"half\n')
    assert list(read_cells(storage, "data/x", "now")) == [("real", 1000)]
