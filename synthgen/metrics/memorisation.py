"""Memorisation: does a set give training images away? All figures about copies, together.

Every figure stands beside that of real digits which no training has seen. Held-out real digits
(validation) set the measure: how near do images of the same kind come to the training images by
chance? A second set of real digits (test), the control, is treated as the synthetic one is: what it
gets is what honest images get.
"""

import hashlib
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from synthgen.datasets.digits import Digits, Images
from synthgen.errors import DataError
from synthgen.metrics.copying import Copying, fired_tests, measure_copying
from synthgen.metrics.intervals import Estimate, sampling_interval
from synthgen.metrics.neighbours import (
    ClassNeighbours,
    Vectors,
    nearest,
    nearest_in_class,
    pixel_vectors,
)

LEAST_IMAGES = 50  # of each side
LEAST_OF_CLASS = 2  # training images: the tests ask how near these come to each other
CLOSEST_PAIRS = 20
NEAR_SHARE = 0.01  # of the real digits are near duplicates, by definition

# what the generator was trained on, beside the real training digits
SEEN = "seen"
OTHERS = "others"
UNKNOWN = "unknown"
KNOWLEDGE = (SEEN, OTHERS, UNKNOWN)  # what a generator may have seen


@dataclass(frozen=True, kw_only=True)
class ClosePair:
    """A synthetic image and the training image that it is nearest to.

    Args:
        position: of the synthetic image among the images that were used.
        train_position: of the training image in the real training digits.
        label: their class.
        distance: Euclidean, pixels scaled to 0..1.
    """

    position: int
    train_position: int
    label: int
    distance: float


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


@dataclass(frozen=True, kw_only=True)
class Memorisation:
    """Whether the set holds copies of training images.

    Args:
        images: number of synthetic images asked about.
        train_images: number of real training digits that they are compared with.
        held_out_images: number of real validation digits, which set the measure.
        control_images: number of real test digits, the control.
        generator_saw: SEEN if the generator was trained on these training digits, OTHERS if on
            others, else UNKNOWN.
        spaces: the figures in "pixels" and in "features".
        copies: number of synthetic images whose pixels are those of a training image.
        copies_control: number of test digits whose pixels are those of a training image.
        duplicates: images of the set that repeat each other.
        closest: up to 20 pairs, the closest first.
        fired: names of the tests that found copying (see `fired_tests`); empty if none did.
    """

    images: int
    train_images: int
    held_out_images: int
    control_images: int
    generator_saw: str
    spaces: tuple[Copying, ...]
    copies: int
    copies_control: int
    duplicates: Duplicates
    closest: tuple[ClosePair, ...]
    fired: tuple[str, ...]


class EmbeddedDigits(NamedTuple):
    """Digits and their features.

    Args:
        digits: n images with their labels.
        features: (n, d) float32.
    """

    digits: Digits
    features: Vectors


@dataclass(frozen=True, kw_only=True, eq=False)
class MemorisationSamples:
    """The four sets of images that the tests of memorisation compare.

    Args:
        synthetic: images asked about.
        train: real training digits, all of them, two or more of each class.
        held_out: real validation digits, which set the measure.
        control: real test digits, which are treated as the synthetic images are.

    Raises:
        DataError: if there are too few images asked about, held-out digits or digits of the
            control.
    """

    synthetic: EmbeddedDigits
    train: EmbeddedDigits
    held_out: EmbeddedDigits
    control: EmbeddedDigits

    def __post_init__(self) -> None:
        for name, sample in (
            ("synthetic images", self.synthetic),
            ("real validation digits", self.held_out),
            ("real test digits", self.control),
        ):
            if len(sample.digits) < LEAST_IMAGES:
                raise DataError(
                    f"Expected at least {LEAST_IMAGES} {name} to look for copies of training "
                    f"images, received {len(sample.digits)}. Use more images."
                )


