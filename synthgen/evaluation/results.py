"""What an evaluation found: frozen values that survive a trip through JSON, and how they are computed from the cells."""

import dataclasses
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from synthgen.datasets.digits import Labels
from synthgen.errors import DataError
from synthgen.evaluation.arms import ARMS, BASELINE, Cell
from synthgen.evaluation.verdict import Estimate, family_confidence, paired_difference, sampling_interval, seed_interval, verdict

FORMAT = "synthgen-evaluation/1"


@dataclass(frozen=True, kw_only=True)
class ArmResult:
    """The test accuracy of one arm.

    Args:
        arm: a key of ARMS.
        train_images: size of its training set.
        accuracy: mean over seeds, interval over seeds.
        sampling: the same mean, interval of the choice of test images.
        by_seed: one accuracy per seed.
        per_class: of each class, mean over seeds, interval over seeds.
        by_seed_and_class: accuracies of each class, one row per seed.
    """

    arm: str
    train_images: int
    accuracy: Estimate
    sampling: Estimate
    by_seed: tuple[float, ...]
    per_class: tuple[Estimate, ...]
    by_seed_and_class: tuple[tuple[float, ...], ...]


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """An arm against the real digits alone.

    Args:
        arm: a key of ARMS.
        baseline: the arm that it is compared with.
        verdict: "helps", "no effect", "hurts" or, for a single seed, "undecided".
        difference: of accuracies, interval over seeds and test images together; it decides the verdict.
        over_seeds: the same mean, interval over seeds alone.
        by_seed: one difference per seed.
        per_class: as `difference`, of each class; these intervals hold for all classes together (Bonferroni).
    """

    arm: str
    baseline: str
    verdict: str
    difference: Estimate
    over_seeds: Estimate
    by_seed: tuple[float, ...]
    per_class: tuple[Estimate, ...]


@dataclass(frozen=True, kw_only=True)
class Agreement:
    """How often classifiers trained on real digits alone see the digit that a synthetic image is labelled as.

    Args:
        images: synthetic images asked about, by each of the classifiers.
        share: mean over the classifiers (one a seed), interval over them.
        sampling: the same mean, interval of the choice of synthetic images.
        by_seed: one share per classifier.
        per_class: of each label, mean and interval over the classifiers.
        confusion: counts by label (row) and prediction (column), summed over the classifiers.
    """

    images: int
    share: Estimate
    sampling: Estimate
    by_seed: tuple[float, ...]
    per_class: tuple[Estimate, ...]
    confusion: tuple[tuple[int, ...], ...]


@dataclass(frozen=True, kw_only=True)
class Evaluation:
    """Everything that is known about the worth of a set; `evaluation.json` holds it.

    Args:
        name: of the set.
        created: when it was finished, UTC, ISO 8601.
        fingerprint: of data, settings, classifier and versions: with the same one there is nothing to do again.
        settings: the evaluation settings, with `steps`, `batch` and `seeds` as they were used.
        class_names: one name a class.
        real: source, sha256 and counts of the real digits.
        synthetic: sha256 and counts of the synthetic set, and how much of it was used.
        arms: test accuracy of each arm.
        comparisons: each other arm against the real digits alone.
        agreement: of labels.
        cells: arm, seed, steps, seconds and accuracy of every training.
        versions: of everything that can change a figure.
        seconds: of all trainings and predictions together.
    """

    name: str
    created: str
    fingerprint: str
    settings: Mapping[str, Any]
    class_names: tuple[str, ...]
    real: Mapping[str, Any]
    synthetic: Mapping[str, Any]
    arms: tuple[ArmResult, ...]
    comparisons: tuple[Comparison, ...]
    agreement: Agreement
    cells: tuple[Mapping[str, Any], ...]
    versions: Mapping[str, str]
    seconds: float

    def to_json(self) -> bytes:
        """The content of evaluation.json."""
        return (json.dumps({"format": FORMAT} | dataclasses.asdict(self), indent=1, allow_nan=False) + "\n").encode()


