"""How strongly to distort and how many synthetic digits to add: chosen by cross-validation.

It sees a cell's own real images and no others. The strength multiplies every range of the affine
and elastic distortions; the dose is the share of each batch that is synthetic. The images of each
class are dealt into three folds: a classifier learns from two of them and is asked about the third.
With many images one such training a candidate is enough.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize_scalar
from scipy.special import softmax

from synthgen.classifiers.judge import Judge, JudgeTraining
from synthgen.datasets.digits import Digits, Labels
from synthgen.evaluation.arms import training_set

FOLDS = 3
ONE_FOLD_FROM = 1000  # with more images than this, one training of each candidate says enough
TUNING_LENGTH = (
    0.5  # share of the steps of an arm: the order of candidates is asked for, no accuracy
)
LEAST_PROBABILITY = 1e-7  # probabilities below this count as this
SHARPNESS_RANGE = (-2.0, 3.0)  # values of -log t that are searched
CRITERION = "log-loss at the best temperature"
# Shares of each batch that are compared with none at all. In pilots with five digits a class of
# other hands 0.2 to 0.8 were worth much the same, 0.95 less.
DOSES = (0.2, 0.5, 0.8)
DEFAULT_DOSE = 0.5  # where no image can be held out
# Share of the steps of an arm that a training of the cross-validation takes: the order of the
# candidates is asked for, and three folds of six candidates take as long as four arms.
TRANSFER_TUNING_LENGTH = 0.2
DOSE_MARGIN = 0.1  # share of its loss by which another dose must be better than the default one


@dataclass(frozen=True, kw_only=True)
class Choice:
    """What is chosen by cross-validation: a candidate, or the winner.

    Args:
        strength: factor of the default ranges of the distortions; 0: no distortions.
        dose: share of each batch that is synthetic, see `arms.dosed_set`; None where that is not
            chosen.
    """

    strength: float
    dose: float | None = None


@dataclass(frozen=True, kw_only=True)
class Trial:
    """A candidate and what it lost.

    Args:
        choice: the candidate.
        loss: mean over the folds of the loss on images that were held out.
    """

    choice: Choice
    loss: float


@dataclass(frozen=True, kw_only=True)
class Tuning:
    """The outcome of a cross-validation.

    Args:
        chosen: the candidate with the least loss.
        trials: every candidate; none where there was nothing to compare.
    """

    chosen: Choice
    trials: tuple[Trial, ...] = ()


@dataclass(frozen=True, kw_only=True)
class TuningSettings:
    """How to choose.

    Args:
        candidates: what is compared; a single one is taken without a comparison.
        folds: trainings of each candidate, 1 to 3.
        default: what is taken where no image can be held out.
        length: share of the steps of an arm that each training takes.
    """

    candidates: tuple[Choice, ...]
    folds: int = FOLDS
    default: Choice = Choice(strength=1.0)
    length: float = TUNING_LENGTH


def tune(
    arm: str,
    real: Digits,
    synthetic: Digits | None,
    settings: TuningSettings,
    judge: Judge,
    steps: int,
    seed: int,
) -> Tuning:
    """Chooses one of several candidates.

    The criterion is a log-loss, which tells a sure error from a close one: with 100 images accuracy
    moves in whole points. It is taken at the temperature that suits the classifier best, see
    `tempered_loss`.

    Args:
        arm: a key of ARMS: what the classifier is trained on.
        real: the cell's real images: no others are looked at.
        synthetic: synthetic digits of the arm, which are learnt from in every fold; None if it has
            none.
        settings: candidates and folds.
        judge: trains and asks the classifier.
        steps: gradient steps of the arms.
        seed: decides the folds and the classifiers.
    """
    if len(settings.candidates) == 1:
        return Tuning(chosen=settings.candidates[0])
    trials = _cross_validate(arm, real, synthetic, settings, judge, steps, seed)
    if not trials:
        return Tuning(chosen=settings.default)
    best = min(trials, key=lambda trial: trial.loss)
    return Tuning(chosen=best.choice, trials=trials)


def tune_dose(
    strength: Tuning,
    real: Digits,
    synthetic: Digits,
    settings: TuningSettings,
    judge: Judge,
    steps: int,
    seed: int,
) -> Tuning:
    """Chooses the share of synthetic digits in each batch, 0 or one of DOSES.

    The folds and the criterion are those of `tune`. What no synthetic digits at all come to is
    known from the tuning of the strength, whose folds are the same.

    Args:
        strength: the strength of the distortions, tuned on the arm "classical" with the same
            settings, steps and seed; nothing is chosen where nothing could be held out for it.
        real: the cell's real images: no others are looked at.
        synthetic: digits from elsewhere, which are learnt from in every fold.
        settings: folds and length; the candidates are DOSES, the default DEFAULT_DOSE.
        judge: trains and asks the classifier.
        steps: gradient steps of the arms.
        seed: decides the folds and the classifiers.
    """
    chosen = strength.chosen
    if not strength.trials:
        return Tuning(chosen=replace(chosen, dose=DEFAULT_DOSE))
    without = next(trial.loss for trial in strength.trials if trial.choice == chosen)
    candidates = tuple(replace(chosen, dose=dose) for dose in DOSES)
    trials = (
        Trial(choice=replace(chosen, dose=0.0), loss=without),
        *_cross_validate(
            "source",
            real,
            synthetic,
            replace(settings, candidates=candidates),
            judge,
            steps,
            seed,
        ),
    )
    return Tuning(chosen=best_dose(trials), trials=trials)


def best_dose(trials: Sequence[Trial]) -> Choice:
    """Picks a dose by its loss.

    It is 0 where no dose has a lower loss than none. Else few held-out images tell the doses apart
    by chance only: another one than DEFAULT_DOSE is taken where its loss is clearly less, by
    DOSE_MARGIN, or where the default is no better than none.

    Args:
        trials: of the doses 0 and DOSES.
    """
    loss = {trial.choice.dose: trial.loss for trial in trials}
    best = min(trials, key=lambda trial: trial.loss)
    is_clear = best.loss < (1 - DOSE_MARGIN) * loss[DEFAULT_DOSE]
    if best.choice.dose == 0 or is_clear or loss[DEFAULT_DOSE] >= loss[0.0]:
        return best.choice
    return replace(best.choice, dose=DEFAULT_DOSE)


def _cross_validate(
    arm: str,
    real: Digits,
    synthetic: Digits | None,
    settings: TuningSettings,
    judge: Judge,
    steps: int,
    seed: int,
) -> tuple[Trial, ...]:
    """Trains and asks a classifier for each candidate in each fold, with the arguments of `tune`.

    Returns:
        One trial a candidate; none where no image can be held out.
    """
    choices = []
    trainings = []
    parts = []
    for rest, held_out in split(real, seed, fold_count(len(real), settings.folds)):
        for choice in settings.candidates:
            digits, weights = training_set(arm, rest, synthetic, dose=choice.dose)
            training = JudgeTraining(
                digits=digits,
                weights=weights,
                strength=choice.strength,
                steps=tuning_steps(steps, settings.length),
                seed=seed,
            )
            choices.append(choice)
            trainings.append(training)
            parts.append(held_out)
    losses: dict[Choice, list[float]] = {}
    answers = judge.ask_each(trainings, [part.images for part in parts])
    for choice, part, probabilities in zip(choices, parts, answers, strict=True):
        losses.setdefault(choice, []).append(tempered_loss(probabilities, part.labels))
    return tuple(
        Trial(choice=choice, loss=float(np.mean(found))) for choice, found in losses.items()
    )


def transfer_tuning(settings: TuningSettings) -> TuningSettings:
    """Returns how the scenario transfer chooses: in three folds, by short trainings.

    Args:
        settings: of the benchmark; its candidates and its default are kept.
    """
    return replace(settings, folds=FOLDS, length=TRANSFER_TUNING_LENGTH)


def tuning_steps(steps: int, length: float = TUNING_LENGTH) -> int:
    """Returns the gradient steps of one training of the cross-validation.

    Args:
        steps: gradient steps of the arms.
        length: see `TuningSettings`.
    """
    return max(1, round(length * steps))


def fold_count(images: int, folds: int) -> int:
    """Returns how often each candidate is trained.

    Args:
        images: real images that there are.
        folds: trainings of each candidate where images are few.
    """
    return folds if images <= ONE_FOLD_FROM else 1


def log_loss(probabilities: NDArray[np.float32], labels: Labels) -> float:
    """Returns the mean over the classes of the mean of -log p(label).

    Every class counts the same, however frequent it is.

    Args:
        probabilities: (n, classes) float32, rows summing to 1.
        labels: (n,) uint8.

    Example:
        >>> third = np.array([[0.5, 0.5], [0.5, 0.5], [0.0, 1.0]], np.float32)
        >>> round(log_loss(third, np.array([0, 0, 1], np.uint8)), 4)
        0.3466
    """
    own = probabilities[np.arange(len(labels)), labels]  # (n,)
    losses = -np.log(np.maximum(own, LEAST_PROBABILITY))
    return float(np.mean([losses[labels == label].mean() for label in np.unique(labels)]))


def tempered_loss(probabilities: NDArray[np.float32], labels: Labels) -> float:
    """Returns the log-loss of p^(1/t), scaled to sum 1, at the temperature t that makes it least.

    Guo et al. 2017, "On calibration of modern neural networks", https://arxiv.org/abs/1706.04599.
    Label smoothing makes a classifier less sure than it may be, and distortions change by how much:
    untempered, that outweighs the errors.

    Args:
        probabilities: (n, classes) float32, rows summing to 1.
        labels: (n,) uint8.

    Example:
        >>> unsure = np.array([[0.6, 0.4], [0.6, 0.4], [0.4, 0.6], [0.6, 0.4]], np.float32)
        >>> labels = np.array([0, 0, 1, 1], np.uint8)  # three of the four are right
        >>> round(tempered_loss(unsure, labels), 3), round(log_loss(unsure, labels), 3)
        (0.562, 0.612)
    """
    logs = np.log(np.maximum(probabilities, LEAST_PROBABILITY)).astype(np.float64)

    def loss(sharpness: float) -> float:
        return log_loss(softmax(logs * np.exp(sharpness), axis=1), labels)

    return float(minimize_scalar(loss, bounds=SHARPNESS_RANGE, method="bounded").fun)


def deal(digits: Digits, seed: int) -> NDArray[np.int64]:
    """Deals digits into three folds, class by class.

    Args:
        digits: to be dealt.
        seed: decides the folds.

    Returns:
        (n,) the number of the fold of each digit.
    """
    fold = np.empty(len(digits), np.int64)
    for label in range(digits.classes):
        rows = np.flatnonzero(digits.labels == label)
        random = np.random.Generator(np.random.Philox(key=[seed, label]))
        fold[rows] = random.permutation(len(rows)) % FOLDS
    return fold


def split(digits: Digits, seed: int, folds: int) -> Iterator[tuple[Digits, Digits]]:
    """Deals digits into three folds, class by class, and holds out one fold after the other.

    Args:
        digits: to be dealt.
        seed: decides the folds.
        folds: how many of them are held out, 1 to 3.

    Yields:
        (to learn from, held out). No image is held out twice; a fold that is empty, or all that
        there is, is left out.
    """
    fold = deal(digits, seed)
    for number in range(folds):
        held_out = fold == number
        if 0 < np.count_nonzero(held_out) < len(digits):
            yield digits.take(~held_out), digits.take(held_out)
