"""The training step of every preset: one compiled function that runs many steps a call.

A step is `critic_steps` updates of the discriminator (each a critic step), one of the generator and
one of its moving average. It is a function of the state alone: every random number is drawn
statelessly from the seed and the number of the critic step, so that a training that is stopped
after any step and goes on from its saved state takes the same course, bit for bit, as one that was
never stopped.
"""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from synthgen.config import GanSettings
from synthgen.datasets.digits import Digits
from synthgen.gan.batches import (
    BETWEEN,
    FAKE_TARGET,
    FAKE_VIEW,
    GENERATOR_VIEW,
    REAL_TARGET,
    REAL_VIEW,
    Batches,
    augment,
)
from synthgen.gan.job import STEP_METRICS
from synthgen.gan.losses import ADVERSARIAL_LOSSES, gradient_penalty, r1_penalty
from synthgen.gan.state import GanState
from synthgen.networks.backend import keras_defaults, tf
from synthgen.networks.replicas import all_reduce_mean, apply_gradients, on_replicas, update

LOWEST_RATE = 0.01  # of the initial learning rate


def make_runner(state: GanState, digits: Digits) -> Callable[[Any], Any]:
    """Compile the training of one GAN.

    Args:
        state: what is trained, in place.
        digits: the training digits.

    Returns:
        A function of a scalar int32 `count` that runs `count` steps and returns the means of
        STEP_METRICS over them as a float32 vector.
    """
    batches = Batches(digits, state.settings, state.seed)

    @tf.function(input_signature=[tf.TensorSpec((), tf.int32)])  # type: ignore[untyped-decorator]
    def run(count: Any) -> Any:
        totals = tf.zeros(len(STEP_METRICS))
        for _ in tf.range(count):
            totals += train_step(state, batches)
        return totals / tf.cast(count, tf.float32)

    def run_in_scope(count: Any) -> Any:
        with state.strategy.scope(), keras_defaults():
            return run(count)

    return run_in_scope


def train_step(state: GanState, batches: Batches) -> Any:
    """Train one step on all devices, and return its STEP_METRICS as a float32 vector."""
    settings = state.settings

    # learning rates: constant up to `decay_from` of the steps, then linear down to LOWEST_RATE
    done = tf.cast(state.step, tf.float32) / settings.steps
    factor = tf.clip_by_value((1.0 - done) / max(1.0 - settings.decay_from, 1e-6), LOWEST_RATE, 1.0)
    state.generator_optimizer.learning_rate.assign(settings.generator_rate * factor)
    state.discriminator_optimizer.learning_rate.assign(settings.discriminator_rate * factor)

    # the networks; R1 is due every `r1_every` steps
    r1_due = settings.r1_gamma > 0
    if r1_due and settings.r1_every > 1:
        r1_due = tf.equal(state.step % settings.r1_every, 0)
    metrics = on_replicas(lambda due: update_networks(state, batches, due), r1_due)

    # moving average of the generator, whose decay rises as (1 + t) / (10 + t) up to the setting
    if settings.ema:
        step = tf.cast(state.step, tf.float32)
        decay = tf.minimum(settings.ema, (1.0 + step) / (10.0 + step))
        update(
            lambda average, weight: average.assign(average + (1.0 - decay) * (weight - average)),
            state.average.trainable_variables,
            state.generator.trainable_variables,
        )

    state.step.assign_add(1)
    return metrics


class CriticBatch(NamedTuple):
    """What one critic step sees.

    Args:
        number: of the critic step, a scalar int64.
        images: real ones, (batch, h, w, c) float32 in -1..1.
        labels: of these, (batch,) int32.
        fakes: generated images, (batch, h, w, c) float32 in -1..1.
        fake_labels: the classes that these were asked for, (batch,) int32.
    """

    number: Any
    images: Any
    labels: Any
    fakes: Any
    fake_labels: Any


def draw_batch(state: GanState, batches: Batches, number: Any) -> CriticBatch:
    """Draw real images and generate as many.

    With a gradient penalty the generated images have the labels of the real ones: an image between
    a real and a generated one needs one class.
    """
    images, labels = batches.real(number)
    latents, fake_labels = batches.latents(number)
    if state.settings.gradient_penalty:
        fake_labels = labels
    fakes = state.generator([latents, fake_labels], training=True)
    return CriticBatch(number, images, labels, fakes, fake_labels)


