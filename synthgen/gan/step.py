"""The training step of every preset: one compiled function that runs many steps a call and is a function of its state alone.

Every random number is drawn statelessly from (seed, turn), so a training that is stopped after any
step and goes on from its saved state takes the same course, bit for bit, as one that was never
stopped. A turn is one update of the discriminator; a step is `critic_steps` turns and one update of
the generator.
"""

from typing import Any, NamedTuple

import numpy as np

from synthgen.config import GanSettings
from synthgen.datasets.digits import Digits
from synthgen.gan.batches import (
    BETWEEN,
    FAKE_TARGET,
    FAKE_VIEW,
    GENERATOR_VIEW,
    REAL_TARGET,
    REAL_VIEW,
    Draws,
    augment,
)
from synthgen.gan.losses import ADVERSARIAL, gradient_penalty, r1_penalty, to_logits
from synthgen.networks.backend import keras, tf
from synthgen.networks.gan import build_discriminator, build_generator
from synthgen.networks.replicas import apply_gradients, mean_over_replicas, on_replicas, update
from synthgen.networks.weights import get_weights, set_weights
from synthgen.weights import Weights


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


METRICS = (
    "discriminator_loss",
    "generator_loss",
    "real_accuracy",
    "fake_accuracy",
    "penalty",
    "discriminator_gradient",
    "generator_gradient",
)
LOWEST_RATE = 0.01  # of the initial learning rate


class GanState:
    """Everything that a training changes: two networks, the averaged generator, two optimisers, the step.

    Args:
        settings: the recipe.
        digits: the training digits, for image shape and classes.
        seed: of the initial weights.
        strategy: the devices that share the batch; None: one.
    """

    def __init__(
        self, settings: GanSettings, digits: Digits, seed: int, strategy: Any = None
    ) -> None:
        shape, classes = digits.image_shape, digits.classes
        self.settings, self.seed, self.strategy = (
            settings,
            seed,
            strategy or tf.distribute.get_strategy(),
        )
        with self.strategy.scope():
            self.generator = build_generator(settings, shape, classes, seed)
            self.average = (
                build_generator(settings, shape, classes, seed) if settings.ema else self.generator
            )
            self.discriminator = build_discriminator(settings, shape, classes, seed)
            self.generator_optimizer = make_optimizer(settings, settings.generator_rate)
            self.discriminator_optimizer = make_optimizer(settings, settings.discriminator_rate)
            self.generator_optimizer.build(self.generator.trainable_variables)
            self.discriminator_optimizer.build(self.discriminator.trainable_variables)
            self.step = tf.Variable(0, dtype=tf.int64, trainable=False)

    def score(self, images: Any, labels: Any) -> Any:
        """The discriminator in training mode: images and labels -> (n,) float32 logits or scores."""
        scores = self.discriminator([images, labels], training=True)
        return to_logits(scores) if self.settings.probability else scores

    def export(self) -> Weights:
        """The whole state as named arrays."""
        arrays = {
            f"{name}/{path}": array
            for name, model in self._models().items()
            for path, array in get_weights(model).items()
        }
        arrays |= {
            f"{name}/{k}": np.asarray(v.value)
            for name, each in self._optimizers().items()
            for k, v in enumerate(each.variables)
        }
        return arrays | {"step": np.asarray(self.step)}

    def restore(self, arrays: Weights) -> None:
        """Take over a state that `export` gave.

        Raises:
            CheckpointError: if it belongs to other networks.
        """
        for name, model in self._models().items():
            set_weights(
                model,
                {
                    path.removeprefix(f"{name}/"): a
                    for path, a in arrays.items()
                    if path.startswith(f"{name}/")
                },
            )
        for name, optimizer in self._optimizers().items():
            for k, variable in enumerate(optimizer.variables):
                variable.assign(arrays[f"{name}/{k}"])
        self.step.assign(int(arrays["step"]))

    def _models(self) -> dict[str, keras.Model]:
        average = {"average": self.average} if self.settings.ema else {}
        return {"generator": self.generator, "discriminator": self.discriminator} | average

    def _optimizers(self) -> dict[str, Any]:
        return {
            "generator_optimizer": self.generator_optimizer,
            "discriminator_optimizer": self.discriminator_optimizer,
        }