def measure_memorisation(
    samples: MemorisationSamples,
    positions: NDArray[np.int64],
    duplicates: Duplicates,
    generator_saw: str,
) -> Memorisation:
    """Looks for copies of training images, in pixels and in features.

    Args:
        samples: the images asked about, and those that they are compared with.
        positions: (n,) of the synthetic images among the images that were used.
        duplicates: images of the set that repeat each other.
        generator_saw: SEEN, OTHERS or UNKNOWN.

    Raises:
        DataError: if a class has fewer than two training images.
    """
    train = samples.train.digits
    compared = (samples.synthetic, samples.held_out, samples.control)

    # in pixels
    synthetic, held_out, control = (
        nearest_in_class(side.digits.images, side.digits.labels, train.images, train.labels)
        for side in compared
    )
    in_pixels = measure_copying("pixels", synthetic, held_out, control, train.classes)
    closest = closest_pairs(synthetic, positions)

    # in features
    synthetic, held_out, control = (
        nearest_in_class(side.features, side.digits.labels, samples.train.features, train.labels)
        for side in compared
    )
    in_features = measure_copying("features", synthetic, held_out, control, train.classes)

    # pixel by pixel
    images = len(samples.synthetic.digits)
    control_images = len(samples.control.digits)
    copies = count_copies(samples.synthetic.digits.images, train.images)
    copies_control = count_copies(samples.control.digits.images, train.images)
    return Memorisation(
        images=images,
        train_images=len(train),
        held_out_images=len(samples.held_out.digits),
        control_images=control_images,
        generator_saw=generator_saw,
        spaces=(in_pixels, in_features),
        copies=copies,
        copies_control=copies_control,
        duplicates=duplicates,
        closest=closest,
        fired=fired_tests(
            (in_pixels, in_features), copies / images, copies_control / control_images
        ),
    )


def closest_pairs(found: ClassNeighbours, positions: NDArray[np.int64]) -> tuple[ClosePair, ...]:
    """Returns the 20 images that are closest to a training image, with it, the closest first.

    Args:
        found: nearest training images of the images.
        positions: (n,) of the images among those that were used.
    """
    rows = np.argsort(found.distances, kind="stable")[:CLOSEST_PAIRS]
    return tuple(
        ClosePair(
            position=int(positions[row]),
            train_position=int(found.positions[row]),
            label=int(found.labels[row]),
            distance=float(found.distances[row]),
        )
        for row in rows
    )


def copying_scores(
    synthetic: Digits, train: Digits, held_out: Digits, control: Digits
) -> dict[str, float] | None:
    """Scores copies of a few training images, in pixels alone.

    Args:
        synthetic: what would be shared.
        train: the real digits that must not be given away: all that the generator has seen.
        held_out: other real digits, which set the measure.
        control: yet other real digits, which are treated as the synthetic ones are.

    Returns:
        `found`: 1 if any test found copying, else 0. Shares `copies`, `closer` (than nearly all
        held-out digits) and `authenticity`, the data-copying score `c_t` (below -3 is copying),
        each with `_control`; `authenticity_held_out`; medians of the distances. None if a class has
        fewer than two training images, or there are too few of the other images for a test to find
        anything.
    """
    if train.counts().min() < LEAST_OF_CLASS:
        return None
    if min(len(synthetic), len(held_out), len(control)) < LEAST_IMAGES:
        return None
    found, found_held_out, found_control = (
        nearest_in_class(digits.images, digits.labels, train.images, train.labels)
        for digits in (synthetic, held_out, control)
    )
    figures = measure_copying("pixels", found, found_held_out, found_control, train.classes)
    copies = count_copies(synthetic.images, train.images) / len(synthetic)
    copies_control = count_copies(control.images, train.images) / len(control)
    middle = figures.levels.index(0.5)
    return {
        "found": float(bool(fired_tests([figures], copies, copies_control))),
        "copies": copies,
        "copies_control": copies_control,
        "closer": figures.closer.mean,
        "closer_control": figures.closer_control.mean,
        "c_t": figures.c_t,
        "c_t_control": figures.c_t_control,
        "authenticity": figures.authenticity.mean,
        "authenticity_held_out": figures.authenticity_held_out.mean,
        "authenticity_control": figures.authenticity_control.mean,
        "median_distance": figures.synthetic[middle],
        "median_distance_held_out": figures.held_out[middle],
    }


# Duplicates: images of a set that repeat each other, or those of another set.


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
