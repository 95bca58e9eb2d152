"""Losses and penalties: pure functions of scores or gradients, and a table of the losses."""

from collections.abc import Callable
from typing import Any, NamedTuple

from synthgen.networks.backend import tf

PROBABILITY_CLIP = 1e-7  # probabilities are kept this far from 0 and 1


def to_logits(probabilities: Any) -> Any:
    """Return the logits of probabilities, which are kept PROBABILITY_CLIP away from 0 and 1.

    Args:
        probabilities: float32 in 0..1 of any shape.

    Returns:
        float32 of the same shape.
    """
    kept = tf.clip_by_value(probabilities, PROBABILITY_CLIP, 1 - PROBABILITY_CLIP)
    return tf.math.log(kept) - tf.math.log1p(-kept)


def cross_entropy(logits: Any, targets: Any) -> Any:
    """Return the mean binary cross-entropy of logits x and targets t.

    -t log s(x) - (1 - t) log(1 - s(x)) = softplus(x) - t x, where s is the logistic function.

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
    """Return the cross-entropy of real and of generated images, summed.

    Goodfellow et al. 2014, https://arxiv.org/abs/1406.2661. A discriminator that knows nothing has
    a loss of 2 log 2.

    Args:
        real: (n,) float32 logits.
        fake: (n,) float32 logits.
        real_targets: (n,) or a number; below 1 with label smoothing (Salimans et al. 2016).
        fake_targets: (n,) or a number; above 0 with label smoothing.

    Returns:
        A float32 scalar.
    """
    return cross_entropy(real, real_targets) + cross_entropy(fake, fake_targets)


def bce_generator(fake: Any) -> Any:
    """Return the non-saturating generator loss, mean softplus(-D(G(z))) (Goodfellow et al. 2014).

    Args:
        fake: (n,) float32 logits.
    """
    return cross_entropy(fake, 1.0)


def hinge_discriminator(real: Any, fake: Any, *_: Any) -> Any:
    """Return the hinge loss, mean max(0, 1 - D(x)) + mean max(0, 1 + D(G(z))).

    Lim & Ye 2017, https://arxiv.org/abs/1705.02894. There are no targets to be smoothed.
    """
    return tf.reduce_mean(tf.nn.relu(1 - real)) + tf.reduce_mean(tf.nn.relu(1 + fake))


def wasserstein_discriminator(real: Any, fake: Any, *_: Any) -> Any:
    """Return mean D(G(z)) - mean D(x), minus the estimated Wasserstein distance.

    Arjovsky et al. 2017, https://arxiv.org/abs/1701.07875. There are no targets to be smoothed.
    """
    return tf.reduce_mean(fake) - tf.reduce_mean(real)


def linear_generator(fake: Any) -> Any:
    """Return -mean D(G(z)), the generator's side of the hinge and of the Wasserstein loss."""
    return -tf.reduce_mean(fake)


class AdversarialLoss(NamedTuple):
    """Both sides of an adversarial loss: functions of (n,) float32 scores to a float32 scalar.

    Args:
        discriminator: of real scores, generated scores and the targets of both.
        generator: of generated scores.
    """

    discriminator: Callable[..., Any]
    generator: Callable[[Any], Any]


ADVERSARIAL_LOSSES = {
    "bce": AdversarialLoss(bce_discriminator, bce_generator),
    "hinge": AdversarialLoss(hinge_discriminator, linear_generator),
    "wasserstein": AdversarialLoss(wasserstein_discriminator, linear_generator),
}


def r1_penalty(gradients: Any, gamma: float) -> Any:
    """Return the R1 penalty: gamma / 2 times the mean squared norm of the gradients.

    Mescheder et al. 2018, https://arxiv.org/abs/1801.04406, equation 9.

    Args:
        gradients: (n, height, width, channels) float32, d score / d image at real images.
        gamma: the strength.

    Returns:
        A float32 scalar, 0 or more.
    """
    return 0.5 * gamma * tf.reduce_mean(_squared_norms(gradients))


def gradient_penalty(gradients: Any, strength: float) -> Any:
    """Return the penalty of WGAN-GP: strength times the mean of (|gradient| - 1)^2.

    Gulrajani et al. 2017, https://arxiv.org/abs/1704.00028, equation 3.

    Args:
        gradients: (n, height, width, channels) float32, d score / d image at points between real
            and generated images.
        strength: lambda in the paper, there 10.

    Returns:
        A float32 scalar, 0 or more.
    """
    norms = tf.sqrt(_squared_norms(gradients) + 1e-8)  # the derivative of sqrt at 0 is infinite
    return strength * tf.reduce_mean(tf.square(norms - 1))


def _squared_norms(gradients: Any) -> Any:
    """Sum the squares of each image: (n, height, width, channels) -> (n,)."""
    return tf.reduce_sum(tf.square(gradients), axis=[1, 2, 3])
