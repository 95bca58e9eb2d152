"""What an evaluation or a benchmark found: frozen values that survive a trip through JSON.

`Evaluation` is written to evaluation.json, `BenchmarkSummary` to benchmark.json. Both hold arms and
comparisons of the same types: an evaluation is a benchmark of one scenario, together with what was
measured on the images and what the classifiers read on them.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from synthgen.config import BenchmarkSettings, EvaluationSettings
from synthgen.errors import DataError, RecordError
from synthgen.evaluation.arms import ARMS
from synthgen.evaluation.scenarios import TRANSFER
from synthgen.evaluation.two_sample import TwoSample
from synthgen.metrics.fidelity import FidelityFigure
from synthgen.metrics.intervals import Estimate, seed_interval
from synthgen.metrics.memorisation import KNOWLEDGE, SEEN, Memorisation
from synthgen.metrics.pixel_statistics import Histogram, PixelStatistic
from synthgen.records import from_json, to_json

EVALUATION_FORMAT = "synthgen-evaluation/3"
BENCHMARK_FORMAT = "synthgen-benchmark/2"
EVALUATION_FILE = "evaluation.json"
BENCHMARK_FILE = "benchmark.json"
REPORT_FILE = "report.html"
LABELS_SAVED_AT = 5  # own images of each class whose worth with a generator is stated in labels


@dataclass(frozen=True, kw_only=True)
class ArmResult:
    """How the classifiers of one arm did at one budget, one classifier a seed.

    Args:
        scenario: "this-set", "grid", "imbalance", "long-tail" or "stand-in".
        budget: real images of each class, "all", or "4000-40" for a long tail.
        share: imbalance: per cent left of the class that is cut; else None.
        arm: a key of arms.ARMS.
        ratio: synthetic images for one real image; 0 for an arm without any; None where that is
            not chosen.
        title: of the arm, for people, with its ratio and mark.
        mark: what the generator has seen that the classifiers have not; "" for nothing.
        seeds: of the classifiers.
        steps: gradient steps.
        real_images: in the training set, mean over the seeds.
        synthetic_images: in the training set, mean over the seeds.
        train_images: in the training set, repetitions included, mean over the seeds.
        metrics: by name of metrics.accuracy.CLASSIFIER_METRICS, 0..1: mean and interval over the
            seeds.
        by_seed: by name of CLASSIFIER_METRICS: one figure a seed.
        sampling: the accuracy once more, with the interval of the choice of test images.
        by_class: share of each class that is recognised: mean and interval over the seeds.
        by_seed_and_class: share of each class that is recognised, one row a seed.
        label_agreement: of arms with synthetic images: share of these whose label is what the digit
            network reads; None if it was not asked.
        memorisation: signs that the synthetic digits copy the real ones, each with its control,
            means over the seeds; None where they were not looked for.
        seconds: of all classifiers of the arm.
    """

    scenario: str
    budget: int | str
    share: float | None
    arm: str
    ratio: int | None
    title: str
    mark: str
    seeds: tuple[int, ...]
    steps: int
    real_images: int
    synthetic_images: int
    train_images: int
    metrics: Mapping[str, Estimate]
    by_seed: Mapping[str, tuple[float, ...]]
    sampling: Estimate
    by_class: tuple[Estimate, ...]
    by_seed_and_class: tuple[tuple[float, ...], ...]
    label_agreement: Estimate | None
    memorisation: Mapping[str, float] | None
    seconds: float

    @property
    def accuracy(self) -> Estimate:
        """Share of the test images that are recognised, mean and interval over the seeds."""
        return self.metrics["accuracy"]


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """Two arms at one budget, over paired seeds.

    Args:
        scenario: "this-set", "grid", "imbalance", "long-tail" or "stand-in".
        budget: real images of each class, "all", or "4000-40" for a long tail.
        share: imbalance: per cent left of the class that is cut; else None.
        arm: the arm that is judged, a key of arms.ARMS.
        ratio: of that arm: synthetic images for one real image, 0 or None.
        mark: what its generator has seen that the classifiers have not; "" for nothing.
        baseline: the arm that it is compared with.
        question: that the comparison answers. All comparisons of one scenario, question and metric
            are a family.
        primary: whether it belongs to the headline of its scenario.
        metric: a name of metrics.accuracy.CLASSIFIER_METRICS.
        seeds: number of pairs.
        difference: arm minus baseline, with the 95 % interval over seeds and test images together.
        corrected: the same difference with the interval at the level that Holm's procedure gives it
            within its family; it decides the verdict.
        confidence: that level.
        family: number of comparisons of the family: one for each budget and ratio, and where the
            baseline is the best of several, for each of these.
        verdict: "helps", "no effect", "hurts" or, for a single seed, "undecided".
        by_seed: one difference a seed.
        over_seeds: the difference with the 95 % interval over seeds alone.
        error_cut: the difference as a share of the baseline's error: 0.15 is 15 % fewer errors;
            None if it makes none.
        by_class: difference of the recall of each class, with intervals that hold for all classes
            together (Bonferroni); of the metric "accuracy" only, else empty.
    """

    scenario: str
    budget: int | str
    share: float | None
    arm: str
    ratio: int | None
    mark: str
    baseline: str
    question: str
    primary: bool
    metric: str
    seeds: int
    difference: Estimate
    corrected: Estimate
    confidence: float
    family: int
    verdict: str
    by_seed: tuple[float, ...]
    over_seeds: Estimate
    error_cut: float | None
    by_class: tuple[Estimate, ...]


@dataclass(frozen=True, kw_only=True)
class CellResult:
    """One trained classifier, as a line of a table.

    Args:
        scenario: "this-set", "grid", "imbalance", "long-tail" or "stand-in".
        budget: real images of each class, "all", or "4000-40" for a long tail.
        share: imbalance: per cent left of the class that is cut; else None.
        arm: a key of arms.ARMS.
        ratio: synthetic images for one real image, 0 or None.
        mark: what its generator has seen that it has not; "" for nothing.
        seed: of the training.
        steps: gradient steps.
        train_images: in the training set.
        seconds: of training and predictions.
        accuracy: on the real test digits, 0..1.
    """

    scenario: str
    budget: int | str
    share: float | None
    arm: str
    ratio: int | None
    mark: str
    seed: int
    steps: int
    train_images: int
    seconds: float
    accuracy: float


@dataclass(frozen=True, kw_only=True)
class RealSummary:
    """The real digits of an evaluation or a benchmark.

    Args:
        source: where they come from, in words.
        sha256: of all of them.
        train: number of training digits.
        validation: number of validation digits.
        test: number of test digits.
    """

    source: str
    sha256: str
    train: int
    validation: int
    test: int


@dataclass(frozen=True, kw_only=True)
class Measures:
    """What was measured on the images themselves.

    Args:
        features: name, sha256, size and validation accuracy of the feature network, and what it was
            trained on.
        fidelity: figures overall, then class by class.
        pixels: properties of the images.
        background: grey levels of all pixels.
        two_sample: whether a classifier can tell synthetic from real digits; None if there were too
            few of them.
        memorisation: signs that training images were copied; None if there were too few images.
        errors: why one of them is None, by its name.
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


