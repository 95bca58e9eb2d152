"""Sections: how close the synthetic digits come to real ones, in features and in pixels."""

import functools
from collections.abc import Sequence
from typing import TYPE_CHECKING

from synthgen.evaluation.results import Evaluation
from synthgen.evaluation.two_sample import TwoSample
from synthgen.metrics.fidelity import FIDELITY_METRICS, FidelityFigure
from synthgen.metrics.intervals import Estimate
from synthgen.metrics.pixel_statistics import PIXEL_STATISTICS, Histogram, PixelStatistic
from synthgen.reports.page.content import Block, Chart, Column, Paragraph, Section, Table
from synthgen.reports.page.plots import (
    Curve,
    PlotText,
    ScatterPoint,
    curve_plot,
    log_y,
    scatter_plot,
)
from synthgen.reports.page.words import in_percent, percent_between
from synthgen.text import count, number, percent

if TYPE_CHECKING:
    from matplotlib.axes import Axes

LEAST_DRAWN = 1e-4  # percent: where no pixel has a grey level, a log scale has no place for it


def fidelity_section(evaluation: Evaluation) -> Section:
    """Fidelity and diversity, each figure beside its floor: real digits against real digits.

    Args:
        evaluation: the figures.
    """
    overall = [metric for metric in evaluation.measures.fidelity if metric.label is None]
    by_class = [metric for metric in evaluation.measures.fidelity if metric.label is not None]
    blocks: list[Block] = [
        Paragraph(text=_feature_sentences(evaluation)),
        *_precision_recall_charts(evaluation),
        _overall_table(overall),
    ]
    if by_class:
        blocks.append(_class_table(by_class, evaluation.class_names))
    return Section(name="fidelity", title="Fidelity and diversity", blocks=blocks)


def pixel_section(evaluation: Evaluation) -> Section:
    """Grey levels, strokes, and whether a classifier can tell synthetic from real.

    Args:
        evaluation: the figures.
    """
    if evaluation.measures.two_sample:
        told_apart = _two_sample_sentences(evaluation.measures.two_sample)
    else:
        reason = evaluation.measures.errors.get("two_sample", "")
        told_apart = (
            f"Whether a classifier can tell them from real digits was not measured. {reason}"
        )
    blocks: list[Block] = [Paragraph(text=told_apart.strip())]
    if evaluation.measures.background.edges:
        blocks.append(_grey_level_chart(evaluation.measures.background))
    if evaluation.measures.pixels:
        blocks.append(_pixel_table(evaluation.measures.pixels))
    return Section(name="pixels", title="Can they be told from real ones?", blocks=blocks)


def _feature_sentences(evaluation: Evaluation) -> str:
    """Which network the features are of, and how to read the figures."""
    features = evaluation.measures.features
    network = (
        f"Measured in the {features.get('size', '')} features of "
        f"“{features.get('name', 'the classifier')}”, a small digit classifier"
    )
    trained_on = features.get("trained_on") or {}
    if trained_on.get("images"):
        network += f" trained on {count(trained_on['images'])} digits"
        if trained_on.get("source"):
            network += f" ({trained_on['source']})"
    accuracy = features.get("validation_accuracy")
    if accuracy is not None:
        network += f", {percent(accuracy)} right on validation digits"
    return (
        f"{network}. Such figures compare sets of digits with each other, "
        "and are not the published scores of the same names. "
        "Read each beside its floor: real training digits against real test digits, "
        "the same counts."
    )


def _precision_recall_charts(evaluation: Evaluation) -> list[Block]:
    """Precision against recall: of the set and of its floor, and of each class."""
    figures = {(metric.metric, metric.label): metric for metric in evaluation.measures.fidelity}
    precision = figures.get(("precision", None))
    recall = figures.get(("recall", None))
    if not (precision and recall and precision.synthetic and recall.synthetic):
        return []

    # all classes together, with intervals
    overall = [
        ScatterPoint(
            label="synthetic",
            x=in_percent(recall.synthetic),
            y=in_percent(precision.synthetic),
            style=1,
        )
    ]
    if precision.floor and recall.floor:
        floor = ScatterPoint(
            label="real test digits",
            x=in_percent(recall.floor),
            y=in_percent(precision.floor),
        )
        overall.append(floor)
    said = [
        f"{point.label}: precision {point.y.mean:.1f} %, recall {point.x.mean:.1f} %"
        for point in overall
    ]
    text = PlotText(
        name="precision-recall",
        alt=f"Precision against recall. {'; '.join(said)}.",
        x="recall: share of real variety that is covered (%)",
        y="precision: share of images that look real (%)",
    )
    charts: list[Block] = [
        Chart(
            title="Precision and recall",
            draw=scatter_plot(text, overall),
            caption="The upper right corner is best. "
            "Low precision: images that no real digit looks like. "
            "Low recall: real kinds of digits that are missing.",
            half=True,
        )
    ]

    # class by class: ten crosses of intervals could not be told apart
    by_class = []
    for label, name in enumerate(evaluation.class_names):
        precision = figures.get(("precision", label))
        recall = figures.get(("recall", label))
        if precision and recall and precision.synthetic and recall.synthetic:
            x = Estimate(mean=100 * recall.synthetic.mean, low=None, high=None)
            y = Estimate(mean=100 * precision.synthetic.mean, low=None, high=None)
            by_class.append(ScatterPoint(label=name, x=x, y=y, style=1))
    if by_class:
        said = [
            f"{point.label}: {point.y.mean:.1f} % and {point.x.mean:.1f} %" for point in by_class
        ]
        text = PlotText(
            name="precision-recall-by-class",
            alt=f"Precision and recall by class. {'; '.join(said)}.",
            x="recall (%)",
            y="precision (%)",
        )
        chart = Chart(
            title="Precision and recall of each class",
            draw=scatter_plot(text, by_class),
            caption="A class far to the left is drawn in too few ways.",
            half=True,
        )
        charts.append(chart)
    return charts


