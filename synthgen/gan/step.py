"""The training step: one compiled function that runs many steps a call and is a function of its state alone.

Every random number is drawn statelessly from (seed, step), so a training that is stopped after any step and goes on
from its saved state takes the same course, bit for bit, as one that was never stopped.
"""

from typing import Any

import keras
import numpy as np
import tensorflow as tf

from synthgen.config import GanSettings
from synthgen.datasets.digits import Digits
from synthgen.gan.checkpoint import Weights
from synthgen.gan.losses import discriminator_loss, generator_loss, r1_penalty
from synthgen.gan.networks import build_discriminator, build_generator
from synthgen.gan.weights import get_weights, set_weights

METRICS = ("discriminator_loss", "generator_loss", "real_accuracy", "fake_accuracy", "r1_penalty", "discriminator_gradient", "generator_gradient")
LOWEST_RATE = 0.01  # of the initial learning rate


class GanState:
    """Everything that a training changes: two networks, the averaged generator, two optimisers, the step.

    Args:
        settings: the recipe.
        digits: the training digits, for image shape and classes.
        seed: of the initial weights.
    """

    def __init__(self, settings: GanSettings, digits: Digits, seed: int) -> None:
        shape, classes = digits.image_shape, digits.classes
        self.settings, self.seed = settings, seed
        self.generator = build_generator(settings, shape, classes, seed)
        self.average = build_generator(settings, shape, classes, seed)
        self.discriminator = build_discriminator(settings, shape, classes, seed)
        self.generator_adam = keras.optimizers.Adam(settings.generator_rate, settings.beta_1, settings.beta_2)
        self.discriminator_adam = keras.optimizers.Adam(settings.discriminator_rate, settings.beta_1, settings.beta_2)
        self.generator_adam.build(self.generator.trainable_variables)
        self.discriminator_adam.build(self.discriminator.trainable_variables)
        self.step = tf.Variable(0, dtype=tf.int64, trainable=False)

    def export(self) -> Weights:
        """The whole state as named arrays."""
        arrays = {f"{name}/{path}": array for name, model in self._models().items() for path, array in get_weights(model).items()}
        arrays |= {f"{name}/{k}": np.asarray(v.value) for name, adam in self._optimizers().items() for k, v in enumerate(adam.variables)}
        return arrays | {"step": np.asarray(self.step)}

    def restore(self, arrays: Weights) -> None:
        """Take over a state that `export` gave.

        Raises:
            CheckpointError: if it belongs to other networks.
        """
        for name, model in self._models().items():
            set_weights(model, {path.removeprefix(f"{name}/"): a for path, a in arrays.items() if path.startswith(f"{name}/")})
        for name, adam in self._optimizers().items():
            for k, variable in enumerate(adam.variables):
                variable.assign(arrays[f"{name}/{k}"])
        self.step.assign(int(arrays["step"]))

    def _models(self) -> dict[str, keras.Model]:
        return {"generator": self.generator, "average": self.average, "discriminator": self.discriminator}

    def _optimizers(self) -> dict[str, Any]:
        return {"generator_adam": self.generator_adam, "discriminator_adam": self.discriminator_adam}


