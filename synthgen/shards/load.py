"""Loading: a manifest to `Digits`. No TensorFlow."""

from typing import Any

import numpy as np
import pandas as pd

from synthgen.datasets.digits import Digits, Images
from synthgen.errors import DataError, ManifestError, StorageError
from synthgen.shards.formats import FORMATS, read_files
from synthgen.shards.manifest import locate, read_record, read_rows
from synthgen.storage import Storage, open_storage


def load(manifest: str, root: str | None = None) -> Digits:
    """Read the images and labels of a set.

    Any selection of the manifest's rows, in any order, gives those images in that order.

    Args:
        manifest: path or URL of the CSV; its run record lies beside it.
        root: where data/ lies, if that is not the parent of the manifest's folder.

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
    base, relative = locate(manifest, root)
    storage = open_storage(base)
    record = read_record(storage, relative)
    rows = pd.concat(list(read_rows(storage, relative)) or [pd.DataFrame({"label": []})], ignore_index=True)
    if not len(rows):
        raise ManifestError(f"Expected a manifest with at least one row at {storage.url}/{relative}, received none.")
    images = np.empty((len(rows), *record["image_shape"]), np.uint8)
    for _, group in rows.groupby("shard"):
        images[group.index] = read_images(storage, group)
    return Digits(images, _labels(rows, len(record["class_names"])), tuple(record["class_names"]))


def _labels(rows: Any, classes: int) -> Any:
    labels = rows["label"].to_numpy()
    if labels.min() < 0 or labels.max() >= classes:
        raise DataError(f"Expected labels from 0 to {classes - 1} in the manifest, received {labels.min()} to {labels.max()}.")
    return labels.astype(np.uint8)


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
            return module.decode(read_files(storage, paths), paths, rows["offset"].tolist())[0]
        except StorageError as error:
            reasons.append(str(error))
    raise StorageError(f"Images of shard {rows['shard'].iloc[0]} are there in no format. {' '.join(reasons) or 'The manifest names no file.'}")