@dataclass(frozen=True, kw_only=True)
class SuspectLabel:
    """A synthetic image that the classifiers do not believe to be what its label says.

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
class LabelAgreement:
    """How often classifiers of real digits alone see what the label of a synthetic image says.

    Args:
        images: synthetic images that each of the classifiers was asked about.
        share: mean over the classifiers (one a seed), with the interval over them.
        sampling: the same mean, with the interval of the choice of synthetic images.
        by_seed: one share a classifier.
        by_class: of each label: mean and interval over the classifiers.
        confusion: counts by label (row) and prediction (column), summed over the classifiers.
        failed_classes: those that the generator cannot make (see `summary.failed_classes`).
        suspects: up to 50 images whose labels are believed least, the least believed first.
    """

    images: int
    share: Estimate
    sampling: Estimate
    by_seed: tuple[float, ...]
    by_class: tuple[Estimate, ...]
    confusion: tuple[tuple[int, ...], ...]
    failed_classes: tuple[int, ...]
    suspects: tuple[SuspectLabel, ...]


@dataclass(frozen=True, kw_only=True)
class SyntheticSummary:
    """The synthetic set of an evaluation.

    Args:
        sha256: identity of the whole set.
        images: number of images in the whole set.
        used: number of images that were used: the first ones of each class.
        per_class: number of images of each class in the whole set.
        generator_trained_on: sha256, source and number of the images that the generator was trained
            on; empty if that is not known.
        generator_saw_only_real_train: whether these were exactly the real training digits.
        screening: what came of drawing duplicates and memorised images again, in words; "" where
            that was not done.
    """

    sha256: str
    images: int
    used: int
    per_class: tuple[int, ...]
    generator_trained_on: Mapping[str, Any]
    generator_saw_only_real_train: bool
    screening: str = ""


@dataclass(frozen=True, kw_only=True)
class Results:
    """What an evaluation and a benchmark have in common.

    Args:
        name: of the set, or of the benchmark.
        created: when it was finished, UTC, ISO 8601.
        fingerprint: of everything that decides it: with the same one there is nothing to do again.
        class_names: one name a class.
        real: the real digits.
        classifier: recipe of the classifiers.
        versions: of everything that can change a figure.
        machine: that made the summary.
        arms: how each arm did, in the order of scenarios, budgets and arms.
        comparisons: of two arms each, question by question.
        cells: every trained classifier.
        seconds: of all trainings and predictions; of a benchmark its generators included.
    """

    name: str
    created: str
    fingerprint: str
    class_names: tuple[str, ...]
    real: RealSummary
    classifier: Mapping[str, Any]
    versions: Mapping[str, str]
    machine: Mapping[str, Any]
    arms: tuple[ArmResult, ...]
    comparisons: tuple[Comparison, ...]
    cells: tuple[CellResult, ...]
    seconds: float

    def __post_init__(self) -> None:
        named = {arm.arm for arm in self.arms} | {compared.arm for compared in self.comparisons}
        unknown = named - {*ARMS}
        if unknown or not all("accuracy" in arm.metrics for arm in self.arms):
            raise RecordError(
                f"expected arms among {', '.join(ARMS)}, each with an accuracy, received "
                f"{min(unknown) if unknown else 'one without'!r}."
            )


@dataclass(frozen=True, kw_only=True)
class Evaluation(Results):
    """What a synthetic set is worth; evaluation.json holds it.

    Args:
        settings: of the evaluation.
        seeds: the paired seeds.
        steps: gradient steps of every arm.
        batch: images per gradient step.
        synthetic: the set.
        measures: what was measured on the images.
        agreement: whether the labels can be trusted.
    """

    settings: EvaluationSettings
    seeds: tuple[int, ...]
    steps: int
    batch: int
    synthetic: SyntheticSummary
    measures: Measures
    agreement: LabelAgreement

    def __post_init__(self) -> None:
        super().__post_init__()
        classes = len(self.class_names)
        saw = self.measures.memorisation.generator_saw if self.measures.memorisation else SEEN
        if not classes or len(self.agreement.by_class) != classes or saw not in KNOWLEDGE:
            raise RecordError(
                "expected a share of labels of each class, and what the generator saw: "
                f"{', '.join(KNOWLEDGE)}; received {classes} classes, "
                f"{len(self.agreement.by_class)} shares and {saw!r}."
            )

    def arm(self, arm: str) -> ArmResult | None:
        """Returns how an arm did; None if it was not trained."""
        return next((result for result in self.arms if result.arm == arm), None)

    def comparison(self, arm: str, baseline: str) -> Comparison | None:
        """Returns an arm against another; None if one of them was not trained."""
        for comparison in self.comparisons:
            if (comparison.arm, comparison.baseline) == (arm, baseline):
                return comparison
        return None

    @property
    def verdicts(self) -> dict[str, str]:
        """The verdict of each comparison, such as {"real_synthetic against real": "no effect"}."""
        return {f"{c.arm} against {c.baseline}": c.verdict for c in self.comparisons}

    def to_json(self) -> bytes:
        """Returns the content of evaluation.json."""
        return to_json(self, format=EVALUATION_FORMAT, indent=1)


@dataclass(frozen=True, kw_only=True)
class FigureValue:
    """A figure that gates may ask for.

    Args:
        value: None if it could not be measured.
        where: where it stands if it is the smallest or largest of several; else "".
    """

    value: float | None
    where: str = ""


@dataclass(frozen=True, kw_only=True)
class GateResult:
    """A gate and what came of it.

    Args:
        text: as the user wrote it.
        name: of the figure.
        figure: its value; None if it could not be measured.
        where: where the figure stands, see FigureValue.
        failed: whether the run failed the gate.
    """

    text: str
    name: str
    figure: float | None
    where: str
    failed: bool


@dataclass(frozen=True, kw_only=True)
class GeneratorsSummary:
    """The generators of a benchmark.

    Args:
        kind: where the synthetic digits come from, see `generators.SyntheticRecord`; "none" if no
            cell learns from any.
        preset: the recipe of the generators, if it is known.
        count: how many generators there are.
    """

    kind: str
    preset: str | None
    count: int


@dataclass(frozen=True, kw_only=True)
class LabelsSaved:
    """How many labels a generator of other hands is worth.

    Args:
        budget: own images of each class that the arm `source` had.
        accuracy: what it came to with these, 0..1.
        reached_at: the fewest own images of each class with which distortions alone (`classical`)
            come to as much; None if no budget that was measured does. A point estimate.
        most: the most own images of each class that `classical` was measured with.
        least: the fewest with which, by the 95 % interval over the shared seeds, they may come to
            as much; None without an interval, and where they never may.
        surely: the fewest with which by that interval they come to more; None where they never do.
    """

    budget: int
    accuracy: float
    reached_at: int | None
    most: int
    least: int | None = None
    surely: int | None = None


@dataclass(frozen=True, kw_only=True)
class BenchmarkSummary(Results):
    """What a benchmark found; benchmark.json holds it.

    Args:
        settings: of the benchmark.
        generators: where the synthetic digits come from.
        notes: what was left out and why, and what else a reader must know.
        figures: that gates may ask for, by name.
        gates: that were asked for.
    """

    settings: BenchmarkSettings
    generators: GeneratorsSummary
    notes: tuple[str, ...]
    figures: Mapping[str, FigureValue]
    gates: tuple[GateResult, ...]

    @property
    def labels_saved(self) -> LabelsSaved | None:
        """What the generator of transfer is worth in labels; None if that was not measured."""
        found: dict[str, dict[int, ArmResult]] = {"source": {}, "classical": {}}
        for arm in self.arms:
            if arm.scenario == TRANSFER and arm.arm in found and isinstance(arm.budget, int):
                found[arm.arm][arm.budget] = arm
        alone = found["classical"]
        source = found["source"].get(LABELS_SAVED_AT)
        if source is None or not alone:
            return None

        # what distortions alone lack at each budget, seed by seed
        goal = dict(zip(source.seeds, source.by_seed["accuracy"], strict=True))
        maybe = []
        surely = []
        for budget, arm in alone.items():
            reached = zip(arm.seeds, arm.by_seed["accuracy"], strict=True)
            gains = [accuracy - goal[seed] for seed, accuracy in reached if seed in goal]
            gain = seed_interval(gains, least=-1.0) if gains else None
            if gain is None or gain.low is None or gain.high is None:
                continue
            if gain.high >= 0:
                maybe.append(budget)
            if gain.low > 0:
                surely.append(budget)
        accuracy = source.accuracy.mean
        reached_at = [budget for budget, arm in alone.items() if arm.accuracy.mean >= accuracy]
        return LabelsSaved(
            budget=LABELS_SAVED_AT,
            accuracy=accuracy,
            reached_at=min(reached_at, default=None),
            most=max(alone),
            least=min(maybe, default=None),
            surely=min(surely, default=None),
        )

    def to_json(self) -> bytes:
        """Returns the content of benchmark.json."""
        return to_json(self, format=BENCHMARK_FORMAT, indent=1)


def read_evaluation(content: bytes) -> Evaluation:
    """Reads the content of an evaluation.json.

    Raises:
        DataError: if it is something else, damaged, or of another version.
    """
    try:
        return from_json(Evaluation, content, format=EVALUATION_FORMAT)
    except RecordError as error:
        raise DataError(
            "Expected an evaluation.json of this version of synthgen, received something else: "
            f"{error} Evaluate the set again."
        ) from error


def read_benchmark(content: bytes) -> BenchmarkSummary:
    """Reads the content of a benchmark.json.

    Raises:
        DataError: if it is something else, damaged, or of another version.
    """
    try:
        return from_json(BenchmarkSummary, content, format=BENCHMARK_FORMAT)
    except RecordError as error:
        raise DataError(
            "Expected a benchmark.json of this version of synthgen, received something else: "
            f"{error} Run the benchmark again."
        ) from error
