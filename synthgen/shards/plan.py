"""The plan of a set: which images lie in which shard. Pure arithmetic; nothing is read or written.

Shard k holds the indices [k * b, (k + 1) * b) of every class, so each shard alone is a balanced
data set, and growing a set only appends shards. Within a shard the classes are interleaved: (index
0, class 0), (index 0, class 1), ...
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from synthgen.config import BuildSettings
from synthgen.datasets.digits import Images, Labels
from synthgen.errors import SettingsError

# what --labels may say for each kind of checkpoint (see `gan.checkpoint.Checkpoint.labels`)
FITTING = {
    "condition": ("auto", "condition"),
    "per-class": ("auto", "per-class"),
    "none": ("classifier",),
}


REASONS = {
    "condition": "it is told the class, so its labels come from that condition; leave --labels away",
    "per-class": "it is one generator a class, so labels come from them; leave --labels away",
    "none": "it knows nothing of classes. Train one generator a class (`synthgen train --labels per-class --preset NAME --out FOLDER`, "
    "or `synthgen build --train --labels per-class --preset NAME`), or let its screening classifier say what each image shows "
    "(`synthgen build --labels classifier`)",
}


DESCRIPTIONS = {
    "condition": "the condition of the generator",
    "per-class": "one generator a class",
    "classifier": "the screening classifier",
}


class Screening(NamedTuple):
    """What the screening classifier says about images, and which of them are kept.

    Args:
        accepted: (n,) bool.
        predicted: (n,) int16, the likeliest class; -1 where there is no classifier.
        confidence: (n,) float32, its probability; NaN where there is no classifier.
    """

    accepted: NDArray[np.bool_]
    predicted: NDArray[np.int16]
    confidence: NDArray[np.float32]


@dataclass(frozen=True)
class Shard:
    """The rows of one shard.

    Args:
        number: its place in the set, from 0.
        start: first index of each class.
        stop: index after the last of each class.
        classes: number of classes.

    Example:
        >>> Shard(0, 0, 2, 3).ids()
        ['0-0000000', '1-0000000', '2-0000000', '0-0000001', '1-0000001', '2-0000001']
    """

    number: int
    start: int
    stop: int
    classes: int

    def __len__(self) -> int:
        return (self.stop - self.start) * self.classes

    def labels(self) -> Labels:
        """(n,) uint8: 0, 1, 2, ..., 0, 1, 2, ..."""
        return np.tile(np.arange(self.classes, dtype=np.uint8), self.stop - self.start)

    def indices(self) -> NDArray[np.int64]:
        """(n,) int64: the place of each image among those of its class."""
        return np.repeat(np.arange(self.start, self.stop, dtype=np.int64), self.classes)

    def ids(self) -> list[str]:
        """The id of each row."""
        return [
            image_id(label, index)
            for index in range(self.start, self.stop)
            for label in range(self.classes)
        ]


@dataclass(frozen=True, kw_only=True)
class Plan:
    """All shards of a set.

    Args:
        name: of the set; its files lie in data/NAME.
        class_names: one a class; each names a folder.
        per_class: images of each class.
        shard_size: images a shard, rounded down to a multiple of the number of classes.

    Raises:
        SettingsError: if a shard is too small to hold every class, or a class name cannot name a
            folder.

    Example:
        >>> [len(shard) for shard in Plan(name="a", class_names="01", per_class=5, shard_size=4).shards()]
        [4, 4, 2]
    """

    name: str
    class_names: Sequence[str]
    per_class: int
    shard_size: int

    def __post_init__(self) -> None:
        classes = len(self.class_names)
        if self.shard_size < classes:
            raise SettingsError(
                f"--shard-size: expected at least {classes}, one image of each class, received {self.shard_size}."
            )
        for name in self.class_names:
            if not name or name.startswith(".") or set(name) & set('/\\:*?"<>|\0\r\n'):
                raise SettingsError(
                    f"Expected class names that can name a folder, received {name!r}. Rename that class and train anew."
                )
        if classes > 256 or len(set(self.class_names)) != classes:
            raise SettingsError(
                f"Expected at most 256 classes, each with a name of its own, received {classes}: {', '.join(self.class_names)}."
            )

    @property
    def classes(self) -> int:
        """Number of classes."""
        return len(self.class_names)

    @property
    def block(self) -> int:
        """Images of each class in a full shard."""
        return self.shard_size // self.classes

    @property
    def count(self) -> int:
        """Images of the whole set."""
        return self.per_class * self.classes

    @property
    def shard_count(self) -> int:
        """Number of shards; the last one may be smaller."""
        return -(-self.per_class // self.block)

    def shard(self, number: int) -> Shard:
        """The shard of this number."""
        return Shard(
            number,
            number * self.block,
            min((number + 1) * self.block, self.per_class),
            self.classes,
        )

    def shards(self) -> Iterator[Shard]:
        """All shards in order."""
        return map(self.shard, range(self.shard_count))


def image_id(label: int, index: int) -> str:
    """The name of an image: a function of label and index alone; ids sort as (label, index) do for ten classes.

    Example:
        >>> image_id(3, 17)
        '3-0000017'
    """
    return f"{label}-{index:07d}"


def parse_id(text: str) -> tuple[int, int] | None:
    """The (label, index) of an id, None if it is not one.

    Example:
        >>> parse_id("3-0000017"), parse_id("3-17")
        ((3, 17), None)
    """
    label, _, index = text.partition("-")
    if not (label.isdecimal() and index.isdecimal()) or image_id(int(label), int(index)) != text:
        return None
    return int(label), int(index)


def slots(
    labels: NDArray[np.generic], indices: NDArray[np.int64], classes: int, batch: int
) -> NDArray[np.int64]:
    """The row of a batch in which each image is generated, (n,) int64 below `batch`.

    Compiled matrix products may treat the last rows of a batch differently in the last bit, so this
    row must be a function of label and index alone, whatever the shard size and whichever images
    are drawn again. Every class has as many rows: row r belongs to class r % classes, so that each
    class can have a generator of its own.

    Args:
        labels: (n,) integers.
        indices: (n,) of each image within its class.
        classes: number of classes.
        batch: rows of a batch, at least one a class; those left over stay empty.
    """
    return indices % (batch // classes) * classes + labels.astype(np.int64)


def passes(rows: NDArray[np.int64]) -> Iterator[NDArray[np.int64]]:
    """Distribute images over as few batches as their slots allow.

    Args:
        rows: (n,) the slot of each image.

    Yields:
        Positions in `rows`, no two of one batch with the same slot.

    Example:
        >>> [batch.tolist() for batch in passes(np.array([2, 0, 2]))]
        [[0, 1], [2]]
    """
    order = np.argsort(rows, kind="stable")
    ordered = rows[order]
    begins = np.flatnonzero(np.diff(ordered, prepend=-1))
    turn = np.empty(len(rows), np.int64)
    turn[order] = np.arange(len(rows)) - np.repeat(begins, np.diff(begins, append=len(rows)))
    for k in range(int(turn.max(initial=-1)) + 1):
        yield np.flatnonzero(turn == k)


def make_plan(settings: BuildSettings, class_names: tuple[str, ...]) -> Plan:
    """The plan that settings describe."""
    return Plan(
        name=settings.name,
        class_names=class_names,
        per_class=settings.per_class,
        shard_size=settings.shard_size,
    )


@dataclass(frozen=True, eq=False)
class Drawn:
    """The content of one shard.

    Args:
        shard: which rows these are.
        images: (n, height, width, channels) uint8.
        labels: (n,) uint8.
        indices: (n,) int64.
        seeds: (n,) uint64 below 2**63.
        attempts: (n,) int64, 0 if the first draw was kept.
        screening: the classifier's word on each image that was kept.
    """

    shard: Shard
    images: Images
    labels: Labels
    indices: NDArray[np.int64]
    seeds: NDArray[np.uint64]
    attempts: NDArray[np.int64]
    screening: Screening

    def draws(self) -> list[int]:
        """Draws it took, per class."""
        counts: list[int] = (
            np.bincount(self.labels, self.attempts + 1, self.shard.classes).astype(int).tolist()
        )
        return counts


def unjudged(count: int) -> Screening:
    """The screening of images for which there is no classifier: all are kept."""
    return Screening(
        np.ones(count, np.bool_), np.full(count, -1, np.int16), np.full(count, np.nan, np.float32)
    )


def label_source(asked: str, trained: str) -> str:
    """Decide where labels come from.

    Args:
        asked: `BuildSettings.labels`, one of `config.LABELS`.
        trained: `Checkpoint.labels`: "condition", "per-class" or "none".

    Returns:
        "condition", "per-class" or "classifier": a key of DESCRIPTIONS, and the manifest's
        `label_source`.

    Raises:
        SettingsError: if the generator cannot do what was asked for, with what can be done.

    Example:
        >>> label_source("auto", "condition"), label_source("classifier", "none")
        ('condition', 'classifier')
    """
    if asked not in FITTING[trained]:
        raise SettingsError(
            f"--labels {asked} does not go with this generator: {REASONS[trained]}."
        )
    return "classifier" if trained == "none" else trained


def trained_labels(conditional: bool, asked: str | None) -> str:
    """What `Checkpoint.labels` will be after a training, known before it.

    Args:
        conditional: whether the recipe tells the networks the class.
        asked: --labels, if given.

    Raises:
        SettingsError: if the recipe and --labels exclude each other.
    """
    trained = "condition" if conditional else "per-class" if asked == "per-class" else "none"
    if asked is not None and asked != "auto":
        label_source(asked, trained)
    return trained
