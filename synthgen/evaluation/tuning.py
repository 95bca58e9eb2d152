"""How strongly to distort and how many synthetic digits to add: chosen by cross-validation.

It sees a cell's own real images and no others. The strength multiplies every range of the affine
and elastic distortions; the dose is the share of each batch that is synthetic. The images of each
class are dealt into three folds: a classifier learns from two of them and is asked about the third.
With many images one such training a candidate is enough.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
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
COMPARED_DOSES = (0.0, *DOSES)
DEFAULT_DOSE = 0.5  # where no image can be held out, or none of the others is clearly better
# Share of the steps of an arm that a training of the cross-validation takes: the order of the
# candidates is asked for, and three folds of seven candidates take as long as four arms.
TRANSFER_TUNING_LENGTH = 0.2
# A dose is taken in the place of the default one where its loss is less by more than so many
# standard errors of the difference.
CLEAR_ERRORS = 2.0
DOSE_CRITERION = "log-loss at the best temperature of all folds"


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
        error: of a dose, the standard error of how far its loss is from that of DEFAULT_DOSE; None
            of a strength.
    """

    choice: Choice
    loss: float
    error: float | None = None


@dataclass(frozen=True, kw_only=True)
class Tuning:
    """The outcome of a cross-validation.

    Args:
        chosen: the candidate with the least loss; of doses see `best_dose`.
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
    answers = _cross_validate(arm, real, synthetic, settings, judge, steps, seed)
    if not answers:
        return Tuning(chosen=settings.default)
    trials = tuple(
        Trial(
            choice=choice,
            loss=float(np.mean([tempered_loss(one.probabilities, one.labels) for one in folds])),
        )
        for choice, folds in answers.items()
    )
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

    The folds are those of `tune`. Where a fold has few images, a classifier is often right about
    all of them, and at the temperature that suits it best it loses nothing: so the temperature is
    that of the images of all folds together.

    Args:
        strength: the strength of the distortions, tuned on the arm "classical"; nothing is chosen
            where nothing could be held out for it.
        real: the cell's real images: no others are looked at.
        synthetic: digits from elsewhere, which are learnt from in every fold.
        settings: folds and length; the candidates are COMPARED_DOSES, the default DEFAULT_DOSE.
        judge: trains and asks the classifier.
        steps: gradient steps of the arms.
        seed: decides the folds and the classifiers.
    """
    chosen = strength.chosen
    if not strength.trials:
        return Tuning(chosen=replace(chosen, dose=DEFAULT_DOSE))
    candidates = tuple(replace(chosen, dose=dose) for dose in COMPARED_DOSES)
    settings = replace(settings, candidates=candidates)
    losses: dict[Choice, NDArray[np.float64]] = {}  # (images,) each
    for choice, folds in _cross_validate(
        "source", real, synthetic, settings, judge, steps, seed
    ).items():
        probabilities = np.concatenate([one.probabilities for one in folds])
        labels = np.concatenate([one.labels for one in folds])
        losses[choice] = tempered_losses(probabilities, labels)
    default = losses[replace(chosen, dose=DEFAULT_DOSE)]
    trials = tuple(
        Trial(
            choice=choice,
            loss=float(found.mean()),
            error=float((found - default).std(ddof=1) / np.sqrt(len(found))),
        )
        for choice, found in losses.items()
    )
    return Tuning(chosen=best_dose(trials), trials=trials)


def best_dose(trials: Sequence[Trial]) -> Choice:
    """Picks a dose by its loss: the default unless another one is clearly better.

    Few held-out images tell doses apart by chance: with 50 of them a single one that is misread
    more outweighs all else. Another dose is taken where its loss is less by more than CLEAR_ERRORS
    standard errors of the difference. That is the rule of Breiman et al. 1984, "Classification and
    regression trees", with the default in the place of the simplest model, and two errors instead
    of one: one is not more than a single misread image comes to.

    Args:
        trials: of COMPARED_DOSES, each with its standard error.
    """
    default = next(trial for trial in trials if trial.choice.dose == DEFAULT_DOSE)
    clear = [
        trial for trial in trials if default.loss - trial.loss > CLEAR_ERRORS * (trial.error or 0.0)
    ]
    return min(clear or [default], key=lambda trial: trial.loss).choice


