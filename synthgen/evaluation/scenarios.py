"""Which cells an evaluation or a benchmark has. Arithmetic on counts; no image is looked at.

A scenario is a question about somebody's situation:

    this-set   does a synthetic set that is there help beside all real training digits?
    grid       how many real images are few enough for synthetic ones to help?
    imbalance  does a synthetic top-up help where one class is rare?
    long-tail  does it help where every class is rarer than the one before?
    stand-in   what does it cost to share synthetic digits in the place of real ones?
    transfer   does a generator of other hands help somebody with few digits of their own?

A draw says how many real digits of each class somebody has, and by which seed they were picked. All
cells of one draw form a group: they share the real digits, the synthetic digits and the tuned
distortions. Draws are nested: those of one seed with 10 images a class are among those with 20.
"""

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np

from synthgen.config import ALL, EVALUATION_ARMS, BenchmarkSettings, EvaluationSettings
from synthgen.datasets.digits import Digits
from synthgen.errors import SettingsError
from synthgen.evaluation.arms import ARMS, BASELINE, synthetic_counts

Counts = tuple[int, ...]  # images of each class

THIS_SET = "this-set"
STAND_IN = "stand-in"
TRANSFER = "transfer"
IMBALANCE_ARMS = (
    "real",
    "class_weights",
    "oversampling",
    "top_up",
    "top_up_classical",
    "half_top_up",
    "source_top_up",
)
RARE = ("imbalance", "long-tail")  # scenarios in which some classes are rare
STAND_IN_ARMS = ("real", "synthetic")
TRANSFER_ARMS = ("classical", "source", "source_real", "fine_tuned")
SOURCE_ARMS = ("source_only", "source_real_only")  # without own digits: at a budget of 0

FIRST_SEED = 1000  # far from the seeds that the GAN and its screening classifier are trained with
LEAST_EVALUATION_STEPS = 300  # few digits are repeated until a classifier has learnt them
STEPS_AT = 100  # images for which BenchmarkSettings.steps is stated
GROWTH = 0.2  # exponent with which steps grow with images
RAREST = 0.3  # share of the classes of a long tail that count as its minority


@dataclass(frozen=True, kw_only=True)
class Key:
    """What names a cell.

    Args:
        scenario: "this-set", "grid", "imbalance", "long-tail", "stand-in" or "transfer"; of a set
            that is tried beside own digits "own-digits".
        budget: real images of each class (imbalance: of each class that is not cut), "all", or
            "4000-40" for a long tail; transfer: 0 for an arm without own images; own-digits: the
            part that is read, "part 1 of 3".
        share: imbalance: per cent left of the class that is cut; else None.
        arm: a key of arms.ARMS.
        ratio: synthetic images for one real image; 0 for an arm without any; None where that is
            not chosen: a top-up adds what is missing, this-set adds all that there are, and
            transfer tunes their share of each batch.
        seed: decides the draw, the generator and the classifier.
        minority: labels whose recall is measured; empty where no class is rarer than the others.
    """

    scenario: str
    budget: int | str
    share: float | None
    arm: str
    ratio: int | None
    seed: int
    minority: tuple[int, ...] = ()

    @property
    def place(self) -> tuple[str, int | str, float | None]:
        """Scenario, budget and share: what arms that are compared have in common."""
        return self.scenario, self.budget, self.share

    @property
    def training(self) -> tuple[str, int | None]:
        """What tells the trainings of one group apart, whichever scenario asks for them."""
        return self.arm, self.ratio

    @property
    def adds_whole_set(self) -> bool:
        """Whether all synthetic digits that there are belong to the training set."""
        return ARMS[self.arm].added == "set" and self.ratio is None


def budget_name(scenario: str, budget: int | str, share: float | None) -> str:
    """Returns the budget of a cell in words.

    Args:
        scenario: see Key.
        budget: see Key.
        share: see Key.

    Example:
        >>> budget_name("grid", 20, None), budget_name("imbalance", "all", 2.5)
        ('20 images per class', '2.5 % of one class')
        >>> budget_name("long-tail", "4000-40", None), budget_name("grid", "all", None)
        ('a tail of 4000-40 images', 'all images')
    """
    if share is not None:
        return f"{share:g} % of one class"
    if scenario == "long-tail":
        return f"a tail of {budget} images"
    return "all images" if budget == ALL else f"{budget} images per class"


