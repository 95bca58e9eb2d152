import keras
import numpy as np
import pytest
import tensorflow as tf

from synthgen.gan.state import Adam


@pytest.mark.parametrize(("beta_1", "beta_2"), [(0.0, 0.99), (0.5, 0.999), (0.9, 0.9)])
def test_adam_is_keras_adam(beta_1: float, beta_2: float) -> None:
    optimizers = [kind(1e-2, beta_1, beta_2) for kind in (Adam, keras.optimizers.Adam)]
    weights = [
        [keras.Variable(np.ones((3, 4), np.float32)), keras.Variable(np.ones(5, np.float32))]
        for _ in optimizers
    ]
    for step in range(20):
        optimizers[0].learning_rate = optimizers[1].learning_rate = 1e-2 / (step + 1)
        gradients = [
            tf.random.stateless_normal(weight.shape, (step, k))
            for k, weight in enumerate(weights[0])
        ]
        for optimizer, own in zip(optimizers, weights, strict=True):
            optimizer.apply(gradients, own)
    for mine, theirs in zip(
        optimizers[0].variables + weights[0], optimizers[1].variables + weights[1], strict=True
    ):
        np.testing.assert_allclose(mine, theirs, rtol=1e-5, atol=1e-6)
    assert np.ptp(weights[0][0]) > 0.01  # they moved
