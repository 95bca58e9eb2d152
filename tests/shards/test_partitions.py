import dataclasses
import json
import shutil
import threading
from pathlib import Path
from typing import Any

import pytest

from synthgen.errors import IncompleteSet, Interrupted, ResumeError, SettingsError, StorageError
from synthgen.shards.build import build
from synthgen.shards.generate import Networks
from synthgen.shards.job import BuildJob, prepare
from synthgen.shards.partitions import (
    Partition,
    PartitionResult,
    make_partition,
    merge,
    parse_partition,
)
from synthgen.shards.unfinished import UnfinishedBuild
from synthgen.shards.verify import verify
from synthgen.storage import Storage, open_storage
from tests.shards.conftest import (
    FakeSampler,
    fail_after,
    fake_networks,
    files,
    make,
    make_checkpoint,
    make_settings,
    no_networks,
    stop,
)

SHARDS = 7
PER_CLASS = 10 * SHARDS - 3  # the last shard is not full


def job_at(root: Path | str, **changes: Any) -> BuildJob:
    settings = make_settings(per_class=PER_CLASS, **changes)
    return prepare(settings, str(root), make_checkpoint())


def make_part(root: Path | str, text: str, **changes: Any) -> PartitionResult:
    return make_partition(
        parse_partition(text), job_at(root, **changes), networks=fake_networks, progress=False
    )


def contents(root: str) -> dict[str, bytes]:
    """All files of a set but the run record, which holds timings."""
    storage = open_storage(root)
    paths = [path for path in storage.files("") if not path.endswith(".json")]
    return storage.read_many(paths)


def record_but_times(root: str) -> dict[str, Any]:
    record = json.loads(open_storage(root).read_bytes("manifests/tiny.json"))
    del record["record_sha256"]
    for entry in (record, *record["shards"]):
        del entry["seconds"]
    return dict(record)


def test_partitions_make_the_bytes_of_one_build(root: str, tmp_path: Path) -> None:
    whole = str(tmp_path / "whole")
    make(whole, per_class=PER_CLASS)
    for text in ("2/3", "0/3", "1/3"):  # in any order
        make_part(root, text)
    merged = merge("tiny", root, progress=False)
    assert contents(root) == contents(whole)
    assert record_but_times(root) == record_but_times(whole)
    assert merged.record.count == 3 * PER_CLASS
    assert verify(f"{root}/manifests/tiny.csv", progress=False).problems == []
    # what was published is left alone
    assert merge("tiny", root, progress=False).unchanged
    assert make_part(root, "2/3").published
    assert contents(root) == contents(whole)


def test_a_merge_killed_as_it_tidies_up_is_done(tmp_path: Path) -> None:
    """The set is published, its notes are not all removed yet: what they are of goes first."""
    make_part(tmp_path, "1/1")
    notes = tmp_path / UnfinishedBuild(open_storage(str(tmp_path)), "tiny").folder
    shutil.copytree(notes, tmp_path / "kept")
    merge("tiny", str(tmp_path), progress=False)
    shutil.copytree(tmp_path / "kept", notes)
    (notes / "identity.json").unlink()
    assert merge("tiny", str(tmp_path), progress=False).unchanged
    assert not notes.exists()


def test_more_partitions_than_shards_are_fine(tmp_path: Path) -> None:
    results = [make_part(tmp_path, f"{number}/9") for number in range(1, 10)]
    assert [result.shards for result in results] == [1, 1, 1, 1, 1, 1, 0, 0, 1]
    assert merge("tiny", str(tmp_path), progress=False).record.count == 3 * PER_CLASS


def test_missing_partitions_are_named(tmp_path: Path) -> None:
    make_part(tmp_path, "3/3")
    with pytest.raises(
        IncompleteSet,
        match=r"all 7 shards of 'tiny' in .*, found 3\. Missing are shards of partition 1/3 \(2 of "
        r"2 shards, it has not begun\), 2/3 \(2 of 2 shards, it has not begun\)\. Run the same",
    ):
        merge("tiny", str(tmp_path), progress=False)
    assert not (tmp_path / "manifests/tiny.csv").exists()