class Turn(NamedTuple):
    """What one update of the discriminator sees, all (batch, ...): real images and labels, generated ones, and its number."""

    images: Any
    labels: Any
    fakes: Any
    fake_labels: Any
    number: Any


def make_runner(state: GanState, data: Digits) -> Any:
    """Compile the training of one GAN.

    Args:
        state: what is trained, in place.
        data: the training digits, kept as uint8 beside the networks.

    Returns:
        A function of a scalar int32 `count` that runs `count` steps and returns the mean of METRICS
        over them as a float32 vector.
    """
    draw = Draws(data, state.settings, state.seed)

    @tf.function(input_signature=[tf.TensorSpec((), tf.int32)])  # type: ignore[untyped-decorator]
    def run(count: Any) -> Any:
        totals = tf.zeros(len(METRICS))
        for _ in tf.range(count):
            totals += _step(state, draw)
        return totals / tf.cast(count, tf.float32)

    def run_in_scope(count: Any) -> Any:
        with state.strategy.scope():
            return run(count)

    return run_in_scope


def _step(state: GanState, draw: Draws) -> Any:
    """`critic_steps` updates of the discriminator, one of generator and average -> METRICS as a float32 vector."""
    _set_rates(state)
    settings = state.settings
    due = settings.r1_gamma > 0 and (
        settings.r1_every == 1 or tf.equal(state.step % settings.r1_every, 0)
    )
    metrics = on_replicas(lambda r1: _update_networks(state, draw, r1), due)
    _update_average(state)
    state.step.assign_add(1)
    return metrics


def _update_networks(state: GanState, draw: Draws, r1_due: Any) -> Any:
    """All updates of discriminator and generator of one step, on one replica -> its METRICS."""
    settings, judged = state.settings, None
    for k in range(settings.critic_steps):
        number = state.step * settings.critic_steps + k
        # the generator learns from the images of the last turn
        with tf.GradientTape() as generator_tape:
            turn = _draw_turn(state, draw, number)
        if (
            settings.updates == "simultaneous"
            and not settings.one_pass
            and k + 1 == settings.critic_steps
        ):
            judged = _judge(state, draw, turn)
        d_metrics, d_slopes = _update_discriminator(state, draw, turn)
    if settings.one_pass:
        judged = generator_slopes(settings.loss, *d_slopes)
    r1 = _regularise(state, draw, turn, r1_due)
    g_loss, slopes = judged or _judge(state, draw, turn)
    g_gradient = _update_generator(
        state,
        generator_tape.gradient(
            turn.fakes, state.generator.trainable_variables, output_gradients=slopes
        ),
    )
    d_loss, real, fake, penalty, d_gradient = d_metrics
    return tf.stack([d_loss, g_loss, real, fake, penalty + r1, d_gradient, g_gradient])


def _draw_turn(state: GanState, draw: Draws, number: Any) -> Turn:
    """Images between a real and a generated one need one class: with a gradient penalty the labels are the real ones."""
    images, labels = draw.real(number)
    latents, fake_labels = draw.latent(number)
    fake_labels = labels if state.settings.gradient_penalty else fake_labels
    return Turn(
        images, labels, state.generator([latents, fake_labels], training=True), fake_labels, number
    )


def _set_rates(state: GanState) -> None:
    """Constant up to `decay_from` of the steps, then linear down to LOWEST_RATE."""
    settings, done = state.settings, tf.cast(state.step, tf.float32) / state.settings.steps
    factor = tf.clip_by_value((1.0 - done) / max(1.0 - settings.decay_from, 1e-6), LOWEST_RATE, 1.0)
    state.generator_optimizer.learning_rate.assign(settings.generator_rate * factor)
    state.discriminator_optimizer.learning_rate.assign(settings.discriminator_rate * factor)


