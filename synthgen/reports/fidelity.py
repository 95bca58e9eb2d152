"""Sections: how close the synthetic digits come to real ones, in features and in pixels."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from synthgen.evaluation.results import Evaluation
from synthgen.metrics.fidelity import FIDELITY_METRICS, FidelityFigure
from synthgen.metrics.intervals import Estimate
from synthgen.metrics.pixel_statistics import PIXEL_STATISTICS, Histogram, PixelStatistic
from synthgen.reports.page.blocks import Block, CellValue, Chart, Column, Paragraph, Section, Table
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
    """Shows fidelity and diversity, each figure beside its floor: real digits against real digits.

    Args:
        evaluation: the figures.
    """
    # which network the features are of, and how to read the figures
    measures = evaluation.measures
    features = measures.features
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
    reading = (
        f"{network}. Such figures compare sets of digits with each other, "
        "and are not the published scores of the same names. "
        "Read each beside its floor: real training digits against real test digits, "
        "the same counts."
    )

    overall = [metric for metric in measures.fidelity if metric.label is None]
    by_class = [metric for metric in measures.fidelity if metric.label is not None]
    blocks: list[Block] = [
        Paragraph(text=reading),
        *precision_recall_charts(evaluation),
        fidelity_table(overall),
    ]
    if by_class:
        blocks.append(fidelity_by_class_table(by_class, evaluation.class_names))
    return Section(name="fidelity", title="Fidelity and diversity", blocks=blocks)


def pixel_section(evaluation: Evaluation) -> Section:
    """Shows grey levels, strokes, and whether a classifier can tell synthetic from real.

    Args:
        evaluation: the figures.
    """
    measures = evaluation.measures
    found = measures.two_sample
    if found:
        told_apart = (
            f"A classifier that has learnt from {count(found.train_images)} images to tell "
            f"synthetic from real is right about {percent(found.synthetic.mean)} of "
            f"{count(found.test_images)} others "
            f"(95 % interval {percent_between(found.synthetic)}). Guessing is 50 %. "
            "One that has learnt in the same way to tell real test digits from real training "
            f"digits is right about {percent(found.control.mean)} "
            f"(95 % interval {percent_between(found.control)})."
        )
    else:
        reason = measures.errors.get("two_sample", "")
        told_apart = (
            f"Whether a classifier can tell them from real digits was not measured. {reason}"
        )
    blocks: list[Block] = [Paragraph(text=told_apart.strip())]
    if measures.background.edges:
        blocks.append(grey_level_chart(measures.background))
    if measures.pixels:
        blocks.append(pixel_table(measures.pixels))
    return Section(name="pixels", title="Can they be told from real ones?", blocks=blocks)


def precision_recall_charts(evaluation: Evaluation) -> list[Chart]:
    """Plots precision against recall: of the set and of its floor, and of each class.

    Args:
        evaluation: the figures.

    Returns:
        Up to two charts; none where precision or recall were not measured.
    """
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
    charts = [
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


def fidelity_table(metrics: Sequence[FidelityFigure]) -> Table:
    """Lists the figures of fidelity over all classes.

    Args:
        metrics: of no class.
    """
    rows: list[list[CellValue]] = []
    for metric in metrics:
        remark = metric.error
        if not remark and metric.deviation is not None:
            remark = f"deviation over subsets {number(metric.deviation)}"
            if metric.floor_deviation is not None:
                remark += f", of the floor {number(metric.floor_deviation)}"
        title = FIDELITY_METRICS[metric.metric].title
        better = FIDELITY_METRICS[metric.metric].better
        figures = [metric.synthetic, metric.floor, metric.images]
        rows.append([title, metric.name, better, *figures, remark])
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
        rows=rows,
    )


def fidelity_by_class_table(metrics: Sequence[FidelityFigure], names: Sequence[str]) -> Table:
    """Lists the figures of fidelity class by class.

    Args:
        metrics: each of one class.
        names: of the classes.
    """
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


def grey_level_chart(found: Histogram) -> Chart:
    """Plots shares of pixels by grey level: generators betray themselves in the darkest ones.

    Args:
        found: shares of the synthetic set and of real digits.
    """
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

    def name_levels(axes: "Axes") -> None:
        log_y(axes)
        axes.set_xticks(range(len(names)), names, rotation=60 if len(names) > 8 else 0)

    return Chart(
        title="Grey levels",
        draw=curve_plot(text, curves, adjust=name_levels),
        caption="Blacks that are not quite black give a generator away, though no eye sees them.",
    )


def pixel_table(statistics: Sequence[PixelStatistic]) -> Table:
    """Lists properties of the images, and how they differ from real digits.

    Args:
        statistics: of the synthetic set and of real digits.
    """
    rows: list[list[CellValue]] = []
    for statistic in statistics:
        described = PIXEL_STATISTICS[statistic.name]
        means = [statistic.synthetic, statistic.real, statistic.control]
        differences = [statistic.difference, statistic.control_difference]
        deviations = ", ".join(number(deviation) for deviation in statistic.deviations)
        title = f"{described.title} ({described.unit})"
        rows.append([title, *means, *differences, deviations])
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
        rows=rows,
    )
