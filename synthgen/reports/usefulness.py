"""Sections: a classifier trained with and without the synthetic digits, overall and by class."""

from synthgen.evaluation.arms import ARMS, BASELINE
from synthgen.evaluation.results import Comparison, Evaluation
from synthgen.metrics.intervals import HELPS, HURTS, NO_EFFECT, UNDECIDED, Estimate
from synthgen.reports.page.blocks import Block, Chart, Column, Paragraph, Section, Table
from synthgen.reports.page.plots import Bars, ForestRow, PlotText, bar_plot, forest_plot
from synthgen.reports.page.svg import SERIES
from synthgen.reports.page.words import SIGNS, TONES, in_percent, percent_between, signed_between
from synthgen.text import GAP, counted, percent, signed

WARNING = "WARNING"  # begins a sentence that changes what a verdict is worth

# What a verdict means for someone who reads one sentence.
ADVICE = {
    HELPS: "the synthetic digits help: use them",
    NO_EFFECT: "the synthetic digits make no difference that this comparison can show",
    HURTS: "the synthetic digits do harm: leave them out",
    UNDECIDED: "one seed cannot tell, so evaluate with --seeds 3 or more",
}
# What so few seeds are worth.
FEW_SEEDS = {
    1: "One seed decides nothing: evaluate with --seeds 3 or more.",
    2: "Two seeds decide little: evaluate with --seeds 3 or more.",
}

FOREST_READING = "Diamond: mean. Line: 95 % interval. Open dots: single seeds."

# Numbers of colours, markers and dashes of `page.plots`; arms of one number never share a plot.
ARM_STYLES = {
    "real": 0,
    "real_synthetic": 1,
    "top_up": 1,
    "classical": 2,
    "oversampling": 2,
    "both": 3,
    "top_up_classical": 3,
    "synthetic": 4,
    "real_half_steps": 5,
    "class_weights": 5,
    "half_top_up": 4,
    "source_top_up": 1,
    "source": 1,
    "fine_tuned": 3,
    "source_only": 4,
    "source_real": 5,
    "source_real_only": 0,
}


def main_comparison(evaluation: Evaluation) -> Comparison | None:
    """Picks the comparison that answers the question of an evaluation.

    Args:
        evaluation: any.

    Returns:
        Synthetic digits on top of augmentation, else added to real ones, else in their place; None
        where no classifier was trained with them.
    """
    on_top = evaluation.comparison("both", "classical")
    if on_top:
        return on_top
    found = {comparison.arm: comparison for comparison in evaluation.comparisons}
    return found.get("real_synthetic") or found.get("synthetic")


def against(comparison: Comparison) -> str:
    """Names the two arms of a comparison, such as "real + synthetic against real"."""
    return f"{ARMS[comparison.arm].title} against {ARMS[comparison.baseline].title}"


def comparison_sentence(comparison: Comparison) -> str:
    """Puts a comparison into a sentence.

    Args:
        comparison: question, difference and verdict.

    Returns:
        Such as "Adding the synthetic digits to the real ones: hurts (-0.49 points, ...).".
    """
    figures = f"{signed(comparison.difference.mean)} points"
    if comparison.difference.low is not None:
        figures += f", 95{GAP}% interval {signed_between(comparison.difference)}"
    return f"{comparison.question}: {comparison.verdict} ({figures})."


def advice(evaluation: Evaluation, comparison: Comparison) -> str:
    """Advises what to do, and names the errors it costs or saves.

    Args:
        evaluation: holds the accuracies of both arms.
        comparison: one of them against the other.
    """
    place = f"Added to {ARMS[comparison.baseline].title}"
    if comparison.baseline == BASELINE:
        place = "Added to the real digits"
    if comparison.arm == "synthetic":
        place = "In place of the real digits"
    sentences = [f"{place}, {ADVICE[comparison.verdict]}."]

    errors = {arm.arm: 1000 * (1 - arm.accuracy.mean) for arm in evaluation.arms}
    sentences.append(
        f"{errors[comparison.arm]:.1f} errors on 1,000 unseen real digits, "
        f"against {errors[comparison.baseline]:.1f} without them."
    )

    # where a verdict is undecided, the advice itself asks for more seeds
    doubt = few_seeds(evaluation)
    if doubt and comparison.verdict != UNDECIDED:
        sentences.append(doubt)
    return " ".join(sentences)


