"""Real digits from wherever the user has them: MNIST, or a file or folder in one of the formats of the table."""

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from synthgen.datasets import hdf5, idx, image_folder, npz
from synthgen.datasets.digits import Digits, Parts
from synthgen.datasets.mnist import Log, fetch_mnist, is_official
from synthgen.errors import DataError, StorageError
from synthgen.storage import Storage, open_storage

VALIDATION_SEED = 20_000


TEST_SEED = 30_000


VALIDATION_SHARE = 1 / 12  # 5,000 of MNIST's 60,000


TEST_SHARE = 1 / 6


class Split(NamedTuple):
    """Training and validation digits, disjoint, each in the original order."""

    train: Digits
    validation: Digits


MNIST = "mnist"


class Format(NamedTuple):
    """A format of real data: what it looks like, whether a listing of files is of it, and its reader."""

    layout: str
    matches: Callable[[Sequence[str]], bool]
    read: Callable[[Storage, Sequence[str]], Parts]


FORMATS = (
    Format(idx.LAYOUT, idx.matches, idx.read),
    Format(npz.LAYOUT, npz.matches, npz.read),
    Format(hdf5.LAYOUT, hdf5.matches, hdf5.read),
    Format(image_folder.LAYOUT, image_folder.matches, image_folder.read),
)


@dataclass(frozen=True, kw_only=True, eq=False)
class RealDigits:
    """Real digits, split once and for all: train to learn from, validation to choose on, test for final figures only.

    Args:
        train: the training digits, without the validation digits.
        validation: a fixed, stratified twelfth of the training part (5,000 of MNIST's 60,000).
        test: the official test digits or, where the data has none, a fixed, stratified sixth of
            all.
        source: where they come from, and what was done to split them.
        sha256: identity of all three parts, as 64 hex digits.
    """

    train: Digits
    validation: Digits
    test: Digits
    source: str
    sha256: str


def load_real(data: str = MNIST, log: Log = print) -> RealDigits:
    """Load real digits and split them.

    Args:
        data: "mnist" (the original, checked against its MD5 sums), or the path or fsspec URL of a
            file or folder in one of `FORMATS`; "./mnist" is a folder of that name.
        log: receives messages worth showing, such as a damaged cache that was replaced.

    Raises:
        DataError: if the digits cannot be had, are damaged, or do not fit together.

    Example:
        >>> real = load_real("mnist")                          # doctest: +SKIP
        >>> len(real.train), len(real.validation), len(real.test)  # doctest: +SKIP
        (55000, 5000, 10000)
    """
    if data == MNIST:
        parts, name = fetch_mnist(log)
        return split_parts(parts, f"MNIST, from {name}")
    try:
        parts = _read(data)
        return split_parts(
            parts,
            f"MNIST, from {data}" if is_official(parts) else f"{data} (not the original MNIST)",
        )
    except (DataError, StorageError) as error:
        raise DataError(f"--data {data}: {error}") from error


def split_parts(parts: Parts, source: str) -> RealDigits:
    """Make train, validation and test of what the files hold.

    Raises:
        DataError: if there are no digits, no training digits of some class, or train and test
            differ in kind.
    """
    everything, test = parts
    if test is None:
        everything, test = split_test(everything)
        source += (
            "; it has no test part: a fixed, stratified sixth of it was set aside as test digits"
        )
    _check_fit(everything, test)
    train, validation = split_validation(everything)
    _check_classes(train)
    identity = "".join(part.sha256() for part in (train, validation, test))
    return RealDigits(
        train=train,
        validation=validation,
        test=test,
        source=source,
        sha256=hashlib.sha256(identity.encode()).hexdigest(),
    )


def describe(real: RealDigits) -> dict[str, Any]:
    """What `synthgen data info` shows, ready for JSON."""
    parts = {"train": real.train, "validation": real.validation, "test": real.test}
    return {
        "source": real.source,
        "sha256": real.sha256,
        "image_shape": list(real.train.image_shape),
        "images": {role: len(digits) for role, digits in parts.items()},
        "per_class": {
            name: {role: int(digits.counts()[label]) for role, digits in parts.items()}
            for label, name in enumerate(real.train.class_names)
        },
    }


def describe_text(real: RealDigits) -> str:
    """`describe` as lines for a terminal."""
    facts = describe(real)
    rows = [*facts["per_class"].items(), ("all", facts["images"])]
    width = max(len("class"), *(len(name) for name, _ in rows))
    table = [f"  {'class':<{width}}" + "".join(f"{role:>12}" for role in facts["images"])]
    table += [
        f"  {name:<{width}}" + "".join(f"{count:>12,}" for count in counts.values())
        for name, counts in rows
    ]
    shape = " x ".join(str(size) for size in facts["image_shape"])
    head = [
        f"source  {facts['source']}",
        f"sha256  {facts['sha256']}",
        f"images  {shape} uint8, 0..255",
    ]
    return "\n".join(head + table)


def _read(data: str) -> Parts:
    storage, files = _listing(data)
    for layout in FORMATS:
        if layout.matches(files):
            return layout.read(storage, files)
    known = "".join(f"\n  {layout.layout}" for layout in FORMATS)
    found = ", ".join(files[:5]) + (f" and {len(files) - 5:,} more" if len(files) > 5 else "")
    raise DataError(f"Expected '{MNIST}' or one of{known}\nfound {found or 'an empty folder'}.")


def _listing(data: str) -> tuple[Storage, list[str]]:
    """The folder, and its files without hidden and unfinished ones; for a file, its folder and the file alone."""
    storage = open_storage(data)
    if not storage.exists(""):
        raise DataError(
            f"Expected '{MNIST}', a file or a folder, but there is nothing of that name."
        )
    if storage.fs.isfile(storage.root):
        folder, _, name = storage.root.rpartition("/")
        return Storage(storage.fs, folder, data), [name]
    files = storage.files("")
    return storage, [
        file
        for file in files
        if not file.endswith(".part") and not any(part.startswith(".") for part in file.split("/"))
    ]


def _check_fit(train: Digits, test: Digits) -> None:
    if not len(train) or not len(test):
        raise DataError(
            f"Expected at least one training and one test image, received {len(train)} and {len(test)}."
        )
    if train.image_shape != test.image_shape:
        raise DataError(
            f"Expected test images of the training images' shape {train.image_shape}, received {test.image_shape}."
        )


def _check_classes(train: Digits) -> None:
    empty = [
        str(name)
        for name, count in zip(train.class_names, train.counts(), strict=True)
        if not count
    ]
    if empty:
        received = ", ".join(empty)
        raise DataError(
            f"Expected training images of each of the {train.classes} classes, received none of {received}. Add some, or name fewer classes."
        )


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
