"""Sections: how close the synthetic digits come to real ones, in a classifier's features and in their pixels."""

from collections.abc import Mapping, Sequence
from typing import Any

from synthgen.evaluation.results import Evaluation
from synthgen.evaluation.two_sample import TwoSample
from synthgen.metrics.fidelity import METRICS, Metric
from synthgen.metrics.intervals import Estimate
from synthgen.metrics.pixel_statistics import STATISTICS, Histogram, PixelStatistic
from synthgen.reports.page.content import Block, Column, Figure, Paragraph, Section, Table
from synthgen.reports.page.formats import in_percent, percent_between
from synthgen.reports.page.plots import Line, Point, line_plot, log_y, scatter_plot
from synthgen.text import count, number, percent


def section(evaluation: Evaluation) -> Section:
    """Fidelity and diversity, each figure beside what real digits get against real digits."""
    overall = [metric for metric in evaluation.fidelity if metric.label is None]
    blocks: list[Block] = [
        Paragraph(text=_explanation(evaluation)),
        *_precision_recall(evaluation),
        _overall_table(overall),
    ]
    by_class = [metric for metric in evaluation.fidelity if metric.label is not None]
    blocks += [_class_table(by_class, evaluation.class_names)] if by_class else []
    return Section(name="fidelity", title="Fidelity and diversity", blocks=blocks)


def pixel_section(evaluation: Evaluation) -> Section:
    """Grey levels, strokes, and whether a classifier can tell synthetic from real."""
    blocks: list[Block] = [*_detector(evaluation.two_sample, evaluation.errors)]
    blocks += [_background_figure(evaluation.background)] if evaluation.background.edges else []
    blocks += [_pixel_table(evaluation.pixels)] if evaluation.pixels else []
    return Section(name="pixels", title="Can they be told from real ones?", blocks=blocks)


def _explanation(evaluation: Evaluation) -> str:
    features = evaluation.features
    made = features.get("trained_on") or {}
    accuracy = features.get("validation_accuracy")
    skill = f", {percent(accuracy)} right on validation digits" if accuracy is not None else ""
    source = f" ({made['source']})" if made.get("source") else ""
    origin = f" trained on {count(made['images'])} digits{source}" if made.get("images") else ""
    return (
        f"Measured in the {features.get('size', '')} features of “{features.get('name', 'the classifier')}”, a small digit classifier"
        f"{origin}{skill}. Such figures compare sets of digits with each other, and are not the published scores of the same names. "
        "Read each beside its floor: real training digits against real test digits, the same counts."
    )


def _precision_recall(evaluation: Evaluation) -> list[Block]:
    """Precision against recall, of the set and of its floor."""
    found = {metric.metric: metric for metric in evaluation.fidelity if metric.label is None}
    precision, recall = found.get("precision"), found.get("recall")
    if not (precision and recall and precision.synthetic and recall.synthetic):
        return []
    points = [
        Point(
            label="synthetic",
            x=in_percent(recall.synthetic),
            y=in_percent(precision.synthetic),
            style=1,
        )
    ]
    if precision.floor and recall.floor:
        points.append(
            Point(
                label="real test digits",
                x=in_percent(recall.floor),
                y=in_percent(precision.floor),
                style=0,
            )
        )
    words = "; ".join(
        f"{point.label}: precision {point.y.mean:.1f} %, recall {point.x.mean:.1f} %"
        for point in points
    )
    alt = f"Precision against recall. {words}."
    draw = scatter_plot(
        "precision-recall",
        alt,
        points,
        "recall: share of real variety that is covered (%)",
        "precision: share of images that look real (%)",
    )
    caption = "The upper right corner is best. Low precision: images that no real digit looks like. Low recall: real kinds of digits that are missing."
    class_points = _class_points(evaluation)
    by_class = [_class_figure(class_points)] if class_points else []
    return [Figure(title="Precision and recall", draw=draw, caption=caption, half=True), *by_class]


def _class_points(evaluation: Evaluation) -> list[Point]:
    found = {
        (metric.metric, metric.label): metric.synthetic
        for metric in evaluation.fidelity
        if metric.label is not None
    }
    points = []
    for label, name in enumerate(evaluation.class_names):
        precision, recall = found.get(("precision", label)), found.get(("recall", label))
        if precision and recall:
            bare = [
                Estimate(mean=100 * value.mean, low=None, high=None)
                for value in (recall, precision)
            ]
            points.append(Point(label=name, x=bare[0], y=bare[1], style=1))
    return points


