"""Loading: a manifest, or any selection of its rows, to `Digits`. No TensorFlow."""

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

from synthgen.datasets.digits import Digits
from synthgen.datasets.framing import fit_again
from synthgen.shards.manifest import find_manifest, find_record
from synthgen.shards.manifest_index import index_rows, read_wanted_rows
from synthgen.shards.read import SetReader
from synthgen.shards.run_record import GeneratorOrigin

if TYPE_CHECKING:
    import pandas as pd


class Loaded(NamedTuple):
    """Images of a set and what the manifest says of them.

    Args:
        digits: images and labels.
        rows: a data frame with the manifest row of each image, in the same order.
        counts: (classes,) int64, images of each class in the whole manifest.
        generator: that made them, as the run record says.
    """

    digits: Digits
    rows: "pd.DataFrame"
    counts: NDArray[np.int64]
    generator: GeneratorOrigin


def load(manifest: str, root: str | None = None, per_class: int | None = None) -> Digits:
    """Read the images and labels of a set into memory.

    Any selection of the manifest's rows, in any order, gives those images in that order. No row is
    given the pixels of another: unless manifest and shard are the very files of the build, by their
    hashes in the run record, every image is compared with the hash of its row. Where the labels
    come from stands in the column `label_source` of the manifest. Of a set that is larger than
    memory `open_set` reads what is asked for.

    Args:
        manifest: path or URL of the CSV, in the folder where the set's own manifest and run record
            lie.
        root: where data/ lies, if that is not the parent of the manifest's folder.
        per_class: read at most so many images of each class, the first ones; memory then does not
            grow with the set.

    Returns:
        The images, from HDF5 shards if they are there, else from PNG files.

    Raises:
        ManifestError: if the manifest or its record cannot be read, or names files outside the
            root.
        StorageError: if a file that it names is missing.
        DataError: if one is damaged, or holds other images than the rows describe.

    Example:
        >>> load("manifests/digits.csv").counts()  # doctest: +SKIP
        array([5000, 5000, 5000, 5000, 5000, 5000, 5000, 5000, 5000, 5000])
    """
    storage, relative = find_manifest(manifest, root)
    record = find_record(storage, relative)
    reader = SetReader(storage, relative, record, per_class)
    images = reader.all_images()
    return Digits(images, reader.index.labels, record.class_names)


def load_rows(
    manifest: str,
    root: str | None = None,
    per_class: int | None = None,
    fit_to_generator: bool = False,
) -> Loaded:
    """Read the images of a set together with their manifest rows.

    Args:
        manifest: path or URL of the CSV, in the folder where the set's own manifest and run record
            lie.
        root: where data/ lies, if that is not the parent of the manifest's folder.
        per_class: read at most so many images of each class, the first ones.
        fit_to_generator: whether images that look like a user's pictures are fitted to the
            generator in the way in which these pictures were.

    Raises:
        ManifestError: if the manifest or its record cannot be read, or names files outside the
            root.
        StorageError: if a file that it names is missing.
        DataError: if one is damaged, or holds other images than the rows describe.
    """
    import pandas as pd

    storage, relative = find_manifest(manifest, root)
    record = find_record(storage, relative)
    kept = []
    counts = np.zeros(len(record.class_names), np.int64)
    for piece, so_far in read_wanted_rows(storage, relative, record, per_class):
        kept.append(piece)
        counts = so_far
    rows = pd.concat(kept, ignore_index=True)

    index = index_rows([rows])
    images = SetReader(storage, relative, record, per_class, index=index).all_images()
    if fit_to_generator and record.framing is not None:
        images = fit_again(images, record.framing)
    digits = Digits(images, index.labels, record.class_names)
    return Loaded(digits, rows, counts, record.checkpoint)
