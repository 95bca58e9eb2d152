"""Synthetic digits as a group of cells gets them, what is known of them, and what makes them.

`generators.py` has the sources that there are.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from synthgen.datasets.digits import Digits
from synthgen.evaluation.scenarios import Counts


@dataclass(frozen=True, kw_only=True)
class SyntheticRecord:
    """Where synthetic digits come from.

    Args:
        kind: "trained on the cell's own images", "named by the user" or "a set that is there".
        saw: number of real images that their generator was trained on; None if that is not known.
        saw_more_than_cell: whether these were others than the real images of the cell.
        checkpoint_sha256: identity of the generator, or of the set.
        preset: the recipe that the generator was trained by, if it is known.
        steps: how long it was trained, if that is known.
        screened: whether clear mislabels were drawn again.
        acceptance: share of the draws that were kept; None if that is not known.
        seconds: of training and drawing.
        label_agreement: share of the images whose label is what a digit network reads; None if it
            was not asked.
    """

    kind: str
    saw: int | None
    saw_more_than_cell: bool
    checkpoint_sha256: str
    preset: str | None = None
    steps: int | None = None
    screened: bool = True
    acceptance: float | None = None
    seconds: float = 0.0
    label_agreement: float | None = None


@dataclass(frozen=True, kw_only=True, eq=False)
class Synthetic:
    """Synthetic digits and where they come from.

    Args:
        digits: index by index, the classes taking turns: the first k * classes are the first k of
            each class.
        record: of the generator and the screening.
    """

    digits: Digits
    record: SyntheticRecord

    def first(self, counts: tuple[int, ...]) -> Digits:
        """Returns the first images of each class, so many of each as `counts` says."""
        index = np.arange(len(self.digits)) // len(counts)
        return self.digits.take(index < np.array(counts)[self.digits.labels])


class Work(NamedTuple):
    """Multiplications with their additions, in units of 10^9.

    Args:
        training: of the whole training of a generator.
        image: of one generated image.
    """

    training: float
    image: float


@dataclass(frozen=True, kw_only=True)
class SyntheticSource:
    """How a group gets its synthetic digits. Tests put a fake in its place.

    Args:
        make: (the group's real images, images of each class, run seed) -> exactly that many
            synthetic digits of each class.
        describe: real images of each class -> everything that decides what `make` makes, ready for
            JSON.
        work: (real images of each class, digits of the same kind) -> what `make` has to do, for
            the expected time.
        trains: whether `make` trains a generator for the group.
    """

    make: Callable[[Digits, int, int], Synthetic]
    describe: Callable[[Counts], Mapping[str, Any]]
    work: Callable[[Counts, Digits], Work]
    trains: bool = True


@dataclass(frozen=True, kw_only=True, eq=False)
class TransferSource:
    """Digits of other hands: those that a generator draws, and those that it was trained on.

    Args:
        drawn: where the generator's digits come from.
        real: real digits of the generator's training data; None if they cannot be had.
        real_sha256: of these; "" without any.
        per_class: digits of each class, of either kind, that are taken for a repetition.
    """

    drawn: SyntheticSource
    real: Digits | None
    real_sha256: str
    per_class: int

    def describe(self) -> Mapping[str, Any]:
        """Returns everything that decides these digits, ready for JSON."""
        return {
            "generator": dict(self.drawn.describe(())),
            "real": self.real_sha256,
            "per_class": self.per_class,
        }
