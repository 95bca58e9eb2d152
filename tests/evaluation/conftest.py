"""A world in which an evaluation takes milliseconds: few digits, and a classifier that only compares with class means."""

import dataclasses
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from synthgen.classifiers.digitnet import Embedding, FeatureNetwork
from synthgen.classifiers.judge import Judge, JudgeTraining, Progress
from synthgen.config import EvaluationSettings
from synthgen.datasets.digits import Digits, Images
from synthgen.datasets.splits import RealDigits
from synthgen.evaluation.evaluate import SyntheticSet, evaluate
from synthgen.evaluation.results import Evaluation
from synthgen.evaluation.two_sample import GROUPS
from synthgen.storage import Storage, open_storage


@dataclass
class FakeJudge:
    """Nearest class mean, with some noise by the seed; remembers what it was asked, and fails when told to."""

    trainings: list[JudgeTraining] = field(default_factory=list)
    fail_at: int | None = None
    name: str = "nearest mean"

    def fit(self, training: JudgeTraining, progress: Progress | None) -> NDArray[np.float32]:
        digits = training.digits
        if digits.class_names != GROUPS:  # not the detector of the two-sample test
            if len(self.trainings) == self.fail_at:
                raise KeyboardInterrupt
            self.trainings.append(training)
        if progress:
            progress(training.steps)
        noise = np.random.default_rng([training.seed, len(digits)]).normal(
            0, 0.02, digits.image_shape
        )
        return np.stack(
            [
                digits.images[digits.labels == label].mean(axis=0) / 255 + noise
                for label in range(digits.classes)
            ]
        )

    def predict(self, model: NDArray[np.float32], images: Images) -> NDArray[np.float32]:
        distances = ((images[:, None] / 255 - model[None]) ** 2).sum(axis=(2, 3, 4))
        return np.asarray(
            np.exp(-distances) / np.exp(-distances).sum(axis=1, keepdims=True), np.float32
        )

    def judge(self) -> Judge:
        return Judge(
            fit=self.fit,
            predict=self.predict,
            batch=16,
            strengths=(0.5, 1.0),
            distortions=lambda strength: {"strength": strength},
            recipe={"kind": self.name},
        )


@dataclass
class FakeNetwork:
    """A random projection of the pixels; remembers what it was asked."""

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


@pytest.fixture
def fake_network() -> FakeNetwork:
    return FakeNetwork()


@pytest.fixture
def fake() -> FakeJudge:
    return FakeJudge()


@pytest.fixture
def real(tiny_digits: Digits) -> RealDigits:
    """60 to train on, 20 to choose on, 120 to test on: 12 a class."""
    parts = {
        "train": tiny_digits.take(slice(0, 60)),
        "validation": tiny_digits.take(slice(60, 80)),
        "test": tiny_digits.take(slice(80, 200)),
    }
    return RealDigits(**parts, source="drawn <digits> & more", sha256="a" * 64)


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
def synthetic(tiny_digits: Digits) -> Digits:
    """150 digits with noise of their own."""
    noisy = tiny_digits.images[:150].astype(int) + np.random.default_rng(5).integers(
        0, 40, (150, 28, 28, 1)
    )
    return Digits(noisy.clip(0, 255).astype(np.uint8), tiny_digits.labels[:150])


@pytest.fixture
def storage(tmp_path: Any) -> Storage:
    return open_storage(str(tmp_path))


@pytest.fixture
def evaluation(
    synthetic: Digits,
    real: RealDigits,
    storage: Storage,
    fake: FakeJudge,
    fake_network: FakeNetwork,
) -> Evaluation:
    tools = {"judge": fake.judge(), "network": fake_network.network}
    return evaluate(
        SyntheticSet(digits=synthetic), real, EvaluationSettings(), storage, "data/digits", **tools
    ).evaluation
