"""The report: a table for the terminal and one self-contained HTML file, from an evaluation alone."""

import base64
import textwrap
from typing import Any

from synthgen.datasets.digits import Digits
from synthgen.datasets.pixels import encode_png, grid
from synthgen.evaluation import wording
from synthgen.evaluation.arms import ARMS, BASELINE
from synthgen.evaluation.figures import COLOURS, Row, dot_plot, environment
from synthgen.evaluation.results import Evaluation
from synthgen.evaluation.verdict import Estimate
from synthgen.evaluation.wording import between, half_width, percent, sentence, signed, weakest_class

SHEET_COLUMNS = 10


def terminal_table(evaluation: Evaluation, report: str = "") -> str:
    """The figures as plain text of at most 80 columns and one screen.

    Args:
        evaluation: the figures.
        report: where the HTML file lies, if it has been written.
    """
    settings, agreement = evaluation.settings, evaluation.agreement
    seeds, tested = len(settings["seeds"]), evaluation.real["test"]
    worst, share = weakest_class(evaluation)
    lines = [
        f"Evaluation of {evaluation.name}: {evaluation.synthetic['images']:,} synthetic digits",
        f"  {_count(seeds, 'paired seed')}, {settings['steps']:,} gradient steps in every arm",
        *(f"  {line}" for line in textwrap.wrap(wording.origin(evaluation), 78)),
        "",
        f"  {'trained on':<18}{'images':>9}   accuracy on {tested:,} test digits",
        *(f"  {ARMS[a.arm].title:<18}{a.train_images:>9,}   {percent(a.accuracy.mean)} {half_width(a.accuracy)}" for a in evaluation.arms),
        "",
        f"  {'against real':<18}{'points':>9}   {'95 % interval':<19}verdict",
        *(f"  {ARMS[c.arm].title:<18}{signed(c.difference.mean):>9}   {between(c.difference):<19}{c.verdict}" for c in evaluation.comparisons),
        "",
        f"  label agreement of {agreement.images:,} synthetic digits: {percent(agreement.share.mean)} {half_width(agreement.share)}",
        f"    as seen by {_count(seeds, 'classifier')} trained on real digits; lowest: {percent(share)} of class {worst}",
        *([f"  report: {report}"] if report else []),
    ]
    return "\n".join(lines).replace(wording.MINUS, "-").replace(wording.GAP, " ")  # what any terminal can show


def render_report(evaluation: Evaluation, sheet: bytes) -> str:
    """The whole report as one HTML page that loads nothing.

    Args:
        evaluation: the figures.
        sheet: PNG of some of the images, see `contact_sheet`.
    """
    words = {
        name: getattr(wording, name) for name in ("percent", "signed", "between", "percent_between", "half_width", "sentence", "origin", "MEANINGS")
    }
    worst, share = weakest_class(evaluation)
    return (
        environment()
        .get_template("report.html.j2")
        .render(
            evaluation=evaluation,
            ARMS=ARMS,
            real=evaluation.arms[list(ARMS).index(BASELINE)],
            worst=worst,
            worst_share=share,
            accuracy_figure=accuracy_figure(evaluation),
            difference_figure=difference_figure(evaluation),
            sheet=base64.b64encode(sheet).decode(),
            columns=SHEET_COLUMNS,
            **words,
        )
    )


def contact_sheet(digits: Digits) -> bytes:
    """The first ten images of each class, one class a row, as a PNG."""
    rows = [row for label in range(digits.classes) for row in _padded((digits.labels == label).nonzero()[0].tolist())]
    return encode_png(grid(digits.take(rows).images, SHEET_COLUMNS))


def accuracy_figure(evaluation: Evaluation) -> Any:
    """Test accuracy of each arm."""
    rows = [
        Row(label=ARMS[arm.arm].title, estimate=_scaled(arm.accuracy), values=[100 * value for value in arm.by_seed], colour=colour)
        for arm, colour in zip(evaluation.arms, COLOURS, strict=False)
    ]
    title = "Test accuracy in percent: " + "; ".join(f"{ARMS[arm.arm].title} {percent(arm.accuracy.mean)}" for arm in evaluation.arms)
    return dot_plot(rows, "accuracy on the real test digits (%)", title)


def difference_figure(evaluation: Evaluation) -> Any:
    """Difference of each other arm from the real digits alone."""
    rows = [
        Row(label=ARMS[c.arm].title, estimate=_scaled(c.difference), values=[100 * value for value in c.by_seed], colour=colour)
        for c, colour in zip(evaluation.comparisons, COLOURS[1:], strict=False)
    ]
    title = "Difference in points. " + " ".join(sentence(comparison) for comparison in evaluation.comparisons)
    return dot_plot(rows, "difference from real digits alone (percentage points)", title, zero=True)


def _scaled(estimate: Estimate) -> Estimate:
    low, high = (None if end is None else 100 * end for end in (estimate.low, estimate.high))
    return Estimate(mean=100 * estimate.mean, low=low, high=high)


def _padded(rows: list[int]) -> list[int]:
    """Ten rows of a class; the last one again where there are fewer."""
    return [rows[min(k, len(rows) - 1)] for k in range(SHEET_COLUMNS)]


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'s' * (number != 1)}"
