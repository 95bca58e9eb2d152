"""The judge: the classifier that every arm of a comparison trains afresh, and how it is asked.

`Judge` is the one value that an evaluation is handed; a test puts a fake in its place. The built-in
judge loads TensorFlow when it is first trained, not before: a finished evaluation is found and read
again without it.
"""

import contextlib
import dataclasses
import functools
import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from synthgen.classifiers.settings import DistortionSettings, FitSettings, Progress
from synthgen.config import between, channel_counts, check_settings, setting
from synthgen.datasets.digits import Digits, Images
from synthgen.errors import InputError

# Raised by hand when the judge's training or predictions change: stored results are then made anew.
JUDGE_REVISION = 1
# (down, right) in pixels: predictions are averaged over the image and its four neighbours. It costs
# seconds, and as much training time buys less.
VIEWS = ((0, 0), (0, 1), (0, -1), (1, 0), (-1, 0))
FINE_TUNING_RATE = 0.3  # share of the highest learning rate with which trained weights go on


@dataclass(frozen=True, kw_only=True)
class JudgeSettings:
    """The built-in judge: its network, how it is trained, and how training images are distorted."""

    channels: tuple[int, ...] = setting(
        (32, 64, 64, 96),
        "Channels of the four convolutions (multiples of 8 run fastest).",
        channel_counts(4),
    )
    dropout: float = setting(0.2, "Share of the features dropped in training.", between(0, 0.99))
    fit: FitSettings = dataclasses.field(default_factory=FitSettings)  # steps: see JudgeTraining
    # ranges at a strength of 1
    distortions: DistortionSettings = dataclasses.field(default_factory=DistortionSettings)
    strengths: tuple[float, ...] = setting(
        (0.5, 1.0, 1.5), "Strengths of the distortions that a cross-validation may choose from."
    )

    def __post_init__(self) -> None:
        check_settings(self)

    def recipe(self) -> dict[str, Any]:
        """Return everything that decides what a model predicts besides its `JudgeTraining`.

        Returns:
            Plain values, ready for JSON, with the JUDGE_REVISION of what computes them.
        """
        plain = dataclasses.asdict(self)
        training = plain.pop("fit")
        del training["steps"]
        plain["channels"] = list(self.channels)
        plain["strengths"] = list(self.strengths)
        return {"name": "judge", "revision": JUDGE_REVISION, **training, **plain}


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
        before: the training whose weights this one goes on with, of the same image shape and
            classes; None: it begins with random weights.

    Raises:
        InputError: if steps, seed, weights or strength lie outside these ranges.
    """

    digits: Digits
    steps: int
    seed: int
    weights: NDArray[np.float32] | None = None
    strength: float = 0.0
    before: "JudgeTraining | None" = None

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
            steps, and those of `training.before`. `progress`, if not None, is called with the
            number of steps just done.
        predict: (model, images) -> (n, classes) float32 probabilities, rows summing to 1.
        batch: images per gradient step.
        strengths: strengths of the distortions that a cross-validation may choose from.
        distortions: strength -> the ranges of the distortions at that strength, ready for JSON.
        recipe: everything that decides what a model predicts besides its `JudgeTraining`, ready
            for JSON: stored results hold for as long as it stays the same.
        own_process: whether the memory of the models is only freed when their process ends.
        fit_and_predict: (trainings, images for each) -> the probabilities of each, one after the
            other, as `fit` and `predict` would make them, but faster for many short trainings,
            none of which has a `before`; None: by these two.
    """

    fit: Callable[[JudgeTraining, Progress | None], Any]
    predict: Callable[[Any, Images], NDArray[np.float32]]
    batch: int
    strengths: tuple[float, ...]
    distortions: Callable[[float], Mapping[str, Any]]
    recipe: Mapping[str, Any]
    own_process: bool = False
    fit_and_predict: (
        Callable[[Sequence[JudgeTraining], Sequence[Images]], Iterator[NDArray[np.float32]]] | None
    ) = None

    def ask_each(
        self, trainings: Sequence[JudgeTraining], images: Sequence[Images]
    ) -> Iterator[NDArray[np.float32]]:
        """Train one model after the other and ask each about images of its own.

        Args:
            trainings: one a model.
            images: what each model is asked about.

        Yields:
            (n, classes) float32 probabilities, one array a model.
        """
        if self.fit_and_predict and not any(training.before for training in trainings):
            yield from self.fit_and_predict(trainings, images)
            return
        for training, asked in zip(trainings, images, strict=True):
            yield self.predict(self.fit(training, None), asked)


