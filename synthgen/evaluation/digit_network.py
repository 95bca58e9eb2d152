"""The network behind the feature metrics: a small digit classifier whose penultimate layer serves as feature space.

It is neither the screening classifier nor the judging one: other kernels, no normalisation, a
narrow dense layer, another seed.
"""

import math
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from keras import layers
from numpy.typing import NDArray
from tqdm import tqdm

from synthgen.datasets.digits import Digits, Images
from synthgen.evaluation.augment import AugmentSettings, augmentation
from synthgen.gan.checkpoint import Weights
from synthgen.gan.layers import single_precision
from synthgen.gan.weights import get_weights, set_weights

SIZE = 64  # features
CHANNELS = (24, 48, 48)
SEED = 77
BATCH = 128
RATE = 2e-3
EPOCHS = 8
# of the distortions: features of digits that it has seen should not differ from those of others
STRENGTH = 0.5
LEAST_STEPS = 600  # a small data set is repeated
STEPS_PER_CALL = 50
PREDICT_BATCH = 500  # fixed: another batch shape may round differently


def train_network(digits: Digits, seed: int = SEED) -> Weights:
    """Train a feature network on digits and nothing else.

    AdamW with a one-cycle rate, EPOCHS passes over the slightly distorted digits or LEAST_STEPS
    steps, whichever is more. Targets are not smoothed, so that a sure image is given a probability
    near 1.

    Args:
        digits: real training digits.
        seed: of initial weights, order and distortions.

    Returns:
        Its named weights, float32.
    """
    model = _build(digits.image_shape, digits.classes, seed)
    steps = max(LEAST_STEPS, EPOCHS * math.ceil(len(digits) / BATCH))
    rate = keras.optimizers.schedules.CosineDecay(
        RATE / 10, steps - steps // 5, warmup_target=RATE, warmup_steps=steps // 5
    )
    optimizer = keras.optimizers.AdamW(rate, weight_decay=2e-2, beta_2=0.99)
    optimizer.build(model.trainable_variables)
    distort = augmentation(AugmentSettings().scaled(STRENGTH), digits.image_shape, seed)
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)

    @tf.function(reduce_retracing=True)  # type: ignore[untyped-decorator]
    def fit(images: Any, labels: Any, rows: Any) -> None:
        for k in tf.range(tf.shape(rows)[0]):
            batch = distort(
                tf.cast(tf.gather(images, rows[k]), tf.float32),
                tf.cast(optimizer.iterations, tf.int64),
            )
            with tf.GradientTape() as tape:
                _, logits = model(batch, training=True)
                value = loss(tf.gather(labels, rows[k]), logits)
            optimizer.apply(
                tape.gradient(value, model.trainable_variables), model.trainable_variables
            )

    pixels, targets = tf.constant(digits.images), tf.constant(digits.labels, tf.int32)
    order = _order(len(digits), steps, seed)
    with tqdm(total=steps, unit="step", desc="feature network", disable=None, leave=False) as bar:
        for first in range(0, steps, STEPS_PER_CALL):
            rows = order[first : first + STEPS_PER_CALL]
            fit(pixels, targets, tf.constant(rows))
            bar.update(len(rows))
    return get_weights(model)


class DigitNetwork:
    """A trained feature network, called in batches of one fixed shape.

    Args:
        weights: what `train_network` gave.
        shape: (height, width, channels) of the images.
        classes: number of classes.

    Raises:
        CheckpointError: if the weights do not fit.
    """

    def __init__(self, weights: Weights, shape: tuple[int, int, int], classes: int) -> None:
        model = _build(shape, classes, SEED)
        set_weights(model, weights)

        @tf.function(input_signature=[tf.TensorSpec((PREDICT_BATCH, *shape), tf.uint8)])  # type: ignore[untyped-decorator]
        def run(images: Any) -> Any:
            features, logits = model(tf.cast(images, tf.float32), training=False)
            return features, tf.nn.softmax(logits)

        self._run, self._shape, self._classes = run, shape, classes

    def __call__(self, images: Images) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Features and probabilities: (n, height, width, channels) uint8 -> (n, SIZE) and (n, classes) float32."""
        features, probabilities = (
            np.empty((len(images), SIZE), np.float32),
            np.empty((len(images), self._classes), np.float32),
        )
        for start in range(0, len(images), PREDICT_BATCH):
            chunk = images[start : start + PREDICT_BATCH]
            padded = np.zeros((PREDICT_BATCH, *self._shape), np.uint8)
            padded[: len(chunk)] = chunk
            found = self._run(tf.constant(padded))
            rows = slice(start, start + len(chunk))
            features[rows], probabilities[rows] = (side.numpy()[: len(chunk)] for side in found)
        return features, probabilities


@single_precision()
def _build(shape: tuple[int, int, int], classes: int, seed: int) -> keras.Model:
    """Three convolutions with ELU, a dense layer of SIZE features, logits: (n, h, w, c) float32 0..255 -> (features, logits)."""
    image = keras.Input(shape, name="image")
    x = layers.Rescaling(1 / 127.5, -1.0, name="scale")(image)
    for k, (channels, kernel, strides) in enumerate(
        zip(CHANNELS, (5, 3, 3), (2, 2, 1), strict=True)
    ):
        start = keras.initializers.HeNormal(1000 * seed + k)
        x = layers.Conv2D(
            channels,
            kernel,
            strides,
            "same",
            activation="elu",
            kernel_initializer=start,
            name=f"conv{k}",
        )(x)
    x = layers.Flatten(name="flat")(layers.MaxPooling2D(2, padding="same", name="pool")(x))
    features = layers.Dense(
        SIZE,
        activation="elu",
        kernel_initializer=keras.initializers.HeNormal(1000 * seed + 8),
        name="features",
    )(x)
    logits = layers.Dense(
        classes, kernel_initializer=keras.initializers.GlorotUniform(1000 * seed + 9), name="logits"
    )(features)
    return keras.Model(image, [features, logits], name="digitnet")


def _order(count: int, steps: int, seed: int) -> NDArray[np.int32]:
    """Row numbers (steps, BATCH): reshuffled epochs one after the other."""
    random = np.random.Generator(np.random.Philox(key=seed))
    epochs = [random.permutation(count) for _ in range(math.ceil(steps * BATCH / count))]
    return np.concatenate(epochs)[: steps * BATCH].reshape(steps, BATCH).astype(np.int32)
