import contextlib
import dataclasses
import json
import multiprocessing
import os
import pickle
import shutil
from pathlib import Path

import h5py
import numpy as np
import pandas as pd
import pytest

from synthgen.errors import DataError, ManifestError, StorageError
from synthgen.shards.digit_set import DigitSet, open_set
from synthgen.shards.load import load
from synthgen.shards.read import read_images
from synthgen.storage import Storage
from tests.shards.conftest import make

NOTHING_KEPT = 1  # bytes: the set has no room, and few rows are read without their shard


@pytest.fixture
def manifest(tmp_path: Path) -> str:
    """That of a published set: 25 images of each of 3 classes, in shards of 30, 30 and 15."""
    make(tmp_path)
    return str(tmp_path / "manifests/tiny.csv")


def open_shards() -> list[str]:
    """The shards that this process holds open."""
    folder = "/proc/self/fd"
    places = []
    for name in os.listdir(folder):
        path = f"{folder}/{name}"
        if os.path.islink(path):
            places.append(os.readlink(path))
    return [place for place in places if place.endswith(".h5")]


@pytest.mark.parametrize("cache_bytes", [NOTHING_KEPT, 30 * 64, 2**20])
@pytest.mark.parametrize("missing", ["nothing", "hdf5"])
def test_any_rows_in_any_order(manifest: str, cache_bytes: int, missing: str) -> None:
    whole = load(manifest).images
    shutil.rmtree(Path(manifest).parents[1] / f"data/tiny/{missing}", ignore_errors=True)
    digits = open_set(manifest, cache_bytes=cache_bytes)
    order = np.random.default_rng(0).permutation(75)
    for rows in (order, order[:7], order[:1], np.array([3, 70, 3]), np.array([], np.int64)):
        for _ in range(2):
            np.testing.assert_array_equal(digits.images(rows), whole[rows])


