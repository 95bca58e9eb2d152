from dataclasses import replace

import numpy as np
import pytest
import tensorflow as tf

from synthgen.config import GanSettings
from synthgen.errors import DataError, SettingsError
from synthgen.gan.presets import PRESETS
from synthgen.networks.gan import build_discriminator, build_generator

SHAPE = (28, 28, 1)


DENSE = 100 * 12544 + 12544  # latent to 7 x 7 x 256
UNITS = 4 * 12544  # scale, shift and two moments of each unit
DCGAN = (
    DENSE + UNITS + (25 * 256 * 128 + 128) + 4 * 128 + (25 * 128 * 64 + 64) + 4 * 64 + (25 * 64 + 1)
)
DISCRIMINATOR = (25 * 64 + 64) + (25 * 64 * 128 + 128) + (49 * 128 + 1)
# from 7 x 7 x 128
SMALL = (100 * 6272 + 6272) + 4 * 6272 + (25 * 128 * 64 + 64) + 4 * 64 + (25 * 64 + 1)
CRITIC = (25 * 48 + 48) + (25 * 48 * 96 + 96) + (49 * 96 + 1)
# label embedding, dense, transposed convolution, convolution, output with bias; per norm 2 x 10
# classes and 2 moments
OWN = 10 * 32 + 96 * 49 * 80 + 9 * 80 * 64 + 16 * 64 * 32 + (9 * 32 * 4 + 4) + 22 * (80 + 64 + 32)
OWN_DISCRIMINATOR = (
    (9 * 4 * 32 + 32)
    + (16 * 32 * 64 + 64)
    + (9 * 64 * 80 + 80)
    + (49 * 80 * 128 + 128)
    + (208 + 1)
    + 10 * 208
)
PARAMETERS = {
    "fc": (
        (100 * 256 + 256)
        + 4 * 256
        + (256 * 512 + 512)
        + 4 * 512
        + (512 * 1024 + 1024)
        + 4 * 1024
        + (1024 * 784 + 784),
        (784 * 512 + 512) + (512 * 256 + 256) + (256 + 1),
    ),
    "dcgan": (DCGAN, DISCRIMINATOR),
    "dcgan-logits": (DCGAN - 12544 - 128 - 64 - 1, DISCRIMINATOR),
    "cdcgan-concat": (DCGAN + 10 * 12544, DISCRIMINATOR + 25 * 10 * 64),
    "cdcgan": (OWN, OWN_DISCRIMINATOR),
    "wgan": (SMALL, CRITIC + 48 + 96),  # scale and shift, no bias
    "wgan-gp": (SMALL, CRITIC),
    "sngan": (SMALL, CRITIC),
}


@pytest.mark.parametrize("name", PRESETS)
def test_networks_have_the_parameters_of_the_recipe(name: str) -> None:
    generator, discriminator = (
        build(PRESETS[name].settings, SHAPE, 10) for build in (build_generator, build_discriminator)
    )
    # dropout counters, spectral vectors
    bookkeeping = sum(int(np.prod(weight.shape)) for weight in discriminator.non_trainable_weights)
    assert (generator.count_params(), discriminator.count_params() - bookkeeping) == PARAMETERS[
        name
    ]


def test_the_tutorials_generator_has_its_well_known_size() -> None:
    assert build_generator(PRESETS["dcgan-logits"].settings, SHAPE, 10).count_params() == 2_330_944


@pytest.mark.parametrize("name", PRESETS)
@pytest.mark.parametrize(
    ("condition", "shape"),
    [("none", (8, 12, 1)), ("concat", (16, 8, 3)), ("projection", (8, 8, 1))],
)
def test_every_preset_takes_every_condition_and_shape(
    name: str, condition: str, shape: tuple[int, int, int]
) -> None:
    settings = cut(PRESETS[name].settings, condition=condition)
    latents, labels = tf.random.stateless_normal((2, settings.latent), (1, 1)), tf.constant([0, 2])
    generator, discriminator = (
        build_generator(settings, shape, 3),
        build_discriminator(settings, shape, 3),
    )
    images, scores = (
        generator([latents, labels]),
        discriminator([generator([latents, labels]), labels]),
    )
    assert (images.shape, scores.shape) == ((2, *shape), (2,))
    assert float(tf.reduce_max(tf.abs(images))) <= 1
    other = generator([latents, tf.constant([1, 2])])
    # told the class, or not
    assert bool(tf.reduce_any(other[0] != images[0])) == (condition != "none")
    np.testing.assert_array_equal(other[1], images[1])


