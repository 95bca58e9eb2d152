"""The state of a training: everything that a step changes, and its named arrays."""

from typing import Any

import numpy as np

from synthgen.config import GanSettings
from synthgen.datasets.digits import Digits
from synthgen.gan.losses import to_logits
from synthgen.networks.backend import keras, keras_defaults, tf
from synthgen.networks.gan import build_discriminator, build_generator
from synthgen.networks.layers import get_weights, set_weights
from synthgen.weights import Weights


class GanState:
    """Two networks, the averaged generator, two optimisers, and the step.

    Args:
        settings: the recipe.
        digits: the training digits, for image shape and classes.
        seed: of the initial weights.
        strategy: the devices that share the batch; None: one.
    """

    def __init__(
        self, settings: GanSettings, digits: Digits, seed: int, strategy: Any = None
    ) -> None:
        shape = digits.image_shape
        classes = digits.classes
        self.settings = settings
        self.seed = seed
        self.strategy = strategy or tf.distribute.get_strategy()
        with self.strategy.scope(), keras_defaults():
            self.generator = build_generator(settings, shape, classes, seed)
            self.average = self.generator
            if settings.ema:
                self.average = build_generator(settings, shape, classes, seed)
            self.discriminator = build_discriminator(settings, shape, classes, seed)
            self.generator_optimizer = make_gan_optimizer(settings, settings.generator_rate)
            self.discriminator_optimizer = make_gan_optimizer(settings, settings.discriminator_rate)
            self.generator_optimizer.build(self.generator.trainable_variables)
            self.discriminator_optimizer.build(self.discriminator.trainable_variables)
            self.step = tf.Variable(0, dtype=tf.int64, trainable=False)

    def score(self, images: Any, labels: Any) -> Any:
        """Run the discriminator in training mode.

        Args:
            images: (n, h, w, c) float32 in -1..1.
            labels: (n,) int32.

        Returns:
            (n,) float32 logits or scores.
        """
        scores = self.discriminator([images, labels], training=True)
        return to_logits(scores) if self.settings.probability else scores

    @tf.function(input_signature=[])  # type: ignore[untyped-decorator]
    def generator_is_finite(self) -> Any:
        """Return whether the averaged generator can be asked for images, a scalar bool tensor.

        After an update that went wrong its weights are infinite or NaN.
        """
        finite = [
            tf.reduce_all(tf.math.is_finite(variable.value))
            for variable in self.average.trainable_variables
        ]
        return tf.reduce_all(finite)

    def export(self) -> Weights:
        """Return the whole state as named arrays."""
        arrays = {"step": np.asarray(self.step)}
        for name, model in self._models().items():
            for path, array in get_weights(model).items():
                arrays[f"{name}/{path}"] = array
        for name, optimizer in self._optimizers().items():
            for k, variable in enumerate(optimizer.variables):
                arrays[f"{name}/{k}"] = np.asarray(variable.value)
        return arrays

    def restore(self, arrays: Weights) -> None:
        """Take over a state that `export` returned.

        Raises:
            CheckpointError: if it belongs to other networks.
        """
        for name, model in self._models().items():
            prefix = f"{name}/"
            own = {
                path.removeprefix(prefix): array
                for path, array in arrays.items()
                if path.startswith(prefix)
            }
            set_weights(model, own)
        for name, optimizer in self._optimizers().items():
            for k, variable in enumerate(optimizer.variables):
                variable.assign(arrays[f"{name}/{k}"])
        self.step.assign(int(arrays["step"]))

    def _models(self) -> dict[str, keras.Model]:
        models = {"generator": self.generator, "discriminator": self.discriminator}
        if self.settings.ema:
            models["average"] = self.average
        return models

    def _optimizers(self) -> dict[str, Any]:
        return {
            "generator_optimizer": self.generator_optimizer,
            "discriminator_optimizer": self.discriminator_optimizer,
        }


@keras_defaults()
def make_gan_optimizer(settings: GanSettings, rate: float) -> Any:
    """Make the optimiser of one network.

    RMSprop has the decay and epsilon of the code that Wasserstein GANs were published with. Keras's
    own epsilon, 1e-7 under the root, keeps steps small where gradients are below 3e-4, as they are
    behind BatchNorm with a clipped scale.
    """
    if settings.optimizer == "adam":
        return Adam(rate, settings.beta_1, settings.beta_2)
    if settings.optimizer == "rmsprop":
        return keras.optimizers.RMSprop(rate, rho=0.99, epsilon=1e-16)
    return keras.optimizers.SGD(rate)


class Adam(keras.optimizers.Adam):  # type: ignore[misc]
    """Keras's Adam with one kernel for each variable instead of a dozen.

    Kingma & Ba 2015, https://arxiv.org/abs/1412.6980. For float32 variables, without AMSGrad.
    """

    def update_step(self, gradient: Any, variable: Any, learning_rate: Any) -> None:
        """Change a variable and its two moments by its gradient."""
        place = self._get_variable_index(variable)
        step = tf.cast(self.iterations + 1, tf.float32)
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
