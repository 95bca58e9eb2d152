import gc
import threading
import time
import weakref
from pathlib import Path
from typing import Any

import pytest

from synthgen.errors import (
    StorageError,
)
from synthgen.shards import engine
from synthgen.shards.build import build, publish
from synthgen.shards.generate import Networks
from synthgen.shards.job import prepare
from synthgen.shards.run_record import ShardEntry
from synthgen.shards.unfinished import UnfinishedBuild
from synthgen.storage import Storage
from tests.shards.conftest import (
    FakeSampler,
    fake_networks,
    files,
    make,
    make_checkpoint,
    make_settings,
)


def test_a_shard_is_written_while_the_next_is_generated(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    generating, draw, write = threading.Event(), engine.draw_shard, Storage.write_many

    def watched(shard: Any, *args: Any) -> Any:
        if shard.number == 1:
            generating.set()
        return draw(shard, *args)

    def patient(storage: Storage, contents: Any) -> None:
        assert generating.wait(60)
        write(storage, contents)

    monkeypatch.setattr(engine, "draw_shard", watched)
    monkeypatch.setattr(Storage, "write_many", patient)
    assert make(tmp_path).count == 75


def test_one_shard_waits_at_most_and_their_order_is_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engine, "core_count", lambda: 2)
    draw, finish, written = engine.draw_shard, UnfinishedBuild.finish, []

    def watched(shard: Any, *args: Any) -> Any:
        assert len(written) >= shard.number - 1
        return draw(shard, *args)

    def slow(parts: UnfinishedBuild, entry: ShardEntry, rows: bytes) -> Any:
        time.sleep(0.02)
        written.append(entry.shard)
        return finish(parts, entry, rows)

    monkeypatch.setattr(engine, "draw_shard", watched)
    monkeypatch.setattr(UnfinishedBuild, "finish", slow)
    made = make(tmp_path, per_class=60)
    assert sorted(written) == [0, 1, 2, 3, 4, 5]
    assert [entry.shard for entry in made.record.shards] == [0, 1, 2, 3, 4, 5]


def test_nothing_more_is_generated_when_writing_has_failed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engine, "core_count", lambda: 2)
    sampler = FakeSampler(3)

    def fail(*_: Any) -> None:
        raise StorageError("the disk is full")

    monkeypatch.setattr(Storage, "write_many", fail)
    settings = make_settings(per_class=900, shard_size=300, batch=3, screen="none")
    with pytest.raises(StorageError, match="the disk is full"):
        build(
            settings,
            str(tmp_path),
            make_checkpoint(),
            networks=lambda _, batch: Networks(sampler, None),
        )
    assert 100 <= sampler.calls <= 200  # of two shards, of nine


def test_pieces_of_work_side_by_side_make_the_same_bytes(tmp_path: Path) -> None:
    """The engine's pool against no pool at all."""
    make(tmp_path / "pool", formats=("hdf5", "png"))
    settings = make_settings(formats=("hdf5", "png"))
    job = prepare(settings, str(tmp_path / "one"), make_checkpoint())
    networks = fake_networks(job.checkpoint, settings.batch)
    job.unfinished.begin(job.identity)
    entries = [engine.generate_and_write(job, shard, networks, None) for shard in job.plan.shards()]
    publish(job.storage, job.draft_record(), entries, 0.0)
    assert files(tmp_path / "one") == files(tmp_path / "pool")


@pytest.mark.parametrize(("cores", "shards"), [(1, 2), (2, 2), (12, 3)])
def test_few_shards_are_in_memory_when_another_is_drawn(
    cores: int, shards: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engine, "core_count", lambda: cores)
    draw, drawn = engine.draw_shard, []

    def watched(*args: Any) -> Any:
        gc.collect()
        assert sum(shard() is not None for shard in drawn) <= shards
        shard = draw(*args)
        drawn.append(weakref.ref(shard))
        return shard

    monkeypatch.setattr(engine, "draw_shard", watched)
    make(tmp_path, per_class=60)
    assert len(drawn) == 6
