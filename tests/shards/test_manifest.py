import csv
import io
import os
import signal
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from fsspec.implementations.local import LocalFileSystem

from synthgen.datasets.digits import Digits
from synthgen.errors import ManifestError
from synthgen.shards.manifest import (
    MANIFEST_COLUMNS,
    find_manifest,
    find_record,
    format_rows,
    locate,
    read_rows,
)
from synthgen.storage import Storage, open_storage
from tests.shards.conftest import draw, make, make_settings, sha256


def test_columns_are_those_of_the_contract() -> None:
    expected = (
        "id label index seed attempt shard offset hdf5 png sha256 predicted confidence "
        "nearest_train_distance label_source"
    )
    assert expected.split() == list(MANIFEST_COLUMNS)


def test_a_row_in_full() -> None:
    drawn, plan = draw(1)
    line = (
        format_rows(drawn, plan, make_settings(labels="per-class"), np.full(30, 1.5))
        .decode()
        .splitlines()[4]
    )
    image = sha256(drawn.images[4].tobytes())
    start = (
        f"1-0000011,1,11,{drawn.seeds[4]},{drawn.attempts[4]},1,4,data/tiny/hdf5/00001.h5,data/"
        f"tiny/png/one/00000/one/1-0000011.png,{image}"
    )
    assert line == f"{start},1,0.960000,1.5000,per-class"


def test_what_was_not_made_or_measured_is_empty() -> None:
    drawn, plan = draw()
    drawn.screening.predicted[:] = -1
    drawn.screening.confidence[:] = np.nan
    assert format_rows(
        drawn, plan, make_settings(labels="condition", formats=("hdf5",)), None
    ).decode().splitlines()[0].split(",")[7:] == [
        "data/tiny/hdf5/00000.h5",
        "",
        sha256(drawn.images[0].tobytes()),
        "",
        "",
        "",
        "condition",
    ]


def test_rows_are_read_piece_by_piece(tmp_path: Path) -> None:
    make(tmp_path)
    pieces = list(read_rows(open_storage(str(tmp_path)), "manifests/tiny.csv", rows_at_once=20))
    assert [len(piece) for piece in pieces] == [20, 20, 20, 15]
    assert pd.concat(pieces)["offset"].tolist() == [*range(30), *range(30), *range(15)]


@pytest.mark.parametrize(
    ("path", "root", "found"),
    [
        ("/a/b/manifests/x.csv", None, ("/a/b", "manifests/x.csv")),
        ("s3://bucket/sets/manifests/x.csv", None, ("s3://bucket/sets", "manifests/x.csv")),
        ("/manifests/x.csv", None, ("/", "manifests/x.csv")),
        ("manifests/x.csv", "/a", ("/a", "manifests/x.csv")),
        ("/a/manifests/x.csv", "/a", ("/a", "manifests/x.csv")),
        ("memory://a/manifests/x.csv", "memory://a", ("memory://a", "manifests/x.csv")),
    ],
)
def test_where_a_manifest_lies(path: str, root: str | None, found: tuple[str, str]) -> None:
    assert locate(path, root) == found


@pytest.mark.parametrize("path", ["data/tiny/hdf5/00000.h5", "manifests", "manifests/tiny.json"])
def test_a_path_that_is_not_that_of_a_manifest(path: str, tmp_path: Path) -> None:
    make(tmp_path)
    with pytest.raises(
        ManifestError, match=rf"received '{tmp_path}/{path}'\. Pass manifests/NAME\.csv\."
    ):
        find_manifest(str(tmp_path / path))
    storage, relative = find_manifest(str(tmp_path / "manifests/tiny.csv"))
    assert (storage.url, relative) == (str(tmp_path), "manifests/tiny.csv")


SPREADSHEETS: dict[str, dict[str, Any]] = {
    "byte order mark": {"encoding": "utf-8-sig", "lineterminator": "\r\n"},
    "UTF-16": {"encoding": "utf-16"},
    "semicolons": {"sep": ";"},
    "tabs": {"sep": "\t"},
    "quotes": {"quoting": csv.QUOTE_ALL},
}


@pytest.mark.parametrize("saved", SPREADSHEETS)
@pytest.mark.parametrize("decimal", [".", ","])
def test_manifests_that_a_spreadsheet_saved(
    tmp_path: Path, reference: Digits, saved: str, decimal: str
) -> None:
    make(tmp_path, reference=reference)
    storage = open_storage(str(tmp_path))
    (expected,) = read_rows(storage, "manifests/tiny.csv")
    table = pd.read_csv(tmp_path / "manifests/tiny.csv", dtype=str, keep_default_na=False)
    table = table.assign(
        note="ok",
        confidence=table["confidence"].str.replace(".", decimal),
        predicted=[f"{label}.0" for label in table["predicted"]],
        png=table["png"].str.replace("/", "\\"),
    )
    table = pd.concat([table, pd.DataFrame([{}, {}])])  # lines that hold nothing
    table.iloc[:, ::-1].to_csv(tmp_path / "manifests/tiny.csv", index=False, **SPREADSHEETS[saved])
    (found,) = read_rows(storage, "manifests/tiny.csv")
    pd.testing.assert_frame_equal(found[list(expected.columns)], expected)


