from dataclasses import replace

import numpy as np
import pytest

from synthgen.config import GanSettings
from synthgen.errors import CheckpointError
from synthgen.gan.numpy_sampler import load_numpy_sampler
from synthgen.gan.presets import PRESETS
from synthgen.gan.sampler import load_sampler
from synthgen.networks.gan import build_generator
from synthgen.networks.layers import get_weights
from synthgen.weights import Weights
from tests.gan.test_sampler import checkpoint, per_class  # noqa: F401


def moved(weights: Weights) -> Weights:
    """Weights whose moments and tables are not those of a network that has learnt nothing."""
    rng = np.random.default_rng(0)
    return {
        name: array + rng.uniform(0, 0.5, array.shape).astype(np.float32)
        if "norm" in name or "bias" in name
        else 2 * array
        for name, array in weights.items()
    }


def drawn(settings: GanSettings, shape: tuple[int, int, int]) -> tuple[np.ndarray, np.ndarray]:
    """The same latents drawn by NumPy and by TensorFlow."""
    trained = checkpoint(settings, shape)
    trained = replace(trained, generator=moved(trained.generator))
    latents = np.random.default_rng(1).standard_normal((40, settings.latent), np.float32)
    labels = np.arange(40) % 3
    images = [
        load(trained, 20).images(latents, labels) for load in (load_numpy_sampler, load_sampler)
    ]
    return images[0], images[1]


@pytest.mark.parametrize(
    ("preset", "channels"),
    [
        ("cdcgan", (24, 20, 16)),
        ("cdcgan-concat", (20, 18, 16)),
        ("dcgan-logits", (20, 18, 16)),
        ("fc", (20, 24)),
        ("wgan", (20, 18)),
    ],
)
def test_images_are_those_of_tensorflow_up_to_rounding(
    preset: str, channels: tuple[int, ...]
) -> None:
    settings = PRESETS[preset].settings
    channels = (*channels, *(16,) * 9)[: len(settings.generator_channels)]
    settings = replace(settings, generator_channels=channels)
    ours, theirs = drawn(settings, (28, 28, 1))
    assert ours.std() > 10
    assert np.abs(ours.astype(int) - theirs).max() <= 1
    assert np.mean(ours != theirs) < 0.01


def test_colours_and_small_images(small: GanSettings) -> None:
    ours, theirs = drawn(small, (8, 8, 3))
    assert ours.shape == (40, 8, 8, 3)
    assert np.abs(ours.astype(int) - theirs).max() <= 1


def test_an_image_does_not_depend_on_the_rows_beside_it() -> None:
    sampler = load_numpy_sampler(checkpoint(GanSettings()), batch=100)
    rng = np.random.default_rng(1)
    latents = rng.standard_normal((200, 64), np.float32)
    labels = rng.integers(0, 3, 200)
    images = sampler.images(latents, labels)
    for row in (0, 63, 64, 99):
        alone = np.zeros((100, 64), np.float32)
        alone[row] = latents[100 + row]
        found = sampler.images(alone, labels[100:])
        np.testing.assert_array_equal(found[row], images[100 + row])
        other_pass = found[64:] if row < 64 else found[:64]
        assert not other_pass.any()


def test_each_class_has_a_generator_of_its_own(per_class) -> None:  # noqa: F811
    latents = np.random.default_rng(1).standard_normal((14, 6)).astype(np.float32)
    latents[12:] = 0
    labels = np.append(np.arange(12) % 3, [0, 0])
    ours = load_numpy_sampler(per_class, batch=14).images(latents, labels)
    theirs = load_sampler(per_class, batch=14).images(latents, labels)
    assert np.abs(ours.astype(int) - theirs).max() <= 1


def test_weights_of_another_recipe_are_refused(small: GanSettings) -> None:
    trained = checkpoint(small, (8, 8, 1))
    other = get_weights(build_generator(replace(small, generator_bias=True), (8, 8, 1), 3))
    with pytest.raises(CheckpointError, match=r"expected .* numbers, received"):
        load_numpy_sampler(replace(trained, generator=other), 20)
    renamed = {name.replace("project", "prject"): a for name, a in trained.generator.items()}
    with pytest.raises(CheckpointError, match="project"):
        load_numpy_sampler(replace(trained, generator=renamed), 20)