def test_a_killed_partition_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    make_part(tmp_path / "killed", "1/2")
    fail_after(monkeypatch, UnfinishedBuild, "finish", 2, RuntimeError("stop"))
    with pytest.raises(RuntimeError, match="stop"):
        make_part(tmp_path / "killed", "2/2")
    monkeypatch.undo()
    with pytest.raises(IncompleteSet, match=r"partition 2/2 \(2 of 4 shards\)\. Run"):
        merge("tiny", str(tmp_path / "killed"), progress=False)
    again = make_part(tmp_path / "killed", "2/2")
    assert (again.shards, again.skipped, again.made) == (4, 2, 30 + 21)
    merge("tiny", str(tmp_path / "killed"), progress=False)
    make(tmp_path / "whole", per_class=PER_CLASS)
    assert files(tmp_path / "killed") == files(tmp_path / "whole")


def test_control_c_says_how_to_go_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fail_after(monkeypatch, UnfinishedBuild, "finish", 1, KeyboardInterrupt())
    with pytest.raises(Interrupted, match=r"partition 1/2 are kept\. Run the same command again"):
        make_part(tmp_path, "1/2")


def test_a_shard_that_is_damaged_meanwhile_is_made_again(tmp_path: Path) -> None:
    for text in ("1/2", "2/2"):
        make_part(tmp_path, text)
    shard = tmp_path / "data/tiny/hdf5/00003.h5"
    shard.write_bytes(shard.read_bytes()[:-1])
    with pytest.raises(
        IncompleteSet,
        match=r"found 6\. Damaged or missing since they were made: data/tiny/hdf5/00003\.h5\. "
        r"Missing are shards of partition 1/2 \(1 of 3 shards\)\.",
    ):
        merge("tiny", str(tmp_path), progress=False)
    repaired = make_part(tmp_path, "1/2")
    assert (repaired.skipped, repaired.repaired, repaired.made) == (2, 1, 30)
    assert "1 damaged and made again" in repaired.lines()[0]
    merge("tiny", str(tmp_path), progress=False)


def test_an_object_store_is_resumed_by_its_listing(monkeypatch: pytest.MonkeyPatch) -> None:
    """Objects are whole or absent: what is there is not read again, only its notes are."""
    root = "memory://listing"
    for text in ("1/2", "2/2"):
        make_part(root, text)
    storage = open_storage(root)
    storage.remove("data/tiny/hdf5/00003.h5")
    read: list[str] = []
    read_many = Storage.read_many
    monkeypatch.setattr(
        Storage, "read_many", lambda own, paths: read.extend(paths) or read_many(own, paths)
    )
    assert make_part(root, "1/2").made == 30
    assert read == []
    merge("tiny", root, progress=False)
    monkeypatch.undo()
    assert verify(f"{root}/manifests/tiny.csv", progress=False).problems == []
    storage.remove("")


def test_other_settings_are_refused(tmp_path: Path) -> None:
    make_part(tmp_path, "1/2")
    with pytest.raises(ResumeError, match=r"begun with other settings: --seed was 0, is 9\."):
        make_part(tmp_path, "2/2", seed=9)
    make_part(tmp_path, "2/2")
    merge("tiny", str(tmp_path), progress=False)
    with pytest.raises(ResumeError, match=r"'tiny' is published in .*, built with other settings"):
        make_part(tmp_path, "2/2", seed=9)


def test_a_build_finishes_what_partitions_began(tmp_path: Path) -> None:
    make_part(tmp_path / "begun", "1/2")
    assert make(tmp_path / "begun", per_class=PER_CLASS).skipped == (1, 3, 5)
    make(tmp_path / "whole", per_class=PER_CLASS)
    whole = files(tmp_path / "whole")
    assert files(tmp_path / "begun") == whole