def read_evaluation(content: bytes) -> Evaluation:
    """The evaluation that an evaluation.json holds.

    Args:
        content: of the file.

    Raises:
        DataError: if it is something else, damaged, or of another version.
    """
    try:
        plain = json.loads(content)
        if plain.pop("format", None) != FORMAT:
            raise ValueError(f"its format is not {FORMAT}")
        return Evaluation(**plain | _typed(plain))
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise DataError(
            f"Expected an evaluation.json of this version of synthgen, received something else: {error}. Evaluate the set again."
        ) from error


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


def compare(cells: Sequence[Cell], baseline: Sequence[Cell], labels: Labels, classes: int) -> Comparison:
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
        over_seeds=seed_interval(by_seed),
        by_seed=by_seed,
        per_class=tuple(paired_difference(left[:, rows], right[:, rows], each) for rows in of_class),
    )


def summarise_agreement(confusions: Sequence[NDArray[np.int64]]) -> Agreement:
    """Label agreement from one (classes, classes) table of counts (label, prediction) per classifier."""
    images = int(confusions[0].sum())
    by_seed = tuple(float(np.trace(table)) / images for table in confusions)
    per_class = np.array([np.diag(table) / table.sum(axis=1) for table in confusions])  # (seeds, classes)
    return Agreement(
        images=images,
        share=seed_interval(by_seed),
        sampling=sampling_interval(float(np.mean(by_seed)), images),
        by_seed=by_seed,
        per_class=tuple(seed_interval(shares) for shares in per_class.T.tolist()),
        confusion=tuple(map(tuple, np.sum(confusions, axis=0).tolist())),
    )


def summarise(cells: Sequence[Cell], labels: Labels, classes: int) -> dict[str, Any]:
    """The fields `arms`, `comparisons`, `agreement`, `cells` and `seconds` of an Evaluation."""
    of_arm = {arm: [cell for cell in cells if cell.arm == arm] for arm in ARMS}
    return {
        "arms": tuple(summarise_arm(of_arm[arm], labels, classes) for arm in ARMS),
        "comparisons": tuple(compare(of_arm[arm], of_arm[BASELINE], labels, classes) for arm in ARMS if arm != BASELINE),
        "agreement": summarise_agreement([cell.confusion for cell in of_arm[BASELINE] if cell.confusion is not None]),
        "cells": tuple(_line(cell, labels) for cell in cells),
        "seconds": round(sum(cell.seconds for cell in cells), 1),
    }


def _line(cell: Cell, labels: Labels) -> dict[str, Any]:
    accuracy = float((cell.predictions == labels).mean())
    return {name: getattr(cell, name) for name in ("arm", "seed", "steps", "train_images", "seconds")} | {"accuracy": accuracy}


def _correct(cells: Sequence[Cell], labels: Labels) -> NDArray[np.bool_]:
    return np.stack([cell.predictions == labels for cell in cells])  # (seeds, test images)


def _shares(correct: NDArray[np.bool_]) -> tuple[float, ...]:
    return tuple(correct.mean(axis=1).tolist())


def _typed(plain: dict[str, Any]) -> dict[str, Any]:
    """The fields that JSON turned into lists and dictionaries, as they were."""
    return {
        "class_names": tuple(plain["class_names"]),
        "arms": tuple(ArmResult(**_restored(arm)) for arm in plain["arms"]),
        "comparisons": tuple(Comparison(**_restored(comparison)) for comparison in plain["comparisons"]),
        "agreement": Agreement(**_restored(plain["agreement"])),
        "cells": tuple(plain["cells"]),
    }


def _restored(value: Any) -> Any:
    """Lists as tuples, and dictionaries with a mean as estimates, all the way down."""
    if isinstance(value, list):
        return tuple(_restored(item) for item in value)
    if not isinstance(value, dict):
        return value
    inner = {name: _restored(item) for name, item in value.items()}
    return Estimate(**inner) if "mean" in inner else inner