@dataclass(frozen=True, kw_only=True)
class Draw:
    """Which real digits somebody has: the first of each class in an order that the seed decides.

    Args:
        counts: images of each class.
        seed: decides the order.
    """

    counts: Counts
    seed: int

    def digits(self, train: Digits) -> Digits:
        """Returns the drawn digits, in the order that they have in `train`.

        Args:
            train: the training digits, at least `counts` of each class.
        """
        if self.counts == tuple(train.counts().tolist()):
            return train
        rows = []
        for label, count in enumerate(self.counts):
            random = np.random.Generator(np.random.Philox(key=[self.seed, label]))
            order = random.permutation(np.flatnonzero(train.labels == label))
            rows.append(order[:count])
        return train.take(np.sort(np.concatenate(rows)))


@dataclass(frozen=True, kw_only=True)
class Group:
    """All cells of one draw.

    Args:
        draw: the real digits.
        keys: of the cells.
        steps: gradient steps of an arm of length 1.
    """

    draw: Draw
    keys: tuple[Key, ...]
    steps: int

    @property
    def images(self) -> int:
        """The number of real images."""
        return sum(self.draw.counts)

    @property
    def synthetic_per_class(self) -> int:
        """How many images of each class are enough for every cell of the group."""
        return self.most_per_class(self.keys)

    def most_per_class(self, keys: Sequence[Key]) -> int:
        """Returns how many synthetic images of each class are enough for these cells of it."""
        counts = [synthetic_counts(*key.training, self.draw.counts) for key in keys]
        return max(map(max, counts), default=0)

    def steps_of(self, key: Key) -> int:
        """Returns the gradient steps of one cell."""
        return max(1, round(ARMS[key.arm].length * self.steps))

    def needs_synthetic(self, keys: Sequence[Key]) -> bool:
        """Tells whether any of these cells of the group learns from synthetic digits."""
        return any(
            key.adds_whole_set or any(synthetic_counts(*key.training, self.draw.counts))
            for key in keys
        )


@dataclass(frozen=True, kw_only=True)
class Plan:
    """All cells of an evaluation or a benchmark.

    Args:
        groups: repetition by repetition, so that a stopped one has whole pairs.
        notes: what was left out and why, a sentence each.
    """

    groups: tuple[Group, ...]
    notes: tuple[str, ...] = ()

    @property
    def keys(self) -> list[Key]:
        """The keys of all cells, group by group."""
        return [key for group in self.groups for key in group.keys]

    def without(self, arms: Sequence[str], note: str) -> "Plan":
        """Returns the plan without some arms.

        Args:
            arms: keys of arms.ARMS.
            note: why they are left out.
        """
        groups = []
        for group in self.groups:
            kept = tuple(key for key in group.keys if key.arm not in arms)
            if kept:
                groups.append(replace(group, keys=kept))
        return Plan(groups=tuple(groups), notes=(*self.notes, note))


@dataclass(frozen=True, kw_only=True)
class Forecast:
    """What a benchmark has to do before it is finished, and how long that will take.

    Args:
        plan: all of its cells.
        trains: whether each group of cells trains a generator of its own.
        place: the folder of its results, as the user would name it.
        engine: what runs the cells, "local" or "ray".
        missing: number of cells that are not there yet.
        seconds: that these are expected to take.
        workers: number of processes that are expected to work side by side.
    """

    plan: Plan
    trains: bool
    place: str
    engine: str
    missing: int
    seconds: float
    workers: int = 1


def paired_seeds(count: int) -> tuple[int, ...]:
    """Returns the seeds of so many repetitions: more of them begin with the seeds of fewer."""
    return tuple(range(FIRST_SEED, FIRST_SEED + count))


def plan_evaluation(settings: EvaluationSettings, train: Digits, batch: int) -> Plan:
    """Plans the scenario this-set: every arm beside all real training digits, seed by seed.

    Args:
        settings: arms, seeds and training length.
        train: the real training digits.
        batch: images per gradient step of the classifier.
    """
    counts = tuple(train.counts().tolist())
    steps = max(LEAST_EVALUATION_STEPS, round(settings.epochs * len(train) / batch))
    groups = []
    for seed in paired_seeds(settings.seeds):
        keys = [
            Key(
                scenario=THIS_SET,
                budget=ALL,
                share=None,
                arm=arm,
                ratio=None if ARMS[arm].added else 0,
                seed=seed,
            )
            for arm in EVALUATION_ARMS
            if arm in settings.arms
        ]
        groups.append(Group(draw=Draw(counts=counts, seed=seed), keys=tuple(keys), steps=steps))
    return Plan(groups=tuple(groups))


