"""Copying: do images come closer to the training images than unseen real digits do?

The measure is set by held-out real digits: how near do images of the same kind come to the training
images by chance? How near depends on the class, and on how many training images it has. Shares and
quantiles therefore count the classes as often as they are among the held-out digits
(post-stratification), and the data-copying test ranks within the class: a balanced set can be held
against uneven real digits.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from synthgen.datasets.digits import Labels
from synthgen.errors import DataError
from synthgen.metrics.intervals import Estimate, sampling_interval
from synthgen.metrics.neighbours import ClassNeighbours

QUANTILE_LEVELS = tuple(round(level / 100, 2) for level in range(101))

# as close as the closest 1 % of the held-out digits, or as the closest 20 if those are more
CLOSE_SHARE = 0.01
CLOSE_IMAGES = 20

LEAST_FOR_CLASS_SCORE = 20  # images of a class of either side
DATA_COPYING = -3.0  # a z-score below which images are copies
AUTHENTICITY_MARGIN = 0.05  # between the intervals of the set and of the held-out digits

# by what they ask; each but the first asks it in pixels and in features
COPYING_TESTS = ("copies", "closer", "c_t", "authenticity")


@dataclass(frozen=True, kw_only=True)
class Copying:
    """How close images come to training images in one space. Neighbours are sought in the class.

    Quantiles and shares count the classes as often as they are among the held-out digits. The
    control are real digits that are treated as the synthetic ones are: what honest images get.

    Args:
        space: "pixels" (Euclidean, pixels scaled to 0..1) or "features" (Euclidean, of the feature
            network).
        levels: the levels of the quantiles, 0..1.
        synthetic: quantiles of the distances from synthetic images to their nearest training
            images.
        held_out: quantiles of the distances from the held-out real digits.
        control: quantiles of the distances from the real digits of the control.
        close_level: share of the held-out digits that count as close, 0.01 where there are enough
            of them.
        closer: share of the synthetic images as close as those; `close_level` is expected.
        closer_control: share of the control as close as those.
        c_t: data-copying statistic of the synthetic images, each ranked within its class, a
            z-score; below -3 is copying.
        c_t_control: data-copying statistic of the control.
        c_t_by_class: data-copying statistic of each class; None where there are too few images.
        c_t_class_mean: mean of `c_t_by_class`, each class weighted with its share of held-out
            digits; None where no class has a statistic.
        c_t_class_mean_control: the weighted mean over the classes of the control.
        authenticity: share of the synthetic images that are farther from their training image than
            its nearest other training image is.
        authenticity_held_out: authenticity of the held-out digits.
        authenticity_control: authenticity of the control.
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
    c_t_class_mean: float | None
    c_t_class_mean_control: float | None
    authenticity: Estimate
    authenticity_held_out: Estimate
    authenticity_control: Estimate


def measure_copying(
    space: str,
    synthetic: ClassNeighbours,
    held_out: ClassNeighbours,
    control: ClassNeighbours,
    classes: int,
) -> Copying:
    """Measures how close images come to training images in one space.

    Args:
        space: "pixels" or "features".
        synthetic: nearest training images of the synthetic images.
        held_out: of the real digits that set the measure.
        control: of the real digits that are treated as the synthetic ones are.
        classes: number of classes.

    Raises:
        DataError: if held-out digits and images have no class in common.
    """
    by_class, class_mean = class_scores(synthetic, held_out, classes)
    _, class_mean_control = class_scores(control, held_out, classes)

    # the classes that are asked about, as often as they are among the held-out digits
    held_out = held_out.take(np.isin(held_out.labels, synthetic.labels))
    mixture = held_out.labels
    c_t = stratified_copying(synthetic, held_out)
    c_t_control = stratified_copying(control, held_out)
    close_level = max(CLOSE_SHARE, min(1.0, CLOSE_IMAGES / len(mixture)))
    return Copying(
        space=space,
        levels=QUANTILE_LEVELS,
        synthetic=distance_quantiles(synthetic, mixture),
        held_out=distance_quantiles(held_out, mixture),
        control=distance_quantiles(control, mixture),
        close_level=close_level,
        closer=share_closer(synthetic, held_out, close_level),
        closer_control=share_closer(control, held_out, close_level),
        c_t=c_t,
        c_t_control=c_t_control,
        c_t_by_class=by_class,
        c_t_class_mean=class_mean,
        c_t_class_mean_control=class_mean_control,
        authenticity=authenticity(synthetic, mixture),
        authenticity_held_out=authenticity(held_out, mixture),
        authenticity_control=authenticity(control, mixture),
    )


