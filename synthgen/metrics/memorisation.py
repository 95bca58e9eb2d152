"""Memorisation: are there copies of training images? Every figure beside that of real digits which no training has seen.

The measure is set by held-out real digits (validation): how near do images of the same kind come to
the training images by chance? A second set of real digits (test) is treated like the synthetic one:
what it gets is what honest images get.

How near depends on the class, and on how many training images it has. Shares and quantiles
therefore count the classes as often as they are among the held-out digits, and the data-copying
test ranks within the class: a balanced set can be held against uneven real digits.
"""

import hashlib
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from synthgen.datasets.digits import Digits, Images, Labels
from synthgen.errors import DataError
from synthgen.metrics.intervals import Estimate, sampling_interval
from synthgen.metrics.neighbours import nearest

LEAST_OF_CLASS = 2  # training images of a class: the tests ask how near these come to each other


# what the generator was trained on, against the real training digits
SEEN, OTHERS, UNKNOWN = "seen", "others", "unknown"


@dataclass(frozen=True, kw_only=True)
class Copying:
    """How close images come to training images in one space. Neighbours are sought within the class.

    Quantiles and shares count the classes as often as they are among the held-out digits.

    Args:
        space: "pixels" (Euclidean, pixels scaled to 0..1) or "features" (Euclidean, of the feature
            network).
        levels: of the quantiles, 0..1.
        synthetic: quantiles of the distances from synthetic images to their nearest training
            images.
        held_out: of the distances from real validation digits, which no training has seen.
        control: of the distances from real test digits.
        close_level: share of the held-out digits that count as close, 0.01 where there are enough
            of them.
        closer: share of synthetic images as close as those (expected: close_level).
        closer_control: the same share of the test digits.
        c_t: data-copying statistic over all classes, each image ranked within its own, a z-score;
            below -3 is copying.
        c_t_control: with the test digits in the place of the synthetic ones.
        c_t_by_class: of each class; None where there are too few images.
        c_t_cells: mean over the classes, each weighted with its share of held-out digits.
        c_t_cells_control: the same with the test digits.
        authenticity: share of synthetic images that are farther from their training image than its
            nearest other training image.
        authenticity_held_out: the same of the held-out digits.
        authenticity_control: the same of the test digits.
    """

    space: str
    levels: tuple[float, ...]
    synthetic: tuple[float, ...]
    held_out: tuple[float, ...]
    control: tuple[float, ...]
    close_level: float
    closer: Estimate
    closer_control: Estimate
    c_t: float
    c_t_control: float
    c_t_by_class: tuple[float | None, ...]
    c_t_cells: float | None
    c_t_cells_control: float | None
    authenticity: Estimate
    authenticity_held_out: Estimate
    authenticity_control: Estimate


@dataclass(frozen=True, kw_only=True)
class Duplicates:
    """Images of the set that repeat each other.

    Args:
        images: looked at for exact repetitions (all that were used).
        exact: of them, those whose pixels are those of an image before them.
        near_images: looked at for near repetitions, and as many real training digits.
        near_distance: pixel distance below which two images of a class are near duplicates: 1 % of
            the real ones are that near.
        near: share of the synthetic images that have another one of the set so near.
        near_control: the same share of the real ones, 0.01 by construction.
    """

    images: int
    exact: int
    near_images: int
    near_distance: float
    near: Estimate
    near_control: Estimate


@dataclass(frozen=True, kw_only=True)
class ClosePair:
    """A synthetic image and the training image that it is nearest to.

    Args:
        position: of the synthetic image among the images that were used.
        train_position: of the training image in the real training digits.
        label: their class.
        distance: Euclidean, pixels scaled to 0..1.
    """

    position: int
    train_position: int
    label: int
    distance: float


@dataclass(frozen=True, kw_only=True)
class Memorisation:
    """Whether the set holds copies of training images.

    Args:
        images: synthetic images asked about.
        train_images: real training digits that they are compared with.
        held_out_images: real validation digits that set the measure.
        control_images: real test digits, treated like the synthetic ones.
        generator_saw: SEEN if the generator was trained on these training digits, OTHERS if on
            others, else UNKNOWN.
        spaces: "pixels" and "features".
        copies: synthetic images whose pixels are those of a training image.
        copies_control: the same of the test digits.
        duplicates: within the set.
        closest: up to 20 pairs, the closest first.
        fired: names of the tests that found copying, of memorisation.TESTS; empty if none did.
    """

    images: int
    train_images: int
    held_out_images: int
    control_images: int
    generator_saw: str
    spaces: tuple[Copying, ...]
    copies: int
    copies_control: int
    duplicates: Duplicates
    closest: tuple[ClosePair, ...]
    fired: tuple[str, ...]


Array = NDArray[np.float64]
Vectors = NDArray[np.float32]

