"""The arms of the comparison, and the cells (arm, seed) that measure them: each trains one classifier and asks it."""

import base64
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from synthgen.classifiers.judge import Judge, JudgeTraining, Progress
from synthgen.datasets.digits import Digits

BASELINE = "real"
# of the distortions: of 0, 0.5 and 1 the best on MNIST's validation digits with all training digits
STRENGTH = 0.5


class Arm(NamedTuple):
    """What a classifier is trained on.

    Args:
        title: a name for people.
        question: that it answers.
        training_set: (real, synthetic) -> its images.
        augmented: whether affine and elastic distortions are drawn for every image of every batch.
    """

    title: str
    question: str
    training_set: Callable[[Digits, Digits], Digits]
    augmented: bool = False


def join(first: Digits, second: Digits) -> Digits:
    """All images of both, the first ones first."""
    return Digits(
        np.concatenate([first.images, second.images]),
        np.concatenate([first.labels, second.labels]),
        first.class_names,
    )


# Every arm is trained for the same number of steps: `real` is real data repeated for as long as the
# larger sets are read.
ARMS = {
    "real": Arm("real", "The real digits alone", lambda real, synthetic: real),
    "real_synthetic": Arm("real + synthetic", "Adding the synthetic digits to the real ones", join),
    "synthetic": Arm(
        "synthetic",
        "The synthetic digits in place of the real ones",
        lambda real, synthetic: synthetic,
    ),
    "classical": Arm(
        "real + distortions",
        "Distorting the real digits (affine and elastic)",
        lambda real, synthetic: real,
        augmented=True,
    ),
    "both": Arm(
        "both + distortions", "Adding the synthetic digits and distorting all", join, augmented=True
    ),
}


# fields of a cell that JSON holds as text
ARRAYS = {"predictions": np.uint8, "seen_as": np.uint8, "belief": np.float16}


@dataclass(frozen=True, kw_only=True, eq=False)
class Cell:
    """One trained classifier and all that is asked of it.

    Args:
        fingerprint: of everything that decides the result, but arm and seed.
        arm: a key of ARMS.
        seed: of initial weights, order of the images and everything else that is drawn.
        steps: gradient steps.
        train_images: size of its training set.
        seconds: training and predictions.
        predictions: (test images,) uint8, the most probable class of each.
        seen_as: (asked images,) uint8, the most probable class of each synthetic image; of the
            `real` arm only.
        belief: (asked images,) float16, the probability of its label; of the `real` arm only.
    """

    fingerprint: str
    arm: str
    seed: int
    steps: int
    train_images: int
    seconds: float
    predictions: NDArray[np.uint8]
    seen_as: NDArray[np.uint8] | None
    belief: NDArray[np.float16] | None

    def to_json(self) -> dict[str, Any]:
        """Plain values, for one line of JSON; arrays as base64 of their bytes."""
        arrays = {name: getattr(self, name) for name in ARRAYS}
        return dict(vars(self)) | {
            name: None if array is None else base64.b64encode(array.tobytes()).decode()
            for name, array in arrays.items()
        }

    @staticmethod
    def from_json(plain: dict[str, Any]) -> "Cell":
        """The inverse of `to_json`."""
        packed = {name: plain[name] for name in ARRAYS}
        return Cell(
            **plain
            | {
                name: None if text is None else np.frombuffer(base64.b64decode(text), ARRAYS[name])
                for name, text in packed.items()
            }
        )


def run_cell(
    arm: str,
    seed: int,
    *,
    real: Digits,
    synthetic: Digits,
    asked: Digits,
    test: Digits,
    steps: int,
    judge: Judge,
    fingerprint: str,
    progress: Progress,
) -> Cell:
    """Train the classifier of one cell and ask it.

    Args:
        arm: a key of ARMS.
        seed: of the training.
        real: real training digits.
        synthetic: synthetic digits to train on.
        asked: synthetic digits whose labels the classifiers of the `real` arm judge.
        test: real digits for the accuracy.
        steps: gradient steps.
        judge: trains the classifier and is asked.
        fingerprint: of everything that decides the result, but arm and seed.
        progress: called with the number of steps just done.
    """
    started = time.monotonic()
    digits = ARMS[arm].training_set(real, synthetic)
    strength = STRENGTH if ARMS[arm].augmented else 0.0
    training = JudgeTraining(digits=digits, steps=steps, seed=seed, strength=strength)
    model = judge.fit(training, progress)
    predictions = judge.predict(model, test.images).argmax(axis=1).astype(np.uint8)
    answers = judge.predict(model, asked.images) if arm == BASELINE else None
    return Cell(
        fingerprint=fingerprint,
        arm=arm,
        seed=seed,
        steps=steps,
        train_images=len(digits),
        seconds=round(time.monotonic() - started, 2),
        predictions=predictions,
        seen_as=None if answers is None else answers.argmax(axis=1).astype(np.uint8),
        belief=None
        if answers is None
        else answers[np.arange(len(asked)), asked.labels].astype(np.float16),
    )
