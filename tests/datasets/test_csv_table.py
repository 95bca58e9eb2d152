from pathlib import Path

import numpy as np
import pytest

from synthgen.datasets import csv_table
from synthgen.datasets.digits import Digits, Pictures, Reading
from synthgen.datasets.files import list_files
from synthgen.datasets.pixels import encode_png
from synthgen.errors import DataError

IMAGES = np.random.default_rng(0).integers(0, 256, (20, 4, 4), np.uint8)
LABELS = np.arange(20) % 10


def reading_of(path: Path) -> Reading:
    listing = list_files(str(path))
    assert csv_table.matches(listing.files)
    return csv_table.read(listing)


def pixels(separator: str = ",", header: bool = True, label_last: bool = False) -> str:
    lines = []
    if header:
        lines.append(["label", *(f"pixel{k}" for k in range(16))])
    lines += [
        [str(label), *map(str, image.ravel())] for label, image in zip(LABELS, IMAGES, strict=True)
    ]
    if label_last:
        lines = [[*line[1:], line[0]] for line in lines]
    return "".join(separator.join(line) + "\n" for line in lines)


@pytest.mark.parametrize(
    "text",
    [
        pixels(),
        pixels(";"),
        pixels("\t"),
        pixels(header=False),
        pixels(label_last=True),
        "\ufeff" + pixels(),
        pixels().replace("\n", "\r\n"),
    ],
    ids=["Kaggle", "semicolons", "tabs", "no header", "label last", "BOM", "CRLF"],
)
def test_a_label_and_pixels_in_each_line(text: str, tmp_path: Path) -> None:
    (tmp_path / "train.csv").write_text(text, encoding="utf-8")
    train = reading_of(tmp_path / "train.csv").train
    assert isinstance(train, Digits)
    assert (train.images[..., 0] == IMAGES).all()
    assert train.labels.tolist() == LABELS.tolist()
    assert train.class_names == tuple("0123456789")


def test_labels_of_a_table_name_the_classes(tmp_path: Path) -> None:
    text = "y,a,b,c,d\n" + "ten,0,1,2,3\n2,4,5,6,255\n10,7,8,9,9\n"
    (tmp_path / "t.csv").write_text(text)
    train = reading_of(tmp_path).train
    assert (train.labels.tolist(), tuple(train.class_names)) == ([2, 0, 1], ("2", "10", "ten"))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (
            b"id,a,b,c,d\n1,2,3,4,5\n",
            r"Expected a column of labels \(label, .*found id, a, b, c, d",
        ),
        (b"label,a,b,c\n1,2,3,4\n", "the pixels of a square image in each line, .* 4 columns"),
        (b"label,a,b,c,d\n", "Expected lines of labels and pixels, received none"),
        (b"label,a,b,c,d\n1,2,3,x,5\n", "Expected a table of numbers"),
        (b"label,a,b,c,d\n1,2,3\n", "5 columns in each line, received 3 in line 2"),
        (b"label,a,b,c,d\n1,2,3,4,5,6\n", "5 columns in each line, received 6 in line 2"),
        (b"label,a,b,c,d\n1,2,,4,5\n", "Expected pixels that are numbers, received 1 that are not"),
        (b"label,a,b,c,d\n1,2,3,4,300\n", "Expected pixels of"),
        (
            b"label,a,b,c,d\n" + b"1," * 100 + b"\n",
            "5 columns in each line, received 101 in line 2",
        ),
        ("label,a,b,c,d\n".encode("utf-16"), "bytes that are no text"),
        (b"label,a\xe9,b,c,d\n1,2,3,4,5\n", "in UTF-8, received another encoding"),
        (b"label," + b"," * 3_000_000, "received a line that is longer"),
        (b"label," + b"," * 100_000 + b"\n", "Expected 2 to 65,537 columns, received 100,00"),
        (b"label,a\r1,2\r\n", "Expected column names or values in the first line"),
        (b"", "Expected 2 to 65,537 columns, received 0"),
    ],
)
def test_tables_that_cannot_be_used(content: bytes, message: str, tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_bytes(content)
    with pytest.raises(DataError, match=rf"^t\.csv: .*{message}"):
        reading_of(tmp_path / "t.csv")


def write_pictures(root: Path, count: int = 4, size: int = 4) -> None:
    (root / "scans").mkdir()
    for number in range(count):
        image = np.full((size, size, 1), 50 * number, np.uint8)
        (root / "scans" / f"{number}.png").write_bytes(encode_png(image))


@pytest.mark.parametrize(
    "text",
    [
        "file,label\nscans/0.png,7\nscans/1.png,3\nscans/2.png,7\n",
        "label,filename\n7,0.png\n3,1.png\n7,2.png\n",
        'id;class;path\n1;7;"./scans/0.png"\n2;3;scans\\1.png\n3;7;scans/2.png\n',
    ],
)
@pytest.mark.parametrize("name", ["", "labels.csv"])
def test_paths_of_pictures_and_labels(text: str, name: str, tmp_path: Path) -> None:
    write_pictures(tmp_path)
    (tmp_path / "labels.csv").write_text(text)
    reading = reading_of(tmp_path / name)
    assert isinstance(reading.train, Digits)
    assert reading.train.images[:, 0, 0, 0].tolist() == [0, 50, 100]
    assert reading.train.labels.tolist() == [7, 3, 7]
    assert reading.notes[0] == "Passed over: 1 picture that labels.csv does not name."
    assert (reading.notes[1:] == ("Passed over: 1 column (id).",)) == text.startswith("id")


def test_a_column_says_which_part_a_picture_is_of(tmp_path: Path) -> None:
    write_pictures(tmp_path)
    rows = ["0.png,b,train", "1.png,a,test", "2.png,a,train", "3.png,b,test"]
    (tmp_path / "t.csv").write_text("file,label,split\n" + "\n".join(rows) + "\n")
    reading = reading_of(tmp_path)
    assert reading.test is not None
    assert reading.train.labels.tolist() == [1, 0]
    assert reading.test.labels.tolist() == [0, 1]
    (tmp_path / "t.csv").write_text("file,label,split\n0.png,a,train\n1.png,b,valid\n")
    with pytest.raises(DataError, match=r"Expected train or test in the column split, .* 'valid'"):
        reading_of(tmp_path)


def test_pictures_of_several_sizes(tmp_path: Path) -> None:
    write_pictures(tmp_path)
    (tmp_path / "scans/3.png").write_bytes(encode_png(np.zeros((5, 6, 1), np.uint8)))
    (tmp_path / "t.csv").write_text("file,label\n0.png,a\n3.png,b\n")
    assert isinstance(reading_of(tmp_path).train, Pictures)


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ("../secret.png,1", r"paths below the folder of the table, received '\.\./secret\.png'"),
        ("/etc/secret.png,1", "paths below the folder of the table"),
        ("scans/../../secret.png,1", "paths below the folder of the table"),
        ("file:///etc/secret.png,1", "paths below the folder of the table"),
        ("9.png,1", "pictures that are there, received '9.png', which is not"),
        ("scans/0.png,2", "one label for each picture, received '1' and '2' for scans/0.png"),
    ],
)
def test_paths_that_cannot_be_followed(row: str, message: str, tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "secret.png").write_bytes(encode_png(np.zeros((4, 4, 1), np.uint8)))
    write_pictures(tmp_path / "data")
    (tmp_path / "data/t.csv").write_text(f"file,label\nscans/0.png,1\n{row}\n")
    with pytest.raises(DataError, match=message):
        reading_of(tmp_path / "data")


