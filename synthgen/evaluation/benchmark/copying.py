"""Whether shared synthetic digits give away the real ones that their generator has seen: distances in pixels, with a real control."""

from synthgen.datasets.digits import Digits
from synthgen.evaluation.memorisation import (
    LEAST,
    Neighbours,
    digests,
    fired,
    flat,
    measure_copying,
    neighbours,
)

LEAST_OF_CLASS = 2  # training images of a class: the tests ask how near these come to each other


def copying(
    synthetic: Digits, train: Digits, held_out: Digits, control: Digits
) -> dict[str, float] | None:
    """The memorisation tests of an evaluation (see `evaluation.memorisation`), in pixels.

    Args:
        synthetic: what would be shared.
        train: the real digits that must not be given away: all that the generator has seen.
        held_out: other real digits, which set the measure: how near do images of these classes come
            by chance?
        control: yet other real digits, treated like the synthetic ones.

    Returns:
        `found`: 1 if any test found copying, else 0. Shares `copies`, `closer` (than nearly all
        held-out digits) and `authenticity`, the data-copying score `c_t` (below -3 is copying),
        each with `_control`; `authenticity_held_out`; medians of the distances. None if a class has
        fewer than two training images, or there are too few of the other images for a test to find
        anything.
    """
    if (
        train.counts().min() < LEAST_OF_CLASS
        or min(map(len, (synthetic, held_out, control))) < LEAST
    ):
        return None
    found, reference, honest = (
        _neighbours(digits, train) for digits in (synthetic, held_out, control)
    )
    figures = measure_copying("pixels", found, reference, honest, train.classes)
    middle = figures.levels.index(0.5)
    known = set(digests(train.images))
    copies, copies_control = (
        sum(digest in known for digest in digests(digits.images)) / len(digits)
        for digits in (synthetic, control)
    )
    return {
        "found": float(bool(fired([figures], copies, copies_control))),
        "copies": copies,
        "copies_control": copies_control,
        "closer": figures.closer.mean,
        "closer_control": figures.closer_control.mean,
        "c_t": figures.c_t,
        "c_t_control": figures.c_t_control,
        "authenticity": figures.authenticity.mean,
        "authenticity_held_out": figures.authenticity_held_out.mean,
        "authenticity_control": figures.authenticity_control.mean,
        "median_distance": figures.synthetic[middle],
        "median_distance_held_out": figures.held_out[middle],
    }


def _neighbours(digits: Digits, train: Digits) -> Neighbours:
    return neighbours(flat(digits.images), digits.labels, flat(train.images), train.labels)
