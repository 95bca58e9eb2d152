from pathlib import Path

import pytest

from synthgen.errors import StorageError
from synthgen.shards.run_record import ShardEntry, ShardSeconds
from synthgen.shards.unfinished import UnfinishedBuild
from synthgen.storage import open_storage

ENTRY = ShardEntry(
    shard=7,
    rows=1,
    sha256={"hdf5": "a" * 64},
    draws=(1, 0, 2),
    seconds=ShardSeconds(generate=0.5, write=0.25),
)


@pytest.fixture
def unfinished(tmp_path: Path) -> UnfinishedBuild:
    """The notes of a build of "tiny" that has begun."""
    notes = UnfinishedBuild(open_storage(str(tmp_path)), "tiny")
    notes.begin({"--seed": 0})
    return notes


def test_finished_shards_are_found_again(tmp_path: Path, unfinished: UnfinishedBuild) -> None:
    entry = unfinished.finish(ENTRY, b"row\n")
    assert unfinished.identity() == {"--seed": 0}
    assert unfinished.numbers() == [7]
    assert unfinished.entry(7) == entry
    assert list(unfinished.rows([entry])) == [b"row\n"]
    unfinished.remove()
    assert list(tmp_path.rglob("*")) == [tmp_path / "manifests"]


def test_without_notes_nothing_is_unfinished(tmp_path: Path) -> None:
    unfinished = UnfinishedBuild(open_storage(str(tmp_path)), "tiny")
    for _ in range(2):
        assert unfinished.identity() is None
        assert unfinished.entry(0) is None
        assert unfinished.numbers() == []
        (tmp_path / unfinished.folder).mkdir(parents=True, exist_ok=True)


def test_a_build_that_has_begun_has_no_finished_shard(unfinished: UnfinishedBuild) -> None:
    assert unfinished.numbers() == []
    assert unfinished.entry(0) is None


def test_torn_rows_are_as_if_not_there(tmp_path: Path, unfinished: UnfinishedBuild) -> None:
    entry = unfinished.finish(ENTRY, b"row\n")
    (tmp_path / unfinished.rows_path(7)).write_bytes(b"ro")
    assert unfinished.entry(7) is None
    with pytest.raises(StorageError, match=r"00007\.csv: Expected manifest rows with SHA-256"):
        list(unfinished.rows([entry]))
    (tmp_path / unfinished.rows_path(7)).unlink()
    assert unfinished.entry(7) is None


@pytest.mark.parametrize(
    "content", ["", "{", "[]", '{"shard": 7}', '{"shard": []}', "[" * 100_000, '"\\ud800"']
)
def test_torn_entries_are_as_if_not_there(
    tmp_path: Path, unfinished: UnfinishedBuild, content: str
) -> None:
    unfinished.finish(ENTRY, b"row\n")
    (tmp_path / unfinished.folder / "00007.json").write_text(content)
    assert unfinished.entry(7) is None
    (tmp_path / unfinished.folder / "identity.json").write_text(content)
    assert unfinished.identity() in (None, {"shard": 7}, {"shard": []})


def test_the_entry_of_another_shard_is_not_taken(
    tmp_path: Path, unfinished: UnfinishedBuild
) -> None:
    unfinished.finish(ENTRY, b"row\n")
    folder = tmp_path / unfinished.folder
    for suffix in ("json", "csv"):
        (folder / f"00007.{suffix}").rename(folder / f"00008.{suffix}")
    assert unfinished.entry(8) is None
