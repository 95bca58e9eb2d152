import numpy as np
import pytest
import tensorflow as tf

from synthgen.networks.layers import (
    BatchNorm,
    Convolution,
    DepthToSpace,
    Dropout,
    LabelPlanes,
    Linear,
    MinibatchDeviation,
    MinibatchDiscrimination,
    OneHot,
    Projection,
    SpaceToDepth,
    SpectralNorm,
)


def test_conditional_norm_gives_each_class_its_own_moments() -> None:
    norm, labels = BatchNorm(2), tf.constant([0, 0, 1, 1])
    inputs = tf.random.stateless_normal((4, 5, 5, 3), (1, 2)) * 3 + 7
    norm.build(inputs.shape)
    norm.gamma.assign([[1.0] * 3, [2.0] * 3])
    norm.beta.assign([[0.0] * 3, [-4.0] * 3])
    mean, variance = tf.nn.moments(inputs, (0, 1, 2))
    plain = (inputs - mean) / tf.sqrt(variance + norm.epsilon)
    expected = tf.concat([plain[:2], plain[2:] * 2 - 4], 0)
    np.testing.assert_allclose(norm(inputs, labels, training=True), expected, atol=1e-4)


def test_conditional_norm_infers_with_the_moving_moments() -> None:
    norm, inputs = BatchNorm(2, momentum=0.0), tf.random.stateless_normal((64, 4, 4, 2), (3, 4)) + 5
    norm(inputs, tf.zeros(64, tf.int32), training=True)
    mean, variance = tf.nn.moments(inputs, (0, 1, 2))
    np.testing.assert_allclose(norm.moving_mean.value, mean, rtol=1e-4)
    np.testing.assert_allclose(norm.moving_variance.value, variance, rtol=2e-3)
    single = norm(inputs[:1], tf.zeros(1, tf.int32), training=False)
    expected = (inputs[:1] - mean) / tf.sqrt(variance + norm.epsilon)
    np.testing.assert_allclose(single, expected, atol=1e-2)
    np.testing.assert_allclose(norm.moving_mean.value, mean, rtol=1e-4)


def test_projection_is_linear_with_one_vector_a_class() -> None:
    layer = Projection(2)
    layer.build((None, 3))
    layer.kernel.assign([[1.0], [0.0], [0.0]])
    layer.bias.assign([0.5])
    layer.embedding.assign([[0.0, 1.0, 0.0], [0.0, 0.0, 1.0]])
    features = tf.constant([[1.0, 2.0, 4.0], [1.0, 2.0, 4.0]])
    np.testing.assert_allclose(layer(features, tf.constant([0, 1])), [[1 + 0.5 + 2], [1 + 0.5 + 4]])


def test_space_to_depth_and_depth_to_space_are_inverse() -> None:
    images = tf.reshape(tf.range(2 * 4 * 6 * 3, dtype=tf.float32), (2, 4, 6, 3))
    packed = SpaceToDepth()(images)
    assert packed.shape == (2, 2, 3, 12)
    np.testing.assert_array_equal(DepthToSpace()(packed), images)


def test_norm_without_classes_is_keras_own() -> None:
    inputs = tf.random.stateless_normal((16, 3, 5, 4), (5, 6)) * 2 + 1
    ours, keras_own = (
        BatchNorm(momentum=0.8),
        tf.keras.layers.BatchNormalization(momentum=0.8, epsilon=1e-3),
    )
    np.testing.assert_allclose(
        ours(inputs, training=True), keras_own(inputs, training=True), atol=1e-5
    )
    # variance with n - 1 or n
    np.testing.assert_allclose(
        ours(inputs), keras_own(inputs, training=False), rtol=2e-3, atol=2e-3
    )


def test_norm_takes_rows_of_units_too() -> None:
    rows = tf.constant([[0.0, 10.0], [2.0, 30.0]])
    np.testing.assert_allclose(
        BatchNorm(epsilon=0.0)(rows, training=True), [[-1, -1], [1, 1]], atol=1e-5
    )


def normalised(kernel: tf.Tensor, calls: int) -> tf.Tensor:
    layer = SpectralNorm(seed=1)
    for _ in range(calls):
        result = layer(kernel, training=True)
    return result


def test_spectral_norm_of_a_matrix_of_ones_is_two() -> None:
    np.testing.assert_allclose(
        normalised(tf.ones((2, 2)), calls=1), np.full((2, 2), 0.5), rtol=1e-5
    )


def test_spectral_norm_comes_to_the_largest_singular_value() -> None:
    kernel = tf.random.stateless_normal((3, 3, 4, 6), (1, 1))
    expected = np.linalg.norm(np.reshape(kernel, (-1, 6)), 2)
    np.testing.assert_allclose(normalised(kernel, calls=200), kernel / expected, rtol=1e-3)


