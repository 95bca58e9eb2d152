"""Section: a classifier trained with and without the synthetic digits, overall and class by class."""

from collections.abc import Sequence

from synthgen.evaluation.arms import ARMS, BASELINE
from synthgen.evaluation.results import ArmResult, Comparison, Evaluation
from synthgen.metrics.intervals import HELPS, HURTS, NO_EFFECT, UNDECIDED, Estimate
from synthgen.reports import usefulness as wording
from synthgen.reports.page.content import Block, Column, Figure, Paragraph, Section, Table, Value
from synthgen.reports.page.formats import SIGNS, TONES, between, in_percent, percent_between
from synthgen.reports.page.plots import Bars, Row, bar_plot, interval_plot
from synthgen.reports.page.svg import SERIES
from synthgen.text import GAP, counted, percent, signed

WARNING = "WARNING"  # begins a sentence that changes what a verdict is worth


ADVICE = {
    HELPS: "the synthetic digits help: use them",
    NO_EFFECT: "the synthetic digits make no difference that this comparison can show",
    HURTS: "the synthetic digits do harm: leave them out",
    UNDECIDED: "one seed cannot tell, so evaluate with --seeds 3 or more",
}


FEW_SEEDS = {
    1: "One seed decides nothing: evaluate with --seeds 3 or more.",
    2: "Two seeds decide little: evaluate with --seeds 3 or more.",
}


READING = "Diamond: mean. Line: 95 % interval. Open dots: single seeds."


def section(evaluation: Evaluation) -> Section:
    """Accuracies of the arms and, where there are several, their differences."""
    figures, tables = [_accuracy_figure(evaluation)], [_accuracy_table(evaluation)]
    if evaluation.comparisons:
        figures.append(_difference_figure(evaluation))
        tables.append(_difference_table(evaluation))
    return Section(
        name="usefulness",
        title="A classifier trained with and without them",
        blocks=[*figures, *tables],
    )


def class_section(evaluation: Evaluation) -> Section:
    """The same of each class."""
    note = "A verdict on all classes can hide one that gains and one that loses. The intervals of the differences hold for all classes together."
    blocks: list[Block] = [
        Paragraph(text=note),
        _error_figure(evaluation),
        _class_table(evaluation),
    ]
    return Section(name="classes", title="Class by class", blocks=blocks)


def all_comparisons(evaluation: Evaluation) -> list[Comparison]:
    """Every arm against the real digits alone, and synthetic digits on top of augmentation where that was measured."""
    return [
        *evaluation.comparisons,
        *([evaluation.beyond_classical] if evaluation.beyond_classical else []),
    ]


def _accuracy_figure(evaluation: Evaluation) -> Figure:
    rows = [
        Row(
            label=ARMS[arm.arm].title,
            estimate=in_percent(arm.accuracy),
            values=[100 * value for value in arm.by_seed],
            tone=SERIES[_style(arm)],
        )
        for arm in evaluation.arms
    ]
    alt = (
        "Test accuracy: "
        + "; ".join(
            f"{ARMS[arm.arm].title} {percent(arm.accuracy.mean)}" for arm in evaluation.arms
        )
        + "."
    )
    draw = interval_plot("accuracy", alt, rows, "accuracy on the real test digits (%)")
    return Figure(
        title="Accuracy of each arm", draw=draw, caption=f"{READING} Intervals are over seeds."
    )


def _difference_figure(evaluation: Evaluation) -> Figure:
    comparisons = all_comparisons(evaluation)
    rows = [
        Row(
            label=_label(c),
            estimate=in_percent(c.difference),
            values=[100 * value for value in c.by_seed],
            tone=TONES[c.verdict],
            word=f"{SIGNS[c.verdict]} {c.verdict}",
        )
        for c in comparisons
    ]
    alt = "Paired differences in accuracy. " + " ".join(wording.sentence(c) for c in comparisons)
    draw = interval_plot(
        "differences", alt, rows, "difference in accuracy (percentage points)", zero=True
    )
    return Figure(
        title="Paired differences",
        draw=draw,
        caption="Against real digits alone, where it does not say otherwise. Dashed: no difference. Intervals: over seeds and test images.",
    )


def _accuracy_table(evaluation: Evaluation) -> Table:
    tested, seeds = evaluation.real["test"], len(evaluation.settings["seeds"])
    return Table(
        name="arms",
        caption=f"Accuracy on {tested:,} real test digits, mean of {counted(seeds, 'seed')}, each arm with the same number of gradient steps",
        columns=[
            Column(title="trained on"),
            Column(title="images", kind="count"),
            Column(title="accuracy, 95 % over seeds", kind="percent"),
            Column(title="95 % of the test sample", kind="text"),
        ],
        rows=[
            [ARMS[arm.arm].title, arm.train_images, arm.accuracy, percent_between(arm.sampling)]
            for arm in evaluation.arms
        ],
    )


def _difference_table(evaluation: Evaluation) -> Table:
    return Table(
        name="comparisons",
        caption="Paired differences in percentage points, with 95 % intervals",
        columns=[
            Column(title="trained on"),
            Column(title="against"),
            Column(title="verdict", kind="verdict"),
            Column(title="difference, over seeds and test images", kind="points"),
            Column(title="over seeds alone", kind="points"),
        ],
        rows=[
            [ARMS[c.arm].title, ARMS[c.baseline].title, c.verdict, c.difference, c.over_seeds]
            for c in all_comparisons(evaluation)
        ],
    )


