"""A page as Markdown, to paste into an issue: words and tables; plots and pictures stay behind."""

import re

from synthgen.reports.page.blocks import Block, Facts, Page, Paragraph, Table
from synthgen.reports.page.words import SIGNS, write_interval, write_value
from synthgen.text import GAP, printable

LEFT_KINDS = ("text", "code", "verdict")  # kinds of columns whose values stand at the left

# What GitHub would read as more than text: these characters anywhere, an underscore at the edge of
# a word, an entity, and what begins a heading, a quotation, a list or a rule.
MARKS = re.compile(r"[\\`*\[\]|~$]|(?<![^\W_])_|_(?![^\W_])")
ENTITY = re.compile(r"&(?=#?\w+;)")
LINE_START = re.compile(r"^(?=#{1,6}(?:\s|$)|>|[+-](?:\s|$)|-{3}|={2}|\d+[.)]\s)")


def to_markdown(page: Page) -> str:
    """Turns a page into GitHub's Markdown.

    Args:
        page: any report.

    Returns:
        The content of a file that ends with a line break.
    """
    # the answer first
    answer = page.headline
    behind = ", ".join(part for part in (answer.figure, answer.interval) if part)
    figures = f" ({escape_markdown(behind)})" if behind else ""
    lines = [
        f"# {escape_markdown(page.title)}",
        "",
        f"{escape_markdown(page.kind)}: {escape_markdown(page.subtitle)}",
        "",
        f"**{escape_markdown(answer.word)}**{figures}. {escape_markdown(answer.sentence)}",
        "",
    ]

    # what a reader has to know, and the further findings
    for warning in page.warnings:
        lines += [f"> {escape_markdown(warning)}", ""]
    for card in page.cards:
        title, value, note = map(escape_markdown, (card.title, card.value, card.note))
        lines.append(f"- {title} **{value}**: {note}")
    if page.cards:
        lines.append("")

    # sections of which words or tables are left
    for section in page.sections:
        content = [line for block in section.blocks for line in markdown_lines(block)]
        if content:
            lines += [f"## {escape_markdown(section.title)}", "", *content]
    return "\n".join(lines).replace(GAP, " ").rstrip() + "\n"


def escape_markdown(text: str) -> str:
    r"""Makes a text inert: Markdown shows it as it is, in one line.

    Args:
        text: of anyone.

    Example:
        >>> escape_markdown("<b> | *x*")
        '&lt;b> \\| \\*x\\*'
    """
    line = " ".join(printable(text).split("\n"))
    line = ENTITY.sub("&amp;", line).replace("<", "&lt;")
    line = MARKS.sub(r"\\\g<0>", line)
    return LINE_START.sub(r"\\", line)


def markdown_lines(block: Block) -> list[str]:
    """Turns a block of a page into Markdown.

    Args:
        block: any.

    Returns:
        Lines, the last of them empty; none for what only a browser can show.
    """
    if isinstance(block, Paragraph):
        return [escape_markdown(block.text), ""]

    if isinstance(block, Facts):
        lines = []
        for name, text in block.facts.items():
            # every other part stands in backticks, where nothing is read as markup
            parts = printable(text).replace("\n", " ").split("`")
            coded = [
                f"`{part}`" if place % 2 else escape_markdown(part)
                for place, part in enumerate(parts)
            ]
            lines.append(f"- {escape_markdown(name)}: {''.join(coded)}")
        return [*lines, ""]

    if isinstance(block, Table):
        titles = [escape_markdown(column.title) or " " for column in block.columns]
        marks = [":--" if column.kind in LEFT_KINDS else "--:" for column in block.columns]
        table = [titles, marks]
        for row in block.rows:
            cells = []
            for column, value in zip(block.columns, row, strict=True):
                words = write_value(column.kind, value)
                if column.kind == "verdict" and words in SIGNS:
                    words = f"{SIGNS[words]} {words}"
                interval = write_interval(column.kind, value)
                cells.append(escape_markdown(f"{words} ({interval})" if interval else words))
            table.append(cells)
        lines = [f"| {' | '.join(cells)} |" for cells in table]
        return [f"*{escape_markdown(block.caption)}*", "", *lines, ""]
    return []
