"""The optimisers of both networks."""

from typing import Any

import keras
import tensorflow as tf

from synthgen.config import GanSettings


class Adam(keras.optimizers.Adam):  # type: ignore[misc]
    """Keras's Adam (Kingma & Ba 2015, https://arxiv.org/abs/1412.6980) with one kernel for each variable instead of a dozen.

    For float32 variables, without AMSGrad.
    """

    def update_step(self, gradient: Any, variable: Any, learning_rate: Any) -> None:
        """Change a variable and its two moments by its gradient."""
        place, step = self._get_variable_index(variable), tf.cast(self.iterations + 1, tf.float32)
        tf.raw_ops.ResourceApplyAdam(
            var=variable.handle,
            m=self._momentums[place].value.handle,
            v=self._velocities[place].value.handle,
            beta1_power=self.beta_1**step,
            beta2_power=self.beta_2**step,
            lr=tf.cast(learning_rate, tf.float32),
            beta1=self.beta_1,
            beta2=self.beta_2,
            epsilon=self.epsilon,
            grad=gradient,
        )


def make_optimizer(settings: GanSettings, rate: float) -> Any:
    """The optimiser of one network.

    RMSprop has the decay and epsilon of the code that Wasserstein GANs were published with. Keras's
    own epsilon, 1e-7 under the root, keeps steps small where gradients are below 3e-4, as they are
    behind BatchNorm with a clipped scale.
    """
    if settings.optimizer == "adam":
        return Adam(rate, settings.beta_1, settings.beta_2)
    if settings.optimizer == "rmsprop":
        return keras.optimizers.RMSprop(rate, rho=0.99, epsilon=1e-16)
    return keras.optimizers.SGD(rate)
