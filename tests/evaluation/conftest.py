"""A world in which an evaluation or a benchmark takes milliseconds: few digits, quick fakes."""

import dataclasses
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from synthgen.classifiers.digitnet import Embedding, FeatureNetwork
from synthgen.classifiers.judge import Judge, JudgeTraining
from synthgen.classifiers.settings import Progress
from synthgen.config import GRID_ARMS, BenchmarkSettings, EvaluationSettings
from synthgen.datasets.digits import Digits, Images, Labels
from synthgen.datasets.splits import RealDigits
from synthgen.evaluation.benchmark import BenchmarkJob, prepare_benchmark
from synthgen.evaluation.cells import Cell, Provenance
from synthgen.evaluation.evaluate import EvaluationPlace, SyntheticSet, evaluate
from synthgen.evaluation.results import Evaluation
from synthgen.evaluation.scenarios import Counts, Key
from synthgen.evaluation.synthetic import Synthetic, SyntheticRecord, SyntheticSource, Work
from synthgen.evaluation.two_sample import GROUPS
from synthgen.metrics.accuracy import measure_classifier, recalls
from synthgen.storage import Storage, open_storage


@dataclass
class FakeJudge:
    """Nearest class mean with noise by the seed; stronger distortions are noisier.

    It remembers its trainings (but for the detectors of the two-sample test) and what it was asked
    about, and fails at a given training if told to.
    """

    trainings: list[JudgeTraining] = field(default_factory=list)
    asked: list[Images] = field(default_factory=list)
    fail_at: int | None = None
    name: str = "nearest mean"
    own_process: bool = False

    def fit(self, training: JudgeTraining, progress: Progress | None = None) -> NDArray[np.float32]:
        digits = training.digits
        if digits.class_names != GROUPS:
            if len(self.trainings) == self.fail_at:
                raise KeyboardInterrupt
            self.trainings.append(training)
        if progress:
            progress(training.steps)
        noise = np.random.default_rng([training.seed, len(digits)]).normal(
            0, 0.05 + 0.1 * training.strength, (digits.classes, *digits.image_shape)
        )
        means = np.zeros((digits.classes, *digits.image_shape))
        for label in np.unique(digits.labels):
            means[label] = digits.images[digits.labels == label].mean(axis=0) / 255
        return np.asarray(means + noise, np.float32)

    def predict(self, model: NDArray[np.float32], images: Images) -> NDArray[np.float32]:
        self.asked.append(images)
        distances = ((images[:, None] / 255 - model[None]) ** 2).sum(axis=(2, 3, 4))
        scores = np.exp(-(distances - distances.min(axis=1, keepdims=True)) / 10)
        return np.asarray(scores / scores.sum(axis=1, keepdims=True), np.float32)

    def judge(self) -> Judge:
        return Judge(
            fit=self.fit,
            predict=self.predict,
            batch=16,
            strengths=(0.5, 1.0),
            distortions=fake_distortions,
            recipe={"kind": self.name},
            own_process=self.own_process,
        )


def fake_distortions(strength: float) -> Mapping[str, Any]:
    return {"strength": strength}


@dataclass
class FakeSource:
    """Repeats the real images it is given with noise of its own; remembers what it was given."""

    given: list[tuple[Digits, int, int]] = field(default_factory=list)
    saw_more: bool = False
    kind: str = "fake"
    before: Callable[[int], None] | None = None

    def make(self, real: Digits, per_class: int, seed: int) -> Synthetic:
        if self.before:
            self.before(len(self.given))
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
        record = SyntheticRecord(
            kind=self.kind,
            saw=60 if self.saw_more else len(real),
            saw_more_than_cell=self.saw_more,
            checkpoint_sha256=real.sha256(),
            preset="fake",
            steps=1,
            acceptance=1.0,
            seconds=0.5,
        )
        return Synthetic(digits=Digits(images, real.labels[rows], real.class_names), record=record)

    def describe(self, counts: Counts) -> Mapping[str, Any]:
        return {"kind": self.kind, "images": sum(counts)}

    def work(self, counts: Counts, like: Digits) -> Work:
        return Work(training=sum(counts) / 10, image=0.001)

    def source(self) -> SyntheticSource:
        return SyntheticSource(make=self.make, describe=self.describe, work=self.work)


@dataclass
class FakeNetwork:
    """A random projection of the pixels; remembers how many images it was asked about."""

    asked: list[int] = field(default_factory=list)

    def embed(self, images: Images) -> Embedding:
        self.asked.append(len(images))
        projection = np.random.default_rng(0).normal(size=(images[0].size, 8)) / 28
        features = (images.reshape(len(images), -1) / 255 @ projection).astype(np.float32)
        return Embedding(features, np.full((len(images), 10), 0.1, np.float32))

    def network(self, real: RealDigits) -> FeatureNetwork:
        return FeatureNetwork(
            "fakenet",
            {
                "sha256": "c" * 64,
                "size": 8,
                "training_data": {"source": real.source, "images": len(real.train)},
            },
            self.embed,
        )


