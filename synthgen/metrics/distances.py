"""Distances between two sets in feature space, and the score of one: pure functions, NumPy alone.

frechet_distance   of two Gaussians (Heusel et al. 2017)
kernel_distance    the squared maximum mean discrepancy (Binkowski et al. 2018)
classifier_score   how sure a classifier is, and how evenly the classes are met (Salimans 2016)
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Features = NDArray[np.float32]
Shares = NDArray[np.float32]

KERNEL_GROUPS = 10  # of either side
KERNEL_SUBSET = 1000  # images of a group at most (Binkowski et al. 2018)
PRODUCT_ROWS = 2000  # of outer products at a time: with 64 features 33 MB
TINY = 1e-12


def frechet_distance(
    mean: Array, covariance: Array, other_mean: Array, other_covariance: Array
) -> Array:
    """Measures the squared Frechet (Wasserstein-2) distance of two Gaussians.

    |m - m'|^2 + tr(C + C' - 2 (C C')^(1/2)): Dowson & Landau 1982; for images Heusel et al. 2017,
    https://arxiv.org/abs/1706.08500. The trace of the root is that of the symmetric
    (C^(1/2) C' C^(1/2))^(1/2): real eigenvalues, where the root of the product itself may turn out
    complex.

    Args:
        mean: (..., d) float64.
        covariance: (..., d, d) float64.
        other_mean: (..., d) float64.
        other_covariance: (..., d, d) float64.

    Returns:
        (...) float64, 0 or more but for rounding.

    Example, 3^2 + (2 - 1)^2:
        >>> float(frechet_distance(np.zeros(1), np.eye(1), np.full(1, 3.0), 4 * np.eye(1)))
        10.0
    """
    values, vectors = np.linalg.eigh(covariance)
    root = (vectors * np.sqrt(np.maximum(values, 0))[..., None, :]) @ vectors.swapaxes(-1, -2)
    shared = np.sqrt(np.maximum(np.linalg.eigvalsh(root @ other_covariance @ root), 0)).sum(axis=-1)
    trace = np.trace(covariance, axis1=-2, axis2=-1)
    other_trace = np.trace(other_covariance, axis1=-2, axis2=-1)
    result: Array = ((mean - other_mean) ** 2).sum(axis=-1) + (trace + other_trace) - 2 * shared
    return result


def moments(features: Features, weights: Shares | None = None) -> tuple[Array, Array]:
    """Computes means and covariances (divisor n - 1) of images, or of resamplings of them.

    Args:
        features: (n, d) float32, n > 1.
        weights: (b, n) float32, the share of each image in b resamplings, rows summing to 1; the
            covariances of all of them are then one matrix product. None for the images as they are.

    Returns:
        (d,) and (d, d) float64, or with weights (b, d) and (b, d, d).
    """
    count, size = features.shape
    if weights is None:
        covariance = np.cov(features, rowvar=False, dtype=np.float64)
        return features.mean(axis=0, dtype=np.float64), covariance.reshape(size, size)
    centre = features.mean(axis=0)
    means = np.zeros((len(weights), size))
    squares = np.zeros((len(weights), size * size))
    for start in range(0, count, PRODUCT_ROWS):
        rows = features[start : start + PRODUCT_ROWS] - centre
        shares = weights[:, start : start + PRODUCT_ROWS]
        means += shares @ rows
        squares += shares @ (rows[:, :, None] * rows[:, None, :]).reshape(len(rows), -1)
    covariances = squares.reshape(-1, size, size) - means[:, :, None] * means[:, None, :]
    return means + centre, covariances * (count / (count - 1))


class KernelDistance(NamedTuple):
    """Squared maximum mean discrepancy, unbiased: of equal distributions as often below 0 as above.

    Args:
        mean: of all subsets that there are, which is the estimate from all pairs of images.
        subsets: (groups ** 2,) float64, of subsets of n / groups images a side.
        without: (groups,) float64, the mean without one group of each side, for the jackknife.
    """

    mean: float
    subsets: Array
    without: Array


def kernel_distance(
    real: Features,
    other: Features,
    groups: int = KERNEL_GROUPS,
    subset: int = KERNEL_SUBSET,
) -> KernelDistance:
    """Measures the distance of two sets with the kernel (x.y / d + 1)^3.

    Binkowski et al. 2018, https://arxiv.org/abs/1801.01401 (there: KID). Both sets are split at
    random into groups; any two groups, one of each side, are a subset.

    Args:
        real: (n, d) float32, n at least 2 * groups.
        other: (m, d) float32, m at least 2 * groups.
        groups: number of groups of each side, 2 or more.
        subset: images of a group at most; of more than groups * subset images some are drawn.
    """
    size = min(subset, min(len(real), len(other)) // groups)
    random = np.random.Generator(np.random.Philox(key=size))
    x, y = (
        side[random.permutation(len(side))[: size * groups]].reshape(groups, size, -1)
        for side in (real, other)
    )
    within_x = _sums_within(x)
    within_y = _sums_within(y)
    across = np.array(
        [[_kernel(left, right).sum(dtype=np.float64) for right in y] for left in x]
    )  # (groups, groups)
    own = np.diag(within_x)[:, None] + np.diag(within_y)
    subsets = own / (size * (size - 1)) - 2 * across / size**2

    def discrepancy(kept: NDArray[np.bool_]) -> float:
        count = size * int(kept.sum())
        both = np.ix_(kept, kept)
        within = (within_x[both] + within_y[both]).sum()
        return float(within / (count * (count - 1)) - 2 * across[both].sum() / count**2)

    without = [discrepancy(np.arange(groups) != group) for group in range(groups)]
    mean = discrepancy(np.ones(groups, bool))
    return KernelDistance(mean, subsets.reshape(-1), np.array(without))


def _kernel(left: Features, right: Features) -> Features:
    """The kernel of all pairs of two groups, (n, d) and (m, d) -> (n, m)."""
    products: Features = left @ right.T / np.float32(left.shape[1]) + np.float32(1)
    return products * products * products


def _sums_within(groups: Features) -> Array:
    """Sums of the kernel over the pairs of different images of any two groups of one side.

    Args:
        groups: (g, n, d).

    Returns:
        (g, g) float64, symmetric.
    """
    sums = np.zeros((len(groups), len(groups)))
    for row, left in enumerate(groups):
        for column in range(row, len(groups)):
            table = _kernel(left, groups[column])
            sums[row, column] = table.sum(dtype=np.float64)
            if row == column:  # an image and itself are no pair
                sums[row, column] -= np.trace(table, dtype=np.float64)
    return sums + np.triu(sums, 1).T


def classifier_score(probabilities: NDArray[np.floating], weights: Shares | None = None) -> Array:
    """Measures how sure a classifier is of each image, and how evenly the classes are met.

    The exponential of the mean Kullback-Leibler divergence of each image's class probabilities from
    their mean: Salimans et al. 2016, https://arxiv.org/abs/1606.03498 (there: inception score). It
    is 1 where all images are alike to the classifier, and the number of classes where it is sure of
    every image and all classes are equally frequent.

    Args:
        probabilities: (n, classes), rows summing to 1.
        weights: (b, n) shares of the images, rows summing to 1; None to count all images alike.

    Returns:
        () float64, or (b,) with weights.
    """
    p = np.asarray(probabilities, np.float64)
    shares = np.full((1, len(p)), 1 / len(p)) if weights is None else weights.astype(np.float64)
    mean = shares @ p  # (b, classes)
    negative_entropy = shares @ (p * np.log(p + TINY)).sum(axis=1)
    score: Array = np.exp(negative_entropy - (mean * np.log(mean + TINY)).sum(axis=1))
    return score[0] if weights is None else score
