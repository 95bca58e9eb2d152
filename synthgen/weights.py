"""TODO."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import safetensors.numpy

Weights = dict[str, np.ndarray[Any, Any]]


def pack_weights(weights: Weights) -> bytes:
    """Named arrays as the bytes of a safetensors file, the same bytes for the same arrays."""
    return bytes(
        safetensors.numpy.save(
            {name: np.asarray(weights[name], order="C") for name in sorted(weights)}
        )
    )


def join_classes(generators: Sequence[Weights]) -> Weights:
    """The weights of one generator a class as those of one checkpoint: "up/kernel" of class 3 becomes "3/up/kernel"."""
    return {
        f"{label}/{path}": array
        for label, weights in enumerate(generators)
        for path, array in weights.items()
    }


def split_classes(weights: Weights, classes: int) -> list[Weights]:
    """The generators that `join_classes` joined, one a class; what belongs to no class is left out."""
    return [
        {
            path.removeprefix(f"{label}/"): a
            for path, a in weights.items()
            if path.startswith(f"{label}/")
        }
        for label in range(classes)
    ]
