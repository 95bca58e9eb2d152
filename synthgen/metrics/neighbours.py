"""The support of a distribution by nearest neighbours: precision, recall, density and coverage. NumPy alone, in blocks.

Every image's neighbourhood is the ball that reaches to its k-th nearest fellow; the balls of a set
are its estimated support. Distances are computed block by block, so that 60,000 against 60,000 need
40 MB and not 14 GB.
"""

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from synthgen.datasets.digits import Digits, Images
from synthgen.errors import DataError

QUERY_BLOCK = (
    1000  # query images per matrix product; with 5,500 references a block of scores is 22 MB
)


# wider than the rounding error of a float32 score (784 products below 1, summed: under 1e-3)
TIE = np.float32(0.02)


class NearestTrain:
    """Euclidean distances, in pixels scaled to 0..1, to the nearest training image of the same class.

    A copy carries the class of its original, so looking within the class finds it, at a tenth of
    the cost. A float32 matrix product finds the candidates; their distances are then computed in
    integers, so that the result is exact and depends on nothing but the two images.

    Args:
        reference: the training images, some of every class (see `check_reference`).
    """

    def __init__(self, reference: Digits) -> None:
        self._images = [
            np.unique(_flat(reference.images[reference.labels == label]), axis=0)
            for label in range(reference.classes)
        ]
        self._factors = [_factor(images) for images in self._images]

    def distances(self, images: Images, labels: NDArray[Any]) -> NDArray[np.float64]:
        """The distance of each image.

        Args:
            images: (n, height, width, channels) uint8, of the shape of the reference.
            labels: (n,) below the number of classes.

        Returns:
            (n,) float64, 0 .. sqrt(height * width * channels), rounded to 4 decimals.
        """
        squares = np.zeros(len(images), np.int64)
        queries = _flat(images)
        for label in np.unique(labels):
            rows = np.flatnonzero(labels == label)
            for start in range(0, len(rows), QUERY_BLOCK):
                block = rows[start : start + QUERY_BLOCK]
                squares[block] = _nearest(queries[block], self._images[label], self._factors[label])
        return np.round(np.sqrt(squares) / 255, 4)


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


def check_reference(reference: Digits) -> None:
    """Make sure that there is something to measure the distance to.

    Raises:
        DataError: if a class has no image.
    """
    empty = np.flatnonzero(reference.counts() == 0)
    if len(empty):
        raise DataError(
            f"Expected training images of every class, received none of class {reference.class_names[empty[0]]!r}."
        )


def _flat(images: Images) -> Images:
    return images.reshape(len(images), -1)  # (n, h, w, c) -> (n, h * w * c)


def _factor(images: Images) -> NDArray[np.float32]:
    """The matrix that turns (query, 1) into |r|^2 - 2 q.r, the squared distance but for a constant per query."""
    scaled = images.astype(np.float32) / np.float32(255)
    # (pixels + 1, references)
    return np.vstack([-2 * scaled.T, np.einsum("ij,ij->i", scaled, scaled)])


def _nearest(queries: Images, references: Images, factor: NDArray[np.float32]) -> NDArray[np.int64]:
    """Squared distances in grey levels, exact, (n,) int64."""
    padded = np.ones((len(queries), queries.shape[1] + 1), np.float32)
    padded[:, :-1] = queries / np.float32(255)
    scores = padded @ factor
    candidates = np.flatnonzero(scores <= (scores.min(axis=1) + TIE)[:, None])
    # sorted by query, each with one candidate or more
    query, reference = np.divmod(candidates, len(references))
    differences = queries[query].astype(np.int64) - references[reference]
    squares = np.einsum("ij,ij->i", differences, differences)
    return np.minimum.reduceat(squares, np.searchsorted(query, np.arange(len(queries)))).astype(
        np.int64
    )
