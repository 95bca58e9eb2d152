"""The one training loop of all classifiers: shuffled epochs in compiled chunks of gradient steps.

What differs between the screening classifier, the judge and the feature network are the network,
the `FitSettings` and how images are augmented.
"""

import math
from collections.abc import Callable, Iterator

import numpy as np
from numpy.typing import NDArray

from synthgen.classifiers.distortions import Augment
from synthgen.classifiers.settings import FitSettings, Progress
from synthgen.datasets.digits import Digits
from synthgen.errors import InputError
from synthgen.networks.backend import keras, keras_defaults, tf

STEPS_PER_CALL = 50  # gradient steps in one compiled call, and between two calls of `progress`


def fit(
    network: keras.Model,
    digits: Digits,
    settings: FitSettings,
    seed: int,
    augment: Augment | None = None,
    weights: NDArray[np.float32] | None = None,
    progress: Progress | None = None,
) -> None:
    """Train a network for exactly `settings.steps` gradient steps, however many digits there are.

    The same arguments give the same weights on one machine; no global random generator is read or
    changed.

    Args:
        network: one of `classifiers.networks`; its weights are changed.
        digits: one or more, of the network's image shape and classes.
        settings: optimizer, learning rate, batch and steps.
        seed: 0 or more: decides the order of the images.
        augment: changes the images of each batch, see `classifiers.distortions`; None: they are
            shown as they are.
        weights: (n,) float32, 0 or more: of each image in the loss, which is the mean over the
            batch of cross-entropy times weight; None: 1 each.
        progress: called with the number of steps just done.

    Raises:
        InputError: if digits or weights cannot be trained on.

    Example:
        >>> network = build_judge(digits.image_shape, digits.classes, seed=0)
        >>> fit(network, digits, FitSettings(steps=1000), seed=0)
        >>> Classifier(network).probabilities(digits.images).argmax(axis=1)
    """
    Trainer(network, settings, seed, augment).fit(digits, weights, progress)


class Trainer:
    """The compiled training of one network; repeated, it begins with the same weights each time.

    Args:
        network: see `fit`; what its weights are now, each training begins with.
        settings: see `fit`.
        seed: see `fit`.
        augment: see `fit`.
    """

    def __init__(
        self,
        network: keras.Model,
        settings: FitSettings,
        seed: int,
        augment: Augment | None = None,
    ) -> None:
        self.network = network
        self._settings = settings
        self._seed = seed
        optimizer = make_optimizer(network, settings)
        # weights, states of dropout, moments of the gradients, number of steps
        self._variables = [*network.variables, *optimizer.variables]
        self._initial = [variable.numpy().copy() for variable in self._variables]
        self._run_steps = _compile_steps(network, optimizer, settings, augment)

    @keras_defaults()
    def fit(
        self,
        digits: Digits,
        weights: NDArray[np.float32] | None = None,
        progress: Progress | None = None,
    ) -> None:
        """Train the network, see `fit`.

        Raises:
            InputError: if digits or weights cannot be trained on.
        """
        shape = tuple(self.network.input_shape[1:])
        classes = self.network.outputs[1].shape[-1]
        if not len(digits) or digits.image_shape != shape or digits.classes != classes:
            height, width, channels = shape
            raise InputError(
                f"Expected at least one image of {height} x {width} x {channels} in {classes} "
                f"classes to train the {self.network.name} on, received {digits!r}. "
                "Build the network for the shape and the classes of these digits."
            )
        if weights is not None:
            received = ""
            if weights.shape != (len(digits),) or weights.dtype != np.float32:
                received = f"{weights.dtype} of shape {weights.shape}"
            elif not np.isfinite(weights).all():
                received = "some that are not finite"
            elif weights.min() < 0:
                received = f"some down to {weights.min():g}"
            if received:
                raise InputError(
                    f"Expected {len(digits)} float32 weights, one for each image, each finite and "
                    f"0 or more, received {received}."
                )

        # the same weights and the same state of the optimizer each time
        for variable, value in zip(self._variables, self._initial, strict=True):
            variable.assign(value)

        images = tf.constant(digits.images)
        targets = tf.one_hot(digits.labels, digits.classes)
        importance = tf.ones(len(digits)) if weights is None else tf.constant(weights)
        for rows in shuffled_rows(len(digits), self._settings, self._seed):
            self._run_steps(images, targets, importance, tf.constant(rows))
            if progress:
                progress(len(rows))


@keras_defaults()
def make_optimizer(network: keras.Model, settings: FitSettings) -> keras.optimizers.Optimizer:
    """Make AdamW with a learning rate in one cycle, ready for the weights of a network."""
    warmup = int(settings.steps * settings.warmup)
    rate = keras.optimizers.schedules.CosineDecay(
        settings.rate / settings.start_divisor if warmup else settings.rate,
        settings.steps - warmup,
        warmup_target=settings.rate if warmup else None,
        warmup_steps=warmup,
    )
    optimizer = keras.optimizers.AdamW(
        rate, weight_decay=settings.weight_decay, beta_2=settings.beta_2
    )
    optimizer.build(network.trainable_variables)
    return optimizer


def shuffled_rows(count: int, settings: FitSettings, seed: int) -> Iterator[NDArray[np.int32]]:
    """Yield the image numbers of all batches: shuffled epochs, each running into the next.

    Args:
        count: number of images, 1 or more.
        settings: steps and batch.
        seed: of the order.

    Yields:
        (up to STEPS_PER_CALL, batch) int32, `settings.steps` rows in all.
    """
    random = np.random.Generator(np.random.Philox(key=seed))
    left = np.empty(0, np.int32)
    for first in range(0, settings.steps, STEPS_PER_CALL):
        steps = min(STEPS_PER_CALL, settings.steps - first)
        epochs = math.ceil(max(0, steps * settings.batch - len(left)) / count)
        shuffled = [random.permutation(count).astype(np.int32) for _ in range(epochs)]
        used, left = np.split(np.concatenate([left, *shuffled]), [steps * settings.batch])
        yield used.reshape(steps, settings.batch)


@keras_defaults()
def _compile_steps(
    network: keras.Model,
    optimizer: keras.optimizers.Optimizer,
    settings: FitSettings,
    augment: Augment | None,
) -> Callable[..., None]:
    """Compile the gradient steps: one for each row of image numbers.

    The images are an argument because a captured tensor would live as long as the process.
    """
    loss = keras.losses.CategoricalCrossentropy(
        from_logits=True, label_smoothing=settings.label_smoothing
    )
    signature = [
        tf.TensorSpec((None, *network.input_shape[1:]), tf.uint8),
        tf.TensorSpec((None, network.outputs[1].shape[-1]), tf.float32),
        tf.TensorSpec((None,), tf.float32),
        tf.TensorSpec((None, settings.batch), tf.int32),
    ]

    @tf.function(input_signature=signature)  # type: ignore[untyped-decorator]
    def run_steps(
        images: tf.Tensor, targets: tf.Tensor, importance: tf.Tensor, rows: tf.Tensor
    ) -> None:
        variables = network.trainable_variables
        for k in tf.range(tf.shape(rows)[0]):
            batch = tf.cast(tf.gather(images, rows[k]), tf.float32)
            if augment:
                batch = augment(batch, tf.cast(optimizer.iterations, tf.int64))
            with tf.GradientTape() as tape:
                _, logits = network(batch, training=True)
                value = loss(
                    tf.gather(targets, rows[k]),
                    logits,
                    sample_weight=tf.gather(importance, rows[k]),
                )
            optimizer.apply(tape.gradient(value, variables), variables)

    return run_steps  # type: ignore[no-any-return]