LEVELS = tuple(round(level / 100, 2) for level in range(101))
# the closest 1 % of the held-out digits, or the closest 20 if those are more
CLOSE, CLOSE_IMAGES = 0.01, 20
NEAR = 0.01
COPYING = -3.0  # z-score of the data-copying test
CELL = 20  # images of a class below which its test says nothing
LEAST = 50
PAIRS = 20
TESTS = {
    "copies": "There are images whose pixels are those of a training image, more than among real digits.",
    "closer": "More than twice as many images as expected are as close to training images as hardly any held-out digit is.",
    "c_t": "The images are closer to the training images than held-out digits are: a data-copying statistic below -3 (Meehan et al. 2020).",
    "authenticity": "Fewer images than held-out digits, by over 5 points, are farther from a training image than another one is (Alaa et al. 2022).",
}


@dataclass(frozen=True, eq=False)
class Neighbours:
    """The training images that some images are nearest to, within the class.

    Args:
        labels: (n,) of the images.
        positions: (n,) of the training image of each.
        distances: (n,) float32 to it.
        gaps: (n,) float32, from that training image to its nearest other one.
    """

    labels: Labels
    positions: NDArray[np.int64]
    distances: Vectors
    gaps: Vectors


def neighbours(
    queries: Vectors | Images, labels: Labels, train: Vectors | Images, train_labels: Labels
) -> Neighbours:
    """Find the nearest training image of the same class (a copy carries the class of its original).

    Args:
        queries: (n, d) float32, or images (n, h, w, c) uint8, whose pixels are then the vectors.
        labels: (n,) uint8.
        train: of the same kind, at least two of each class that is asked about.
        train_labels: (m,) uint8.

    Raises:
        DataError: if a class has fewer than two training images.
    """
    positions = np.empty(len(queries), np.int64)
    distances, gaps = np.empty(len(queries), np.float32), np.empty(len(queries), np.float32)
    for label in np.unique(labels):
        rows, members = np.flatnonzero(labels == label), np.flatnonzero(train_labels == label)
        reference = flat(train[members])
        found, distances[rows] = nearest(flat(queries[rows]), reference)
        distinct, back = np.unique(found, return_inverse=True)
        positions[rows], gaps[rows] = (
            members[found],
            nearest(reference[distinct], reference, excluded=distinct)[1][back],
        )
    return Neighbours(labels, positions, distances, gaps)


def data_copying(distances: NDArray[Any], held_out: NDArray[Any]) -> float:
    """Is one set closer to the training images than held-out ones are? The z-score of Mann and Whitney's U.

    C_T of Meehan et al. 2020, https://arxiv.org/abs/2004.05675, with one cell: (U - mn / 2) /
    sqrt(mn (m + n + 1) / 12), where U counts the pairs in which the image is farther from the
    training images than the held-out digit. Far below 0: copies. Far above: the images lie
    elsewhere.

    Args:
        distances: (m,) of the images to their nearest training images.
        held_out: (n,) of the held-out digits.

    Example:
        >>> data_copying(np.zeros(100), np.ones(100))
        -12.2...
    """
    excess, variance = _rank_sum(distances, held_out)
    return float(excess / np.sqrt(variance))


def _rank_sum(distances: NDArray[Any], held_out: NDArray[Any]) -> tuple[float, float]:
    """Mann and Whitney's U without its mean mn / 2, and its variance mn (m + n + 1) / 12 where both are of one distribution."""
    below, (m, n) = np.sort(held_out), (len(distances), len(held_out))
    # a tie counts half
    farther = (
        np.searchsorted(below, distances, "left") + np.searchsorted(below, distances, "right")
    ).sum() / 2
    return farther - m * n / 2, m * n * (m + n + 1) / 12


def stratified_copying(found: Neighbours, held_out: Neighbours) -> float:
    """The same over all classes: U and its variance summed over the classes, so that each image is ranked within its own.

    Args:
        found: of the images.
        held_out: of the held-out digits.

    Raises:
        DataError: if they have no class in common.
    """
    sums = [
        _rank_sum(_of_class(found, label), _of_class(held_out, label))
        for label in np.unique(held_out.labels)
    ]
    excess, variance = np.reshape(sums, (-1, 2)).sum(axis=0)
    if not variance:
        raise DataError(
            "Expected held-out real digits of at least one class that is asked about, to look for copies of training images; received none."
        )
    return float(excess / np.sqrt(variance))


def _of_class(found: Neighbours, label: int) -> Vectors:
    chosen: Vectors = found.distances[found.labels == label]
    return chosen


