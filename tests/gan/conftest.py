import numpy as np
import pytest

from synthgen.classifiers.screener import train_screener
from synthgen.config import GanSettings
from synthgen.datasets.digits import Digits
from synthgen.weights import Weights


@pytest.fixture(scope="session")
def small() -> GanSettings:
    """A recipe that trains in seconds."""
    return GanSettings(
        steps=24,
        batch=8,
        latent=6,
        label_embedding=3,
        generator_channels=(8, 8, 4),
        discriminator_channels=(4, 8, 8),
        discriminator_dense=8,
        r1_every=4,
    )


@pytest.fixture(scope="session")
def dense() -> GanSettings:
    """A conditional recipe of dense layers, which is compiled in a moment."""
    return GanSettings(
        steps=24,
        batch=8,
        latent=6,
        condition="concat",
        generator_stages=("dense",),
        generator_channels=(8,),
        discriminator_stages=("dense",),
        discriminator_channels=(8,),
        discriminator_dense=0,
        r1_gamma=0,
    )


@pytest.fixture(scope="session")
def patches() -> Digits:
    """60 images of 8 x 8, 20 of each of 3 classes: class k has a bright row 2k + 1 over noise."""
    rng = np.random.Generator(np.random.Philox(key=7))
    labels = np.tile(np.arange(3, dtype=np.uint8), 20)
    images = rng.integers(0, 60, (60, 8, 8, 1), dtype=np.uint8)
    images[np.arange(60), 2 * labels + 1] = 255
    return Digits(images, labels, ("a", "b", "c"))


@pytest.fixture(scope="session")
def patch_screener(patches: Digits) -> Weights:
    """The screening classifier of `patches`."""
    return train_screener(patches, seed=0)
