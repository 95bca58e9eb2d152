"""The judging classifier: a small convolutional network that every arm of a comparison trains afresh.

Most of its work is done at a quarter of the pixels or fewer: 2 x 2 pixels become channels, two
poolings halve the sides again, and a dense layer reads the last 4 x 4 map without pooling it, so
that it knows where a stroke lies.
"""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from synthgen.classifiers.settings import ClassifierSettings
from synthgen.datasets.digits import Images, Labels
from synthgen.errors import InputError
from synthgen.networks.backend import keras, layers, tf
from synthgen.networks.layers import SpaceToDepth, single_precision

Augment = Callable[[tf.Tensor, tf.Tensor], tf.Tensor]
Progress = Callable[[int], object]

STEPS_PER_CALL = 50  # training steps in one compiled call, and between two calls of `progress`
SHIFTS = ((0, 0), (0, 1), (0, -1), (1, 0), (-1, 0))  # pixels; predictions are averaged over them
PREDICT_BATCH = 500  # fixed: another batch shape may round differently


@dataclass(frozen=True)
class Classifier:
    """A trained network and its two compiled passes, each for PREDICT_BATCH images at a time.

    Args:
        network: images -> (features, logits).
        forward: (PREDICT_BATCH, height, width, channels) uint8 -> (features, probabilities),
            float32.
        classes: number of classes.
    """

    network: keras.Model
    forward: Callable[[Any], tuple[tf.Tensor, tf.Tensor]]
    classes: int


class FusedBatchNormalization(layers.Layer):  # type: ignore[misc]
    """Batch normalisation over (n, height, width, channels) as one kernel: keras 3 spreads it over a dozen.

    Paper: Ioffe and Szegedy 2015, https://arxiv.org/abs/1502.03167.

    Args:
        momentum: decay of the running mean and variance, 0..1; 0.9 suits trainings of about a
            thousand steps.
        epsilon: added to the variance.
    """

    def __init__(self, momentum: float = 0.9, epsilon: float = 1e-3, **names: Any) -> None:
        super().__init__(**names)
        self.momentum, self.epsilon = momentum, epsilon

    def build(self, shape: tuple[int | None, ...]) -> None:
        """Create scale, offset and the running statistics, (channels,) float32 each."""
        size = (shape[-1],)
        self.scale = self.add_weight(shape=size, initializer="ones", name="scale", dtype="float32")
        self.offset = self.add_weight(
            shape=size, initializer="zeros", name="offset", dtype="float32"
        )
        self.mean = self.add_weight(
            shape=size, initializer="zeros", name="mean", dtype="float32", trainable=False
        )
        self.variance = self.add_weight(
            shape=size, initializer="ones", name="variance", dtype="float32", trainable=False
        )

    def call(self, x: tf.Tensor, training: bool = False) -> tf.Tensor:
        """Normalise with the batch's own statistics in training, with the running ones otherwise."""
        affine = [tf.convert_to_tensor(weight, tf.float32) for weight in (self.scale, self.offset)]
        if not training:
            running = [
                tf.convert_to_tensor(weight, tf.float32) for weight in (self.mean, self.variance)
            ]
            return tf.compat.v1.nn.fused_batch_norm(
                x, *affine, *running, epsilon=self.epsilon, is_training=False
            )[0]
        y, mean, variance = tf.compat.v1.nn.fused_batch_norm(
            x, *affine, epsilon=self.epsilon, is_training=True
        )
        for running, batch in ((self.mean, mean), (self.variance, variance)):
            running.assign(running * self.momentum + batch * (1 - self.momentum))
        return y


def train_classifier(
    images: Images,
    labels: Labels,
    settings: ClassifierSettings,
    seed: int,
    classes: int = 10,
    progress: Progress | None = None,
    augment: Augment | None = None,
    weights: NDArray[np.float32] | None = None,
) -> Classifier:
    """Train the judging classifier for exactly `settings.steps` steps, however many images there are.

    The same arguments give the same weights on one machine; no global random generator is read or
    changed.

    Args:
        images: (n, height, width, 1 or 3) uint8, height and width divisible by 4, n >= 1.
        labels: (n,) uint8, each below `classes`.
        settings: the recipe.
        seed: 0 or more: decides initial weights, order of the images and dropout.
        classes: number of classes, 2 or more.
        progress: called with the number of steps just done.
        augment: (float32 0..255 images, int64 step) -> images of the same shape and type, a graph
            function; random ones use `tf.random.stateless_*` keyed with the step (see
            `augment.augmentation`).
        weights: (n,) float32, 0 or more, of each image in the loss, which is the mean over the
            batch of loss times weight; all 1 if not given.

    Returns:
        The trained classifier.

    Raises:
        InputError: if images, labels or weights cannot be trained on.

    Example:
        >>> model = train_classifier(images, labels, ClassifierSettings(), seed=0)
        >>> predict_probabilities(model, images).argmax(axis=1)
    """
    _check_images(images)
    _check_labels(labels, len(images), classes)
    _check_weights(weights, len(images))
    network = _network(images.shape[1:], classes, settings, seed)
    run_steps = _compile_steps(network, images.shape[1:], settings, classes, augment)
    pixels, targets = tf.constant(images), tf.one_hot(labels, classes)
    importance = tf.ones(len(images)) if weights is None else tf.constant(weights)
    for rows in _row_chunks(len(images), settings, seed):
        run_steps(pixels, targets, importance, tf.constant(rows))
        if progress:
            progress(len(rows))
    return Classifier(network, _compile_forward(network, images.shape[1:]), classes)


