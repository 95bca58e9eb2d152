"""Real and synthetic images in one stream of batches, in the share that suits.

Each of the two is an endless sequence of passes, every pass over all its images in a new order. A
batch takes the next images of both. An epoch is as many batches as it takes to show each real image
once; so a batch has the same number of images always, and nothing is left over.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from synthgen.datasets.digits import Digits, Images, Labels
from synthgen.errors import DataError, SettingsError
from synthgen.shards.digit_set import DigitSet, require
from synthgen.shards.shuffle import balance, part_of, shuffle

if TYPE_CHECKING:
    from synthgen.shards.torch_data import TorchBatches

REAL = 0  # numbers of the streams
SYNTHETIC = 1


@dataclass(frozen=True, kw_only=True, eq=False)
class Mix:
    """Real and synthetic images; `mix` makes it and says what the arguments are."""

    real: Digits | DigitSet
    synthetic: Digits | DigitSet
    share: float
    batch: int
    weight: float
    balanced: bool
    seed: int

    def __post_init__(self) -> None:
        if not 0 <= self.share <= 1:
            raise SettingsError(
                "Expected a share of synthetic images from 0 (none) to 1 (all), "
                f"received {self.share}."
            )
        if self.batch < 1:
            raise SettingsError(f"Expected a batch of 1 or more images, received {self.batch}.")
        if not self.weight > 0:
            raise SettingsError(
                f"Expected a weight above 0 for synthetic images, received {self.weight}. "
                "For none of them say share=0."
            )
        for name, digits in (("real", self.real), ("synthetic", self.synthetic)):
            if not len(digits) and self.share != (0 if name == "synthetic" else 1):
                raise DataError(f"Expected at least one {name} image, received none.")
        if self.real.image_shape != self.synthetic.image_shape:
            raise DataError(
                f"Expected images of one shape, received real ones of {self.real.image_shape} and "
                f"synthetic ones of {self.synthetic.image_shape}. A set that is built with --data "
                "and --like data has the shape of one's own pictures."
            )
        if tuple(self.real.class_names) != tuple(self.synthetic.class_names):
            raise DataError(
                "Expected the same classes of both, received real images of "
                f"{', '.join(self.real.class_names)} and synthetic ones of "
                f"{', '.join(self.synthetic.class_names)}."
            )

    def __len__(self) -> int:
        return self.steps()

    @property
    def class_names(self) -> tuple[str, ...]:
        """One name a class."""
        return tuple(self.synthetic.class_names)

    @property
    def image_shape(self) -> tuple[int, int, int]:
        """(height, width, channels)."""
        return self.synthetic.image_shape

    def steps(self, world_size: int = 1) -> int:
        """Return the batches that each of several processes reads in an epoch."""
        if self._exact_share == 1:
            return -(-self._stream(SYNTHETIC, 0, world_size).length // self.batch)
        length = self._stream(REAL, 0, world_size).length
        return math.ceil(length / (self.batch * (1 - self._exact_share)))

    @property
    def _exact_share(self) -> Fraction:
        """The share as it was meant: 0.29 of 100 images are 29, though 100 * 0.29 is less."""
        return Fraction(self.share).limit_denominator(1_000_000)

    def batches(
        self, epoch: int = 0, *, rank: int = 0, world_size: int = 1, steps: range | None = None
    ) -> Iterator[tuple[Any, ...]]:
        """Read the batches of one epoch; the same arguments give the same ones.

        Args:
            epoch: 0 or more.
            rank: of this process, 0 .. world_size - 1.
            world_size: processes that share the images; each reads as many batches.
            steps: which batches of the epoch; None for all.

        Yields:
            Images (batch, height, width, channels) and labels (batch,), both uint8, the real ones
            first; and, where synthetic images have a weight of their own, weights (batch,) float32
            with mean 1 over the epoch.

        Raises:
            SettingsError: if there is no such rank.
        """
        streams = [self._stream(number, rank, world_size) for number in (REAL, SYNTHETIC)]
        share = self._exact_share
        mean = 1 - self.share + self.share * self.weight
        first = epoch * self.steps(world_size)
        for step in steps if steps is not None else range(self.steps(world_size)):
            # How many synthetic images there are up to this batch, and up to the next one.
            start = (first + step) * self.batch
            before = int(start * share)
            after = int((start + self.batch) * share)
            taken = [(start - before, start + self.batch - after), (before, after)]

            parts = [stream.read(*span) for stream, span in zip(streams, taken, strict=True)]
            images = np.concatenate([images for images, _ in parts])
            labels = np.concatenate([labels for _, labels in parts])
            if self.weight == 1:
                yield images, labels
                continue
            weights = np.full(self.batch, 1 / mean, np.float32)
            weights[len(weights) - (after - before) :] *= self.weight
            yield images, labels, weights

    def as_tf_dataset(self) -> Any:
        """Return a `tf.data.Dataset` of the batches; each pass over it is another epoch."""
        from synthgen.shards.tf_data import tf_batches

        return tf_batches(self.batches, self.image_shape, len(self), self.weight != 1)

    def as_torch_dataset(self, rank: int = 0, world_size: int = 1) -> "TorchBatches":
        """Return an iterable `torch.utils.data.Dataset` of whole batches.

        Images are uint8 tensors (batch, channels, height, width), labels int64. It is read by
        `DataLoader(dataset, batch_size=None)`; call its `set_epoch` before each epoch.

        Args:
            rank: of this process, 0 .. world_size - 1.
            world_size: processes that share the images.

        Raises:
            InputError: if PyTorch is not installed.
        """
        require("torch", "PyTorch")
        from synthgen.shards.torch_data import TorchBatches

        return TorchBatches(self, rank, world_size)

    def _stream(self, number: int, rank: int, world_size: int) -> "_Stream":
        digits = self.synthetic if number == SYNTHETIC else self.real
        return _Stream(digits, (self.seed, number), self.balanced, rank, world_size)


def mix(
    real: Digits | DigitSet,
    synthetic: Digits | DigitSet,
    share: float = 0.5,
    *,
    batch: int = 128,
    weight: float = 1.0,
    balanced: bool = False,
    seed: int = 0,
) -> Mix:
    """Mix real and synthetic images for a training job.

    Args:
        real: one's own images.
        synthetic: of a set.
        share: of each batch that is synthetic, 0..1.
        batch: images in one batch.
        weight: of a synthetic image in the loss, where a real image has 1. With any other than 1
            the batches hold weights, too.
        balanced: whether all classes that a kind of images has are equally frequent in it; the
            images of small classes are repeated.
        seed: of the order of the images, which is another one in each epoch.

    Raises:
        SettingsError: if a setting is out of range.
        DataError: if shapes or classes of the two do not fit together.

    Example:
        >>> own = synthgen.load_real("my-digits/").train                    # doctest: +SKIP
        >>> made = synthgen.open_set("manifests/digits.csv")                # doctest: +SKIP
        >>> for images, labels in mix(own, made, share=0.3).batches(epoch=0):  # doctest: +SKIP
        ...     ...
    """
    if isinstance(real, Digits):
        real = real.numbered_as(synthetic.class_names)
    return Mix(
        real=real,
        synthetic=synthetic,
        share=share,
        batch=batch,
        weight=weight,
        balanced=balanced,
        seed=seed,
    )


class _Stream:
    """Endless passes over images for one of several processes.

    Args:
        digits: the images.
        seeds: of the order.
        balanced: whether small classes are repeated.
        rank: of the process.
        world_size: processes that share each pass.
    """

    def __init__(
        self,
        digits: Digits | DigitSet,
        seeds: tuple[int, int],
        balanced: bool,
        rank: int,
        world_size: int,
    ) -> None:
        self._digits = digits
        self._seeds = seeds
        self._balanced = balanced
        self._labels = digits.labels
        count = len(digits)
        if balanced and count:
            counts = digits.counts()
            count = int((counts > 0).sum() * counts.max())
        self._part = part_of(count, rank, world_size)
        self.length = len(self._part)
        self._order = np.empty(0, np.int64)
        self._pass = -1

    def read(self, start: int, stop: int) -> tuple[Images, Labels]:
        """Read the images at some positions of the endless sequence, and their labels."""
        pieces = [np.empty(0, np.int64)]
        while start < stop:
            number, begin = divmod(start, self.length)
            end = min(self.length, begin + stop - start)
            pieces.append(self._rows(number)[begin:end])
            start += end - begin
        rows = np.concatenate(pieces)
        if isinstance(self._digits, Digits):
            return self._digits.images[rows], self._labels[rows]
        return self._digits.images(rows, whole_shards=True), self._labels[rows]

    def _rows(self, number: int) -> NDArray[np.int64]:
        """Return the images of one pass, in its order."""
        if number != self._pass:
            digits = self._digits
            random = np.random.default_rng([*self._seeds, number])
            rows = balance(self._labels, random) if self._balanced else np.arange(len(digits))
            if isinstance(digits, Digits):
                order = random.permutation(len(rows))
            else:
                order = shuffle(digits.shards[rows], digits.window, random)
            self._order = rows[order][self._part]
            self._pass = number
        return self._order
