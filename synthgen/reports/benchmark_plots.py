"""The plots of a benchmark: accuracy against the number of real images, and paired differences."""

from collections.abc import Sequence
from statistics import median_low
from typing import TYPE_CHECKING

from synthgen.evaluation.results import ArmResult, BenchmarkSummary, Comparison
from synthgen.evaluation.scenarios import TRANSFER
from synthgen.metrics.accuracy import CLASSIFIER_METRICS
from synthgen.metrics.intervals import Estimate, verdict
from synthgen.reports.benchmark_words import budget_of
from synthgen.reports.page.blocks import Chart
from synthgen.reports.page.plots import (
    WIDE,
    Adjust,
    Curve,
    ForestRow,
    PlotText,
    accuracy_y,
    curve_figure,
    curve_plot,
    forest_plot,
)
from synthgen.reports.page.svg import draw_file
from synthgen.reports.page.words import SIGNS, TONES, in_percent
from synthgen.reports.usefulness import ARM_STYLES, arm_tone
from synthgen.text import counted, percent

if TYPE_CHECKING:
    from matplotlib.axes import Axes

ROW_READING = "Diamond: mean. Line: 95 % interval over seeds. Open dots: single seeds."
CURVE_SCENARIOS = ("grid", TRANSFER)  # whose budgets are points of a curve
LEAST_ERROR = 0.02  # percent: where a classifier makes none, a log scale has no place for it


def arm_charts(summary: BenchmarkSummary, arms: Sequence[ArmResult], scenario: str) -> list[Chart]:
    """Plots the accuracy of every arm: curves over budgets, or rows where there is one budget.

    Args:
        summary: what the benchmark found.
        arms: of one scenario.
        scenario: its name.

    Returns:
        A chart for each ratio of synthetic to real images, or for each budget.
    """
    budgets = {arm.budget for arm in arms} - {0}
    if scenario in CURVE_SCENARIOS and len(budgets) > 1:
        return [accuracy_curve_chart(summary, arms, ratio) for ratio in _ratios(arms)]

    by_budget: dict[str, list[ArmResult]] = {}
    for arm in arms:
        by_budget.setdefault(budget_of(arm), []).append(arm)
    half = len(by_budget) > 1
    return [
        accuracy_row_chart(group, f"arms-{scenario}-{place}", half)
        for place, group in enumerate(by_budget.values())
    ]


def draw_benchmark_curve(summary: BenchmarkSummary, kind: str = "svg") -> bytes:
    """Draws accuracy against real images per class as a file of its own, one curve an arm.

    Args:
        summary: what the benchmark found; its scenario `grid`, else `transfer`, with at least two
            budgets. Of several ratios the one with the most budgets is drawn, of several such ones
            the middle one.
        kind: "svg" or "png".
    """
    has_grid = any(arm.scenario == "grid" for arm in summary.arms)
    scenario = "grid" if has_grid else TRANSFER
    arms = [arm for arm in summary.arms if arm.scenario == scenario]
    budgets = {
        ratio: len({arm.budget for arm in arms if arm.ratio == ratio}) for ratio in _ratios(arms)
    }
    fullest = [ratio for ratio, number in budgets.items() if number == max(budgets.values())]
    chosen = _of_ratio(arms, median_low(fullest))
    figure = curve_figure(
        _curve_text("curve", chosen),
        _arm_curves(summary, chosen),
        height=400,
        adjust=_budget_axes(summary, chosen),
    )
    return draw_file(figure, WIDE, kind)


