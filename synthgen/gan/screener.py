"""The screening classifier: small, trained on the images that the GAN sees and on no others, stored beside the generator.

It watches training (how often do samples show the digit they should?) and screens what a build generates. The
classifiers that judge a set in the evaluation have another architecture and other seeds.
"""

import math
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from keras import layers
from numpy.typing import NDArray

from synthgen.datasets.digits import Digits, Images
from synthgen.gan.checkpoint import Weights
from synthgen.gan.layers import SpaceToDepth
from synthgen.gan.networks import ImageShape, check_image_shape
from synthgen.gan.weights import get_weights, set_weights

CHANNELS = (16, 32, 64)
BATCH = 128
RATE = 4e-3
EPOCHS = 4
LEAST_STEPS = 400  # a small data set is repeated
SMOOTHING = 0.1
SHIFT = 14  # images are shifted by up to a 14th of their height


def build_screener(shape: ImageShape, classes: int, seed: int = 0) -> keras.Model:
    """The network: space to depth, three convolutions with BatchNorm and ReLU, global average, logits.

    Args:
        shape: (height, width, channels).
        classes: number of classes.
        seed: of the initial weights.

    Returns:
        A model (n, height, width, channels) float32 in -1..1 -> (n, classes) float32 logits.
    """
    check_image_shape(shape)
    image = keras.Input(shape, name="image")
    x = SpaceToDepth(name="pixels")(image)
    for k, (channels, strides) in enumerate(zip(CHANNELS, (1, 2, 1), strict=True)):
        kernel = keras.initializers.HeNormal(1000 * seed + k)
        x = layers.Conv2D(channels, 3, strides=strides, padding="same", use_bias=False, kernel_initializer=kernel, name=f"conv{k}")(x)
        x = layers.ReLU(name=f"conv{k}_relu")(layers.BatchNormalization(momentum=0.9, name=f"conv{k}_norm")(x))
    x = layers.Flatten(name="flat")(layers.MaxPooling2D(2, name="pool")(x))
    logits = layers.Dense(classes, kernel_initializer=keras.initializers.GlorotUniform(1000 * seed + 99), name="logits")(x)
    return keras.Model(image, logits, name="screener")


def train_screener(digits: Digits, seed: int) -> Weights:
    """Train the screening classifier.

    AdamW with a one-cycle rate and label smoothing, EPOCHS passes over the digits or LEAST_STEPS steps, whichever is
    more; images are shifted by up to a 14th of the height so that a small set does not end in memorising.

    Args:
        digits: the training digits of the GAN.
        seed: of initial weights, order and shifts.

    Returns:
        Its named weights.
    """
    model = build_screener(digits.image_shape, digits.classes, seed)
    steps = max(LEAST_STEPS, EPOCHS * math.ceil(len(digits) / BATCH))
    rate = keras.optimizers.schedules.CosineDecay(RATE / 10, steps - steps // 5, warmup_target=RATE, warmup_steps=steps // 5)
    optimizer = keras.optimizers.AdamW(rate, weight_decay=1e-2)
    optimizer.build(model.trainable_variables)
    loss = keras.losses.CategoricalCrossentropy(from_logits=True, label_smoothing=SMOOTHING)
    images, labels = tf.constant(digits.images), tf.one_hot(digits.labels, digits.classes)

    @tf.function  # type: ignore[untyped-decorator]
    def fit(rows: Any) -> None:
        for k in tf.range(tf.shape(rows)[0]):
            batch = _shifted(tf.gather(images, rows[k]), seed, k)
            with tf.GradientTape() as tape:
                value = loss(tf.gather(labels, rows[k]), model(batch, training=True))
            optimizer.apply(tape.gradient(value, model.trainable_variables), model.trainable_variables)

    fit(tf.constant(_order(len(digits), steps, seed)))
    return get_weights(model)


def _order(count: int, steps: int, seed: int) -> NDArray[np.int32]:
    """Row numbers (steps, BATCH): reshuffled epochs one after the other."""
    rng = np.random.Generator(np.random.Philox(key=seed))
    epochs = [rng.permutation(count) for _ in range(math.ceil(steps * BATCH / count))]
    return np.concatenate(epochs)[: steps * BATCH].reshape(steps, BATCH).astype(np.int32)


def _shifted(images: Any, seed: int, step: Any) -> Any:
    """(n, h, w, c) uint8 -> float32 in -1..1, the whole batch shifted by up to a 14th of the side in each direction."""
    height, width = images.shape[1], images.shape[2]
    reach = height // SHIFT  # 2 pixels of 28
    top, left = tf.unstack(tf.random.stateless_uniform((2,), tf.stack([seed, step]), 0, 2 * reach + 1, tf.int32, alg="philox"))
    padded = tf.pad(images, [[0, 0], [reach, reach], [reach, reach], [0, 0]])
    return tf.cast(padded[:, top : top + height, left : left + width], tf.float32) / 127.5 - 1.0


class Screener:
    """A trained screening classifier, called in batches of one fixed shape.

    Args:
        weights: what `train_screener` gave.
        image_shape: (height, width, channels).
        classes: number of classes.
        batch: rows per pass.

    Raises:
        CheckpointError: if the weights do not fit.
    """

    def __init__(self, weights: Weights, image_shape: ImageShape, classes: int, batch: int = 500) -> None:
        model = build_screener(image_shape, classes)
        set_weights(model, weights)
        self._classes, self._batch = classes, batch
        self._signature = tf.TensorSpec((batch, *image_shape), tf.uint8)
        self._run = tf.function(
            lambda x: tf.nn.softmax(model(tf.cast(x, tf.float32) / 127.5 - 1.0, training=False)), input_signature=[self._signature]
        )

    def probabilities(self, images: Images) -> NDArray[np.float32]:
        """(n, height, width, channels) uint8 -> (n, classes) float32, rows summing to 1."""
        result = np.empty((len(images), self._classes), np.float32)
        for start in range(0, len(images), self._batch):
            chunk = images[start : start + self._batch]
            padded = np.zeros(self._signature.shape, np.uint8)
            padded[: len(chunk)] = chunk
            result[start : start + len(chunk)] = self._run(padded).numpy()[: len(chunk)]
        return result
