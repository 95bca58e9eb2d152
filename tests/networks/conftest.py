import pytest

from synthgen.config import GanSettings


@pytest.fixture(scope="session")
def small() -> GanSettings:
    """A recipe of few channels for images of 8 x 8."""
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
