"""The built-in judge: the classifier of `classifier.py`, with the distortions of `augment.py` where an arm asks for them."""

import contextlib
import dataclasses
import hashlib
import importlib.resources
import logging
from collections.abc import Iterator
from typing import Any

from synthgen.datasets.digits import Digits, Images
from synthgen.evaluation.arms import Judge, Progress

# of the distortions, of 0, 0.5 and 1 the best on MNIST's validation digits with all training digits
STRENGTH = 0.5


def default_judge() -> Judge:
    """The built-in classifier. This loads TensorFlow."""
    from synthgen.evaluation import augment, classifier

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
    """SHA-256 of the source of the built-in judge: known without loading TensorFlow, and no change of the recipe escapes it."""
    return source_sha256("classifier.py", "augment.py", "judging.py")


def source_sha256(*files: str) -> str:
    """SHA-256 of some files of this folder, one after the other, as 64 hex digits."""
    folder = importlib.resources.files("synthgen.evaluation")
    return hashlib.sha256(
        b"".join(folder.joinpath(file).read_bytes() for file in files)
    ).hexdigest()


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
