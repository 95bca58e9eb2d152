"""Losses: pure functions of logits or slopes."""

from typing import Any

import tensorflow as tf


def discriminator_loss(real_logits: Any, fake_logits: Any) -> Any:
    """Non-saturating discriminator loss: mean softplus(-D(x)) + mean softplus(D(G(z))) (Goodfellow et al. 2014).

    Args:
        real_logits: (n,) float32.
        fake_logits: (n,) float32.

    Returns:
        A float32 scalar; 2 log 2 where the discriminator knows nothing.
    """
    return tf.reduce_mean(tf.nn.softplus(-real_logits)) + tf.reduce_mean(tf.nn.softplus(fake_logits))


def generator_loss(fake_logits: Any) -> Any:
    """Non-saturating generator loss: mean softplus(-D(G(z))) (Goodfellow et al. 2014), a float32 scalar."""
    return tf.reduce_mean(tf.nn.softplus(-fake_logits))


def r1_penalty(slopes: Any, gamma: float) -> Any:
    """R1: gamma / 2 times the mean squared norm of the discriminator's slope at real images.

    Mescheder et al. 2018, https://arxiv.org/abs/1801.04406, equation 9.

    Args:
        slopes: (n, height, width, channels) float32, d logit / d image.
        gamma: the strength.

    Returns:
        A float32 scalar, 0 or more.
    """
    return 0.5 * gamma * tf.reduce_mean(tf.reduce_sum(tf.square(slopes), axis=[1, 2, 3]))
