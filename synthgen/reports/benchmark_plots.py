"""The plots of a benchmark: accuracy against the number of real images, and the paired differences as a forest."""

from collections.abc import Callable, Sequence
from statistics import median_low
from typing import TYPE_CHECKING, Any

from synthgen.evaluation.benchmark_values import ArmFigure, BenchmarkSummary
from synthgen.evaluation.benchmark_values import Row as Comparison
from synthgen.evaluation.wording import budget
from synthgen.metrics.accuracy import METRICS
from synthgen.metrics.intervals import Estimate, verdict
from synthgen.reports.page.content import Figure
from synthgen.reports.page.formats import SIGNS, TONES, in_percent
from synthgen.reports.page.plots import Line, Row, accuracy_y, interval_plot, line_figure, line_plot
from synthgen.reports.page.svg import SERIES, Size
from synthgen.text import percent

if TYPE_CHECKING:
    from matplotlib.figure import Figure as Drawn

STYLES = {
    "real_repeated": 0,
    "plain": 0,
    "real_synthetic": 1,
    "top_up": 1,
    "classical": 2,
    "oversampling": 2,
    "both": 3,
    "top_up_classical": 3,
}
STYLES |= {"synthetic": 4, "real": 5, "class_weights": 5}
X_LABEL, Y_LABEL = (
    "real images per class, log scale",
    "accuracy on the real test digits (%), errors on a log scale",
)
READING = "Diamond: mean. Line: 95 % interval over seeds. Open dots: single seeds."
LEAST_ERROR = 0.02  # percent: where a classifier makes none, a log scale has no place for it


def curves(summary: BenchmarkSummary, arms: Sequence[ArmFigure], scenario: str) -> list[Figure]:
    """Accuracy of every arm: curves over the budgets, one plot a ratio; with a single budget, one row an arm.

    Args:
        summary: what the benchmark found.
        arms: of one scenario.
        scenario: its name.
    """
    if scenario != "grid" or len({arm.per_class for arm in arms}) < 2:
        metric = "minority_recall" if "minority_recall" in arms[0].metrics else "accuracy"
        groups = _by_budget(arms)
        return [
            _interval_figure(group, metric, f"{scenario}-{number}", half=len(groups) > 1)
            for number, group in enumerate(groups)
        ]
    figures = []
    for ratio in _ratios(arms):
        chosen = _of_ratio(arms, ratio)
        adjust = _budget_axes(summary, chosen)
        draw = line_plot(
            f"curve-{ratio}",
            _curve_words(chosen),
            _lines(summary, chosen),
            X_LABEL,
            Y_LABEL,
            height=400,
            adjust=adjust,
        )
        title = "Accuracy against real images per class" + (
            f", {ratio} synthetic for one real" if ratio else ""
        )
        figures.append(
            Figure(
                title=title,
                draw=draw,
                caption="Mean over the seeds; band: 95 % interval over the seeds.",
            )
        )
    return figures


def curve_figure(summary: BenchmarkSummary) -> Callable[[Size], "Drawn"]:
    """The curve of the ratio with the most budgets, of several such ratios the middle one; for any size."""
    arms = [arm for arm in summary.arms if arm.scenario == "grid"]
    ratios = _ratios(arms)
    budgets = {
        ratio: len({arm.per_class for arm in arms if arm.ratio == ratio}) for ratio in ratios
    }
    chosen = _of_ratio(
        arms, median_low([ratio for ratio in ratios if budgets[ratio] == max(budgets.values())])
    )
    return line_figure(
        _lines(summary, chosen), X_LABEL, Y_LABEL, height=400, adjust=_budget_axes(summary, chosen)
    )


def forest(rows: Sequence[Comparison], name: str, half: bool = False) -> Figure:
    """Paired differences of the rows that answer one question, each with its verdict.

    Args:
        rows: of one scenario, question and metric.
        name: unique on the page.
        half: narrow enough to stand beside another plot.
    """
    several = len({(row.ratio, row.mark) for row in rows}) > 1
    drawn = [
        Row(
            label=_label(row, with_ratio=several),
            estimate=in_percent(row.corrected),
            values=[100 * value for value in row.by_seed],
            tone=TONES[row.verdict],
            word=f"{SIGNS[row.verdict]} {row.verdict}",
        )
        for row in rows
    ]
    said = "; ".join(
        f"{line.label}: {line.estimate.mean:+.2f} points, {row.verdict}"
        for line, row in zip(drawn, rows, strict=True)
    )
    metric = METRICS[rows[0].metric].title
    draw = interval_plot(
        f"forest-{name}",
        f"{rows[0].question} {said}.",
        drawn,
        f"difference in {metric} (percentage points)",
        zero=True,
        half=half,
    )
    caption = (
        f"Intervals corrected for {len(rows)} rows. Open dots: single seeds. Dashed: no difference."
    )
    return Figure(
        title=f"{rows[0].question} {metric.capitalize()}.",
        draw=draw,
        caption="" if half else caption,
        half=half,
    )