def plan_benchmark(settings: BenchmarkSettings, train: Digits) -> Plan:
    """Plans all cells of a benchmark.

    Args:
        settings: of the benchmark.
        train: the real training digits.

    Raises:
        SettingsError: if these digits are too few for every cell.
    """
    have = tuple(train.counts().tolist())
    drawn: list[tuple[Draw, list[Key]]] = []
    notes: list[str] = []
    for scenario in settings.scenarios:
        found, left_out = SCENARIOS[scenario](settings, have)
        drawn += found
        notes += left_out

    # Scenarios that draw the same digits share a group, but for transfer, whose arms take steps of
    # their own and are run in a way of their own, also where these steps happen to be as many. The
    # order is stable: within a repetition the budgets keep theirs.
    keys_of: dict[tuple[Draw, int, bool], tuple[Key, ...]] = {}
    for draw, keys in sorted(drawn, key=lambda pair: pair[0].seed):
        is_transfer = keys[0].scenario == TRANSFER
        steps = benchmark_steps(sum(draw.counts), settings)
        if is_transfer:
            steps = settings.transfer_steps
        place = (draw, steps, is_transfer)
        keys_of[place] = keys_of.get(place, ()) + tuple(keys)
    notes = list(dict.fromkeys(notes))
    if not keys_of:
        raise SettingsError(
            "Expected at least one cell that these real digits are enough for, received none: "
            + "; ".join(notes)
            + ". Ask for less."
        )
    groups = [
        Group(draw=draw, keys=keys, steps=steps) for (draw, steps, _), keys in keys_of.items()
    ]
    return Plan(groups=tuple(groups), notes=tuple(notes))


def benchmark_steps(images: int, settings: BenchmarkSettings) -> int:
    """Returns the gradient steps of an arm of a benchmark: they grow with the fifth root of images.

    Few images are learnt long before, and more passes over them change little; the root was fixed
    beforehand on validation digits, so that no cell chooses for itself.

    Args:
        images: number of real images.
        settings: state the steps for 100 images.
    """
    return max(2, round(settings.steps * math.pow(images / STEPS_AT, GROWTH)))


# What a scenario comes to for a number of real digits of each class: the draws with the keys of
# their cells, and a note on everything that is left out.
ScenarioCells = tuple[list[tuple[Draw, list[Key]]], list[str]]


def _grid(settings: BenchmarkSettings, have: Counts) -> ScenarioCells:
    """Plans every arm, at every ratio, for every number of real images."""
    drawn: list[tuple[Draw, list[Key]]] = []
    notes: list[str] = []
    for budget, counts in _balanced_budgets(settings, have, notes):
        # every arm at every ratio, but for those that need too many images
        arms: list[tuple[str, int]] = []
        too_many = set()
        for arm in settings.arms:
            for ratio in settings.ratios if ARMS[arm].added else (0,):
                if ratio * sum(counts) <= settings.max_synthetic:
                    arms.append((arm, ratio))
                else:
                    too_many.add(ratio)
        for ratio in sorted(too_many):
            most = f"more than --max-synthetic {settings.max_synthetic:,} images"
            notes.append(f"ratio {ratio} at {budget} images per class is left out: {most}")
        for seed in paired_seeds(settings.seeds_of(str(budget))):
            key = _first_key("grid", budget, seed)
            keys = [replace(key, arm=arm, ratio=ratio) for arm, ratio in arms]
            drawn.append((Draw(counts=counts, seed=seed), keys))
    return drawn, notes


def _imbalance(settings: BenchmarkSettings, have: Counts) -> ScenarioCells:
    """Plans classifiers of a set in which one class is cut; the classes take turns."""
    budget = _as_number(settings.majority)
    whole = have if budget == ALL else (int(budget),) * len(have)
    if budget != ALL and max(whole) > min(have):
        rarest = f"the rarest class has {min(have):,} images"
        return [], [f"imbalance is left out: --majority {budget}, {rarest}"]
    drawn = []
    for share in settings.shares:
        for repetition, seed in enumerate(paired_seeds(settings.rotations)):
            cut = repetition % len(have)
            counts = list(whole)
            counts[cut] = max(1, round(whole[cut] * share / 100))
            key = replace(_first_key("imbalance", budget, seed), share=share, minority=(cut,))
            drawn.append((Draw(counts=tuple(counts), seed=seed), _imbalance_keys(key)))
    return drawn, []


