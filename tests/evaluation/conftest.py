"""A world in which an evaluation takes milliseconds: few digits, and a classifier that only compares with class means."""

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from synthgen.config import EvaluationSettings
from synthgen.datasets.digits import Digits, Images
from synthgen.datasets.sources import RealDigits
from synthgen.evaluation.arms import Judge, Progress
from synthgen.evaluation.evaluate import evaluate
from synthgen.evaluation.results import Evaluation
from synthgen.storage import Storage, open_storage


@dataclass
class FakeJudge:
    """Nearest class mean, with some noise by the seed; remembers what it was asked, and fails when told to."""

    trainings: list[dict[str, Any]] = field(default_factory=list)
    fail_at: int | None = None
    identity: str = "fake"

    def fit(self, digits: Digits, steps: int, seed: int, progress: Progress) -> NDArray[np.float32]:
        if len(self.trainings) == self.fail_at:
            raise KeyboardInterrupt
        self.trainings.append({"images": len(digits), "steps": steps, "seed": seed})
        progress(steps)
        noise = np.random.default_rng([seed, len(digits)]).normal(0, 0.02, digits.image_shape)
        return np.stack([digits.images[digits.labels == label].mean(axis=0) / 255 + noise for label in range(digits.classes)])

    def predict(self, model: NDArray[np.float32], images: Images) -> NDArray[np.float32]:
        distances = ((images[:, None] / 255 - model[None]) ** 2).sum(axis=(2, 3, 4))
        return np.asarray(np.exp(-distances) / np.exp(-distances).sum(axis=1, keepdims=True), np.float32)

    def judge(self) -> Judge:
        return Judge(fit=self.fit, predict=self.predict, batch=16, recipe={"kind": "nearest mean"}, identity=self.identity)


@pytest.fixture
def fake() -> FakeJudge:
    return FakeJudge()


@pytest.fixture
def real(tiny_digits: Digits) -> RealDigits:
    """60 to train on, 20 to choose on, 120 to test on: 12 a class."""
    parts = {"train": tiny_digits.take(slice(0, 60)), "validation": tiny_digits.take(slice(60, 80)), "test": tiny_digits.take(slice(80, 200))}
    return RealDigits(**parts, source="drawn <digits> & more", sha256="a" * 64)


@pytest.fixture
def synthetic(tiny_digits: Digits) -> Digits:
    """150 digits with noise of their own."""
    noisy = tiny_digits.images[:150].astype(int) + np.random.default_rng(5).integers(0, 40, (150, 28, 28, 1))
    return Digits(noisy.clip(0, 255).astype(np.uint8), tiny_digits.labels[:150])


@pytest.fixture
def storage(tmp_path: Any) -> Storage:
    return open_storage(str(tmp_path))


@pytest.fixture
def evaluation(synthetic: Digits, real: RealDigits, storage: Storage, fake: FakeJudge) -> Evaluation:
    return evaluate(synthetic, real, EvaluationSettings(), storage, "data/digits", judge=fake.judge()).evaluation
