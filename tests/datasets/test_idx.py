import gzip

import numpy as np
import pytest

from synthgen.datasets import idx
from synthgen.datasets.files import list_files
from synthgen.errors import DataError
from synthgen.storage import open_storage

LABELS = bytes([0, 0, 8, 1, 0, 0, 0, 3, 7, 0, 9])
IMAGES = bytes([0, 0, 8, 3, 0, 0, 0, 2, 0, 0, 0, 1, 0, 0, 0, 3, 10, 20, 30, 40, 50, 60])


def test_known_bytes() -> None:
    assert idx.parse_idx(LABELS, 1, "labels").tolist() == [7, 0, 9]
    assert idx.parse_idx(IMAGES, 3, "images").tolist() == [[[10, 20, 30]], [[40, 50, 60]]]
    assert idx.parse_idx(IMAGES, 3, "images").dtype == np.uint8


def test_dimensions_are_big_endian() -> None:
    content = bytes([0, 0, 8, 1, 0, 0, 1, 2]) + bytes(0x0102)
    assert idx.parse_idx(content, 1, "labels").shape == (258,)


@pytest.mark.parametrize(("content", "dimensions"), [(LABELS, 1), (IMAGES, 3)])
def test_what_is_written_reads_back(content: bytes, dimensions: int) -> None:
    assert idx.to_idx(idx.parse_idx(content, dimensions, "file")) == content
    assert idx.to_idx(idx.parse_idx(gzip.compress(content), dimensions, "file")) == content


@pytest.mark.parametrize(
    "content",
    [LABELS, IMAGES, gzip.compress(LABELS), gzip.compress(IMAGES)],
    ids=["labels", "images", "labels.gz", "images.gz"],
)
def test_a_file_cut_off_at_any_byte_is_refused(content: bytes) -> None:
    dimensions = 1 if content in (LABELS, gzip.compress(LABELS)) else 3
    for size in range(len(content)):
        with pytest.raises(DataError, match=r"^file: Expected "):
            idx.parse_idx(content[:size], dimensions, "file")


@pytest.mark.parametrize(
    ("content", "dimensions", "message"),
    [
        (
            LABELS,
            3,
            "file: Expected an IDX file that begins with 00 00 08 03, received 00 00 08 01.",
        ),
        (
            b"PK\x03\x04...",
            1,
            "file: Expected an IDX file that begins with 00 00 08 01, received 50 4b 03 04.",
        ),
        (
            bytes([0, 0, 13, 1]) + LABELS[4:],
            1,
            "file: Expected an IDX file that begins with 00 00 08 01, received 00 00 0d 01.",
        ),
        (
            b"",
            1,
            "file: Expected an IDX file that begins with 00 00 08 01, received an empty file.",
        ),
        (IMAGES[:9], 3, "file: Expected an IDX header of 16 bytes, received 9 bytes in all."),
        (
            LABELS + b"\0",
            1,
            "file: Expected 3 bytes after the header, for shape (3,), received 4. The file is "
            "damaged or cut off.",
        ),
        (
            IMAGES[:-1],
            3,
            "file: Expected 6 bytes after the header, for shape (2, 1, 3), received 5. The file "
            "is damaged or cut off.",
        ),
        (
            bytes([0, 0, 8, 3]) + b"\xff" * 12,
            3,
            f"file: Expected {(2**32 - 1) ** 3} bytes after the header, for shape "
            f"{(2**32 - 1,) * 3}, received 0.",
        ),
    ],
)
def test_messages(content: bytes, dimensions: int, message: str) -> None:
    with pytest.raises(DataError) as caught:
        idx.parse_idx(content, dimensions, "file")
    assert str(caught.value).startswith(message)


def test_a_damaged_gzip_file() -> None:
    packed = bytearray(gzip.compress(IMAGES, mtime=0))
    packed[-5] ^= 1  # the stored checksum
    with pytest.raises(
        DataError,
        match=r"^file: Expected a whole gzip file, received a damaged one \(CRC check failed",
    ):
        idx.parse_idx(bytes(packed), 3, "file")


def test_finding_prefers_what_is_not_gzipped() -> None:
    name = "train-labels-idx1-ubyte"
    assert idx.find(name, [f"{name}.gz", name]) == name
    assert idx.find(name, [f"{name}.gz"]) == f"{name}.gz"
    assert idx.find(name, ["train-labels.idx1-ubyte"]) == "train-labels.idx1-ubyte"
    assert idx.find(name, ["sub/" + name, "train-images-idx3-ubyte"]) is None


def test_a_folder_matches_only_with_all_four() -> None:
    assert idx.matches([*idx.IDX_NAMES, "readme"])
    assert not any(
        idx.matches([name for name in idx.IDX_NAMES if name != missing])
        for missing in idx.IDX_NAMES
    )


def test_a_folder_is_read_in_the_right_roles() -> None:
    storage = open_storage("memory://idx")
    test_labels = bytes([0, 0, 8, 1, 0, 0, 0, 2, 4, 5])
    storage.write_bytes("train-images-idx3-ubyte.gz", gzip.compress(IMAGES))
    storage.write_bytes("train-labels.idx1-ubyte", bytes([0, 0, 8, 1, 0, 0, 0, 2, 7, 9]))
    storage.write_bytes("t10k-images-idx3-ubyte", IMAGES[:-1] + b"\xff")
    storage.write_bytes("t10k-labels-idx1-ubyte.gz", gzip.compress(test_labels))
    parts = idx.read(list_files("memory://idx"))
    assert parts.test is not None
    assert (parts.train.labels.tolist(), parts.test.labels.tolist()) == ([7, 9], [4, 5])
    assert (parts.train.images[-1, -1, -1, -1], parts.test.images[-1, -1, -1, -1]) == (60, 255)
    assert parts.train.images.shape == (2, 1, 3, 1)
    assert parts.notes == ()
    storage.write_bytes("notes/extra.npz", b"x")
    storage.write_bytes("class_names.txt", ("\ufeff" + "\r\n".join("abcdefghi\u00e9")).encode())
    parts = idx.read(list_files("memory://idx"))
    assert tuple(parts.train.class_names) == tuple("abcdefghi\u00e9")
    assert parts.notes == ("Passed over: 1 file (notes/extra.npz).",)
    storage.write_bytes("class_names.txt", "\n".join("abcdefghi\u00e9").encode("latin-1"))
    with pytest.raises(DataError, match=r"class_names\.txt: Expected names in UTF-8"):
        idx.read(list_files("memory://idx"))


def test_unequal_counts() -> None:
    with pytest.raises(
        DataError,
        match=r"^train-images-idx3-ubyte: Expected one label for each image, received 2 images "
        r"and 3 labels\.$",
    ):
        idx.parse([IMAGES, LABELS, IMAGES, LABELS])


def test_labels_out_of_range_are_those_of_the_labels_file() -> None:
    labels = bytes([0, 0, 8, 1, 0, 0, 0, 2, 7, 10])
    for contents, name in (
        ([IMAGES, labels, IMAGES, labels], "train"),
        ([IMAGES, labels[:-1] + b"\0", IMAGES, labels], "t10k"),
    ):
        with pytest.raises(
            DataError,
            match=rf"^{name}-labels-idx1-ubyte: Expected labels from 0 to 9, received 10 for "
            r"image 1",
        ):
            idx.parse(contents)
