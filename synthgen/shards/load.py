"""Loading: a manifest to `Digits`. No TensorFlow."""

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from synthgen.datasets.digits import Digits, Images
from synthgen.errors import DataError, ManifestError, StorageError
from synthgen.shards.formats import FORMATS
from synthgen.shards.manifest import find_manifest, find_record, read_rows
from synthgen.storage import Storage


class Loaded(NamedTuple):
    """Images of a set and what the manifest says of them.

    Args:
        digits: images and labels.
        rows: a data frame with the manifest row of each image, in the same order.
        counts: (classes,) int64, images of each class in the whole manifest.
        record: the run record of the set.
    """

    digits: Digits
    rows: Any
    counts: NDArray[np.int64]
    record: Mapping[str, Any]


def load(manifest: str, root: str | None = None, per_class: int | None = None) -> Digits:
    """Read the images and labels of a set.

    Any selection of the manifest's rows, in any order, gives those images in that order. Where the
    labels come from stands in the column `label_source` of these rows (see `load_rows`).

    Args:
        manifest: path or URL of the CSV, in the folder where the set's own manifest and run record
            lie.
        root: where data/ lies, if that is not the parent of the manifest's folder.
        per_class: read at most so many images of each class, the first ones; memory then does not
            grow with the set.

    Returns:
        The images, from HDF5 shards if they are there, else from PNG files.

    Raises:
        ManifestError: if the manifest or its record cannot be read.
        StorageError: if a file that it names is missing.
        DataError: if one is damaged.

    Example:
        >>> load("manifests/digits.csv").counts()  # doctest: +SKIP
        array([5000, 5000, 5000, 5000, 5000, 5000, 5000, 5000, 5000, 5000])
    """
    return load_rows(manifest, root, per_class).digits


def load_rows(manifest: str, root: str | None = None, per_class: int | None = None) -> Loaded:
    """Read the images of a set together with their manifest rows; arguments and errors are those of `load`."""
    storage, relative = find_manifest(manifest, root)
    record = find_record(storage, relative)
    names = tuple(record["class_names"])
    rows, counts = _select(storage, relative, len(names), per_class)
    images = np.empty((len(rows), *record["image_shape"]), np.uint8)
    for _, group in rows.groupby("shard"):
        found = read_images(storage, group)
        if found.shape[1:] != images.shape[1:]:
            received = f"received {found.shape[1:]} in shard {group['shard'].iloc[0]}. `synthgen verify` says what is damaged."
            raise DataError(
                f"Expected images of the run record's shape, {images.shape[1:]}, {received}"
            )
        images[group.index] = found
    return Loaded(
        Digits(images, rows["label"].to_numpy().astype(np.uint8), names), rows, counts, record
    )


def _select(
    storage: Storage, manifest: str, classes: int, per_class: int | None
) -> tuple[Any, NDArray[np.int64]]:
    """The first rows of each class, in the order of the manifest, and how many rows of each class there are."""
    kept, counts = [], np.zeros(classes, np.int64)
    for piece in read_rows(storage, manifest):
        labels = _labels(piece, classes)
        number = counts[labels] + piece.groupby("label").cumcount().to_numpy()
        kept.append(piece if per_class is None else piece[number < per_class])
        counts += np.bincount(labels, minlength=classes)
    if not counts.sum():
        raise ManifestError(
            f"Expected a manifest with at least one row at {storage.url}/{manifest}, received none."
        )
    return pd.concat(kept, ignore_index=True), counts


def _labels(rows: Any, classes: int) -> NDArray[np.int64]:
    labels: NDArray[np.int64] = rows["label"].to_numpy()
    if labels.min() < 0 or labels.max() >= classes:
        raise DataError(
            f"Expected labels from 0 to {classes - 1} in the manifest, received {labels.min()} to {labels.max()}."
        )
    return labels


def read_images(storage: Storage, rows: Any) -> Images:
    """The images of some manifest rows of one shard, in their order, from the first format whose files are there.

    Raises:
        StorageError: if they are there in no format.
        DataError: if a file is damaged.
    """
    reasons = []
    for kind, module in FORMATS.items():
        paths = rows[kind].tolist()
        if "" in paths:
            continue
        try:
            return module.decode(storage.read_many(paths), paths, rows["offset"].tolist())[0]
        except StorageError as error:
            reasons.append(str(error))
        except DataError as error:
            raise DataError(
                f"{error} `synthgen verify` says what else is damaged; the same `synthgen build` again, with the same versions, makes it anew."
            ) from error
    raise StorageError(
        f"Images of shard {rows['shard'].iloc[0]} are there in no format. {' '.join(reasons) or 'The manifest names no file.'}"
    )
