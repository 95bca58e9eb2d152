"""What a synthetic set is worth beside own digits, of which none can be spared for tests.

The own digits are dealt into three parts. Two classifiers learn from two of the parts, distorted:
one from these alone, one from these and the synthetic digits. Both are asked about the third part.
The strength of the distortions and the dose (the share of each batch that is synthetic) are chosen
within these two parts each time, or are at their defaults where the parts have fewer than three of
a class, so that nothing of a digit went into the classifiers that read it. All of that is repeated
with other seeds, each of which deals anew.

The share of a set that tops uneven digits up is not chosen but given: the one with which all
images, once each, are even. Its figures count every class the same.

Each trained classifier is kept as a cell, so that a verdict that was stopped goes on.
"""

import dataclasses
import functools
import hashlib
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from synthgen.classifiers.judge import Judge, JudgeTraining
from synthgen.datasets.digits import Digits
from synthgen.datasets.splits import RealDigits
from synthgen.errors import RecordError
from synthgen.evaluation.arms import class_weights, training_set
from synthgen.evaluation.cells import Cell, CellStore, Experiment, machine_facts, train_cell
from synthgen.evaluation.generators import READY, ready_set
from synthgen.evaluation.scenarios import Key, paired_seeds
from synthgen.evaluation.synthetic import SyntheticRecord
from synthgen.evaluation.transfer import LEAST_TO_TUNE, tune_strength
from synthgen.evaluation.tuning import (
    COMPARED_DOSES,
    DEFAULT_DOSE,
    FOLDS,
    TRANSFER_TUNING_LENGTH,
    Choice,
    Tuning,
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
from synthgen.records import fingerprint, from_plain, parse_json, to_json, versions

OWN_DIGITS_REVISION = 5  # raised when the same digits and settings come to other figures
OWN_DIGITS_FORMAT = "synthgen-own-digits/2"
OWN_DIGITS_FILE = "own-digits.json"
OWN_DIGITS_STEPS = 1000  # gradient steps of each classifier: with three repetitions, minutes
OWN_DIGITS_SEEDS = 3  # repetitions: more take over ten minutes
CHOOSING_FOLDS = 1  # trainings of each candidate within two parts, in each repetition
MOST_BESIDE_OWN = 1000  # synthetic digits of each class
DEFAULT_STRENGTH = 1.0  # of the distortions, where nothing can be held out
OWN_DIGITS = "own-digits"  # scenario of the cells
ARMS_TRIED = ("classical", "source")  # the own digits alone, and beside synthetic ones
# what the file says besides the fields of a verdict, from which it follows
DERIVED = ("verdict", "share", "weight")


@dataclass(frozen=True, kw_only=True, eq=False)
class OwnDigitsTrial:
    """What is tried beside somebody's own digits, and how.

    Args:
        own: all the digits that somebody has to learn from.
        synthetic: digits of the set, of the same shape and classes.
        judge: trains and asks the classifiers.
        fingerprint: of everything that decides the figures, but for steps and seeds.
        tops_up: whether the set has what the classes lack to be even.
        steps: gradient steps of each classifier.
        seeds: repetitions.
    """

    own: Digits
    synthetic: Digits
    judge: Judge
    fingerprint: str
    tops_up: bool = False
    steps: int = OWN_DIGITS_STEPS
    seeds: int = OWN_DIGITS_SEEDS

    @property
    def share(self) -> float:
        """The share of synthetic digits where none is chosen."""
        made = len(self.synthetic)
        return made / (made + len(self.own)) if self.tops_up else DEFAULT_DOSE

    def choosing_steps(self, arm: str) -> int:
        """Gradient steps of choosing in each part: a strength for the own digits, then a dose."""
        compared = self.judge.strengths if arm == "classical" else COMPARED_DOSES
        return len(compared) * tuning_steps(self.steps, TRANSFER_TUNING_LENGTH)

    @property
    def classifiers(self) -> int:
        """Classifiers that read the own digits, 0 where too few of a class are there to try it."""
        counts = self.own.counts()
        too_few = counts[counts > 0].min() < LEAST_TO_TUNE
        return 0 if too_few else self.seeds * FOLDS * len(ARMS_TRIED)

    @property
    def steps_in_all(self) -> int:
        """Gradient steps of the whole trial."""
        in_each_part = sum(self.choosing_steps(arm) + self.steps for arm in ARMS_TRIED)
        return self.seeds * FOLDS * in_each_part


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

    def __post_init__(self) -> None:
        if not (0 <= self.own < 2**63 and 0 <= self.synthetic < 2**63 and 0 <= self.dose < 1):
            raise ValueError(
                "expected numbers of digits and a dose of 0 or more and below 1, received "
                f"{self.own} and {self.synthetic} digits and a dose of {self.dose}."
            )

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
    """A third of the own digits, as they are dealt with a seed.

    Args:
        seed: with which they are dealt.
        number: of the third, 0 to 2.
        alone: the classifier that learnt from the other two thirds alone, if it is there already.
    """

    seed: int
    number: int
    alone: Cell | None = None

    def key(self, arm: str) -> Key:
        """The name of the classifier that does not learn from this part."""
        budget = f"part {self.number + 1} of {FOLDS}"
        return Key(
            scenario=OWN_DIGITS, budget=budget, share=None, arm=arm, ratio=None, seed=self.seed
        )

    def fingerprint(self, arm: str, trial: OwnDigitsTrial) -> str:
        """Of everything that decides what this classifier reads."""
        key = dataclasses.asdict(self.key(arm))
        return fingerprint({"trial": trial.fingerprint, "steps": trial.steps, "key": key})


def judge_own_digits(
    trial: OwnDigitsTrial,
    store: CellStore | None = None,
    *,
    workers: int = 0,
    progress: Callable[[int], object] | None = None,
) -> OwnDigitsVerdict:
    """Measure what a set is worth beside somebody's own digits.

    Args:
        trial: what is tried.
        store: keeps each classifier as soon as it is trained, and holds those of a trial that was
            stopped; None: nothing is kept.
        workers: processes that train side by side, see `processes.worker_count`.
        progress: called with the number of gradient steps that were just done, of those of
            `OwnDigitsTrial.steps_in_all` that `steps_done` does not count.
    """
    trial = _of_own_classes(trial)
    own = trial.own
    found = OwnDigitsVerdict(
        fingerprint=trial.fingerprint,
        own=len(own),
        synthetic=len(trial.synthetic),
        dose=trial.share,
        strength=DEFAULT_STRENGTH,
        tops_up=trial.tops_up,
    )
    if own.counts().min() < LEAST_TO_TUNE:
        return found
    advance = progress or (lambda _: None)

    # What was trained before
    parts = _parts(trial)
    cells = {} if store is None else _trained_before(trial, store)

    # The rest: every third of every deal, read by classifiers that learn without it
    missing = [
        part._replace(alone=cells.get(part.key("classical")))
        for part in parts
        if not all(part.key(arm) in cells for arm in ARMS_TRIED)
    ]
    read = functools.partial(_read_part, trial=trial)
    processes = worker_count(workers) if trial.judge.own_process else 0
    for value in run_side_by_side(read, missing, processes):
        if isinstance(value, int):
            advance(value)
            continue
        cells[value.key] = value
        if store is not None:
            store.add(value)

    # Whether each digit was read rightly
    right = np.zeros((len(ARMS_TRIED), trial.seeds, len(own)), np.bool_)
    for part in parts:
        rows = deal(own, part.seed) == part.number
        for row, arm in enumerate(ARMS_TRIED):
            right[row, part.seed - parts[0].seed, rows] = cells[part.key(arm)].correct
    chosen = [tuning.chosen for part in parts if (tuning := cells[part.key("source")].tuning)]

    # Every digit counts the same, or every class
    weights = np.ones(len(own), np.float32)
    if trial.tops_up:
        weights = class_weights(own.labels, own.classes)
    alone, together = right * weights.astype(np.float64)  # (seeds, digits) each
    of_class = [own.labels == label for label in range(own.classes)]
    return replace(
        found,
        dose=_most_chosen([choice.dose or 0.0 for choice in chosen]),
        strength=_most_chosen([choice.strength for choice in chosen]),
        seeds=trial.seeds,
        alone=float(alone.mean()),
        together=float(together.mean()),
        difference=difference_of(alone, together),
        by_seed=tuple((together - alone).mean(axis=1).tolist()),
        by_class=tuple(
            (float(right[0][:, rows].mean()), float(right[1][:, rows].mean())) for rows in of_class
        ),
        class_names=tuple(map(str, own.class_names)),
    )


def steps_done(trial: OwnDigitsTrial, store: CellStore) -> int:
    """Return the gradient steps of the classifiers that are trained already.

    Args:
        trial: what is tried.
        store: holds those of a trial that was stopped.
    """
    arms = [key.arm for key in _trained_before(trial, store)]
    return sum(trial.choosing_steps(arm) + trial.steps for arm in arms)


def _parts(trial: OwnDigitsTrial) -> list[_Part]:
    """Every third of every deal."""
    return [_Part(seed, number) for seed in paired_seeds(trial.seeds) for number in range(FOLDS)]


def _trained_before(trial: OwnDigitsTrial, store: CellStore) -> dict[Key, Cell]:
    """The classifiers of a trial that a store holds."""
    prints = {
        part.key(arm): part.fingerprint(arm, trial) for part in _parts(trial) for arm in ARMS_TRIED
    }
    return {key: store[known] for key, known in prints.items() if known in store}


def _of_own_classes(trial: OwnDigitsTrial) -> OwnDigitsTrial:
    """The trial without classes of which there are no own digits."""
    has_own = trial.own.counts() > 0
    if has_own.all():
        return trial
    names = np.array(trial.own.class_names)[has_own].tolist()
    kept = trial.synthetic.take(has_own[trial.synthetic.labels])
    return replace(trial, own=trial.own.numbered_as(names), synthetic=kept.numbered_as(names))


def write_own_digits(found: OwnDigitsVerdict) -> bytes:
    """Write a verdict as JSON, with what follows from its fields: verdict, share and weight.

    Args:
        found: the verdict.
    """
    derived = {name: getattr(found, name) for name in DERIVED}
    return to_json(dataclasses.asdict(found) | derived, format=OWN_DIGITS_FORMAT, indent=2)


def read_own_digits(content: bytes) -> OwnDigitsVerdict:
    """Read what `write_own_digits` wrote.

    Args:
        content: of the file.

    Raises:
        RecordError: if it is no verdict, or of another version.
    """
    plain = parse_json(content)
    if not isinstance(plain, dict) or plain.pop("format", None) != OWN_DIGITS_FORMAT:
        raise RecordError(f"Expected a record of the format {OWN_DIGITS_FORMAT}, received another.")
    return from_plain(
        OwnDigitsVerdict, {name: value for name, value in plain.items() if name not in DERIVED}
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


def _read_part(part: _Part, *, trial: OwnDigitsTrial) -> Iterator[int | Cell]:
    """Choose and train without a part of the own digits, and read it.

    Args:
        part: which one.
        trial: what is tried.

    Yields:
        Each classifier as a cell, and the number of gradient steps that were just done.
    """
    is_held_out = deal(trial.own, part.seed) == part.number
    rest = trial.own.take(~is_held_out)
    experiment = _without(trial, rest, trial.own.take(is_held_out))
    judge = trial.judge
    settings = experiment.tuning

    # Their strength, chosen within the digits that are learnt from, and the classifier of these
    alone = part.alone
    if alone is None or alone.tuning is None:
        strength = tune_strength(rest, settings, judge, trial.steps, part.seed)
        yield trial.choosing_steps("classical")
        training = JudgeTraining(
            digits=rest, steps=trial.steps, seed=part.seed, strength=strength.chosen.strength
        )
        alone = train_cell(part.key("classical"), training, rest, 0, strength, experiment)
        alone = replace(alone, fingerprint=part.fingerprint("classical", trial))
        yield trial.steps
        yield alone
    else:
        strength = alone.tuning

    # The dose, chosen in the same way unless it is given, and the classifier of both
    dose = Tuning(chosen=replace(strength.chosen, dose=trial.share))
    if not trial.tops_up:
        dose = tune_dose(strength, rest, trial.synthetic, settings, judge, trial.steps, part.seed)
    yield trial.choosing_steps("source")
    key = part.key("source")
    if dose.chosen.dose:
        digits, _ = training_set("source", rest, trial.synthetic, dose=dose.chosen.dose)
        training = JudgeTraining(
            digits=digits, steps=trial.steps, seed=part.seed, strength=dose.chosen.strength
        )
        together = train_cell(key, training, rest, len(trial.synthetic), dose, experiment)
    else:
        together = replace(alone, key=key, tuning=dose)  # trained in the very same way
    yield trial.steps
    yield replace(together, fingerprint=part.fingerprint("source", trial))


def _without(trial: OwnDigitsTrial, rest: Digits, part: Digits) -> Experiment:
    """The experiment in which one part of the own digits is read after learning from the rest."""
    identity = hashlib.sha256((rest.sha256() + part.sha256()).encode()).hexdigest()
    record = SyntheticRecord(
        kind=READY, saw=None, saw_more_than_cell=True, checkpoint_sha256=trial.fingerprint
    )
    return Experiment(
        real=RealDigits(
            train=rest,
            validation=rest.take(slice(0)),
            test=part,
            source="own digits",
            sha256=identity,
        ),
        source=ready_set(trial.synthetic, record),
        judge=trial.judge,
        tuning=TuningSettings(
            candidates=tuple(Choice(strength=strength) for strength in trial.judge.strengths),
            folds=CHOOSING_FOLDS,
            length=TRANSFER_TUNING_LENGTH,
        ),
        machine=machine_facts(),
        versions=versions(),
    )


def _most_chosen(values: list[float]) -> float:
    """Return the value that occurs most often; of several, the one in the middle."""
    times = Counter(values)
    most = max(times.values())
    often = sorted(value for value, count in times.items() if count == most)
    return often[(len(often) - 1) // 2]
