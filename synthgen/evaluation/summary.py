"""From cells to results: accuracy of each arm, paired differences with verdicts, label agreement.

A family is what one question is asked of: all budgets and ratios of one scenario, question and
metric. Within it verdicts are corrected by Holm's step-down procedure (Holm 1979, "A simple
sequentially rejective multiple test procedure"): the chance that any "helps" or "hurts" of a family
is false stays below 5 %, whatever the dependence of its comparisons, and these do depend on each
other, by shared seeds, digits and control cells. It finds all that Bonferroni's correction finds,
and more. Families are not corrected for each other: each question stands in the tables with its own
answer. Where the baseline is the best of several on the test digits, the comparisons with all of
these are the family: whichever of them is the best, its verdict holds.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from synthgen.datasets.digits import Digits, Labels
from synthgen.datasets.splits import RealDigits
from synthgen.evaluation.arms import ARMS, arm_name
from synthgen.evaluation.cells import Cell, LabelReadings
from synthgen.evaluation.results import (
    ArmResult,
    CellResult,
    Comparison,
    LabelAgreement,
    RealSummary,
    SuspectLabel,
)
from synthgen.evaluation.scenarios import (
    RARE,
    SCENARIOS,
    SOURCE_ARMS,
    STAND_IN,
    THIS_SET,
    TRANSFER,
)
from synthgen.metrics.accuracy import CLASSIFIER_METRICS
from synthgen.metrics.intervals import (
    family_confidence,
    holm,
    paired_difference,
    sampling_interval,
    seed_interval,
)

FAILED_MARGIN = 0.05  # of agreement below that of real digits: from here on a class has failed
MOST_SUSPECTS = 50  # images
ACCURACY = ("accuracy",)
RARE_METRICS = ("minority_recall", "balanced_accuracy", "geometric_mean")


@dataclass(frozen=True, kw_only=True)
class Question:
    """What a family of comparisons answers.

    Args:
        text: the question.
        scenarios: in which it is asked.
        arm: the arm that is judged.
        baseline: the arm that it is compared with; of several, at each budget, the one that is
            right most often on the test digits.
        metrics: names of metrics.accuracy.CLASSIFIER_METRICS; the headline takes the first one.
        primary: whether the headline is about it.
    """

    text: str
    scenarios: tuple[str, ...]
    arm: str
    baseline: str | tuple[str, ...]
    metrics: tuple[str, ...] = ACCURACY
    primary: bool = False


TRANSFER_CONTROLS = ("source_real", "fine_tuned", *SOURCE_ARMS)
SET = (THIS_SET,)
GRID = ("grid",)
QUESTIONS = (
    Question(
        text="Adding the synthetic digits to the real ones",
        scenarios=SET,
        arm="real_synthetic",
        baseline="real",
    ),
    Question(
        text="The synthetic digits in place of the real ones",
        scenarios=SET,
        arm="synthetic",
        baseline="real",
    ),
    Question(
        text="Distorting the real digits (affine and elastic)",
        scenarios=SET,
        arm="classical",
        baseline="real",
    ),
    Question(
        text="Adding the synthetic digits and distorting all",
        scenarios=SET,
        arm="both",
        baseline="real",
    ),
    Question(
        text="Adding the synthetic digits to real + distortions",
        scenarios=SET,
        arm="both",
        baseline="classical",
        primary=True,
    ),
    Question(
        text="Do synthetic digits help on top of tuned affine and elastic distortions?",
        scenarios=GRID,
        arm="both",
        baseline="classical",
        primary=True,
    ),
    Question(
        text="Do synthetic digits help where nothing else is done?",
        scenarios=GRID,
        arm="real_synthetic",
        baseline="real",
    ),
    Question(
        text="Are synthetic digits better than tuned distortions?",
        scenarios=GRID,
        arm="real_synthetic",
        baseline="classical",
    ),
    Question(
        text="Do tuned distortions help?",
        scenarios=GRID,
        arm="classical",
        baseline="real",
    ),
    Question(
        text="Can synthetic digits take the place of real ones?",
        scenarios=GRID,
        arm="synthetic",
        baseline="real",
    ),
    Question(
        text="Does training for longer help by itself?",
        scenarios=GRID,
        arm="real",
        baseline="real_half_steps",
    ),
    Question(
        text="Does a synthetic top-up help over oversampling, both with distortions?",
        scenarios=RARE,
        arm="top_up_classical",
        baseline="oversampling",
        metrics=RARE_METRICS,
        primary=True,
    ),
    Question(
        text="Is a synthetic top-up better than oversampling with distortions?",
        scenarios=RARE,
        arm="top_up",
        baseline="oversampling",
        metrics=RARE_METRICS,
    ),
    Question(
        text="Is half a synthetic top-up, half repeated digits better than oversampling?",
        scenarios=RARE,
        arm="half_top_up",
        baseline="oversampling",
        metrics=RARE_METRICS,
    ),
    Question(
        text="Does a top-up by a generator of other hands help over oversampling?",
        scenarios=RARE,
        arm="source_top_up",
        baseline="oversampling",
        metrics=RARE_METRICS,
    ),
    Question(
        text="Does a synthetic top-up help where nothing else is done?",
        scenarios=RARE,
        arm="top_up",
        baseline="real",
        metrics=RARE_METRICS,
    ),
    Question(
        text="Do class weights help?",
        scenarios=RARE,
        arm="class_weights",
        baseline="real",
        metrics=RARE_METRICS,
    ),
    Question(
        text="Does oversampling with distortions help?",
        scenarios=RARE,
        arm="oversampling",
        baseline="real",
        metrics=RARE_METRICS,
    ),
    Question(
        text="What does it cost to share synthetic digits in the place of real ones?",
        scenarios=(STAND_IN,),
        arm="synthetic",
        baseline="real",
        primary=True,
    ),
    Question(
        text="Do the generator's digits help beside one's own, over distortions alone?",
        scenarios=(TRANSFER,),
        arm="source",
        baseline="classical",
        primary=True,
    ),
    Question(
        text="Do the generator's digits help beside one's own, over the best control?",
        scenarios=(TRANSFER,),
        arm="source",
        baseline=TRANSFER_CONTROLS,
    ),
)


def summarise_real(real: RealDigits) -> RealSummary:
    """Returns what results say of the real digits."""
    return RealSummary(
        source=real.source,
        sha256=real.sha256,
        train=len(real.train),
        validation=len(real.validation),
        test=len(real.test),
    )


def mark_of(cell: Cell, train_images: int) -> str:
    """Returns what the generator of a cell has seen that its classifier has not; "" for nothing.

    Of arms with a generator of other hands, where just that is in question, only one of unknown
    digits is marked.

    Args:
        cell: a finished cell.
        train_images: how many real training digits there are.
    """
    if cell.generator is None or not cell.generator.saw_more_than_cell:
        return ""
    if cell.generator.saw is None:
        return "has seen nobody knows what"
    if ARMS[cell.key.arm].learns_from_source:
        return ""
    return f"has seen {'all ' if cell.generator.saw == train_images else ''}{cell.generator.saw:,}"


def summarise_arms(
    cells: Sequence[Cell], labels: Labels, train_images: int
) -> tuple[ArmResult, ...]:
    """Summarises each arm at each budget and ratio over its seeds.

    Args:
        cells: finished cells, in the order in which budgets and arms were planned.
        labels: (test images,) of the real test digits.
        train_images: how many real training digits there are, for the marks.

    Returns:
        The results, scenario by scenario.
    """
    order = [THIS_SET, *SCENARIOS]
    found: dict[object, list[Cell]] = {}
    for cell in sorted(cells, key=lambda c: (order.index(c.key.scenario), c.key.seed)):
        found.setdefault((cell.key.place, cell.key.training), []).append(cell)
    return tuple(_summarise_arm(group, labels, train_images) for group in found.values())


def _summarise_arm(cells: Sequence[Cell], labels: Labels, train_images: int) -> ArmResult:
    """Summarises the cells of one arm at one budget, in the order of their seeds."""
    key = cells[0].key
    mark = mark_of(cells[0], train_images)
    title = arm_name(ARMS[key.arm].title, key.ratio) + (f" ({mark})" if mark else "")
    correct = np.stack([cell.correct for cell in cells])  # (seeds, test images)
    by_seed = {name: tuple(cell.metrics[name] for cell in cells) for name in cells[0].metrics}
    recalls = [_shares(correct[:, labels == label]) for label in range(int(labels.max()) + 1)]
    agreements = [
        cell.generator.label_agreement
        for cell in cells
        if cell.generator and cell.generator.label_agreement is not None
    ]
    copying = [cell.memorisation for cell in cells if cell.memorisation]
    return ArmResult(
        scenario=key.scenario,
        budget=key.budget,
        share=key.share,
        arm=key.arm,
        ratio=key.ratio,
        title=title,
        mark=mark,
        seeds=tuple(cell.key.seed for cell in cells),
        steps=max(cell.steps for cell in cells),
        real_images=round(float(np.mean([cell.real_images for cell in cells]))),
        synthetic_images=round(float(np.mean([cell.synthetic_images for cell in cells]))),
        train_images=round(float(np.mean([cell.train_images for cell in cells]))),
        metrics={name: seed_interval(values) for name, values in by_seed.items()},
        by_seed=by_seed,
        sampling=sampling_interval(float(np.mean(by_seed["accuracy"])), len(labels)),
        by_class=tuple(seed_interval(shares) for shares in recalls),
        by_seed_and_class=tuple(zip(*recalls, strict=True)),
        label_agreement=seed_interval(agreements) if agreements else None,
        memorisation={
            name: float(np.mean([figures[name] for figures in copying])) for name in copying[0]
        }
        if copying
        else None,
        seconds=round(sum(cell.seconds for cell in cells), 1),
    )


class Pairs(NamedTuple):
    """Cells of two arms at one budget, the same seeds in the same order."""

    arm: list[Cell]
    baseline: list[Cell]


def compare_all(cells: Sequence[Cell], labels: Labels, train_images: int) -> tuple[Comparison, ...]:
    """Answers every question that the cells can answer.

    Args:
        cells: finished cells.
        labels: (test images,) of the real test digits.
        train_images: how many real training digits there are, for the marks.

    Returns:
        The comparisons, family by family.
    """
    found: list[Comparison] = []
    for question in QUESTIONS:
        for scenario in question.scenarios:
            of_scenario = [cell for cell in cells if cell.key.scenario == scenario]
            pairs = find_pairs(of_scenario, question.arm, question.baseline)
            for metric in question.metrics:
                found += _compare_family(question, metric, pairs, labels, train_images)
    return tuple(found)


def find_pairs(cells: Sequence[Cell], arm: str, baselines: str | tuple[str, ...]) -> list[Pairs]:
    """Pairs the cells of an arm with those of another, or of several others.

    Args:
        cells: of one scenario.
        arm: the arm that is judged.
        baselines: the arm that it is compared with, or several. One that learns from no real digits
            of the cell stands at a budget of 0, and is paired with every budget.

    Returns:
        One for each budget, ratio and baseline.
    """
    places = dict.fromkeys((c.key.place, c.key.ratio) for c in cells if c.key.arm == arm)
    found = []
    for place, ratio in places:
        here = [cell for cell in cells if cell.key.place == place]
        left = {c.key.seed: c for c in here if c.key.arm == arm and c.key.ratio == ratio}
        for baseline in (baselines,) if isinstance(baselines, str) else baselines:
            beside = [c for c in cells if c.key.budget == 0] if baseline in SOURCE_ARMS else here
            right = {c.key.seed: c for c in beside if c.key.arm == baseline}
            seeds = sorted(set(left) & set(right))
            if seeds:
                found.append(Pairs([left[seed] for seed in seeds], [right[seed] for seed in seeds]))
    return found


def best_baselines(pairs: Sequence[Pairs]) -> list[int]:
    """Picks, of the pairs of each budget and ratio, the one with the best baseline.

    That is the baseline with the most seeds in common with the arm, and of several such ones the
    one that is right most often on the test digits.

    Args:
        pairs: of one arm.

    Returns:
        The positions of the picked ones among the pairs, in ascending order.
    """

    def strength(position: int) -> tuple[int, float]:
        baseline = pairs[position].baseline
        return len(baseline), float(np.mean([cell.correct.mean() for cell in baseline]))

    best: dict[object, int] = {}
    for position, pair in enumerate(pairs):
        place = (pair.arm[0].key.place, pair.arm[0].key.ratio)
        if place not in best or strength(position) > strength(best[place]):
            best[place] = position
    return sorted(best.values())


def _compare_family(
    question: Question, metric: str, pairs: Sequence[Pairs], labels: Labels, train_images: int
) -> list[Comparison]:
    """Compares the pairs of one question in one metric, corrected for their number.

    Of several baselines at one budget only the comparison with the best one is returned.
    """
    family = [
        (contributions(pair.arm, metric, labels), contributions(pair.baseline, metric, labels))
        for pair in pairs
    ]  # (seeds, test images) each
    decisions = holm(family)
    found = []
    for position in best_baselines(pairs):
        pair = pairs[position]
        left, right = family[position]
        decision = decisions[position]
        key = pair.arm[0].key
        difference = paired_difference(left, right)
        by_seed = tuple((left.mean(axis=1) - right.mean(axis=1)).tolist())
        error = 1 - float(right.mean())

        # class by class, with intervals that hold together
        by_class = []
        if metric == "accuracy":
            classes = int(labels.max()) + 1
            level = family_confidence(classes)
            for label in range(classes):
                of_class = labels == label
                by_class.append(paired_difference(left[:, of_class], right[:, of_class], level))
        found.append(
            Comparison(
                scenario=key.scenario,
                budget=key.budget,
                share=key.share,
                arm=question.arm,
                ratio=key.ratio,
                mark=next(filter(None, (mark_of(cell, train_images) for cell in pair.arm)), ""),
                baseline=pair.baseline[0].key.arm,
                question=question.text,
                primary=question.primary and metric == question.metrics[0],
                metric=metric,
                seeds=len(pair.arm),
                difference=difference,
                corrected=decision.estimate,
                confidence=decision.confidence,
                family=len(pairs),
                verdict=decision.verdict,
                by_seed=by_seed,
                over_seeds=seed_interval(by_seed, least=-1.0),
                error_cut=difference.mean / error if error > 0 else None,
                by_class=tuple(by_class),
            )
        )
    return found


def contributions(cells: Sequence[Cell], metric: str, labels: Labels) -> NDArray[Any]:
    """Returns what each test image contributes to a figure of each cell.

    Args:
        cells: finished cells.
        metric: a name of metrics.accuracy.CLASSIFIER_METRICS.
        labels: (test images,) of the real test digits.

    Returns:
        (cells, test images) float64; the mean of a row is the figure of a cell.
    """
    contribute = CLASSIFIER_METRICS[metric].contributions
    return np.stack([contribute(cell.correct, labels, cell.key.minority) for cell in cells])


def summarise_cells(cells: Sequence[Cell], train_images: int) -> tuple[CellResult, ...]:
    """Returns a line of a table for each cell.

    Args:
        cells: finished cells.
        train_images: how many real training digits there are, for the marks.
    """
    return tuple(
        CellResult(
            scenario=cell.key.scenario,
            budget=cell.key.budget,
            share=cell.key.share,
            arm=cell.key.arm,
            ratio=cell.key.ratio,
            mark=mark_of(cell, train_images),
            seed=cell.key.seed,
            steps=cell.steps,
            train_images=cell.train_images,
            seconds=cell.seconds,
            accuracy=cell.metrics["accuracy"],
        )
        for cell in cells
    )


def summarise_agreement(
    readings: Sequence[LabelReadings],
    read: Digits,
    positions: Sequence[int],
    recalls: Sequence[float],
) -> LabelAgreement:
    """Summarises how classifiers read the labels of synthetic images.

    Args:
        readings: one of each classifier.
        read: the synthetic images that they were asked about, n of them.
        positions: (n,) of each of them among the images of the set that were used.
        recalls: (classes,) of the same classifiers on real test digits.
    """
    seen_as = np.stack([reading.seen_as for reading in readings])  # (classifiers, n)
    probability = np.stack([reading.probability for reading in readings])  # (classifiers, n)
    agreed = seen_as == read.labels
    by_seed = _shares(agreed)
    of_class = [read.labels == label for label in range(read.classes)]
    confusion = np.zeros((read.classes, read.classes), np.int64)
    np.add.at(confusion, (np.broadcast_to(read.labels, seen_as.shape), seen_as), 1)
    shares = [float(agreed[:, rows].mean()) if rows.any() else 1.0 for rows in of_class]

    # the images whose labels are believed least
    believed = probability.mean(axis=0, dtype=np.float64)
    suspects = [
        SuspectLabel(
            position=int(positions[row]),
            label=int(read.labels[row]),
            seen_as=int(np.bincount(seen_as[:, row]).argmax()),
            probability=float(believed[row]),
        )
        for row in np.argsort(believed, kind="stable")[:MOST_SUSPECTS]
    ]
    return LabelAgreement(
        images=len(read),
        share=seed_interval(by_seed),
        sampling=sampling_interval(float(np.mean(by_seed)), len(read)),
        by_seed=by_seed,
        by_class=tuple(seed_interval(_shares(agreed[:, rows])) for rows in of_class),
        confusion=tuple(tuple(row) for row in confusion.tolist()),
        failed_classes=failed_classes(shares, [int(rows.sum()) for rows in of_class], recalls),
        suspects=tuple(suspects),
    )


def failed_classes(
    shares: Sequence[float], images: Sequence[int], recalls: Sequence[float]
) -> tuple[int, ...]:
    """Returns the classes that the generator cannot make.

    Their labels are agreed with less often than those of real digits, by more than 5 points beyond
    chance (the upper end of Wilson's interval).

    Args:
        shares: (classes,) agreement with the labels of each class.
        images: (classes,) how many images each share was measured on.
        recalls: (classes,) of the same classifiers on real test digits.

    Example:
        >>> failed_classes([0.97, 0.6], [1000, 1000], [0.99, 0.99])
        (1,)
    """
    failed = []
    for label, (share, count) in enumerate(zip(shares, images, strict=True)):
        highest = sampling_interval(share, count).high or 1.0
        if highest < recalls[label] - FAILED_MARGIN:
            failed.append(label)
    return tuple(failed)


def generators_of(cells: Sequence[Cell]) -> Mapping[str, Cell]:
    """Returns one cell of each generator that any of the cells learnt from, by its identity."""
    return {cell.generator.checkpoint_sha256: cell for cell in cells if cell.generator}


def _shares(correct: NDArray[np.bool_]) -> tuple[float, ...]:
    """Returns the share of each row that is true: (seeds, images) -> one figure a seed."""
    return tuple(correct.mean(axis=1).tolist())
