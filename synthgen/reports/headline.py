"""The answer of a benchmark in one line, for someone who reads nothing else."""

from collections.abc import Sequence

from synthgen.evaluation.results import ArmResult, Comparison
from synthgen.evaluation.scenarios import budget_name
from synthgen.metrics.intervals import HELPS, HURTS, NO_EFFECT, UNDECIDED
from synthgen.text import signed

SUBJECTS = {
    "grid": "Adding synthetic digits to real ones that are distorted (affine, elastic) anyway",
    "imbalance": "Topping up a rare class with synthetic digits, against repeating its real ones distorted",
    "long-tail": "Topping up a long tail with synthetic digits, against repeating real ones distorted",
    "stand-in": "Training on synthetic digits in the place of as many real ones",
}
PHRASES = {
    HELPS: "helps",
    NO_EFFECT: "makes no difference that these repetitions can show",
    HURTS: "hurts",
    UNDECIDED: "cannot be judged from one repetition",
}


def headline(rows: Sequence[Comparison]) -> str:
    """One sentence a scenario: where it helps, where it makes no difference, where it hurts, and by how much; and what a generator has seen too much.

    Args:
        rows: of a benchmark; those that are not primary are passed over.
    """
    primary = [row for row in rows if row.primary]
    found = [
        _sentence(scenario, [row for row in primary if row.scenario == scenario])
        for scenario in SUBJECTS
    ]
    marks = dict.fromkeys(row.mark for row in primary if row.mark)
    found += [
        f"The generator {mark}: this does not hold for someone who has only the real images of a row."
        for mark in marks
    ]
    return (
        " ".join(filter(None, found))
        or "These cells answer no question: there is no pair of arms to compare."
    )


def budget(row: Comparison | ArmResult) -> str:
    """Where a row stands: '20 images per class', 'all images', '2.5 % of one class', 'a tail of 4000-40 images'."""
    return budget_name(row.scenario, row.budget, row.share)


def _sentence(scenario: str, rows: Sequence[Comparison]) -> str:
    by_place: dict[str, list[Comparison]] = {}
    for row in rows:
        by_place.setdefault(budget(row), []).append(row)
    parts = []
    for word in (HELPS, NO_EFFECT, HURTS, UNDECIDED):
        found = [row for row in rows if row.verdict == word]
        places = [
            _place(place, group, word)
            for place, group in by_place.items()
            if any(row.verdict == word for row in group)
        ]
        if found:
            parts.append(
                f"{PHRASES[word]} at {_listed(places)} ({_range(found)} points{_of(found[0])})"
            )
    return f"{SUBJECTS[scenario]} {'; it '.join(parts)}." if parts else ""


def _place(place: str, rows: Sequence[Comparison], word: str) -> str:
    """A budget, with the ratios if the verdict is not the same for all of them."""
    if all(row.verdict == word for row in rows):
        return place
    return f"{place} (ratio {_listed([str(row.ratio) for row in rows if row.verdict == word])})"


def _range(rows: Sequence[Comparison]) -> str:
    least, most = (signed(pick(row.difference.mean for row in rows)) for pick in (min, max))
    return least if least == most else f"{least} to {most}"


def _of(row: Comparison) -> str:
    return "" if row.metric == "accuracy" else f" of {row.metric.replace('_', ' ')}"


def _listed(texts: Sequence[str]) -> str:
    """'20, 50 and 100 images per class': what all share at the end is said once."""
    for shared in (" images per class", " of one class"):
        if all(text.endswith(shared) for text in texts):
            return _joined([text.removesuffix(shared) for text in texts]) + shared
    return _joined(texts)


def _joined(texts: Sequence[str]) -> str:
    return texts[0] if len(texts) == 1 else ", ".join(texts[:-1]) + " and " + texts[-1]
