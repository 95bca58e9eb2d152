"""The built-in judge: the classifier of `classifier.py`, with the distortions of `augment.py` where an arm asks for them."""

import contextlib
import dataclasses
import logging
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from synthgen.classifiers.distort import AugmentSettings, augmentation
from synthgen.classifiers.fit import ClassifierSettings, predict_probabilities, train_classifier
from synthgen.datasets.digits import Digits, Images

# Raised by hand when the judge's training or predictions change: stored results are then made anew.
REVISION = 1
Weights = NDArray[np.float32]
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


Progress = Callable[[int], None]  # told the steps done since it was last told


@dataclass(frozen=True, kw_only=True)
class Judge:
    """How a cell gets its classifier. The one place where a test, or a later arm, puts another.

    Args:
        fit: (training set, steps, seed, progress, augmented) -> a trained model; exactly `steps`
            gradient steps.
        predict: (model, images) -> (n, classes) float32 probabilities.
        batch: images per gradient step.
        recipe: further settings of the classifier, for the record.
        identity: changes whenever the classifier does, so that results of an older one are not
            mixed in.
    """

    fit: Callable[[Digits, int, int, Progress, bool], Any]
    predict: Callable[[Any, Images], NDArray[np.float32]]
    batch: int
    recipe: Mapping[str, Any]
    identity: str


# of the distortions, of 0, 0.5 and 1 the best on MNIST's validation digits with all training digits
STRENGTH = 0.5


def default_judge() -> Judge:
    """The built-in classifier. This loads TensorFlow."""
    from synthgen.classifiers import distort as augment
    from synthgen.classifiers import fit as classifier

    distortions = augment.AugmentSettings().scaled(STRENGTH)

    def fit(digits: Digits, steps: int, seed: int, progress: Progress, augmented: bool) -> Any:
        recipe = classifier.ClassifierSettings(steps=steps)
        distort = augment.augmentation(distortions, digits.image_shape, seed) if augmented else None
        with quiet_tensorflow():
            return classifier.train_classifier(
                digits.images, digits.labels, recipe, seed, digits.classes, progress, distort
            )

    def predict(model: Any, images: Images) -> Any:
        with quiet_tensorflow():
            return classifier.predict_probabilities(model, images)

    recipe: dict[str, Any] = dataclasses.asdict(classifier.ClassifierSettings())
    del recipe["steps"]  # decided by the evaluation
    return Judge(
        fit=fit,
        predict=predict,
        batch=recipe["batch"],
        recipe=recipe | {"distortions": dataclasses.asdict(distortions)},
        identity=judge_identity(),
    )


def judge_identity() -> str:
    """The name of the built-in judge and the revision of what it computes."""
    return f"judge/{REVISION}"


@contextlib.contextmanager
def quiet_tensorflow() -> Iterator[None]:
    """Without TensorFlow's warning that compiling one network after the other is slow: every cell needs a new one."""
    log = logging.getLogger("tensorflow")
    before = log.level
    log.setLevel(logging.ERROR)
    try:
        yield
    finally:
        log.setLevel(before)


def default_learner() -> Learner:
    """The judging classifier of the evaluation, and its affine and elastic distortions. This loads TensorFlow."""
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

    with quiet_tensorflow():
        return predict_probabilities(model, images)


def _augmentation(strength: float) -> Mapping[str, Any]:

    return dataclasses.asdict(AugmentSettings().scaled(strength))