def comparison_chart(rows: Sequence[Comparison], name: str, half: bool = False) -> Chart:
    """Plots the paired differences that answer one question, each with its verdict.

    Args:
        rows: of one scenario, question and metric.
        name: unique on the page.
        half: narrow enough to stand beside another plot.
    """
    # ratios are named where there are several
    several = len({(row.ratio, row.mark) for row in rows}) > 1
    drawn = []
    said = []
    for row in rows:
        label = _place_words(row, with_ratio=several)
        line = ForestRow(
            label=label,
            estimate=in_percent(row.corrected),
            values=[100 * value for value in row.by_seed],
            tone=TONES[row.verdict],
            word=f"{SIGNS[row.verdict]} {row.verdict}",
        )
        drawn.append(line)
        said.append(f"{label}: {line.estimate.mean:+.2f} points, {row.verdict}")
    metric = CLASSIFIER_METRICS[rows[0].metric].title
    question = rows[0].question
    text = PlotText(
        name=f"forest-{name}",
        alt=f"{question} {'; '.join(said)}.",
        x=f"difference in {metric} (percentage points)",
    )
    caption = (
        f"Intervals corrected for {counted(rows[0].family, 'comparison')}. Open dots: single "
        "seeds. Dashed: no difference."
    )
    return Chart(
        title=f"{question} {metric.capitalize()}.",
        draw=forest_plot(text, drawn, zero=True, half=half),
        caption="" if half else caption,
        half=half,
    )


def class_chart(row: Comparison, class_names: Sequence[str], name: str) -> Chart:
    """Plots what a comparison comes to class by class, in recall; half a page wide.

    Args:
        row: with `by_class`.
        class_names: one each.
        name: unique on the page.
    """
    drawn = []
    said = []
    for label, difference in zip(class_names, row.by_class, strict=True):
        found = verdict(difference)
        line = ForestRow(
            label=f"class {label}",
            estimate=in_percent(difference),
            tone=TONES[found],
            word=SIGNS[found],
        )
        drawn.append(line)
        said.append(f"class {label} {line.estimate.mean:+.2f}")
    where = _place_words(row)
    text = PlotText(
        name=f"classes-{name}",
        alt=f"{where}, points of recall: {'; '.join(said)}.",
        x="difference in recall (percentage points)",
    )
    draw = forest_plot(text, drawn, zero=True, half=True)
    return Chart(title=f"Class by class, {where}", draw=draw, half=True)


def accuracy_curve_chart(summary: BenchmarkSummary, arms: Sequence[ArmResult], ratio: int) -> Chart:
    """Plots accuracy over the budgets.

    Args:
        summary: what the benchmark found.
        arms: of one scenario.
        ratio: synthetic for one real image; arms without synthetic images are drawn, too.
    """
    chosen = _of_ratio(arms, ratio)
    draw = curve_plot(
        _curve_text(f"curve-{ratio}", chosen),
        _arm_curves(summary, chosen),
        height=400,
        adjust=_budget_axes(summary, chosen),
    )
    title = "Accuracy against real images per class"
    return Chart(
        title=f"{title}, {ratio} synthetic for one real" if ratio else title,
        draw=draw,
        caption="Mean over the seeds; band: 95 % interval over the seeds.",
    )


def accuracy_row_chart(arms: Sequence[ArmResult], name: str, half: bool) -> Chart:
    """Plots the arms of one budget, a row each.

    Args:
        arms: of one budget.
        name: unique on the page.
        half: narrow enough to stand beside another plot.
    """
    metric = "minority_recall" if "minority_recall" in arms[0].metrics else "accuracy"
    rows = [
        ForestRow(
            label=arm.title,
            estimate=in_percent(arm.metrics[metric]),
            values=[100 * value for value in arm.by_seed[metric]],
            tone=arm_tone(arm.arm),
        )
        for arm in arms
    ]
    said = [f"{arm.title} {percent(arm.metrics[metric].mean)}" for arm in arms]
    title = CLASSIFIER_METRICS[metric].title
    heading = f"{title.capitalize()}, {budget_of(arms[0])}"
    text = PlotText(
        name=name,
        alt=f"{heading}: {'; '.join(said)}.",
        x=f"{title} on the real test digits (%)",
    )
    return Chart(
        title=heading,
        draw=forest_plot(text, rows, half=half),
        caption="" if half else ROW_READING,
        half=half,
    )