def _error_figure(evaluation: Evaluation) -> Figure:
    bars = [
        Bars(
            label=ARMS[arm.arm].title,
            estimates=[_errors(estimate) for estimate in arm.per_class],
            style=_style(arm),
        )
        for arm in evaluation.arms
    ]
    alt = (
        "Share of wrong answers by class and arm; the table below holds the same figures. "
        + _worst(evaluation.arms, evaluation.class_names)
    )
    draw = bar_plot(
        "errors-by-class",
        alt,
        evaluation.class_names,
        bars,
        "class",
        "wrong answers on real test digits of the class (%)",
    )
    return Figure(
        title="Errors by class",
        draw=draw,
        caption="Mean over seeds; thin lines: 95 % interval over seeds.",
    )


def _worst(arms: Sequence[ArmResult], names: Sequence[str]) -> str:
    worst = []
    for arm in arms:
        recalls = [estimate.mean for estimate in arm.per_class]
        worst.append((ARMS[arm.arm].title, recalls.index(min(recalls))))
    return (
        "Most errors: "
        + ", ".join(f"{title} in class {names[label]}" for title, label in worst)
        + "."
    )


def _class_table(evaluation: Evaluation) -> Table:
    real = next(arm for arm in evaluation.arms if arm.arm == BASELINE)
    comparisons = all_comparisons(evaluation)
    rows: list[list[Value]] = [
        [
            name,
            real.per_class[label],
            *(c.per_class[label] for c in comparisons),
            evaluation.agreement.per_class[label],
        ]
        for label, name in enumerate(evaluation.class_names)
    ]
    return Table(
        name="by-class",
        caption="Accuracy, differences in percentage points, and label agreement of each class",
        columns=[
            Column(title="class"),
            Column(title=ARMS[BASELINE].title, kind="percent"),
            *(Column(title=wording.against(c), kind="points") for c in comparisons),
            Column(title="label agreement", kind="percent"),
        ],
        rows=rows,
    )


def _label(comparison: Comparison) -> str:
    return (
        ARMS[comparison.arm].title
        if comparison.baseline == BASELINE
        else wording.against(comparison)
    )


def _style(arm: ArmResult) -> int:
    """An arm has the same colour in every plot."""
    return list(ARMS).index(arm.arm) % len(SERIES)


def _errors(accuracy: Estimate) -> Estimate:
    low, high = (None if end is None else 100 * (1 - end) for end in (accuracy.high, accuracy.low))
    return Estimate(mean=100 * (1 - accuracy.mean), low=low, high=high)


def question(comparison: Comparison) -> str:
    """What a comparison asks, such as "Adding the synthetic digits to the real ones"."""
    if comparison.baseline == BASELINE:
        return ARMS[comparison.arm].question
    return f"Adding the synthetic digits to {ARMS[comparison.baseline].title}"


def against(comparison: Comparison) -> str:
    """The two arms of a comparison, such as "real + synthetic against real"."""
    return f"{ARMS[comparison.arm].title} against {ARMS[comparison.baseline].title}"


def sentence(comparison: Comparison) -> str:
    """A comparison in words, such as "Adding the synthetic digits to the real ones: hurts (-0.49 points, ...)".

    Args:
        comparison: question, difference and verdict.
    """
    interval = (
        f", 95{GAP}% interval {between(comparison.difference)}"
        if comparison.difference.low is not None
        else ""
    )
    return f"{question(comparison)}: {comparison.verdict} ({signed(comparison.difference.mean)} points{interval})."


def advice(evaluation: Evaluation, comparison: Comparison) -> str:
    """A comparison for someone who reads one sentence: what to do, and the errors it costs or saves.

    Args:
        evaluation: holds the accuracies of both arms.
        comparison: one of them against the other.
    """
    errors = {arm.arm: 1000 * (1 - arm.accuracy.mean) for arm in evaluation.arms}
    place = (
        "Added to the real digits"
        if comparison.baseline == BASELINE
        else f"Added to {ARMS[comparison.baseline].title}"
    )
    place = "In place of the real digits" if comparison.arm == "synthetic" else place
    figures = f"{errors[comparison.arm]:.1f} errors on 1,000 unseen real digits, against {errors[comparison.baseline]:.1f} without them"
    # undecided, the advice says so itself
    doubt = (
        f" {few_seeds(evaluation)}"
        if comparison.verdict != UNDECIDED and few_seeds(evaluation)
        else ""
    )
    return f"{place}, {ADVICE[comparison.verdict]}. {figures}.{doubt}"


def few_seeds(evaluation: Evaluation) -> str:
    """A sentence that stands beside the verdict of so few seeds that chance may well have made it; empty for three or more."""
    return FEW_SEEDS.get(len(evaluation.settings["seeds"]), "")


def origin(evaluation: Evaluation) -> str:
    """What the generator has seen, as a sentence: without it a verdict cannot be read."""
    saw, images = evaluation.synthetic.get("generator_trained_on", {}), evaluation.real["train"]
    if evaluation.synthetic.get("generator_saw_only_real_train"):
        return f"The generator saw the same {images:,} training digits as the classifiers, and no others."
    if not saw:
        return f"{WARNING}: it is not known what the generator has seen; it may have seen these test digits."
    return (
        f"{WARNING}: the generator has seen {saw['images']:,} digits ({saw['source']}), not the {images:,} that the classifiers are trained on; "
        "it may have seen these test digits. The verdict does not hold for someone who has only the real digits named here."
    )


def weakest_class(evaluation: Evaluation) -> tuple[str, float]:
    """The class whose labels are least agreed with, and the share."""
    shares = [estimate.mean for estimate in evaluation.agreement.per_class]
    label = shares.index(min(shares))
    return evaluation.class_names[label], shares[label]
