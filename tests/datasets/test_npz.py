import io
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from synthgen.datasets import npz
from synthgen.datasets.files import list_files
from synthgen.errors import DataError

IMAGES = np.arange(30 * 4 * 4, dtype=np.uint16).astype(np.uint8).reshape(30, 4, 4)
LABELS = np.arange(30) % 10


def saved(**arrays: Any) -> io.BytesIO:
    stream = io.BytesIO()
    np.savez(stream, **arrays)
    return stream


def header(shape: tuple[int, ...]) -> bytes:
    stream = io.BytesIO()
    facts = {"descr": "|u1", "fortran_order": False, "shape": shape}
    np.lib.format.write_array_header_1_0(stream, facts)
    return stream.getvalue()


def archive(**members: bytes) -> io.BytesIO:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as content:
        for name, member in members.items():
            content.writestr(f"{name}.npy", member)
    return stream


def test_both_parts_and_the_class_names() -> None:
    names = np.array([f"digit {k}" for k in range(10)]).astype("S")
    arrays = {"train_images": IMAGES, "train_labels": LABELS[:, None]}
    parts = npz.parse(
        saved(**arrays, test_images=IMAGES[:5], test_labels=LABELS[:5], class_names=names), "x.npz"
    )
    assert parts.test is not None
    assert (parts.train.images[..., 0] == IMAGES).all()
    assert parts.train.labels.tolist() == LABELS.tolist()
    assert parts.test.class_names[3] == "digit 3"
    assert len(parts.test) == 5


def test_only_arrays_that_are_needed_are_read() -> None:
    """An array of Python objects beside them does not matter."""
    extra = np.array([{}], object)
    assert len(npz.parse(saved(images=IMAGES, labels=LABELS, extra=extra), "x.npz").train) == 30


@pytest.mark.parametrize(
    ("stream", "message"),
    [
        (
            archive(images=header((5_000_000, 28, 28)), labels=header((5_000_000,))),
            r"x\.npz, 'images': Expected at most 402\.7 MB of pixels, received 3\.9 GB",
        ),
        (
            archive(images=header((2**62, 28, 28)), labels=header((1,)) + b"1"),
            r"x\.npz, 'images': Expected at most 402\.7 MB",
        ),
        (archive(images=header((9, 4, 4)) + bytes(9)), "Expected an array 'labels', found images"),
        (
            archive(images=header((9, 4, 4)) + bytes(9), labels=header((9,)) + bytes(9)),
            r"x\.npz: Expected an NPZ file, received \d+ bytes that are not one or are damaged",
        ),
        (archive(**{f"a{k}": b"" for k in range(1100)}), "1,100 arrays, of which 1,000 are read"),
        (
            saved(images=np.array([{}], object), labels=LABELS),
            r"x\.npz, 'images': Expected numbers or text, received Python objects",
        ),
        (saved(test_images=IMAGES, test_labels=LABELS), "Expected training images, found only te"),
        (io.BytesIO(b"PK\x03\x04"), "received 4 bytes that are not one or are damaged"),
    ],
    ids=["bomb", "liar", "no labels", "cut off", "many", "objects", "test only", "empty"],
)
def test_archives_that_cannot_be_used(stream: io.BytesIO, message: str) -> None:
    with pytest.raises(DataError, match=message):
        npz.parse(stream, "x.npz")


def test_a_large_file_is_refused_before_it_is_read(tmp_path: Path) -> None:
    with (tmp_path / "x.npz").open("wb") as file:
        file.truncate(2**40)
    with pytest.raises(DataError, match=r"at most 536\.9 MB, received 1\.1 TB"):
        npz.read(list_files(str(tmp_path / "x.npz")))


def test_arrays_that_were_not_read_are_said(tmp_path: Path) -> None:
    objects = np.array([{}], object)
    content = saved(images=IMAGES, labels=LABELS, x_extra=IMAGES, note="x", objects=objects)
    (tmp_path / "x.npz").write_bytes(content.getvalue())
    notes = npz.read(list_files(str(tmp_path))).notes
    assert notes == ("Passed over: 1 array (x_extra).",)
