"""Properties of the images that need no network: brightness, stroke, place, and the grey levels of the background."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtri

from synthgen.datasets.digits import Images
from synthgen.errors import DataError
from synthgen.metrics.intervals import CONFIDENCE, Estimate


@dataclass(frozen=True, kw_only=True)
class PixelStatistic:
    """A property of the images, in three sets of the same counts.

    Args:
        name: a key of pixel_statistics.STATISTICS.
        synthetic: mean over the synthetic images, interval over images.
        real: of the real training digits.
        control: of the real test digits.
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
        synthetic: share of each bin, summing to 1.
        real: of the real training digits.
        control: of the real test digits.
    """

    edges: tuple[int, ...]
    synthetic: tuple[float, ...]
    real: tuple[float, ...]
    control: tuple[float, ...]


Array = NDArray[np.float64]

INK = 128  # grey level from which a pixel counts as stroke
# fine near black, where generators leave a haze
EDGES = (0, 1, 2, 3, 4, 8, 16, 32, 64, 128, 192, 240, 255, 256)


class Statistic(NamedTuple):
    """A property: its title, its unit, and a function (n, h, w) float32 grey levels -> (n,) float64."""

    title: str
    unit: str
    measure: Callable[[NDArray[np.float32]], Array]


def mean_level(images: NDArray[np.float32]) -> Array:
    """Mean grey level of each image, 0..255."""
    means: Array = images.mean(axis=(1, 2), dtype=np.float64)
    return means


def stroke_mass(images: NDArray[np.float32]) -> Array:
    """Share of the pixels of each image that are stroke, in percent."""
    shares: Array = (images >= INK).mean(axis=(1, 2), dtype=np.float64)
    return 100 * shares


def centre_of_mass(images: NDArray[np.float32], axis: int) -> Array:
    """Centre of mass of the grey levels of each image, in pixels from the left (axis 1) or top (axis 0); the middle of a black one."""
    side = images.shape[1 + axis]
    profile = images.sum(axis=2 - axis, dtype=np.float64)  # (n, side)
    mass = profile.sum(axis=1)
    centres: Array = np.where(
        mass > 0, profile @ np.arange(side) / np.maximum(mass, 1), (side - 1) / 2
    )
    return centres


STATISTICS = {
    "mean": Statistic("mean grey level", "grey levels, 0 to 255", mean_level),
    "stroke_mass": Statistic("stroke mass", f"% of the pixels, level {INK} or more", stroke_mass),
    "centre_x": Statistic(
        "centre of mass, horizontal",
        "pixels from the left",
        lambda images: centre_of_mass(images, 1),
    ),
    "centre_y": Statistic(
        "centre of mass, vertical", "pixels from the top", lambda images: centre_of_mass(images, 0)
    ),
}


def measure_pixels(real: Images, synthetic: Images, control: Images) -> tuple[PixelStatistic, ...]:
    """Every statistic of three sets, and how far the second and third are from the first.

    Args:
        real: (n, h, w, c) uint8, real training digits; colours are averaged.
        synthetic: (m, h, w, c) uint8.
        control: (k, h, w, c) uint8, real test digits.

    Raises:
        DataError: if a set has fewer than two images.
    """
    if min(map(len, (real, synthetic, control))) < 2:
        raise DataError(
            "Expected at least two images of each side to measure pixel statistics. Use more images."
        )
    sides = [images.mean(axis=3, dtype=np.float32) for images in (synthetic, real, control)]
    return tuple(
        _statistic(name, [statistic.measure(side) for side in sides])
        for name, statistic in STATISTICS.items()
    )


def _statistic(name: str, values: list[Array]) -> PixelStatistic:
    means = [float(side.mean()) for side in values]
    errors = [float(side.std(ddof=1) / np.sqrt(len(side))) for side in values]
    synthetic, real, control = (
        _around(mean, error) for mean, error in zip(means, errors, strict=True)
    )
    return PixelStatistic(
        name=name,
        synthetic=synthetic,
        real=real,
        control=control,
        deviations=(
            float(values[0].std(ddof=1)),
            float(values[1].std(ddof=1)),
            float(values[2].std(ddof=1)),
        ),
        difference=_around(means[0] - means[1], float(np.hypot(errors[0], errors[1]))),
        control_difference=_around(means[2] - means[1], float(np.hypot(errors[2], errors[1]))),
    )


def _around(mean: float, error: float) -> Estimate:
    """The mean +- 1.96 standard errors over images."""
    half = float(ndtri(0.5 + CONFIDENCE / 2)) * error
    return Estimate(mean=mean, low=mean - half, high=mean + half)


def grey_levels(real: Images, synthetic: Images, control: Images) -> Histogram:
    """Shares of all pixels by grey level, in bins that are fine near black and near white.

    Args:
        real: (n, h, w, c) uint8, n > 0.
        synthetic: (m, h, w, c) uint8, m > 0.
        control: (k, h, w, c) uint8, k > 0.
    """
    return Histogram(
        edges=EDGES, synthetic=_shares(synthetic), real=_shares(real), control=_shares(control)
    )


def _shares(images: Images) -> tuple[float, ...]:
    counts = np.bincount(images.reshape(-1), minlength=256)
    return tuple((np.add.reduceat(counts, EDGES[:-1]) / images.size).tolist())
