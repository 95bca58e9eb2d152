"""Losses and penalties: pure functions of scores or slopes, and one table of the adversarial losses."""

from collections.abc import Callable
from typing import Any, NamedTuple

from synthgen.networks.backend import tf

CLIP = 1e-7  # probabilities are kept this far from 0 and 1


def to_logits(probabilities: Any) -> Any:
    """The logits of probabilities, which are kept away from 0 and 1 by CLIP; any shape float32 -> the same."""
    kept = tf.clip_by_value(probabilities, CLIP, 1 - CLIP)
    return tf.math.log(kept) - tf.math.log1p(-kept)


def cross_entropy(logits: Any, targets: Any) -> Any:
    """Mean binary cross-entropy -t log s(x) - (1 - t) log(1 - s(x)) = softplus(x) - t x, s the logistic function.

    Args:
        logits: (n,) float32.
        targets: (n,) float32 in 0..1, or one number.

    Returns:
        A float32 scalar.
    """
    return tf.reduce_mean(tf.nn.softplus(logits) - targets * logits)


def bce_discriminator(
    real: Any, fake: Any, real_targets: Any = 1.0, fake_targets: Any = 0.0
) -> Any:
    """Cross-entropy of real and of generated images (Goodfellow et al. 2014); 2 log 2 where the discriminator knows nothing.

    Args:
        real: (n,) float32 logits.
        fake: (n,) float32 logits.
        real_targets: (n,) or a number; below 1 with label smoothing (Salimans et al. 2016).
        fake_targets: (n,) or a number.
    """
    return cross_entropy(real, real_targets) + cross_entropy(fake, fake_targets)


def bce_generator(fake: Any) -> Any:
    """Non-saturating generator loss, mean softplus(-D(G(z))) (Goodfellow et al. 2014)."""
    return cross_entropy(fake, 1.0)


def hinge_discriminator(real: Any, fake: Any, *_: Any) -> Any:
    """Mean max(0, 1 - D(x)) + mean max(0, 1 + D(G(z))) (Lim & Ye 2017, https://arxiv.org/abs/1705.02894)."""
    return tf.reduce_mean(tf.nn.relu(1 - real)) + tf.reduce_mean(tf.nn.relu(1 + fake))


def wasserstein_discriminator(real: Any, fake: Any, *_: Any) -> Any:
    """Mean D(G(z)) - mean D(x): minus the estimated distance (Arjovsky et al. 2017, https://arxiv.org/abs/1701.07875)."""
    return tf.reduce_mean(fake) - tf.reduce_mean(real)


def linear_generator(fake: Any) -> Any:
    """-mean D(G(z)), the generator's side of the hinge and of the Wasserstein loss."""
    return -tf.reduce_mean(fake)


class Loss(NamedTuple):
    """Both sides of an adversarial loss, functions of (n,) float32 scores -> a float32 scalar."""

    discriminator: Callable[..., Any]
    generator: Callable[[Any], Any]


ADVERSARIAL = {
    "bce": Loss(bce_discriminator, bce_generator),
    "hinge": Loss(hinge_discriminator, linear_generator),
    "wasserstein": Loss(wasserstein_discriminator, linear_generator),
}


def r1_penalty(slopes: Any, gamma: float) -> Any:
    """R1: gamma / 2 times the mean squared norm of the discriminator's slope at real images.

    Mescheder et al. 2018, https://arxiv.org/abs/1801.04406, equation 9.

    Args:
        slopes: (n, height, width, channels) float32, d score / d image.
        gamma: the strength.

    Returns:
        A float32 scalar, 0 or more.
    """
    return 0.5 * gamma * tf.reduce_mean(_squared_norms(slopes))


def gradient_penalty(slopes: Any, strength: float) -> Any:
    """WGAN-GP: strength times the mean of (|slope| - 1)^2 at points between real and generated images.

    Gulrajani et al. 2017, https://arxiv.org/abs/1704.00028, equation 3.

    Args:
        slopes: (n, height, width, channels) float32, d score / d image.
        strength: lambda in the paper, there 10.

    Returns:
        A float32 scalar, 0 or more.
    """
    norms = tf.sqrt(_squared_norms(slopes) + 1e-8)  # the root's own slope at 0 is infinite
    return strength * tf.reduce_mean(tf.square(norms - 1))


def _squared_norms(slopes: Any) -> Any:
    return tf.reduce_sum(tf.square(slopes), axis=[1, 2, 3])