def by_class(row: Comparison, class_names: Sequence[str], name: str) -> Figure:
    """What one comparison comes to class by class, in recall; half a page wide.

    Args:
        row: with `per_class_difference`.
        class_names: one each.
        name: unique on the page.
    """
    words = [verdict(difference) for difference in row.per_class_difference]
    drawn = [
        Row(
            label=f"class {label}",
            estimate=in_percent(difference),
            tone=TONES[word],
            word=SIGNS[word],
        )
        for label, difference, word in zip(
            class_names, row.per_class_difference, words, strict=True
        )
    ]
    where = _label(row)
    said = "; ".join(f"{line.label} {line.estimate.mean:+.2f}" for line in drawn)
    draw = interval_plot(
        f"classes-{name}",
        f"{where}, points of recall: {said}.",
        drawn,
        "difference in recall (percentage points)",
        zero=True,
        half=True,
    )
    return Figure(title=f"Class by class, {where}", draw=draw, caption="", half=True)


def _label(row: Comparison, with_ratio: bool = True) -> str:
    parts = [budget(row), f"x{row.ratio}" if row.ratio and with_ratio else "", row.mark]
    return ", ".join(filter(None, parts))


def _ratios(arms: Sequence[ArmFigure]) -> list[int]:
    """Ratios that arms with synthetic images have; [0] if there is no such arm."""
    return sorted({arm.ratio for arm in arms if arm.ratio}) or [0]


def _of_ratio(arms: Sequence[ArmFigure], ratio: int) -> list[ArmFigure]:
    """The arms of this ratio, and those without synthetic images."""
    return [arm for arm in arms if not arm.ratio or arm.ratio == ratio]


def _by_budget(arms: Sequence[ArmFigure]) -> list[list[ArmFigure]]:
    groups: dict[str, list[ArmFigure]] = {}
    for arm in arms:
        groups.setdefault(budget(arm), []).append(arm)
    return list(groups.values())


def _lines(summary: BenchmarkSummary, arms: Sequence[ArmFigure]) -> list[Line]:
    """One line a title, over its budgets in ascending order."""
    lines = []
    for title in dict.fromkeys(arm.title for arm in arms):
        of_title = sorted(
            (arm for arm in arms if arm.title == title), key=lambda arm: _images(summary, arm)
        )
        errors = [_errors(arm.metrics["accuracy"]) for arm in of_title]
        banded = all(error.low is not None for error in errors)
        lines.append(
            Line(
                label=title,
                x=[_images(summary, arm) for arm in of_title],
                y=[error.mean for error in errors],
                low=[error.low or LEAST_ERROR for error in errors] if banded else (),
                high=[error.high or LEAST_ERROR for error in errors] if banded else (),
                style=STYLES.get(of_title[0].arm, 0),
                marked=True,
            )
        )
    return lines


def _images(summary: BenchmarkSummary, arm: ArmFigure) -> float:
    """Real images of each class of a budget; an arm without real digits stands where it stands in for them."""
    if isinstance(arm.per_class, int):
        return float(arm.per_class)
    return float(summary.real["train"]) / len(summary.class_names)


def _budget_axes(summary: BenchmarkSummary, arms: Sequence[ArmFigure]) -> Callable[[Any], None]:
    """A logarithmic axis with the budgets on it, and one for accuracies."""
    places = {
        _images(summary, arm): f"{arm.per_class:,}"
        if isinstance(arm.per_class, int)
        else str(arm.per_class)
        for arm in arms
    }

    def adjust(axes: Any) -> None:
        axes.set_xscale("log")
        axes.set_xticks(list(places), list(places.values()))
        axes.set_xticks([], minor=True)
        accuracy_y(axes)

    return adjust


def _errors(accuracy: Estimate) -> Estimate:
    """Wrong answers in percent."""
    low, high = (
        None if end is None else max(LEAST_ERROR, 100 * (1 - end))
        for end in (accuracy.high, accuracy.low)
    )
    return Estimate(mean=max(LEAST_ERROR, 100 * (1 - accuracy.mean)), low=low, high=high)


def _curve_words(arms: Sequence[ArmFigure]) -> str:
    said = []
    for title in dict.fromkeys(arm.title for arm in arms):
        figures = ", ".join(
            f"{percent(arm.metrics['accuracy'].mean)} at {budget(arm)}"
            for arm in arms
            if arm.title == title
        )
        said.append(f"{title}: {figures}")
    return "Accuracy by arm. " + "; ".join(said) + "."


def _interval_figure(arms: Sequence[ArmFigure], metric: str, name: str, half: bool) -> Figure:
    rows = [
        Row(
            label=arm.title,
            estimate=in_percent(arm.metrics[metric]),
            values=[100 * value for value in arm.by_seed[metric]],
            tone=SERIES[STYLES.get(arm.arm, 0)],
        )
        for arm in arms
    ]
    title, where = METRICS[metric].title, budget(arms[0])
    alt = (
        f"{title.capitalize()}, {where}: "
        + "; ".join(f"{arm.title} {percent(arm.metrics[metric].mean)}" for arm in arms)
        + "."
    )
    draw = interval_plot(
        f"arms-{name}", alt, rows, f"{title} on the real test digits (%)", half=half
    )
    return Figure(
        title=f"{title.capitalize()}, {where}",
        draw=draw,
        caption="" if half else READING,
        half=half,
    )
