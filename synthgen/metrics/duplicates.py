"""Duplicates: images of a set that repeat each other, and images that are those of another set."""

import hashlib
from dataclasses import dataclass

import numpy as np

from synthgen.datasets.digits import Digits, Images
from synthgen.errors import DataError
from synthgen.metrics.intervals import Estimate, sampling_interval
from synthgen.metrics.neighbours import Vectors, nearest, pixel_vectors

NEAR_SHARE = 0.01  # of the real digits are near duplicates, by definition


@dataclass(frozen=True, kw_only=True)
class Duplicates:
    """Images of the set that repeat each other.

    Args:
        images: number of images that were looked at for exact repetitions.
        exact: how many of them have the pixels of an image before them.
        near_images: number of images that were looked at for near repetitions, and of real training
            digits beside them.
        near_distance: pixel distance up to which two images of a class are near duplicates: 1 % of
            the real digits have another one that near.
        near: share of the synthetic images that have another one of the set that near.
        near_control: share of the real digits that have another one that near, 0.01 by
            construction.
    """

    images: int
    exact: int
    near_images: int
    near_distance: float
    near: Estimate
    near_control: Estimate


def measure_duplicates(images: Images, synthetic: Digits, real: Digits) -> Duplicates:
    """Counts the images that repeat each other.

    Args:
        images: (n, h, w, c) uint8, synthetic images to look at for exact repetitions.
        synthetic: images to look at for near repetitions.
        real: as many real training digits of each class, which say how near is near.

    Raises:
        DataError: if no class has two images.
    """
    within = _nearest_fellows(synthetic)
    within_real = _nearest_fellows(real)
    threshold = float(np.quantile(within_real, NEAR_SHARE))
    return Duplicates(
        images=len(images),
        exact=len(images) - len(set(image_digests(images))),
        near_images=len(within),
        near_distance=threshold,
        near=sampling_interval(float((within <= threshold).mean()), len(within)),
        near_control=sampling_interval(float((within_real <= threshold).mean()), len(within_real)),
    )


def _nearest_fellows(digits: Digits) -> Vectors:
    """Pixel distance of each image to the nearest other one of its class, where there is one."""
    distances = []
    for label in range(digits.classes):
        vectors = pixel_vectors(digits.images[digits.labels == label])
        if len(vectors) > 1:
            distances.append(nearest(vectors, vectors, excluded=np.arange(len(vectors)))[1])
    if not distances:
        raise DataError(
            "Expected two images of one class, to look for near repetitions; received none. "
            "Use more images."
        )
    return np.concatenate(distances)


def count_copies(images: Images, originals: Images) -> int:
    """Counts the images whose pixels are those of one of the originals.

    Args:
        images: (n, h, w, c) uint8.
        originals: (m, h, w, c) uint8.
    """
    known = set(image_digests(originals))
    return sum(digest in known for digest in image_digests(images))


def image_digests(images: Images) -> list[bytes]:
    """Returns 16 bytes for the pixels of each image: equal for equal images."""
    return [
        hashlib.blake2b(image.data, digest_size=16).digest()
        for image in np.ascontiguousarray(images)
    ]
