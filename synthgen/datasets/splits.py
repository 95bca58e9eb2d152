"""Training, validation and test digits: to learn from, to choose on, and for final figures."""

import hashlib
from dataclasses import dataclass

import numpy as np

from synthgen.datasets.digits import Digits
from synthgen.datasets.framing import Framing
from synthgen.errors import DataError

VALIDATION_SEED = 20_000
VALIDATION_SHARE = 1 / 12  # 5,000 of MNIST's 60,000
TEST_SEED = 30_000
TEST_SHARE = 1 / 6
SET_ASIDE = "; it has no test part: a fixed, stratified sixth of it was set aside as test digits"


@dataclass(frozen=True, kw_only=True, eq=False)
class RealDigits:
    """Real digits, split once and for all.

    Args:
        train: the digits to learn from, without the validation digits.
        validation: the digits to choose on: a fixed, stratified twelfth of the training part
            (5,000 of MNIST's 60,000).
        test: the digits for final figures: the official test digits or, where the data has none,
            a fixed, stratified sixth of all.
        source: where they come from, and what was done to split them.
        sha256: identity of all three parts, as 64 hex digits.
        notes: what was passed over or done on reading, a sentence each.
        findings: what looks wrong with them, a sentence each, with what to do.
        framing: what the pictures looked like before they were fitted; None for MNIST.
    """

    train: Digits
    validation: Digits
    test: Digits
    source: str
    sha256: str
    notes: tuple[str, ...] = ()
    findings: tuple[str, ...] = ()
    framing: Framing | None = None

    @property
    def whole_source(self) -> str:
        """Where `whole` comes from: the source, without a word on what was set aside of it."""
        return self.source.removesuffix(SET_ASIDE)

    @property
    def whole(self) -> Digits:
        """All digits, those of the training part first."""
        parts = (self.train, self.validation, self.test)
        return Digits(
            np.concatenate([part.images for part in parts]),
            np.concatenate([part.labels for part in parts]),
            self.train.class_names,
        )


def split_parts(train: Digits, test: Digits | None, source: str) -> RealDigits:
    """Make training, validation and test digits of what the files hold.

    Args:
        train: all that may be learnt from or chosen on.
        test: the test part of the files; None where they have none: a sixth is set aside then.
        source: where the digits come from.

    Raises:
        DataError: if there are no digits, no training digits of some class, or the test digits
            are of another shape than the training digits.
    """
    if test is None:
        train, test = split_test(train)
        source += SET_ASIDE
    if not len(train) or not len(test):
        raise DataError(
            f"Expected at least one training and one test image, received {len(train)} and "
            f"{len(test)}. Add some: a sixth of each class is set aside as test images."
        )
    if train.image_shape != test.image_shape:
        raise DataError(
            f"Expected test images of the training images' shape {train.image_shape}, received "
            f"{test.image_shape}."
        )
    missing = [
        str(name)
        for name, count in zip(train.class_names, train.counts(), strict=True)
        if not count
    ]
    if missing:
        raise DataError(
            f"Expected training images of each of the {train.classes} classes, received none of "
            f"{', '.join(missing)}. Add some, or name fewer classes."
        )
    train, validation = split_validation(train)
    identity = "".join(part.sha256() for part in (train, validation, test))
    return RealDigits(
        train=train,
        validation=validation,
        test=test,
        source=source,
        sha256=hashlib.sha256(identity.encode()).hexdigest(),
    )


def split_validation(digits: Digits, share: float = VALIDATION_SHARE) -> tuple[Digits, Digits]:
    """Set aside a stratified, fixed share of the digits for validation.

    The same digits give the same split, always: the rows of each class are permuted by a NumPy
    Philox generator keyed with a constant and the class, and the first `share` of them become
    validation. For MNIST's 60,000 these are exactly 5,000 in all: per-class shares are rounded by
    largest remainder. The last image of a class is only set aside by a share of 1.

    Args:
        digits: the official training digits.
        share: part of each class, 0..1.

    Returns:
        (train, validation), disjoint, each in the original order.
    """
    return _set_aside(digits, share, VALIDATION_SEED)


def split_test(digits: Digits, share: float = TEST_SHARE) -> tuple[Digits, Digits]:
    """Set aside a stratified, fixed share for the final figures, of data that has no test part.

    The rows are drawn in the way of `split_validation`, with another constant in the key.

    Args:
        digits: all the digits there are.
        share: part of each class, 0..1.

    Returns:
        (train, test), disjoint, each in the original order.
    """
    return _set_aside(digits, share, TEST_SEED)


def _set_aside(digits: Digits, share: float, seed: int) -> tuple[Digits, Digits]:
    # how many of each class: shares rounded by largest remainder
    counts = digits.counts()
    exact = counts * share
    sizes = np.floor(exact).astype(int)
    missing = round(float(exact.sum())) - int(sizes.sum())
    sizes[np.argsort(sizes - exact, kind="stable")[:missing]] += 1
    if share < 1:  # every class keeps an image to learn from
        sizes = np.minimum(sizes, np.maximum(counts - 1, 0))

    # which of them
    aside = np.zeros(len(digits), bool)
    for label, size in enumerate(sizes):
        rows = np.flatnonzero(digits.labels == label)
        order = np.random.Generator(np.random.Philox(key=seed + label)).permutation(len(rows))
        aside[rows[order[:size]]] = True
    return digits.take(~aside), digits.take(aside)
