"""What a benchmark found, in sentences, for someone who reads nothing else."""

from collections.abc import Sequence

from synthgen.evaluation.results import ArmResult, Comparison
from synthgen.evaluation.scenarios import budget_name
from synthgen.metrics.accuracy import CLASSIFIER_METRICS
from synthgen.metrics.intervals import HELPS, HURTS, NO_EFFECT, UNDECIDED
from synthgen.text import signed

# A sentence of the answer: what is asked in each scenario, and what each verdict means.
SUBJECTS = {
    "grid": "Adding synthetic digits to real ones that are distorted (affine, elastic) anyway",
    "imbalance": "Topping up a rare class with synthetic digits, "
    "against repeating its real ones distorted",
    "long-tail": "Topping up a long tail with synthetic digits, "
    "against repeating real ones distorted",
    "stand-in": "Training on synthetic digits in the place of as many real ones",
}
VERDICT_PHRASES = {
    HELPS: "helps",
    NO_EFFECT: "makes no difference that these repetitions can show",
    HURTS: "hurts",
    UNDECIDED: "cannot be judged from one repetition",
}


def benchmark_answer(comparisons: Sequence[Comparison]) -> str:
    """Says where synthetic digits help, make no difference or hurt, and by how much.

    Args:
        comparisons: of a benchmark; those that are not primary are passed over.

    Returns:
        One sentence a scenario, and one for each kind of generator that has seen too much.
    """
    primary = [row for row in comparisons if row.primary]
    sentences = []
    for scenario, subject in SUBJECTS.items():
        rows = [row for row in primary if row.scenario == scenario]
        if rows:
            sentences.append(f"{subject} {verdict_clauses(rows)}.")
    for mark in dict.fromkeys(row.mark for row in primary if row.mark):
        sentences.append(
            f"The generator {mark}: this does not hold for someone who has only the real images "
            "of a row."
        )
    return (
        " ".join(sentences)
        or "These cells answer no question: there is no pair of arms to compare."
    )


def verdict_clauses(rows: Sequence[Comparison]) -> str:
    """Groups the budgets of one scenario by verdict.

    Args:
        rows: of one scenario and metric.

    Returns:
        Such as "helps at 10 and 20 images per class (+0.50 to +1.20 points); it hurts at all images
        (-0.20 points)".
    """
    budgets = list(dict.fromkeys(budget_of(row) for row in rows))
    metric = rows[0].metric
    unit = "points" if metric == "accuracy" else f"points of {CLASSIFIER_METRICS[metric].title}"
    clauses = []
    for verdict, phrase in VERDICT_PHRASES.items():
        found = [row for row in rows if row.verdict == verdict]
        if not found:
            continue

        # a budget, with the ratios where the verdict is not the same for all of them
        places = []
        for place in budgets:
            here = [row for row in rows if budget_of(row) == place]
            ratios = [str(row.ratio) for row in here if row.verdict == verdict]
            if len(ratios) == len(here):
                places.append(place)
            elif ratios:
                places.append(f"{place} (ratio {joined_with_and(ratios)})")

        least = signed(min(row.difference.mean for row in found))
        most = signed(max(row.difference.mean for row in found))
        points = least if least == most else f"{least} to {most}"
        clauses.append(f"{phrase} at {joined_with_and(places)} ({points} {unit})")
    return "; it ".join(clauses)


def budget_of(row: Comparison | ArmResult) -> str:
    """Names the budget of a row, such as "20 images per class" or "2.5 % of one class"."""
    return budget_name(row.scenario, row.budget, row.share)


def joined_with_and(texts: Sequence[str]) -> str:
    """Lists texts; what all of them share at the end is said once.

    Args:
        texts: one or more.

    Example:
        >>> joined_with_and(["20 images per class", "50 images per class"])
        '20 and 50 images per class'
    """
    for shared in (" images per class", " of one class"):
        if all(text.endswith(shared) for text in texts):
            return joined_with_and([text.removesuffix(shared) for text in texts]) + shared
    if len(texts) == 1:
        return texts[0]
    return ", ".join(texts[:-1]) + " and " + texts[-1]
