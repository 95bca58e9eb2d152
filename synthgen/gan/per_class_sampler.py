"""One generator a class behind the interface of a single sampler. No TensorFlow."""

from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from synthgen.datasets.digits import Images


class ClassSampler(Protocol):
    """The sampler of one class; `gan.sampler.Sampler` and `gan.numpy_sampler.NumpySampler` are."""

    latent: int
    image_shape: Any
    batch: int

    def images(self, latents: NDArray[np.float32], labels: NDArray[Any]) -> Images:
        """(n, latent) float32, (n,) integers -> (n, height, width, channels) uint8."""


class PerClassSampler:
    """One generator a class, all of the same recipe, behind the interface of one.

    Row r of every batch belongs to class r % classes, so each generator runs on a fixed batch of
    its own rows and an image is still a function of its own latent and row. A class that has
    nothing in a batch costs nothing.

    Args:
        samplers: of a generator a class, each of a batch of its own rows: batch // classes.
        batch: rows per pass, at least one a class; those beyond a multiple of the classes are not
            used.
    """

    def __init__(self, samplers: Sequence[ClassSampler], batch: int) -> None:
        self.batch = batch
        self._rows = batch // len(samplers)  # of each class
        self._samplers = samplers
        self.latent = samplers[0].latent
        self.image_shape = samplers[0].image_shape

    def images(self, latents: NDArray[np.float32], labels: NDArray[Any]) -> Images:
        """Generate one image a row.

        Args:
            latents: (n, latent) float32; rows of zeros stay empty.
            labels: (n,) the class of each row that is not empty: r % classes in row r of each
                batch.

        Returns:
            (n, height, width, channels) uint8, black in empty rows of a class that has no other in
            its batch.

        Raises:
            ValueError: if a label has another row than its own.
        """
        classes = len(self._samplers)
        filled = np.asarray(latents.any(axis=1))

        # every label in a row of its class?
        rows = np.arange(len(labels)) % self.batch
        unused = rows >= self._rows * classes
        wrong = np.flatnonzero(filled & ((labels != rows % classes) | unused))
        if len(wrong):
            raise ValueError(
                f"Expected class r % {classes} in row r of a batch of {self.batch}, "
                f"received class {labels[wrong[0]]} in row {rows[wrong[0]]}."
            )

        images = np.zeros((len(labels), *self.image_shape), np.uint8)
        for start in range(0, len(labels), self.batch):
            stop = min(start + self._rows * classes, len(labels))
            for label, sampler in enumerate(self._samplers):
                own = slice(start + label, stop, classes)
                if filled[own].any():
                    images[own] = sampler.images(latents[own], labels[own])
        return images
