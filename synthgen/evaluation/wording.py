"""How figures and verdicts are put into words, the same in the terminal and in the report."""

from synthgen.evaluation.arms import ARMS
from synthgen.evaluation.results import Comparison, Evaluation
from synthgen.evaluation.verdict import HELPS, HURTS, NO_EFFECT, UNDECIDED, Estimate

MINUS = "\N{MINUS SIGN}"
GAP = "\N{NO-BREAK SPACE}"
MEANINGS = {
    HELPS: "The gain is larger than chance explains.",
    NO_EFFECT: "The interval includes 0: a difference, if there is one, is smaller than this comparison can show.",
    HURTS: "The loss is larger than chance explains.",
    UNDECIDED: "One seed allows no interval: evaluate with --seeds 3 or more.",
}


def percent(share: float) -> str:
    """0.9945 -> '99.45 %'."""
    return f"{100 * share:.2f}{GAP}%"


def signed(share: float) -> str:
    """A difference of shares in points: -0.0049 -> '-0.49', with a true minus sign."""
    text = f"{100 * share:+.2f}"
    return ("0.00" if float(text) == 0 else text).replace("-", MINUS)


def half_width(estimate: Estimate) -> str:
    """'± 0.05' in points, or a dash where there is no interval."""
    return "–" if estimate.high is None else f"±{GAP}{100 * (estimate.high - estimate.mean):.2f}"  # noqa: RUF001 (a true dash)


def between(estimate: Estimate) -> str:
    """'-0.12 to +0.14' in points, or a dash where there is no interval."""
    return "–" if estimate.low is None or estimate.high is None else f"{signed(estimate.low)} to {signed(estimate.high)}"  # noqa: RUF001


def percent_between(estimate: Estimate) -> str:
    """'99.28 to 99.58 %', or a dash where there is no interval."""
    return "–" if estimate.low is None or estimate.high is None else f"{100 * estimate.low:.2f} to {percent(estimate.high)}"  # noqa: RUF001


def sentence(comparison: Comparison) -> str:
    """A comparison in words, such as "Adding the synthetic digits to the real ones: hurts (-0.49 points, ...)".

    Args:
        comparison: question, difference and verdict.
    """
    interval = f", 95{GAP}% interval {between(comparison.difference)}" if comparison.difference.low is not None else ""
    return f"{ARMS[comparison.arm].question}: {comparison.verdict} ({signed(comparison.difference.mean)} points{interval})."


def origin(evaluation: Evaluation) -> str:
    """What the generator has seen, as a sentence: without it a verdict cannot be read."""
    saw, images = evaluation.synthetic.get("generator_trained_on", {}), evaluation.real["train"]
    if evaluation.synthetic.get("generator_saw_only_real_train"):
        return f"The generator saw the same {images:,} training digits as the classifiers, and no others."
    if not saw:
        return "WARNING: it is not known what the generator has seen; it may have seen these test digits."
    return (
        f"WARNING: the generator has seen {saw['images']:,} digits ({saw['source']}), not the {images:,} that the classifiers are trained on; "
        "it may have seen these test digits. The verdict does not hold for someone who has only the real digits named here."
    )


def weakest_class(evaluation: Evaluation) -> tuple[str, float]:
    """The class whose labels are least agreed with, and the share."""
    shares = [estimate.mean for estimate in evaluation.agreement.per_class]
    label = shares.index(min(shares))
    return evaluation.class_names[label], shares[label]
