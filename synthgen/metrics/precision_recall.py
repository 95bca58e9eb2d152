"""Precision, recall, density and coverage: does a set lie where another one lies?

The neighbourhood of an image is the closed ball around it that reaches to its k-th nearest fellow;
the neighbourhoods of a set are its estimated support. Kynkaanniemi et al. 2019,
https://arxiv.org/abs/1904.06991, equations 1 to 3; Naeem et al. 2020,
https://arxiv.org/abs/2002.09797, equations 3 and 5.

With b(r, q) = 1 where |r - q| <= the radius of r, for real images r and synthetic images q:

    precision = mean over q of max over r of b(r, q)
    recall    = mean over r of max over q of b(q, r)
    density   = mean over q of the sum over r of b(r, q) / k
    coverage  = mean over r of max over q of b(r, q)

An image on the rim of a ball is in it: a copy of the k-th nearest fellow counts, and so does a copy
of an image with k copies, whose radius is 0. Distances are computed in float64, so that a tie of
float32 features is seen as one.
"""

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from synthgen.errors import DataError
from synthgen.metrics.neighbours import NeighbourSearch, Vectors


class Support(NamedTuple):
    """How two sets share their support.

    Args:
        precision: share of the synthetic images within the support of the real ones, 0..1.
        recall: share of the real images within the support of the synthetic ones, 0..1.
        density: number of real neighbourhoods that a synthetic image lies in, divided by k, the
            mean of all; about 1 for equal distributions.
        coverage: share of the real images in whose neighbourhood a synthetic one lies, 0..1.
    """

    precision: float
    recall: float
    density: float
    coverage: float


class Memberships(NamedTuple):
    """What the four figures of `Support` are the means of, image by image.

    Args:
        precise: (m,) bool, whether each synthetic image lies within the support of the real ones.
        recalled: (n,) bool, whether each real image lies within the support of the synthetic ones.
        density: (m,) float64, in how many real neighbourhoods each synthetic image lies, over k.
        covered: (n,) bool, whether a synthetic image lies in the neighbourhood of each real one.
    """

    precise: NDArray[np.bool_]
    recalled: NDArray[np.bool_]
    density: NDArray[np.float64]
    covered: NDArray[np.bool_]


def support(real: Vectors, synthetic: Vectors, k: int = 5) -> Support:
    """Measures precision, recall, density and coverage of synthetic images.

    Args:
        real: (n, d) float32 features of real images, n > k.
        synthetic: (m, d) float32 features of synthetic images, m > k.
        k: the neighbour that a neighbourhood reaches to.

    Raises:
        DataError: if there are too few images.

    Example, one image again and again, which is precise and poor in recall:
        >>> support(features, np.repeat(features[:1], 500, axis=0))
        Support(precision=1.0, recall=0.002, density=..., coverage=...)
    """
    found = memberships(real, synthetic, radii(real, k), radii(synthetic, k), k)
    return Support(
        precision=float(found.precise.mean()),
        recall=float(found.recalled.mean()),
        density=float(found.density.mean()),
        coverage=float(found.covered.mean()),
    )


def radii(points: Vectors, k: int) -> NDArray[np.float64]:
    """Measures the distance of each point to its k-th nearest fellow.

    Args:
        points: (n, d) float32, n > k.
        k: 1 or more.

    Returns:
        (n,) float64, exactly 0 for a point that has k copies.

    Raises:
        DataError: if there are too few points.
    """
    if len(points) <= k:
        raise DataError(
            f"Expected more than {k} images to find the {k} nearest of each, "
            f"received {len(points)}. Use more images or fewer neighbours."
        )
    radii_squared = np.empty(len(points))
    search = NeighbourSearch(points.astype(np.float64))
    for rows, squares, rounding in search.blocks(points, excluded=np.arange(len(points))):
        squares.partition(k - 1, axis=1)
        found = squares[:, k - 1]
        radii_squared[rows] = np.where(found <= rounding, 0, found)
    return np.sqrt(radii_squared)


def memberships(
    real: Vectors,
    synthetic: Vectors,
    real_radii: NDArray[Any],
    synthetic_radii: NDArray[Any],
    k: int,
) -> Memberships:
    """Finds out which images lie in the neighbourhoods of the other set.

    Args:
        real: (n, d) float32.
        synthetic: (m, d) float32.
        real_radii: (n,) of `radii(real, k)`.
        synthetic_radii: (m,) of `radii(synthetic, k)`.
        k: the k of the radii.
    """
    precise = np.zeros(len(synthetic), bool)
    density = np.zeros(len(synthetic))
    recalled = np.zeros(len(real), bool)
    covered = np.zeros(len(real), bool)
    for rows, squares, rounding in NeighbourSearch(real.astype(np.float64)).blocks(synthetic):
        # both the distance and the radius are rounded
        in_real = squares <= real_radii**2 + 2 * rounding  # (block, n)
        in_synthetic = squares <= synthetic_radii[rows, None] ** 2 + 2 * rounding  # (block, n)
        precise[rows] = in_real.any(axis=1)
        density[rows] = in_real.sum(axis=1) / k
        covered |= in_real.any(axis=0)
        recalled |= in_synthetic.any(axis=0)
    return Memberships(precise, recalled, density, covered)