class Batch:
    """The random draws of one step, all functions of (seed, step): real images and labels, latents and fake labels."""

    def __init__(self, data: Digits, settings: GanSettings, seed: int) -> None:
        self._images, self._labels = tf.constant(data.images), tf.constant(data.labels.astype(np.int32))
        self._count, self._classes, self._settings, self._seed = len(data), data.classes, settings, seed

    def real(self, step: Any) -> tuple[Any, Any]:
        """Step -> images (batch, h, w, c) float32 in -1..1 and labels (batch,) int32; every image once an epoch."""
        position = step * self._settings.batch + tf.range(self._settings.batch, dtype=tf.int64)
        epoch = tf.cast(position // self._count, tf.int32)
        keys = tf.stack([tf.fill(tf.shape(epoch), self._seed), tf.zeros_like(epoch), epoch], axis=1)  # (batch, 3)
        rows = tf.raw_ops.RandomIndexShuffle(index=position % self._count, seed=keys, max_index=tf.constant(self._count - 1, tf.int64))
        images = tf.cast(tf.gather(self._images, rows), tf.float32) / 127.5 - 1.0
        return images, tf.gather(self._labels, rows)

    def latent(self, step: Any) -> tuple[Any, Any]:
        """Step -> latents (batch, latent) float32, standard normal, and labels (batch,) int32, uniform over all classes."""
        shape = (self._settings.batch, self._settings.latent)
        latents = tf.random.stateless_normal(shape, self._key(step, 0), alg="philox")
        return latents, tf.random.stateless_uniform(shape[:1], self._key(step, 1), 0, self._classes, tf.int32, alg="philox")

    def _key(self, step: Any, stream: int) -> Any:
        return tf.stack([tf.cast(self._seed, tf.int64), 2 * step + stream])


def make_runner(state: GanState, data: Digits) -> Any:
    """Compile the training of one GAN.

    Args:
        state: what is trained, in place.
        data: the training digits, kept as uint8 beside the networks.

    Returns:
        A function of a scalar int32 `count` that runs `count` steps and returns the mean of METRICS over them as a
        float32 vector.
    """
    draw = Batch(data, state.settings, state.seed)

    @tf.function(input_signature=[tf.TensorSpec((), tf.int32)])  # type: ignore[untyped-decorator]
    def run(count: Any) -> Any:
        totals = tf.zeros(len(METRICS))
        for _ in tf.range(count):
            totals += _step(state, draw)
        return totals / tf.cast(count, tf.float32)

    return run


def _step(state: GanState, draw: Batch) -> Any:
    """One update of discriminator, generator and average -> METRICS as a float32 vector."""
    (images, labels), (latents, fake_labels) = draw.real(state.step), draw.latent(state.step)
    _set_rates(state)
    with tf.GradientTape() as generator_tape:
        fakes = state.generator([latents, fake_labels], training=True)
    d_metrics = _update_discriminator(state, images, labels, tf.stop_gradient(fakes), fake_labels)
    penalty = _regularise(state, images, labels)
    g_metrics = _update_generator(state, generator_tape, fakes, fake_labels)
    _update_average(state)
    state.step.assign_add(1)
    d_loss, real, fake, d_gradient = d_metrics
    g_loss, g_gradient = g_metrics
    return tf.stack([d_loss, g_loss, real, fake, penalty, d_gradient, g_gradient])


def _set_rates(state: GanState) -> None:
    """Constant up to `decay_from` of the steps, then linear down to LOWEST_RATE."""
    settings, done = state.settings, tf.cast(state.step, tf.float32) / state.settings.steps
    factor = tf.clip_by_value((1.0 - done) / max(1.0 - settings.decay_from, 1e-6), LOWEST_RATE, 1.0)
    state.generator_adam.learning_rate.assign(settings.generator_rate * factor)
    state.discriminator_adam.learning_rate.assign(settings.discriminator_rate * factor)


def _update_discriminator(state: GanState, images: Any, labels: Any, fakes: Any, fake_labels: Any) -> tuple[Any, Any, Any, Any]:
    discriminator, variables = state.discriminator, state.discriminator.trainable_variables
    with tf.GradientTape() as tape:
        both = discriminator([tf.concat([images, fakes], 0), tf.concat([labels, fake_labels], 0)], training=True)
        real_logits, fake_logits = tf.split(both, 2)
        loss = discriminator_loss(real_logits, fake_logits)
    gradients = tape.gradient(loss, variables)
    state.discriminator_adam.apply(gradients, variables)
    accuracies = [tf.reduce_mean(tf.cast(hit, tf.float32)) for hit in (real_logits > 0, fake_logits < 0)]
    return loss, *accuracies, tf.linalg.global_norm(gradients)


def _regularise(state: GanState, images: Any, labels: Any) -> Any:
    """Lazy R1 (Karras et al. 2020): every `r1_every` steps, `r1_every` times as strong -> the penalty, 0 between."""
    settings = state.settings
    if settings.r1_gamma == 0:
        return tf.constant(0.0)
    due = tf.equal(state.step % settings.r1_every, 0)
    return tf.cond(due, lambda: _apply_r1(state, images, labels), lambda: tf.constant(0.0))


def _apply_r1(state: GanState, images: Any, labels: Any) -> Any:
    variables = state.discriminator.trainable_variables
    with tf.GradientTape() as outer:
        with tf.GradientTape() as inner:
            inner.watch(images)
            total = tf.reduce_sum(state.discriminator([images, labels], training=True))
        penalty = r1_penalty(inner.gradient(total, images), state.settings.r1_gamma)
        weighted = state.settings.r1_every * penalty
    gradients = outer.gradient(weighted, variables)
    state.discriminator_adam.apply([tf.zeros_like(v) if g is None else g for g, v in zip(gradients, variables, strict=True)], variables)
    return weighted


def _update_generator(state: GanState, tape: Any, fakes: Any, fake_labels: Any) -> tuple[Any, Any]:
    with tf.GradientTape() as upper:
        upper.watch(fakes)
        loss = generator_loss(state.discriminator([fakes, fake_labels], training=True))
    variables = state.generator.trainable_variables
    gradients = tape.gradient(fakes, variables, output_gradients=upper.gradient(loss, fakes))
    state.generator_adam.apply(gradients, variables)
    return loss, tf.linalg.global_norm(gradients)


def _update_average(state: GanState) -> None:
    """EMA of every generator weight; the decay rises as (1 + t) / (10 + t) up to the setting."""
    step = tf.cast(state.step, tf.float32)
    decay = tf.minimum(state.settings.ema, (1.0 + step) / (10.0 + step))
    for average, weight in zip(state.average.weights, state.generator.weights, strict=True):
        average.assign(average + (1.0 - decay) * (weight - average))
