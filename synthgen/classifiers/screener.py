"""The screening classifier: small, trained on the images that the GAN sees and on no others, stored beside the generator.

It watches training (how often do samples show the digit they should?) and screens what a build
generates. The classifiers that judge a set in the evaluation have another architecture and other
seeds.
"""

import math
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from synthgen.datasets.digits import Digits, Images
from synthgen.networks.backend import keras, layers, tf
from synthgen.networks.layers import SpaceToDepth, single_precision
from synthgen.networks.scaling import to_float
from synthgen.networks.shapes import ImageShape, check_image_shape
from synthgen.networks.weights import get_weights, set_weights
from synthgen.weights import Weights

CHANNELS = (16, 32, 64)
BATCH = 128
RATE = 4e-3
EPOCHS = 4
LEAST_STEPS = 400  # a small data set is repeated
SMOOTHING = 0.1
STEPS_PER_CALL = 50  # training steps in one compiled call
SHIFT = 14  # images are shifted by up to a 14th of their height


@single_precision()
def build_screener(shape: ImageShape, classes: int, seed: int = 0) -> keras.Model:
    """The network: space to depth, three convolutions with BatchNorm and ReLU, 2 x 2 maximum, flat, logits.

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
        x = layers.Conv2D(
            channels,
            3,
            strides=strides,
            padding="same",
            use_bias=False,
            kernel_initializer=kernel,
            name=f"conv{k}",
        )(x)
        x = layers.ReLU(name=f"conv{k}_relu")(
            layers.BatchNormalization(momentum=0.9, name=f"conv{k}_norm")(x)
        )
    x = layers.Flatten(name="flat")(layers.MaxPooling2D(2, name="pool")(x))
    logits = layers.Dense(
        classes,
        kernel_initializer=keras.initializers.GlorotUniform(1000 * seed + 99),
        name="logits",
    )(x)
    return keras.Model(image, logits, name="screener")


class ScreenerTraining:
    """The compiled training of a screening classifier; it can be run again and again, each time from the same weights.

    AdamW with a one-cycle rate and label smoothing; images are shifted by up to a 14th of the
    height so that a small set does not end in memorising.

    Args:
        shape: (height, width, channels).
        classes: number of classes.
        steps: gradient steps of BATCH images.
        seed: of initial weights, order and shifts.
    """

    def __init__(self, shape: ImageShape, classes: int, steps: int, seed: int) -> None:
        self._model = build_screener(shape, classes, seed)
        self.initial = get_weights(self._model)
        rate = keras.optimizers.schedules.CosineDecay(
            RATE / 10, steps - steps // 5, warmup_target=RATE, warmup_steps=steps // 5
        )
        self._optimizer = keras.optimizers.AdamW(rate, weight_decay=1e-2)
        self._optimizer.build(self._model.trainable_variables)
        self._steps, self._seed = steps, seed
        self._fit = self._compiled(shape, classes)

    def run(self, digits: Digits, progress: Callable[[int], Any] | None = None) -> Weights:
        """Train on these digits, which are repeated if they are few.

        Args:
            digits: at least one, of the shape and classes that it was made for.
            progress: called with the number of steps just done.

        Returns:
            The classifier's named weights.
        """
        set_weights(self._model, self.initial)
        for variable in self._optimizer.variables:
            variable.assign(tf.zeros_like(variable))  # its moments and its count of steps
        images, labels = tf.constant(digits.images), tf.one_hot(digits.labels, digits.classes)
        rows = _order(len(digits), self._steps, self._seed)
        for first in range(0, self._steps, STEPS_PER_CALL):
            part = rows[first : first + STEPS_PER_CALL]
            self._fit(images, labels, tf.constant(part), tf.constant(first))
            if progress:
                progress(len(part))
        return get_weights(self._model)

    def _compiled(self, shape: ImageShape, classes: int) -> Any:
        """The images are arguments because a captured tensor would live as long as the process."""
        model, optimizer, seed = self._model, self._optimizer, self._seed
        loss = keras.losses.CategoricalCrossentropy(from_logits=True, label_smoothing=SMOOTHING)
        data = [tf.TensorSpec((None, *shape), tf.uint8), tf.TensorSpec((None, classes), tf.float32)]
        signature = [*data, tf.TensorSpec((None, BATCH), tf.int32), tf.TensorSpec((), tf.int32)]

        @tf.function(input_signature=signature)  # type: ignore[untyped-decorator]
        def fit(images: Any, labels: Any, rows: Any, first: Any) -> None:
            for k in tf.range(tf.shape(rows)[0]):
                batch = _shifted(tf.gather(images, rows[k]), seed, first + k)
                with tf.GradientTape() as tape:
                    value = loss(tf.gather(labels, rows[k]), model(batch, training=True))
                optimizer.apply(
                    tape.gradient(value, model.trainable_variables), model.trainable_variables
                )

        return fit


def train_screener(digits: Digits, seed: int) -> Weights:
    """Train the screening classifier: EPOCHS passes over the digits or LEAST_STEPS steps, whichever is more.

    Args:
        digits: the training digits of the GAN.
        seed: of initial weights, order and shifts.

    Returns:
        Its named weights.
    """
    steps = max(LEAST_STEPS, EPOCHS * math.ceil(len(digits) / BATCH))
    training = ScreenerTraining(digits.image_shape, digits.classes, steps, seed)
    with tqdm(
        total=steps, unit="step", desc="screening classifier", disable=None, leave=False
    ) as bar:
        return training.run(digits, bar.update)


def _order(count: int, steps: int, seed: int) -> NDArray[np.int32]:
    """Row numbers (steps, BATCH): reshuffled epochs one after the other."""
    rng = np.random.Generator(np.random.Philox(key=seed))
    epochs = [rng.permutation(count) for _ in range(math.ceil(steps * BATCH / count))]
    return np.concatenate(epochs)[: steps * BATCH].reshape(steps, BATCH).astype(np.int32)


def _shifted(images: Any, seed: int, step: Any) -> Any:
    """(n, h, w, c) uint8 -> float32 in -1..1, the whole batch shifted by up to a 14th of the side in each direction."""
    height, width = images.shape[1], images.shape[2]
    reach = height // SHIFT  # 2 pixels of 28
    top, left = tf.unstack(
        tf.random.stateless_uniform(
            (2,), tf.stack([seed, step]), 0, 2 * reach + 1, tf.int32, alg="philox"
        )
    )
    padded = tf.pad(images, [[0, 0], [reach, reach], [reach, reach], [0, 0]])
    return to_float(padded[:, top : top + height, left : left + width])


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

    def __init__(
        self, weights: Weights, image_shape: ImageShape, classes: int, batch: int = 500
    ) -> None:
        self._model = build_screener(image_shape, classes)
        self.load(weights)
        self._batch, self._shape = batch, image_shape
        signature = [tf.TensorSpec((batch, *image_shape), tf.uint8)]
        body = keras.Model(self._model.input, self._model.get_layer("flat").output)
        self._probabilities = tf.function(
            lambda x: tf.nn.softmax(self._model(to_float(x), training=False)),
            input_signature=signature,
        )
        self._features = tf.function(
            lambda x: body(to_float(x), training=False), input_signature=signature
        )

    def load(self, weights: Weights) -> None:
        """Take over other weights of the same network.

        Raises:
            CheckpointError: if they do not fit.
        """
        set_weights(self._model, weights)

    def probabilities(self, images: Images) -> NDArray[np.float32]:
        """(n, height, width, channels) uint8 -> (n, classes) float32, rows summing to 1."""
        return self._in_batches(self._probabilities, images)

    def features(self, images: Images) -> NDArray[np.float32]:
        """The last layer's inputs: (n, height, width, channels) uint8 -> (n, d) float32, 0 or more each."""
        return self._in_batches(self._features, images)

    def _in_batches(self, run: Any, images: Images) -> NDArray[np.float32]:
        parts = []
        for start in range(0, max(1, len(images)), self._batch):
            chunk = images[start : start + self._batch]
            padded = np.zeros((self._batch, *self._shape), np.uint8)
            padded[: len(chunk)] = chunk
            parts.append(run(padded).numpy()[: len(chunk)])
        return np.concatenate(parts)
