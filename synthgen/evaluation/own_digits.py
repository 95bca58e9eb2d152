"""What a synthetic set is worth beside own digits, of which none can be spared for tests.

The own digits are dealt into three parts. Two classifiers learn from two of the parts, distorted:
one from these alone, one from these and the synthetic digits. Both are asked about the third part.
The strength of the distortions and the dose (the share of each batch that is synthetic) are chosen
within these two parts each time, or are at their defaults where the parts have fewer than three of
a class, so that nothing of a digit went into the classifiers that read it. All of that is repeated
with other seeds, each of which deals anew.

The share of a set that tops uneven digits up is not chosen but given: the one with which all
images, once each, are even. Its figures count every class the same.
"""

import functools
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from synthgen.classifiers.judge import Judge, JudgeTraining
from synthgen.datasets.digits import Digits
from synthgen.datasets.splits import RealDigits
from synthgen.evaluation.arms import class_weights, training_set
from synthgen.evaluation.scenarios import paired_seeds
from synthgen.evaluation.transfer import LEAST_TO_TUNE, tune_strength
from synthgen.evaluation.tuning import (
    DEFAULT_DOSE,
    FOLDS,
    TRANSFER_TUNING_LENGTH,
    Choice,
    TuningSettings,
    deal,
    tune_dose,
    tuning_steps,
)
from synthgen.metrics.intervals import (
    Estimate,
    discordance_interval,
    paired_difference,
    verdict,
)
from synthgen.processes import run_side_by_side, worker_count

OWN_DIGITS_REVISION = 4  # raised when the same digits and settings come to other figures
OWN_DIGITS_FORMAT = "synthgen-own-digits/2"
OWN_DIGITS_FILE = "own-digits.json"
OWN_DIGITS_STEPS = 1000  # gradient steps of each classifier: with three repetitions, minutes
OWN_DIGITS_SEEDS = 3  # repetitions: more take over ten minutes
CHOOSING_FOLDS = 1  # trainings of each candidate within two parts, in each repetition
MOST_OWN_DIGITS = 1000  # with more there are enough to set a test part aside
MOST_BESIDE_OWN = 1000  # synthetic digits of each class
DEFAULT_STRENGTH = 1.0  # of the distortions, where nothing can be held out


@dataclass(frozen=True, kw_only=True)
class OwnDigitsVerdict:
    """What a set is worth beside somebody's own digits.

    Args:
        fingerprint: of everything that decides the figures.
        own: number of own digits.
        synthetic: number of synthetic digits that were used.
        dose: share of each batch to be synthetic; 0: none. The one that was chosen most often.
        strength: of the distortions, the one that was chosen most often.
        tops_up: whether the set tops uneven digits up: accuracies then count every class the same.
        seeds: repetitions; 0 where there are too few of a class to hold any out.
        alone: accuracy of the classifiers of own digits, 0..1; None without a repetition.
        together: accuracy of those that learnt from synthetic digits, too.
        difference: of these two, with an interval over digits and seeds, see `difference_of`.
        by_seed: the difference in each repetition.
        by_class: share of the digits of each class that are read rightly, without and with the
            synthetic digits; empty without a repetition.
        class_names: one name for each of these classes.
        code: what gives a training job both kinds of digits; "" where the own ones alone are
            advised.
    """

    fingerprint: str
    own: int
    synthetic: int
    dose: float
    strength: float
    tops_up: bool = False
    seeds: int = 0
    alone: float | None = None
    together: float | None = None
    difference: Estimate | None = None
    by_seed: tuple[float, ...] = ()
    by_class: tuple[tuple[float, float], ...] = ()
    class_names: tuple[str, ...] = ()
    code: str = ""

    @property
    def verdict(self) -> str:
        """One of "helps", "no effect", "hurts"; "undecided" where nothing could be measured."""
        return verdict(self.difference or Estimate(mean=0.0, low=None, high=None))

    @property
    def share(self) -> float:
        """Share of each batch that is advised to be synthetic; 0: the own digits alone."""
        if self.alone is None or self.together is None or self.together > self.alone:
            return self.dose
        return 0.0

    @property
    def weight(self) -> float:
        """Weight of a synthetic image that comes to that share if all images are shown once."""
        return self.share / (1 - self.share) * self.own / max(1, self.synthetic)