def test_a_probability_lies_between_0_and_1() -> None:
    settings = cut(PRESETS["dcgan"].settings)
    images = 40 * tf.random.stateless_normal((9, 8, 8, 1), (1, 1))
    scores = build_discriminator(settings, (8, 8, 1), 3)([images, tf.zeros(9, tf.int32)]).numpy()
    assert ((scores >= 0) & (scores <= 1)).all()
    assert scores.max() > 0.5


def test_stages_that_do_not_fit_the_image_are_refused() -> None:
    settings = replace(
        cut(PRESETS["wgan"].settings),
        generator_channels=(4, 4, 4, 4),
        generator_stages=("up4", "up4", "up4", "same3"),
    )
    with pytest.raises(SettingsError, match=r"--generator-stages.*doublings.*8 times.*for 12 x 12"):
        build_generator(settings, (12, 12, 1), 3)
    for stages in (("down5", "down5", "down5"), ("pixels3", "down4", "pixels3")):
        settings = replace(
            cut(PRESETS["wgan"].settings),
            discriminator_channels=(4, 4, 4),
            discriminator_stages=stages,
        )
        with pytest.raises(
            SettingsError, match=r"--discriminator-stages.*halvings.*8 times.*for 28 x 28"
        ):
            build_discriminator(settings, SHAPE, 3)


def test_layer_norm_takes_its_moments_over_all_of_an_image(
    small: GanSettings,
) -> None:
    discriminator = build_discriminator(replace(small, discriminator_norm="layer"), (8, 8, 1), 3)
    norm = discriminator.get_layer("down_norm")
    assert [tuple(weight.shape) for weight in norm.trainable_weights] == [(8,), (8,)]
    maps = np.zeros((2, 4, 4, 8), np.float32)
    maps[0, :2], maps[1, ..., 0] = 2, 8  # mean 1, variance 1; mean 1, variance 7
    norm.gamma.assign([3.0] + [1.0] * 7)
    norm.beta.assign([0.0] * 7 + [5.0])
    first, second = norm(maps).numpy()
    np.testing.assert_allclose(first[:2, :, 1:7], 1, atol=1e-3)  # (2 - 1) / 1
    np.testing.assert_allclose(first[2:, :, 0], -3, atol=3e-3)
    np.testing.assert_allclose(first[:2, :, 7], 6, atol=1e-3)
    np.testing.assert_allclose(second[..., 0], 3 * 7 / np.sqrt(7), rtol=1e-3)
    np.testing.assert_allclose(second[..., 1], -1 / np.sqrt(7), rtol=1e-3)


def test_layer_norm_of_dense_stages_is_over_the_units(small: GanSettings) -> None:
    dense = {
        "discriminator_stages": ("dense",),
        "discriminator_channels": (4,),
        "discriminator_dense": 0,
    }
    norm = build_discriminator(
        replace(small, discriminator_norm="layer", **dense), (8, 8, 1), 3
    ).get_layer("dense_norm")
    np.testing.assert_allclose(
        norm(np.array([[0, 0, 2, 2], [5, 5, 5, 9]], np.float32))[0], [-1, -1, 1, 1], atol=1e-3
    )


def cut(settings: GanSettings, **changes: object) -> GanSettings:
    """A recipe with fewer channels."""
    small = {
        name: tuple(4 + k for k, _ in enumerate(getattr(settings, name)))
        for name in ("generator_channels", "discriminator_channels")
    }
    return replace(settings, latent=5, batch=8, label_embedding=3, **small, **changes)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("shape", "nearest"), [((27, 28, 1), "28 x 28"), ((30, 33, 3), "32 x 32"), ((4, 4, 1), "8 x 8")]
)
def test_other_shapes_are_refused_with_the_nearest_legal_size(
    small: GanSettings, shape: tuple[int, int, int], nearest: str
) -> None:
    with pytest.raises(DataError, match=nearest):
        build_generator(small, shape, 3)


def test_the_seed_decides_the_initial_weights(
    small: GanSettings,
) -> None:
    first, again, other = (build_generator(small, (8, 8, 1), 3, seed) for seed in (1, 1, 2))
    np.testing.assert_array_equal(first.get_layer("same").kernel, again.get_layer("same").kernel)
    assert not np.array_equal(first.get_layer("same").kernel, other.get_layer("same").kernel)