def _update_discriminator(state: GanState, draw: Draws, turn: Turn) -> tuple[Any, tuple[Any, Any]]:
    """One update -> five METRICS; the scores of generated images before it, and with `one_pass` the loss's slopes at these images."""
    settings, variables, seen = (
        state.settings,
        state.discriminator.trainable_variables,
        tf.stop_gradient(turn.fakes),
    )
    with tf.GradientTape() as tape:
        tape.watch(seen)
        images = _view(settings, draw, turn.images, turn.number, REAL_VIEW)
        fakes = _view(settings, draw, seen, turn.number, FAKE_VIEW)
        real, fake = _scores(state, images, fakes, turn)
        loss = ADVERSARIAL[settings.loss].discriminator(
            real, fake, *_targets(settings, draw, turn.number)
        )
        penalty = _penalise_between(state, draw, turn, images, tf.stop_gradient(fakes))
        total = loss + penalty
    *gradients, slopes = (
        tape.gradient(total, [*variables, seen])
        if settings.one_pass
        else [*tape.gradient(total, variables), None]
    )
    norm = _apply_to_discriminator(state, gradients)
    # scores have no zero
    threshold = (
        mean_over_replicas([tf.reduce_mean([real, fake])])[0]
        if settings.loss == "wasserstein"
        else 0.0
    )
    accuracies = [
        tf.reduce_mean(tf.cast(hit, tf.float32)) for hit in (real > threshold, fake < threshold)
    ]
    return (loss, *accuracies, penalty, norm), (fake, slopes)


def _view(settings: GanSettings, draw: Draws, images: Any, number: Any, stream: int) -> Any:
    """What the discriminator sees of images."""
    return augment(images, draw.key(number, stream), settings.translation, settings.cutout)


def _scores(state: GanState, images: Any, fakes: Any, turn: Turn) -> tuple[Any, Any]:
    """Scores of real and generated images: in one pass, except where a network looks at its batch as a whole."""
    if state.settings.mixes_images:
        return state.score(images, turn.labels), state.score(fakes, turn.fake_labels)
    both = state.score(tf.concat([images, fakes], 0), tf.concat([turn.labels, turn.fake_labels], 0))
    return tuple(tf.split(both, 2))


def _targets(settings: GanSettings, draw: Draws, number: Any) -> tuple[Any, Any]:
    """Targets of real and generated images, smoothed one by one if asked for (Salimans et al. 2016, both sides)."""
    width = settings.label_smoothing
    if not width:
        return 1.0, 0.0
    return draw.uniform(number, REAL_TARGET, 1 - width, 1.0), draw.uniform(
        number, FAKE_TARGET, 0.0, width
    )


def _penalise_between(state: GanState, draw: Draws, turn: Turn, images: Any, fakes: Any) -> Any:
    """The gradient penalty at a uniformly drawn point between each real and generated image; one number an image."""
    strength = state.settings.gradient_penalty
    if not strength:
        return tf.constant(0.0)
    points = _points_between(draw, turn, images, fakes)
    with tf.GradientTape() as tape:
        tape.watch(points)
        total = tf.reduce_sum(state.score(points, turn.labels))
    return gradient_penalty(tape.gradient(total, points), strength)


def _points_between(draw: Draws, turn: Turn, images: Any, fakes: Any) -> Any:
    share = draw.uniform(turn.number, BETWEEN)[:, None, None, None]
    return share * images + (1 - share) * fakes


def _regularise(state: GanState, draw: Draws, turn: Turn, due: Any) -> Any:
    """Lazy R1 (Karras et al. 2020): every `r1_every` steps, `r1_every` times as strong -> the penalty, 0 between."""
    if isinstance(due, bool):
        return _apply_r1(state, draw, turn) if due else tf.constant(0.0)
    return tf.cond(due, lambda: _apply_r1(state, draw, turn), lambda: tf.constant(0.0))