def data_copying(distances: NDArray[Any], held_out: NDArray[Any]) -> float:
    """Asks whether one set is closer to the training images than held-out digits are.

    C_T of Meehan et al. 2020, https://arxiv.org/abs/2004.05675, with one cell, is the z-score of
    Mann and Whitney's U: (U - mn / 2) / sqrt(mn (m + n + 1) / 12), where U counts the pairs in
    which the image is farther from the training images than the held-out digit.

    Args:
        distances: (m,) of the images to their nearest training images.
        held_out: (n,) of the held-out digits to theirs.

    Returns:
        A z-score. Far below 0: copies. Far above: the images lie elsewhere.

    Example:
        >>> data_copying(np.zeros(100), np.ones(100))
        -12.2...
    """
    excess, variance = _rank_sum(distances, held_out)
    return float(excess / np.sqrt(variance))


def stratified_copying(found: ClassNeighbours, held_out: ClassNeighbours) -> float:
    """Asks the question of `data_copying` of all classes, each image ranked within its own.

    U and its variance are summed over the classes.

    Args:
        found: nearest training images of the images.
        held_out: nearest training images of the held-out digits.

    Returns:
        A z-score, as of `data_copying`.

    Raises:
        DataError: if they have no class in common.
    """
    excess = 0.0
    variance = 0.0
    for label in np.unique(held_out.labels):
        distances = found.distances[found.labels == label]
        reference = held_out.distances[held_out.labels == label]
        excess_of_class, variance_of_class = _rank_sum(distances, reference)
        excess += excess_of_class
        variance += variance_of_class
    if variance == 0:
        raise DataError(
            "Expected held-out real digits of at least one class that is asked about, to look for "
            "copies of training images; received none."
        )
    return float(excess / np.sqrt(variance))


def _rank_sum(distances: NDArray[Any], held_out: NDArray[Any]) -> tuple[float, float]:
    """Mann and Whitney's U minus its mean, and its variance where both are of one distribution."""
    m = len(distances)
    n = len(held_out)
    ordered = np.sort(held_out)
    below = np.searchsorted(ordered, distances, "left")  # (m,) held-out digits that are nearer
    not_above = np.searchsorted(ordered, distances, "right")
    farther = (below + not_above).sum() / 2  # a tie counts half
    return farther - m * n / 2, m * n * (m + n + 1) / 12


def class_scores(
    found: ClassNeighbours, held_out: ClassNeighbours, classes: int
) -> tuple[tuple[float | None, ...], float | None]:
    """Scores each class by `data_copying`, as the cells of Meehan et al. 2020 are.

    Args:
        found: nearest training images of the images.
        held_out: nearest training images of the held-out digits.
        classes: number of classes.

    Returns:
        The score of each class, None where either side has fewer than 20 images, and the mean of
        the scores, weighted with the classes' shares of held-out digits.
    """
    scores: list[float | None] = []
    total = 0.0
    weights = 0
    for label in range(classes):
        distances = found.distances[found.labels == label]
        reference = held_out.distances[held_out.labels == label]
        if min(len(distances), len(reference)) < LEAST_FOR_CLASS_SCORE:
            scores.append(None)
            continue
        score = data_copying(distances, reference)
        scores.append(score)
        total += len(reference) * score
        weights += len(reference)
    return tuple(scores), total / weights if weights else None


