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
from synthgen.evaluation.findings import ClosePair, Copying, Duplicates, Memorisation
from synthgen.evaluation.verdict import Estimate, sampling_interval
from synthgen.gan.support import nearest

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
