"""The feature network that fidelity is measured with: the shipped one for MNIST, else one trained on the user's real digits.

A feature network must never have seen digits that the user does not have: the shipped one is taken
only where the real training digits are those that it was trained on. Another one is trained once
and kept in the user's cache folder.
"""

import hashlib
import importlib.resources
import json
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import safetensors
import safetensors.numpy
from numpy.typing import NDArray
from tqdm import tqdm

from synthgen.classifiers.distort import augmentation
from synthgen.classifiers.settings import DistortionSettings
from synthgen.datasets.digits import Digits, Images
from synthgen.datasets.splits import RealDigits
from synthgen.errors import DataError, StorageError
from synthgen.networks.backend import keras, layers, tf
from synthgen.networks.layers import single_precision
from synthgen.networks.weights import get_weights, set_weights
from synthgen.records import fingerprint, versions
from synthgen.storage import Storage, cache_folder, open_storage
from synthgen.weights import Weights, pack_weights

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


NAME = "digitnet"
# Raised by hand when the training or the features change: networks kept in the cache are then trained anew.
REVISION = 1
FORMAT = "synthgen-features/1"
# training digits, drawn at random, over which the mean square of the features is made 1: the kernel
# distance depends on it
SCALED = 10_000
RECORD, WEIGHTS = "digitnet.json", "digitnet.safetensors"


class Embedding(NamedTuple):
    """What a feature network makes of images.

    Args:
        features: (n, d) float32, with a mean square of 1 over the training digits.
        probabilities: (n, classes) float32, rows summing to 1.
    """

    features: NDArray[np.float32]
    probabilities: NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class FeatureNetwork:
    """A trained feature network.

    Args:
        name: "digitnet", or "digitnet-1a2b3c4d" with the beginning of the hash of the digits that
            it was trained on.
        record: sha256 of the weights, size of the features, validation accuracy, what it was
            trained on.
        embed: (n, h, w, c) uint8 -> Embedding. This may load TensorFlow.
    """

    name: str
    record: Mapping[str, Any]
    embed: Callable[[Images], Embedding]


Network = Callable[[RealDigits], FeatureNetwork]


def feature_network(real: RealDigits) -> FeatureNetwork:
    """The feature network that may be used by someone who has these real digits.

    Args:
        real: real digits; the network is, or has been, trained on their training part. The
            validation part gives the accuracy in the record.

    Raises:
        StorageError: if a new network cannot be kept in the cache.
    """
    sha256 = real.train.sha256()
    shipped = read_network(shipped_storage())
    if shipped and shipped[0]["training_data"]["sha256"] == sha256:
        return _network(NAME, *shipped, real.train)
    storage = open_storage(f"{cache_folder()}/features/{fingerprint([sha256, REVISION])[:12]}")
    return _network(
        f"{NAME}-{sha256[:8]}",
        *(read_network(storage) or write_network(storage, real, {})),
        real.train,
    )


def shipped_storage() -> Storage:
    """Where the network that comes with the package lies."""
    return open_storage(str(importlib.resources.files("synthgen.classifiers") / "shipped"))


def shipped_identity() -> str:
    """SHA-256 of the record of the shipped network, which names its weights: known without loading TensorFlow."""
    return hashlib.sha256(shipped_storage().read_bytes(RECORD)).hexdigest()


def write_network(
    storage: Storage, real: RealDigits, about: Mapping[str, Any]
) -> tuple[dict[str, Any], Weights]:
    """Train a feature network and write its weights and, last, its record. This loads TensorFlow.

    Args:
        storage: the folder.
        real: real digits: it learns from the training part, and its accuracy is measured on the
            validation part.
        about: more for the record.

    Returns:
        The record and the weights.

    Raises:
        StorageError: if the folder cannot be written to.
    """
    weights = train_network(real.train)
    net, packed = (
        DigitNetwork(weights, real.train.image_shape, real.train.classes),
        pack_weights(weights),
    )
    storage.write_bytes(WEIGHTS, packed)
    record: dict[str, Any] = {
        "format": FORMAT,
        "sha256": hashlib.sha256(packed).hexdigest(),
        "size": SIZE,
        "seed": SEED,
        "scale": 1 / float(np.sqrt(np.mean(net(_some(real.train))[0] ** 2))),
        "validation_accuracy": None,
        "training_data": {
            "source": real.source,
            "sha256": real.train.sha256(),
            "images": len(real.train),
        },
        "versions": versions(),
    } | dict(about)
    if len(real.validation):
        seen = net(real.validation.images)[1].argmax(axis=1)
        record["validation_accuracy"] = round(float((seen == real.validation.labels).mean()), 6)
    storage.write_bytes(RECORD, (json.dumps(record, indent=2) + "\n").encode())
    return record, weights


def _some(digits: Digits) -> Images:
    # digits may lie sorted by class
    order = np.random.Generator(np.random.Philox(key=SCALED)).permutation(len(digits))
    return digits.images[np.sort(order[:SCALED])]


def read_network(storage: Storage) -> tuple[dict[str, Any], Weights] | None:
    """Record and weights of a written network; None where there is none or it is damaged."""
    try:
        record = json.loads(storage.read_bytes(RECORD))
        content = storage.read_bytes(WEIGHTS)
        whole = (
            record["format"] == FORMAT
            and record["sha256"] == hashlib.sha256(content).hexdigest()
            and {"scale", "training_data"} <= record.keys()
        )
        return (record, dict(safetensors.numpy.load(content))) if whole else None
    except (StorageError, ValueError, TypeError, KeyError, safetensors.SafetensorError):
        return None


def _network(name: str, record: dict[str, Any], weights: Weights, train: Digits) -> FeatureNetwork:
    loaded: list[Callable[[Images], tuple[Any, Any]]] = []

    def embed(images: Images) -> Embedding:

        if images.dtype != np.uint8 or images.shape[1:] != train.image_shape:
            shape = ", ".join(map(str, train.image_shape))
            raise DataError(
                f"Expected uint8 images of shape (n, {shape}), received {images.dtype} of shape {images.shape}."
            )
        if not loaded:
            loaded.append(DigitNetwork(weights, train.image_shape, train.classes))
        features, probabilities = loaded[0](images)
        return Embedding(features * np.float32(record["scale"]), probabilities)

    return FeatureNetwork(name, record, embed)


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
    distort = augmentation(DistortionSettings().scaled(STRENGTH), digits.image_shape, seed)
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