def mixture_weights(labels: Labels, mixture: Labels) -> Array:
    """Weights by which the classes of some images count as often as they do in a mixture (post-stratification).

    Args:
        labels: (n,) uint8 of the images.
        mixture: (m,) uint8.

    Returns:
        (n,) float64 with sum 1; 0 for a class that is not in the mixture.

    Example:
        >>> mixture_weights(np.array([0, 0, 1]), np.array([0, 1, 1, 1])).tolist()
        [0.125, 0.125, 0.75]
    """
    have, wanted = (
        np.bincount(these, minlength=256).astype(np.float64) for these in (labels, mixture)
    )
    weights = (wanted / np.maximum(have, 1))[labels]
    return weights / weights.sum()  # type: ignore[no-any-return]


def _share(hits: NDArray[np.bool_], weights: Array) -> Estimate:
    """A weighted share, with Wilson's interval for as many images as the weights are worth: 1 / sum of squares (Kish 1965)."""
    return sampling_interval(
        round(float(weights @ hits), 12), max(1, round(1 / float(weights @ weights)))
    )


def authenticity(found: Neighbours, mixture: Labels) -> Estimate:
    """Share of images that are farther from their training image than its nearest other training image is.

    Alaa et al. 2022, https://arxiv.org/abs/2102.08921. A copy never is; of real images about half
    are.

    Args:
        found: of the images.
        mixture: (m,) uint8, labels: the classes count as often as they do there.
    """
    return _share(found.distances > found.gaps, mixture_weights(found.labels, mixture))


def measure_copying(
    space: str, synthetic: Neighbours, held_out: Neighbours, control: Neighbours, classes: int
) -> Copying:
    """All figures of one space.

    Args:
        space: "pixels" or "features".
        synthetic: of the synthetic images.
        held_out: of real digits that set the measure.
        control: of real digits that are treated like the synthetic ones.
        classes: number of classes.
    """
    by_class, cells = _cells(synthetic, held_out, classes)
    held_out = _among(held_out, synthetic.labels)
    level = max(CLOSE, min(1.0, CLOSE_IMAGES / max(1, len(held_out.labels))))
    return Copying(
        space=space,
        levels=LEVELS,
        c_t=stratified_copying(synthetic, held_out),
        c_t_control=stratified_copying(control, held_out),
        synthetic=_quantiles(synthetic, held_out),
        held_out=_quantiles(held_out, held_out),
        control=_quantiles(control, held_out),
        close_level=level,
        closer=_closer(synthetic, held_out, level),
        closer_control=_closer(control, held_out, level),
        c_t_by_class=by_class,
        c_t_cells=cells,
        c_t_cells_control=_cells(control, held_out, classes)[1],
        authenticity=authenticity(synthetic, held_out.labels),
        authenticity_held_out=authenticity(held_out, held_out.labels),
        authenticity_control=authenticity(control, held_out.labels),
    )


def _among(found: Neighbours, labels: Labels) -> Neighbours:
    """Those of the classes that are among these labels."""
    kept = np.isin(found.labels, labels)
    return Neighbours(
        found.labels[kept], found.positions[kept], found.distances[kept], found.gaps[kept]
    )


def _quantiles(found: Neighbours, mixture: Neighbours) -> tuple[float, ...]:
    weights = mixture_weights(found.labels, mixture.labels)
    return tuple(
        np.quantile(
            found.distances.astype(np.float64), LEVELS, weights=weights, method="inverted_cdf"
        ).tolist()
    )


def _closer(found: Neighbours, held_out: Neighbours, level: float) -> Estimate:
    threshold = np.quantile(held_out.distances, level)
    return _share(found.distances <= threshold, mixture_weights(found.labels, held_out.labels))


def _cells(
    found: Neighbours, held_out: Neighbours, classes: int
) -> tuple[tuple[float | None, ...], float | None]:
    """The statistic in each class, and its mean with the classes' shares of held-out digits as weights (Meehan et al. 2020)."""
    values: list[float | None] = []
    for label in range(classes):
        distances, reference = (
            found.distances[found.labels == label],
            held_out.distances[held_out.labels == label],
        )
        values.append(
            data_copying(distances, reference)
            if min(len(distances), len(reference)) >= CELL
            else None
        )
    weights = [
        int((held_out.labels == label).sum()) * (value is not None)
        for label, value in enumerate(values)
    ]
    total = sum(weight * (value or 0.0) for weight, value in zip(weights, values, strict=True))
    return tuple(values), total / sum(weights) if sum(weights) else None


def digests(images: Images) -> list[bytes]:
    """16 bytes for the pixels of each image: equal for equal images."""
    return [
        hashlib.blake2b(image.data, digest_size=16).digest()
        for image in np.ascontiguousarray(images)
    ]