def test_a_table_beside_class_folders_is_none(tmp_path: Path) -> None:
    files = ["labels.csv", "0/a.png", "1/b.png"]
    assert not csv_table.matches(files)
    assert not csv_table.matches(["a.csv", "b.csv"])
    assert csv_table.matches(["labels.csv", "images/a.png", "images/b.png"])
    assert csv_table.matches(["labels.csv", "a.png"])


def columns_in(order: list[int], names: list[str], extra: str = "") -> str:
    """The table of `pixels`, with its pixel columns in another order and under other names."""
    lines = [["label", *(names[k] for k in order)]]
    for label, image in zip(LABELS, IMAGES, strict=True):
        flat = image.ravel()
        lines.append([str(label), *(str(flat[k]) for k in order)])
    if extra:
        lines = [[extra if not row else str(row), *line] for row, line in enumerate(lines)]
    return "".join(",".join(line) + "\n" for line in lines)


BY_NUMBER = [f"pixel{k}" for k in range(16)]
BY_PLACE = [f"{row}x{column}" for row in range(1, 5) for column in range(1, 5)]


@pytest.mark.parametrize(
    "text",
    [
        columns_in(sorted(range(16), key=BY_NUMBER.__getitem__), BY_NUMBER),
        columns_in([*range(16)][::-1], BY_NUMBER),
        columns_in([*range(16)], BY_PLACE),
        columns_in([*range(16)], [f"V{k + 2}" for k in range(16)]),
        columns_in([*range(16)], BY_NUMBER, extra="Unnamed: 0"),
        columns_in([*range(16)], BY_NUMBER, extra="id"),
        "sep=;\n" + pixels(";"),
        "\ufeffsep=;\r\n" + pixels(";"),
        pixels("|"),
        pixels().replace("\n", "\n" + "," * 16 + "\n"),
        pixels().replace("\n7,", "\n7.0,"),
    ],
    ids=[
        "as text",
        "backwards",
        "rows and columns",
        "R",
        "index",
        "id",
        "sep",
        "sep after BOM",
        "bars",
        "lines of separators",
        "a label as float",
    ],
)
def test_tables_as_other_programs_leave_them(text: str, tmp_path: Path) -> None:
    (tmp_path / "train.csv").write_text(text, encoding="utf-8")
    train = reading_of(tmp_path / "train.csv").train
    assert isinstance(train, Digits)
    assert (train.images[..., 0] == IMAGES).all()
    assert train.labels.tolist() == LABELS.tolist()