def authenticity(found: ClassNeighbours, mixture: Labels) -> Estimate:
    """Measures the share of images that are farther from their training image than another one is.

    Alaa et al. 2022, https://arxiv.org/abs/2102.08921. The other one is the training image that is
    nearest to the training image. A copy never is authentic; of real images about half are.

    Args:
        found: nearest training images of the images.
        mixture: (m,) uint8, labels: the classes count as often as they do there.
    """
    return _weighted_share(found.distances > found.gaps, mixture_weights(found.labels, mixture))


def share_closer(found: ClassNeighbours, held_out: ClassNeighbours, level: float) -> Estimate:
    """Measures the share of images that are as close as the closest held-out digits.

    Args:
        found: nearest training images of the images.
        held_out: nearest training images of the held-out digits; their classes are the mixture.
        level: share of the held-out digits that counts as close, 0..1.
    """
    threshold = np.quantile(held_out.distances, level)
    weights = mixture_weights(found.labels, held_out.labels)
    return _weighted_share(found.distances <= threshold, weights)


def distance_quantiles(found: ClassNeighbours, mixture: Labels) -> tuple[float, ...]:
    """Returns the distances at each of QUANTILE_LEVELS, the classes as frequent as in a mixture."""
    weights = mixture_weights(found.labels, mixture)
    distances = found.distances.astype(np.float64)
    quantiles = np.quantile(distances, QUANTILE_LEVELS, weights=weights, method="inverted_cdf")
    return tuple(quantiles.tolist())


def mixture_weights(labels: Labels, mixture: Labels) -> NDArray[np.float64]:
    """Returns weights by which the classes of images count as often as they do in a mixture.

    Args:
        labels: (n,) uint8 of the images.
        mixture: (m,) uint8.

    Returns:
        (n,) float64 with sum 1; 0 for a class that is not in the mixture.

    Example:
        >>> mixture_weights(np.array([0, 0, 1]), np.array([0, 1, 1, 1])).tolist()
        [0.125, 0.125, 0.75]
    """
    have = np.bincount(labels, minlength=256).astype(np.float64)
    wanted = np.bincount(mixture, minlength=256).astype(np.float64)
    weights = (wanted / np.maximum(have, 1))[labels]
    normalised: NDArray[np.float64] = weights / weights.sum()
    return normalised


def _weighted_share(hits: NDArray[np.bool_], weights: NDArray[np.float64]) -> Estimate:
    """Wilson's interval for as many images as the weights are worth: 1 / sum of squares (Kish)."""
    share = round(float(weights @ hits), 12)
    images = max(1, round(1 / float(weights @ weights)))  # Kish 1965, "Survey sampling"
    return sampling_interval(share, images)


def fired_tests(spaces: Sequence[Copying], copies: float, copies_control: float) -> tuple[str, ...]:
    """Returns the tests that found copying: "copies", and "closer_pixels" and the like.

    Args:
        spaces: the figures of one or more spaces.
        copies: share of the synthetic images whose pixels are those of a training image.
        copies_control: share of the control whose pixels are those of a training image.

    Returns:
        Keys of COPYING_TESTS, followed by an underscore and the space where it depends on that.
    """
    names = []
    if copies > copies_control:
        names.append("copies")
    for found in spaces:
        closer = found.closer.low or 0
        highest = found.authenticity.high or 0
        lowest_held_out = found.authenticity_held_out.low or 0
        if closer > 2 * found.close_level:
            names.append(f"closer_{found.space}")
        if found.c_t < DATA_COPYING:
            names.append(f"c_t_{found.space}")
        if highest < lowest_held_out - AUTHENTICITY_MARGIN:
            names.append(f"authenticity_{found.space}")
    return tuple(names)
