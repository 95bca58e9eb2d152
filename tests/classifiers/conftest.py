import numpy as np
import pytest

from synthgen.datasets.digits import Digits
from synthgen.datasets.splits import RealDigits


@pytest.fixture(scope="session")
def patches() -> Digits:
    """60 images of 8 x 8 in three classes: class k has a bright row 2k + 1 over noise."""
    random = np.random.Generator(np.random.Philox(key=7))
    labels = np.tile(np.arange(3, dtype=np.uint8), 20)
    images = random.integers(0, 60, (60, 8, 8, 1), dtype=np.uint8)
    images[np.arange(60), 2 * labels + 1] = 255
    return Digits(images, labels, ("a", "b", "c"))


@pytest.fixture
def real(tiny_digits: Digits) -> RealDigits:
    """60 digits to train on, 20 to choose on, 120 to test on."""
    return RealDigits(
        train=tiny_digits.take(slice(0, 60)),
        validation=tiny_digits.take(slice(60, 80)),
        test=tiny_digits.take(slice(80, 200)),
        source="drawn digits",
        sha256="a" * 64,
    )
