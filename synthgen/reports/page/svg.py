"""From a matplotlib figure to an <svg> element that lives on a page: its colours, its font, unique ids, no date."""

import io
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from markupsafe import Markup, escape

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# The light-mode values of the page's CSS variables; c1 to c6 are the palette of Okabe and Ito 2008,
# "Color universal design",
# the paler ones darkened until they stand out on white. Each is written as its variable, so that
# dark mode can change it.
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
# comes with matplotlib, so that the layout is the same everywhere; the page puts its own in its
# place
FONT = "DejaVu Sans"
PER_INCH = 72  # units of an SVG that matplotlib writes


@dataclass(frozen=True)
class Size:
    """The width that a plot is drawn at, in CSS pixels."""

    width: float

    def axes(
        self, height: float, *, left: float, right: float, top: float, bottom: float
    ) -> "tuple[Figure, Axes]":
        """An empty figure of this width with one set of axes; margins in CSS pixels.

        matplotlib's own layouts would measure every text twice; these margins are known.
        """
        from matplotlib.figure import Figure

        figure = Figure(figsize=(self.width / PER_INCH, height / PER_INCH))
        figure.patch.set_visible(False)
        figure.subplots_adjust(
            left / self.width, bottom / height, 1 - right / self.width, 1 - top / height
        )
        return figure, figure.add_subplot()


def draw(name: str, alt: str, plot: Callable[[Size], "Figure"], widths: Sequence[float]) -> Markup:
    """Draw a plot once for each width; the page shows the one that fits.

    Args:
        name: unique on the page; the ids within the drawing begin with it.
        alt: what the plot shows, for those who cannot see it.
        plot: draws it.
        widths: one, or that of a desktop and that of a phone.
    """
    import matplotlib

    drawings = []
    for width, fit in zip(widths, ("wide", "narrow"), strict=False):
        with matplotlib.rc_context(_style(f"{name}-{fit}")):
            drawings.append(
                _element(
                    save(plot(Size(width)), "svg").decode(),
                    f"{name}-{fit}",
                    alt,
                    fit if len(widths) > 1 else "",
                )
            )
    return Markup("\n").join(drawings)


def save(figure: "Figure", kind: str) -> bytes:
    """A figure as a file, the same bytes for the same figure.

    Args:
        figure: drawn within the style that it is to have.
        kind: "svg" or "png".
    """
    file = io.BytesIO()
    metadata = (
        dict.fromkeys(("Creator", "Date", "Format", "Type"))
        if kind == "svg"
        else {"Software": None}
    )
    figure.savefig(
        file, format=kind, metadata=metadata, dpi=PER_INCH if kind == "svg" else 2 * PER_INCH
    )
    return file.getvalue()


def on_white(plot: Callable[[Size], "Figure"], width: float, kind: str) -> bytes:
    """A plot as a file of its own on a white ground, for a README.

    Args:
        plot: draws it.
        width: in CSS pixels.
        kind: "svg" or "png".
    """
    import matplotlib

    with matplotlib.rc_context(_style("file")):
        figure = plot(Size(width))
        figure.patch.set_visible(True)
        figure.patch.set_facecolor("white")
        return save(figure, kind)


def _element(drawing: str, name: str, alt: str, fit: str) -> Markup:
    """What matplotlib wrote -> an element for HTML, without the parts that only a file needs."""
    inside = re.sub(
        r"<metadata>.*?</metadata>|<defs>\s*<style.*?</style>\s*</defs>|<!--.*?-->",
        "",
        drawing[drawing.index("<svg") :],
        flags=re.DOTALL,
    )
    box = re.search(r'viewBox="([^"]+)"', inside)
    body = inside[inside.index(">") + 1 :].replace("xlink:href", "href")
    body = re.sub(r'(\bid="|url\(#|href="#)', rf"\g<1>{name}-", body)
    for variable, colour in COLOURS.items():
        body = body.replace(colour, f"var(--{variable})")
    body = body.replace(f"'{FONT}'", "var(--font)")
    head = f'<svg viewBox="{box.group(1) if box else ""}" role="img" aria-label="{escape(alt)}"' + (
        f' class="{fit}">' if fit else ">"
    )
    return Markup(head + re.sub(r"\n\s*", "\n", body).strip())


def _style(salt: str) -> Any:
    """Matplotlib's settings; the salt decides the ids of what a drawing defines."""
    ink, soft, line = (COLOURS[name] for name in ("ink", "soft", "line"))
    return {
        "svg.fonttype": "none",
        "svg.hashsalt": salt,
        "font.family": FONT,
        "font.size": 12,
        "text.color": ink,
        "axes.edgecolor": soft,
        "axes.labelcolor": soft,
        "axes.facecolor": "none",
        "axes.grid": True,
        "axes.axisbelow": True,
        "axes.spines.top": False,
        "axes.spines.right": False,
        "axes.linewidth": 0.8,
        # ticks carry whole figures, not differences from one that stands apart
        "axes.formatter.useoffset": False,
        "axes.labelsize": 12,
        "grid.color": line,
        "grid.linewidth": 0.8,
        "xtick.color": soft,
        "ytick.color": soft,
        "xtick.labelsize": 11.5,
        "ytick.labelsize": 11.5,
        "xtick.labelcolor": ink,
        "ytick.labelcolor": ink,
        "xtick.major.size": 3,
        "ytick.major.size": 0,
        "lines.linewidth": 1.8,
        "legend.frameon": False,
        "legend.fontsize": 12,
        "legend.handlelength": 2.2,
        "legend.borderpad": 0.1,
        "legend.columnspacing": 1.4,
    }
