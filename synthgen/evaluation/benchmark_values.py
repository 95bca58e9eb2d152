"""What a benchmark found: frozen values that survive a trip through JSON; `benchmark.json` holds them."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from synthgen.errors import DataError, RecordError
from synthgen.metrics.intervals import Estimate
from synthgen.records import from_json, to_json

FORMAT = "synthgen-benchmark/1"


@dataclass(frozen=True, kw_only=True)
class ArmFigure:
    """One arm at one budget: the mean of its cells.

    Args:
        scenario: "grid", "imbalance", "long-tail" or "stand-in".
        per_class: real images of each class, "all", or "4000-40".
        share: imbalance: per cent left of the class that is cut; else None.
        arm: a key of arms.ARMS.
        ratio: synthetic images for one real one; 0 for an arm without, None for a top-up.
        title: of the arm, for people, with its ratio and mark.
        seeds: of the cells.
        steps: gradient steps.
        real_images: in the training set, mean.
        synthetic_images: in the training set, mean.
        metrics: by name of metrics.METRICS, 0..1, interval over the seeds.
        by_seed: the same, one figure a seed.
        label_agreement: of arms with synthetic images: share in which the judge, a classifier
            trained on all real training digits, sees the label.
        memorisation: of the stand-in: figures with their real control, means over the seeds.
        seconds: of all its cells.
        mark: "", or what the generator has seen that a cell's classifier has not.
    """

    scenario: str
    per_class: int | str
    share: float | None
    arm: str
    ratio: int | None
    title: str
    seeds: tuple[int, ...]
    steps: int
    real_images: int
    synthetic_images: int
    metrics: Mapping[str, Estimate]
    by_seed: Mapping[str, tuple[float, ...]]
    label_agreement: Estimate | None
    memorisation: Mapping[str, float] | None
    seconds: float
    mark: str


@dataclass(frozen=True, kw_only=True)
class Row:
    """One comparison of two arms at one budget, over paired seeds.

    Args:
        scenario: as in ArmFigure, and so on.
        per_class: likewise.
        share: likewise.
        arm: the arm that is judged.
        ratio: likewise.
        question: that it answers; a family is the rows of one scenario, question and metric.
        primary: whether it is a row of its scenario's headline.
        baseline: the arm that it is compared with.
        metric: a name of metrics.METRICS.
        seeds: how many pairs.
        difference: arm minus baseline, 95 % interval of this row alone.
        corrected: the same with the interval at the level that Holm's procedure gives it: it
            decides the verdict.
        confidence: that level.
        family: number of rows of the family.
        verdict: "helps", "no effect", "hurts"; "undecided" with one seed.
        by_seed: one difference a seed.
        error_cut: the difference as a share of the baseline's error: 0.15 is 15 % fewer errors;
            None without errors.
        per_class_difference: of each class's recall, intervals that hold together; of metric
            "accuracy" only.
        mark: as in ArmFigure.
    """

    scenario: str
    per_class: int | str
    share: float | None
    arm: str
    ratio: int | None
    question: str
    primary: bool
    baseline: str
    metric: str
    seeds: int
    difference: Estimate
    corrected: Estimate
    confidence: float
    family: int
    verdict: str
    by_seed: tuple[float, ...]
    error_cut: float | None
    per_class_difference: tuple[Estimate, ...]
    mark: str


@dataclass(frozen=True, kw_only=True)
class GateResult:
    """A gate, the figure it asks for (None: could not be measured), where that stands, and whether the run failed it."""

    text: str
    name: str
    figure: float | None
    where: str
    failed: bool


@dataclass(frozen=True, kw_only=True)
class BenchmarkSummary:
    """Everything that a benchmark found.

    Args:
        name: of the benchmark.
        created: when it was finished, UTC, ISO 8601.
        fingerprint: of all its cells: with the same one there is nothing to do again.
        settings: of the benchmark.
        class_names: one name a class.
        real: source, sha256 and counts of the real digits.
        generator: `kind`, `preset` and `count`, the number of generators.
        classifier: its recipe.
        versions: of everything that can change a figure.
        machine: that made the summary.
        headline: the answer in one line.
        notes: what was left out and why, and what a reader must know.
        arms: in the order of scenarios, budgets and arms.
        rows: likewise, by question.
        gates: that were asked for.
        figures: that gates may ask for.
        places: where a figure stands that is the smallest or largest of several.
        seconds: of all cells and their generators.
        cells: scenario, budget, arm, ratio, seed, accuracy, steps and seconds of each.
    """

    name: str
    created: str
    fingerprint: str
    settings: Mapping[str, Any]
    class_names: tuple[str, ...]
    real: Mapping[str, Any]
    generator: Mapping[str, Any]
    classifier: Mapping[str, Any]
    versions: Mapping[str, str]
    machine: Mapping[str, Any]
    headline: str
    notes: tuple[str, ...]
    arms: tuple[ArmFigure, ...]
    rows: tuple[Row, ...]
    gates: tuple[GateResult, ...]
    figures: Mapping[str, float | None]
    places: Mapping[str, str]
    seconds: float
    cells: tuple[Mapping[str, Any], ...]

    def to_json(self) -> bytes:
        """The content of benchmark.json."""
        return to_json(self, format=FORMAT, indent=1)


def read_summary(content: bytes) -> BenchmarkSummary:
    """The summary that a benchmark.json holds.

    Raises:
        DataError: if it is something else, damaged, or of another version.
    """
    try:
        return from_json(BenchmarkSummary, content, format=FORMAT)
    except RecordError as error:
        raise DataError(
            f"Expected a benchmark.json of this version of synthgen, received something else: {error} Run the benchmark again."
        ) from error
