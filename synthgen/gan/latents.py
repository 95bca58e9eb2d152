"""Latents: each one a function of (run seed, label, index, attempt) only, drawn with NumPy, keyed per image."""

from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

SEED_BITS = 63  # fits a signed 64-bit integer, so every table and data base can hold it


def image_seed(run_seed: int, label: int, index: int, attempt: int = 0) -> int:
    """The seed of one image, 0 .. 2**63 - 1.

    NumPy's SeedSequence hashes the four numbers, so neighbouring images have unrelated seeds.

    Example:
        >>> image_seed(0, 3, 17) == image_seed(0, 3, 17, 1)
        False
    """
    state = np.random.SeedSequence((run_seed, label, index, attempt)).generate_state(1, np.uint64)
    return int(state[0]) >> (64 - SEED_BITS)


def image_seeds(run_seed: int, labels: Sequence[int], indices: Sequence[int], attempts: Iterable[int]) -> NDArray[np.uint64]:
    """The seeds of many images, (n,) uint64 below 2**63."""
    rows = zip(labels, indices, attempts, strict=True)
    return np.array([image_seed(run_seed, int(label), int(index), int(attempt)) for label, index, attempt in rows], np.uint64)


def draw_latents(seeds: NDArray[np.uint64], size: int) -> NDArray[np.float32]:
    """Standard normal latents, one Philox stream an image.

    Args:
        seeds: (n,) uint64 image seeds.
        size: length of a latent.

    Returns:
        (n, size) float32; row i depends on seeds[i] alone.
    """
    latents = np.empty((len(seeds), size), np.float32)
    for row, seed in zip(latents, seeds, strict=True):
        np.random.Generator(np.random.Philox(key=int(seed))).standard_normal(dtype=np.float32, out=row)
    return latents
