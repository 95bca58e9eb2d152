"""The content of a page as values: a headline, sections, and what stands in them.

A report is composed once, as a `Page`. The modules beside this one turn it into HTML, Markdown and
CSV, so that all three say the same. Whatever text a page holds may come from others (class names,
messages, sources): those modules make it inert, and a page need not.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

from markupsafe import Markup

from synthgen.datasets.digits import Images
from synthgen.metrics.intervals import Estimate

CellValue = str | int | float | Estimate | None


@dataclass(frozen=True, kw_only=True)
class Report:
    """A report in every form in which it is read.

    Args:
        html: a page in one file that loads nothing.
        markdown: the page's words and tables, to paste into an issue.
        csv: its figures.
        lines: the answer for a terminal, at most 80 columns wide.
    """

    html: str
    markdown: str
    csv: str
    lines: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Column:
    """A column of a table.

    Args:
        title: its heading, with the unit where the values do not carry it.
        kind: how values are written, a key of `words.WRITERS`.
        choice: whether readers may pick one of its values to see those rows alone.
    """

    title: str
    kind: str = "text"
    choice: bool = False


@dataclass(frozen=True, kw_only=True)
class Table:
    """Rows of values under columns; the first value of a row names it.

    Args:
        name: unique on its page; lower-case words with hyphens.
        caption: what the figures are, in a sentence.
        columns: from left to right.
        rows: one value a column.
        folded: shown only when the reader opens it.
    """

    block: ClassVar[str] = "table"
    name: str
    caption: str
    columns: Sequence[Column]
    rows: Sequence[Sequence[CellValue]]
    folded: bool = False


@dataclass(frozen=True, kw_only=True)
class Paragraph:
    """Plain text.

    Args:
        text: one or more sentences.
        soft: whether it is set smaller and paler.
    """

    block: ClassVar[str] = "paragraph"
    text: str
    soft: bool = False


@dataclass(frozen=True, kw_only=True)
class Chart:
    """A plot with its title.

    Args:
        title: a few words.
        draw: gives the plot as SVG, see `plots`; called only where a page becomes HTML.
        caption: how to read it.
        half: narrow enough to stand beside another one.
    """

    block: ClassVar[str] = "chart"
    title: str
    draw: Callable[[], Markup]
    caption: str = ""
    half: bool = False


@dataclass(frozen=True, kw_only=True, eq=False)
class Picture:
    """One image of a set, or a pair of images to compare, that opens with what is known about it.

    Args:
        name: unique within its gallery, such as the image's id.
        images: one or two, each (height, width, channels) uint8.
        alts: what each shows, for those who cannot see it.
        note: a few words to stand below it.
        facts: names and values of what opens with it.
        column: from 1, where it stands in a gallery of so many columns: in the row of the picture
            before it, or else in the next; 0 for the next place.
    """

    name: str
    images: tuple[Images, ...]
    alts: tuple[str, ...]
    note: str
    facts: Mapping[str, CellValue]
    column: int = 0


@dataclass(frozen=True, kw_only=True, eq=False)
class Gallery:
    """Pictures in rows.

    Args:
        name: unique on its page.
        caption: what they are and how they were chosen.
        pictures: in order.
        columns: pictures a row; 0 for as many as fit.
    """

    block: ClassVar[str] = "gallery"
    name: str
    caption: str
    pictures: Sequence[Picture]
    columns: int = 0


@dataclass(frozen=True, kw_only=True)
class Frame:
    """A whole image file.

    Args:
        content: bytes of the file.
        media: its media type, such as image/png.
        alt: what it shows.
        label: a few words, such as "step 200".
    """

    content: bytes
    media: str
    alt: str
    label: str


@dataclass(frozen=True, kw_only=True)
class Filmstrip:
    """Frames in order, of which a reader looks at one at a time.

    Args:
        name: unique on its page.
        caption: what the frames are.
        frames: one or more.
    """

    block: ClassVar[str] = "filmstrip"
    half: ClassVar[bool] = True
    name: str
    caption: str
    frames: Sequence[Frame]


@dataclass(frozen=True, kw_only=True)
class Animation:
    """A moving picture.

    Args:
        moving: an animated image file.
        still: what stands in its place for readers who want nothing to move, and on paper.
        caption: what it shows.
    """

    block: ClassVar[str] = "animation"
    half: ClassVar[bool] = True
    moving: Frame
    still: Frame
    caption: str


@dataclass(frozen=True, kw_only=True)
class Facts:
    """Names and what they stand for: settings, hashes, versions, times.

    Args:
        facts: a text for each name; what stands in backticks is set as code.
    """

    block: ClassVar[str] = "facts"
    facts: Mapping[str, str]


Block = Paragraph | Table | Chart | Gallery | Filmstrip | Animation | Facts


@dataclass(frozen=True, kw_only=True)
class Section:
    """A part of a page, listed in the table of contents.

    Args:
        name: unique on its page; lower-case words with hyphens.
        title: its heading.
        blocks: from top to bottom.
    """

    name: str
    title: str
    blocks: Sequence[Block]


@dataclass(frozen=True, kw_only=True)
class Headline:
    """The answer, before anything else.

    Args:
        word: such as "helps".
        tone: "good", "bad" or "plain"; never the only sign, because the word says it too.
        figure: the number behind it, with its unit.
        interval: how sure it is.
        sentence: what it means, for someone who reads nothing else.
    """

    word: str
    tone: str
    figure: str
    interval: str
    sentence: str


@dataclass(frozen=True, kw_only=True)
class Card:
    """A further finding beside the headline.

    Args:
        title: the question.
        value: the answer, a word or a figure.
        note: what stands behind it.
        target: name of the section that says more.
        tone: "good", "bad" or "plain".
    """

    title: str
    value: str
    note: str
    target: str
    tone: str = "plain"


@dataclass(frozen=True, kw_only=True)
class Page:
    """A whole report.

    Args:
        kind: what it is, such as "Evaluation".
        title: the question that it answers.
        subtitle: of what, how many and when.
        headline: the answer.
        sections: in order.
        cards: further findings.
        warnings: what a reader has to know before believing any of it.
    """

    kind: str
    title: str
    subtitle: str
    headline: Headline
    sections: Sequence[Section]
    cards: Sequence[Card] = ()
    warnings: Sequence[str] = ()

    @property
    def tables(self) -> list[Table]:
        """Lists all tables, from top to bottom."""
        return [
            block
            for section in self.sections
            for block in section.blocks
            if isinstance(block, Table)
        ]