class _Answers(NamedTuple):
    """What a classifier said of the images that were held out of its training.

    Args:
        probabilities: (n, classes) float32, rows summing to 1.
        labels: (n,) uint8, what they are.
    """

    probabilities: NDArray[np.float32]
    labels: Labels


def _cross_validate(
    arm: str,
    real: Digits,
    synthetic: Digits | None,
    settings: TuningSettings,
    judge: Judge,
    steps: int,
    seed: int,
) -> dict[Choice, list[_Answers]]:
    """Trains and asks a classifier for each candidate in each fold, with the arguments of `tune`.

    Returns:
        The answers in each fold by candidate; none where no image can be held out.
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
    found: dict[Choice, list[_Answers]] = {}
    answers = judge.ask_each(trainings, [part.images for part in parts])
    for choice, part, probabilities in zip(choices, parts, answers, strict=True):
        found.setdefault(choice, []).append(_Answers(probabilities, part.labels))
    return found


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


def log_losses(probabilities: NDArray[np.float32], labels: Labels) -> NDArray[np.float64]:
    """Returns what each image adds to a mean of -log p(label) in which all classes count the same.

    Args:
        probabilities: (n, classes) float32, rows summing to 1.
        labels: (n,) uint8.

    Returns:
        (n,) float64, whose mean is the mean over the classes of the mean of -log p(label) of each.

    Example:
        >>> third = np.array([[0.5, 0.5], [0.5, 0.5], [0.0, 1.0]], np.float32)
        >>> round(float(log_losses(third, np.array([0, 0, 1], np.uint8)).mean()), 4)
        0.3466
    """
    own = probabilities[np.arange(len(labels)), labels].astype(np.float64)  # (n,)
    counts = np.bincount(labels)
    share = len(labels) / (np.count_nonzero(counts) * counts[labels])  # (n,), of mean 1
    return share * -np.log(np.maximum(own, LEAST_PROBABILITY))


def tempered_losses(probabilities: NDArray[np.float32], labels: Labels) -> NDArray[np.float64]:
    """Returns `log_losses` of p^(1/t), scaled to sum 1, at the temperature t of the least mean.

    Guo et al. 2017, "On calibration of modern neural networks", https://arxiv.org/abs/1706.04599.
    Label smoothing makes a classifier less sure than it may be, and distortions change by how much:
    untempered, that outweighs the errors.

    Args:
        probabilities: (n, classes) float32, rows summing to 1.
        labels: (n,) uint8.

    Returns:
        (n,) float64.
    """
    from scipy.optimize import minimize_scalar  # takes as long to load as a tenth of the package

    logs = np.log(np.maximum(probabilities, LEAST_PROBABILITY)).astype(np.float64)

    def losses(sharpness: float) -> NDArray[np.float64]:
        return log_losses(softmax(logs * np.exp(sharpness), axis=1), labels)

    best = minimize_scalar(
        lambda sharpness: losses(sharpness).mean(), bounds=SHARPNESS_RANGE, method="bounded"
    )
    return losses(best.x)


def tempered_loss(probabilities: NDArray[np.float32], labels: Labels) -> float:
    """Returns the mean of `tempered_losses`, with the same arguments.

    Example:
        >>> unsure = np.array([[0.6, 0.4], [0.6, 0.4], [0.4, 0.6], [0.6, 0.4]], np.float32)
        >>> labels = np.array([0, 0, 1, 1], np.uint8)  # three of the four are right
        >>> losses = tempered_loss(unsure, labels), float(log_losses(unsure, labels).mean())
        >>> [round(loss, 3) for loss in losses]
        [0.562, 0.612]
    """
    return float(tempered_losses(probabilities, labels).mean())


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
