"""A page as one HTML file that loads nothing: no network, no font, no script but its own, which its policy names by hash."""

import base64
import functools
import hashlib
from typing import Any

import jinja2
from markupsafe import Markup

from synthgen.datasets.digits import Images
from synthgen.datasets.pixels import encode_png
from synthgen.metrics.intervals import Estimate
from synthgen.reports.page.content import Page, Value
from synthgen.reports.page.formats import SIGNS, write, write_interval
from synthgen.text import DASH

FILTER_FROM = 15  # rows from which a table can be searched
HEAT = 12  # a hundredth of a row's images colours its cell this strongly, in percent
LONG = 32  # characters from which a cell may break
DENSE_FROM = 5  # columns from which intervals stand below their values


def to_html(page: Page) -> str:
    """The page as HTML.

    Args:
        page: any report.
    """
    return _environment().get_template("page.html.j2").render(page=page, policy=_policy())


@functools.cache
def _environment() -> jinja2.Environment:
    """Templates of this folder; every value is escaped, a forgotten one is an error."""
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("synthgen.reports.page", "templates"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.globals |= {
        "write": write,
        "write_interval": write_interval,
        "sort_key": sort_key,
        "heat": heat,
        "data_url": data_url,
        "pixels_url": pixels_url,
        "source": _source,
        "SIGNS": SIGNS,
        "FILTER_FROM": FILTER_FROM,
        "DENSE_FROM": DENSE_FROM,
        "LONG": LONG,
        "choices": choices,
        "DASH": DASH,
    }
    return environment


def sort_key(value: Value) -> str:
    """What a table sorts by: the mean of an estimate, a number in full, or nothing for words, which sort as they read."""
    mean = value.mean if isinstance(value, Estimate) else value
    return "" if mean is None or isinstance(mean, str) else repr(float(mean))


def heat(share: float) -> str:
    """How strongly a share of a row colours its cell, in percent of the full colour."""
    return f"{min(HEAT * 100 * share, 75):.1f}"


def choices(rows: Any, index: int, kind: str) -> list[str]:
    """The different values of a column, in the order in which they first appear."""
    return list(dict.fromkeys(write(kind, row[index]) for row in rows))


def data_url(content: bytes, media: str) -> str:
    """A file as a URL that holds it."""
    return f"data:{media};base64,{base64.b64encode(content).decode()}"


def pixels_url(image: Images) -> str:
    """(height, width, 1 or 3) uint8 as a URL that holds it as a PNG."""
    return data_url(encode_png(image), "image/png")


def _source(name: str) -> Markup:
    """A template that is style or script, as it is: the browser hashes exactly these characters."""
    environment = _environment()
    return Markup(environment.loader.get_source(environment, name)[0] if environment.loader else "")


def _policy() -> str:
    digest = base64.b64encode(hashlib.sha256(_source("page.js").encode()).digest()).decode()
    return f"default-src 'none'; style-src 'unsafe-inline'; img-src data:; script-src 'sha256-{digest}'"
