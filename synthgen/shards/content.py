"""The content of a shard: its images and, for each of them, the label and what it was made from."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from synthgen.datasets.digits import Images, Labels
from synthgen.shards.plan import Shard


class Screening(NamedTuple):
    """What the screening classifier sees in images, and which of them are kept.

    Args:
        accepted: (n,) bool.
        predicted: (n,) int16, the likeliest class; -1 where there is no classifier.
        confidence: (n,) float32, its probability; NaN where there is no classifier.
    """

    accepted: NDArray[np.bool_]
    predicted: NDArray[np.int16]
    confidence: NDArray[np.float32]


def unscreened(count: int) -> Screening:
    """Return the screening of images for which there is no classifier: all are kept."""
    return Screening(
        accepted=np.ones(count, np.bool_),
        predicted=np.full(count, -1, np.int16),
        confidence=np.full(count, np.nan, np.float32),
    )


class NearnessFigures(NamedTuple):
    """What came of looking for duplicates and memorised images in a shard.

    Args:
        distances: (n,) float64 of its images to the training images; None where not asked for.
        rejected: by reason, the draws that were rejected for it, one number a class.
        coverage: share of the held-out real digits that the images cover, before and after.
    """

    distances: NDArray[np.float64] | None
    rejected: Mapping[str, tuple[int, ...]]
    coverage: tuple[float, float]


@dataclass(frozen=True, kw_only=True, eq=False)
class ShardContent:
    """The images of one shard, in the order of its rows. The arrays are filled in place.

    Args:
        shard: which rows these are.
        images: (n, height, width, channels) uint8.
        labels: (n,) uint8.
        indices: (n,) int64, the place of each image among those of its class.
        seeds: (n,) uint64 below 2**63.
        attempts: (n,) int64, 0 if the first draw was kept.
        screening: what the classifier sees in each image.
        nearness: what came of looking for duplicates and memorised images; None if nobody did.
    """

    shard: Shard
    images: Images
    labels: Labels
    indices: NDArray[np.int64]
    seeds: NDArray[np.uint64]
    attempts: NDArray[np.int64]
    screening: Screening
    nearness: NearnessFigures | None = None

    def store(
        self,
        rows: NDArray[np.int64],
        images: Images,
        seeds: NDArray[np.uint64],
        attempts: NDArray[Any],
        screening: Screening,
    ) -> None:
        """Put images into their rows.

        Args:
            rows: (m,) of the shard.
            images: (m, height, width, channels) uint8.
            seeds: (m,) uint64 that they were made from.
            attempts: (m,) integers, which draw each of them is.
            screening: what the classifier sees in these m images.
        """
        self.images[rows] = images
        self.seeds[rows] = seeds
        self.attempts[rows] = attempts
        self.screening.accepted[rows] = screening.accepted
        self.screening.predicted[rows] = screening.predicted
        self.screening.confidence[rows] = screening.confidence

    def draws(self) -> list[int]:
        """Return how many draws the images of each class took, one number a class."""
        per_class = np.bincount(self.labels, self.attempts + 1, self.shard.classes)
        return [int(count) for count in per_class]


def empty_content(shard: Shard, image_shape: tuple[int, int, int]) -> ShardContent:
    """Return the content of a shard before its images are drawn: black, and unscreened."""
    count = len(shard)
    return ShardContent(
        shard=shard,
        images=np.zeros((count, *image_shape), np.uint8),
        labels=shard.labels(),
        indices=shard.indices(),
        seeds=np.zeros(count, np.uint64),
        attempts=np.zeros(count, np.int64),
        screening=unscreened(count),
    )


def hash_images(images: Images) -> list[str]:
    """Return the SHA-256 of the pixels of each image, as 64 hex digits; the manifest's `sha256`.

    Args:
        images: (n, height, width, channels) uint8.
    """
    return [hashlib.sha256(image.data).hexdigest() for image in np.ascontiguousarray(images)]


def digest_images(images: Images) -> NDArray[np.uint8]:
    """Return the SHA-256 of the pixels of each image as bytes.

    Args:
        images: (n, height, width, channels) uint8.

    Returns:
        (n, 32) uint8.
    """
    pixels = np.ascontiguousarray(images).reshape(-1).data
    size = images[0].size if len(images) else 1
    digests = [
        hashlib.sha256(pixels[start : start + size]).digest()
        for start in range(0, len(pixels), size)
    ]
    return np.frombuffer(b"".join(digests), np.uint8).reshape(-1, 32)
