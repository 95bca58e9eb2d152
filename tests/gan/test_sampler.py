import numpy as np
import pytest

from synthgen.config import GanSettings
from synthgen.errors import CheckpointError
from synthgen.gan.checkpoint import Checkpoint
from synthgen.gan.networks import build_generator
from synthgen.gan.sampler import Sampler, load_sampler
from synthgen.gan.weights import get_weights


def checkpoint(settings: GanSettings, shape: tuple[int, int, int] = (28, 28, 1)) -> Checkpoint:
    weights = get_weights(build_generator(settings, shape, 3, seed=4))
    return Checkpoint(settings=settings, class_names=("a", "b", "c"), image_shape=shape, generator=weights, screener={}, record={"step": 0})


def test_in_its_row_an_image_is_a_function_of_its_own_latent_and_label_whatever_the_batch_holds() -> None:
    sampler = load_sampler(checkpoint(GanSettings()), batch=32)
    rng = np.random.Generator(np.random.Philox(key=1))
    latents, labels = rng.standard_normal((75, 64), np.float32), rng.integers(0, 3, 75)
    images = sampler.images(latents, labels)
    np.testing.assert_array_equal(sampler.images(latents, labels), images)
    for row in (0, 17, 31):
        alone, label = np.zeros((32, 64), np.float32), np.zeros(32, np.int64)
        alone[row], label[row] = latents[32 + row], labels[32 + row]
        np.testing.assert_array_equal(sampler.images(alone, label)[row], images[32 + row])


def test_images_are_uint8_and_depend_on_latent_and_label(small: GanSettings) -> None:
    sampler = load_sampler(checkpoint(small, (8, 8, 3)), batch=4)
    latents = np.zeros((3, small.latent), np.float32)
    latents[1] = 2
    images = sampler.images(latents, np.array([0, 0, 1]))
    assert images.shape == (3, 8, 8, 3)
    assert images.dtype == np.uint8
    assert not np.array_equal(images[0], images[1])
    assert not np.array_equal(images[0], images[2])


def test_no_rows_give_no_images(small: GanSettings) -> None:
    model = build_generator(small, (8, 8, 1), 3)
    assert Sampler(model, batch=4).images(np.zeros((0, small.latent), np.float32), np.zeros(0, np.uint8)).shape == (0, 8, 8, 1)


def test_weights_of_another_shape_are_refused(small: GanSettings) -> None:
    wrong = checkpoint(small, (8, 8, 1))
    with pytest.raises(CheckpointError, match="project/kernel"):
        load_sampler(Checkpoint(**{**vars(wrong), "image_shape": (28, 28, 1)}), batch=4)
