"""What an evaluation found, in sentences: questions, advice, and what a verdict is worth."""

from synthgen.evaluation.arms import ARMS, BASELINE
from synthgen.evaluation.results import Comparison, Evaluation
from synthgen.metrics.intervals import HELPS, HURTS, NO_EFFECT, UNDECIDED
from synthgen.reports.page.words import signed_between
from synthgen.text import GAP, signed

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
    return (
        f"{WARNING}: the generator has seen {saw['images']:,} digits ({saw['source']}), "
        f"not the {images:,} that the classifiers are trained on; "
        "it may have seen these test digits. The verdict does not hold for someone who has only "
        "the real digits named here."
    )


def weakest_class(evaluation: Evaluation) -> tuple[str, float]:
    """Finds the class whose labels are least agreed with, and the share that is."""
    shares = [estimate.mean for estimate in evaluation.agreement.by_class]
    label = shares.index(min(shares))
    return evaluation.class_names[label], shares[label]