def predict_probabilities(model: Classifier, images: Images) -> NDArray[np.float32]:
    """Probability of each class: (n, height, width, channels) uint8 -> (n, classes) float32, rows summing to 1.

    The mean over the image and the image shifted by one pixel in each direction (SHIFTS): it costs
    seconds, and as much training time buys less.
    """
    return _forward(model, images)[1]


def embed(model: Classifier, images: Images) -> NDArray[np.float32]:
    """Penultimate features, before dropout: (n, height, width, channels) uint8 -> (n, d) float32, 0 or more each."""
    return _forward(model, images)[0]


@single_precision()
def _network(
    shape: tuple[int, ...], classes: int, settings: ClassifierSettings, seed: int
) -> keras.Model:
    seeds = iter(np.random.SeedSequence(seed).generate_state(6).tolist())
    pixels = keras.Input(shape)
    x = SpaceToDepth()(layers.Rescaling(1 / 255)(pixels))
    # sides: 14, 7, 7, 4 for 28 pixels
    for channels, pool in zip(settings.channels, (2, 1, 2, 1), strict=True):
        start = keras.initializers.GlorotUniform(seed=next(seeds))
        x = layers.Conv2D(channels, 3, padding="same", use_bias=False, kernel_initializer=start)(x)
        # first: a quarter to normalise
        x = layers.MaxPooling2D(pool, padding="same")(x) if pool > 1 else x
        x = layers.ReLU()(FusedBatchNormalization()(x))
    features = layers.Flatten()(x)
    kept = layers.Dropout(settings.dropout, seed=next(seeds))(features)
    logits = layers.Dense(
        classes, kernel_initializer=keras.initializers.GlorotUniform(seed=next(seeds))
    )(kept)
    return keras.Model(pixels, [features, logits])


def _optimizer(network: keras.Model, settings: ClassifierSettings) -> keras.optimizers.Optimizer:
    warmup = int(settings.steps * settings.warmup)
    start = settings.rate / 40 if warmup else settings.rate
    rate = keras.optimizers.schedules.CosineDecay(
        start,
        settings.steps - warmup,
        warmup_target=settings.rate if warmup else None,
        warmup_steps=warmup,
    )
    optimizer = keras.optimizers.AdamW(rate, weight_decay=settings.weight_decay, beta_2=0.99)
    optimizer.build(network.trainable_variables)
    return optimizer


def _compile_steps(
    network: keras.Model,
    shape: tuple[int, ...],
    settings: ClassifierSettings,
    classes: int,
    augment: Augment | None,
) -> Callable[[tf.Tensor, tf.Tensor, tf.Tensor, tf.Tensor], None]:
    """One compiled function of (images, one-hot labels, weights, rows) that trains on each row of (steps, batch) int32 image numbers in turn.

    The images are an argument because a captured tensor would live as long as the process.
    """
    optimizer = _optimizer(network, settings)
    loss = keras.losses.CategoricalCrossentropy(
        from_logits=True, label_smoothing=settings.label_smoothing
    )
    variables = network.trainable_variables
    kinds = (
        ((*shape,), tf.uint8),
        ((classes,), tf.float32),
        ((), tf.float32),
        ((settings.batch,), tf.int32),
    )
    signature = [tf.TensorSpec((None, *inner), kind) for inner, kind in kinds]

    @tf.function(input_signature=signature)  # type: ignore[untyped-decorator]
    def run_steps(
        pixels: tf.Tensor, targets: tf.Tensor, importance: tf.Tensor, rows: tf.Tensor
    ) -> None:
        for k in tf.range(tf.shape(rows)[0]):
            x = tf.cast(tf.gather(pixels, rows[k]), tf.float32)
            if augment:
                x = tf.ensure_shape(augment(x, tf.cast(optimizer.iterations, tf.int64)), x.shape)
            with tf.GradientTape() as tape:
                _, logits = network(x, training=True)
                value = loss(
                    tf.gather(targets, rows[k]),
                    logits,
                    sample_weight=tf.gather(importance, rows[k]),
                )
            optimizer.apply(tape.gradient(value, variables), variables)

    return run_steps  # type: ignore[no-any-return]


