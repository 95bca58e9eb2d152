import math

import pytest
import tensorflow as tf

from synthgen.gan.losses import (
    ADVERSARIAL_LOSSES,
    cross_entropy,
    gradient_penalty,
    r1_penalty,
    to_logits,
)


def test_a_discriminator_that_knows_nothing_loses_two_log_two() -> None:
    zeros = tf.zeros(4)
    assert float(ADVERSARIAL_LOSSES["bce"].discriminator(zeros, zeros)) == pytest.approx(
        2 * math.log(2)
    )
    assert float(ADVERSARIAL_LOSSES["bce"].generator(zeros)) == pytest.approx(math.log(2))


def test_sure_and_wrong_costs_the_logit() -> None:
    loss = ADVERSARIAL_LOSSES["bce"]
    assert float(loss.discriminator(tf.constant([50.0]), tf.constant([-50.0]))) == pytest.approx(
        0, abs=1e-6
    )
    assert float(loss.discriminator(tf.constant([-50.0]), tf.constant([-50.0]))) == pytest.approx(
        50
    )
    assert float(loss.generator(tf.constant([-50.0]))) == pytest.approx(50)


@pytest.mark.parametrize("target", [0.0, 0.07, 0.5, 0.93, 1.0])
def test_cross_entropy_of_a_logit_is_that_of_its_probability(target: float) -> None:
    probability = 0.2
    expected = -target * math.log(probability) - (1 - target) * math.log(1 - probability)
    assert float(cross_entropy(to_logits(tf.constant([probability])), target)) == pytest.approx(
        expected, rel=1e-5
    )


def test_sure_probabilities_have_finite_logits() -> None:
    low, high = to_logits(tf.constant([0.0, 1.0])).numpy()
    assert low == pytest.approx(math.log(1e-7), rel=1e-3)
    assert high == pytest.approx(-math.log(1e-7), rel=0.02)  # 1 - 1e-7 is not a float32


def test_hinge_asks_for_a_margin_of_one_and_no_more() -> None:
    loss = ADVERSARIAL_LOSSES["hinge"]
    assert float(
        loss.discriminator(tf.constant([3.0, 0.5]), tf.constant([-2.0, 0.0]))
    ) == pytest.approx(0.25 + 0.5)
    assert float(loss.generator(tf.constant([3.0, -1.0]))) == -1


def test_wasserstein_is_the_difference_of_the_means() -> None:
    loss = ADVERSARIAL_LOSSES["wasserstein"]
    assert float(loss.discriminator(tf.constant([3.0, 1.0]), tf.constant([-2.0, 1.0]))) == -2.5
    assert float(loss.generator(tf.constant([-2.0, 1.0]))) == 0.5


def gradients_of_linear_critic() -> tf.Tensor:
    """Gradients (3, 2, 2, 1) of a critic x . (1, 2, 3, 4): squared norm 30."""
    weights = tf.reshape(tf.range(1.0, 5.0), (1, 2, 2, 1))
    images = tf.random.stateless_normal((3, 2, 2, 1), (0, 0))
    with tf.GradientTape() as tape:
        tape.watch(images)
        scores = tf.reduce_sum(images * weights)
    return tape.gradient(scores, images)


def test_r1_of_a_linear_critic_is_half_gamma_times_its_square() -> None:
    assert float(r1_penalty(gradients_of_linear_critic(), gamma=0.5)) == pytest.approx(0.25 * 30)


def test_gradient_penalty_of_a_linear_critic_is_known() -> None:
    assert float(gradient_penalty(gradients_of_linear_critic(), 10)) == pytest.approx(
        10 * (math.sqrt(30) - 1) ** 2, rel=1e-5
    )


def test_gradient_penalty_has_a_finite_gradient_on_flat_critics() -> None:
    gradients = tf.zeros((2, 2, 2, 1))
    with tf.GradientTape() as tape:
        tape.watch(gradients)
        penalty = gradient_penalty(gradients, 10)
    assert float(penalty) == pytest.approx(10, rel=1e-3)
    assert not tf.reduce_any(tf.math.is_nan(tape.gradient(penalty, gradients)))
