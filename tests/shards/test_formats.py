import io
import os
import random
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from PIL import Image

from synthgen.config import SHARD_FORMAT_NAMES
from synthgen.errors import DataError
from synthgen.shards import hdf5, png
from synthgen.shards.formats import SHARD_FORMATS, digest
from synthgen.shards.plan import SetPlan
from tests.shards.conftest import draw, sha256


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
    assert set(columns) == (set(expected) if kind == "hdf5" else {"label", "index"})


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
        own.replace(own[-3:], "txt"),
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
def test_a_flipped_bit_is_another_value_or_a_data_error_that_names_the_file(kind: str) -> None:
    drawn, plan = draw()
    paths, files = (
        SHARD_FORMATS[kind].paths(drawn.shard, plan),
        SHARD_FORMATS[kind].encode(drawn, plan, {}),
    )
    said = []
    for content in flips(files[paths[0]], 600):
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
    assert 50 < len(said) < 600
    assert all(words.startswith(f"{paths[0]}: Expected ") for words in said)


@pytest.mark.parametrize(
    "value", ["a group", np.float64(0), np.zeros((30, 1), np.int64), np.zeros(30), h5py.Empty("i8")]
)
def test_hdf5_with_a_column_of_another_kind(value: Any) -> None:
    drawn, plan = draw()
    ((path, content),) = hdf5.encode(drawn, plan, {}).items()
    buffer = io.BytesIO(content)
    with h5py.File(buffer, "r+") as file:
        del file["seeds"]
        file.create_group("seeds") if isinstance(value, str) else file.create_dataset(
            "seeds", data=value
        )
    with pytest.raises(DataError, match=f"^{path}: Expected "):
        hdf5.decode({path: buffer.getvalue()}, [path], [0])


def test_every_root_data_set_has_the_same_first_dimension_and_attributes_tell_the_rest() -> None:
    drawn, plan = draw(2)
    with h5py.File(io.BytesIO(next(iter(hdf5.encode(drawn, plan, {"seed": 7}).values())))) as file:
        assert {name: (data.shape[0], data.dtype.str) for name, data in file.items()} == {
            "images": (15, "|u1"),
            "labels": (15, "|u1"),
            "ids": (15, "|S9"),
            "indices": (15, "<i8"),
            "seeds": (15, "<u8"),
            "attempts": (15, "<i8"),
        }
        assert list(file.attrs["class_names"]) == ["zero", "one", "two"]
        assert file.attrs["pixels"] == "uint8, 0..255, white on black"
        assert (file.attrs["shard"], file.attrs["seed"], file.attrs["format"]) == (
            2,
            7,
            "synthgen-shard/1",
        )


def test_hdf5_rows_that_are_not_there() -> None:
    drawn, plan = draw()
    files = hdf5.encode(drawn, plan, {})
    for offset in (-1, 30):
        with pytest.raises(DataError, match="do not fit together"):
            hdf5.decode(files, [next(iter(files))], [offset])


def test_hdf5_without_a_data_set() -> None:
    buffer = io.BytesIO()
    with h5py.File(buffer, "w") as file:
        file["images"] = np.zeros((1, 8, 8, 1), np.uint8)
    with pytest.raises(DataError, match="labels"):
        hdf5.decode({"a": buffer.getvalue()}, ["a"], [0])


@pytest.mark.parametrize("channels", [1, 3])
def test_png_files_are_what_pillow_reads(channels: int) -> None:
    image = np.random.default_rng(0).integers(0, 256, (8, 12, channels), np.uint8)
    with Image.open(io.BytesIO(png.encode_unfiltered(image))) as picture:
        picture.verify()
    with Image.open(io.BytesIO(png.encode_unfiltered(image))) as picture:
        assert picture.mode == {1: "L", 3: "RGB"}[channels]
        np.testing.assert_array_equal(np.asarray(picture).reshape(image.shape), image)


def test_png_folders_hold_ten_thousand_files_at_most() -> None:
    plan = SetPlan(name="a", class_names="01", per_class=20_001, shard_size=50_000)
    paths = png.paths(plan.shard(0), plan)
    assert paths[2 * 9_999] == "data/a/png/0/00000/0-0009999.png"
    assert paths[2 * 10_000 + 1] == "data/a/png/1/00001/1-0010000.png"
    assert paths[-1] == "data/a/png/1/00002/1-0020000.png"


def test_png_files_of_different_shapes_do_not_stack() -> None:
    files = {
        str(side): png.encode_unfiltered(np.zeros((side, side, 1), np.uint8)) for side in (4, 8)
    }
    with pytest.raises(DataError, match="one shape"):
        png.decode(files, ["4", "8"], [0, 0])


def test_the_digest_of_one_file_is_its_own_hash_and_of_several_depends_on_order() -> None:
    assert digest([b"a"]) == sha256(b"a")
    assert digest([b"a", b"b"]) != digest([b"b", b"a"])


def test_another_process_makes_the_same_bytes() -> None:
    code = "from tests.shards.conftest import *; from synthgen.shards.formats import *; d, p = draw()\n"
    code += "for m in SHARD_FORMATS.values(): print(digest(m.encode(d, p, {'seed': 1, 'checkpoint_sha256': 'a' * 64}).values()))"
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
