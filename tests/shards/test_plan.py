import numpy as np
import pytest

from synthgen.errors import SettingsError
from synthgen.shards.plan import SetPlan, Shard, batch_slots, image_id, parse_id, split_into_batches


def plan(**changes: object) -> SetPlan:
    return SetPlan(
        **(
            {"name": "a", "class_names": "0123456789", "counts": (5000,) * 10, "shard_size": 10_000}
            | changes
        )
    )  # type: ignore[arg-type]


def test_fifty_thousand_images_make_five_shards_of_all_classes() -> None:
    assert [(s.number, s.start, s.stop, len(s)) for s in plan().shards()] == [
        (k, 1000 * k, 1000 * k + 1000, 10_000) for k in range(5)
    ]


def test_the_last_shard_may_be_smaller_and_sizes_round_down() -> None:
    assert [len(s) for s in plan(counts=(7,) * 10, shard_size=39).shards()] == [30, 30, 10]
    assert plan(counts=(7,) * 10, shard_size=39).count == 70


def test_classes_are_interleaved() -> None:
    shard = Shard(number=2, start=4, stop=6, counts=(9, 9, 9))
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
    small = list(plan(counts=(2000,) * 10).shards())
    large = list(plan(counts=(5000,) * 10).shards())
    for before, shard in zip(small, large, strict=False):
        assert (shard.number, shard.ids()) == (before.number, before.ids())


def test_a_million_million_images_cost_nothing_to_plan() -> None:
    assert plan(counts=(10**12,) * 10).shard_count == 10**9
    assert plan(counts=(10**12,) * 10).shard(10**9 - 1).stop == 10**12


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"shard_size": 9}, "expected at least 10, one image of each class, received 9"),
        ({"class_names": ("a", "../b"), "counts": (1, 1)}, "name a folder"),
        ({"class_names": ("a", ".b"), "counts": (1, 1)}, "name a folder"),
        ({"class_names": ("a", "a"), "counts": (1, 1)}, "a name of its own"),
        (
            {"counts": (1, 1)},
            "images for each of 10 classes, and one or more in all, received 1, 1",
        ),
        ({"counts": (0,) * 10}, "one or more in all, received 0, 0"),
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
    shard = Shard(number=0, start=0, stop=100, counts=(100, 100, 100))
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
    shard = Shard(number=1, start=13, stop=26, counts=(26,) * 10)
    assert len(list(split_into_batches(batch_slots(shard.labels(), shard.indices(), 10, 50)))) == 3


def test_no_rows_need_no_batch() -> None:
    assert list(split_into_batches(np.zeros(0, np.int64))) == []


# sets with unevenly many images of each class

UNEVEN = SetPlan(name="a", class_names=("a", "b", "c", "d"), counts=(7, 0, 2, 5), shard_size=9)


def test_an_uneven_shard_holds_what_exists() -> None:
    """Three classes have images, so that full shards have three indices of each of them."""
    assert (UNEVEN.filled, UNEVEN.block, UNEVEN.count) == (3, 3, 14)
    assert [shard.ids() for shard in UNEVEN.shards()] == [
        [
            *("0-0000000", "2-0000000", "3-0000000"),
            *("0-0000001", "2-0000001", "3-0000001"),
            *("0-0000002", "3-0000002"),
        ],
        ["0-0000003", "3-0000003", "0-0000004", "3-0000004", "0-0000005"],
        ["0-0000006"],
    ]
    assert [shard.class_counts() for shard in UNEVEN.shards()] == [
        (3, 0, 2, 3),
        (3, 0, 0, 2),
        (1, 0, 0, 0),
    ]


def test_the_row_of_an_image_follows_from_label_and_index() -> None:
    for a_plan in (UNEVEN, plan(counts=(7,) * 10, shard_size=39)):
        for shard in a_plan.shards():
            labels = shard.labels().astype(np.int64)
            offsets = a_plan.offsets(labels, shard.indices())
            assert offsets.tolist() == list(range(len(shard)))
            rows = shard.rows()
            assert rows[shard.indices() - shard.start, labels].tolist() == list(range(len(shard)))
            assert (rows < 0).sum() == rows.size - len(shard)


def test_an_uneven_set_grows_where_shards_stay_the_same() -> None:
    def with_counts(*counts: int) -> SetPlan:
        return SetPlan(name="a", class_names=("a", "b", "c", "d"), counts=counts, shard_size=9)

    assert with_counts(9, 0, 3, 5).extends(UNEVEN)
    assert not UNEVEN.extends(UNEVEN)
    assert not with_counts(9, 0, 1, 5).extends(UNEVEN)  # fewer of a class
    assert not with_counts(9, 1, 3, 5).extends(UNEVEN)  # a class more: smaller blocks


def test_counts_are_said_in_words() -> None:
    assert str(UNEVEN) == "14 images, 7 of 'a', 2 of 'c', 5 of 'd'"
    assert str(plan()) == "50,000 images, 5,000 of each of 10 classes"
