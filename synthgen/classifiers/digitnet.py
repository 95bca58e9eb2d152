"""The feature network that fidelity is measured with.

A feature network must never have seen digits that the user does not have: the shipped one is taken
only where the real training digits are those that it was trained on, MNIST's. For other digits a
network is trained on them once and kept in the user's cache folder. TensorFlow is loaded when a
network is trained or run, not before.
"""

import dataclasses
import functools
import hashlib
import importlib.resources
import json
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from synthgen.classifiers.settings import DistortionSettings, FitSettings
from synthgen.datasets.digits import Digits, Images
from synthgen.datasets.splits import RealDigits
from synthgen.errors import CheckpointError, StorageError
from synthgen.records import fingerprint, versions
from synthgen.storage import Storage, cache_folder, open_storage
from synthgen.weights import Weights, pack_weights, unpack_weights

DIGITNET_NAME = "digitnet"
# Raised by hand when the training or the features change: networks kept in the cache are then
# trained anew.
DIGITNET_REVISION = 1
DIGITNET_FORMAT = "synthgen-features/1"
DIGITNET_RECORD = "digitnet.json"
DIGITNET_WEIGHTS = "digitnet.safetensors"

DIGITNET_SEED = 77
# targets are not smoothed, so that a sure image is given a probability near 1
DIGITNET_SETTINGS = FitSettings(
    batch=128, rate=2e-3, start_divisor=10, weight_decay=2e-2, label_smoothing=0.0
)
DIGITNET_EPOCHS = 8
DIGITNET_LEAST_STEPS = 600  # a small data set is repeated
# of the distortions: features of digits that it has seen should not differ from those of others
DIGITNET_STRENGTH = 0.5
# training digits, drawn at random, over which the mean square of the features is made 1: the kernel
# distance depends on it
SCALE_IMAGES = 10_000


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


def train_digitnet(
    digits: Digits, seed: int = DIGITNET_SEED, settings: FitSettings | None = None
) -> Weights:
    """Train a feature network on digits and nothing else. This loads TensorFlow.

    Args:
        digits: real training digits, one or more; they are slightly distorted.
        seed: 0 or more: of the initial weights, the order of the images and the distortions.
        settings: of the training; None: DIGITNET_SETTINGS for DIGITNET_EPOCHS passes over the
            digits or DIGITNET_LEAST_STEPS steps, whichever is more.

    Returns:
        Its weights by name, float32.
    """
    from synthgen.classifiers.distortions import distortion
    from synthgen.classifiers.fit import fit
    from synthgen.classifiers.networks import build_digitnet
    from synthgen.networks.layers import get_weights

    if settings is None:
        steps = max(
            DIGITNET_LEAST_STEPS, DIGITNET_EPOCHS * math.ceil(len(digits) / DIGITNET_SETTINGS.batch)
        )
        settings = dataclasses.replace(DIGITNET_SETTINGS, steps=steps)
    network = build_digitnet(digits.image_shape, digits.classes, seed)
    augment = distortion(DistortionSettings().scaled(DIGITNET_STRENGTH), digits.image_shape, seed)
    with tqdm(
        total=settings.steps, unit="step", desc="feature network", disable=None, leave=False
    ) as bar:
        fit(network, digits, settings, seed, augment, progress=bar.update)
    return get_weights(network)


def load_digitnet(weights: Weights, image_shape: tuple[int, int, int], classes: int) -> Any:
    """Make a trained feature network of its weights. This loads TensorFlow.

    Args:
        weights: what `train_digitnet` gave.
        image_shape: (height, width, channels).
        classes: number of classes.

    Returns:
        A `Classifier`, whose features are as the network gives them.

    Raises:
        CheckpointError: if the weights do not fit the shape or the classes.
    """
    from synthgen.classifiers.networks import build_digitnet
    from synthgen.classifiers.predict import Classifier
    from synthgen.networks.layers import set_weights

    network = build_digitnet(image_shape, classes, DIGITNET_SEED)
    set_weights(network, weights)
    return Classifier(network)