def test_decimal_commas(tmp_path: Path) -> None:
    text = "label;p0;p1;p2;p3\n3;0,0;0,2;0,4;1,0\n7;1;0;0;0,6\n"
    (tmp_path / "t.csv").write_text(text)
    train = reading_of(tmp_path).train
    assert isinstance(train, Digits)
    assert train.images.reshape(2, 4).tolist() == [[0, 51, 102, 255], [255, 0, 0, 153]]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            columns_in([row + 4 * column for row in range(4) for column in range(4)], BY_PLACE),
            "row by row, received column '2x1' where another one belongs",
        ),
        (
            columns_in([*range(16)], [f"pixel{k + (k > 4)}" for k in range(16)]),
            "with the numbers 0 to 15, of which 5 is missing or there twice",
        ),
        ("sep=\u00e9\n" + pixels(), "Expected 2 to 65,537 columns, received 1"),
        ('sep="\n' + pixels(), "Expected 2 to 65,537 columns, received 1"),
        (pixels() + "Total," + ",".join("0" * 16) + "\n", "received 'Total' for image 20 alone"),
        (pixels() + "," + ",".join("0" * 16) + "\n", "a label for each image, received ''"),
        (pixels().replace("\n7,", "\nnull,"), "a label for each image, received 'null'"),
        (pixels().replace("label", "café").encode("latin-1"), "received another encoding"),
    ],
)
def test_tables_that_would_be_read_wrong(text: str | bytes, message: str, tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(DataError, match=message):
        reading_of(tmp_path)


@pytest.mark.parametrize(
    "text",
    [
        "id,label\n0,7\n1,3\n2,7\n",
        "image_id,label,note\n0.png,7,ok\n1.png,3,\n2.png,7,\n",
        "sep=;\nfile;label\nscans/0;7\nscans/1;3\n;\nscans/2;7\nscans/2;7\n",
    ],
)
def test_pictures_named_by_the_end_of_their_path(text: str, tmp_path: Path) -> None:
    write_pictures(tmp_path)
    (tmp_path / "labels.csv").write_text(text)
    train = reading_of(tmp_path).train
    assert isinstance(train, Digits)
    assert train.images[:, 0, 0, 0].tolist() == [0, 50, 100]
    assert train.labels.tolist() == [7, 3, 7]


def test_a_column_of_parts_by_any_name(tmp_path: Path) -> None:
    write_pictures(tmp_path)
    table = tmp_path / "labels.csv"
    table.write_text("file,label,Usage\n0.png,7,train\n1.png,3,test\n2.png,3,train\n")
    test = reading_of(tmp_path).test
    assert test is not None
    assert test.labels.tolist() == [3]
    table.write_text("file,label,Usage\n0.png,7,Training\n1.png,3,PublicTest\n2.png,3,training\n")
    with pytest.raises(DataError, match=r"in the column usage, received 'publictest'"):
        reading_of(tmp_path)
    table.write_text("file,label,split\n0.png,7,train\n0.png,7,test\n")
    with pytest.raises(DataError, match=r"each picture in one part, received scans/0\.png in both"):
        reading_of(tmp_path)


def test_a_column_beside_pixels_says_the_part(tmp_path: Path) -> None:
    names = ["row", "Usage", "label", *(f"p{k}" for k in range(4))]
    rows = ["5,train,3,0,0,0,9", "6,test,7,0,0,9,0", "7,train,7,9,0,0,255"]
    (tmp_path / "t.csv").write_text("\n".join([",".join(names), *rows]) + "\n")
    reading = reading_of(tmp_path)
    assert reading.test is not None
    assert (reading.train.labels.tolist(), reading.test.labels.tolist()) == ([3, 7], [7])
    assert isinstance(reading.test, Digits)
    assert reading.test.images.ravel().tolist() == [0, 0, 9, 0]
    assert reading.notes == ("Passed over: 1 column (row).",)

    (tmp_path / "t.csv").write_text("\n".join([",".join(names), rows[1]]) + "\n")
    assert reading_of(tmp_path).test is None  # one part alone is all that there is


def test_folders_say_which_part_a_picture_is_of(tmp_path: Path) -> None:
    for name in ("train/0.png", "train/1.png", "test/2.png"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(encode_png(np.full((4, 4, 1), int(name[-5]) * 9, np.uint8)))
    (tmp_path / "t.csv").write_text("path,label\ntrain/0.png,3\ntrain/1.png,7\ntest/2.png,7\n")
    reading = reading_of(tmp_path / "t.csv")
    assert reading.test is not None
    assert (reading.train.labels.tolist(), reading.test.labels.tolist()) == ([3, 7], [7])
    (tmp_path / "t.csv").write_text("path,label\ntest/2.png,3\n")
    assert reading_of(tmp_path / "t.csv").test is None  # one folder alone is all that there is