def _apply_r1(state: GanState, draw: Draws, turn: Turn) -> Any:
    images = _view(state.settings, draw, turn.images, turn.number, REAL_VIEW)
    with tf.GradientTape() as outer:
        with tf.GradientTape() as inner:
            inner.watch(images)
            total = tf.reduce_sum(state.score(images, turn.labels))
        penalty = r1_penalty(inner.gradient(total, images), state.settings.r1_gamma)
        weighted = state.settings.r1_every * penalty
    _apply_to_discriminator(
        state, outer.gradient(weighted, state.discriminator.trainable_variables)
    )
    return weighted


def _apply_to_discriminator(state: GanState, gradients: Any) -> Any:
    """Update the discriminator, clip its weights if asked for -> norm of the gradients."""
    variables, bound = state.discriminator.trainable_variables, state.settings.weight_clip
    known = mean_over_replicas(_whole(gradients, variables))
    apply_gradients(state.discriminator_optimizer, known, variables)
    if bound:
        update(
            lambda variable: variable.assign(tf.clip_by_value(variable, -bound, bound)), variables
        )
    return tf.linalg.global_norm(known)


def generator_slopes(loss: str, fake: Any, slopes: Any) -> tuple[Any, Any]:
    """The generator's loss and its slopes, from those of the discriminator's loss.

    A score that depends on its own image alone passes both losses' slopes on to the image in the
    same way: they differ by the ratio of the slopes at the score, and need one pass through the
    discriminator.

    Args:
        loss: "bce" or "wasserstein".
        fake: (n,) float32 scores of generated images.
        slopes: (n, h, w, c) float32, of the discriminator's loss at those images.

    Returns:
        The loss, a scalar, and its slopes, (n, h, w, c); 0 for a score so low (about -80) that
        float32 loses the ratio.
    """
    with tf.GradientTape(persistent=True) as tape:
        tape.watch(fake)
        own = ADVERSARIAL[loss].generator(fake)
        others = ADVERSARIAL[loss].discriminator(tf.zeros_like(fake), fake)
    ratio = tf.math.divide_no_nan(tape.gradient(own, fake), tape.gradient(others, fake))
    return own, ratio[:, None, None, None] * slopes


def _judge(state: GanState, draw: Draws, turn: Turn) -> tuple[Any, Any]:
    """The generator's loss by the discriminator as it is now, and its slopes at the generated images."""
    with tf.GradientTape() as tape:
        tape.watch(turn.fakes)
        fakes = _view(state.settings, draw, turn.fakes, turn.number, GENERATOR_VIEW)
        loss = ADVERSARIAL[state.settings.loss].generator(state.score(fakes, turn.fake_labels))
    return loss, tape.gradient(loss, turn.fakes)


def _update_generator(state: GanState, gradients: Any) -> Any:
    """-> norm of the gradients."""
    variables = state.generator.trainable_variables
    known = mean_over_replicas(_whole(gradients, variables))
    apply_gradients(state.generator_optimizer, known, variables)
    return tf.linalg.global_norm(known)


def _whole(gradients: Any, variables: Any) -> list[Any]:
    """One tensor for each variable.

    The gradient of a table of which each image uses a row comes as `tf.IndexedSlices`, one slice an
    image. Keras would square each slice where Adam and RMSprop ask for the square of their sum, and
    so take steps of up to several times the rate.
    """
    return [
        tf.zeros_like(v) if g is None else tf.convert_to_tensor(g)
        for g, v in zip(gradients, variables, strict=True)
    ]


def _update_average(state: GanState) -> None:
    """EMA of every trained generator weight; the decay rises as (1 + t) / (10 + t) up to the setting."""
    if not state.settings.ema:
        return
    step = tf.cast(state.step, tf.float32)
    decay = tf.minimum(state.settings.ema, (1.0 + step) / (10.0 + step))
    averages, weights = state.average.trainable_variables, state.generator.trainable_variables
    update(
        lambda average, weight: average.assign(average + (1.0 - decay) * (weight - average)),
        averages,
        weights,
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
