"""Usefulness where the answer is known beforehand: digits of MNIST stand for synthetic ones.

The first half asks a benchmark, with a linear classifier that takes no time; the second half asks
the cells of a set, with the built-in classifier made narrow.
"""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from synthgen.classifiers.judge import (
    Judge,
    JudgeSettings,
    JudgeTraining,
    Progress,
    default_judge,
)
from synthgen.config import ALL, BenchmarkSettings
from synthgen.datasets.digits import Digits, Images
from synthgen.datasets.splits import RealDigits
from synthgen.evaluation.benchmark import prepare_benchmark, run_benchmark
from synthgen.evaluation.cells import Cell, Experiment, Task, run_group
from synthgen.evaluation.generators import ready_set
from synthgen.evaluation.measure import first_rows
from synthgen.evaluation.results import BenchmarkSummary, Comparison
from synthgen.evaluation.scenarios import THIS_SET, Counts, Draw, Group, Key, paired_seeds
from synthgen.evaluation.summary import compare_all, summarise_agreement
from synthgen.evaluation.synthetic import Synthetic, SyntheticRecord, SyntheticSource, Work
from synthgen.evaluation.tuning import Choice, TuningSettings
from synthgen.metrics.intervals import HELPS, HURTS, NO_EFFECT
from synthgen.reports.benchmark_words import benchmark_answer

pytestmark = [pytest.mark.mnist, pytest.mark.slow]
Make = Callable[[Digits, int, int], Digits]
RIDGE_BATCH = 10
STEPS = 100
SEEDS = paired_seeds(3)


def ridge() -> Judge:
    """Linear regression on one-hot labels, in milliseconds.

    It sees as many images as its steps allow, drawn with replacement, which is its luck.
    """
    return Judge(
        fit=_solve,
        predict=_predict,
        strengths=(1.0,),
        distortions=lambda strength: {},
        batch=RIDGE_BATCH,
        recipe={"kind": "ridge"},
    )


def _solve(training: JudgeTraining, progress: Progress | None) -> NDArray[np.float64]:
    random = np.random.default_rng(training.seed)
    rows = random.integers(0, len(training.digits), training.steps * RIDGE_BATCH)
    images = training.digits.images[rows]
    if training.strength:
        images = _shifted(images, random)
    x, targets = _pooled(images), np.eye(10)[training.digits.labels[rows]]
    return np.linalg.solve(x.T @ x / len(x) + 0.01 * np.eye(x.shape[1]), x.T @ targets / len(x))


def _shifted(images: Images, random: np.random.Generator) -> Images:
    """Each image moved by a pixel, or not, in both directions."""
    moves, moved = random.integers(-1, 2, (len(images), 2)), images.copy()
    for move in np.unique(moves, axis=0):
        chosen = (moves == move).all(axis=1)
        moved[chosen] = np.roll(images[chosen], move, axis=(1, 2))
    return moved


def _predict(model: NDArray[np.float64], images: Images) -> NDArray[np.float32]:
    scores = np.exp(5 * _pooled(images) @ model)
    return np.asarray(scores / scores.sum(axis=1, keepdims=True), np.float32)


def _pooled(images: Images) -> NDArray[np.float64]:
    """(n, 28, 28, 1) uint8 -> (n, 197) float64: means of 2 x 2 pixels, and a one."""
    squares = (
        images.reshape(len(images), 14, 2, 14, 2).mean(axis=(2, 4)).reshape(len(images), -1) / 255
    )
    return np.hstack([squares, np.ones((len(images), 1))])


def made_by(make: Make) -> SyntheticSource:
    def generate(real: Digits, per_class: int, seed: int) -> Synthetic:
        digits = make(real, per_class, seed)
        record = SyntheticRecord(
            kind="known",
            saw=len(real),
            saw_more_than_cell=False,
            checkpoint_sha256=digits.sha256(),
        )
        return Synthetic(digits=digits, record=record)

    def describe(counts: Counts) -> Mapping[str, Any]:
        return {"kind": "known"}

    return SyntheticSource(
        make=generate, describe=describe, work=lambda counts, like: Work(training=0, image=0)
    )


def of_each_class(digits: Digits, per_class: int, rows: NDArray[np.int64]) -> Digits:
    """So many of each class, the classes taking turns; repeated where there are fewer."""
    chosen = [
        np.resize(rows[digits.labels[rows] == label], per_class) for label in range(digits.classes)
    ]
    return digits.take(np.stack(chosen, axis=1).reshape(-1))


def benchmark(mnist: RealDigits, root: Path, make: Make) -> BenchmarkSummary:
    settings = BenchmarkSettings(
        per_class=("20",),
        ratios=(5,),
        seeds=(3,),
        arms=("real", "classical", "real_synthetic", "both"),
    )
    job = prepare_benchmark(settings, str(root), mnist, judge=ridge(), source=made_by(make))
    summary = run_benchmark(job).summary
    assert summary is not None
    return summary


def verdicts(summary: BenchmarkSummary) -> dict[tuple[str, str], str]:
    return {(row.arm, row.baseline): row.verdict for row in summary.comparisons}


def test_the_training_images_themselves_change_nothing(mnist: RealDigits, tmp_path: Path) -> None:
    found = benchmark(
        mnist, tmp_path, lambda real, count, seed: of_each_class(real, count, np.arange(len(real)))
    )
    assert (
        verdicts(found)["both", "classical"]
        == verdicts(found)["real_synthetic", "real"]
        == NO_EFFECT
    )
    # the same test digits do show a difference where there is one
    assert verdicts(found)["classical", "real"] == HELPS


