"""Nearest neighbours: one search in blocks, and the questions that are asked of it.

    nearest            which reference is each query nearest to, and how far is it?
    nearest_in_class   which training image of its class is nearest, and how isolated is it?
    NearestTrain       the column nearest_train_distance of the manifest, exact to the last digit
    near_pairs         which images are nearer to each other than some distance?

All distances are Euclidean. They are computed block by block, so that 60,000 images against 60,000
need some 40 MB and not 14 GB.
"""

import math
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from synthgen.datasets.digits import Digits, Images, Labels
from synthgen.errors import DataError

Vectors = NDArray[np.float32]

DISTANCE_BLOCK_BYTES = 1 << 25  # of the distances in memory at a time; larger blocks are slower
BLOCK_QUERIES = 1000  # at most, even where the references are few

# More coordinates leave fewer images to compare by their pixels, and take longer themselves.
COORDINATES = 80
COORDINATE_IMAGES = 600  # that the directions are taken from
# Of a squared distance in coordinates: what double precision and the way to float32 can lose, and
# some more.
COORDINATE_ROUNDING = 1e-4
FEW_QUERIES = 20  # of a class: fewer are compared with all of its training images
DISTANCE_UNIT = 1e-4  # to which distances are rounded
PAIRS_AT_ONCE = 512  # compared pixel by pixel; more would not fit into the cache


class DistanceBlock(NamedTuple):
    """Distances of some queries to all references.

    Args:
        rows: which of the queries.
        squares: (rows, n) squared distances, in memory that the next block uses again.
        rounding: how far each of them may be from the true one, below 0 included.
    """

    rows: slice
    squares: NDArray[Any]
    rounding: float


class NeighbourSearch:
    """References, prepared so that the distances of a block of queries are one matrix product.

    |q - r|^2 = |q|^2 - 2 q.r + |r|^2 = (-2q, 1, |q|^2) . (r, |r|^2, 1): any further pass over the
    distances would cost as much as the product does. Both sides are moved by the mean of the
    references, because small numbers lose less in the subtraction.

    Args:
        references: (n, d) float32 or float64, n > 0. The distances have the same precision.
    """

    def __init__(self, references: NDArray[Any]) -> None:
        self._dtype = references.dtype
        self._centre = references.mean(axis=0)
        moved = references - self._centre
        squares = np.einsum("ij,ij->i", moved, moved)
        self._largest = float(squares.max())
        self._matrix = np.vstack([moved.T, squares, np.ones(len(moved))]).astype(self._dtype)

    def blocks(
        self, queries: NDArray[Any], excluded: NDArray[Any] | None = None
    ) -> Iterator[DistanceBlock]:
        """Compares queries with all references, block by block.

        Args:
            queries: (m, d).
            excluded: (m,) position of a reference whose distance is to be infinite, such as that of
                the query itself; None to compare with all.
        """
        terms, references = self._matrix.shape
        fitting = DISTANCE_BLOCK_BYTES // (references * self._matrix.itemsize)
        size = min(BLOCK_QUERIES, len(queries), max(1, fitting))
        memory = np.empty((size, references), self._dtype)
        for start in range(0, len(queries), max(1, size)):
            moved = queries[start : start + size].astype(self._dtype) - self._centre
            rows = slice(start, start + len(moved))
            squares = np.einsum("ij,ij->i", moved, moved)
            left = np.column_stack([-2 * moved, np.ones(len(moved)), squares]).astype(self._dtype)
            block = np.matmul(left, self._matrix, out=memory[: len(moved)])  # (rows, references)
            if excluded is not None:
                block[np.arange(len(moved)), excluded[rows]] = np.inf

            # the bound of any order of summation (Higham 2002, section 3.1)
            precision = float(np.finfo(self._dtype).eps)
            rounding = precision * terms * (self._largest + float(squares.max()))
            yield DistanceBlock(rows, block, rounding)