class _Part(NamedTuple):
    """A third of the own digits, as they are dealt with a seed."""

    seed: int
    number: int


class _Reading(NamedTuple):
    """How two classifiers read a third of the own digits.

    Args:
        seed: with which they were dealt.
        rows: positions of the digits of the part.
        right: whether each was read rightly by the arm "classical" and by the arm "source".
        choice: of strength and dose.
    """

    seed: int
    rows: NDArray[np.int64]
    right: tuple[NDArray[np.bool_], NDArray[np.bool_]]
    choice: Choice


def judge_own_digits(
    own: Digits,
    synthetic: Digits,
    judge: Judge,
    fingerprint: str,
    *,
    tops_up: bool = False,
    steps: int = OWN_DIGITS_STEPS,
    seeds: int = OWN_DIGITS_SEEDS,
    workers: int = 0,
    progress: Callable[[int], object] | None = None,
) -> OwnDigitsVerdict:
    """Measure what a set is worth beside somebody's own digits.

    Args:
        own: all the digits that somebody has to learn from.
        synthetic: digits of the set, of the same shape and classes.
        judge: trains and asks the classifiers.
        fingerprint: of everything that decides the figures.
        tops_up: whether the set has what the classes lack to be even.
        steps: gradient steps of each classifier.
        seeds: repetitions.
        workers: processes that train side by side, see `processes.worker_count`.
        progress: called with the number of gradient steps that were just done, of `steps_in_all`.
    """
    counts = own.counts()
    share = len(synthetic) / (len(synthetic) + len(own)) if tops_up else DEFAULT_DOSE
    found = OwnDigitsVerdict(
        fingerprint=fingerprint,
        own=len(own),
        synthetic=len(synthetic),
        dose=share,
        strength=DEFAULT_STRENGTH,
        tops_up=tops_up,
    )
    if counts[counts > 0].min() < LEAST_TO_TUNE:
        return found

    # Every third of every deal: what is chosen without it, and what is read of it
    read = functools.partial(
        _read_part,
        own=own,
        synthetic=synthetic,
        judge=judge,
        steps=steps,
        share=share if tops_up else None,
    )
    parts = [_Part(seed, number) for seed in paired_seeds(seeds) for number in range(FOLDS)]
    processes = worker_count(workers) if judge.own_process else 0
    right = np.zeros((2, seeds, len(own)), np.bool_)  # arm, seed, digit
    choices = []
    for value in run_side_by_side(read, parts, processes):
        if isinstance(value, int):
            if progress:
                progress(value)
            continue
        row = paired_seeds(seeds).index(value.seed)
        right[:, row, value.rows] = value.right
        choices.append(value.choice)

    # Every digit counts the same, or every class
    weights = class_weights(own.labels, own.classes) if tops_up else np.ones(len(own), np.float32)
    alone, together = right * weights.astype(np.float64)  # (seeds, digits) each
    classes = np.flatnonzero(counts).tolist()
    of_class = [own.labels == label for label in classes]
    return replace(
        found,
        dose=_most_chosen([choice.dose or 0.0 for choice in choices]),
        strength=_most_chosen([choice.strength for choice in choices]),
        seeds=seeds,
        alone=float(alone.mean()),
        together=float(together.mean()),
        difference=difference_of(alone, together),
        by_seed=tuple((together - alone).mean(axis=1).tolist()),
        by_class=tuple(
            (float(right[0][:, rows].mean()), float(right[1][:, rows].mean())) for rows in of_class
        ),
        class_names=tuple(str(own.class_names[label]) for label in classes),
    )


