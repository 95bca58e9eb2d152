import csv
import io

import pytest

from synthgen.metrics.intervals import Estimate
from synthgen.reports.page.blocks import Column, Table
from synthgen.reports.page.csv_file import escape_cell, to_csv, write_csv
from tests.reports.page.test_markdown import ARMS, make_page


def read(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text)))


def test_csv_has_one_figure_a_line_with_its_interval() -> None:
    rows = read(to_csv(make_page(ARMS)))
    assert rows[0] == {
        "table": "arms",
        "row": "real | all",
        "figure": "accuracy",
        "value": "0.99",
        "low": "0.98",
        "high": "0.995",
    }
    assert [row["value"] for row in rows] == ["0.99", "no effect", "0.5", "helps"]
    assert rows[2]["low"] == rows[2]["high"] == ""


def test_rows_of_one_name_are_told_apart() -> None:
    columns = [Column(title="arm"), Column(title="seed"), Column(title="accuracy", kind="percent")]
    cells = [["real", "1", 0.9], ["real", "2", 0.8], ["synthetic", "1", None]]
    rows = read(to_csv(make_page(Table(name="cells", caption="", columns=columns, rows=cells))))
    assert [(row["row"], row["value"]) for row in rows if row["figure"] == "accuracy"] == [
        ("real / 1", "0.9"),
        ("real / 2", "0.8"),
    ]


@pytest.mark.parametrize(
    ("text", "written"),
    [
        ("=cmd|' /C calc'!A0", "'=cmd|' /C calc'!A0"),
        ("+1+1", "'+1+1"),
        ("-2+3+cmd|' /C calc'!A0", "'-2+3+cmd|' /C calc'!A0"),
        ("@SUM(1)", "'@SUM(1)"),
        ("  =1", "'  =1"),
        ("\t=1", "'\t'=1"),
        ("seven;=1+1", "seven;'=1+1"),
        ("\uff1d1", "'\uff1d1"),
        ("a\n=1", "a =1"),
        ("\x1b[31m", "\N{REPLACEMENT CHARACTER}[31m"),
        ("-1.5", "-1.5"),
        ("seven, or 7", "seven, or 7"),
        ("", ""),
    ],
)
def test_no_text_is_a_formula(text: str, written: str) -> None:
    """What a spreadsheet would calculate begins a cell, also where cells end at semicolons."""
    assert escape_cell(text) == written


def test_text_of_others_is_inert_wherever_it_stands() -> None:
    evil = "=cmd|' /C calc'!A0"
    table = Table(
        name="some",
        caption=evil,
        columns=[Column(title="class"), Column(title=evil), Column(title="points", kind="points")],
        rows=[[evil, evil, Estimate(mean=-0.5, low=-1.0, high=0.0)]],
    )
    first, second = csv.reader(io.StringIO(to_csv(make_page(table)).partition("\n")[2]))
    assert first == ["some", f"'{evil}", f"'{evil}", f"'{evil}", "", ""]
    assert second == ["some", f"'{evil}", "points", "-0.5", "-1.0", "0.0"]
    assert f"\n'{evil},-1,\n" in write_csv(["name", "number", "none"], [[evil, -1, None]])