def nearest(
    queries: Vectors, references: Vectors, excluded: NDArray[Any] | None = None
) -> tuple[NDArray[np.int64], Vectors]:
    """Finds the reference that each query is nearest to.

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
    for rows, squares, _ in NeighbourSearch(references).blocks(queries, excluded):
        positions[rows] = squares.argmin(axis=1)
        distances[rows] = np.linalg.norm(queries[rows] - references[positions[rows]], axis=1)
    return positions, distances


@dataclass(frozen=True, eq=False)
class ClassNeighbours:
    """The training images that some images are nearest to, each within its class.

    Args:
        labels: (n,) uint8, of the images.
        positions: (n,) of the training image of each.
        distances: (n,) float32 to it.
        gaps: (n,) float32, from that training image to its nearest other one of the class.
    """

    labels: Labels
    positions: NDArray[np.int64]
    distances: Vectors
    gaps: Vectors

    def take(self, rows: NDArray[Any]) -> "ClassNeighbours":
        """Returns those of some images, named by positions or by a mask."""
        return ClassNeighbours(
            self.labels[rows], self.positions[rows], self.distances[rows], self.gaps[rows]
        )


def nearest_in_class(
    queries: Vectors | Images, labels: Labels, train: Vectors | Images, train_labels: Labels
) -> ClassNeighbours:
    """Finds the nearest training image of the same class: a copy has the class of its original.

    Args:
        queries: (n, d) float32, or images (n, h, w, c) uint8, whose pixels are then the vectors.
        labels: (n,) uint8.
        train: of the same kind, at least two of each class that is asked about.
        train_labels: (m,) uint8.

    Raises:
        DataError: if a class has fewer than two training images.
    """
    positions = np.empty(len(queries), np.int64)
    distances = np.empty(len(queries), np.float32)
    gaps = np.empty(len(queries), np.float32)
    for label in np.unique(labels):
        rows = np.flatnonzero(labels == label)
        members = np.flatnonzero(train_labels == label)
        references = pixel_vectors(train[members])
        found, distances[rows] = nearest(pixel_vectors(queries[rows]), references)
        positions[rows] = members[found]

        # each training image once, however many images are nearest to it
        distinct, back = np.unique(found, return_inverse=True)
        gaps[rows] = nearest(references[distinct], references, excluded=distinct)[1][back]
    return ClassNeighbours(labels, positions, distances, gaps)


class NearestTrain:
    """Distances to the nearest training image of the same class, exact to the last digit.

    A copy has the class of its original, so looking within the class finds it, at a tenth of the
    cost. Images are first compared by a few coordinates (see `Coordinates`), whose distances are
    never larger than those of the pixels; the few training images that may then be the nearest are
    compared in integers, so that the result depends on nothing but the two images.

    Args:
        reference: the training images, some of every class (see `check_reference`).
    """

    def __init__(self, reference: Digits) -> None:
        self._reference = reference
        self._lock = threading.Lock()
        self._coordinates: Coordinates | None = None
        self._classes: dict[int, _TrainingClass] = {}

    def __getstate__(self) -> Digits:
        """Leaves what can be made again, and the lock, to each process."""
        return self._reference

    def __setstate__(self, reference: Digits) -> None:
        self.__init__(reference)  # type: ignore[misc]

    def distances(self, images: Images, labels: NDArray[Any]) -> NDArray[np.float64]:
        """Measures how far images are from the training images of their class.

        Args:
            images: (n, height, width, channels) uint8, of the shape of the reference.
            labels: (n,) below the number of classes.

        Returns:
            (n,) float64, pixels scaled to 0..1, 0 .. sqrt(height * width * channels), rounded to 4
            decimals.
        """
        result = np.empty(len(images), np.float64)
        for label in np.unique(labels):
            members = np.flatnonzero(labels == label)
            result[members] = self.distances_in_class(images[members], int(label))
        return result

    def distances_in_class(self, images: Images, label: int) -> NDArray[np.float64]:
        """Measures how far images of one class are from its training images.

        Several threads may ask at once.

        Args:
            images: (n, height, width, channels) uint8, of the shape of the reference.
            label: of all of them.

        Returns:
            (n,) float64, as `distances` gives them.
        """
        pixels = images.reshape(len(images), -1)
        if len(images) < FEW_QUERIES and label not in self._classes:  # which takes a while to make
            members = self._reference.images[self._reference.labels == label]
            references = members.reshape(len(members), -1)
            query, reference = np.divmod(np.arange(len(images) * len(members)), len(members))
            found = squared_distances(pixels, query, references, reference)
            return _in_unit_range(found.reshape(len(images), len(members)).min(axis=1))

        known = self._class(label)
        result = np.empty(len(images), np.int64)  # squared, in grey levels
        for rows, squares, rounding in known.search.blocks(known.coordinates.of(pixels)):
            asked = pixels[rows]

            # no farther than the one that is nearest by its coordinates
            likely = squares.argmin(axis=1)
            reached = squared_distances(asked, np.arange(len(asked)), known.images, likely)
            limits = reached / 255**2 * (1 + COORDINATE_ROUNDING) + rounding

            # all that may be nearer, for all that rounding can have changed
            candidates = np.flatnonzero(squares <= limits[:, None].astype(np.float32))
            query, reference = np.divmod(candidates, len(known.images))
            found = squared_distances(asked, query, known.images, reference)
            np.minimum.at(reached, query, found)
            result[rows] = reached
        return _in_unit_range(result)

    @property
    def coordinates(self) -> "Coordinates":
        """In which images are compared first."""
        with self._lock:
            if self._coordinates is None:
                self._coordinates = Coordinates(self._reference)
            return self._coordinates

    def _class(self, label: int) -> "_TrainingClass":
        """Return what is prepared to find the neighbours within a class, making it at first."""
        coordinates = self.coordinates
        with self._lock:
            if label not in self._classes:
                members = self._reference.images[self._reference.labels == label]
                images = members.reshape(len(members), -1)
                search = NeighbourSearch(coordinates.of(images))
                self._classes[label] = _TrainingClass(images, coordinates, search)
            return self._classes[label]


class _TrainingClass(NamedTuple):
    """What is prepared to find the neighbours within a class.

    Args:
        images: (n, pixels) uint8, its training images.
        coordinates: in which they are compared first.
        search: among their coordinates.
    """

    images: NDArray[np.uint8]
    coordinates: "Coordinates"
    search: NeighbourSearch


class Coordinates:
    """Coordinates of images, in which no two of them are farther apart than in pixels.

    They are the image's components along the directions in which some training images differ most
    from the mean of their class (principal components), and how long the rest of it is. Distances
    in them are a bound from below: |q - r|^2 = |Pq - Pr|^2 + |q' - r'|^2, and |q' - r'| is at least
    the difference of the lengths of the rests q' and r'.

    Args:
        reference: the training images.
    """

    def __init__(self, reference: Digits) -> None:
        count = min(len(reference), COORDINATE_IMAGES)
        chosen = np.linspace(0, len(reference) - 1, count).astype(np.int64)
        differences = _unit_range(reference.images[chosen])
        labels = reference.labels[chosen]
        for label in np.unique(labels):
            differences[labels == label] -= differences[labels == label].mean(axis=0)

        # Turk & Pentland 1991: the eigenvectors of the smaller of the two matrices
        _, vectors = np.linalg.eigh(differences @ differences.T)
        components = differences.T @ vectors[:, : -COORDINATES - 1 : -1]
        self._directions, _ = np.linalg.qr(components)  # (pixels, coordinates), orthonormal

    def of(self, images: NDArray[np.uint8]) -> Vectors:
        """Returns (n, coordinates + 1) float32 for (n, ...) uint8."""
        pixels = _unit_range(images)
        along = pixels @ self._directions
        rest = np.einsum("ij,ij->i", pixels, pixels) - np.einsum("ij,ij->i", along, along)
        return np.column_stack([along, np.sqrt(rest.clip(min=0))]).astype(np.float32)


class Located(NamedTuple):
    """Images and where they lie.

    Args:
        pixels: (n, pixels) uint8.
        coordinates: (n, coordinates + 1) float32 (see `Coordinates`).
    """

    pixels: NDArray[np.uint8]
    coordinates: Vectors

    def take(self, rows: NDArray[Any]) -> "Located":
        """Returns some of the images."""
        return Located(self.pixels[rows], self.coordinates[rows])


def near_pairs(
    images: Located, others: Located, limit: float
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Finds the pairs of images that are nearer to each other than a distance, or equal.

    The result depends on nothing but the pixels: distances are those of `NearestTrain`.

    Args:
        images: n of them.
        others: m of them, m > 0; they may be the same.
        limit: Euclidean distance, pixels scaled to 0..1.

    Returns:
        (pairs,) positions of the images, and (pairs,) of the others.
    """
    rows: list[NDArray[np.int64]] = []
    other_rows: list[NDArray[np.int64]] = []
    reach = (limit + DISTANCE_UNIT) ** 2 * (1 + COORDINATE_ROUNDING)
    for block, squares, rounding in NeighbourSearch(others.coordinates).blocks(images.coordinates):
        likely = np.flatnonzero(squares <= np.float32(reach + rounding))
        row, other = np.divmod(likely, len(others.pixels))
        row += block.start
        found = _in_unit_range(squared_distances(images.pixels, row, others.pixels, other))
        near = is_near(found, limit)
        rows.append(row[near])
        other_rows.append(other[near])
    if not rows:
        return np.empty(0, np.int64), np.empty(0, np.int64)
    return np.concatenate(rows), np.concatenate(other_rows)