def test_each_shard_is_unpacked_once_where_the_set_has_room(
    manifest: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    read: list[str] = []
    read_many = Storage.read_many

    def counted(storage: Storage, paths: list[str]) -> dict[str, bytes]:
        read.extend(dict.fromkeys(paths))
        return read_many(storage, paths)

    monkeypatch.setattr(Storage, "read_many", counted)
    digits = open_set(manifest)
    assert read == []
    for row in np.random.default_rng(0).permutation(75):
        digits.images(np.array([row]))
    assert sorted(read) == [f"data/tiny/hdf5/0000{k}.h5" for k in range(3)]


def test_few_rows_are_read_without_their_shard(
    manifest: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = load(manifest)
    monkeypatch.setattr(Storage, "read_many", lambda *_: pytest.fail("a whole file was read"))
    digits = open_set(manifest, cache_bytes=NOTHING_KEPT)
    image, label = digits[31]
    np.testing.assert_array_equal(image, whole.images[31])
    assert label == whole.labels[31]


def test_no_open_file_crosses_a_fork_or_a_pickle(manifest: str) -> None:
    digits = open_set(manifest, cache_bytes=NOTHING_KEPT)
    first = digits[0][0]
    assert len(open_shards()) == 1
    with multiprocessing.get_context("fork").Pool(1) as pool:
        assert pool.apply(open_shards) == []
    np.testing.assert_array_equal(digits[0][0], first)

    copy: DigitSet = pickle.loads(pickle.dumps(digits))
    assert len(open_shards()) == 1
    np.testing.assert_array_equal(copy[0][0], first)


def test_only_so_many_images_are_kept_packed(manifest: str) -> None:
    digits = open_set(manifest, cache_bytes=2**20)
    digits.images(np.arange(75))
    full = len(pickle.dumps(digits))
    assert full < 20_000  # what is kept does not travel with it


@pytest.mark.parametrize("cache_bytes", [NOTHING_KEPT, 2**20])
def test_pixels_of_another_image_are_refused(manifest: str, cache_bytes: int) -> None:
    folder = Path(manifest).parents[1] / "data/tiny/hdf5"
    (folder / "00000.h5").write_bytes((folder / "00001.h5").read_bytes())
    digits = open_set(manifest, cache_bytes=cache_bytes)
    with pytest.raises(DataError, match=r"00000\.h5: Expected the pixels .*, received another"):
        digits.images(np.array([3]))


def test_files_of_the_build_are_not_compared_image_by_image(manifest: str) -> None:
    """The hashes of manifest and shard in the run record say that each row has its pixels."""
    reader = open_set(manifest).reader
    rows = reader.index.shards[0]
    others = dataclasses.replace(rows, hashes=rows.hashes[::-1])
    known = reader.file_hashes[0]
    images = read_images(reader.storage, rows, known)
    np.testing.assert_array_equal(read_images(reader.storage, others, known, True), images)
    for sha256, rows_as_built in ((known, False), ({}, True)):
        with pytest.raises(DataError, match="Expected the pixels that the manifest gives"):
            read_images(reader.storage, others, sha256, rows_as_built)


def test_only_the_manifest_of_the_build_is_known_to_be_it(manifest: str) -> None:
    assert open_set(manifest).reader.rows_as_built
    with Path(manifest).open("a") as file:
        file.write("\n")
    assert not open_set(manifest).reader.rows_as_built


@pytest.mark.parametrize("cache_bytes", [NOTHING_KEPT, 2**20])
def test_another_label_than_that_of_the_file_is_refused(manifest: str, cache_bytes: int) -> None:
    table = pd.read_csv(manifest, dtype=str, keep_default_na=False)
    table.assign(label="1").to_csv(manifest, index=False)
    with pytest.raises(DataError, match=r"Expected the label that the manifest gives"):
        open_set(manifest, cache_bytes=cache_bytes).images(np.array([0]))


@pytest.mark.parametrize("cache_bytes", [NOTHING_KEPT, 2**20])
def test_values_that_lie_elsewhere_are_refused(manifest: str, cache_bytes: int) -> None:
    path = Path(manifest).parents[1] / "data/tiny/hdf5/00000.h5"
    path.rename(path.with_name("other.h5"))
    with h5py.File(path, "w") as file:
        for name in ("images", "labels", "ids", "indices", "seeds", "attempts"):
            file[name] = h5py.ExternalLink("other.h5", name)
    with pytest.raises(DataError, match=r"to be stored in the shard itself, received a link"):
        open_set(manifest, cache_bytes=cache_bytes).images(np.array([3]))


def test_a_missing_shard_is_named(manifest: str) -> None:
    shutil.rmtree(Path(manifest).parents[1] / "data/tiny/png")
    (Path(manifest).parents[1] / "data/tiny/hdf5/00001.h5").unlink()
    digits = open_set(manifest, cache_bytes=NOTHING_KEPT)
    assert len(digits.images(np.arange(30))) == 30
    with pytest.raises(StorageError, match="Images of shard 1 are there in no format"):
        digits.images(np.array([31]))


@pytest.mark.parametrize("cache_bytes", [NOTHING_KEPT, 2**20])
def test_a_shard_that_ends_the_hdf5_library_is_an_error(manifest: str, cache_bytes: int) -> None:
    """With h5py 3.16 this byte ends the process; with others the image may be read."""
    path = Path(manifest).parents[1] / "data/tiny/hdf5/00001.h5"
    content = bytearray(path.read_bytes())
    content[13837] = 221
    path.write_bytes(content)
    digits = open_set(manifest, cache_bytes=cache_bytes)
    assert len(digits[:30]) == 30
    with contextlib.suppress(DataError):
        assert len(digits.images(np.array([31]))) == 1


def test_a_set_of_which_the_record_gives_no_hash_is_read(manifest: str) -> None:
    whole = load(manifest)
    path = Path(manifest).with_suffix(".json")
    record = json.loads(path.read_text())
    record["shards"] = []
    path.write_text(json.dumps(record))
    np.testing.assert_array_equal(load(manifest, per_class=3).images[0], whole.images[0])


def test_a_hash_with_more_behind_it_is_none(manifest: str) -> None:
    table = pd.read_csv(manifest, dtype=str, keep_default_na=False)
    table["sha256"] += "00"
    table.to_csv(manifest, index=False)
    with pytest.raises(DataError, match="Expected the pixels that the manifest gives"):
        load(manifest)


def test_another_manifest_than_the_one_that_was_opened(manifest: str) -> None:
    """PNG files are looked up when a shard turns out to be missing."""
    digits = open_set(manifest)
    shutil.rmtree(Path(manifest).parents[1] / "data/tiny/hdf5")
    lines = Path(manifest).read_text().splitlines(keepends=True)
    Path(manifest).write_text("".join(lines[:-1]))
    with pytest.raises(ManifestError, match=r"received other rows\. Open it again"):
        digits.images(np.array([3]))
