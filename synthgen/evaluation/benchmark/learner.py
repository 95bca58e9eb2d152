"""How a cell gets its classifier: a value that a test replaces. The built-in one loads TensorFlow when it is called."""

import dataclasses
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from synthgen.datasets.digits import Digits, Images
from synthgen.evaluation.benchmark.arms import Weights
from synthgen.evaluation.judging import quiet_tensorflow

STRENGTHS = (0.5, 1.0, 1.5)


class Lesson(NamedTuple):
    """What one classifier learns from.

    Args:
        digits: its training set.
        weights: (n,) float32, of each image in the loss; None: all the same.
        strength: of the affine and elastic distortions, a factor of their default ranges; 0: none.
        steps: gradient steps.
        seed: of initial weights, order of the images, distortions.
    """

    digits: Digits
    weights: Weights | None
    strength: float
    steps: int
    seed: int


@dataclass(frozen=True, kw_only=True)
class Learner:
    """How classifiers are trained and asked. The one place where a test puts another.

    Args:
        fit: a lesson -> a trained model.
        predict: (model, images) -> (n, classes) float32 probabilities.
        strengths: candidates that `tune` chooses from.
        augmentation: strength -> the settings of the distortions, for the record.
        batch: images per gradient step.
        recipe: all that decides what it learns, ready for JSON.
        own_process: whether the memory of what it has learnt is only free again when its process
            ends.
    """

    fit: Callable[[Lesson], Any]
    predict: Callable[[Any, Images], NDArray[np.float32]]
    strengths: tuple[float, ...]
    augmentation: Callable[[float], Mapping[str, Any]]
    batch: int
    recipe: Mapping[str, Any]
    own_process: bool = False


def default_learner() -> Learner:
    """The judging classifier of the evaluation, and its affine and elastic distortions. This loads TensorFlow."""
    from synthgen.evaluation.augment import AugmentSettings
    from synthgen.evaluation.classifier import ClassifierSettings

    recipe = dataclasses.asdict(ClassifierSettings()) | {
        "strengths": list(STRENGTHS),
        "distortions": dataclasses.asdict(AugmentSettings()),
    }
    del recipe["steps"]  # decided by the benchmark
    return Learner(
        fit=_fit,
        predict=_predict,
        strengths=STRENGTHS,
        augmentation=_augmentation,
        batch=recipe["batch"],
        recipe=recipe,
        own_process=True,
    )


def _fit(lesson: Lesson) -> Any:
    from synthgen.evaluation.augment import AugmentSettings, augmentation
    from synthgen.evaluation.classifier import ClassifierSettings, train_classifier

    digits = lesson.digits
    augment = (
        augmentation(AugmentSettings().scaled(lesson.strength), digits.image_shape, lesson.seed)
        if lesson.strength
        else None
    )
    settings = ClassifierSettings(steps=lesson.steps)
    with quiet_tensorflow():
        return train_classifier(
            digits.images,
            digits.labels,
            settings,
            lesson.seed,
            digits.classes,
            augment=augment,
            weights=lesson.weights,
        )


def _predict(model: Any, images: Images) -> NDArray[np.float32]:
    from synthgen.evaluation.classifier import predict_probabilities

    with quiet_tensorflow():
        return predict_probabilities(model, images)


def _augmentation(strength: float) -> Mapping[str, Any]:
    from synthgen.evaluation.augment import AugmentSettings

    return dataclasses.asdict(AugmentSettings().scaled(strength))
