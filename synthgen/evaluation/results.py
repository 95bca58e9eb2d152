"""What an evaluation found: frozen values that survive a trip through JSON."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from synthgen.errors import DataError, RecordError
from synthgen.evaluation.two_sample import TwoSample
from synthgen.metrics.fidelity import FidelityFigure
from synthgen.metrics.intervals import Estimate
from synthgen.metrics.memorisation import Memorisation
from synthgen.metrics.pixel_statistics import Histogram, PixelStatistic
from synthgen.records import from_json, to_json


@dataclass(frozen=True, kw_only=True)
class Measures:
    """Everything that was measured on the images themselves.

    Args:
        features: name, sha256, size and validation accuracy of the feature network, and what it was
            trained on.
        fidelity: figures overall, then class by class.
        pixels: properties of the images.
        background: grey levels of all pixels.
        two_sample: can a classifier tell synthetic from real?
        memorisation: are there copies of training images?
        errors: why a part (two_sample, memorisation) is None, by its name.
        seconds_measuring: of each part.
    """

    features: Mapping[str, Any]
    fidelity: tuple[FidelityFigure, ...]
    pixels: tuple[PixelStatistic, ...]
    background: Histogram
    two_sample: TwoSample | None
    memorisation: Memorisation | None
    errors: Mapping[str, str]
    seconds_measuring: Mapping[str, float]


FORMAT = "synthgen-evaluation/2"


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
    """An arm against another one.

    Args:
        arm: a key of ARMS.
        baseline: the arm that it is compared with.
        verdict: "helps", "no effect", "hurts" or, for a single seed, "undecided".
        difference: of accuracies, interval over seeds and test images together; it decides the
            verdict.
        over_seeds: the same mean, interval over seeds alone.
        by_seed: one difference per seed.
        per_class: as `difference`, of each class; these intervals hold for all classes together
            (Bonferroni).
    """

    arm: str
    baseline: str
    verdict: str
    difference: Estimate
    over_seeds: Estimate
    by_seed: tuple[float, ...]
    per_class: tuple[Estimate, ...]


@dataclass(frozen=True, kw_only=True)
class Doubtful:
    """A synthetic image that the judging classifiers do not believe to be what its label says.

    Args:
        position: of the image among the images that were used.
        label: its class.
        seen_as: the class that most of the classifiers see.
        probability: of its label, the mean of the classifiers, 0..1.
    """

    position: int
    label: int
    seen_as: int
    probability: float


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
        failed_classes: those that the generator cannot make (see `summary.failed_classes`).
        doubtful: up to 50 images, the most doubtful first.
    """

    images: int
    share: Estimate
    sampling: Estimate
    by_seed: tuple[float, ...]
    per_class: tuple[Estimate, ...]
    confusion: tuple[tuple[int, ...], ...]
    failed_classes: tuple[int, ...]
    doubtful: tuple[Doubtful, ...]


@dataclass(frozen=True, kw_only=True)
class Evaluation(Measures):
    """Everything that is known about the worth of a set; `evaluation.json` holds it.

    To the fields of `Measures` it adds what the trainings tell:

    Args:
        name: of the set.
        created: when it was finished, UTC, ISO 8601.
        fingerprint: of data, settings, classifier and versions: with the same one there is nothing
            to do again.
        settings: the evaluation settings, with `steps`, `batch` and `seeds` as they were used.
        class_names: one name a class.
        real: source, sha256 and counts of the real digits.
        synthetic: sha256 and counts of the synthetic set, and how much of it was used.
        arms: test accuracy of each arm.
        comparisons: each other arm against the real digits alone.
        beyond_classical: the arm `both` against `classical`, where both were trained: what
            synthetic digits add to augmentation.
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
    beyond_classical: Comparison | None
    agreement: Agreement
    cells: tuple[Mapping[str, Any], ...]
    versions: Mapping[str, str]
    seconds: float

    def to_json(self) -> bytes:
        """The content of evaluation.json."""
        return to_json(self, format=FORMAT, indent=1)


def read_evaluation(content: bytes) -> Evaluation:
    """The evaluation that an evaluation.json holds.

    Args:
        content: of the file.

    Raises:
        DataError: if it is something else, damaged, or of another version.
    """
    try:
        return from_json(Evaluation, content, format=FORMAT)
    except RecordError as error:
        raise DataError(
            f"Expected an evaluation.json of this version of synthgen, received something else: {error} Evaluate the set again."
        ) from error