def _overall_table(metrics: Sequence[FidelityFigure]) -> Table:
    return Table(
        name="fidelity-overall",
        caption="All classes together, 95 % bootstrap intervals; "
        "floor: real training against real test digits",
        columns=[
            Column(title="measure"),
            Column(title="name", kind="code"),
            Column(title="better"),
            Column(title="synthetic", kind="number"),
            Column(title="floor", kind="number"),
            Column(title="images of each side", kind="count"),
            Column(title="remark"),
        ],
        rows=[
            [
                FIDELITY_METRICS[metric.metric].title,
                metric.name,
                FIDELITY_METRICS[metric.metric].better,
                metric.synthetic,
                metric.floor,
                metric.images,
                metric.error or _deviation_words(metric),
            ]
            for metric in metrics
        ],
    )


def _deviation_words(metric: FidelityFigure) -> str:
    """How far a figure varies between subsets of the images; "" where that was not measured."""
    if metric.deviation is None:
        return ""
    words = f"deviation over subsets {number(metric.deviation)}"
    if metric.floor_deviation is not None:
        words += f", of the floor {number(metric.floor_deviation)}"
    return words


def _class_table(metrics: Sequence[FidelityFigure], names: Sequence[str]) -> Table:
    return Table(
        name="fidelity-by-class",
        caption="Fidelity class by class",
        columns=[
            Column(title="class", choice=True),
            Column(title="measure", choice=True),
            Column(title="synthetic", kind="number"),
            Column(title="floor", kind="number"),
            Column(title="images of each side", kind="count"),
            Column(title="remark"),
        ],
        rows=[
            [
                names[metric.label],
                FIDELITY_METRICS[metric.metric].title,
                metric.synthetic,
                metric.floor,
                metric.images,
                metric.error,
            ]
            for metric in metrics
            if metric.label is not None
        ],
        folded=True,
    )


def _two_sample_sentences(found: TwoSample) -> str:
    """How often a classifier tells synthetic from real, and test from training digits."""
    return (
        f"A classifier that has learnt from {count(found.train_images)} images to tell synthetic "
        f"from real is right about {percent(found.synthetic.mean)} of {count(found.test_images)} "
        f"others (95 % interval {percent_between(found.synthetic)}). Guessing is 50 %. "
        "One that has learnt in the same way to tell real test digits from real training digits is "
        f"right about {percent(found.control.mean)} "
        f"(95 % interval {percent_between(found.control)})."
    )


def _grey_level_chart(found: Histogram) -> Chart:
    """Shares of pixels by grey level: generators give themselves away in the darkest ones."""
    names = [
        str(low) if high - low == 1 else f"{low}-{high - 1}"
        for low, high in zip(found.edges[:-1], found.edges[1:], strict=True)
    ]
    curves = []
    darkest = []
    for label, shares, style in (
        ("synthetic", found.synthetic, 1),
        ("real, train", found.real, 0),
        ("real, test", found.control, 2),
    ):
        drawn = [max(100 * share, LEAST_DRAWN) for share in shares]
        places = list(range(len(names)))
        curves.append(Curve(label=label, x=places, y=drawn, style=style, marked=True))
        darkest.append(f"{label} {percent(shares[0])}")
    text = PlotText(
        name="grey-levels",
        alt=f"Share of pixels by grey level; wholly black: {'; '.join(darkest)}.",
        x="grey level (0 black, 255 white)",
        y="share of all pixels (%), log scale",
    )
    return Chart(
        title="Grey levels",
        draw=curve_plot(text, curves, adjust=functools.partial(_name_grey_levels, names=names)),
        caption="Blacks that are not quite black give a generator away, though no eye sees them.",
    )


def _name_grey_levels(axes: "Axes", *, names: Sequence[str]) -> None:
    log_y(axes)
    axes.set_xticks(range(len(names)), names, rotation=60 if len(names) > 8 else 0)


def _pixel_table(statistics: Sequence[PixelStatistic]) -> Table:
    return Table(
        name="pixel-statistics",
        caption="Properties of the images: means with 95 % intervals, "
        "and differences from the real training digits",
        columns=[
            Column(title="property"),
            Column(title="synthetic", kind="number"),
            Column(title="real, train", kind="number"),
            Column(title="real, test", kind="number"),
            Column(title="synthetic minus real", kind="number"),
            Column(title="test minus train", kind="number"),
            Column(title="deviation: synthetic, train, test"),
        ],
        rows=[
            [
                f"{PIXEL_STATISTICS[statistic.name].title} ({PIXEL_STATISTICS[statistic.name].unit})",
                statistic.synthetic,
                statistic.real,
                statistic.control,
                statistic.difference,
                statistic.control_difference,
                ", ".join(number(deviation) for deviation in statistic.deviations),
            ]
            for statistic in statistics
        ],
    )