def test_a_partition_goes_on_with_what_a_build_began(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("synthgen.shards.build.publish", stop)
    with pytest.raises(RuntimeError, match="stop"):
        make(tmp_path, per_class=PER_CLASS)
    monkeypatch.undo()
    with pytest.raises(ResumeError, match=r"Expected partitions of 'tiny' in .*, found none\."):
        merge("tiny", str(tmp_path), progress=False)
    job = job_at(tmp_path)
    for number in (1, 2):
        part = Partition(number=number, of=2)
        assert make_partition(part, job, networks=no_networks, progress=False).made == 0
    merge("tiny", str(tmp_path), progress=False)


def test_images_without_a_record_are_not_taken_over(tmp_path: Path) -> None:
    (tmp_path / "data/tiny/hdf5").mkdir(parents=True)
    with pytest.raises(ResumeError, match=r"data/tiny/hdf5 in .* belong to no run record"):
        make_part(tmp_path, "1/2")


def test_builds_and_partitions_keep_each_other_away(tmp_path: Path) -> None:
    """Two partitions run side by side; a build, a merge and the same partition are refused."""
    inside, refused = threading.Event(), threading.Event()

    class Waiting(FakeSampler):
        def images(self, *args: Any) -> Any:
            inside.set()
            assert refused.wait(60)
            return super().images(*args)

    def waiting(checkpoint: Any, batch: int) -> Networks:
        return Networks(Waiting(batch), fake_networks(checkpoint, batch).screener)

    job = job_at(tmp_path)
    part = Partition(number=1, of=2)
    running = threading.Thread(
        target=make_partition, args=(part, job), kwargs={"networks": waiting, "progress": False}
    )
    running.start()
    assert inside.wait(60)
    try:
        make_part(tmp_path, "2/2")
        with pytest.raises(ResumeError, match=r"Partition 1/2 of 'tiny' is being made in .*"):
            make_part(tmp_path, "1/2")
        with pytest.raises(ResumeError, match=r"Partition 1/2 of 'tiny' is running in .*"):
            make(tmp_path, overwrite=True, per_class=PER_CLASS, seed=9)
        with pytest.raises(ResumeError, match="Partition 1/2 of 'tiny' is running"):
            merge("tiny", str(tmp_path), progress=False)
    finally:
        refused.set()
        running.join()
    merge("tiny", str(tmp_path), progress=False)


def test_a_build_in_the_place_of_this_one_ends_it(tmp_path: Path) -> None:
    """Where no lock keeps the two apart, the first publishes nothing and mixes nothing."""
    root = "memory://taken"
    first = threading.Lock()

    class Taken(FakeSampler):
        def images(self, *args: Any) -> Any:
            with first:
                if not open_storage(root).exists("manifests/tiny.csv"):
                    make(root, overwrite=True, per_class=10, seed=9)
            return super().images(*args)

    def taken(checkpoint: Any, batch: int) -> Networks:
        return Networks(Taken(batch), fake_networks(checkpoint, batch).screener)

    settings = make_settings(per_class=10)
    with pytest.raises(ResumeError, match="another build of the name has begun there since"):
        build(settings, root, make_checkpoint(), progress=False, networks=taken)
    make(tmp_path, per_class=10, seed=9)
    assert contents(root) == contents(str(tmp_path))
    open_storage(root).remove("")


def test_a_full_disk_is_noticed_before_a_partition_is_made(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Storage, "free_bytes", lambda _: 1000)
    with pytest.raises(StorageError, match="201 images need about"):
        make_part(tmp_path, "1/2")


@pytest.mark.parametrize("text", ["", "3", "4/3", "1/0", "a/b", "-1/3", "1/3/5", "1e1/20", "²/3"])
def test_a_partition_that_cannot_be_is_refused(text: str) -> None:
    with pytest.raises(SettingsError, match="--partition: expected I/N"):
        parse_partition(text)


def test_partitions_count_from_0_or_from_1() -> None:
    for numbers in (range(4), range(1, 5)):
        parts = [Partition(number=number, of=4) for number in numbers]
        assert all(sum(part.has(shard) for part in parts) == 1 for shard in range(50))
    assert str(dataclasses.replace(parts[0], number=0)) == "4/4"