def few_seeds(evaluation: Evaluation) -> str:
    """Says what a verdict of one or two seeds is worth; "" for three seeds or more."""
    return FEW_SEEDS.get(len(evaluation.seeds), "")


def origin(evaluation: Evaluation) -> str:
    """Says what the generator has seen, without which a verdict cannot be read.

    Args:
        evaluation: any.

    Returns:
        One or two sentences; they begin with WARNING unless the generator saw the same digits as
        the classifiers and no others.
    """
    images = evaluation.real.train
    if evaluation.synthetic.generator_saw_only_real_train:
        return (
            f"The generator saw the same {images:,} training digits as the classifiers, "
            "and no others."
        )
    saw = evaluation.synthetic.generator_trained_on
    if not saw:
        return (
            f"{WARNING}: it is not known what the generator has seen; "
            "it may have seen these test digits."
        )
    count = f"{saw['images']:,}" if "images" in saw else "an unknown number of"
    source = saw.get("source", "of unknown source")
    return (
        f"{WARNING}: the generator has seen {count} digits ({source}), "
        f"not the {images:,} that the classifiers are trained on; "
        "it may have seen these test digits. The verdict does not hold for someone who has only "
        "the real digits named here."
    )


def weakest_class(evaluation: Evaluation) -> tuple[str, float]:
    """Finds the class whose labels are least agreed with, and the share that is."""
    shares = [estimate.mean for estimate in evaluation.agreement.by_class]
    label = shares.index(min(shares))
    return evaluation.class_names[label], shares[label]


def arm_tone(arm: str) -> str:
    """Names the colour of an arm, a key of `page.svg.COLOURS`."""
    return SERIES[ARM_STYLES[arm]]


def usefulness_section(evaluation: Evaluation) -> Section:
    """Shows the accuracies of the arms and, where there are several, their differences.

    Args:
        evaluation: any.
    """
    blocks: list[Block] = [accuracy_chart(evaluation)]
    if evaluation.comparisons:
        blocks.append(difference_chart(evaluation))
    blocks.append(accuracy_table(evaluation))
    if evaluation.comparisons:
        blocks.append(difference_table(evaluation))
    title = "A classifier trained with and without them"
    return Section(name="usefulness", title=title, blocks=blocks)


def class_section(evaluation: Evaluation) -> Section:
    """Shows errors and differences of each class.

    Args:
        evaluation: any.
    """
    note = (
        "A verdict on all classes can hide one that gains and one that loses. "
        "The intervals of the differences hold for all classes together."
    )
    blocks: list[Block] = [
        Paragraph(text=note),
        error_chart(evaluation),
        class_table(evaluation),
    ]
    return Section(name="classes", title="Class by class", blocks=blocks)


def accuracy_chart(evaluation: Evaluation) -> Chart:
    """Plots the test accuracy of each arm."""
    rows = [
        ForestRow(
            label=ARMS[arm.arm].title,
            estimate=in_percent(arm.accuracy),
            values=[100 * value for value in arm.by_seed["accuracy"]],
            tone=arm_tone(arm.arm),
        )
        for arm in evaluation.arms
    ]
    said = [f"{ARMS[arm.arm].title} {percent(arm.accuracy.mean)}" for arm in evaluation.arms]
    text = PlotText(
        name="accuracy",
        alt=f"Test accuracy: {'; '.join(said)}.",
        x="accuracy on the real test digits (%)",
    )
    return Chart(
        title="Accuracy of each arm",
        draw=forest_plot(text, rows),
        caption=f"{FOREST_READING} Intervals are over seeds.",
    )


