"""Which cells a benchmark has. Arithmetic on counts; no image is looked at.

A draw says how many real digits of each class somebody has, and by which seed they were picked. All
cells of one draw form a group: they share the real digits, the generator that was trained on them,
and the tuned augmentation. Draws are nested: those of one seed with 10 images a class are among
those with 20.
"""

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from synthgen.config import ALL, BenchmarkSettings
from synthgen.datasets.digits import Digits
from synthgen.errors import SettingsError
from synthgen.evaluation.benchmark_arms import ARMS, IMBALANCE_ARMS, STAND_IN_ARMS, synthetic_counts
from synthgen.evaluation.cells import FIRST_SEED

Counts = tuple[int, ...]
Note = Callable[[str], None]

RAREST = 0.3  # share of the classes of a long tail that count as its minority
STEPS_AT = 100  # images for which BenchmarkSettings.steps is stated
GROWTH = 0.2  # exponent with which steps grow with images


@dataclass(frozen=True, kw_only=True)
class Key:
    """What names a cell.

    Args:
        scenario: "grid", "imbalance", "long-tail" or "stand-in".
        per_class: real images of each class (imbalance: of each that is not cut), "all", or
            "4000-40" for a long tail.
        share: imbalance: per cent left of the class that is cut; else None.
        arm: a key of ARMS.
        ratio: synthetic images for one real one; 0 for an arm without, None where the counts decide
            (top-up).
        seed: of draw, generator and classifier.
        minority: labels whose recall is asked for; empty where no class is rarer than the others.
    """

    scenario: str
    per_class: int | str
    share: float | None
    arm: str
    ratio: int | None
    seed: int
    minority: tuple[int, ...] = ()

    @property
    def place(self) -> tuple[str, int | str, float | None]:
        """Scenario, budget and share: what arms that are compared have in common."""
        return self.scenario, self.per_class, self.share


@dataclass(frozen=True)
class Draw:
    """Which real digits there are: the first of each class in an order that depends on the seed alone.

    Args:
        counts: images of each class.
        seed: of the order.
    """

    counts: Counts
    seed: int

    def digits(self, train: Digits) -> Digits:
        """The drawn digits, in the order they have in `train`.

        Args:
            train: the training digits, at least `counts` of each class.
        """
        rows = []
        for label, count in enumerate(self.counts):
            order = np.random.Generator(np.random.Philox(key=[self.seed, label])).permutation(
                np.flatnonzero(train.labels == label)
            )
            rows.append(order[:count])
        return train.take(np.sort(np.concatenate(rows)))


Part = tuple[Draw, tuple[Key, ...]]


@dataclass(frozen=True)
class Group:
    """The cells of one draw."""

    draw: Draw
    keys: tuple[Key, ...]

    @property
    def images(self) -> int:
        """Real images."""
        return sum(self.draw.counts)

    def synthetic_per_class(self, keys: Sequence[Key]) -> int:
        """Images of each class that a generator must make so that there are enough for all these cells."""
        return max(
            (max(synthetic_counts(key.arm, key.ratio, self.draw.counts)) for key in keys), default=0
        )


@dataclass(frozen=True)
class Plan:
    """All groups, repetition by repetition so that a stopped benchmark has whole pairs, and what was left out and why."""

    groups: tuple[Group, ...]
    notes: tuple[str, ...]

    @property
    def keys(self) -> list[Key]:
        """All cells."""
        return [key for group in self.groups for key in group.keys]


def make_plan(settings: BenchmarkSettings, train: Digits) -> Plan:
    """All cells of a benchmark.

    Args:
        settings: of the benchmark.
        train: the real training digits.

    Raises:
        SettingsError: if these digits are too few for every cell.
    """
    have, notes = tuple(train.counts().tolist()), dict[str, None]()
    made = [
        part
        for scenario in settings.scenarios
        for part in SCENARIOS[scenario](settings, have, lambda note: notes.update({note: None}))
    ]
    groups: dict[Draw, tuple[Key, ...]] = {}
    # stable: budgets keep their order within a repetition
    for draw, keys in sorted(made, key=lambda part: part[0].seed):
        groups[draw] = groups.get(draw, ()) + keys
    if not groups:
        raise SettingsError(
            "Expected at least one cell that these real digits are enough for, received none: "
            + "; ".join(notes)
            + ". Ask for less."
        )
    return Plan(tuple(Group(draw, keys) for draw, keys in groups.items()), tuple(notes))


