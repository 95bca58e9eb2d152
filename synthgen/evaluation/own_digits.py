"""What a synthetic set is worth beside few own digits, of which none can be spared for tests.

The own digits are dealt into three parts. Two classifiers learn from two of the parts, distorted:
one from these alone, one from these and the synthetic digits. Both are asked about the third part.
The strength of the distortions and the dose (the share of each batch that is synthetic) are chosen
within these two parts each time, or are at their defaults where the parts have fewer than three of
a class, so that nothing of a digit went into the classifiers that read it.
"""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from synthgen.classifiers.judge import Judge, JudgeTraining
from synthgen.datasets.digits import Digits
from synthgen.evaluation.arms import training_set
from synthgen.evaluation.transfer import LEAST_TO_TUNE, tune_strength
from synthgen.evaluation.tuning import (
    DEFAULT_DOSE,
    FOLDS,
    TRANSFER_TUNING_LENGTH,
    Choice,
    TuningSettings,
    split,
    tune_dose,
)
from synthgen.metrics.intervals import Estimate, discordance_interval, verdict

OWN_DIGITS_REVISION = 3  # raised when the same digits and settings come to other figures
OWN_DIGITS_FORMAT = "synthgen-own-digits/1"
OWN_DIGITS_FILE = "own-digits.json"
OWN_DIGITS_STEPS = 1500  # gradient steps of each classifier
OWN_DIGITS_SEED = 1000
CHOOSING_FOLDS = 1  # trainings of each candidate within two parts: more take over ten minutes
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
        alone: accuracy of the classifiers of own digits, 0..1; None where there are too few of a
            class to hold any out.
        together: accuracy of those that learnt from synthetic digits, too.
        difference: of these two, with the interval of `discordance_interval` over the digits; it
            knows nothing of what other seeds or other parts would give.
    """

    fingerprint: str
    own: int
    synthetic: int
    dose: float
    strength: float
    alone: float | None = None
    together: float | None = None
    difference: Estimate | None = None

    @property
    def verdict(self) -> str:
        """One of "helps", "no effect", "hurts"; "undecided" where nothing could be measured."""
        return verdict(self.difference or Estimate(mean=0.0, low=None, high=None))

    def lines(self) -> list[str]:
        """Return what was found, and what to do, for the terminal."""
        how = f"share {self.dose:g} of each batch"
        if self.alone is None or self.together is None or self.difference is None:
            return [
                f"Your digits are too few to measure with: a class has fewer than {FOLDS}.",
                f"What to do: train on your {self.own:,} digits and these {self.synthetic:,} "
                f"({how}), all distorted. No figure of your own stands behind this share.",
            ]
        low = self.difference.low or 0.0
        high = self.difference.high or 0.0
        lines = [
            f"Your {self.own:,} digits in {FOLDS} parts, each read by classifiers of the others:",
            f"  your digits, distorted          {self.alone:.1%}",
            f"  and synthetic ones              {self.together:.1%}   "
            f"{100 * self.difference.mean:+.1f} points ({100 * low:+.1f} to {100 * high:+.1f}): "
            f"{self.verdict}",
        ]
        if self.dose == 0 or self.together <= self.alone:
            return [
                *lines,
                f"What to do: train on your {self.own:,} digits alone, distorted. The synthetic "
                "ones add nothing that shows on them.",
            ]
        chance = ""
        if self.verdict != "helps":
            chance = " So few digits cannot tell this from chance."
        return [
            *lines,
            f"What to do: train on your {self.own:,} digits and these {self.synthetic:,}, {how}, "
            f"all distorted: {self.together:.1%} instead of {self.alone:.1%}.{chance}",
        ]


def judge_own_digits(
    own: Digits,
    synthetic: Digits,
    judge: Judge,
    fingerprint: str,
    *,
    steps: int = OWN_DIGITS_STEPS,
    progress: Callable[[int], object] | None = None,
) -> OwnDigitsVerdict:
    """Measure what a set is worth beside somebody's own digits.

    Args:
        own: all the digits that somebody has to learn from.
        synthetic: digits of the set, of the same shape and classes.
        judge: trains and asks the classifiers.
        fingerprint: of everything that decides the figures.
        steps: gradient steps of each classifier.
        progress: called with the number of gradient steps that were just done.
    """
    found = OwnDigitsVerdict(
        fingerprint=fingerprint,
        own=len(own),
        synthetic=len(synthetic),
        dose=DEFAULT_DOSE,
        strength=DEFAULT_STRENGTH,
    )
    counts = own.counts()
    if counts[counts > 0].min() < LEAST_TO_TUNE:
        return found

    candidates = tuple(Choice(strength=strength) for strength in judge.strengths)
    settings = TuningSettings(
        candidates=candidates, folds=CHOOSING_FOLDS, length=TRANSFER_TUNING_LENGTH
    )
    choices = []
    answers = {"classical": 0, "source": 0}
    differences: list[int] = []
    for rest, held_out in split(own, OWN_DIGITS_SEED, FOLDS):
        # Strength and dose, chosen within the digits that are learnt from
        strength = tune_strength(rest, settings, judge, steps, OWN_DIGITS_SEED)
        dose = tune_dose(strength, rest, synthetic, settings, judge, steps, OWN_DIGITS_SEED)
        choices.append(dose.chosen)

        # The two classifiers, and what they make of the others
        right: dict[str, NDArray[np.bool_]] = {}
        for arm, choice in (("classical", strength.chosen), ("source", dose.chosen)):
            if arm == "source" and choice.dose == 0:
                right[arm] = right["classical"]  # trained in the very same way
                continue
            added = synthetic if arm == "source" else None
            digits, _ = training_set(arm, rest, added, dose=choice.dose)
            training = JudgeTraining(
                digits=digits, steps=steps, seed=OWN_DIGITS_SEED, strength=choice.strength
            )
            model = judge.fit(training, progress)
            seen = judge.predict(model, held_out.images).argmax(axis=1)
            right[arm] = seen == held_out.labels
        for arm in answers:
            answers[arm] += int(right[arm].sum())
        differences += (right["source"].astype(int) - right["classical"].astype(int)).tolist()

    return replace(
        found,
        dose=_most_chosen([choice.dose or 0.0 for choice in choices]),
        strength=_most_chosen([choice.strength for choice in choices]),
        alone=answers["classical"] / len(differences),
        together=answers["source"] / len(differences),
        difference=discordance_interval(
            differences.count(1), differences.count(-1), len(differences)
        ),
    )


def _most_chosen(values: list[float]) -> float:
    """Return the value that occurs most often; of several, the one in the middle."""
    times = Counter(values)
    most = max(times.values())
    often = sorted(value for value, count in times.items() if count == most)
    return float(np.sort(often)[(len(often) - 1) // 2])
