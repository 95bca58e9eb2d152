import gc
import threading
import time
import weakref
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from synthgen.errors import (
    StorageError,
)
from synthgen.shards import engine
from synthgen.shards.build import build
from synthgen.shards.generate import Networks
from synthgen.shards.run_record import ShardEntry
from synthgen.shards.unfinished import UnfinishedBuild
from synthgen.storage import Storage
from tests.shards.conftest import (
    FakeSampler,
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
    make(tmp_path, per_class=60)
    assert written == [0, 1, 2, 3, 4, 5]


def test_nothing_more_is_generated_when_writing_has_failed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    failed, sampler = threading.Event(), FakeSampler(3)

    def fail(*_: Any) -> None:
        failed.set()
        raise StorageError("the disk is full")

    def networks(checkpoint: Any, batch: int) -> Networks:
        return Networks(sampler, None)

    def waiting(self: FakeSampler, latents: np.ndarray, labels: np.ndarray) -> np.ndarray:
        assert self.calls < 1000 or failed.wait(60)
        return work(self, latents, labels)

    work = FakeSampler.images
    monkeypatch.setattr(Storage, "write_many", fail)
    monkeypatch.setattr(FakeSampler, "images", waiting)
    settings = make_settings(per_class=3000, shard_size=3000, batch=3, screen="none")
    with pytest.raises(StorageError, match="the disk is full"):
        build(settings, str(tmp_path), make_checkpoint(), networks=networks)
    assert 1000 <= sampler.calls < 2000


def test_at_most_two_shards_are_in_memory_when_another_is_drawn(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    draw, drawn = engine.draw_shard, []

    def watched(*args: Any) -> Any:
        gc.collect()
        assert sum(shard() is not None for shard in drawn) <= 2
        shard = draw(*args)
        drawn.append(weakref.ref(shard))
        return shard

    monkeypatch.setattr(engine, "draw_shard", watched)
    make(tmp_path, per_class=60)
    assert len(drawn) == 6