@pytest.mark.parametrize("begin", ["sep=,\n", "\ufeffsep=,\r\n", '"sep=,"\n'])
def test_the_line_that_names_the_separator(tmp_path: Path, begin: str) -> None:
    make(tmp_path)
    storage = open_storage(str(tmp_path))
    (expected,) = read_rows(storage, "manifests/tiny.csv")
    path = tmp_path / "manifests/tiny.csv"
    path.write_text(begin + path.read_text(), encoding="utf-8")
    (found,) = read_rows(storage, "manifests/tiny.csv")
    pd.testing.assert_frame_equal(found, expected)


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("Total,75", "a number in the column index, received '' in row 76 (id 'Total')"),
        ("\x1a", "a number in the column label, received '' in row 76 (id '\\x1a')"),
        ("x,3,0,1 000,0", "a number in the column seed, received '1 000' in row 76 (id 'x')"),
    ],
)
def test_lines_of_no_image_are_named(tmp_path: Path, line: str, message: str) -> None:
    make(tmp_path)
    path = tmp_path / "manifests/tiny.csv"
    path.write_text(f"{path.read_text()}{line}\n")
    with pytest.raises(ManifestError) as caught:
        list(read_rows(open_storage(str(tmp_path)), "manifests/tiny.csv"))
    assert message in str(caught.value)


@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_lines_that_hold_nothing_wherever_a_piece_of_text_ends(tmp_path: Path, end: str) -> None:
    """Their number makes pieces of any usual size end within one, and behind one."""
    make(tmp_path)
    path = tmp_path / "manifests/tiny.csv"
    text = path.read_text().replace("\n", end)
    path.write_text(text + f",,,,,,,,,,,,,{end}" * 50_000 + text.partition(end)[2], newline="")
    assert len(pd.concat(read_rows(open_storage(str(tmp_path)), "manifests/tiny.csv"))) == 150


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "is not a manifest"),
        (b"\x89PNG\r\n\x1a\n\xff", "as UTF-8 text, received another encoding .*'CSV UTF-8'"),
        (b"\xff\xfe\x00", "as UTF-8 text, received another encoding"),
        (b"id,label\n", "lacks the columns index, seed"),
        (b"i\0d,la\0bel\n", "it holds NUL characters"),
        (b"id,label\n" + b"," * 10**6, "a line has more than 20,000 characters"),
    ],
)
def test_files_that_are_no_manifest(tmp_path: Path, content: bytes, message: str) -> None:
    (tmp_path / "a.csv").write_bytes(content)
    with pytest.raises(ManifestError, match=message):
        list(read_rows(open_storage(str(tmp_path)), "a.csv"))


@pytest.mark.parametrize(
    ("column", "value", "message"),
    [
        ("label", "1000000000000000000", "from 0 to 255 in the column label, received 10000000000"),
        ("label", "256", "from 0 to 255 in the column label, received 256"),
        ("label", "-1", "from 0 to 255 in the column label, received -1"),
        ("seed", "-1", "in the column seed, received -1"),
        ("offset", str(10**30), "is not a manifest"),
        ("offset", "1e30", "in the column offset|is not a manifest"),
        ("index", "9223372036854775807", "in the column index, received 9223372036854775807"),
        ("hdf5", "data/tiny/\0.h5", "it holds NUL characters"),
        ("id", "", None),
    ],
)
def test_values_that_no_build_writes(
    tmp_path: Path, column: str, value: str, message: str | None
) -> None:
    make(tmp_path)
    path = tmp_path / "manifests/tiny.csv"
    table = pd.read_csv(path, dtype=str, keep_default_na=False)
    table.loc[70, column] = value
    table.to_csv(path, index=False)
    storage = open_storage(str(tmp_path))
    if message is None:
        assert len(pd.concat(read_rows(storage, "manifests/tiny.csv"))) == 75
    else:
        with pytest.raises(ManifestError, match=message):
            list(read_rows(storage, "manifests/tiny.csv"))


def test_a_record_is_found_by_the_files_that_rows_name(tmp_path: Path) -> None:
    make(tmp_path)
    make(tmp_path, name="other")
    storage = open_storage(str(tmp_path))
    table = pd.read_csv(tmp_path / "manifests/other.csv")
    table.to_csv(tmp_path / "manifests/mine.csv", index=False)
    assert find_record(storage, "manifests/mine.csv").settings.name == "other"
    both = [pd.read_csv(tmp_path / "manifests/tiny.csv"), table]
    pd.concat(both).to_csv(tmp_path / "manifests/mine.csv", index=False)
    with pytest.raises(ManifestError, match=r"received files of other, tiny. Keep a selection"):
        find_record(storage, "manifests/mine.csv")


class InterruptedDisk(LocalFileSystem):
    """A disk on which Ctrl-C is pressed while a file is read."""

    protocol = "interrupted"
    beginnings = 0

    def open(self, path: str, mode: str = "rb", **options: Any) -> Any:
        disk = self

        class File(io.FileIO):
            def readinto(self, memory: Any) -> int:
                disk.beginnings += self.tell() == 0
                if disk.beginnings == 2:  # the first one is that of a look at the first lines
                    os.kill(os.getpid(), signal.SIGINT)
                    disk.beginnings += 1
                return super().readinto(memory)

        return io.BufferedReader(File(path), 1000)


def test_an_interrupt_is_not_taken_for_a_damaged_manifest(tmp_path: Path) -> None:
    make(tmp_path)
    storage = Storage(InterruptedDisk(), str(tmp_path), str(tmp_path))
    with pytest.raises(KeyboardInterrupt):
        list(read_rows(storage, "manifests/tiny.csv"))
