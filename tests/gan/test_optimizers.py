from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf

from synthgen.gan.optimizers import Adam


def moved(kind: Any, beta_1: float) -> tuple[list[Any], list[Any]]:
    """A matrix and a table after four steps, and the optimiser's own variables."""
    matrix, table = keras.Variable(tf.random.stateless_normal((4, 3), (0, 1))), keras.Variable(tf.random.stateless_normal((5, 2), (0, 2)))
    optimizer = kind(0.01, beta_1, 0.99)
    optimizer.build([matrix, table])

    @tf.function
    def step() -> None:
        with tf.GradientTape() as tape:
            loss = tf.reduce_sum(tf.sin(matrix * 3)) + tf.reduce_sum(tf.square(tf.gather(table, [1, 3])))
        optimizer.apply(tape.gradient(loss, [matrix.value, table.value]), [matrix, table])

    for _ in range(4):
        step()
    return [matrix.numpy(), table.numpy()], [np.asarray(v.value) for v in optimizer.variables]


@pytest.mark.parametrize("beta_1", [0.0, 0.5])
def test_one_kernel_takes_the_steps_of_keras(beta_1: float) -> None:
    for ours, theirs in zip(moved(Adam, beta_1), moved(keras.optimizers.Adam, beta_1), strict=True):
        for mine, other in zip(ours, theirs, strict=True):
            np.testing.assert_allclose(mine, other, rtol=1e-5, atol=1e-7)


def test_slices_of_a_table_that_meet_are_added_before_they_are_squared() -> None:
    tables = [keras.Variable(tf.zeros((3, 2))) for _ in range(2)]
    slices = tf.IndexedSlices(tf.constant([[1.0, 2.0], [3.0, -2.0]]), [1, 1], [3, 2])
    for table, gradient in zip(tables, (slices, tf.convert_to_tensor(slices)), strict=True):
        optimizer = Adam(0.01, 0.5, 0.9)
        optimizer.build([table])
        optimizer.apply([gradient], [table])
    np.testing.assert_array_equal(tables[0], tables[1])
    np.testing.assert_allclose(tables[0], [[0, 0], [-0.01, 0], [0, 0]], rtol=1e-5)  # the first step of Adam is the rate
