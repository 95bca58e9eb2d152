"""How verdicts and what they rest on are put into words, the same in the terminal and in the report."""

from synthgen.evaluation.arms import ARMS, BASELINE
from synthgen.evaluation.page.formats import GAP, between, signed
from synthgen.evaluation.results import Comparison, Evaluation
from synthgen.evaluation.verdict import HELPS, HURTS, NO_EFFECT, UNDECIDED

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
