"""Properties of the images that need no network: brightness, stroke, place, grey levels."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtri

from synthgen.datasets.digits import Images
from synthgen.errors import DataError
from synthgen.metrics.intervals import CONFIDENCE, Estimate

Values = NDArray[np.float64]  # one for each image

STROKE_LEVEL = 128  # grey level from which a pixel counts as stroke

# bins that are fine near black, where generators leave a haze, and near white
GREY_LEVEL_EDGES = (0, 1, 2, 3, 4, 8, 16, 32, 64, 128, 192, 240, 255, 256)


@dataclass(frozen=True, kw_only=True)
class PixelStatistic:
    """A property of the images, in three sets of the same counts.

    Args:
        name: a key of PIXEL_STATISTICS.
        synthetic: mean over the synthetic images, with its interval over images.
        real: mean over the real training digits.
        control: mean over the real test digits.
        deviations: standard deviations over the images: synthetic, real, control.
        difference: synthetic minus real.
        control_difference: control minus real.
    """

    name: str
    synthetic: Estimate
    real: Estimate
    control: Estimate
    deviations: tuple[float, float, float]
    difference: Estimate
    control_difference: Estimate


@dataclass(frozen=True, kw_only=True)
class Histogram:
    """Shares of all pixels by grey level.

    Args:
        edges: grey levels 0..256; bin k holds edges[k] <= level < edges[k + 1].
        synthetic: share of each bin in the synthetic images, summing to 1.
        real: share of each bin in the real training digits.
        control: share of each bin in the real test digits.
    """

    edges: tuple[int, ...]
    synthetic: tuple[float, ...]
    real: tuple[float, ...]
    control: tuple[float, ...]


def mean_level(images: NDArray[np.float32]) -> Values:
    """Computes the mean grey level of each image, (n, h, w) -> (n,), 0..255."""
    means: Values = images.mean(axis=(1, 2), dtype=np.float64)
    return means


def stroke_mass(images: NDArray[np.float32]) -> Values:
    """Computes the share of the pixels of each image that are stroke, (n, h, w) -> (n,), in %."""
    shares: Values = (images >= STROKE_LEVEL).mean(axis=(1, 2), dtype=np.float64)
    return 100 * shares


def centre_x(images: NDArray[np.float32]) -> Values:
    """Computes the centre of mass of each image in pixels from the left, (n, h, w) -> (n,)."""
    return _centre_of_mass(images.sum(axis=1, dtype=np.float64))


def centre_y(images: NDArray[np.float32]) -> Values:
    """Computes the centre of mass of each image in pixels from the top, (n, h, w) -> (n,)."""
    return _centre_of_mass(images.sum(axis=2, dtype=np.float64))


def _centre_of_mass(profile: Values) -> Values:
    """Centre of mass of each row, (n, side) -> (n,); the middle where there is no mass."""
    side = profile.shape[1]
    mass = profile.sum(axis=1)
    weighted = profile @ np.arange(side) / np.maximum(mass, 1)
    centres: Values = np.where(mass > 0, weighted, (side - 1) / 2)
    return centres


class PixelMeasure(NamedTuple):
    """A property that is measured image by image.

    Args:
        title: a name for people.
        unit: of its values.
        measure: (n, h, w) float32 grey levels -> (n,) float64.
    """

    title: str
    unit: str
    measure: Callable[[NDArray[np.float32]], Values]


STROKE_UNIT = f"% of the pixels, level {STROKE_LEVEL} or more"
PIXEL_STATISTICS = {
    "mean": PixelMeasure("mean grey level", "grey levels, 0 to 255", mean_level),
    "stroke_mass": PixelMeasure("stroke mass", STROKE_UNIT, stroke_mass),
    "centre_x": PixelMeasure("centre of mass, horizontal", "pixels from the left", centre_x),
    "centre_y": PixelMeasure("centre of mass, vertical", "pixels from the top", centre_y),
}


def measure_pixels(real: Images, synthetic: Images, control: Images) -> tuple[PixelStatistic, ...]:
    """Measures every statistic of three sets, and how far two of them are from the real digits.

    Args:
        real: (n, h, w, c) uint8, real training digits; colours are averaged.
        synthetic: (m, h, w, c) uint8.
        control: (k, h, w, c) uint8, real test digits.

    Raises:
        DataError: if a set has fewer than two images.
    """
    fewest = min(len(real), len(synthetic), len(control))
    if fewest < 2:
        raise DataError(
            "Expected at least two images of each side to measure pixel statistics, "
            f"received {fewest}. Use more images."
        )
    grey = [images.mean(axis=3, dtype=np.float32) for images in (synthetic, real, control)]
    statistics = []
    for name, statistic in PIXEL_STATISTICS.items():
        values = [statistic.measure(images) for images in grey]  # of synthetic, real, control
        means = [float(side.mean()) for side in values]
        deviations = [float(side.std(ddof=1)) for side in values]
        errors = [float(side.std(ddof=1) / np.sqrt(len(side))) for side in values]
        statistics.append(
            PixelStatistic(
                name=name,
                synthetic=_normal_interval(means[0], errors[0]),
                real=_normal_interval(means[1], errors[1]),
                control=_normal_interval(means[2], errors[2]),
                deviations=(deviations[0], deviations[1], deviations[2]),
                difference=_normal_interval(
                    means[0] - means[1], float(np.hypot(errors[0], errors[1]))
                ),
                control_difference=_normal_interval(
                    means[2] - means[1], float(np.hypot(errors[2], errors[1]))
                ),
            )
        )
    return tuple(statistics)


def _normal_interval(mean: float, error: float) -> Estimate:
    """The mean +- 1.96 standard errors over images."""
    half = float(ndtri(0.5 + CONFIDENCE / 2)) * error
    return Estimate(mean=mean, low=mean - half, high=mean + half)


def grey_levels(real: Images, synthetic: Images, control: Images) -> Histogram:
    """Counts all pixels by grey level, in bins that are fine near black and near white.

    Args:
        real: (n, h, w, c) uint8, n > 0.
        synthetic: (m, h, w, c) uint8, m > 0.
        control: (k, h, w, c) uint8, k > 0.
    """

    def shares(images: Images) -> tuple[float, ...]:
        counts = np.bincount(images.reshape(-1), minlength=256)
        binned = np.add.reduceat(counts, GREY_LEVEL_EDGES[:-1])
        return tuple((binned / images.size).tolist())

    return Histogram(
        edges=GREY_LEVEL_EDGES,
        synthetic=shares(synthetic),
        real=shares(real),
        control=shares(control),
    )