def _long_tail(settings: BenchmarkSettings, have: Counts) -> ScenarioCells:
    """Plans classifiers of a set whose classes are one rarer than the other, taking turns."""
    tail = sorted(settings.long_tail, reverse=True)
    classes = len(have)
    if len(tail) != classes or max(tail) > min(have):
        needs = f"{len(tail)} counts for {classes} classes of {min(have):,} images or more"
        return [], [f"the long tail {tail[0]} to {tail[-1]} is left out: {needs}"]
    rare = max(1, round(RAREST * classes))
    drawn = []
    for repetition, seed in enumerate(paired_seeds(settings.rotations)):
        counts = tuple(tail[(label - repetition) % classes] for label in range(classes))
        minority = sorted((classes - 1 - rank + repetition) % classes for rank in range(rare))
        key = _first_key("long-tail", f"{tail[0]}-{tail[-1]}", seed)
        keys = _imbalance_keys(replace(key, minority=tuple(minority)))
        drawn.append((Draw(counts=counts, seed=seed), keys))
    return drawn, []


def _stand_in(settings: BenchmarkSettings, have: Counts) -> ScenarioCells:
    """Plans classifiers of real digits, and of as many synthetic ones in their place."""
    drawn = []
    notes: list[str] = []
    for budget, counts in _balanced_budgets(settings, have, notes):
        for seed in paired_seeds(settings.seeds_of(str(budget))):
            key = _first_key(STAND_IN, budget, seed)
            keys = [
                replace(key, arm=arm, ratio=1 if ARMS[arm].added else 0) for arm in STAND_IN_ARMS
            ]
            drawn.append((Draw(counts=counts, seed=seed), keys))
    return drawn, notes


def _transfer(settings: BenchmarkSettings, have: Counts) -> ScenarioCells:
    """Plans classifiers of few own digits and of those from elsewhere, and of the latter alone.

    The arms without own digits do not depend on the budget: they stand at a budget of 0, once for
    each repetition.
    """
    drawn = []
    notes: list[str] = []
    seeds: dict[int, None] = {}
    for budget, counts in _balanced_budgets(settings, have, notes):
        for seed in paired_seeds(settings.seeds_of(str(budget))):
            seeds[seed] = None
            key = _first_key(TRANSFER, budget, seed)
            drawn.append((Draw(counts=counts, seed=seed), _transfer_keys(key, TRANSFER_ARMS)))
    for seed in seeds:
        key = _first_key(TRANSFER, 0, seed)
        drawn.append((Draw(counts=(0,) * len(have), seed=seed), _transfer_keys(key, SOURCE_ARMS)))
    return drawn, notes


SCENARIOS: dict[str, Callable[[BenchmarkSettings, Counts], ScenarioCells]] = {
    "grid": _grid,
    "imbalance": _imbalance,
    "long-tail": _long_tail,
    STAND_IN: _stand_in,
    TRANSFER: _transfer,
}


def _balanced_budgets(
    settings: BenchmarkSettings, have: Counts, notes: list[str]
) -> Iterator[tuple[int | str, Counts]]:
    """Yields each budget that there are enough images for; `notes` gets a line on the others."""
    for name in settings.per_class:
        budget = _as_number(name)
        counts = have if budget == ALL else (int(budget),) * len(have)
        if budget != ALL and max(counts) > min(have):
            rarest = f"the rarest class has {min(have):,}"
            notes.append(f"{budget} images per class are left out: {rarest}")
        else:
            yield budget, counts


def _first_key(scenario: str, budget: int | str, seed: int) -> Key:
    """Returns the key of the real digits alone, from which those of the other arms are made."""
    return Key(scenario=scenario, budget=budget, share=None, arm=BASELINE, ratio=0, seed=seed)


def _imbalance_keys(key: Key) -> list[Key]:
    """Returns the keys of all arms where some classes are rare."""
    return [replace(key, arm=arm, ratio=None if ARMS[arm].added else 0) for arm in IMBALANCE_ARMS]


def _transfer_keys(key: Key, arms: Sequence[str]) -> list[Key]:
    """Returns the keys of these arms of transfer."""
    return [replace(key, arm=arm, ratio=None if ARMS[arm].added else 0) for arm in arms]


def _as_number(budget: str) -> int | str:
    return budget if budget == ALL else int(budget)
