"""The judge: the classifier that every arm of a comparison trains afresh, and how it is asked.

`Judge` is the one value that an evaluation is handed; a test puts a fake in its place. The built-in
judge loads TensorFlow when it is first trained, not before: a finished evaluation is found and read
again without it.
"""

import contextlib
import dataclasses
import logging
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from synthgen.classifiers.settings import ClassifierSettings, DistortionSettings
from synthgen.datasets.digits import Digits, Images
from synthgen.errors import InputError

# Raised by hand when the judge's training or predictions change: stored results are then made anew.
REVISION = 1
STRENGTHS = (0.5, 1.0, 1.5)

Progress = Callable[[int], object]  # called with the number of steps just done


@dataclass(frozen=True, kw_only=True, eq=False)
class JudgeTraining:
    """One training of a judge: everything that decides what it learns.

    Args:
        digits: the training set.
        steps: gradient steps, 1 or more, whatever the number of digits.
        seed: 0 or more: decides the initial weights, the order of the images and the distortions.
        weights: (n,) float32, 0 or more: the weight of each image in the loss; None: all count
            the same.
        strength: 0 or more: the factor by which the default ranges of the affine and elastic
            distortions are multiplied; 0: the images are not distorted.

    Raises:
        InputError: if steps, seed, weights or strength lie outside these ranges.
    """

    digits: Digits
    steps: int
    seed: int
    weights: NDArray[np.float32] | None = None
    strength: float = 0.0

    def __post_init__(self) -> None:
        if self.steps < 1 or self.seed < 0 or self.strength < 0:
            raise InputError(
                "Expected 1 or more steps, a seed of 0 or more and a strength of 0 or more, "
                f"received {self.steps}, {self.seed} and {self.strength}."
            )
        if self.weights is not None and self.weights.shape != (len(self.digits),):
            raise InputError(
                f"Expected one weight for each of {len(self.digits)} images, "
                f"received an array of shape {self.weights.shape}."
            )


@dataclass(frozen=True, kw_only=True)
class Judge:
    """How classifiers are trained and asked.

    Args:
        fit: (training, progress) -> a trained model, after exactly `training.steps` gradient
            steps. `progress`, if not None, is called with the number of steps just done.
        predict: (model, images) -> (n, classes) float32 probabilities, rows summing to 1.
        batch: images per gradient step.
        strengths: strengths of the distortions that a cross-validation may choose from.
        distortions: strength -> the ranges of the distortions at that strength, ready for JSON.
        recipe: everything that decides what a model predicts besides its `JudgeTraining`, ready
            for JSON: stored results hold for as long as it stays the same.
        own_process: whether the memory of the models is only freed when their process ends.
    """

    fit: Callable[[JudgeTraining, Progress | None], Any]
    predict: Callable[[Any, Images], NDArray[np.float32]]
    batch: int
    strengths: tuple[float, ...]
    distortions: Callable[[float], Mapping[str, Any]]
    recipe: Mapping[str, Any]
    own_process: bool = False


def default_judge() -> Judge:
    """Return the built-in judge: a small convolutional network. This does not load TensorFlow yet."""
    settings = dataclasses.asdict(ClassifierSettings())
    del settings["steps"]  # each training says how many
    return Judge(
        fit=_fit,
        predict=_predict,
        batch=settings["batch"],
        strengths=STRENGTHS,
        distortions=_distortions,
        recipe={
            "name": "judge",
            "revision": REVISION,
            **settings,
            "distortions": _distortions(1.0),
            "strengths": list(STRENGTHS),
        },
        own_process=True,
    )


def _fit(training: JudgeTraining, progress: Progress | None) -> Any:
    from synthgen.classifiers.distort import augmentation
    from synthgen.classifiers.fit import train_classifier

    digits = training.digits
    augment = None
    if training.strength:
        distortions = DistortionSettings().scaled(training.strength)
        augment = augmentation(distortions, digits.image_shape, training.seed)
    settings = ClassifierSettings(steps=training.steps)
    with quiet_tensorflow():
        return train_classifier(
            digits.images,
            digits.labels,
            settings,
            training.seed,
            digits.classes,
            progress,
            augment,
            training.weights,
        )


def _predict(model: Any, images: Images) -> NDArray[np.float32]:
    from synthgen.classifiers.fit import predict_probabilities

    with quiet_tensorflow():
        return predict_probabilities(model, images)


def _distortions(strength: float) -> dict[str, Any]:
    return dataclasses.asdict(DistortionSettings().scaled(strength))


@contextlib.contextmanager
def quiet_tensorflow() -> Iterator[None]:
    """Silence TensorFlow's warning that compiling one network after the other is slow.

    Each training of a comparison needs a network of its own.
    """
    log = logging.getLogger("tensorflow")
    before = log.level
    log.setLevel(logging.ERROR)
    try:
        yield
    finally:
        log.setLevel(before)
