"""From cells to results: accuracies of the arms, paired differences, agreement of labels. Pure functions."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from synthgen.datasets.digits import Digits, Labels
from synthgen.evaluation.arms import ARMS, BASELINE, Cell
from synthgen.evaluation.results import Agreement, ArmResult, Comparison, Doubtful
from synthgen.metrics.intervals import (
    family_confidence,
    paired_difference,
    sampling_interval,
    seed_interval,
    verdict,
)

MARGIN = 0.05  # of agreement below that of real digits, from which on a class counts as failed
DOUBTFUL = 50  # images


def summarise_arm(cells: Sequence[Cell], labels: Labels, classes: int) -> ArmResult:
    """Accuracies of the cells of one arm, one cell per seed.

    Args:
        cells: in the order of the seeds.
        labels: (test images,) of the test digits.
        classes: number of classes.
    """
    correct = _correct(cells, labels)
    by_seed = _shares(correct)
    by_class = [_shares(correct[:, labels == label]) for label in range(classes)]
    return ArmResult(
        arm=cells[0].arm,
        train_images=cells[0].train_images,
        accuracy=seed_interval(by_seed),
        sampling=sampling_interval(float(np.mean(by_seed)), len(labels)),
        by_seed=by_seed,
        per_class=tuple(seed_interval(shares) for shares in by_class),
        by_seed_and_class=tuple(zip(*by_class, strict=True)),
    )


def compare(
    cells: Sequence[Cell], baseline: Sequence[Cell], labels: Labels, classes: int
) -> Comparison:
    """One arm against another, seed by seed and image by image.

    Args:
        cells: of the arm, in the order of the seeds.
        baseline: of the other arm, the same seeds in the same order.
        labels: (test images,) of the test digits.
        classes: number of classes.
    """
    left, right = _correct(cells, labels), _correct(baseline, labels)
    difference = paired_difference(left, right)
    by_seed = tuple((left.mean(axis=1) - right.mean(axis=1)).tolist())
    each = family_confidence(classes)
    of_class = [labels == label for label in range(classes)]
    return Comparison(
        arm=cells[0].arm,
        baseline=baseline[0].arm,
        verdict=verdict(difference),
        difference=difference,
        over_seeds=seed_interval(by_seed, least=-1.0),
        by_seed=by_seed,
        per_class=tuple(
            paired_difference(left[:, rows], right[:, rows], each) for rows in of_class
        ),
    )


def summarise_agreement(
    seen_as: NDArray[np.uint8],
    belief: NDArray[np.floating],
    asked: Digits,
    positions: Sequence[int],
    accuracies: Sequence[float],
) -> Agreement:
    """Label agreement of the synthetic images that classifiers were asked about.

    Args:
        seen_as: (classifiers, n) most probable class of each image.
        belief: (classifiers, n) probability of its label.
        asked: the images.
        positions: of each of them among the images that were used.
        accuracies: (classes,) of the same classifiers on real test digits.
    """
    agreed = seen_as == asked.labels
    by_seed = _shares(agreed)
    of_class = [asked.labels == label for label in range(asked.classes)]
    confusion = np.zeros((asked.classes, asked.classes), np.int64)
    np.add.at(confusion, (np.broadcast_to(asked.labels, seen_as.shape), seen_as), 1)
    shares = [agreed[:, rows].mean() if rows.any() else 1.0 for rows in of_class]
    return Agreement(
        images=len(asked),
        share=seed_interval(by_seed),
        sampling=sampling_interval(float(np.mean(by_seed)), len(asked)),
        by_seed=by_seed,
        per_class=tuple(seed_interval(_shares(agreed[:, rows])) for rows in of_class),
        confusion=tuple(map(tuple, confusion.tolist())),
        failed_classes=failed_classes(shares, [int(rows.sum()) for rows in of_class], accuracies),
        doubtful=_doubtful(seen_as, belief, asked, positions),
    )


def failed_classes(
    shares: Sequence[float], images: Sequence[int], accuracies: Sequence[float]
) -> tuple[int, ...]:
    """Classes that the generator cannot make: their labels are agreed with less than those of real digits, by more than 5 points beyond chance.

    Args:
        shares: agreement with each class.
        images: that it was measured on.
        accuracies: of the same classifiers on real test digits of each class.

    Example:
        >>> failed_classes([0.97, 0.6], [1000, 1000], [0.99, 0.99])
        (1,)
    """
    highest = [
        sampling_interval(float(share), count).high or 1.0
        for share, count in zip(shares, images, strict=True)
    ]
    return tuple(label for label, high in enumerate(highest) if high < accuracies[label] - MARGIN)


def _doubtful(
    seen_as: NDArray[np.uint8],
    belief: NDArray[np.floating],
    asked: Digits,
    positions: Sequence[int],
) -> tuple[Doubtful, ...]:
    """The images whose labels the classifiers believe least."""
    mean = belief.mean(axis=0, dtype=np.float64)
    rows = np.argsort(mean, kind="stable")[:DOUBTFUL]
    return tuple(
        Doubtful(
            position=int(positions[row]),
            label=int(asked.labels[row]),
            seen_as=int(np.bincount(seen_as[:, row]).argmax()),
            probability=float(mean[row]),
        )
        for row in rows
    )


def summarise(
    cells: Sequence[Cell], test: Digits, asked: Digits, positions: Sequence[int]
) -> dict[str, Any]:
    """The fields `arms`, `comparisons`, `beyond_classical`, `agreement`, `cells` and `seconds` of an Evaluation.

    Args:
        cells: of all arms that were trained, the same seeds of each.
        test: the real test digits.
        asked: the synthetic digits that the classifiers of the `real` arm were asked about.
        positions: of each of them among the images that were used.
    """
    arms = [arm for arm in ARMS if any(cell.arm == arm for cell in cells)]
    of_arm = {arm: [cell for cell in cells if cell.arm == arm] for arm in arms}
    results = {arm: summarise_arm(of_arm[arm], test.labels, test.classes) for arm in arms}
    judges = [
        (cell.seen_as, cell.belief)
        for cell in of_arm[BASELINE]
        if cell.seen_as is not None and cell.belief is not None
    ]
    seen_as, belief = (np.stack(side) for side in zip(*judges, strict=True))
    both = {"both", "classical"} <= set(arms)
    return {
        "arms": tuple(results.values()),
        "comparisons": tuple(
            compare(of_arm[arm], of_arm[BASELINE], test.labels, test.classes)
            for arm in arms
            if arm != BASELINE
        ),
        "beyond_classical": compare(of_arm["both"], of_arm["classical"], test.labels, test.classes)
        if both
        else None,
        "agreement": summarise_agreement(
            seen_as,
            belief,
            asked,
            positions,
            [estimate.mean for estimate in results[BASELINE].per_class],
        ),
        "cells": tuple(_line(cell, test.labels) for cell in cells),
        "seconds": round(sum(cell.seconds for cell in cells), 1),
    }


def _line(cell: Cell, labels: Labels) -> dict[str, Any]:
    accuracy = float((cell.predictions == labels).mean())
    return {
        name: getattr(cell, name) for name in ("arm", "seed", "steps", "train_images", "seconds")
    } | {"accuracy": accuracy}


def _correct(cells: Sequence[Cell], labels: Labels) -> NDArray[np.bool_]:
    return np.stack([cell.predictions == labels for cell in cells])  # (seeds, test images)


def _shares(correct: NDArray[np.bool_]) -> tuple[float, ...]:
    return tuple(correct.mean(axis=1).tolist())
