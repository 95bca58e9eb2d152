import numpy as np
import pytest

from synthgen.errors import SettingsError
from synthgen.shards.plan import SetPlan, Shard, batch_slots, image_id, parse_id, split_into_batches


def plan(**changes: object) -> SetPlan:
    return SetPlan(
        **(
            {"name": "a", "class_names": "0123456789", "per_class": 5000, "shard_size": 10_000}
            | changes
        )
    )  # type: ignore[arg-type]


def test_fifty_thousand_images_make_five_shards_of_all_classes() -> None:
    assert [(s.number, s.start, s.stop, len(s)) for s in plan().shards()] == [
        (k, 1000 * k, 1000 * k + 1000, 10_000) for k in range(5)
    ]


def test_the_last_shard_may_be_smaller_and_sizes_round_down() -> None:
    assert [len(s) for s in plan(per_class=7, shard_size=39).shards()] == [30, 30, 10]
    assert plan(per_class=7, shard_size=39).count == 70


def test_classes_are_interleaved() -> None:
    shard = Shard(number=2, start=4, stop=6, classes=3)
    assert shard.labels().tolist() == [0, 1, 2, 0, 1, 2]
    assert shard.indices().tolist() == [4, 4, 4, 5, 5, 5]
    assert shard.ids() == [
        "0-0000004",
        "1-0000004",
        "2-0000004",
        "0-0000005",
        "1-0000005",
        "2-0000005",
    ]


def test_growing_only_appends() -> None:
    small, large = list(plan(per_class=2000).shards()), list(plan(per_class=5000).shards())
    assert large[: len(small)] == small


def test_a_million_million_images_cost_nothing_to_plan() -> None:
    assert plan(per_class=10**12).shard_count == 10**9
    assert plan(per_class=10**12).shard(10**9 - 1).stop == 10**12


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"shard_size": 9}, "expected at least 10, one image of each class, received 9"),
        ({"class_names": ("a", "../b")}, "name a folder"),
        ({"class_names": ("a", ".b")}, "name a folder"),
        ({"class_names": ("a", "a")}, "a name of its own"),
    ],
)
def test_impossible_plans(changes: dict[str, object], message: str) -> None:
    with pytest.raises(SettingsError, match=message):
        plan(**changes)


def test_ids_are_read_back_and_others_are_not() -> None:
    assert parse_id(image_id(9, 123_456_789)) == (9, 123_456_789)
    assert [
        parse_id(text) for text in ("", "3", "3-17", "x-0000001", "3-0000001x", "03-0000001")
    ] == [None] * 6


def test_slots_depend_on_label_and_index_only() -> None:
    assert batch_slots(np.array([3, 3, 0]), np.array([0, 50, 1]), 10, 500).tolist() == [3, 3, 10]


def test_each_class_has_its_own_rows_in_a_batch() -> None:
    shard = Shard(number=0, start=0, stop=100, classes=3)
    places = batch_slots(shard.labels(), shard.indices(), 3, 17)
    np.testing.assert_array_equal(places % 3, shard.labels())
    # the two rows beyond a multiple of three stay empty
    assert set(places.tolist()) == set(range(15))


def test_batches_cover_each_row_once_in_different_slots() -> None:
    rows = np.random.default_rng(0).integers(0, 50, 300)
    batches = list(split_into_batches(rows))
    assert sorted(np.concatenate(batches).tolist()) == list(range(300))
    assert all(len(set(rows[batch])) == len(batch) for batch in batches)
    assert len(batches) == np.bincount(rows).max()


def test_a_run_of_neighbours_needs_no_more_batches_than_it_fills() -> None:
    shard = Shard(number=1, start=13, stop=26, classes=10)
    assert len(list(split_into_batches(batch_slots(shard.labels(), shard.indices(), 10, 50)))) == 3


def test_no_rows_need_no_batch() -> None:
    assert list(split_into_batches(np.zeros(0, np.int64))) == []
