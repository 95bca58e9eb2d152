import os
import random
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from synthgen.config import SHARD_FORMAT_NAMES
from synthgen.errors import DataError, SettingsError
from synthgen.shards.contact_sheet import read_first_images
from synthgen.shards.formats import SHARD_FORMATS, ShardFiles, digest
from synthgen.shards.load import load
from synthgen.shards.run_record import read_record
from synthgen.shards.shard_file import import_package
from synthgen.shards.show import rebuild
from synthgen.shards.verify import verify
from synthgen.storage import open_storage
from tests.shards.conftest import draw, fake_networks, make, make_checkpoint, sha256


def test_the_table_holds_what_the_settings_allow() -> None:
    assert tuple(SHARD_FORMATS) == SHARD_FORMAT_NAMES


@pytest.mark.parametrize("kind", SHARD_FORMATS)
@pytest.mark.parametrize("number", [0, 2])
def test_what_was_written_is_read_back(kind: str, number: int) -> None:
    drawn, plan = draw(number)
    paths = SHARD_FORMATS[kind].paths(drawn.shard, plan)
    images, columns = SHARD_FORMATS[kind].decode(
        SHARD_FORMATS[kind].encode(drawn, plan, {}), paths, range(len(paths))
    )
    np.testing.assert_array_equal(images, drawn.images)
    expected = {
        "label": drawn.labels,
        "index": drawn.indices,
        "seed": drawn.seeds,
        "attempt": drawn.attempts,
        "id": drawn.shard.ids(),
    }
    for name, values in columns.items():
        np.testing.assert_array_equal(values, expected[name])
    assert set(columns) == (set(expected) if kind != "png" else {"label", "index"})


@pytest.mark.parametrize("kind", SHARD_FORMATS)
def test_some_rows_are_read_in_the_order_asked_for(kind: str) -> None:
    drawn, plan = draw()
    paths, rows = SHARD_FORMATS[kind].paths(drawn.shard, plan), [7, 2, 7]
    images, _ = SHARD_FORMATS[kind].decode(
        SHARD_FORMATS[kind].encode(drawn, plan, {}), [paths[row] for row in rows], rows
    )
    np.testing.assert_array_equal(images, drawn.images[rows])


@pytest.mark.parametrize("kind", SHARD_FORMATS)
def test_the_set_expects_its_own_paths_and_no_others(kind: str) -> None:
    drawn, plan = draw()
    module = SHARD_FORMATS[kind]
    assert all(
        module.expects(path, plan) for shard in plan.shards() for path in module.paths(shard, plan)
    )
    own = module.paths(drawn.shard, plan)[0]
    strange = [
        own + ".part",
        own.replace("tiny", "other"),
        own.replace("00000", "00009"),
        "data/tiny/x",
        own.replace(own[-3:], "xyz"),
    ]
    assert not any(module.expects(path, plan) for path in strange)


