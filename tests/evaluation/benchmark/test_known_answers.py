"""Synthetic digits whose worth is known beforehand, from MNIST, with a classifier that takes no time."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from synthgen.classifiers.judge import Judge, JudgeTraining, Progress
from synthgen.config import BenchmarkSettings
from synthgen.datasets.digits import Digits, Images
from synthgen.datasets.splits import RealDigits
from synthgen.evaluation.benchmark_values import BenchmarkSummary
from synthgen.evaluation.generators import Generator, Synthetic, Work
from synthgen.evaluation.run_benchmark import prepare, run
from synthgen.evaluation.scenarios import Counts
from synthgen.metrics.intervals import HELPS, HURTS, NO_EFFECT

Make = Callable[[Digits, int, int], Digits]


BATCH = 10


def ridge() -> Judge:
    """Linear regression on one-hot labels, in milliseconds. It sees as many images as its steps allow, drawn with replacement, which is its luck."""
    return Judge(
        fit=_solve,
        predict=_predict,
        strengths=(1.0,),
        distortions=lambda strength: {},
        batch=BATCH,
        recipe={"kind": "ridge"},
    )


def _solve(training: JudgeTraining, progress: Progress | None) -> NDArray[np.float64]:
    random = np.random.default_rng(training.seed)
    rows = random.integers(0, len(training.digits), training.steps * BATCH)
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


def made_by(make: Make) -> Generator:
    def generate(real: Digits, per_class: int, seed: int) -> Synthetic:
        digits = make(real, per_class, seed)
        record = {
            "kind": "known",
            "saw": len(real),
            "saw_more_than_cell": False,
            "checkpoint_sha256": digits.sha256(),
            "preset": "none",
            "screened": True,
            "seconds": 0,
        }
        return Synthetic(digits=digits, record=record)

    def describe(counts: Counts) -> Mapping[str, Any]:
        return {"kind": "known"}

    return Generator(make=generate, describe=describe, work=lambda counts, like: Work(0, 0))


def of_each_class(digits: Digits, per_class: int, rows: NDArray[np.int64]) -> Digits:
    """So many of each class, the classes taking turns, in the order of the rows; repeated where there are fewer."""
    chosen = [
        np.resize(rows[digits.labels[rows] == label], per_class) for label in range(digits.classes)
    ]
    return digits.take(np.stack(chosen, axis=1).reshape(-1))


def benchmark(mnist: RealDigits, root: Path, make: Make) -> BenchmarkSummary:
    settings = BenchmarkSettings(
        per_class=("20",),
        ratios=(5,),
        seeds=(3,),
        arms=("real_repeated", "classical", "real_synthetic", "both"),
    )
    return run(prepare(settings, str(root), mnist, ridge(), made_by(make))).summary


def verdicts(summary: BenchmarkSummary) -> dict[tuple[str, str], str]:
    return {(row.arm, row.baseline): row.verdict for row in summary.rows}


@pytest.mark.mnist
def test_the_training_images_themselves_change_nothing(mnist: RealDigits, tmp_path: Path) -> None:
    found = benchmark(
        mnist, tmp_path, lambda real, count, seed: of_each_class(real, count, np.arange(len(real)))
    )
    assert (
        verdicts(found)["both", "classical"]
        == verdicts(found)["real_synthetic", "real_repeated"]
        == NO_EFFECT
    )
    # the same test digits do show a difference where there is one
    assert verdicts(found)["classical", "real_repeated"] == HELPS


@pytest.mark.mnist
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
        verdicts(found)["both", "classical"]
        == verdicts(found)["real_synthetic", "real_repeated"]
        == HELPS
    )
    assert "helps at 20 images per class" in found.headline
    row = next(row for row in found.rows if row.primary)
    assert row.error_cut is not None
    assert row.error_cut > 0.2
    agreement = next(arm.label_agreement for arm in found.arms if arm.arm == "both")
    assert agreement is not None
    # their labels are right, and the judge sees it though it has not seen them either
    assert agreement.mean > 0.98


@pytest.mark.mnist
def test_shuffled_labels_hurt(mnist: RealDigits, tmp_path: Path) -> None:
    def shuffled(real: Digits, count: int, seed: int) -> Digits:
        random = np.random.default_rng(seed)
        rows = random.permutation(len(mnist.validation))[: 10 * count]
        return Digits(mnist.validation.images[rows], np.tile(np.arange(10, dtype=np.uint8), count))

    found = benchmark(mnist, tmp_path, shuffled)
    assert (
        verdicts(found)["both", "classical"]
        == verdicts(found)["real_synthetic", "real_repeated"]
        == HURTS
    )
    assert "hurts at 20 images per class" in found.headline
    agreement = next(arm.label_agreement for arm in found.arms if arm.arm == "both")
    assert agreement is not None
    assert 0.07 < agreement.mean < 0.13
