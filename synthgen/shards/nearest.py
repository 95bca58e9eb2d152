"""Distance to the nearest training image: how close a synthetic image comes to being a copy."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from synthgen.datasets.digits import Digits, Images
from synthgen.errors import DataError

BLOCK = 1000  # query images per matrix product; with 5,500 references a block of scores is 22 MB
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
            for start in range(0, len(rows), BLOCK):
                block = rows[start : start + BLOCK]
                squares[block] = _nearest(queries[block], self._images[label], self._factors[label])
        return np.round(np.sqrt(squares) / 255, 4)


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