def nearest_mean(real: RealDigits) -> FeatureNetwork:
    """A digit network that has learnt the mean of each class of all real training digits."""
    train = real.train
    means = np.stack(
        [train.images[train.labels == label].mean(axis=0) for label in range(train.classes)]
    ).reshape(train.classes, -1)

    def embed(images: Images) -> Embedding:
        flat = (images.reshape(len(images), -1) / 255).astype(np.float32)
        near = np.exp(-((flat[:, None] - means / 255) ** 2).sum(axis=2))
        return Embedding(flat, np.asarray(near / near.sum(axis=1, keepdims=True), np.float32))

    return FeatureNetwork("nearest mean", {}, embed)


def make_cell(
    key: Key, correct: NDArray[np.bool_], labels: Labels, generator: SyntheticRecord | None = None
) -> Cell:
    """A cell of known answers."""
    return Cell(
        key=key,
        fingerprint=f"{key}",
        correct=correct,
        metrics=measure_classifier(correct, labels, key.minority),
        recall=tuple(recalls(correct, labels).tolist()),
        readings=None,
        real_images=60,
        synthetic_images=0,
        train_images=60,
        steps=5,
        tuning=None,
        generator=generator,
        memorisation=None,
        seconds=1.5,
        provenance=Provenance(
            created="2026-01-02T03:04:05+00:00",
            source="known answers",
            real_sha256="a" * 64,
            draw_sha256="b" * 64,
            batch=16,
            distortions=None,
            classifier={},
            versions={},
            machine={},
        ),
    )


def prepare_fake(
    settings: BenchmarkSettings,
    root: Path,
    real: RealDigits,
    judge: FakeJudge | None = None,
    source: FakeSource | None = None,
) -> BenchmarkJob:
    """A benchmark that is ready to run, with fakes where it would train for hours."""
    return prepare_benchmark(
        settings,
        str(root),
        real,
        judge=(judge or FakeJudge()).judge(),
        source=(source or FakeSource()).source(),
        network=nearest_mean,
    )


def hashes(images: Images) -> set[bytes]:
    """Each image as bytes."""
    return {image.tobytes() for image in images}


@pytest.fixture
def few_digits_suffice(monkeypatch: pytest.MonkeyPatch) -> None:
    """Copies are looked for among two images."""
    monkeypatch.setattr("synthgen.metrics.memorisation.LEAST_IMAGES", 2)


@pytest.fixture
def judge() -> FakeJudge:
    return FakeJudge()


@pytest.fixture
def source() -> FakeSource:
    return FakeSource()


@pytest.fixture
def fake_network() -> FakeNetwork:
    return FakeNetwork()


@pytest.fixture
def real(tiny_digits: Digits) -> RealDigits:
    """60 to train on, 20 to choose on, 120 to test on: 12 a class."""
    return RealDigits(
        train=tiny_digits.take(slice(0, 60)),
        validation=tiny_digits.take(slice(60, 80)),
        test=tiny_digits.take(slice(80, 200)),
        source="drawn <digits> & more",
        sha256="a" * 64,
    )


@pytest.fixture
def mnist_like(real: RealDigits, tiny_digits: Digits) -> RealDigits:
    """As `real`, with enough validation digits to look for copies: 60."""
    noisy = tiny_digits.images[:60].astype(int) - np.random.default_rng(6).integers(
        0, 40, (60, 28, 28, 1)
    )
    return dataclasses.replace(
        real, validation=Digits(noisy.clip(0, 255).astype(np.uint8), tiny_digits.labels[:60])
    )


@pytest.fixture
def unequal(real: RealDigits) -> RealDigits:
    """The digits of `real`, no two of them alike: each carries its number in a corner."""
    offset = 0
    numbered = []
    for digits in (real.train, real.validation, real.test):
        images = digits.images.copy()
        numbers = np.arange(offset, offset + len(digits))
        images[:, 0, 0, 0] = numbers // 200
        images[:, 0, 1, 0] = numbers % 200
        offset += len(digits)
        numbered.append(Digits(images, digits.labels))
    train, validation, test = numbered
    return RealDigits(
        train=train,
        validation=validation,
        test=test,
        source="numbered digits",
        sha256="b" * 64,
    )


@pytest.fixture
def unequal_digits(tiny_digits: Digits) -> Digits:
    """The 200 drawn digits, no two of them alike."""
    images = tiny_digits.images.copy()
    images[:, 0, 0, 0] = np.arange(len(images))
    return Digits(images, tiny_digits.labels)


@pytest.fixture
def synthetic(tiny_digits: Digits) -> Digits:
    """150 digits with noise of their own."""
    noisy = tiny_digits.images[:150].astype(int) + np.random.default_rng(5).integers(
        0, 40, (150, 28, 28, 1)
    )
    return Digits(noisy.clip(0, 255).astype(np.uint8), tiny_digits.labels[:150])


@pytest.fixture
def storage(tmp_path: Path) -> Storage:
    return open_storage(str(tmp_path))


@pytest.fixture
def place(storage: Storage) -> EvaluationPlace:
    return EvaluationPlace(storage=storage, folder="data/digits/evaluation")


@pytest.fixture
def evaluation(
    synthetic: Digits,
    real: RealDigits,
    place: EvaluationPlace,
    judge: FakeJudge,
    fake_network: FakeNetwork,
) -> Evaluation:
    return evaluate(
        SyntheticSet(name="digits", digits=synthetic),
        real,
        EvaluationSettings(),
        place,
        judge=judge.judge(),
        network=fake_network.network,
    ).evaluation


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