def update_networks(state: GanState, batches: Batches, r1_due: Any) -> Any:
    """Update discriminator and generator once a step, on one device.

    Args:
        state: the networks.
        batches: draws what they see.
        r1_due: whether the R1 penalty is due, a bool or a scalar bool tensor.

    Returns:
        STEP_METRICS of this device as a float32 vector.
    """
    settings = state.settings

    # critic steps; the generator learns from the generated images of the last one
    for k in range(settings.critic_steps):
        number = state.step * settings.critic_steps + k
        with tf.GradientTape() as generator_tape:
            batch = draw_batch(state, batches, number)
        is_last = k + 1 == settings.critic_steps
        if is_last and settings.updates == "simultaneous" and not settings.one_pass:
            g_loss, fake_gradients = generator_pass(state, batches, batch)
        critic = critic_step(state, batches, batch)

    # lazy R1 (Karras et al. 2020, https://arxiv.org/abs/1912.04958): an update of its own
    if isinstance(r1_due, bool):
        r1 = r1_step(state, batches, batch) if r1_due else tf.constant(0.0)
    else:
        r1 = tf.cond(r1_due, lambda: r1_step(state, batches, batch), lambda: tf.constant(0.0))

    # the generator's loss and its gradients at the generated images
    if settings.updates == "alternating":
        g_loss, fake_gradients = generator_pass(state, batches, batch)
    elif settings.one_pass:
        g_loss, fake_gradients = generator_gradients(
            settings.loss, critic.fake_scores, critic.fake_gradients
        )

    # on to the generator's weights
    variables = state.generator.trainable_variables
    gradients = generator_tape.gradient(batch.fakes, variables, output_gradients=fake_gradients)
    gradients = all_reduce_mean(dense_gradients(gradients, variables))
    apply_gradients(state.generator_optimizer, gradients, variables)
    return tf.stack(
        [
            critic.loss,
            g_loss,
            critic.real_accuracy,
            critic.fake_accuracy,
            critic.penalty + r1,
            critic.gradient_norm,
            tf.linalg.global_norm(gradients),
        ]
    )


class CriticStep(NamedTuple):
    """What one critic step found before its update, on one device.

    Args:
        loss: the adversarial loss, a scalar like all below but the last two.
        real_accuracy: share of real images that the discriminator takes for real.
        fake_accuracy: share of generated images that it takes for generated.
        penalty: the gradient penalty; 0 without one.
        gradient_norm: of the gradients of all weights.
        fake_scores: scores of the generated images, (batch,) float32.
        fake_gradients: with `one_pass` the gradients of the loss at the generated images,
            (batch, h, w, c) float32; else None.
    """

    loss: Any
    real_accuracy: Any
    fake_accuracy: Any
    penalty: Any
    gradient_norm: Any
    fake_scores: Any
    fake_gradients: Any


def critic_step(state: GanState, batches: Batches, batch: CriticBatch) -> CriticStep:
    """Update the discriminator once."""
    settings = state.settings
    variables = state.discriminator.trainable_variables
    fakes = tf.stop_gradient(batch.fakes)
    with tf.GradientTape() as tape:
        tape.watch(fakes)
        real_view = augmented(settings, batches, batch.images, batch.number, REAL_VIEW)
        fake_view = augmented(settings, batches, fakes, batch.number, FAKE_VIEW)

        # scores, in one pass except where a network looks at its batch as a whole
        if settings.mixes_images:
            real_scores = state.score(real_view, batch.labels)
            fake_scores = state.score(fake_view, batch.fake_labels)
        else:
            views = tf.concat([real_view, fake_view], 0)
            labels = tf.concat([batch.labels, batch.fake_labels], 0)
            real_scores, fake_scores = tf.split(state.score(views, labels), 2)

        # loss
        targets = smoothed_targets(settings, batches, batch.number)
        loss = ADVERSARIAL_LOSSES[settings.loss].discriminator(real_scores, fake_scores, *targets)
        penalty = tf.constant(0.0)
        if settings.gradient_penalty:
            points = points_between(batches, batch.number, real_view, tf.stop_gradient(fake_view))
            gradients = score_gradients(state, points, batch.labels)
            penalty = gradient_penalty(gradients, settings.gradient_penalty)
        total = loss + penalty

    # update
    fake_gradients = None
    if settings.one_pass:
        *gradients, fake_gradients = tape.gradient(total, [*variables, fakes])
    else:
        gradients = tape.gradient(total, variables)
    gradient_norm = update_discriminator(state, gradients)

    # accuracies; the scores of a Wasserstein critic have no zero of their own
    threshold = 0.0
    if settings.loss == "wasserstein":
        threshold = all_reduce_mean([tf.reduce_mean([real_scores, fake_scores])])[0]
    return CriticStep(
        loss=loss,
        real_accuracy=tf.reduce_mean(tf.cast(real_scores > threshold, tf.float32)),
        fake_accuracy=tf.reduce_mean(tf.cast(fake_scores < threshold, tf.float32)),
        penalty=penalty,
        gradient_norm=gradient_norm,
        fake_scores=fake_scores,
        fake_gradients=fake_gradients,
    )


def r1_step(state: GanState, batches: Batches, batch: CriticBatch) -> Any:
    """Update the discriminator by the R1 penalty, `r1_every` times as strong as it is rare.

    Returns:
        The penalty, a scalar.
    """
    settings = state.settings
    images = augmented(settings, batches, batch.images, batch.number, REAL_VIEW)
    with tf.GradientTape() as tape:
        gradients = score_gradients(state, images, batch.labels)
        penalty = settings.r1_every * r1_penalty(gradients, settings.r1_gamma)
    gradients = tape.gradient(penalty, state.discriminator.trainable_variables)
    update_discriminator(state, gradients)
    return penalty


