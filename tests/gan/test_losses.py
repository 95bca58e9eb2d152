import math

import pytest
import tensorflow as tf

from synthgen.gan.losses import discriminator_loss, generator_loss, r1_penalty


def test_a_discriminator_that_knows_nothing_loses_two_log_two() -> None:
    zeros = tf.zeros(4)
    assert float(discriminator_loss(zeros, zeros)) == pytest.approx(2 * math.log(2))
    assert float(generator_loss(zeros)) == pytest.approx(math.log(2))


def test_sure_and_right_costs_nothing_sure_and_wrong_costs_the_logit() -> None:
    assert float(discriminator_loss(tf.constant([50.0]), tf.constant([-50.0]))) == pytest.approx(0, abs=1e-6)
    assert float(discriminator_loss(tf.constant([-50.0]), tf.constant([-50.0]))) == pytest.approx(50)
    assert float(generator_loss(tf.constant([-50.0]))) == pytest.approx(50)


def test_r1_of_a_linear_critic_is_half_gamma_times_its_squared_slope() -> None:
    weights = tf.reshape(tf.range(1.0, 5.0), (1, 2, 2, 1))  # squared norm 30
    images = tf.random.stateless_normal((3, 2, 2, 1), (0, 0))
    with tf.GradientTape() as tape:
        tape.watch(images)
        logits = tf.reduce_sum(images * weights)
    assert float(r1_penalty(tape.gradient(logits, images), gamma=0.5)) == pytest.approx(0.25 * 30)
