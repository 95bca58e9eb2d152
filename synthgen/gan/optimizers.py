"""Adam whose update of a variable is one kernel; Keras spreads it over a dozen, which small networks spend a tenth of a step on."""

from typing import Any

import keras
import tensorflow as tf


class Adam(keras.optimizers.Adam):  # type: ignore[misc]
    """Adam (Kingma & Ba 2015, https://arxiv.org/abs/1412.6980) with Keras's settings, state and results, up to rounding; without amsgrad.

    Gradients of a table whose slices meet are added before they are squared, as the paper has it (Keras 3 squares each slice).
    """

    def update_step(self, gradient: Any, variable: Any, learning_rate: Any) -> None:
        """Update one variable and its two moments.

        Args:
            gradient: a tensor of the variable's shape, or `tf.IndexedSlices`.
            variable: a `tf.Variable`; under a strategy that of this device.
            learning_rate: float32 scalar.
        """
        index, step = self._get_variable_index(variable), tf.cast(self.iterations + 1, tf.float32)
        moments = {"m": self._momentums[index].value.handle, "v": self._velocities[index].value.handle}
        powers = {f"beta{k}_power": tf.pow(tf.constant(beta, tf.float32), step) for k, beta in ((1, self.beta_1), (2, self.beta_2))}
        rates = {"lr": tf.cast(learning_rate, tf.float32), "beta1": self.beta_1, "beta2": self.beta_2, "epsilon": self.epsilon}
        tf.raw_ops.ResourceApplyAdam(var=variable.handle, **moments, grad=tf.convert_to_tensor(gradient), **powers, **rates)
