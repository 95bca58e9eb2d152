"""Latents: each one a function of (run seed, label, index, attempt) only.

They are drawn with NumPy, keyed per image.
"""

import hashlib
import struct
from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

SEED_BITS = 63  # fits a signed 64-bit integer, so every table and data base can hold it


def image_seed(run_seed: int, label: int, index: int, attempt: int = 0) -> int:
    """Return the seed of one image, 0 .. 2**63 - 1.

    The first 63 bits of an eight-byte BLAKE2b digest (read little-endian) of the four numbers as
    little-endian 64-bit integers: unrelated for neighbouring images, and easy to recompute in any
    language.

    Example:
        >>> image_seed(0, 3, 17) == image_seed(0, 3, 17, 1)
        False
    """
    numbers = struct.pack("<4q", run_seed, label, index, attempt)
    digest = hashlib.blake2b(numbers, digest_size=8).digest()
    return int.from_bytes(digest, "little") >> (64 - SEED_BITS)


def image_seeds(
    run_seed: int, labels: Sequence[int], indices: Sequence[int], attempts: Iterable[int]
) -> NDArray[np.uint64]:
    """Return the seeds of many images (see `image_seed`).

    Args:
        run_seed: of the run that all of them belong to.
        labels: class of each image.
        indices: index of each image within its class.
        attempts: how often each image was drawn before.

    Returns:
        (n,) uint64 below 2**63.
    """
    rows = zip(labels, indices, attempts, strict=True)
    return np.array(
        [
            image_seed(run_seed, int(label), int(index), int(attempt))
            for label, index, attempt in rows
        ],
        np.uint64,
    )


def draw_latents(seeds: NDArray[np.uint64], size: int) -> NDArray[np.float32]:
    """Draw standard normal latents, one Philox stream an image.

    Row i is what `Generator(Philox(key=seeds[i])).standard_normal(size, float32)` gives; one
    generator is set to each key in turn because making a new one takes five times as long as
    drawing from it.

    Args:
        seeds: (n,) uint64 image seeds.
        size: length of a latent.

    Returns:
        (n, size) float32; row i depends on seeds[i] alone.
    """
    latents = np.empty((len(seeds), size), np.float32)
    philox = np.random.Philox(key=0)
    generator = np.random.Generator(philox)
    state = philox.state
    for row, seed in zip(latents, seeds, strict=True):
        state["state"]["key"][0] = seed
        philox.state = state
        generator.standard_normal(dtype=np.float32, out=row)
    return latents
