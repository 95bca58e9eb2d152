"""Distances between sets of images and the score of one, as pure functions on features and probabilities. NumPy alone."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Features = NDArray[np.float32]
Weights = NDArray[np.float32]

GROUPS = 10  # of either side, for the kernel distance
SUBSET = 1000  # images of a subset at most (Binkowski et al. 2018)
CHUNK = 2000  # rows of products at a time: with 64 features 33 MB
TINY = 1e-12


def frechet_distance(
    mean: Array, covariance: Array, other_mean: Array, other_covariance: Array
) -> Array:
    """Squared Frechet (Wasserstein-2) distance of two Gaussians: |m - m'|^2 + tr(C + C' - 2 (C C')^(1/2)).

    Dowson & Landau 1982; for images Heusel et al. 2017, https://arxiv.org/abs/1706.08500. The trace
    of the root is that of the symmetric (C^(1/2) C' C^(1/2))^(1/2): real eigenvalues, where the
    root of the product itself may turn out complex.

    Args:
        mean: (..., d) float64.
        covariance: (..., d, d) float64.
        other_mean: (..., d) float64.
        other_covariance: (..., d, d) float64.

    Returns:
        (...) float64, 0 or more but for rounding.

    Example:
        >>> float(frechet_distance(np.zeros(1), np.eye(1), np.full(1, 3.0), 4 * np.eye(1)))  # 3^2 + (2 - 1)^2
        10.0
    """
    values, vectors = np.linalg.eigh(covariance)
    root = (vectors * np.sqrt(np.maximum(values, 0))[..., None, :]) @ vectors.swapaxes(-1, -2)
    shared = np.sqrt(np.maximum(np.linalg.eigvalsh(root @ other_covariance @ root), 0)).sum(axis=-1)
    traces = np.trace(covariance, axis1=-2, axis2=-1) + np.trace(
        other_covariance, axis1=-2, axis2=-1
    )
    result: Array = ((mean - other_mean) ** 2).sum(axis=-1) + traces - 2 * shared
    return result


def moments(features: Features, weights: Weights | None = None) -> tuple[Array, Array]:
    """Means and covariances (divisor n - 1), of the images as they are and of resamplings of them.

    Args:
        features: (n, d) float32, n > 1.
        weights: (b, n) float32, rows summing to 1; the covariances of all resamplings are then one
            matrix product.

    Returns:
        (d,) and (d, d) float64, or with weights (b, d) and (b, d, d).
    """
    if weights is None:
        return features.mean(axis=0, dtype=np.float64), np.cov(
            features, rowvar=False, dtype=np.float64
        ).reshape(2 * (features.shape[1],))
    count, size = features.shape
    centre = features.mean(axis=0)
    means, squares = np.zeros((len(weights), size)), np.zeros((len(weights), size * size))
    for start in range(0, count, CHUNK):
        rows = features[start : start + CHUNK] - centre
        means += weights[:, start : start + CHUNK] @ rows
        squares += weights[:, start : start + CHUNK] @ (
            rows[:, :, None] * rows[:, None, :]
        ).reshape(len(rows), -1)
    covariances = squares.reshape(-1, size, size) - means[:, :, None] * means[:, None, :]
    return means + centre, covariances * (count / (count - 1))


class KernelDistance(NamedTuple):
    """Squared maximum mean discrepancy, unbiased: negative about as often as positive for equal distributions.

    Args:
        mean: of all subsets that there are, which is the estimate from all pairs of images.
        subsets: (GROUPS ** 2,) float64, of subsets of n / GROUPS images a side.
        without: (GROUPS,) float64, the mean without one group of each side, for the jackknife.
    """

    mean: float
    subsets: Array
    without: Array


def kernel_distance(real: Features, other: Features) -> KernelDistance:
    """Kernel distance with the kernel (x.y / d + 1)^3, of Binkowski et al. 2018, https://arxiv.org/abs/1801.01401 (there: KID).

    Both sets are split at random into GROUPS groups; any two groups, one of each side, are a
    subset.

    Args:
        real: (n, d) float32, n at least 2 * GROUPS; of more than GROUPS * SUBSET images some are
            drawn.
        other: (m, d) float32.
    """
    size = min(SUBSET, min(len(real), len(other)) // GROUPS)
    random = np.random.Generator(np.random.Philox(key=size))
    x, y = (
        side[random.permutation(len(side))[: size * GROUPS]].reshape(GROUPS, size, -1)
        for side in (real, other)
    )
    within_x, within_y, across = (
        _within(x),
        _within(y),
        np.array([[_kernel(left, right).sum(dtype=np.float64) for right in y] for left in x]),
    )
    own = np.diag(within_x)[:, None] + np.diag(within_y)
    subsets = own / (size * (size - 1)) - 2 * across / size**2

    def discrepancy(kept: NDArray[np.bool_]) -> float:
        count, both = size * int(kept.sum()), np.ix_(kept, kept)
        return float(
            (within_x[both] + within_y[both]).sum() / (count * (count - 1))
            - 2 * across[both].sum() / count**2
        )

    without = [discrepancy(np.arange(GROUPS) != group) for group in range(GROUPS)]
    return KernelDistance(
        discrepancy(np.ones(GROUPS, bool)), subsets.reshape(-1), np.array(without)
    )


def _kernel(left: Features, right: Features) -> Features:
    products: Features = left @ right.T / np.float32(left.shape[1]) + np.float32(1)
    return products * products * products


def _within(groups: Features) -> Array:
    """Sums of the kernel over the pairs of two groups (g, n, d), without pairs of an image with itself: (g, g) float64, symmetric."""
    sums = np.zeros((len(groups), len(groups)))
    for row, left in enumerate(groups):
        for column in range(row, len(groups)):
            table = _kernel(left, groups[column])
            sums[row, column] = table.sum(dtype=np.float64) - (
                np.trace(table, dtype=np.float64) if row == column else 0
            )
    return sums + np.triu(sums, 1).T


def classifier_score(probabilities: NDArray[np.floating], weights: Weights | None = None) -> Array:
    """Exp of the mean Kullback-Leibler divergence of each image's class probabilities from their mean.

    Salimans et al. 2016, https://arxiv.org/abs/1606.03498 (there: inception score). It is 1 where
    all images are alike to the classifier, and the number of classes where it is sure of every
    image and all classes are equally frequent.

    Args:
        probabilities: (n, classes), rows summing to 1.
        weights: (b, n) shares, rows summing to 1; without them all images count alike.

    Returns:
        () float64, or (b,) with weights.
    """
    p = np.asarray(probabilities, np.float64)
    shares = np.full((1, len(p)), 1 / len(p)) if weights is None else weights.astype(np.float64)
    mean = shares @ p  # (b, classes)
    negative_entropy = shares @ (p * np.log(p + TINY)).sum(axis=1)
    score: Array = np.exp(negative_entropy - (mean * np.log(mean + TINY)).sum(axis=1))
    return score[0] if weights is None else score