def test_independent_real_images_help(mnist: RealDigits, tmp_path: Path) -> None:
    """They are validation digits: no cell has seen them."""
    others = mnist.validation
    found = benchmark(
        mnist,
        tmp_path,
        lambda real, count, seed: of_each_class(
            others, count, np.random.default_rng(seed).permutation(len(others))
        ),
    )
    assert (
        verdicts(found)["both", "classical"] == verdicts(found)["real_synthetic", "real"] == HELPS
    )
    assert "helps at 20 images per class" in benchmark_answer(found.comparisons)
    row = next(row for row in found.comparisons if row.primary)
    assert row.error_cut is not None
    assert row.error_cut > 0.2
    agreement = next(arm.label_agreement for arm in found.arms if arm.arm == "both")
    assert agreement is not None
    # their labels are right, and the judge sees it though it has not seen them either
    assert agreement.mean > 0.98


def test_shuffled_labels_hurt(mnist: RealDigits, tmp_path: Path) -> None:
    def shuffled(real: Digits, count: int, seed: int) -> Digits:
        random = np.random.default_rng(seed)
        rows = random.permutation(len(mnist.validation))[: 10 * count]
        return Digits(mnist.validation.images[rows], np.tile(np.arange(10, dtype=np.uint8), count))

    found = benchmark(mnist, tmp_path, shuffled)
    assert (
        verdicts(found)["both", "classical"] == verdicts(found)["real_synthetic", "real"] == HURTS
    )
    assert "hurts at 20 images per class" in benchmark_answer(found.comparisons)
    agreement = next(arm.label_agreement for arm in found.arms if arm.arm == "both")
    assert agreement is not None
    assert 0.07 < agreement.mean < 0.13


@pytest.fixture(scope="module")
def real(mnist: RealDigits) -> Digits:
    return mnist.train.take(first_rows(mnist.train.labels, 20))


@pytest.fixture(scope="module")
def others(mnist: RealDigits) -> Digits:
    """400 other digits of each class."""
    rest = mnist.train.take(slice(20_000, None))
    return rest.take(first_rows(rest.labels, 400))


def train(arm: str, real: Digits, synthetic: Digits, mnist: RealDigits) -> list[Cell]:
    """The cells of an arm, asked about 2,000 validation digits."""
    judge = default_judge(JudgeSettings(channels=(8, 16, 16, 32)))
    record = SyntheticRecord(
        kind="known", saw=None, saw_more_than_cell=False, checkpoint_sha256=synthetic.sha256()
    )
    few = RealDigits(
        train=real,
        validation=mnist.validation,
        test=mnist.validation.take(slice(0, 2000)),
        source=mnist.source,
        sha256=mnist.sha256,
    )
    experiment = Experiment(
        real=few,
        source=ready_set(synthetic, record),
        judge=judge,
        tuning=TuningSettings(candidates=(Choice(strength=0.5),)),
        read=synthetic,
        machine={},
        versions={},
    )
    counts = tuple(real.counts().tolist())
    cells = []
    for seed in SEEDS:
        ratio = 0 if arm == "real" else None
        key = Key(scenario=THIS_SET, budget=ALL, share=None, arm=arm, ratio=ratio, seed=seed)
        group = Group(draw=Draw(counts=counts, seed=seed), keys=(key,), steps=STEPS)
        cells += run_group(Task(group, (key,), ()), experiment)
    return cells


@pytest.fixture(scope="module")
def shuffled(others: Digits) -> Digits:
    return Digits(others.images, np.random.default_rng(0).permutation(others.labels))


@pytest.fixture(scope="module")
def baseline(real: Digits, shuffled: Digits, mnist: RealDigits) -> list[Cell]:
    """Classifiers of the real digits alone, asked about the shuffled labels."""
    return train("real", real, shuffled, mnist)


def compared(
    arm: str, real: Digits, synthetic: Digits, baseline: list[Cell], mnist: RealDigits
) -> Comparison:
    cells = [*baseline, *train(arm, real, synthetic, mnist)]
    (found,) = compare_all(cells, mnist.validation.labels[:2000], len(real))
    return found


def test_independent_real_digits_help(
    real: Digits, others: Digits, baseline: list[Cell], mnist: RealDigits
) -> None:
    found = compared("real_synthetic", real, others, baseline, mnist)
    assert found.verdict == HELPS
    assert found.difference.mean > 0.02


def test_the_training_digits_once_more_have_no_effect(
    real: Digits, baseline: list[Cell], mnist: RealDigits
) -> None:
    found = compared("real_synthetic", real, real, baseline, mnist)
    assert found.verdict == NO_EFFECT
    assert abs(found.difference.mean) < 0.02


def test_shuffled_labels_hurt_and_are_agreed_with_by_chance(
    real: Digits, shuffled: Digits, baseline: list[Cell], mnist: RealDigits
) -> None:
    assert compared("real_synthetic", real, shuffled, baseline, mnist).verdict == HURTS
    readings = [cell.readings for cell in baseline if cell.readings]
    found = summarise_agreement(readings, shuffled, range(len(shuffled)), [0.9] * 10)
    # 4,000 labels: one standard error is 0.005
    assert found.share.mean == pytest.approx(0.1, abs=0.02)
    assert found.failed_classes == tuple(range(10))
