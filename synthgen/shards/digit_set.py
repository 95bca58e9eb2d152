"""A set on disk or in an object store, whose images are read when they are asked for."""

import importlib.util
import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from synthgen.datasets.digits import Digits, Images, Labels
from synthgen.errors import InputError, ManifestError, SettingsError
from synthgen.shards.manifest import LATER_FORMATS, find_manifest, find_record, manifest_columns
from synthgen.shards.manifest_index import read_wanted_rows
from synthgen.shards.png_codec import encode_unfiltered
from synthgen.shards.read import CACHE_BYTES, SetReader
from synthgen.shards.run_record import RunRecord
from synthgen.shards.shuffle import part_of, shuffle

if TYPE_CHECKING:
    import pandas as pd

    from synthgen.shards.torch_data import TorchDigits

PICTURES_AT_ONCE = 1000
WINDOW_SHARE = 0.5  # of the images that may be kept: so much is shuffled at a time


@dataclass(frozen=True, kw_only=True, eq=False)
class DigitSet:
    """The images of a set, or a selection of them; `open_set` makes it.

    Nothing but the manifest is read before images are asked for. What is unpacked is checked as
    `load` does, and shards that were unpacked are kept as long as there is room. It may be pickled,
    and used after a fork.

    Args:
        manifest: path of the manifest from the root.
        record: of the set.
        reader: of the images of all rows.
        numbers: (n,) int64, the rows of the manifest that were selected, in this order.

    Example:
        >>> digits = open_set("manifests/digits.csv")            # doctest: +SKIP
        >>> image, label = digits[7]                             # doctest: +SKIP
        >>> some = digits[[70, 3, 31]]                           # doctest: +SKIP
        >>> len(some), some.images.shape                         # doctest: +SKIP
        (3, (3, 28, 28, 1))
    """

    manifest: str
    record: RunRecord
    reader: SetReader
    numbers: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.numbers)

    def __repr__(self) -> str:
        height, width, channels = self.image_shape
        return (
            f"DigitSet({len(self):,} images of {height} x {width} x {channels}, "
            f"{self.classes} classes)"
        )

    @property
    def labels(self) -> Labels:
        """The label of each image, (n,) uint8."""
        return self.reader.index.labels[self.numbers]

    @property
    def class_names(self) -> Sequence[str]:
        """One name a class."""
        return self.record.class_names

    @property
    def classes(self) -> int:
        """Number of classes."""
        return len(self.class_names)

    @property
    def image_shape(self) -> tuple[int, int, int]:
        """(height, width, channels)."""
        return self.record.image_shape

    @property
    def window(self) -> int:
        """Images that are shuffled at a time: all of a set that is kept in memory."""
        if self.reader.fits:
            return len(self.reader.index.labels)
        return max(1, int(WINDOW_SHARE * self.reader.cache_bytes) // self.reader.image_bytes)

    @property
    def shards(self) -> NDArray[np.int32]:
        """The shard in which each image lies, (n,) int32, numbered among those of the manifest."""
        return self.reader.index.shard_of[self.numbers]

    def counts(self) -> NDArray[np.int64]:
        """Return the images per class, (classes,) int64."""
        return np.bincount(self.labels, minlength=self.classes).astype(np.int64)

    # Reading

    def __getitem__(self, rows: Any) -> Any:
        """Read an image, or several.

        Args:
            rows: an integer; or a slice, integers or a mask, in any order.

        Returns:
            For an integer, the image (height, width, channels) uint8 and its label; else `Digits`.

        Raises:
            IndexError: if there is no such row.
            StorageError: if a file is missing.
            DataError: if one is damaged, or holds other images than the manifest describes.
        """
        if isinstance(rows, int | np.integer):
            number = self.numbers[rows]
            image = self.reader.images(np.array([number]))[0]
            return image, int(self.reader.index.labels[number])
        numbers = self._chosen(rows)
        labels = self.reader.index.labels[numbers]
        return Digits(self.reader.images(numbers), labels, self.class_names)

    def images(self, rows: NDArray[np.int64], whole_shards: bool = False) -> Images:
        """Read images.

        Args:
            rows: (m,) integers, in any order.
            whole_shards: whether the rest of their shards is wanted soon, too.

        Returns:
            (m, height, width, channels) uint8.
        """
        return self.reader.images(self.numbers[rows], whole_shards)

    def take(self, rows: Any) -> "DigitSet":
        """Return the set of the images at some rows, in this order; no image is read.

        Args:
            rows: a slice, integers or a mask.
        """
        return DigitSet(
            manifest=self.manifest,
            record=self.record,
            reader=self.reader,
            numbers=self._chosen(rows),
        )

    def _chosen(self, rows: Any) -> NDArray[np.int64]:
        """Return the numbers of rows: a slice, integers or a mask."""
        chosen = rows if isinstance(rows, slice) else np.asarray(rows)
        if not isinstance(chosen, slice) and not chosen.size:
            chosen = slice(0)
        numbers: NDArray[np.int64] = self.numbers[chosen]
        return numbers

    def as_numpy(self) -> tuple[Images, Labels]:
        """Read all images into memory: (n, height, width, channels) uint8, labels (n,) uint8."""
        digits: Digits = self[:]
        return digits.as_numpy()

    def rows(self) -> "pd.DataFrame":
        """Read what the manifest says of these images: a data frame with a row each, in order.

        Its columns are those of the manifest.

        Raises:
            ManifestError: if the manifest cannot be read, or has changed.
        """
        import pandas as pd

        wanted = np.unique(self.numbers)
        labels = self.reader.index.labels
        kept = []
        count = 0
        same = True
        for piece, _ in read_wanted_rows(self.reader.storage, self.manifest, self.record):
            begin, end = np.searchsorted(wanted, (count, count + len(piece)))
            kept.append(piece.iloc[wanted[begin:end] - count])
            same &= np.array_equal(piece["label"], labels[count : count + len(piece)])
            count += len(piece)
        if not same or count != len(labels):
            raise ManifestError(
                f"Expected the {len(labels):,} rows that {self.manifest} had when it was opened, "
                f"received {count:,} or others. Open it again."
            )
        rows = pd.concat(kept, ignore_index=True)
        # readers add formats that the manifest has no column of
        added = set(LATER_FORMATS).difference(manifest_columns(self.record.settings.formats))
        rows = rows.drop(columns=[kind for kind in added if not rows[kind].any()])
        return rows.iloc[np.searchsorted(wanted, self.numbers)].reset_index(drop=True)

    # For training jobs

    def batches(
        self,
        batch: int,
        *,
        shuffle_seed: int | None = None,
        epoch: int = 0,
        rank: int = 0,
        world_size: int = 1,
    ) -> Iterator[tuple[Images, Labels]]:
        """Read the images batch by batch, for one epoch.

        Of several processes each reads a part of the same length. The last batch is smaller if need
        be.

        Args:
            batch: images in one batch.
            shuffle_seed: of the order, which is another one in each epoch; None for the order that
                the images have here. Of a set that is larger than memory a window of shards is
                shuffled at a time (see `shuffle`).
            epoch: 0 or more.
            rank: of this process, 0 .. world_size - 1.
            world_size: processes that share the images.

        Yields:
            Images (batch, height, width, channels) and labels (batch,), both uint8.

        Raises:
            SettingsError: if the batch is not 1 or more, or there is no such rank.
        """
        _check_batch(batch)
        part = part_of(len(self), rank, world_size)
        if shuffle_seed is not None:
            random = np.random.default_rng([shuffle_seed, epoch])
            part = shuffle(self.shards, self.window, random)[part]
        labels = self.labels
        for start in range(0, len(part), batch):
            rows = part[start : start + batch]
            yield self.images(rows, whole_shards=True), labels[rows]

    def as_tf_dataset(self, batch: int, shuffle_seed: int | None = None) -> Any:
        """Return a `tf.data.Dataset` of (images, labels) batches, both uint8.

        Each pass over it is another epoch. The last batch is smaller if need be.

        Args:
            batch: images in one batch.
            shuffle_seed: seed of the order, see `batches`.

        Raises:
            SettingsError: if the batch is not 1 or more.
        """
        _check_batch(batch)
        from synthgen.shards.tf_data import tf_batches

        return tf_batches(
            lambda epoch: self.batches(batch, shuffle_seed=shuffle_seed, epoch=epoch),
            self.image_shape,
            steps=math.ceil(len(self) / batch),
        )

    def as_torch_dataset(self, transform: Callable[[Any], Any] | None = None) -> "TorchDigits":
        """Return a map-style `torch.utils.data.Dataset` of (image, label).

        An image is a uint8 tensor (channels, height, width), a label an int. It works with any
        `DataLoader`, with workers that are forked or spawned, and any sampler.

        Args:
            transform: is called with each image tensor.

        Raises:
            InputError: if PyTorch is not installed.
        """
        require("torch", "PyTorch")
        from synthgen.shards.torch_data import TorchDigits

        return TorchDigits(self, transform)

    def as_hugging_face(self) -> Any:
        """Return a `datasets.Dataset` with the columns image (as a picture) and label.

        It is written once into the cache of Hugging Face, from where it is read piece by piece.

        Raises:
            InputError: if the package datasets is not installed.
        """
        require("datasets", "Hugging Face's datasets")
        import datasets

        features = datasets.Features(
            {
                "image": datasets.Image(),
                "label": datasets.ClassLabel(names=list(self.class_names)),
            }
        )
        return datasets.Dataset.from_generator(
            _picture_rows, features=features, gen_kwargs={"digits": self}
        )


def open_set(manifest: str, root: str | None = None, cache_bytes: int = CACHE_BYTES) -> DigitSet:
    """Open a set whose images are read when they are asked for, however large it is.

    Any selection of the manifest's rows, in any order, gives those images in that order. What is
    known of a set takes some 60 bytes of memory an image.

    Args:
        manifest: path or URL of the CSV, in the folder where the set's own manifest and run record
            lie.
        root: where data/ lies, if that is not the parent of the manifest's folder.
        cache_bytes: of unpacked images that each process keeps, at most. A set with room in it is
            unpacked once.

    Raises:
        ManifestError: if the manifest or its record cannot be read.
        DataError: if a label is that of no class.

    Example:
        >>> digits = open_set("s3://bucket/sets/manifests/digits.csv")  # doctest: +SKIP
        >>> for images, labels in digits.batches(128, shuffle_seed=0):  # doctest: +SKIP
        ...     ...
    """
    storage, relative = find_manifest(manifest, root)
    record = find_record(storage, relative)
    reader = SetReader(storage, relative, record, cache_bytes=cache_bytes)
    return DigitSet(
        manifest=relative,
        record=record,
        reader=reader,
        numbers=np.arange(len(reader.index.labels)),
    )


def _check_batch(batch: int) -> None:
    if batch < 1:
        raise SettingsError(f"Expected a batch of 1 or more images, received {batch}.")


def require(package: str, name: str) -> None:
    """Make sure that an optional package is there."""
    if importlib.util.find_spec(package) is None:
        raise InputError(
            f"Expected {name} to be installed, which this needs and synthgen does not bring. "
            f"Install it: pip install {package}"
        )


def _picture_rows(digits: DigitSet) -> Iterator[dict[str, Any]]:
    """Yield each image as a PNG file, with its label, for Hugging Face's datasets."""
    for images, labels in digits.batches(PICTURES_AT_ONCE):
        for image, label in zip(images, labels.tolist(), strict=True):
            picture = {"bytes": encode_unfiltered(image), "path": None}
            yield {"image": picture, "label": label}
