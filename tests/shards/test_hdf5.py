import io
import zlib
from collections.abc import Callable
from typing import Any

import h5py
import numpy as np
import pytest

from synthgen.errors import DataError
from synthgen.shards import hdf5
from tests.shards.conftest import draw


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


def test_data_sets_have_one_length_and_attributes_say_the_rest() -> None:
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


def replace_data_set(name: str, make: Callable[[h5py.File], object]) -> tuple[str, bytes]:
    """A shard in which one data set is another, and its path."""
    drawn, plan = draw()
    ((path, content),) = hdf5.encode(drawn, plan, {}).items()
    buffer = io.BytesIO(content)
    with h5py.File(buffer, "r+") as file:
        del file[name]
        make(file)
    return path, buffer.getvalue()


def make_virtual(file: h5py.File) -> None:
    layout = h5py.VirtualLayout(shape=(30,), dtype="u1")
    layout[:] = h5py.VirtualSource("elsewhere.h5", "labels", shape=(30,))
    file.create_virtual_dataset("labels", layout)


def make_external(file: h5py.File) -> None:
    file.create_dataset("labels", (30,), "u1", external=[("/etc/passwd", 0, 30)])


def make_soft_link(file: h5py.File) -> None:
    file["labels"] = h5py.SoftLink("/indices")


def make_external_link(file: h5py.File) -> None:
    file["labels"] = h5py.ExternalLink("elsewhere.h5", "labels")


def make_huge(file: h5py.File) -> None:
    file.create_dataset("labels", (12 * 10**9,), "u1", chunks=(10**6,), compression="gzip")


@pytest.mark.parametrize(
    ("make", "found"),
    [
        (make_virtual, "a virtual data set"),
        (make_external, "one in an external file"),
        (make_soft_link, "a link"),
        (make_external_link, "a link"),
        (make_huge, "one of 12,000,000,000 bytes in a file of"),
    ],
)
def test_values_that_are_not_in_the_shard_are_refused(
    make: Callable[[h5py.File], object], found: str
) -> None:
    """Before anything is read: HDF5 would take them from any file, and may end the process."""
    path, content = replace_data_set("labels", make)
    expected = f"^{path}: Expected the data set 'labels' to be stored in the shard itself, "
    with pytest.raises(DataError, match=f"{expected}received {found}"):
        hdf5.decode({path: content}, [path], [0])


@pytest.mark.parametrize("length", [10**6, 100])
def test_a_chunk_that_expands_to_another_length_is_refused(length: int) -> None:
    """HDF5 itself would unpack all of it."""
    content, plan = draw()
    files = hdf5.encode(content, plan, {})
    (path,) = files
    buffer = io.BytesIO(files[path])
    with h5py.File(buffer, "a") as file:
        file["images"].id.write_direct_chunk((0, 0, 0, 0), zlib.compress(bytes(length)))
    with pytest.raises(DataError, match="the chunk of images from 0 on is not of 1920 bytes"):
        hdf5.decode({path: buffer.getvalue()}, [path], [0])
