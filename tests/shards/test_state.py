"""What `look` finds under the name of a set; test_build.py tests what a build makes of it."""

import json
import re
from pathlib import Path
from typing import Any

import pytest

from synthgen.errors import ManifestError, ResumeError
from synthgen.records import file_sha256
from synthgen.shards import build as build_module
from synthgen.shards import formats, state
from synthgen.shards.job import prepare
from synthgen.shards.run_record import seal
from synthgen.shards.state import BuildState, look
from tests.shards.conftest import files, make, make_checkpoint, make_settings, stop


def look_at(root: Path, overwrite: bool = False, **changes: Any) -> BuildState:
    job = prepare(make_settings(**changes), str(root), make_checkpoint(), None)
    return look(job, overwrite, progress=False)


def test_nothing_is_there(tmp_path: Path) -> None:
    assert look_at(tmp_path) == BuildState(kind="nothing")
    assert not (tmp_path / "manifests").exists()


def test_the_very_set_is_there(tmp_path: Path) -> None:
    make(tmp_path)
    found = look_at(tmp_path)
    assert (found.kind, found.images, sorted(found.finished)) == ("complete", 75, [0, 1, 2])
    assert found.record is not None
    assert found.record.shards == tuple(found.finished.values())
    assert (found.damaged, found.lost) == ({}, ())


def test_a_set_that_grows_keeps_its_full_shards(tmp_path: Path) -> None:
    make(tmp_path, per_class=24)  # two full shards and one of four a class
    found = look_at(tmp_path)
    assert (found.kind, found.images, sorted(found.finished)) == ("incomplete", 60, [0, 1])
    assert (found.damaged, found.lost) == ({}, ())


def test_damage_is_found_by_name(tmp_path: Path) -> None:
    make(tmp_path)
    (tmp_path / "data/tiny/hdf5/00001.h5").write_bytes(b"torn")
    (tmp_path / "data/tiny/png/two/00000/two/2-0000024.png").unlink()
    (tmp_path / "data/tiny/contact_sheet.png").unlink()
    found = look_at(tmp_path)
    assert (found.kind, found.images, sorted(found.finished)) == ("incomplete", 30, [0])
    assert found.damaged == {
        1: ("data/tiny/hdf5/00001.h5",),
        2: ("png files of shard 2",),
    }
    assert found.lost == ("data/tiny/contact_sheet.png",)


def test_without_its_manifest_no_shard_is_finished(tmp_path: Path) -> None:
    make(tmp_path)
    (tmp_path / "manifests/tiny.csv").write_text("other rows")
    found = look_at(tmp_path)
    assert (found.kind, found.images, found.finished) == ("incomplete", 0, {})
    assert found.lost == ("manifests/tiny.csv (and with it every shard, whose rows it held)",)


def test_a_shard_that_the_record_leaves_out_is_missing(tmp_path: Path) -> None:
    make(tmp_path)
    path = tmp_path / "manifests/tiny.json"
    plain = json.loads(path.read_text())
    del plain["shards"][1]
    plain["record_sha256"] = seal(plain)
    path.write_text(json.dumps(plain))
    found = look_at(tmp_path)
    assert (found.kind, sorted(found.finished)) == ("incomplete", [0, 2])
    assert found.damaged == {1: ("the entry of shard 1 in the run record",)}


def test_a_changed_record_is_lost_with_all_that_it_says(tmp_path: Path) -> None:
    make(tmp_path)
    whole = files(tmp_path)
    path = tmp_path / "manifests/tiny.json"
    before = path.read_text()
    path.write_text(re.sub(r'("draws": \[\s*)', r"\g<1>7", before, count=1))  # 25 becomes 725
    found = look_at(tmp_path)
    assert (found.kind, dict(found.finished)) == ("incomplete", {})
    assert found.lost == ("manifests/tiny.json (and with it every shard, whose hashes it held)",)
    assert make(tmp_path).made == 75
    assert files(tmp_path) == whole
    draws = [json.loads(text)["shards"][0]["draws"] for text in (path.read_text(), before)]
    assert draws[0] == draws[1]
    path.write_text(json.dumps(json.loads(before), sort_keys=True))  # the same in other words
    assert look_at(tmp_path).kind == "complete"


def test_an_unfinished_build_and_the_set_that_it_grows(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make(tmp_path, per_class=20)
    monkeypatch.setattr(build_module, "publish", stop)
    with pytest.raises(RuntimeError, match="stop"):
        make(tmp_path)
    (tmp_path / "data/tiny/hdf5/00000.h5").unlink()
    found = look_at(tmp_path)
    assert (found.kind, sorted(found.finished)) == ("unfinished", [1, 2])
    assert found.damaged == {0: ("data/tiny/hdf5/00000.h5",)}
    assert found.record is not None
    assert found.record.count == 60


def test_other_settings_are_refused_or_replaced(tmp_path: Path) -> None:
    make(tmp_path)
    before = files(tmp_path)
    with pytest.raises(ResumeError, match="--seed was 0, is 1"):
        look_at(tmp_path, seed=1)
    assert look_at(tmp_path, seed=1, overwrite=True) == BuildState(kind="other")
    (tmp_path / "manifests/tiny.json").write_text("{")
    with pytest.raises(ManifestError):
        look_at(tmp_path)
    assert look_at(tmp_path, overwrite=True) == BuildState(kind="other")
    assert files(tmp_path) == before


def test_every_file_is_hashed_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A repair finds the damage, keeps the rest and publishes, on one look at each shard."""
    make(tmp_path)
    (tmp_path / "data/tiny/hdf5/00001.h5").write_bytes(b"torn")
    shards: list[int] = []
    manifests: list[str] = []

    def count_shard(storage: Any, kind: str, shard: Any, plan: Any) -> str | None:
        shards.append(shard.number)
        return formats.stored_digest(storage, kind, shard, plan)

    def count_file(storage: Any, path: str) -> str:
        manifests.append(path)
        return file_sha256(storage, path)

    monkeypatch.setattr(state, "stored_digest", count_shard)
    monkeypatch.setattr(state, "file_sha256", count_file)
    assert make(tmp_path).repaired == ("shard 1",)
    assert shards == [0, 0, 1, 1, 2, 2]  # in two formats
    assert manifests == ["manifests/tiny.csv"]