def _curve_text(name: str, arms: Sequence[ArmResult]) -> PlotText:
    """Writes what stands on a plot of accuracies over budgets and behind it."""
    said = []
    for title in dict.fromkeys(arm.title for arm in arms):
        figures = [
            f"{percent(arm.metrics['accuracy'].mean)} at {budget_of(arm)}"
            for arm in arms
            if arm.title == title
        ]
        said.append(f"{title}: {', '.join(figures)}")
    return PlotText(
        name=name,
        alt=f"Accuracy by arm. {'; '.join(said)}.",
        x="real images per class, log scale",
        y="accuracy on the real test digits (%), errors on a log scale",
    )


def _arm_curves(summary: BenchmarkSummary, arms: Sequence[ArmResult]) -> list[Curve]:
    """Makes one curve a title, over its budgets in ascending order: wrong answers in percent.

    An arm without real images has a level line over all budgets.
    """
    budgets = sorted({_images_per_class(summary, arm) for arm in arms if arm.budget != 0})
    curves = []
    for title in dict.fromkeys(arm.title for arm in arms):
        of_title = [arm for arm in arms if arm.title == title]
        of_title.sort(key=lambda arm: _images_per_class(summary, arm))
        places = [_images_per_class(summary, arm) for arm in of_title]
        if of_title[0].budget == 0:
            places = budgets
            of_title *= len(budgets)
        errors = [_error_percent(arm.metrics["accuracy"]) for arm in of_title]
        banded = all(error.low is not None for error in errors)
        curve = Curve(
            label=title,
            x=places,
            y=[error.mean for error in errors],
            low=[error.low or LEAST_ERROR for error in errors] if banded else (),
            high=[error.high or LEAST_ERROR for error in errors] if banded else (),
            style=ARM_STYLES[of_title[0].arm],
            marked=of_title[0].budget != 0,
        )
        curves.append(curve)
    return curves


def _budget_axes(summary: BenchmarkSummary, arms: Sequence[ArmResult]) -> Adjust:
    """Makes a logarithmic x axis with the budgets on it, and a y axis for accuracies."""
    places = {}
    for arm in arms:
        if arm.budget == 0:
            continue
        words = f"{arm.budget:,}" if isinstance(arm.budget, int) else arm.budget
        places[_images_per_class(summary, arm)] = words

    def adjust(axes: "Axes") -> None:
        axes.set_xscale("log")
        axes.set_xticks(list(places), list(places.values()))
        axes.set_xticks([], minor=True)
        accuracy_y(axes)

    return adjust


def _images_per_class(summary: BenchmarkSummary, arm: ArmResult) -> float:
    """Counts the real images of each class of a budget.

    An arm without real digits stands where those are that it stands in for.
    """
    if isinstance(arm.budget, int):
        return float(arm.budget)
    return float(summary.real.train) / len(summary.class_names)


def _error_percent(accuracy: Estimate) -> Estimate:
    """Turns an accuracy into wrong answers in percent, at least LEAST_ERROR."""
    mean = max(LEAST_ERROR, 100 * (1 - accuracy.mean))
    if accuracy.low is None or accuracy.high is None:
        return Estimate(mean=mean, low=None, high=None)
    return Estimate(
        mean=mean,
        low=max(LEAST_ERROR, 100 * (1 - accuracy.high)),
        high=max(LEAST_ERROR, 100 * (1 - accuracy.low)),
    )


def _ratios(arms: Sequence[ArmResult]) -> list[int]:
    """Lists the ratios that arms with synthetic images have; [0] if there is no such arm."""
    return sorted({arm.ratio for arm in arms if arm.ratio}) or [0]


def _of_ratio(arms: Sequence[ArmResult], ratio: int) -> list[ArmResult]:
    """Picks the arms of this ratio, and those without synthetic images."""
    return [arm for arm in arms if not arm.ratio or arm.ratio == ratio]


def _place_words(row: Comparison, with_ratio: bool = True) -> str:
    """Names the place of a row: its budget, ratio and mark."""
    ratio = f"x{row.ratio}" if row.ratio and with_ratio else ""
    return ", ".join(part for part in (budget_of(row), ratio, row.mark) if part)