@pytest.mark.parametrize("kind", SHARD_FORMATS)
def test_damaged_files_are_data_errors(kind: str) -> None:
    drawn, plan = draw()
    paths, files = (
        SHARD_FORMATS[kind].paths(drawn.shard, plan),
        SHARD_FORMATS[kind].encode(drawn, plan, {}),
    )
    with pytest.raises(DataError, match="Expected"):
        SHARD_FORMATS[kind].decode(
            {path: content[: len(content) // 2] for path, content in files.items()},
            paths,
            range(len(paths)),
        )


def flips(content: bytes, count: int) -> Iterator[bytes]:
    """Copies of a file with one bit the other way, in every run the same."""
    chance = random.Random(5)
    for _ in range(count):
        damaged = bytearray(content)
        damaged[chance.randrange(len(content))] ^= 1 << chance.randrange(8)
        yield bytes(damaged)


@pytest.mark.parametrize("kind", SHARD_FORMATS)
def test_a_flipped_bit_is_another_value_or_an_error_by_name(kind: str) -> None:
    drawn, plan = draw()
    paths, files = (
        SHARD_FORMATS[kind].paths(drawn.shard, plan),
        SHARD_FORMATS[kind].encode(drawn, plan, {}),
    )
    said = []
    for content in flips(files[paths[0]], 200):
        try:
            images, columns = SHARD_FORMATS[kind].decode(
                files | {paths[0]: content}, paths, range(len(paths))
            )
        except DataError as error:
            said.append(str(error))
        else:
            assert images.shape == drawn.images.shape
            assert {
                values.astype(np.int64).shape for name, values in columns.items() if name != "id"
            } <= {(len(paths),)}
    assert 15 < len(said) <= 200  # TFRecord has checksums
    assert all(words.startswith(f"{paths[0]}: Expected ") for words in said)


def test_the_digest_of_several_files_depends_on_their_order() -> None:
    assert digest([b"a"]) == sha256(b"a")
    assert digest([b"a", b"b"]) != digest([b"b", b"a"])


@pytest.mark.slow
def test_another_process_makes_the_same_bytes() -> None:
    code = (
        "from tests.shards.conftest import *; from synthgen.shards.formats import *; d, p = "
        "draw()\n"
    )
    code += (
        "for m in SHARD_FORMATS.values(): print(digest(m.encode(d, p, {'seed': 1, "
        "'checkpoint_sha256': 'a' * 64}).values()))"
    )
    root = str(Path(__file__).parents[2])
    found = subprocess.run(
        [sys.executable, "-c", code],
        cwd=root,
        env=os.environ | {"PYTHONPATH": root},
        capture_output=True,
        text=True,
        check=True,
    )
    drawn, plan = draw()
    assert found.stdout.split() == [
        digest(module.encode(drawn, plan, {"seed": 1, "checkpoint_sha256": "a" * 64}).values())
        for module in SHARD_FORMATS.values()
    ]


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::ResourceWarning")
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_each_format_is_read_by_its_own_library(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Pixels, labels and ids, as the programs of others see them that know nothing of synthgen."""
    datasets = pytest.importorskip("datasets", reason="pip install 'synthgen[ecosystem]'")
    webdataset = pytest.importorskip("webdataset", reason="pip install 'synthgen[ecosystem]'")
    import h5py
    import tensorflow as tf

    monkeypatch.chdir(tmp_path)
    made = make(tmp_path, formats=tuple(SHARD_FORMATS))
    rows = pd.read_csv("manifests/tiny.csv", dtype={"id": str})
    wanted = dict(zip(rows["id"], zip(rows["label"], rows["sha256"], strict=True), strict=True))

    def seen(ids: Any, labels: Any, images: Any) -> dict[str, Any]:
        pixels = [sha256(np.asarray(image, np.uint8).tobytes()) for image in images]
        plain = [name.decode() if isinstance(name, bytes) else str(name) for name in ids]
        return dict(zip(plain, zip(map(int, labels), pixels, strict=True), strict=True))

    def load(builder: str, pattern: str) -> Any:
        return datasets.load_dataset(
            builder, data_files=f"data/tiny/{pattern}", split="train", cache_dir="cache"
        )

    table = load("parquet", "parquet/*.parquet")
    assert seen(table["id"], table["label"], table["image"]) == wanted
    assert table.features["label"].names == ["zero", "one", "two"]

    table = load("webdataset", "webdataset/*.tar")
    assert seen(table["__key__"], table["cls"], table["png"]) == wanted

    table = load("hdf5", "hdf5/*.h5")
    assert seen(table["ids"], table["labels"], table["images"]) == wanted

    shards = "data/tiny/webdataset/{00000..00002}.tar"
    samples = list(webdataset.WebDataset(shards, shardshuffle=False).decode("pil"))
    keys, labels, images = zip(*((s["__key__"], s["cls"], s["png"]) for s in samples), strict=True)
    grey = [np.asarray(image)[..., :1] for image in images]  # which it makes RGB
    assert seen(keys, labels, grey) == wanted

    found = {}
    features = {
        name: tf.io.FixedLenFeature([], getattr(tf, kind))
        for name, kind in (made.record.tfrecord_features or {}).items()
    }
    for record in tf.data.TFRecordDataset(sorted(map(str, Path("data/tiny/tfrecord").iterdir()))):
        row = tf.io.parse_single_example(record, features)
        image = tf.io.decode_png(row["image"]).numpy()
        found |= seen([row["id"].numpy()], [row["label"].numpy()], [image])
    assert found == wanted

    found = {}
    for path in Path("data/tiny/npz").iterdir():
        with np.load(path) as arrays:
            found |= seen(arrays["ids"], arrays["labels"], arrays["images"])
    assert found == wanted

    found = {}
    for path in Path("data/tiny/hdf5").iterdir():
        with h5py.File(path) as file:
            found |= seen(file["ids"][:], file["labels"][:], file["images"][:])
    assert found == wanted


def test_a_set_in_later_formats_alone_is_a_whole_set(tmp_path: Path) -> None:
    """Their files are columns of the manifest, are repaired, grow and are read."""
    later = ("parquet", "npz")
    make(tmp_path, formats=later)
    rows = pd.read_csv(tmp_path / "manifests/tiny.csv", keep_default_na=False)
    assert rows.columns[-2:].tolist() == ["parquet", "npz"]
    assert set(rows["hdf5"]) == {""}
    assert set(rows["parquet"]) == {f"data/tiny/parquet/0000{k}.parquet" for k in range(3)}

    damaged = tmp_path / "data/tiny/npz/00001.npz"
    before = damaged.read_bytes()
    damaged.write_bytes(before[:-9])
    assert verify(str(tmp_path / "manifests/tiny.csv")).problems
    assert make(tmp_path, formats=later).repaired == ("shard 1",)
    assert damaged.read_bytes() == before

    assert make(tmp_path, formats=later, per_class=40).skipped == (0, 1)
    assert verify(str(tmp_path / "manifests/tiny.csv")).problems == []
    rows.head(7).to_csv(tmp_path / "manifests/some.csv", index=False)
    assert len(load(str(tmp_path / "manifests/some.csv"))) == 7


def test_a_missing_package_is_named_with_what_installs_it() -> None:
    with pytest.raises(
        SettingsError, match=r"'no_such_package'.*pip install 'synthgen\[parquet\]'"
    ):
        import_package("no_such_package", "parquet")


def test_hdf5_of_another_hash_is_first_read_elsewhere(monkeypatch: pytest.MonkeyPatch) -> None:
    """In the place of a file that ends the HDF5 library: an interpreter that ends at once."""
    monkeypatch.setattr("sys.executable", "/bin/false")
    drawn, plan = draw()
    for kind, module in SHARD_FORMATS.items():
        contents = module.encode(drawn, plan, {})
        paths = module.paths(drawn.shard, plan)
        as_built = ShardFiles(kind, contents, digest(contents.values()))
        images, _ = as_built.decode(paths, range(len(paths)))
        np.testing.assert_array_equal(images, drawn.images)
        assert as_built.are_as_built
        if kind == "hdf5":
            with pytest.raises(DataError, match=r"00000\.h5: .*ends the HDF5 library"):
                ShardFiles(kind, contents, "0" * 64)
        else:
            assert not ShardFiles(kind, contents, "0" * 64).are_as_built


def test_whoever_reads_a_changed_shard_survives_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make(tmp_path, formats=("hdf5",))
    manifest = str(tmp_path / "manifests/tiny.csv")
    shard = tmp_path / "data/tiny/hdf5/00000.h5"
    shard.write_bytes(shard.read_bytes() + b"x")
    monkeypatch.setattr("sys.executable", "/bin/false")
    ended = r"00000\.h5: .* ends the HDF5 library or keeps it busy \(exit code 1\)"

    with pytest.raises(DataError, match=ended):
        load(manifest)
    shown = rebuild(manifest, "1-0000000", make_checkpoint(), networks=fake_networks)
    assert not shown.identical
    assert re.search(ended, shown.stored["hdf5"])
    assert any(re.search(ended, problem) for problem in verify(manifest).problems)
    storage = open_storage(str(tmp_path))
    record = read_record(storage, "manifests/tiny.csv")
    hashes = [entry.sha256["hdf5"] for entry in record.shards]
    with pytest.raises(DataError, match=ended):
        read_first_images(storage, record.plan, "hdf5", hashes)
