"""A trained generator that draws images when they are asked for."""

import collections
from collections.abc import Sequence
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from synthgen.config import BuildSettings
from synthgen.datasets.digits import Images
from synthgen.errors import DataError
from synthgen.gan.checkpoint import SHIPPED, Checkpoint, read_checkpoint, shipped_checkpoint
from synthgen.gan.latents import SEED_BITS
from synthgen.shards.engine import pool_of_cores
from synthgen.shards.generate import Arithmetic, ImageSampler, load_networks, run_batch
from synthgen.shards.plan import batch_slots, split_into_batches


class Generator:
    """A trained generator. It draws as a build does, with NumPy on every core.

    Args:
        checkpoint: "shipped", a folder that `synthgen train --out` made (path or URL), or a
            checkpoint that was read.
        batch: images that are drawn at a time; that of a build, to draw its very pixels.
        arithmetic: "numpy", as of sets that are made today, or "tensorflow", for the pixels of a
            set which an earlier version of synthgen began: its run record names no arithmetic among
            the versions.

    Raises:
        CheckpointError: if the checkpoint is missing or damaged.

    Example:
        >>> threes = Generator("shipped").images(3, range(16))  # doctest: +SKIP
        >>> threes.shape                                        # doctest: +SKIP
        (16, 28, 28, 1)
    """

    def __init__(
        self,
        checkpoint: str | Checkpoint = SHIPPED,
        batch: int = BuildSettings().batch,
        arithmetic: Arithmetic = "numpy",
    ) -> None:
        if isinstance(checkpoint, str):
            folder = shipped_checkpoint() if checkpoint == SHIPPED else checkpoint
            checkpoint = read_checkpoint(folder)
        self.checkpoint = checkpoint
        self.batch = batch
        self.arithmetic: Arithmetic = arithmetic
        if batch < self.classes:
            raise DataError(
                f"Expected a batch of {self.classes} or more images, one a class, received {batch}."
            )

    @property
    def class_names(self) -> Sequence[str]:
        """One name a class."""
        return self.checkpoint.class_names

    @property
    def classes(self) -> int:
        """Number of classes."""
        return len(self.checkpoint.class_names)

    @property
    def image_shape(self) -> tuple[int, int, int]:
        """(height, width, channels)."""
        return self.checkpoint.image_shape

    def images(self, labels: Any, seeds: Any, indices: Any = None, attempts: Any = 0) -> Images:
        """Draw the images of these classes and seeds.

        Nothing is screened: an image is what the generator makes of its seed, even if it looks like
        another class. A build draws such an image again, with another seed; its column `attempt`
        counts that, and its column `seed` is that of the image which was kept. So a label and a
        seed of a manifest give the image of that row.

        Arithmetic may round differently from row to row of a batch. A build has a row for each
        index of a class; where the indices are given, and the batch is that of the build, the
        pixels are those of the build to the last bit.

        Args:
            labels: (n,) integers below the number of classes, or one for all. A generator that
                knows no classes does not look at them.
            seeds: (n,) integers, 0 .. 2**63 - 1, or one for all.
            indices: (n,) of each image in its class, as in a manifest; None where no build's pixels
                are wanted.
            attempts: (n,) as in a manifest; only looked at where a generator knows no classes.

        Returns:
            (n, height, width, channels) uint8, as the generator draws them, white on black.

        Raises:
            DataError: if labels, seeds or indices are out of range, or of different lengths.
        """
        classes = self.classes
        columns = [labels, seeds, 0 if indices is None else indices, attempts]
        names = ("labels", "seeds", "indices", "attempts")
        largest = (classes - 1, 2**SEED_BITS - 1, 2**40, 2**40)
        whole = [
            _integers(name, column, most)
            for name, column, most in zip(names, columns, largest, strict=True)
        ]
        try:
            label, seed, index, attempt = np.broadcast_arrays(*whole)
        except ValueError as error:
            raise DataError(
                "Expected as many labels as seeds (and indices), or one for all, received "
                f"{', '.join(str(column.size) for column in whole)}."
            ) from error
        label, seed, index, attempt = map(np.atleast_1d, (label, seed, index, attempt))

        # Each image in the row of the batch that a build gives it.
        if indices is None:
            index = np.arange(len(label))
        side_by_side = attempt % classes if self.checkpoint.labels == "none" else label
        slots = batch_slots(side_by_side, index, classes, self.batch)
        images = np.empty((len(label), *self.image_shape), np.uint8)
        batches = list(split_into_batches(slots))
        sampler = self._sampler

        def draw(rows: NDArray[np.int64]) -> None:
            drawn = run_batch(sampler, seed[rows], label[rows], slots[rows], self.batch)
            images[rows] = drawn[slots[rows]]

        with pool_of_cores() as pool:
            collections.deque(pool.map(draw, batches), maxlen=0)
        return images

    @cached_property
    def _sampler(self) -> ImageSampler:
        return load_networks(self.checkpoint, self.batch, self.arithmetic).sampler


def _integers(name: str, values: Any, largest: int) -> NDArray[Any]:
    """Make sure that values are integers from 0 to the largest: (n,) or one."""
    array = np.asarray(values)
    if array.ndim > 1 or (array.dtype.kind not in "iu" and array.size):
        raise DataError(
            f"Expected {name} to be integers in one row, or one, received {array.dtype} of shape "
            f"{array.shape}."
        )
    outside = (array < 0) | (array > largest)
    if outside.any():
        raise DataError(
            f"Expected {name} from 0 to {largest:,}, received {np.atleast_1d(array[outside])[0]}."
        )
    return array.astype(np.uint64 if name == "seeds" else np.int64)