def steps_for(images: int, settings: BenchmarkSettings) -> int:
    """Gradient steps of every arm (but `real`) with this many real images: they grow with the fifth root of the number.

    Few images are learnt long before, and more passes over them change little; the root was fixed
    beforehand on validation digits, so that no cell chooses for itself.
    """
    return max(2, round(settings.steps * math.pow(images / STEPS_AT, GROWTH)))


def arm_steps(key: Key, images: int, settings: BenchmarkSettings) -> int:
    """Gradient steps of one cell."""
    return max(1, round(ARMS[key.arm].length * steps_for(images, settings)))


def _grid(settings: BenchmarkSettings, have: Counts, note: Note) -> Iterator[Part]:
    for budget, counts in _balanced(settings, have, note):
        arms = [
            (arm, ratio)
            for arm in settings.arms
            for ratio in (settings.ratios if ARMS[arm].added else (0,))
        ]
        fitting = [
            (arm, ratio) for arm, ratio in arms if ratio * sum(counts) <= settings.max_synthetic
        ]
        for ratio in sorted({ratio for _, ratio in arms} - {ratio for _, ratio in fitting}):
            note(
                f"ratio {ratio} at {budget} images per class is left out: more than --max-synthetic {settings.max_synthetic:,} images"
            )
        for k in range(settings.seeds_of(budget)):
            yield _cells("grid", _number(budget), None, Draw(counts, FIRST_SEED + k), fitting)


def _imbalance(settings: BenchmarkSettings, have: Counts, note: Note) -> Iterator[Part]:
    base = have if settings.majority == ALL else (int(settings.majority),) * len(have)
    if max(base) > min(have) and settings.majority != ALL:
        note(
            f"imbalance is left out: --majority {settings.majority}, the rarest class has {min(have):,} images"
        )
        return
    for share in settings.shares:
        for k in range(settings.rotations):
            cut = k % len(have)
            counts = tuple(
                max(1, round(count * share / 100)) if label == cut else count
                for label, count in enumerate(base)
            )
            arms = [(arm, None if ARMS[arm].added else 0) for arm in IMBALANCE_ARMS]
            yield _cells(
                "imbalance",
                _number(settings.majority),
                share,
                Draw(counts, FIRST_SEED + k),
                arms,
                (cut,),
            )


def _long_tail(settings: BenchmarkSettings, have: Counts, note: Note) -> Iterator[Part]:
    tail, classes = tuple(sorted(settings.long_tail, reverse=True)), len(have)
    if len(tail) != classes or max(tail) > min(have):
        note(
            f"the long tail {tail[0]} to {tail[-1]} is left out: {len(tail)} counts for {classes} classes of {min(have):,} images or more"
        )
        return
    rare = max(1, round(RAREST * classes))
    for k in range(settings.rotations):
        counts = tuple(tail[(label - k) % classes] for label in range(classes))
        minority = tuple(sorted((classes - 1 - place + k) % classes for place in range(rare)))
        arms = [(arm, None if ARMS[arm].added else 0) for arm in IMBALANCE_ARMS]
        yield _cells(
            "long-tail", f"{tail[0]}-{tail[-1]}", None, Draw(counts, FIRST_SEED + k), arms, minority
        )


def _stand_in(settings: BenchmarkSettings, have: Counts, note: Note) -> Iterator[Part]:
    for budget, counts in _balanced(settings, have, note):
        for k in range(settings.seeds_of(budget)):
            arms = [(arm, 1 if ARMS[arm].added else 0) for arm in STAND_IN_ARMS]
            yield _cells("stand-in", _number(budget), None, Draw(counts, FIRST_SEED + k), arms)


SCENARIOS = {"grid": _grid, "imbalance": _imbalance, "long-tail": _long_tail, "stand-in": _stand_in}


def _balanced(
    settings: BenchmarkSettings, have: Counts, note: Note
) -> Iterator[tuple[str, Counts]]:
    """Each budget that there are enough images for, with its counts."""
    for budget in settings.per_class:
        counts = have if budget == ALL else (int(budget),) * len(have)
        if max(counts) > min(have) and budget != ALL:
            note(f"{budget} images per class are left out: the rarest class has {min(have):,}")
        else:
            yield budget, counts


def _cells(
    scenario: str,
    per_class: int | str,
    share: float | None,
    draw: Draw,
    arms: Sequence[tuple[str, int | None]],
    minority: tuple[int, ...] = (),
) -> Part:
    shared = {
        "scenario": scenario,
        "per_class": per_class,
        "share": share,
        "seed": draw.seed,
        "minority": minority,
    }
    return draw, tuple(Key(arm=arm, ratio=ratio, **shared) for arm, ratio in arms)  # type: ignore[arg-type]


def _number(budget: str) -> int | str:
    return budget if budget == ALL else int(budget)
