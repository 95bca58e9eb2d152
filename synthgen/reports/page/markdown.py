"""A page without a browser: as Markdown to paste into an issue, and its figures as one tidy CSV."""

import csv
import io
from collections.abc import Sequence

from synthgen.metrics.intervals import Estimate
from synthgen.reports.page.content import Block, Facts, Page, Paragraph, Section, Table, Value
from synthgen.reports.page.formats import SIGNS, write, write_interval
from synthgen.text import GAP

CSV_COLUMNS = ("table", "row", "figure", "value", "low", "high")


def to_markdown(page: Page) -> str:
    """The page's words and tables in GitHub's Markdown; plots and pictures stay behind.

    Args:
        page: any report.
    """
    answer = page.headline
    lines = [f"# {page.title}", "", f"{page.kind}: {page.subtitle}", ""]
    lines += [
        f"**{answer.word}** ({_joined([answer.figure, answer.interval])}). {answer.sentence}",
        "",
    ]
    lines += [line for warning in page.warnings for line in (f"> {warning}", "")]
    lines += [f"- {card.title} **{card.value}**: {card.note}" for card in page.cards] + [""] * bool(
        page.cards
    )
    lines += [line for section in page.sections for line in _section(section)]
    return "\n".join(lines).replace(GAP, " ").rstrip() + "\n"


def to_csv(page: Page) -> str:
    """Every figure of the page's tables, one a line: table, row, figure, value, low, high.

    Shares and differences of shares are 0..1, not percent. A row is named by its first value, and
    where that is not enough by all its words, joined by ' / '.

    Args:
        page: any report.
    """
    file = io.StringIO()
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow(CSV_COLUMNS)
    for table in page.tables:
        for name, row in zip(_row_names(table), table.rows, strict=True):
            for column, value in list(zip(table.columns, row, strict=True))[1:]:
                if value is not None:
                    writer.writerow([table.name, name, column.title, *_ends(value)])
    return file.getvalue()


def _section(section: Section) -> list[str]:
    lines = [line for block in section.blocks for line in _block(block)]
    return [f"## {section.title}", "", *lines] if lines else []


def _block(block: Block) -> list[str]:
    if isinstance(block, Paragraph):
        return [block.text, ""]
    if isinstance(block, Facts):
        return [*(f"- {name}: {text}" for name, text in block.facts.items()), ""]
    return _table(block) if isinstance(block, Table) else []


def _table(table: Table) -> list[str]:
    marks = [
        ":--" if column.kind in ("text", "code", "verdict") else "--:" for column in table.columns
    ]
    rows = [
        [_cell(column.kind, value) for column, value in zip(table.columns, row, strict=True)]
        for row in table.rows
    ]
    lines = [[_escaped(column.title) or " " for column in table.columns], marks, *rows]
    return [f"*{table.caption}*", "", *("| " + " | ".join(line) + " |" for line in lines), ""]


def _cell(kind: str, value: Value) -> str:
    sign = f"{SIGNS.get(str(value), '')} " if kind == "verdict" else ""
    interval = write_interval(kind, value)
    return _escaped(f"{sign}{write(kind, value)}".strip() + f" ({interval})" * bool(interval))


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace("|", "\\|").replace("<", "&lt;").replace("\n", " ")


def _row_names(table: Table) -> list[str]:
    """One name a row: its first value, or all its words where that names several rows."""
    words = [
        index for index, column in enumerate(table.columns) if column.kind in ("text", "count")
    ]
    short = [str(row[0]) for row in table.rows]
    return (
        short
        if len(set(short)) == len(short)
        else [" / ".join(str(row[index]) for index in words) for row in table.rows]
    )


def _ends(value: Value) -> Sequence[Value]:
    return (
        (value.mean, value.low, value.high) if isinstance(value, Estimate) else (value, None, None)
    )


def _joined(parts: Sequence[str]) -> str:
    return ", ".join(part for part in parts if part)
