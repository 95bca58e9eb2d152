"""The plan of a set: which images lie in which shard. Pure arithmetic; nothing is read or written.

Shard k holds the indices [k * b, (k + 1) * b) of every class, as far as the class has so many. So
each shard of an even set is a balanced data set by itself, and growing a set only appends shards.
Within a shard the classes are interleaved: (index 0, class 0), (index 0, class 1), ...
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from synthgen.config import BuildSettings
from synthgen.datasets.digits import Labels
from synthgen.errors import SettingsError
from synthgen.text import can_name_folder

# The folders of a PNG file below data/NAME/png. Some readers take the first one for the class,
# others the last one, so it is both; sets made earlier have the block last, and keep that.
PNG_FOLDERS = "class/block/class"
FORMER_PNG_FOLDERS = "class/block"
LONGEST_ID = 20  # characters: labels up to 255, indices up to 2**40 and more


@dataclass(frozen=True, kw_only=True)
class Shard:
    """The rows of one shard.

    Args:
        number: its place in the set, from 0.
        start: first index of each class.
        stop: index after the last of the classes that have most images.
        counts: images of each class in the whole set.

    Example:
        >>> Shard(number=0, start=0, stop=2, counts=(2, 1, 9)).ids()
        ['0-0000000', '1-0000000', '2-0000000', '0-0000001', '2-0000001']
    """

    number: int
    start: int
    stop: int
    counts: tuple[int, ...]

    def __len__(self) -> int:
        return sum(self.class_counts())

    @property
    def classes(self) -> int:
        """Number of classes, with those that have no images."""
        return len(self.counts)

    def class_counts(self) -> tuple[int, ...]:
        """Return the images of each class in this shard."""
        return tuple(max(0, min(self.stop, count) - self.start) for count in self.counts)

    def labels(self) -> Labels:
        """Return the label of each row, (n,) uint8: 0, 1, 2, ..., 0, 1, 2, ..."""
        return np.nonzero(self._present())[1].astype(np.uint8)

    def indices(self) -> NDArray[np.int64]:
        """Return the place of each image among those of its class, (n,) int64."""
        return self.start + np.nonzero(self._present())[0]

    def ids(self) -> list[str]:
        """Return the id of each row."""
        rows = zip(self.labels().tolist(), self.indices().tolist(), strict=True)
        return [image_id(label, index) for label, index in rows]

    def rows(self) -> NDArray[np.int64]:
        """Return the row of each image: (indices from `start`, classes) int64, -1 for none."""
        present = self._present()
        return np.where(present, np.cumsum(present).reshape(present.shape) - 1, -1)

    def _present(self) -> NDArray[np.bool_]:
        """Return which classes have an image of which index, (indices from `start`, classes)."""
        return np.arange(self.start, self.stop)[:, None] < np.array(self.counts)


@dataclass(frozen=True, kw_only=True)
class SetPlan:
    """All shards of a set.

    Args:
        name: of the set; its files lie in data/NAME.
        class_names: one a class; each names a folder.
        counts: images of each class; some may have none.
        shard_size: images a shard, rounded down to a multiple of the number of classes that have
            images.
        png_folders: PNG_FOLDERS or FORMER_PNG_FOLDERS.

    Raises:
        SettingsError: if a shard is too small to hold every class, no class has images, or a class
            name cannot name a folder.

    Example:
        >>> plan = SetPlan(name="a", class_names="01", counts=(5, 5), shard_size=4)
        >>> [len(shard) for shard in plan.shards()]
        [4, 4, 2]
    """

    name: str
    class_names: Sequence[str]
    counts: tuple[int, ...]
    shard_size: int
    png_folders: str = PNG_FOLDERS

    def __post_init__(self) -> None:
        classes = len(self.class_names)
        if len(self.counts) != classes or not max(self.counts, default=0):
            raise SettingsError(
                f"Expected a number of images for each of {classes} classes, and one or more in "
                f"all, received {', '.join(map(str, self.counts)) or 'none'}."
            )
        if self.shard_size < self.filled:
            raise SettingsError(
                f"--shard-size: expected at least {self.filled}, one image of each class, "
                f"received {self.shard_size}."
            )
        for name in self.class_names:
            if not can_name_folder(name):
                raise SettingsError(
                    f"Expected class names that can name a folder, received {name!r}. "
                    "Rename that class and train again."
                )
        if classes > 256 or len(set(self.class_names)) != classes:
            raise SettingsError(
                "Expected at most 256 classes, each with a name of its own, "
                f"received {classes}: {', '.join(self.class_names)}."
            )

    @property
    def classes(self) -> int:
        """Number of classes, with those that have no images."""
        return len(self.class_names)

    @property
    def filled(self) -> int:
        """Number of classes that have images."""
        return sum(count > 0 for count in self.counts)

    @property
    def block(self) -> int:
        """Images of each class in a full shard."""
        return self.shard_size // self.filled

    @property
    def count(self) -> int:
        """Images of the whole set."""
        return sum(self.counts)

    @property
    def shard_count(self) -> int:
        """Number of shards; the last one may be smaller."""
        return -(-max(self.counts) // self.block)

    def shard(self, number: int) -> Shard:
        """Return the shard of this number."""
        return Shard(
            number=number,
            start=number * self.block,
            stop=min((number + 1) * self.block, max(self.counts)),
            counts=self.counts,
        )

    def shards(self) -> Iterator[Shard]:
        """Return all shards in order."""
        return map(self.shard, range(self.shard_count))

    def offsets(self, labels: NDArray[np.int64], indices: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return the row that each image has within its shard, (n,) int64.

        Args:
            labels: (n,) of images of the set.
            indices: (n,) of each image within its class.
        """
        counts = np.array(self.counts, np.int64)
        starts = indices // self.block * self.block
        # images of each class at smaller indices of the shard, and of smaller labels at this one
        before = np.minimum(counts, indices[:, None]) - starts[:, None]  # (n, classes)
        beside = (counts > indices[:, None]) & (np.arange(self.classes) < labels[:, None])
        offsets: NDArray[np.int64] = before.clip(min=0).sum(axis=1) + beside.sum(axis=1)
        return offsets

    def extends(self, smaller: "SetPlan") -> bool:
        """Return whether this is another plan with at least its images, each in the same shard."""
        at_least = self.classes == smaller.classes and all(
            count >= before for count, before in zip(self.counts, smaller.counts, strict=True)
        )
        return at_least and self.counts != smaller.counts and self.block == smaller.block

    def __str__(self) -> str:
        """Return how many images there are of which class, in words."""
        if len(set(self.counts)) == 1:
            return f"{self.count:,} images, {self.counts[0]:,} of each of {self.classes} classes"
        of_class = [
            f"{count:,} of {name!r}"
            for name, count in zip(self.class_names, self.counts, strict=True)
            if count
        ]
        return f"{self.count:,} images, {', '.join(of_class)}"


