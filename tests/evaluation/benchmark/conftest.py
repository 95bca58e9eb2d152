"""A world in which a benchmark takes milliseconds, and which remembers every image that anything was shown."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from synthgen.classifiers.digitnet import Embedding, FeatureNetwork
from synthgen.classifiers.judge import Judge, JudgeTraining, Progress
from synthgen.config import GRID_ARMS, BenchmarkSettings
from synthgen.datasets.digits import Digits, Images
from synthgen.datasets.splits import RealDigits
from synthgen.evaluation.generators import Generator, Synthetic, Work
from synthgen.evaluation.scenarios import Counts
from synthgen.reports.benchmark import benchmark_page, comparison_csv
from synthgen.reports.page.blocks import Report
from synthgen.reports.page.markdown import to_markdown


@dataclass
class FakeJudge:
    """Nearest class mean with noise by the seed; stronger distortions are noisier. Fails at a given training if told to."""

    trainings: list[JudgeTraining] = field(default_factory=list)
    asked: list[Images] = field(default_factory=list)
    fail_at: int | None = None
    name: str = "nearest mean"

    def fit(self, training: JudgeTraining, progress: Progress | None = None) -> NDArray[np.float32]:
        if len(self.trainings) == self.fail_at:
            raise KeyboardInterrupt
        self.trainings.append(training)
        digits = training.digits
        noise = np.random.default_rng([training.seed, len(digits)]).normal(
            0, 0.05 + 0.1 * training.strength, (digits.classes, *digits.image_shape)
        )
        black = np.zeros(digits.image_shape)
        means = [
            digits.images[digits.labels == label].mean(axis=0) / 255
            if label in digits.labels
            else black
            for label in range(digits.classes)
        ]
        return np.asarray(np.stack(means) + noise, np.float32)

    def predict(self, model: NDArray[np.float32], images: Images) -> NDArray[np.float32]:
        self.asked.append(images)
        distances = ((images[:, None] / 255 - model[None]) ** 2).sum(axis=(2, 3, 4))
        scores = np.exp(-(distances - distances.min(axis=1, keepdims=True)) / 10)
        return np.asarray(scores / scores.sum(axis=1, keepdims=True), np.float32)

    def judge(self) -> Judge:
        return Judge(
            fit=self.fit,
            predict=self.predict,
            strengths=(0.5, 1.0),
            distortions=distortions,
            batch=8,
            recipe={"kind": self.name, "batch": 8},
        )


def distortions(strength: float) -> Mapping[str, Any]:
    return {"strength": strength}


@dataclass
class FakeGenerator:
    """Repeats the real images it is given with noise of its own; remembers what it was given."""

    given: list[tuple[Digits, int, int]] = field(default_factory=list)
    saw_more: bool = False
    kind: str = "fake"

    def make(self, real: Digits, per_class: int, seed: int) -> Synthetic:
        self.given.append((real, per_class, seed))
        rows = np.stack(
            [
                np.resize(np.flatnonzero(real.labels == label), per_class)
                for label in range(real.classes)
            ],
            axis=1,
        ).reshape(-1)
        noise = np.random.default_rng([seed, 5]).integers(1, 40, (len(rows), *real.image_shape))
        images = (real.images[rows].astype(int) + noise).clip(0, 255).astype(np.uint8)
        record = {
            "kind": self.kind,
            "saw": 60 if self.saw_more else len(real),
            "saw_more_than_cell": self.saw_more,
        }
        record |= {
            "checkpoint_sha256": real.sha256(),
            "preset": "fake",
            "steps": 1,
            "seconds": 0.5,
            "screened": True,
            "acceptance": 1.0,
        }
        return Synthetic(digits=Digits(images, real.labels[rows], real.class_names), record=record)

    def describe(self, counts: Counts) -> Mapping[str, Any]:
        return {"kind": self.kind, "images": sum(counts)}

    def work(self, counts: Counts, like: Digits) -> Work:
        return Work(sum(counts) / 10, 0.001)

    def generator(self) -> Generator:
        return Generator(make=self.make, describe=self.describe, work=self.work)


def nearest_mean(real: RealDigits) -> FeatureNetwork:
    """A judge that has learnt the mean of each class of all real training digits."""
    train = real.train
    means = (
        np.stack(
            [
                train.images[train.labels == label].mean(axis=0).reshape(-1)
                for label in range(train.classes)
            ]
        )
        / 255
    )

    def embed(images: Images) -> Embedding:
        flat = (images.reshape(len(images), -1) / 255).astype(np.float32)
        near = np.exp(-((flat[:, None] - means) ** 2).sum(axis=2))
        return Embedding(flat, np.asarray(near / near.sum(axis=1, keepdims=True), np.float32))

    return FeatureNetwork("nearest mean", {}, embed)


@pytest.fixture(autouse=True)
def plain_report(monkeypatch: pytest.MonkeyPatch) -> None:
    """A page without plots: they take seconds."""
    monkeypatch.setattr(
        "synthgen.evaluation.run_benchmark.render_benchmark",
        lambda summary: Report(
            html=f"<p>{summary.headline}</p>",
            markdown=to_markdown(benchmark_page(summary)),
            csv=comparison_csv(summary),
            lines=(),
        ),
    )


@pytest.fixture(autouse=True)
def few_digits_suffice(monkeypatch: pytest.MonkeyPatch) -> None:
    """To look for copies among them."""
    monkeypatch.setattr("synthgen.metrics.memorisation.LEAST_IMAGES", 2)


@pytest.fixture
def judge() -> FakeJudge:
    return FakeJudge()


@pytest.fixture
def generator() -> FakeGenerator:
    return FakeGenerator()


@pytest.fixture
def settings() -> BenchmarkSettings:
    """Two budgets, two ratios, two seeds."""
    return BenchmarkSettings(
        per_class=("2", "4"), ratios=(1, 3), seeds=(2,), arms=GRID_ARMS, steps=20, folds=3
    )


@pytest.fixture
def everything() -> BenchmarkSettings:
    """Every scenario, with as few cells as it has."""
    return BenchmarkSettings(
        scenarios=("grid", "imbalance", "long-tail", "stand-in"),
        per_class=("3",),
        ratios=(2,),
        arms=GRID_ARMS,
        seeds=(2,),
        shares=(34.0,),
        long_tail=(6, 6, 5, 4, 4, 3, 3, 2, 2, 1),
        rotations=2,
        steps=20,
    )


def hashes(images: Images) -> set[bytes]:
    """Each image as bytes."""
    return {image.tobytes() for image in images}


@pytest.fixture
def unequal(real: RealDigits) -> RealDigits:
    """The same digits, no two of them alike: each carries its number in a corner, so that one can be told from another."""
    offset, parts = 0, {}
    for name in ("train", "validation", "test"):
        digits = getattr(real, name)
        images = digits.images.copy()
        images[:, 0, 0, 0], images[:, 0, 1, 0] = np.divmod(
            np.arange(offset, offset + len(digits)), 200
        )
        offset += len(digits)
        parts[name] = Digits(images, digits.labels)
    return RealDigits(**parts, source="numbered digits", sha256="b" * 64)


@pytest.fixture
def unequal_digits(tiny_digits: Digits) -> Digits:
    """The 200 drawn digits, no two of them alike."""
    images = tiny_digits.images.copy()
    images[:, 0, 0, 0] = np.arange(len(images))
    return Digits(images, tiny_digits.labels)