def _row_chunks(count: int, settings: ClassifierSettings, seed: int) -> Iterator[NDArray[np.int32]]:
    """Image numbers, (up to STEPS_PER_CALL, batch) int32: shuffled epochs one after the other, each running into the next."""
    random = np.random.Generator(np.random.Philox(key=seed))
    left = np.empty(0, np.int32)
    for first in range(0, settings.steps, STEPS_PER_CALL):
        steps = min(STEPS_PER_CALL, settings.steps - first)
        epochs = math.ceil(max(0, steps * settings.batch - len(left)) / count)
        left = np.concatenate(
            [left, *(random.permutation(count).astype(np.int32) for _ in range(epochs))]
        )
        used, left = np.split(left, [steps * settings.batch])
        yield used.reshape(steps, settings.batch)


def _compile_forward(
    network: keras.Model, shape: tuple[int, ...]
) -> Callable[[Any], tuple[tf.Tensor, tf.Tensor]]:
    @tf.function(input_signature=[tf.TensorSpec((PREDICT_BATCH, *shape), tf.uint8)])  # type: ignore[untyped-decorator]
    def forward(images: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        views = [
            network(_shifted(tf.cast(images, tf.float32), *shift), training=False)
            for shift in SHIFTS
        ]
        return views[0][0], tf.add_n([tf.nn.softmax(logits) for _, logits in views]) / len(SHIFTS)

    return forward  # type: ignore[no-any-return]


def _shifted(images: tf.Tensor, down: int, right: int) -> tf.Tensor:
    """(n, h, w, c) moved by at most one pixel, black coming in."""
    height, width = images.shape[1], images.shape[2]
    padded = tf.pad(images, [[0, 0], [1, 1], [1, 1], [0, 0]])
    return padded[:, 1 - down : 1 - down + height, 1 - right : 1 - right + width]


def _forward(model: Classifier, images: Images) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Features (n, d) and probabilities (n, classes), the last batch padded with black images."""
    expected = tuple(model.network.input_shape[1:])
    if images.dtype != np.uint8 or images.shape[1:] != expected:
        raise InputError(
            f"Expected uint8 images of shape (n, {', '.join(map(str, expected))}), received {images.dtype} of shape {images.shape}."
        )
    outputs = [
        np.empty((len(images), side.shape[-1]), np.float32) for side in model.network.outputs
    ]
    for first in range(0, len(images), PREDICT_BATCH):
        batch = images[first : first + PREDICT_BATCH]
        padded = np.concatenate(
            [batch, np.zeros((PREDICT_BATCH - len(batch), *expected), np.uint8)]
        )
        for output, values in zip(outputs, model.forward(tf.constant(padded)), strict=True):
            output[first : first + len(batch)] = values.numpy()[: len(batch)]
    return outputs[0], outputs[1]


def _check_images(images: Images) -> None:
    ok = images.ndim == 4 and images.dtype == np.uint8 and len(images) > 0
    if not ok or images.shape[1] % 4 or images.shape[2] % 4 or images.shape[3] not in (1, 3):
        raise InputError(
            "Expected at least one uint8 image of shape (height, width, 1 or 3), height and width divisible by 4, "
            f"received {images.dtype} of shape {images.shape}. Pad or resize the images."
        )


def _check_labels(labels: Labels, count: int, classes: int) -> None:
    if (
        labels.dtype != np.uint8
        or labels.shape != (count,)
        or classes < 2
        or int(labels.max()) >= classes
    ):
        received = f"{labels.dtype} of shape {labels.shape}, highest {labels.max() if labels.size else 'none'}"
        raise InputError(
            f"Expected uint8 labels of shape ({count},), each from 0 to {classes - 1}, received {received}. Correct them or `classes`."
        )


def _check_weights(weights: NDArray[np.float32] | None, count: int) -> None:
    if weights is not None and (
        weights.shape != (count,)
        or weights.dtype != np.float32
        or not np.isfinite(weights).all()
        or weights.min() < 0
    ):
        raise InputError(
            f"Expected {count} float32 weights, each finite and 0 or more, received {weights.dtype} of shape {weights.shape}."
        )