def generator_pass(state: GanState, batches: Batches, batch: CriticBatch) -> tuple[Any, Any]:
    """Score the generated images by the discriminator as it is now.

    Returns:
        The generator's loss, a scalar, and its gradients at the generated images, (batch, h, w, c)
        float32.
    """
    settings = state.settings
    with tf.GradientTape() as tape:
        tape.watch(batch.fakes)
        view = augmented(settings, batches, batch.fakes, batch.number, GENERATOR_VIEW)
        scores = state.score(view, batch.fake_labels)
        loss = ADVERSARIAL_LOSSES[settings.loss].generator(scores)
    return loss, tape.gradient(loss, batch.fakes)


def generator_gradients(loss: str, fake_scores: Any, fake_gradients: Any) -> tuple[Any, Any]:
    """Derive the generator's loss and gradients from the gradients of the discriminator's loss.

    Where a score depends on its own image alone, both losses reach the image through the score:
    their gradients at the image differ by the ratio of their derivatives at the score. So one pass
    through the discriminator serves both networks.

    Args:
        loss: "bce" or "wasserstein".
        fake_scores: (n,) float32 scores of generated images.
        fake_gradients: (n, h, w, c) float32, of the discriminator's loss at those images.

    Returns:
        The loss, a scalar, and its gradients, (n, h, w, c) float32; 0 for a score so low (about
        -80) that float32 loses the ratio.
    """
    with tf.GradientTape(persistent=True) as tape:
        tape.watch(fake_scores)
        generator_loss = ADVERSARIAL_LOSSES[loss].generator(fake_scores)
        discriminator_loss = ADVERSARIAL_LOSSES[loss].discriminator(
            tf.zeros_like(fake_scores), fake_scores
        )
    ratio = tf.math.divide_no_nan(
        tape.gradient(generator_loss, fake_scores), tape.gradient(discriminator_loss, fake_scores)
    )
    return generator_loss, ratio[:, None, None, None] * fake_gradients


def augmented(
    settings: GanSettings, batches: Batches, images: Any, number: Any, stream: int
) -> Any:
    """Return what the discriminator sees of images: a random view of each, if asked for."""
    key = batches.key(number, stream)
    return augment(images, key, settings.translation, settings.cutout)


def smoothed_targets(settings: GanSettings, batches: Batches, number: Any) -> tuple[Any, Any]:
    """Return the targets of real and of generated images.

    With label smoothing each image has a target of its own, uniform in [1 - s, 1] or in [0, s]
    (Salimans et al. 2016, https://arxiv.org/abs/1606.03498, on both sides).

    Returns:
        (batch,) float32 or a number, twice.
    """
    smoothing = settings.label_smoothing
    if not smoothing:
        return 1.0, 0.0
    real = batches.uniform(number, REAL_TARGET, 1 - smoothing, 1.0)
    fake = batches.uniform(number, FAKE_TARGET, 0.0, smoothing)
    return real, fake


def points_between(batches: Batches, number: Any, images: Any, fakes: Any) -> Any:
    """Draw a uniform point between each real and generated image: one number an image."""
    share = batches.uniform(number, BETWEEN)[:, None, None, None]
    return share * images + (1 - share) * fakes


def score_gradients(state: GanState, images: Any, labels: Any) -> Any:
    """Return the gradient of each image's score at the image, (n, h, w, c) float32."""
    with tf.GradientTape() as tape:
        tape.watch(images)
        total = tf.reduce_sum(state.score(images, labels))
    return tape.gradient(total, images)


def update_discriminator(state: GanState, gradients: Sequence[Any]) -> Any:
    """Update the discriminator, clip its weights if asked for, and return the gradients' norm."""
    variables = state.discriminator.trainable_variables
    gradients = all_reduce_mean(dense_gradients(gradients, variables))
    apply_gradients(state.discriminator_optimizer, gradients, variables)
    bound = state.settings.weight_clip
    if bound:
        update(
            lambda variable: variable.assign(tf.clip_by_value(variable, -bound, bound)), variables
        )
    return tf.linalg.global_norm(gradients)


def dense_gradients(gradients: Sequence[Any], variables: Sequence[Any]) -> list[Any]:
    """Return one tensor for each variable.

    The gradient of a table of which each image uses a row comes as `tf.IndexedSlices`, one slice an
    image. Keras would square each slice where Adam and RMSprop ask for the square of their sum, and
    so take steps of up to several times the rate.
    """
    return [
        tf.zeros_like(variable) if gradient is None else tf.convert_to_tensor(gradient)
        for gradient, variable in zip(gradients, variables, strict=True)
    ]
