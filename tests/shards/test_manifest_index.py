import numpy as np
import pandas as pd
import pytest

from synthgen.shards.manifest import LATER_FORMATS
from synthgen.shards.manifest_index import index_rows


def table(**changes: object) -> pd.DataFrame:
    """Five rows of two shards, out of order."""
    rows = pd.DataFrame(
        {
            "label": [1, 0, 2, 1, 0],
            "index": [9, 1, 2, 0, 8],
            "shard": [7, 3, 3, 3, 7],
            "offset": [4, 0, 1, 2, 5],
            "hdf5": ["b", "a", "a", "a", "b"],
            "png": ["1-9", "0-1", "2-2", "é-0", "0-8"],
            "sha256": [f"{row:064x}" for row in range(5)],
            **dict.fromkeys(LATER_FORMATS, ""),
        }
    )
    return rows.assign(**changes)


def test_rows_are_found_by_shard_in_the_order_of_the_manifest() -> None:
    index = index_rows([table().iloc[:2], table().iloc[2:]])
    assert [shard.shard for shard in index.shards] == [3, 7]
    assert index.shard_of.tolist() == [1, 0, 0, 0, 1]
    assert index.place_of.tolist() == [0, 0, 1, 2, 1]
    assert index.rows_of(1).tolist() == [0, 4]
    first = index.shards[0]
    assert first.labels.tolist() == [0, 2, 1]
    assert first.offsets.tolist() == [0, 1, 2]
    assert first.hashes[:, -1].tolist() == [1, 2, 3]
    assert first.image_id(1) == "2-0000002"


def test_one_file_a_shard_is_named_once_and_one_an_image_each() -> None:
    first = index_rows([table()]).shards[0]
    assert first.paths["hdf5"].shape == (1,)
    assert first.paths_of("hdf5") == ["a", "a", "a"]
    assert first.paths_of("png") == ["0-1", "2-2", "é-0"]


def test_a_format_of_which_a_row_names_no_file_is_left_out() -> None:
    index = index_rows([table(png=["1-9", "0-1", "", "1-0", "0-8"])])
    assert [list(shard.paths) for shard in index.shards] == [["hdf5"], ["hdf5", "png"]]


@pytest.mark.parametrize("text", ["", "x" * 64, "ab" * 31 + " a", "ab" * 33, "0 " * 32])
def test_text_that_is_no_hash_is_that_of_no_image(text: str) -> None:
    hashes = [f"{row:064x}" for row in range(4)]
    shards = index_rows([table(sha256=[text, *hashes])]).shards
    assert not shards[1].hashes[0].any()
    np.testing.assert_array_equal(shards[0].hashes[:, -1], [0, 1, 2])
