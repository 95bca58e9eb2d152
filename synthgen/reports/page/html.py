"""A page as one HTML file that loads nothing: no network, no font, no script but its own.

Text of others is inert here: every expression of a template goes through `_inert` and is then
escaped, and the page's policy names the one script that may run by its hash.
"""

import base64
import functools
import hashlib
import importlib.resources
from collections.abc import Sequence
from typing import Any

import jinja2
from markupsafe import Markup

from synthgen.datasets.digits import Images
from synthgen.datasets.pixels import encode_png
from synthgen.metrics.intervals import Estimate
from synthgen.reports.page.blocks import CellValue, Page
from synthgen.reports.page.words import SIGNS, write_interval, write_value
from synthgen.text import DASH, printable

SEARCHED_ROWS = 15  # a table of as many rows or more can be searched
HEAT = 12  # a hundredth of a row's images colours its cell this strongly, in percent
MOST_HEAT = 75  # percent: beyond it the figure in the cell could not be read
LONG_TEXT = 32  # characters from which a cell may break
DENSE_COLUMNS = 5  # in a table of as many columns or more, intervals stand below their values


def to_html(page: Page) -> str:
    """Turns a page into HTML.

    Args:
        page: any report.

    Returns:
        The content of a file; the same page gives the same characters.
    """
    # the browser runs the one script of this hash
    script = hashlib.sha256(_source("page.js").encode()).digest()
    policy = (
        "default-src 'none'; style-src 'unsafe-inline'; img-src data:; "
        f"script-src 'sha256-{base64.b64encode(script).decode()}'"
    )
    return _environment().get_template("page.html.j2").render(page=page, policy=policy)


def sort_key(value: CellValue) -> str:
    """Gives what a table sorts a cell by.

    Returns:
        The mean of an estimate or a number, in full; "" for words, which sort as they read.
    """
    mean = value.mean if isinstance(value, Estimate) else value
    if mean is None or isinstance(mean, str):
        return ""
    return repr(float(mean))


def heat(share: float) -> str:
    """Tells how strongly a share of a row colours its cell, in percent of the full colour."""
    return f"{min(HEAT * 100 * share, MOST_HEAT):.1f}"


def choices(rows: Sequence[Sequence[CellValue]], index: int, kind: str) -> list[str]:
    """Lists the different values of a column in words, in the order in which they first appear."""
    return list(dict.fromkeys(printable(write_value(kind, row[index])) for row in rows))


def data_url(content: bytes, media: str) -> str:
    """Writes a file as a URL that holds it."""
    return f"data:{media};base64,{base64.b64encode(content).decode()}"


def pixels_url(image: Images) -> str:
    """Writes an image, (height, width, 1 or 3) uint8, as a URL that holds it as a PNG."""
    return data_url(encode_png(image), "image/png")


@functools.cache
def _environment() -> jinja2.Environment:
    """Loads the templates, in which every value is escaped and a missing one is an error."""
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("synthgen.reports.page", "templates"),
        autoescape=True,
        finalize=_inert,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.globals |= {
        "choices": choices,
        "data_url": data_url,
        "heat": heat,
        "pixels_url": pixels_url,
        "sort_key": sort_key,
        "source": _source,
        "write": write_value,
        "write_interval": write_interval,
        "DASH": DASH,
        "DENSE_COLUMNS": DENSE_COLUMNS,
        "LONG_TEXT": LONG_TEXT,
        "SEARCHED_ROWS": SEARCHED_ROWS,
        "SIGNS": SIGNS,
    }
    return environment


def _inert(value: Any) -> Any:
    """Replaces control codes in what an expression of a template gives, before it is escaped."""
    is_text = isinstance(value, str) and not isinstance(value, Markup)
    return printable(value) if is_text else value


def _source(name: str) -> Markup:
    """Reads style or script as it is: the browser hashes exactly these characters."""
    folder = importlib.resources.files("synthgen.reports.page")
    text = folder.joinpath("templates", name).read_text(encoding="utf-8")
    return Markup(text)
