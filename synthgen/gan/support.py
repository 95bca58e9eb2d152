"""The support of a distribution by nearest neighbours: precision, recall, density and coverage. NumPy alone, in blocks.

Every image's neighbourhood is the ball that reaches to its k-th nearest fellow; the balls of a set
are its estimated support. Distances are computed block by block, so that 60,000 against 60,000 need
40 MB and not 14 GB.
"""

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from synthgen.errors import DataError

Features = NDArray[np.float32]
# rows at a time: with 60,000 references a block of distances is 31 MB, and larger ones are slower
BLOCK = 128


class Support(NamedTuple):
    """How two sets share their support.

    Args:
        precision: share of synthetic images within the support of the real ones, 0..1 (Kynkaanniemi
            et al. 2019).
        recall: share of real images within the support of the synthetic ones, 0..1.
        density: real neighbourhoods that a synthetic image lies in, divided by k; about 1 for equal
            distributions (Naeem et al. 2020).
        coverage: share of real images in whose neighbourhood a synthetic one lies, 0..1.
    """

    precision: float
    recall: float
    density: float
    coverage: float


class Memberships(NamedTuple):
    """Image by image what `Support` is the mean of.

    Args:
        precise: (m,) bool, of the synthetic images.
        recalled: (n,) bool, of the real images.
        density: (m,) float64, of the synthetic images.
        covered: (n,) bool, of the real images.
    """

    precise: NDArray[np.bool_]
    recalled: NDArray[np.bool_]
    density: NDArray[np.float64]
    covered: NDArray[np.bool_]


def support(real: Features, synthetic: Features, k: int = 5) -> Support:
    """Precision, recall, density and coverage of synthetic images.

    Papers: Kynkaanniemi et al. 2019, https://arxiv.org/abs/1904.06991; Naeem et al. 2020,
    https://arxiv.org/abs/2002.09797.

    Args:
        real: (n, d) float32 features of real images, n > k.
        synthetic: (m, d) float32 features of synthetic images, m > k.
        k: neighbours that a neighbourhood reaches to.

    Raises:
        DataError: if there are too few images.

    Example:
        >>> support(features, np.repeat(features[:1], 500, axis=0))  # one image again and again: precise, and poor in recall
        Support(precision=1.0, recall=0.0, density=..., coverage=...)
    """
    found = memberships(real, synthetic, radii(real, k), radii(synthetic, k), k)
    return Support(*(float(values.mean()) for values in found))


def memberships(
    real: Features, synthetic: Features, real_radii: Features, synthetic_radii: Features, k: int
) -> Memberships:
    """Which images lie in the neighbourhoods of the other set.

    Args:
        real: (n, d) float32.
        synthetic: (m, d) float32.
        real_radii: (n,) of `radii(real, k)`.
        synthetic_radii: (m,) of `radii(synthetic, k)`.
        k: the k of the radii.
    """
    precise, density = np.zeros(len(synthetic), bool), np.zeros(len(synthetic))
    recalled, covered = np.zeros(len(real), bool), np.zeros(len(real), bool)
    real_squares, synthetic_squares = real_radii**2, synthetic_radii**2
    for rows, squares in _blocks(synthetic, real):
        # (block, n): synthetic image in the neighbourhood of the real one
        inside = squares < real_squares
        precise[rows], density[rows] = inside.any(axis=1), inside.sum(axis=1) / k
        covered |= inside.any(axis=0)
        recalled |= (squares < synthetic_squares[rows, None]).any(axis=0)
    return Memberships(precise, recalled, density, covered)


def radii(points: Features, k: int) -> Features:
    """Distance of each point to its k-th nearest fellow.

    Args:
        points: (n, d) float32, n > k.
        k: 1 or more.

    Returns:
        (n,) float32.

    Raises:
        DataError: if there are too few points.
    """
    if len(points) <= k:
        raise DataError(
            f"Expected more than {k} images to find the {k} nearest of each, received {len(points)}. Use more images or fewer neighbours."
        )
    squares = np.empty(len(points), np.float32)
    for rows, block in _blocks(points, points, excluded=np.arange(len(points))):
        block.partition(k - 1, axis=1)
        squares[rows] = block[:, k - 1]
    return np.sqrt(np.maximum(squares, 0))


def nearest(
    queries: Features, references: Features, excluded: NDArray[Any] | None = None
) -> tuple[NDArray[np.int64], Features]:
    """The reference that each query is nearest to.

    Args:
        queries: (m, d) float32.
        references: (n, d) float32, n > 0, or n > 1 with `excluded`.
        excluded: (m,) position of a reference that does not count for the query, such as the query
            itself.

    Returns:
        Positions (m,) int64 and distances (m,) float32, the latter from the differences themselves:
        0 for a copy.

    Raises:
        DataError: if there is no reference.
    """
    if len(references) <= (excluded is not None):
        raise DataError(
            f"Expected images to be near to, received {len(references)}. Use more images."
        )
    positions = np.empty(len(queries), np.int64)
    distances = np.empty(len(queries), np.float32)
    for rows, squares in _blocks(queries, references, excluded):
        positions[rows] = squares.argmin(axis=1)
        distances[rows] = np.linalg.norm(queries[rows] - references[positions[rows]], axis=1)
    return positions, distances


def _blocks(
    queries: Features, references: Features, excluded: NDArray[Any] | None = None
) -> Iterator[tuple[slice, Features]]:
    """Squared distances of some queries to all references, (block, n) float32, in memory that the next block uses again.

    |q - r|^2 = |q|^2 - 2 q.r + |r|^2 as one matrix product, (-2q, 1, |q|^2) with (r, |r|^2, 1): every further pass over the
    distances would cost as much as the product. Rounding may leave a zero slightly negative.
    """
    centre = references.mean(axis=0)  # small numbers lose less in the subtraction
    moved = references - centre
    right = np.vstack([moved.T, np.einsum("ij,ij->i", moved, moved), np.ones(len(moved))]).astype(
        np.float32
    )
    memory = np.empty((min(BLOCK, len(queries)), len(references)), np.float32)
    for start in range(0, len(queries), BLOCK):
        rows = slice(start, start + BLOCK)
        block = queries[rows] - centre
        left = np.column_stack(
            [-2 * block, np.ones(len(block)), np.einsum("ij,ij->i", block, block)]
        ).astype(np.float32)
        squares = np.matmul(left, right, out=memory[: len(block)])
        if excluded is not None:
            squares[np.arange(len(block)), excluded[rows]] = np.inf
        yield slice(start, start + len(block)), squares
