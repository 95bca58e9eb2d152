"""Figures as a CSV file that pandas and spreadsheets read."""

import csv
import io
import re
from collections.abc import Iterable, Sequence

from synthgen.metrics.intervals import Estimate
from synthgen.reports.page.blocks import CellValue, Page
from synthgen.text import printable

FIGURE_COLUMNS = ("table", "row", "figure", "value", "low", "high")
WORDED_KINDS = ("text", "count")  # kinds of columns whose values name a row

# What a spreadsheet takes for a formula: at the beginning of a cell, or behind a separator, where
# the cell would begin for readers of files that are separated by semicolons or tabs.
FORMULA = re.compile(r"(^|[;\t])(?=\s*[=+\-@\uff1d\uff0b\uff0d\uff20])")


def to_csv(page: Page) -> str:
    """Turns the tables of a page into tidy figures, one a line.

    Args:
        page: any report.

    Returns:
        The content of a file with FIGURE_COLUMNS. Shares and differences of shares are 0..1, not
        percent. A row is named by its first value, and where that names several rows by all its
        words, joined by " / ".
    """
    lines: list[Sequence[CellValue]] = []
    for table in page.tables:
        names = [str(row[0]) for row in table.rows]
        if len(set(names)) < len(names):
            worded = [k for k, column in enumerate(table.columns) if column.kind in WORDED_KINDS]
            names = [" / ".join(str(row[k]) for k in worded) for row in table.rows]
        for name, row in zip(names, table.rows, strict=True):
            for column, value in list(zip(table.columns, row, strict=True))[1:]:
                if value is None:
                    continue
                place = [table.name, name, column.title]
                if isinstance(value, Estimate):
                    lines.append([*place, value.mean, value.low, value.high])
                else:
                    lines.append([*place, value, None, None])
    return write_csv(FIGURE_COLUMNS, lines)


def write_csv(columns: Sequence[str], rows: Iterable[Sequence[CellValue]]) -> str:
    """Writes a table as CSV in which no text is a formula.

    Args:
        columns: titles, the first line.
        rows: numbers, which are written in full, words, or None for an empty cell.
    """
    file = io.StringIO()
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow(columns)
    for row in rows:
        writer.writerow([escape_cell(value) if isinstance(value, str) else value for value in row])
    return file.getvalue()


def escape_cell(text: str) -> str:
    """Makes a text inert: a spreadsheet shows it and does not calculate it.

    Args:
        text: of anyone.

    Returns:
        The text in one line; an apostrophe stands before what would be a formula, unless that is a
        number.

    Example:
        >>> escape_cell("=1+1"), escape_cell("-1.5")
        ("'=1+1", '-1.5')
    """
    line = " ".join(printable(text).splitlines())
    try:
        float(line)
    except ValueError:
        return FORMULA.sub(r"\1'", line)
    return line
