import numpy as np
import pytest

from synthgen.errors import DataError
from synthgen.metrics.pixel_statistics import (
    GREY_LEVEL_EDGES,
    PIXEL_STATISTICS,
    centre_x,
    centre_y,
    grey_levels,
    measure_pixels,
)


def noise(seed: int, count: int = 50, low: int = 0, high: int = 256) -> np.ndarray:
    return np.random.default_rng(seed).integers(low, high, (count, 8, 6, 1)).astype(np.uint8)


def test_statistics_of_one_bright_pixel() -> None:
    image = np.zeros((1, 8, 6), np.float32)
    image[0, 2, 5] = 240
    found = {
        name: float(statistic.measure(image)[0]) for name, statistic in PIXEL_STATISTICS.items()
    }
    assert found == pytest.approx(
        {"mean": 240 / 48, "stroke_mass": 100 / 48, "centre_x": 5, "centre_y": 2}
    )


def test_the_centre_is_weighted_with_brightness() -> None:
    images = np.zeros((2, 4, 4), np.float32)
    images[0, 0, 0], images[0, 0, 3] = 30, 90
    assert centre_x(images).tolist() == [2.25, 1.5]
    assert centre_y(images).tolist() == [0.0, 1.5]


def test_differences_are_from_the_real_digits() -> None:
    real, dark, control = noise(0), noise(1, high=200), noise(2)
    found = {statistic.name: statistic for statistic in measure_pixels(real, dark, control)}
    mean = found["mean"]
    levels = [side.mean(axis=(1, 2, 3)) for side in (dark, real, control)]
    assert [mean.synthetic.mean, mean.real.mean, mean.control.mean] == pytest.approx(
        [side.mean() for side in levels]
    )
    half = 1.959964 * np.sqrt(levels[0].var(ddof=1) / 50 + levels[1].var(ddof=1) / 50)
    assert mean.difference.mean == pytest.approx(levels[0].mean() - levels[1].mean())
    assert mean.difference.high == pytest.approx(mean.difference.mean + half)
    assert mean.difference.high < 0  # type: ignore[operator]
    assert mean.control_difference.low < 0 < mean.control_difference.high  # type: ignore[operator]
    assert mean.deviations == pytest.approx(tuple(side.std(ddof=1) for side in levels))


def test_a_haze_shows_in_the_histogram() -> None:
    black, haze = np.zeros((3, 4, 4, 1), np.uint8), np.full((3, 4, 4, 1), 2, np.uint8)
    half = np.concatenate([black, np.full((3, 4, 4, 1), 255, np.uint8)])
    found = grey_levels(black, haze, half)
    assert found.real[0] == 1
    assert found.synthetic[GREY_LEVEL_EDGES.index(2)] == 1
    assert (found.control[0], found.control[-1]) == (0.5, 0.5)
    assert [len(side) for side in (found.synthetic, found.real, found.control)] == [
        len(GREY_LEVEL_EDGES) - 1
    ] * 3


def test_shares_sum_to_one_and_colours_are_averaged() -> None:
    colour = np.random.default_rng(3).integers(0, 256, (20, 4, 4, 3)).astype(np.uint8)
    assert sum(grey_levels(colour, colour, colour).real) == pytest.approx(1)
    assert measure_pixels(colour, colour, colour)[0].real.mean == pytest.approx(
        colour.mean(), rel=1e-5
    )


def test_too_few_images_are_an_error() -> None:
    with pytest.raises(DataError, match=r"at least two images .* received 1"):
        measure_pixels(noise(0), noise(1, 1), noise(2))
