"""Paired differences, corrected for the number of rows. Pure functions on cells.

A family is what one question is asked of: all budgets and ratios of one scenario, question and
metric. Within it verdicts are corrected by Holm's step-down procedure (Holm 1979, "A simple
sequentially rejective multiple test procedure"): the chance that any "helps" or "hurts" of a family
is false stays below 5 %, whatever the dependence of its rows, and these do depend on each other, by
shared seeds, digits and control cells. It finds all that Bonferroni's correction finds, and more.
Families are not corrected for each other: each question stands in the tables with its own answer.
"""

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from synthgen.datasets.digits import Labels
from synthgen.evaluation.benchmark_values import Row
from synthgen.evaluation.runs import Cell
from synthgen.metrics.accuracy import CLASSIFIER_METRICS
from synthgen.metrics.intervals import (
    Estimate,
    family_confidence,
    holm,
    paired_difference,
)

IMBALANCE_METRICS = ("minority_recall", "balanced_accuracy", "geometric_mean")


class Question(NamedTuple):
    """What a family of rows answers.

    Args:
        text: the question.
        scenarios: in which it is asked.
        arm: that is judged.
        baseline: that it is compared with.
        metrics: asked for, the first one in the headline.
        primary: whether the headline is about it.
    """

    text: str
    scenarios: tuple[str, ...]
    arm: str
    baseline: str
    metrics: tuple[str, ...] = ("accuracy",)
    primary: bool = False


_GRID, _RARE = ("grid",), ("imbalance", "long-tail")
QUESTIONS = (
    Question(
        "Do synthetic digits help on top of tuned affine and elastic distortions?",
        _GRID,
        "both",
        "classical",
        primary=True,
    ),
    Question(
        "Do synthetic digits help where nothing else is done?",
        _GRID,
        "real_synthetic",
        "real_repeated",
    ),
    Question(
        "Are synthetic digits better than tuned distortions?", _GRID, "real_synthetic", "classical"
    ),
    Question("Do tuned distortions help?", _GRID, "classical", "real_repeated"),
    Question(
        "Can synthetic digits take the place of real ones?", _GRID, "synthetic", "real_repeated"
    ),
    Question("Does training for longer help by itself?", _GRID, "real_repeated", "real"),
    Question(
        "Does a synthetic top-up help over oversampling, both with distortions?",
        _RARE,
        "top_up_classical",
        "oversampling",
        IMBALANCE_METRICS,
        True,
    ),
    Question(
        "Is a synthetic top-up better than oversampling with distortions?",
        _RARE,
        "top_up",
        "oversampling",
        IMBALANCE_METRICS,
    ),
    Question(
        "Does a synthetic top-up help where nothing else is done?",
        _RARE,
        "top_up",
        "plain",
        IMBALANCE_METRICS,
    ),
    Question("Do class weights help?", _RARE, "class_weights", "plain", IMBALANCE_METRICS),
    Question(
        "Does oversampling with distortions help?",
        _RARE,
        "oversampling",
        "plain",
        IMBALANCE_METRICS,
    ),
    Question(
        "What does it cost to share synthetic digits in the place of real ones?",
        ("stand-in",),
        "synthetic",
        "real_repeated",
        primary=True,
    ),
)


class Pairs(NamedTuple):
    """Cells of two arms at one budget, seed by seed."""

    arm: list[Cell]
    baseline: list[Cell]


def compare_all(cells: Sequence[Cell], labels: Labels, marks: dict[str, str]) -> tuple[Row, ...]:
    """Every question that the cells can answer, family by family.

    Args:
        cells: finished cells.
        labels: of the test digits.
        marks: by fingerprint of a cell, what its generator has seen too much.
    """
    rows: list[Row] = []
    for question in QUESTIONS:
        for scenario in question.scenarios:
            pairs = find_pairs([cell for cell in cells if cell.key.scenario == scenario], question)
            for metric in question.metrics:
                rows += _family(question, metric, pairs, labels, marks)
    return tuple(rows)


def find_pairs(cells: Sequence[Cell], question: Question) -> list[Pairs]:
    """The cells that answer a question: for each budget and ratio both arms, the same seeds in the same order."""
    places = dict.fromkeys(
        (cell.key.place, cell.key.ratio) for cell in cells if cell.key.arm == question.arm
    )
    found = []
    for place, ratio in places:
        arm = {
            cell.key.seed: cell
            for cell in cells
            if cell.key.place == place and cell.key.arm == question.arm and cell.key.ratio == ratio
        }
        baseline = {
            cell.key.seed: cell
            for cell in cells
            if cell.key.place == place and cell.key.arm == question.baseline
        }
        seeds = sorted(set(arm) & set(baseline))
        if seeds:
            found.append(Pairs([arm[seed] for seed in seeds], [baseline[seed] for seed in seeds]))
    return found


def _family(
    question: Question, metric: str, pairs: Sequence[Pairs], labels: Labels, marks: dict[str, str]
) -> Iterable[Row]:
    comparisons = [
        (contributions(pair.arm, metric, labels), contributions(pair.baseline, metric, labels))
        for pair in pairs
    ]
    for pair, (left, right), decision in zip(pairs, comparisons, holm(comparisons), strict=True):
        key, error = pair.arm[0].key, 1 - float(right.mean())
        difference = paired_difference(left, right)
        yield Row(
            scenario=key.scenario,
            per_class=key.per_class,
            share=key.share,
            arm=question.arm,
            ratio=key.ratio,
            question=question.text,
            primary=question.primary and metric == question.metrics[0],
            baseline=question.baseline,
            metric=metric,
            seeds=len(pair.arm),
            difference=difference,
            corrected=decision.estimate,
            confidence=decision.confidence,
            family=len(pairs),
            verdict=decision.verdict,
            by_seed=tuple((left.mean(axis=1) - right.mean(axis=1)).tolist()),
            error_cut=difference.mean / error if error > 0 else None,
            per_class_difference=_per_class(left, right, labels) if metric == "accuracy" else (),
            mark=next(
                (marks[cell.fingerprint] for cell in pair.arm if cell.fingerprint in marks), ""
            ),
        )


def contributions(cells: Sequence[Cell], metric: str, labels: Labels) -> NDArray[Any]:
    """What each test image contributes to a figure of each cell, (seeds, images) float64."""
    return np.stack(
        [
            CLASSIFIER_METRICS[metric].contributions(cell.correct, labels, cell.key.minority)
            for cell in cells
        ]
    )


def _per_class(left: NDArray[Any], right: NDArray[Any], labels: Labels) -> tuple[Estimate, ...]:
    classes = int(labels.max()) + 1
    level = family_confidence(classes)
    return tuple(
        paired_difference(left[:, labels == label], right[:, labels == label], level)
        for label in range(classes)
    )