def image_id(label: int, index: int) -> str:
    """Return the id of an image, a function of its label and index alone.

    With ten classes or fewer, ids sorted as text are sorted by label and index.

    Example:
        >>> image_id(3, 17)
        '3-0000017'
    """
    return f"{label}-{index:07d}"


def parse_id(text: str) -> tuple[int, int] | None:
    """Return the (label, index) of an id, None if the text is not an id.

    Example:
        >>> parse_id("3-0000017"), parse_id("3-17")
        ((3, 17), None)
    """
    label, _, index = text.partition("-")
    if len(text) > LONGEST_ID or not (label.isdecimal() and index.isdecimal()):
        return None
    if image_id(int(label), int(index)) != text:
        return None
    return int(label), int(index)


def batch_slots(
    labels: NDArray[np.generic], indices: NDArray[np.int64], classes: int, batch: int
) -> NDArray[np.int64]:
    """Return the row of a batch in which each image is generated.

    Compiled matrix products may treat the last rows of a batch differently in the last bit, so this
    row must be a function of label and index alone, whatever the shard size and whichever images
    are drawn again. Every class has as many rows: row r belongs to class r % classes, so that each
    class can have a generator of its own.

    Args:
        labels: (n,) integers.
        indices: (n,) of each image within its class.
        classes: number of classes.
        batch: rows of a batch, at least one a class; those left over stay empty.

    Returns:
        (n,) int64 below `batch`.
    """
    return indices % (batch // classes) * classes + labels.astype(np.int64)


def split_into_batches(slots: NDArray[np.int64]) -> Iterator[NDArray[np.int64]]:
    """Distribute images over as few batches as their slots allow.

    Args:
        slots: (n,) the row of a batch that each image needs, see `batch_slots`.

    Yields:
        Positions in `slots`, no two of one batch with the same slot.

    Example:
        >>> [batch.tolist() for batch in split_into_batches(np.array([2, 0, 2]))]
        [[0, 1], [2]]
    """
    # The k-th image of a slot goes into the k-th batch.
    order = np.argsort(slots, kind="stable")
    in_order = slots[order]
    begins = np.flatnonzero(np.diff(in_order, prepend=-1))
    batch = np.empty(len(slots), np.int64)
    batch[order] = np.arange(len(slots)) - np.repeat(begins, np.diff(begins, append=len(slots)))

    for k in range(int(batch.max(initial=-1)) + 1):
        yield np.flatnonzero(batch == k)


def plan_set(
    settings: BuildSettings, class_names: tuple[str, ...], png_folders: str = PNG_FOLDERS
) -> SetPlan:
    """Return the plan of the set that settings describe.

    Args:
        settings: what to make.
        class_names: one a class.
        png_folders: PNG_FOLDERS, or FORMER_PNG_FOLDERS of a set that was made earlier.

    Raises:
        SettingsError: if a shard is too small, a class name cannot name a folder, or `counts` names
            a class that there is not.
    """
    return SetPlan(
        name=settings.name,
        class_names=class_names,
        counts=settings.class_counts(class_names),
        shard_size=settings.shard_size,
        png_folders=png_folders,
    )