def is_top_up(made: NDArray[np.int64], real: RealDigits) -> bool:
    """Whether a set has just what the classes of uneven digits lack to be even.

    Args:
        made: (classes,) images of each class in the set.
        real: the uneven digits; their test part may have been counted or not.
    """
    learnt = len(real.train) + len(real.validation)
    for own in (real.whole, real.whole.take(slice(0, learnt))):
        lacking = own.counts().max() - own.counts()
        if lacking.any() and np.array_equal(made, lacking):
            return True
    return False


def steps_in_all(
    judge: Judge, *, steps: int = OWN_DIGITS_STEPS, seeds: int = OWN_DIGITS_SEEDS
) -> int:
    """Return the gradient steps of `judge_own_digits`, with as many candidates of each choice."""
    choosing = 2 * len(judge.strengths) * tuning_steps(steps, TRANSFER_TUNING_LENGTH)
    return seeds * FOLDS * (choosing + 2 * steps)


def difference_of(alone: NDArray[np.float64], together: NDArray[np.float64]) -> Estimate:
    """Return what synthetic digits change, with an interval over the digits and the seeds.

    It covers both `paired_difference`, which asks what other seeds and other digits would give, and
    `discordance_interval` over the digits that are read rightly more often, or less often, with
    than without: with few digits Student's interval is too sure.

    Args:
        alone: (seeds, digits), what each digit contributes to the accuracy without them.
        together: (seeds, digits), with them.
    """
    paired = paired_difference(together, alone)
    change = (together - alone).mean(axis=0)  # (digits,)
    gained = int(np.count_nonzero(change > 0))
    lost = int(np.count_nonzero(change < 0))
    exact = discordance_interval(gained, lost, len(change))
    scale = np.abs(change).sum() / max(1, gained + lost)
    ends = [float(scale * end) for end in (exact.low, exact.high) if end is not None]
    ends += [end for end in (paired.low, paired.high) if end is not None]
    return Estimate(mean=paired.mean, low=min(ends), high=max(ends))


def _read_part(
    part: _Part, *, own: Digits, synthetic: Digits, judge: Judge, steps: int, share: float | None
) -> Iterator[int | _Reading]:
    """Choose and train without a part of the own digits, and read it.

    Args:
        part: which one.
        own: all own digits.
        synthetic: all synthetic ones.
        judge: trains and asks the classifiers.
        steps: gradient steps of each classifier.
        share: the dose; None: it is chosen.

    Yields:
        The number of gradient steps that were just done; in the end the reading.
    """
    is_held_out = deal(own, part.seed) == part.number
    rest = own.take(~is_held_out)
    held_out = own.take(is_held_out)

    # Strength and dose, chosen within the digits that are learnt from
    settings = TuningSettings(
        candidates=tuple(Choice(strength=strength) for strength in judge.strengths),
        folds=CHOOSING_FOLDS,
        length=TRANSFER_TUNING_LENGTH,
    )
    choosing = len(judge.strengths) * tuning_steps(steps, settings.length)
    strength = tune_strength(rest, settings, judge, steps, part.seed)
    yield choosing
    choice = replace(strength.chosen, dose=share)
    if share is None:
        choice = tune_dose(strength, rest, synthetic, settings, judge, steps, part.seed).chosen
    yield choosing

    # The two classifiers, and what they make of the others
    right: list[NDArray[np.bool_]] = []
    for arm, dose in (("classical", 0.0), ("source", choice.dose)):
        if right and dose == 0:
            right.append(right[0])  # trained in the very same way
            yield steps
            continue
        digits, _ = training_set(arm, rest, synthetic if right else None, dose=dose)
        training = JudgeTraining(
            digits=digits, steps=steps, seed=part.seed, strength=choice.strength
        )
        seen = judge.predict(judge.fit(training, None), held_out.images).argmax(axis=1)
        right.append(seen == held_out.labels)
        yield steps
    yield _Reading(part.seed, np.flatnonzero(is_held_out), (right[0], right[1]), choice)


def _most_chosen(values: list[float]) -> float:
    """Return the value that occurs most often; of several, the one in the middle."""
    times = Counter(values)
    most = max(times.values())
    often = sorted(value for value, count in times.items() if count == most)
    return often[(len(often) - 1) // 2]