def is_near(distances: NDArray[np.float64], limit: Any) -> NDArray[np.bool_]:
    """Returns which distances are below a limit; those of equal images always are."""
    near: NDArray[np.bool_] = (distances < limit) | (distances == 0)
    return near


def _in_unit_range(squares: NDArray[np.int64]) -> NDArray[np.float64]:
    """Turns squared distances in grey levels into distances of pixels in 0..1, with 4 decimals."""
    distances: NDArray[np.float64] = np.round(np.sqrt(squares) / 255, 4)
    return distances


def _unit_range(images: NDArray[np.uint8]) -> NDArray[np.float64]:
    """Flattens images and scales them to 0..1, in double precision."""
    return images.reshape(len(images), -1) / np.float64(255)


def squared_distances(
    images: NDArray[np.uint8],
    rows: NDArray[np.int64],
    others: NDArray[np.uint8],
    other_rows: NDArray[np.int64],
) -> NDArray[np.int64]:
    """Computes squared distances of pairs of images, in grey levels, exactly.

    Args:
        images: (n, pixels) uint8.
        rows: (pairs,) of these.
        others: (m, pixels) uint8.
        other_rows: (pairs,) of those.

    Returns:
        (pairs,) int64.
    """
    result = np.empty(len(rows), np.int64)
    wide: type[np.unsignedinteger[Any]] = np.uint32 if images.shape[1] < 2**16 else np.uint64
    for start in range(0, len(rows), PAIRS_AT_ONCE):
        pairs = slice(start, start + PAIRS_AT_ONCE)
        differences = np.subtract(images[rows[pairs]], others[other_rows[pairs]], dtype=np.int16)
        differences *= differences  # beyond 2^15 it wraps, and read without a sign is right again
        result[pairs] = differences.view(np.uint16).sum(axis=1, dtype=wide)
    return result


def check_reference(reference: Digits) -> None:
    """Makes sure that every class has training images to measure the distance to.

    Raises:
        DataError: if a class has none.
    """
    empty = np.flatnonzero(reference.counts() == 0)
    if len(empty):
        name = reference.class_names[empty[0]]
        raise DataError(
            f"Expected training images of every class, received none of class {name!r}."
        )


def pixel_vectors(images: Images | Vectors) -> Vectors:
    """Flattens images into vectors, and leaves vectors as they are.

    Args:
        images: (n, ...) uint8, or (n, d) of floating point.

    Returns:
        (n, d) float32; pixels are scaled to 0..1.
    """
    if images.dtype != np.uint8:
        return images.astype(np.float32)
    flat = images.reshape(len(images), math.prod(images.shape[1:]))
    return flat.astype(np.float32) / np.float32(255)
