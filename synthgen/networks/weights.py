"""Weights between Keras models and named arrays."""

import numpy as np

from synthgen.errors import CheckpointError
from synthgen.networks.backend import keras
from synthgen.weights import Weights


def get_weights(model: keras.Model) -> Weights:
    """Return the model's weights, trainable or not, by path ("up/kernel")."""
    return {variable.path: np.asarray(variable.value) for variable in model.weights}


def set_weights(model: keras.Model, weights: Weights) -> None:
    """Give a model the weights that `get_weights` took from one of the same networks.

    Raises:
        CheckpointError: if names or shapes differ.
    """
    expected = {variable.path: tuple(variable.shape) for variable in model.weights}
    received = {name: array.shape for name, array in weights.items()}
    names = sorted(expected.keys() | received.keys())
    wrong = [name for name in names if expected.get(name) != received.get(name)]
    if wrong:
        name = wrong[0]
        raise CheckpointError(
            f"The weights do not fit the {model.name} that the checkpoint's settings describe: "
            f"{len(wrong)} of {len(expected)} differ, for example {name}: "
            f"expected shape {expected.get(name, 'none')}, "
            f"received {received.get(name, 'none')}. Train it again."
        )
    for variable in model.weights:
        variable.assign(weights[variable.path])
