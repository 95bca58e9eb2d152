import dataclasses

import numpy as np
import pytest

from synthgen.config import GanSettings
from synthgen.errors import CheckpointError
from synthgen.gan.checkpoint import Checkpoint
from synthgen.gan.sampler import PerClassSampler, Sampler, load_sampler
from synthgen.networks.gan import build_generator
from synthgen.networks.layers import get_weights
from synthgen.weights import join_classes


def checkpoint(settings: GanSettings, shape: tuple[int, int, int] = (28, 28, 1)) -> Checkpoint:
    weights = get_weights(build_generator(settings, shape, 3, seed=4))
    return Checkpoint(
        settings=settings,
        class_names=("a", "b", "c"),
        image_shape=shape,
        generator=weights,
        screener={},
        record={"step": 0},
    )


def test_an_image_depends_on_its_row_latent_and_label_alone() -> None:
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


@pytest.fixture(scope="module")
def per_class(small: GanSettings) -> Checkpoint:
    """Three generators with weights of their own."""
    settings = dataclasses.replace(small, condition="none")
    weights = join_classes(
        [get_weights(build_generator(settings, (8, 8, 1), 3, seed=seed)) for seed in (4, 5, 6)]
    )
    return dataclasses.replace(checkpoint(settings, (8, 8, 1)), generator=weights, per_class=True)


def test_each_class_has_its_own_generator_on_its_own_rows(per_class: Checkpoint) -> None:
    sampler = load_sampler(per_class, batch=14)  # four rows a class; the last two stay empty
    latents, labels = (
        np.random.Generator(np.random.Philox(key=1)).standard_normal((12, 6), np.float32),
        np.arange(12) % 3,
    )
    images = sampler.images(
        np.concatenate([latents, np.zeros((2, 6), np.float32)]), np.append(labels, [0, 0])
    )
    for label, seed in enumerate((4, 5, 6)):
        alone = Sampler(build_generator(per_class.settings, (8, 8, 1), 3, seed=seed), batch=4)
        np.testing.assert_array_equal(
            images[:12][labels == label], alone.images(latents[labels == label], labels[:4])
        )
    assert not images[12:].any()
    assert len({image.tobytes() for image in images[:12]}) == 12


def test_an_image_of_one_class_does_not_depend_on_the_other_rows(per_class: Checkpoint) -> None:
    sampler = load_sampler(per_class, batch=12)
    latents, labels = (
        np.random.Generator(np.random.Philox(key=2)).standard_normal((24, 6), np.float32),
        np.arange(24) % 3,
    )
    images = sampler.images(latents, labels)
    for row in (0, 4, 11):
        alone = np.zeros((12, 6), np.float32)
        alone[row] = latents[12 + row]
        np.testing.assert_array_equal(sampler.images(alone, labels[:12])[row], images[12 + row])


def test_a_class_that_is_not_asked_for_is_not_run(per_class: Checkpoint) -> None:
    class Never:
        latent, image_shape = 6, (8, 8, 1)

        def images(self, *_: object) -> None:
            raise AssertionError

    sampler = load_sampler(per_class, batch=12)
    assert isinstance(sampler, PerClassSampler)
    latents = np.zeros((12, 6), np.float32)
    latents[4] = 1
    whole = sampler.images(latents, np.arange(12) % 3)[4]
    sampler._samplers[0] = sampler._samplers[2] = Never()  # type: ignore[assignment,call-overload]
    np.testing.assert_array_equal(sampler.images(latents, np.arange(12) % 3)[4], whole)


@pytest.mark.parametrize(("row", "label"), [(4, 2), (12, 0)])
def test_a_label_in_the_row_of_another_class_is_refused(
    per_class: Checkpoint, row: int, label: int
) -> None:
    latents, labels = np.zeros((13, 6), np.float32), np.zeros(13, np.int64)
    latents[row], labels[row] = 1, label
    with pytest.raises(ValueError, match=f"received class {label} in row {row}"):
        load_sampler(per_class, batch=13).images(latents, labels)


def test_generators_of_too_few_classes_are_refused(per_class: Checkpoint) -> None:
    with pytest.raises(CheckpointError, match="do not fit the generator"):
        load_sampler(dataclasses.replace(per_class, class_names=("a", "b", "c", "d")), batch=12)


def test_no_rows_give_no_images(small: GanSettings) -> None:
    model = build_generator(small, (8, 8, 1), 3)
    assert Sampler(model, batch=4).images(
        np.zeros((0, small.latent), np.float32), np.zeros(0, np.uint8)
    ).shape == (0, 8, 8, 1)


def test_weights_of_another_shape_are_refused(small: GanSettings) -> None:
    wrong = checkpoint(small, (8, 8, 1))
    with pytest.raises(CheckpointError, match="project/kernel"):
        load_sampler(Checkpoint(**{**vars(wrong), "image_shape": (28, 28, 1)}), batch=4)