def difference_chart(evaluation: Evaluation) -> Chart:
    """Plots every paired difference with its verdict."""
    rows = []
    said = []
    for comparison in evaluation.comparisons:
        on_real = comparison.baseline == BASELINE
        row = ForestRow(
            label=ARMS[comparison.arm].title if on_real else against(comparison),
            estimate=in_percent(comparison.difference),
            values=[100 * value for value in comparison.by_seed],
            tone=TONES[comparison.verdict],
            word=f"{SIGNS[comparison.verdict]} {comparison.verdict}",
        )
        rows.append(row)
        said.append(comparison_sentence(comparison))
    text = PlotText(
        name="differences",
        alt=f"Paired differences in accuracy. {' '.join(said)}",
        x="difference in accuracy (percentage points)",
    )
    return Chart(
        title="Paired differences",
        draw=forest_plot(text, rows, zero=True),
        caption="Against real digits alone, where it does not say otherwise. "
        "Dashed: no difference. Intervals: over seeds and test images.",
    )


def accuracy_table(evaluation: Evaluation) -> Table:
    """Lists the test accuracy of each arm."""
    seeds = counted(len(evaluation.seeds), "seed")
    return Table(
        name="arms",
        caption=f"Accuracy on {evaluation.real.test:,} real test digits, mean of {seeds}, "
        "each arm with the same number of gradient steps",
        columns=[
            Column(title="trained on"),
            Column(title="images", kind="count"),
            Column(title="accuracy, 95 % over seeds", kind="percent"),
            Column(title="95 % of the test sample"),
        ],
        rows=[
            [ARMS[arm.arm].title, arm.train_images, arm.accuracy, percent_between(arm.sampling)]
            for arm in evaluation.arms
        ],
    )


def difference_table(evaluation: Evaluation) -> Table:
    """Lists every paired difference with its verdict."""
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
            [
                ARMS[comparison.arm].title,
                ARMS[comparison.baseline].title,
                comparison.verdict,
                comparison.difference,
                comparison.over_seeds,
            ]
            for comparison in evaluation.comparisons
        ],
    )


def error_chart(evaluation: Evaluation) -> Chart:
    """Plots the wrong answers of each arm in each class."""
    bars = []
    worst = []
    for arm in evaluation.arms:
        title = ARMS[arm.arm].title
        errors = [
            Estimate(
                mean=100 * (1 - accuracy.mean),
                low=None if accuracy.high is None else 100 * (1 - accuracy.high),
                high=None if accuracy.low is None else 100 * (1 - accuracy.low),
            )
            for accuracy in arm.by_class
        ]
        bars.append(Bars(label=title, estimates=errors, style=ARM_STYLES[arm.arm]))
        most = max(range(len(errors)), key=lambda label: errors[label].mean)
        worst.append(f"{title} in class {evaluation.class_names[most]}")
    text = PlotText(
        name="errors-by-class",
        alt="Share of wrong answers by class and arm; the table below holds the same figures. "
        f"Most errors: {', '.join(worst)}.",
        x="class",
        y="wrong answers on real test digits of the class (%)",
    )
    return Chart(
        title="Errors by class",
        draw=bar_plot(text, evaluation.class_names, bars),
        caption="Mean over seeds; thin lines: 95 % interval over seeds.",
    )


def class_table(evaluation: Evaluation) -> Table:
    """Lists accuracy, differences and label agreement of each class."""
    real = next(arm for arm in evaluation.arms if arm.arm == BASELINE)
    return Table(
        name="by-class",
        caption="Accuracy, differences in percentage points, and label agreement of each class",
        columns=[
            Column(title="class"),
            Column(title=ARMS[BASELINE].title, kind="percent"),
            *(
                Column(title=against(comparison), kind="points")
                for comparison in evaluation.comparisons
            ),
            Column(title="label agreement", kind="percent"),
        ],
        rows=[
            [
                name,
                real.by_class[label],
                *(comparison.by_class[label] for comparison in evaluation.comparisons),
                evaluation.agreement.by_class[label],
            ]
            for label, name in enumerate(evaluation.class_names)
        ],
    )
