"""Splits: the fixed validation digits that every choice is made on, and test digits for data that brings none."""

from typing import NamedTuple

import numpy as np

from synthgen.datasets.digits import Digits

VALIDATION_SEED = 20_000
TEST_SEED = 30_000
VALIDATION_SHARE = 1 / 12  # 5,000 of MNIST's 60,000
TEST_SHARE = 1 / 6


class Split(NamedTuple):
    """Training and validation digits, disjoint, each in the original order."""

    train: Digits
    validation: Digits


def split_validation(digits: Digits, share: float = VALIDATION_SHARE) -> Split:
    """Set aside a stratified, fixed share of the digits for validation.

    The same digits give the same split, always: the rows of each class are permuted by a NumPy
    Philox generator keyed with a constant and the class, and the first `share` of them become
    validation. For MNIST's 60,000 these are exactly 5,000 in all: per-class shares are rounded by
    largest remainder.

    Args:
        digits: the official training digits.
        share: part of each class, 0..1.

    Returns:
        Split(train, validation).
    """
    return Split(*_set_aside(digits, share, VALIDATION_SEED))


def split_test(digits: Digits, share: float = TEST_SHARE) -> tuple[Digits, Digits]:
    """Set aside a stratified, fixed share for the final figures, of data that has no test part of its own.

    Drawn as `split_validation` draws, with another constant in the key.

    Args:
        digits: all the digits there are.
        share: part of each class, 0..1.

    Returns:
        (train, test), disjoint, each in the original order.
    """
    return _set_aside(digits, share, TEST_SEED)


def _set_aside(digits: Digits, share: float, seed: int) -> tuple[Digits, Digits]:
    aside = np.zeros(len(digits), bool)
    for label, size in enumerate(_class_sizes(digits, share)):
        rows = np.flatnonzero(digits.labels == label)
        order = np.random.Generator(np.random.Philox(key=seed + label)).permutation(len(rows))
        aside[rows[order[:size]]] = True
    return digits.take(~aside), digits.take(aside)


def _class_sizes(digits: Digits, share: float) -> list[int]:
    exact = digits.counts() * share
    sizes = np.floor(exact).astype(int)
    missing = round(float(exact.sum())) - int(sizes.sum())
    sizes[np.argsort(sizes - exact, kind="stable")[:missing]] += 1
    return [int(size) for size in sizes]