def test_spectral_norm_moves_its_vector_in_training_only() -> None:
    layer, kernel = SpectralNorm(seed=1), tf.random.stateless_normal((5, 3), (1, 1))
    layer(kernel)
    before = layer.vector.numpy()
    layer(kernel)
    np.testing.assert_array_equal(before, layer.vector)
    layer(kernel, training=True)
    assert not np.array_equal(before, layer.vector)


@pytest.mark.parametrize(
    ("kind", "side", "size", "kernel"),
    [
        ("same", 3, 4, (3, 3, 6, 5)),
        ("same", 5, 4, (5, 5, 6, 5)),
        ("down", 4, 2, (4, 4, 6, 5)),
        ("up", 4, 8, (4, 4, 5, 6)),
        ("up", 5, 8, (5, 5, 5, 6)),
    ],
)
def test_a_convolution_makes_kernel_and_bias_of_its_kind(
    kind: str, side: int, size: int, kernel: tuple[int, ...]
) -> None:
    layer = Convolution(5, kind, side, "glorot_uniform")
    layer.build((None, 4, 4, 6))
    layer.bias.assign(tf.range(5.0))
    assert tuple(layer.kernel.shape) == kernel
    np.testing.assert_allclose(
        layer(tf.zeros((2, 4, 4, 6))), np.broadcast_to(np.arange(5.0), (2, size, size, 5))
    )


def test_a_linear_layer_with_spectral_norm_never_stretches() -> None:
    layer = Linear(3, "glorot_uniform", use_bias=False, spectral_norm=True)
    layer.build((None, 3))
    layer.kernel.assign(np.diag([4.0, 2.0, 1.0]))
    for _ in range(50):
        result = layer(tf.eye(3), training=True)
    np.testing.assert_allclose(result, np.diag([1.0, 0.5, 0.25]), atol=1e-5)


def test_dropout_keeps_the_mean_and_draws_other_masks() -> None:
    layer, ones = Dropout(0.3, seed=1), tf.ones((2000, 100))
    first, second = layer(ones, training=True).numpy(), layer(ones, training=True).numpy()
    assert set(np.unique(first)) == {np.float32(0), np.float32(1 / 0.7)}
    assert first.mean() == pytest.approx(1, abs=0.005)
    assert not np.array_equal(first, second)
    np.testing.assert_array_equal(layer(ones), ones)
    assert int(layer.draws) == 2


@pytest.mark.parametrize("shape", [(1000, 3, 5, 7), (1000, 2), (1000, 1)])
def test_dropout_drops_values_that_share_bits_independently(
    shape: tuple[int, ...],
) -> None:
    kept = Dropout(0.3, seed=1)(tf.ones(shape), training=True).numpy().reshape(1000, -1) > 0
    assert kept.shape[1] == np.prod(shape[1:])
    np.testing.assert_allclose(kept.mean(axis=0), 0.7, atol=0.07)
    together = np.cov(kept.astype(float), rowvar=False).reshape(kept.shape[1], -1)
    np.testing.assert_allclose(together, 0.21 * np.eye(kept.shape[1]), atol=0.04)


def test_a_label_reaches_every_pixel_of_its_plane_and_no_other() -> None:
    images = tf.random.stateless_normal((3, 4, 6, 1), (1, 1))
    joined = LabelPlanes()(images, OneHot(10)(tf.constant([0, 9, 4]))).numpy()
    np.testing.assert_array_equal(joined[..., :1], images)
    for row, label in enumerate([0, 9, 4]):
        for plane in range(10):
            np.testing.assert_array_equal(
                joined[row, :, :, 1 + plane], np.full((4, 6), float(plane == label))
            )


def test_minibatch_discrimination_counts_samples_that_are_close() -> None:
    layer = MinibatchDiscrimination("ones", kernels=2, size=3)
    same = layer(tf.constant([[1.0, 2.0]] * 4)).numpy()
    np.testing.assert_allclose(same, [[1, 2, 4, 4]] * 4)
    apart = layer(tf.constant([[0.0, 0.0], [50.0, 0.0]])).numpy()
    np.testing.assert_allclose(apart[:, 2:], 1)
    near = layer(tf.constant([[0.0], [0.5]])[:, :1] * tf.constant([[1.0, 0.0]])).numpy()
    # three numbers, 0.5 apart each
    np.testing.assert_allclose(near[:, 2:], 1 + np.exp(-1.5), rtol=1e-5)


def test_minibatch_deviation_is_zero_for_identical_samples() -> None:
    layer = MinibatchDeviation()
    assert layer(tf.constant([[1.0, 2.0]] * 4)).numpy()[:, 2] == pytest.approx(1e-4, rel=1e-3)
    np.testing.assert_allclose(layer(tf.constant([[0.0, 1.0], [4.0, 5.0]])), [[0, 1, 2], [4, 5, 2]])
