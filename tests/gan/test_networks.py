import numpy as np
import pytest
import tensorflow as tf

from synthgen.config import GanSettings
from synthgen.errors import DataError
from synthgen.gan.networks import ConditionalBatchNorm, DepthToSpace, Projection, SpaceToDepth, build_discriminator, build_generator

SHAPE = (28, 28, 1)


def test_generator_has_the_parameters_of_the_recipe() -> None:
    # label embedding, dense, transposed convolution, convolution, output with bias; per norm 2 x 10 classes and 2 moments
    expected = 10 * 32 + 96 * 49 * 112 + 16 * 112 * 96 + 9 * 96 * 64 + (9 * 64 * 4 + 4) + 22 * (112 + 96 + 64)
    assert build_generator(GanSettings(), SHAPE, 10).count_params() == expected == 762_788


def test_discriminator_has_the_parameters_of_the_recipe() -> None:
    convolutions = (9 * 4 * 64 + 64) + (16 * 64 * 112 + 112) + (9 * 112 * 112 + 112)
    expected = convolutions + (49 * 112 * 256 + 256) + (368 + 1) + 10 * 368
    assert build_discriminator(GanSettings(), SHAPE, 10).count_params() == expected


@pytest.mark.parametrize("shape", [(28, 28, 1), (32, 32, 3), (8, 12, 1)])
def test_networks_derive_from_the_image_shape(small: GanSettings, shape: tuple[int, int, int]) -> None:
    latents, labels = tf.zeros((2, small.latent)), tf.constant([0, 2])
    images = build_generator(small, shape, 3)([latents, labels], training=False)
    assert images.shape == (2, *shape)
    assert float(tf.reduce_max(tf.abs(images))) <= 1
    assert build_discriminator(small, shape, 3)([images, labels]).shape == (2,)


@pytest.mark.parametrize(("shape", "nearest"), [((27, 28, 1), "28 x 28"), ((30, 33, 3), "32 x 32"), ((4, 4, 1), "8 x 8")])
def test_other_shapes_are_refused_with_the_nearest_legal_size(small: GanSettings, shape: tuple[int, int, int], nearest: str) -> None:
    with pytest.raises(DataError, match=nearest):
        build_generator(small, shape, 3)


def test_the_seed_decides_the_initial_weights_and_no_two_layers_share_them(small: GanSettings) -> None:
    first, again, other = (build_generator(small, (8, 8, 1), 3, seed) for seed in (1, 1, 2))
    np.testing.assert_array_equal(first.get_layer("refine").kernel, again.get_layer("refine").kernel)
    assert not np.array_equal(first.get_layer("refine").kernel, other.get_layer("refine").kernel)


def test_conditional_norm_gives_each_class_its_own_moments() -> None:
    norm, labels = ConditionalBatchNorm(2), tf.constant([0, 0, 1, 1])
    inputs = tf.random.stateless_normal((4, 5, 5, 3), (1, 2)) * 3 + 7
    norm.build(inputs.shape)
    norm.gamma.assign([[1.0] * 3, [2.0] * 3])
    norm.beta.assign([[0.0] * 3, [-4.0] * 3])
    mean, variance = tf.nn.moments(inputs, (0, 1, 2))
    plain = (inputs - mean) / tf.sqrt(variance + norm.epsilon)
    expected = tf.concat([plain[:2], plain[2:] * 2 - 4], 0)
    np.testing.assert_allclose(norm(inputs, labels, training=True), expected, atol=1e-4)


def test_conditional_norm_infers_with_the_moving_moments_and_does_not_move_them() -> None:
    norm, inputs = ConditionalBatchNorm(2, momentum=0.0), tf.random.stateless_normal((64, 4, 4, 2), (3, 4)) + 5
    norm(inputs, tf.zeros(64, tf.int32), training=True)
    mean, variance = tf.nn.moments(inputs, (0, 1, 2))
    np.testing.assert_allclose(norm.moving_mean.value, mean, rtol=1e-4)
    np.testing.assert_allclose(norm.moving_variance.value, variance, rtol=2e-3)
    single = norm(inputs[:1], tf.zeros(1, tf.int32), training=False)
    expected = (inputs[:1] - mean) / tf.sqrt(variance + norm.epsilon)
    np.testing.assert_allclose(single, expected, atol=1e-2)
    np.testing.assert_allclose(norm.moving_mean.value, mean, rtol=1e-4)


def test_projection_is_linear_in_the_features_with_one_vector_a_class() -> None:
    layer = Projection(2)
    layer.build((None, 3))
    layer.kernel.assign([[1.0], [0.0], [0.0]])
    layer.bias.assign([0.5])
    layer.embedding.assign([[0.0, 1.0, 0.0], [0.0, 0.0, 1.0]])
    features = tf.constant([[1.0, 2.0, 4.0], [1.0, 2.0, 4.0]])
    np.testing.assert_allclose(layer(features, tf.constant([0, 1])), [1 + 0.5 + 2, 1 + 0.5 + 4])


def test_space_to_depth_and_depth_to_space_are_inverse() -> None:
    images = tf.reshape(tf.range(2 * 4 * 6 * 3, dtype=tf.float32), (2, 4, 6, 3))
    packed = SpaceToDepth()(images)
    assert packed.shape == (2, 2, 3, 12)
    np.testing.assert_array_equal(DepthToSpace()(packed), images)
