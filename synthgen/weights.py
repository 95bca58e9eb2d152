"""Weights: named arrays, and their bytes as a safetensors file. No TensorFlow is needed for them.

The names are paths such as "up/kernel"; `get_weights` and `set_weights` of `networks/layers.py`
take the arrays from Keras models and put them back.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import safetensors
import safetensors.numpy

from synthgen.errors import CheckpointError
from synthgen.text import byte_size

Weights = dict[str, np.ndarray[Any, Any]]
NAMES_BYTES = 8_000_000  # of names and shapes: 60,000 arrays, and 256 generators have fewer


def pack_weights(weights: Weights) -> bytes:
    """Writes named arrays as a safetensors file.

    Args:
        weights: arrays of any shapes and of the dtypes that safetensors knows.

    Returns:
        The bytes of the file, the same for the same arrays in whatever order they come.
    """
    ordered = {name: np.asarray(weights[name], order="C") for name in sorted(weights)}
    return bytes(safetensors.numpy.save(ordered))


def unpack_weights(content: bytes, place: str) -> Weights:
    """Reads what `pack_weights` wrote.

    Whatever sizes the file states are held against the bytes that are there before an array is
    made, so that a short file cannot ask for much memory.

    Args:
        content: of the file.
        place: name of the file, which the error begins with.

    Raises:
        CheckpointError: if the content is not a safetensors file, states sizes that do not fit its
            length, names too many arrays, or holds numbers that are not finite.
    """
    header = int.from_bytes(content[:8], "little")
    if header > NAMES_BYTES and len(content) > NAMES_BYTES:
        raise CheckpointError(
            f"{place}: expected a safetensors file with at most {byte_size(NAMES_BYTES)} of names "
            f"and shapes, received {byte_size(header)}. Restore it from a copy, or train again."
        )
    try:
        weights = dict(safetensors.numpy.load(content))
    except (safetensors.SafetensorError, ValueError, KeyError) as error:  # ... shape, dtype
        raise CheckpointError(
            f"{place} is not a safetensors file of NumPy's number types: {error}. "
            "Restore it from a copy, or train again."
        ) from error
    for name, array in weights.items():
        if array.dtype.kind == "f" and not np.isfinite(array).all():
            wrong = int((~np.isfinite(array)).sum())
            raise CheckpointError(
                f"{place}: expected finite weights, received {wrong} of {array.size} numbers in "
                f"{name[:80]!a} that are not. Restore it from a copy, or train again."
            )
    return weights


def join_classes(generators: Sequence[Weights]) -> Weights:
    """Joins the weights of one generator a class into those of one checkpoint.

    Args:
        generators: the weights of each class, in the order of the labels.

    Returns:
        All arrays by label and name: "up/kernel" of class 3 becomes "3/up/kernel".
    """
    joined = {}
    for label, weights in enumerate(generators):
        for name, array in weights.items():
            joined[f"{label}/{name}"] = array
    return joined


def split_classes(weights: Weights, classes: int) -> list[Weights]:
    """Splits what `join_classes` joined into the weights of one generator a class.

    Args:
        weights: of the checkpoint; arrays of no class are left out.
        classes: number of classes.

    Returns:
        The weights of each class, in the order of the labels.
    """
    generators: list[Weights] = [{} for _ in range(classes)]
    for label, generator in enumerate(generators):
        prefix = f"{label}/"
        for name, array in weights.items():
            if name.startswith(prefix):
                generator[name.removeprefix(prefix)] = array
    return generators