def _class_figure(points: Sequence[Point]) -> Figure:
    words = "; ".join(
        f"{point.label}: {point.y.mean:.1f} % and {point.x.mean:.1f} %" for point in points
    )
    draw = scatter_plot(
        "precision-recall-by-class",
        f"Precision and recall by class. {words}.",
        points,
        "recall (%)",
        "precision (%)",
    )
    return Figure(
        title="The same of each class",
        draw=draw,
        caption="A class far to the left is drawn in too few ways.",
        half=True,
    )


def _overall_table(metrics: Sequence[Metric]) -> Table:
    return Table(
        name="fidelity-overall",
        caption="All classes together, 95 % bootstrap intervals; floor: real training against real test digits",
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
                METRICS[m.metric].title,
                m.name,
                METRICS[m.metric].better,
                m.synthetic,
                m.floor,
                m.images,
                m.error or _deviation(m),
            ]
            for m in metrics
        ],
    )


def _deviation(metric: Metric) -> str:
    if metric.deviation is None:
        return ""
    floor = (
        "" if metric.floor_deviation is None else f", of the floor {number(metric.floor_deviation)}"
    )
    return f"deviation over subsets {number(metric.deviation)}{floor}"


def _class_table(metrics: Sequence[Metric], names: Sequence[str]) -> Table:
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
            [names[m.label], METRICS[m.metric].title, m.synthetic, m.floor, m.images, m.error]
            for m in metrics
            if m.label is not None
        ],
        folded=True,
    )


def _detector(found: TwoSample | None, errors: Mapping[str, str]) -> list[Block]:
    if found is None:
        return [
            Paragraph(
                text=f"Whether a classifier can tell them from real digits was not measured. {errors.get('two_sample', '')}".strip()
            )
        ]
    text = (
        f"A classifier that has learnt from {count(found.train_images)} images to tell synthetic from real is right about "
        f"{percent(found.synthetic.mean)} of {count(found.test_images)} others (95 % interval {percent_between(found.synthetic)}). "
        f"Guessing is 50 %. One that has learnt in the same way to tell real test digits from real training digits is right about "
        f"{percent(found.control.mean)} (95 % interval {percent_between(found.control)})."
    )
    return [Paragraph(text=text)]


def _background_figure(found: Histogram) -> Figure:
    """Shares of pixels by grey level: generators give themselves away in the darkest ones."""
    names = [
        str(low) if high - low == 1 else f"{low}-{high - 1}"
        for low, high in zip(found.edges[:-1], found.edges[1:], strict=True)
    ]
    places = list(range(len(names)))
    sets = (
        ("synthetic", found.synthetic, 1),
        ("real, train", found.real, 0),
        ("real, test", found.control, 2),
    )
    lines = [
        Line(
            label=label,
            x=places,
            y=[max(100 * share, 1e-4) for share in shares],
            style=style,
            marked=True,
        )
        for label, shares, style in sets
    ]
    darkest = "; ".join(f"{label} {percent(shares[0])}" for label, shares, _ in sets)

    def scale(axes: Any) -> None:
        log_y(axes)
        axes.set_xticks(places, names, rotation=60 if len(names) > 8 else 0)

    alt = f"Share of pixels by grey level; wholly black: {darkest}."
    draw = line_plot(
        "grey-levels",
        alt,
        lines,
        "grey level (0 black, 255 white)",
        "share of all pixels (%), log scale",
        adjust=scale,
    )
    return Figure(
        title="Grey levels",
        draw=draw,
        caption="Blacks that are not quite black give a generator away, though no eye sees them.",
    )


def _pixel_table(statistics: Sequence[PixelStatistic]) -> Table:
    return Table(
        name="pixel-statistics",
        caption="Properties of the images: means with 95 % intervals, and differences from the real training digits",
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
                f"{STATISTICS[s.name].title} ({STATISTICS[s.name].unit})",
                s.synthetic,
                s.real,
                s.control,
                s.difference,
                s.control_difference,
                ", ".join(map(number, s.deviations)),
            ]
            for s in statistics
        ],
    )