def measure_duplicates(used: Images, synthetic: Digits, real: Digits) -> Duplicates:
    """Images that repeat each other.

    Args:
        used: (n, h, w, c) uint8, looked at for exact repetitions.
        synthetic: looked at for near repetitions.
        real: as many real training digits of each class: 1 % of them are, by definition, near each
            other.
    """
    within, real_within = (_nearest_fellow(digits) for digits in (synthetic, real))
    threshold = float(np.quantile(real_within, NEAR))
    shares = [
        sampling_interval(float((found <= threshold).mean()), len(found))
        for found in (within, real_within)
    ]
    exact = len(used) - len(set(digests(used)))
    return Duplicates(
        images=len(used),
        exact=exact,
        near_images=len(within),
        near_distance=threshold,
        near=shares[0],
        near_control=shares[1],
    )


def _nearest_fellow(digits: Digits) -> Vectors:
    """Pixel distance of each image to the nearest other one of its class; images that are alone in it are left out."""
    classes = [flat(digits.images[digits.labels == label]) for label in range(digits.classes)]
    return np.concatenate(
        [
            nearest(points, points, excluded=np.arange(len(points)))[1]
            for points in classes
            if len(points) > 1
        ]
    )


def flat(images: Images | Vectors) -> Vectors:
    """Pixels as vectors: (n, h, w, c) uint8 -> (n, h * w * c) float32 in 0..1. Vectors stay as they are."""
    if images.dtype != np.uint8:
        return images.astype(np.float32)
    return images.reshape(len(images), math.prod(images.shape[1:])).astype(np.float32) / np.float32(
        255
    )


class Side(NamedTuple):
    """Images and their features."""

    digits: Digits
    features: Vectors


def measure_memorisation(
    synthetic: Side,
    train: Side,
    held_out: Side,
    control: Side,
    *,
    positions: NDArray[np.int64],
    used: Images,
    fellows: tuple[Digits, Digits],
    generator_saw: str,
) -> Memorisation:
    """Everything about copies of training images and repetitions within the set.

    Args:
        synthetic: images asked about.
        train: real training digits, all of them.
        held_out: real validation digits.
        control: real test digits.
        positions: (n,) of the synthetic images in the set.
        used: (m, h, w, c) uint8, all synthetic images that are looked at for exact repetitions.
        fellows: synthetic images and as many real training digits of each class, looked at for near
            repetitions.
        generator_saw: SEEN, OTHERS or UNKNOWN.

    Raises:
        DataError: if there are too few images of a side, or fewer than two training images of a
            class.
    """
    for what, side in {
        "synthetic images": synthetic,
        "real validation digits": held_out,
        "real test digits": control,
    }.items():
        if len(side.digits) < LEAST:
            raise DataError(
                f"Expected at least {LEAST} {what} to look for copies of training images, received {len(side.digits)}."
            )
    three = synthetic, held_out, control
    pixels = [
        neighbours(side.digits.images, side.digits.labels, train.digits.images, train.digits.labels)
        for side in three
    ]
    features = [
        neighbours(side.features, side.digits.labels, train.features, train.digits.labels)
        for side in three
    ]
    found = {"pixels": pixels, "features": features}
    spaces = tuple(
        measure_copying(space, made, held, real, train.digits.classes)
        for space, (made, held, real) in found.items()
    )
    known = set(digests(train.digits.images))
    copies, copies_control = (
        sum(digest in known for digest in digests(side.digits.images))
        for side in (synthetic, control)
    )
    return Memorisation(
        images=len(synthetic.digits),
        train_images=len(train.digits),
        held_out_images=len(held_out.digits),
        control_images=len(control.digits),
        generator_saw=generator_saw,
        spaces=spaces,
        copies=copies,
        copies_control=copies_control,
        duplicates=measure_duplicates(used, *fellows),
        closest=_closest(pixels[0], positions),
        fired=fired(spaces, copies / len(synthetic.digits), copies_control / len(control.digits)),
    )


def _closest(found: Neighbours, positions: NDArray[np.int64]) -> tuple[ClosePair, ...]:
    rows = np.argsort(found.distances, kind="stable")[:PAIRS]
    return tuple(
        ClosePair(
            position=int(positions[row]),
            train_position=int(found.positions[row]),
            label=int(found.labels[row]),
            distance=float(found.distances[row]),
        )
        for row in rows
    )


def fired(spaces: Sequence[Copying], copies: float, copies_control: float) -> tuple[str, ...]:
    """The tests that found copying, as "name" or "name_space".

    Args:
        spaces: figures of one or more spaces.
        copies: share of the synthetic images that are training images, pixel by pixel.
        copies_control: the same of the real control.
    """
    names = ["copies"] * (copies > copies_control)
    for found in spaces:
        close, honest, held_out = found.closer, found.authenticity, found.authenticity_held_out
        results = {
            "closer": (close.low or 0) > 2 * found.close_level,
            "c_t": found.c_t < COPYING,
            "authenticity": (honest.high or 0) < (held_out.low or 0) - 0.05,
        }
        names += [f"{name}_{found.space}" for name, result in results.items() if result]
    return tuple(names)


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