def default_judge(settings: JudgeSettings | None = None) -> Judge:
    """Make the built-in judge, a small convolutional network. This does not load TensorFlow yet.

    Args:
        settings: of the judge; the defaults if None.
    """
    settings = settings or JudgeSettings()
    return Judge(
        fit=functools.partial(_fit, settings),
        predict=_predict,
        batch=settings.fit.batch,
        strengths=settings.strengths,
        distortions=functools.partial(_distortions, settings),
        recipe=settings.recipe(),
        own_process=True,
        fit_and_predict=functools.partial(_fit_and_predict, settings),
    )


def _fit(settings: JudgeSettings, training: JudgeTraining, progress: Progress | None) -> Any:
    """Train a network of its own: JudgeTraining -> Classifier."""
    from synthgen.classifiers.distortions import distortion
    from synthgen.classifiers.fit import fit
    from synthgen.classifiers.networks import build_judge
    from synthgen.classifiers.predict import Classifier

    digits = training.digits
    shape = digits.image_shape
    with quiet_tensorflow():
        network = build_judge(
            shape, digits.classes, training.seed, settings.channels, settings.dropout
        )
        for part in (training.before, training):
            if part is None:
                continue
            augment = None
            if part.strength:
                distortions = settings.distortions.scaled(part.strength)
                augment = distortion(distortions, shape, part.seed)
            rate = settings.fit.rate * (FINE_TUNING_RATE if part.before else 1)
            how = dataclasses.replace(settings.fit, steps=part.steps, rate=rate)
            fit(network, part.digits, how, part.seed, augment, part.weights, progress)
    return Classifier(network, shifts=VIEWS)


def _fit_and_predict(
    settings: JudgeSettings, trainings: Sequence[JudgeTraining], images: Sequence[Images]
) -> Iterator[NDArray[np.float32]]:
    """Train and ask short-lived models: those of equal settings are compiled once."""
    from synthgen.classifiers.distortions import distortion
    from synthgen.classifiers.fit import Trainer
    from synthgen.classifiers.networks import build_judge
    from synthgen.classifiers.predict import Classifier

    compiled: dict[tuple[object, ...], tuple[Trainer, Classifier]] = {}
    for training, asked in zip(trainings, images, strict=True):
        digits = training.digits
        shape = digits.image_shape
        kind = (shape, digits.classes, training.strength, training.steps, training.seed)
        with quiet_tensorflow():
            if kind not in compiled:
                network = build_judge(
                    shape, digits.classes, training.seed, settings.channels, settings.dropout
                )
                augment = None
                if training.strength:
                    distortions = settings.distortions.scaled(training.strength)
                    augment = distortion(distortions, shape, training.seed)
                how = dataclasses.replace(settings.fit, steps=training.steps)
                trainer = Trainer(network, how, training.seed, augment)
                compiled[kind] = trainer, Classifier(network, shifts=VIEWS)
            trainer, classifier = compiled[kind]
            trainer.fit(digits, training.weights)
            probabilities = classifier.probabilities(asked)
        yield probabilities


def _predict(model: Any, images: Images) -> NDArray[np.float32]:
    with quiet_tensorflow():
        probabilities: NDArray[np.float32] = model.probabilities(images)
    return probabilities


def _distortions(settings: JudgeSettings, strength: float) -> dict[str, Any]:
    return dataclasses.asdict(settings.distortions.scaled(strength))


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
