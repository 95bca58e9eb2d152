"""From a matplotlib figure to an <svg> element that lives on a page.

The element takes its colours and its font from the page, has ids of its own, and no date.
"""

import io
import re
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from markupsafe import Markup, escape

from synthgen.text import printable

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# The light-mode values of the page's CSS variables; c1 to c6 are the palette of Okabe and Ito 2008,
# "Color universal design", the paler ones darkened until they stand out on white. Each is written
# as its variable, so that dark mode can change it.
COLOURS = {
    "ink": "#15191e",
    "soft": "#56606b",
    "line": "#dde2e8",
    "paper": "#fffffe",
    "good": "#00694c",
    "bad": "#b03a06",
    "plain": "#3c4855",
    "c1": "#0072b2",
    "c2": "#d55e00",
    "c3": "#009e73",
    "c4": "#c0679a",
    "c5": "#c98a00",
    "c6": "#3d9bd6",
}
SERIES = ("c1", "c2", "c3", "c4", "c5", "c6")
# It comes with matplotlib, so that the layout is the same everywhere; the page puts its own in its
# place.
FONT = "DejaVu Sans"
PER_INCH = 72  # units of an SVG that matplotlib writes

# Settings of matplotlib while a plot is drawn.
MATPLOTLIB_SETTINGS: dict[Any, Any] = {
    "svg.fonttype": "none",
    "font.family": FONT,
    "font.size": 12,
    "text.color": COLOURS["ink"],
    # labels are words: a class may be called $\undefined$
    "text.parse_math": False,
    "axes.edgecolor": COLOURS["soft"],
    "axes.labelcolor": COLOURS["soft"],
    "axes.facecolor": "none",
    "axes.grid": True,
    "axes.axisbelow": True,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.linewidth": 0.8,
    # ticks carry whole figures, not differences from one that stands apart
    "axes.formatter.useoffset": False,
    "axes.labelsize": 12,
    "grid.color": COLOURS["line"],
    "grid.linewidth": 0.8,
    "xtick.color": COLOURS["soft"],
    "ytick.color": COLOURS["soft"],
    "xtick.labelsize": 11.5,
    "ytick.labelsize": 11.5,
    "xtick.labelcolor": COLOURS["ink"],
    "ytick.labelcolor": COLOURS["ink"],
    "xtick.major.size": 3,
    "ytick.major.size": 0,
    "lines.linewidth": 1.8,
    "legend.frameon": False,
    "legend.fontsize": 12,
    "legend.handlelength": 2.2,
    "legend.borderpad": 0.1,
    "legend.columnspacing": 1.4,
}


@dataclass(frozen=True, kw_only=True)
class Margins:
    """The room around the axes of a plot, in CSS pixels."""

    left: float
    right: float
    top: float
    bottom: float


def draw_svg(
    name: str, alt: str, plot: Callable[[float], "Figure"], widths: Sequence[float]
) -> Markup:
    """Draws a plot once for each width; the page shows the one that fits.

    Args:
        name: unique on the page; the ids within the drawing begin with it.
        alt: what the plot shows, for those who cannot see it.
        plot: draws it, for a width in CSS pixels.
        widths: one, or that of a desktop and that of a phone.

    Returns:
        One <svg> element a width.
    """
    drawings = []
    for width, fit in zip(widths, ("wide", "narrow"), strict=False):
        with _style(f"{name}-{fit}"):
            drawing = _save(plot(width), "svg").decode()
        drawings.append(_element(drawing, f"{name}-{fit}", alt, fit if len(widths) > 1 else ""))
    return Markup("\n").join(drawings)


def draw_file(plot: Callable[[float], "Figure"], width: float, kind: str) -> bytes:
    """Draws a plot as a file of its own on a white ground.

    Args:
        plot: draws it, for a width in CSS pixels.
        width: in CSS pixels.
        kind: "svg" or "png".
    """
    with _style("file"):
        figure = plot(width)
        figure.patch.set_visible(True)
        figure.patch.set_facecolor("white")
        return _save(figure, kind)


def empty_figure(width: float, height: float, margins: Margins) -> "tuple[Figure, Axes]":
    """Makes an empty figure with one set of axes.

    matplotlib's own layouts would measure every text twice; these margins are known.

    Args:
        width: in CSS pixels.
        height: in CSS pixels.
        margins: around the axes.
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width / PER_INCH, height / PER_INCH))
    figure.patch.set_visible(False)
    figure.subplots_adjust(
        left=margins.left / width,
        bottom=margins.bottom / height,
        right=1 - margins.right / width,
        top=1 - margins.top / height,
    )
    return figure, figure.add_subplot()


def _save(figure: "Figure", kind: str) -> bytes:
    """Writes a figure as a file, "svg" or "png", the same bytes for the same figure."""
    file = io.BytesIO()
    if kind == "svg":
        nothing = dict.fromkeys(("Creator", "Date", "Format", "Type"))
        figure.savefig(file, format="svg", metadata=nothing, dpi=PER_INCH)
    else:
        figure.savefig(file, format=kind, metadata={"Software": None}, dpi=2 * PER_INCH)
    return file.getvalue()


def _element(drawing: str, name: str, alt: str, fit: str) -> Markup:
    """Turns what matplotlib wrote into an element for HTML, without what only a file needs."""
    svg = drawing[drawing.index("<svg") :]
    unneeded = r"<metadata>.*?</metadata>|<defs>\s*<style.*?</style>\s*</defs>|<!--.*?-->"
    svg = re.sub(unneeded, "", svg, flags=re.DOTALL)
    head, _, body = svg.partition(">")
    box = re.search(r'viewBox="([^"]+)"', head)

    def live_on_page(tag: re.Match[str]) -> str:
        text = tag[0].replace("xlink:href", "href").replace(f"'{FONT}'", "var(--font)")
        text = re.sub(r'(\bid="|url\(#|href="#)', rf"\g<1>{name}-", text)
        for variable, colour in COLOURS.items():
            text = text.replace(colour, f"var(--{variable})")
        return text

    # tags alone are changed: a label that looks like a colour or an id stays as it is
    body = re.sub(r"<[^>]*>", live_on_page, body)
    fitting = f' class="{fit}"' if fit else ""
    start = (
        f'<svg viewBox="{box[1] if box else ""}" role="img" '
        f'aria-label="{escape(printable(alt))}"{fitting}>'
    )
    return Markup(start + re.sub(r"\n\s*", "\n", body).strip())


@contextmanager
def _style(salt: str) -> Iterator[None]:
    """Applies the settings of matplotlib while a plot is drawn, and no others.

    Args:
        salt: decides the ids of what a drawing defines.
    """
    import matplotlib

    settings = MATPLOTLIB_SETTINGS | {"svg.hashsalt": salt}
    with warnings.catch_warnings(), matplotlib.rc_context():
        matplotlib.rcdefaults()  # instead of a matplotlibrc of the user's
        matplotlib.rcParams.update(settings)
        # the reader's browser has fonts for what is missing in this one
        warnings.filterwarnings("ignore", message="Glyph .* missing from font")
        yield