def feature_network(
    real: RealDigits, train: Callable[[Digits], Weights] = train_digitnet
) -> FeatureNetwork:
    """Find the feature network that may be used by someone who has these real digits, or train it.

    Args:
        real: real digits; the network is, or has been, trained on their training part. The
            validation part gives the accuracy in the record.
        train: training digits -> the weights of a network.

    Raises:
        StorageError: if a new network cannot be kept in the cache.
    """
    sha256 = real.train.sha256()
    shipped = read_digitnet(shipped_storage())
    if shipped and shipped.record["training_data"]["sha256"] == sha256:
        return _feature_network(DIGITNET_NAME, shipped, real.train)
    storage = open_storage(
        f"{cache_folder()}/features/{fingerprint([sha256, DIGITNET_REVISION])[:12]}"
    )
    found = read_digitnet(storage) or write_digitnet(storage, real, {}, train)
    return _feature_network(f"{DIGITNET_NAME}-{sha256[:8]}", found, real.train)


def shipped_storage() -> Storage:
    """Open the folder of the network that comes with the package."""
    return open_storage(str(importlib.resources.files("synthgen.classifiers") / "shipped"))


def shipped_identity() -> str:
    """Return the SHA-256 of the shipped network's record, which holds that of its weights."""
    return hashlib.sha256(shipped_storage().read_bytes(DIGITNET_RECORD)).hexdigest()


class StoredDigitnet(NamedTuple):
    """A feature network as its folder holds it.

    Args:
        record: the content of digitnet.json.
        weights: by name.
    """

    record: dict[str, Any]
    weights: Weights


def write_digitnet(
    storage: Storage,
    real: RealDigits,
    about: Mapping[str, Any],
    train: Callable[[Digits], Weights] = train_digitnet,
) -> StoredDigitnet:
    """Train a feature network and write its weights and, last, its record. This loads TensorFlow.

    Args:
        storage: the folder.
        real: real digits: it learns from the training part, and its accuracy is measured on the
            validation part.
        about: more for the record.
        train: training digits -> the weights of a network.

    Raises:
        StorageError: if the folder cannot be written to.
    """
    weights = train(real.train)
    content = pack_weights(weights)
    classifier = load_digitnet(weights, real.train.image_shape, real.train.classes)

    # the scale of the features; digits may lie sorted by class
    order = np.random.Generator(np.random.Philox(key=SCALE_IMAGES)).permutation(len(real.train))
    some = real.train.images[np.sort(order[:SCALE_IMAGES])]
    scale = 1 / float(np.sqrt(np.mean(classifier.features(some) ** 2)))

    accuracy = None
    if len(real.validation):
        seen = classifier.probabilities(real.validation.images).argmax(axis=1)
        accuracy = round(float((seen == real.validation.labels).mean()), 6)

    record = {
        "format": DIGITNET_FORMAT,
        "sha256": hashlib.sha256(content).hexdigest(),
        "size": len(weights["features/bias"]),
        "seed": DIGITNET_SEED,
        "scale": scale,
        "validation_accuracy": accuracy,
        "training_data": {
            "source": real.source,
            "sha256": real.train.sha256(),
            "images": len(real.train),
        },
        "versions": versions(),
        **about,
    }
    storage.write_bytes(DIGITNET_WEIGHTS, content)
    storage.write_bytes(DIGITNET_RECORD, (json.dumps(record, indent=2) + "\n").encode())
    return StoredDigitnet(record, weights)


def read_digitnet(storage: Storage) -> StoredDigitnet | None:
    """Read what `write_digitnet` wrote; None where there is none or it is damaged."""
    try:
        record = json.loads(storage.read_bytes(DIGITNET_RECORD))
        content = storage.read_bytes(DIGITNET_WEIGHTS)
        if (
            record["format"] != DIGITNET_FORMAT
            or record["sha256"] != hashlib.sha256(content).hexdigest()
        ):
            return None
        if not math.isfinite(record["scale"]) or "sha256" not in record["training_data"]:
            return None
        return StoredDigitnet(record, unpack_weights(content, DIGITNET_WEIGHTS))
    except (StorageError, CheckpointError, ValueError, TypeError, KeyError):
        return None


def _feature_network(name: str, stored: StoredDigitnet, train: Digits) -> FeatureNetwork:
    """Make a FeatureNetwork that loads TensorFlow when it is first asked."""
    scale = np.float32(stored.record["scale"])

    @functools.cache
    def classifier() -> Any:
        return load_digitnet(stored.weights, train.image_shape, train.classes)

    def embed(images: Images) -> Embedding:
        features, probabilities = classifier().predict(images)
        return Embedding(features * scale, probabilities)

    return FeatureNetwork(name, stored.record, embed)
