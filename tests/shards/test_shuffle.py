import numpy as np
import pytest

from synthgen.errors import SettingsError
from synthgen.shards.shuffle import balance, part_of, shuffle

SHARDS = np.repeat(np.arange(10, dtype=np.int32), 5)  # ten shards of five images


@pytest.mark.parametrize("window", [1, 5, 12, 50])
def test_every_image_comes_once_in_another_order(window: int) -> None:
    first = shuffle(SHARDS, window, np.random.default_rng(0))
    assert sorted(first.tolist()) == list(range(50))
    np.testing.assert_array_equal(first, shuffle(SHARDS, window, np.random.default_rng(0)))
    assert not np.array_equal(first, shuffle(SHARDS, window, np.random.default_rng(1)))


def test_few_shards_are_needed_at_a_time() -> None:
    order = shuffle(SHARDS, 12, np.random.default_rng(0))
    windows = SHARDS[order].reshape(5, 10)  # two shards have room in a window of twelve
    assert [len(set(window.tolist())) for window in windows] == [2] * 5
    assert not np.array_equal(windows[0], np.sort(windows[0]))


def test_small_classes_are_repeated() -> None:
    labels = np.array([0, 0, 0, 0, 0, 2, 2, 5], np.uint8)
    rows = balance(labels, np.random.default_rng(0))
    assert np.bincount(labels[rows]).tolist() == [5, 0, 5, 0, 0, 5]
    assert sorted(np.bincount(rows).tolist()) == [1, 1, 1, 1, 1, 2, 3, 5]


def test_every_position_has_a_rank_and_all_ranks_equally_many() -> None:
    parts = [part_of(10, rank, 4) for rank in range(4)]
    assert [len(part) for part in parts] == [3, 3, 3, 3]
    assert set(np.concatenate(parts).tolist()) == set(range(10))
    assert part_of(0, 0, 1).tolist() == []


@pytest.mark.parametrize(("rank", "world_size"), [(2, 2), (-1, 2), (0, 0)])
def test_a_rank_that_there_is_not(rank: int, world_size: int) -> None:
    with pytest.raises(SettingsError, match=r"Expected a rank from 0 to"):
        part_of(10, rank, world_size)
