"""The feature network that fidelity is measured with: the shipped one for MNIST, else one trained on the user's real digits.

A feature network must never have seen digits that the user does not have: the shipped one is taken
only where the real training digits are those that it was trained on. Another one is trained once
and kept in the user's cache folder.
"""

import hashlib
import importlib.resources
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import safetensors
import safetensors.numpy
from numpy.typing import NDArray

from synthgen.config import fingerprint
from synthgen.datasets.digits import Digits, Images
from synthgen.datasets.sources import RealDigits
from synthgen.errors import DataError, StorageError
from synthgen.gan.checkpoint import Weights, pack_weights, versions
from synthgen.storage import Storage, cache_folder, open_storage

NAME = "digitnet"
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
    storage = open_storage(f"{cache_folder()}/features/{fingerprint([sha256, recipe()])[:12]}")
    return _network(
        f"{NAME}-{sha256[:8]}",
        *(read_network(storage) or write_network(storage, real, {})),
        real.train,
    )


def shipped_storage() -> Storage:
    """Where the network that comes with the package lies."""
    return open_storage(str(importlib.resources.files("synthgen.evaluation") / NAME))


def shipped_identity() -> str:
    """SHA-256 of the record of the shipped network, which names its weights: known without loading TensorFlow."""
    return hashlib.sha256(shipped_storage().read_bytes(RECORD)).hexdigest()


def recipe() -> str:
    """SHA-256 of the source of the training: known without loading TensorFlow, and no change of the recipe escapes it."""
    folder = importlib.resources.files("synthgen.evaluation")
    return hashlib.sha256(
        b"".join(folder.joinpath(file).read_bytes() for file in ("digit_network.py", "augment.py"))
    ).hexdigest()


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
    from synthgen.evaluation.digit_network import SEED, SIZE, DigitNetwork, train_network

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
        from synthgen.evaluation.digit_network import DigitNetwork

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
