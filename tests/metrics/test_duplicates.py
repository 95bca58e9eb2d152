import numpy as np
import pytest

from synthgen.datasets.digits import Digits
from synthgen.datasets.splits import RealDigits
from synthgen.errors import DataError
from synthgen.metrics.duplicates import count_copies, image_digests, measure_duplicates


def noise(seed: int, count: int) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (count, 4, 4, 1)).astype(np.uint8)


def test_copies_are_counted_pixel_by_pixel() -> None:
    originals = noise(0, 20)
    images = np.concatenate([noise(1, 5), originals[[3, 3, 7]]])
    images[-1, 0, 0, 0] ^= 1
    assert count_copies(images, originals) == 2


def test_digests_are_those_of_the_pixels_wherever_they_lie() -> None:
    images = noise(0, 6)
    assert image_digests(images[::2]) == image_digests(images)[::2]
    assert len(set(image_digests(images))) == 6


def test_images_that_are_alone_in_their_class_repeat_none() -> None:
    alone = Digits(noise(0, 2), np.arange(2, dtype=np.uint8), ("zero", "one"))
    with pytest.raises(DataError, match="Expected two images of one class"):
        measure_duplicates(alone.images, alone, alone)


@pytest.mark.mnist
def test_repeated_images_are_counted(mnist: RealDigits) -> None:
    rows = np.random.default_rng(0).permutation(len(mnist.train))
    train, unseen = mnist.train.take(rows[:4000]), mnist.train.take(rows[6000:7000])
    rows = np.concatenate([np.arange(900), np.arange(100)])
    found = measure_duplicates(unseen.images[rows], unseen.take(rows), train.take(slice(0, 1000)))
    assert (found.images, found.exact) == (1000, 100)
    assert found.near.mean >= 0.2  # both of each pair
    assert found.near_control.mean == pytest.approx(0.01, abs=0.002)
    assert found.near_distance > 1
