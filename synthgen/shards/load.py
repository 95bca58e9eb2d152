"""Loading: a manifest, or any selection of its rows, to `Digits`. No TensorFlow."""

from typing import NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from synthgen.datasets.digits import Digits, Images
from synthgen.datasets.framing import fit_again
from synthgen.errors import DataError, ManifestError, StorageError
from synthgen.shards.content import hash_images
from synthgen.shards.formats import SHARD_FORMATS
from synthgen.shards.layout import check_named_files
from synthgen.shards.manifest import find_manifest, find_record, read_rows
from synthgen.shards.run_record import GeneratorOrigin
from synthgen.storage import Storage

REMEDY = (
    "`synthgen verify` says what else is damaged; the same `synthgen build` again, "
    "with the same versions, makes what is damaged again."
)


class Loaded(NamedTuple):
    """Images of a set and what the manifest says of them.

    Args:
        digits: images and labels.
        rows: a data frame with the manifest row of each image, in the same order.
        counts: (classes,) int64, images of each class in the whole manifest.
        generator: that made them, as the run record says.
    """

    digits: Digits
    rows: pd.DataFrame
    counts: NDArray[np.int64]
    generator: GeneratorOrigin


def load(manifest: str, root: str | None = None, per_class: int | None = None) -> Digits:
    """Read the images and labels of a set.

    Any selection of the manifest's rows, in any order, gives those images in that order. Every
    image is compared with the hash of its row, so that no row is given the pixels of another. Where
    the labels come from stands in the column `label_source` of the rows (see `load_rows`).

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
    return load_rows(manifest, root, per_class).digits


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
    storage, relative = find_manifest(manifest, root)
    record = find_record(storage, relative)
    classes = len(record.class_names)

    # The rows that are wanted: the first ones of each class.
    kept = []
    counts = np.zeros(classes, np.int64)
    for piece in read_rows(storage, relative):
        labels = piece["label"].to_numpy()
        if labels.max() >= classes:
            raise DataError(
                f"Expected labels from 0 to {classes - 1} in the manifest, "
                f"received {labels.min()} to {labels.max()}."
            )
        if per_class is not None:
            number = counts[labels] + piece.groupby("label").cumcount().to_numpy()
            kept.append(piece[number < per_class])
        else:
            kept.append(piece)
        counts += np.bincount(labels, minlength=classes)
    if not counts.sum():
        raise ManifestError(
            f"Expected a manifest with at least one row at {storage.url}/{relative}, received none."
        )
    rows = pd.concat(kept, ignore_index=True)

    # Their images: each shard is read once, whatever the order of the rows.
    images: Images | None = None
    framing = record.framing if fit_to_generator else None
    for number, group in rows.groupby("shard"):
        found = read_images(storage, group)
        if found.shape[1:] != record.image_shape:
            raise DataError(
                f"Expected images of the run record's shape, {record.image_shape}, received "
                f"{found.shape[1:]} in shard {number}. `synthgen verify` says what is damaged."
            )
        if framing is not None:
            found = fit_again(found, framing)
        if images is None:
            images = np.empty((len(rows), *found.shape[1:]), np.uint8)
        images[group.index] = found
    assert images is not None  # there is a row, and it has a shard

    digits = Digits(images, rows["label"].to_numpy().astype(np.uint8), record.class_names)
    return Loaded(digits, rows, counts, record.checkpoint)


def read_images(storage: Storage, rows: pd.DataFrame) -> Images:
    """Read the images of some manifest rows of one shard.

    Args:
        storage: of the root.
        rows: of the manifest, in any order.

    Returns:
        (n, height, width, channels) uint8, in the order of the rows, from the first format whose
        files are there.

    Raises:
        ManifestError: if the rows name files outside the root.
        StorageError: if the images are there in no format.
        DataError: if a file is damaged, or holds other images than the rows describe.
    """
    number = rows["shard"].iloc[0]
    reasons = []
    for kind, module in SHARD_FORMATS.items():
        paths = rows[kind].tolist()
        if "" in paths:
            continue
        check_named_files(storage, paths)
        try:
            contents = storage.read_many(paths)
            images, columns = module.decode(contents, paths, rows["offset"].tolist())
        except StorageError as error:
            reasons.append(str(error))
            continue
        except DataError as error:
            raise DataError(f"{error} {REMEDY}") from error

        # Are these the images that the rows describe?
        ids = rows["id"].to_numpy()
        other = rows["sha256"].to_numpy() != np.array(hash_images(images), object)
        what = "pixels"
        if not other.any() and "label" in columns:
            other = rows["label"].to_numpy() != columns["label"]
            what = "label"
        if other.any():
            first = int(np.argmax(other))
            raise DataError(
                f"{paths[first]}: Expected the {what} that the manifest gives for {ids[first]!r}, "
                f"received another; so for {int(other.sum())} of {len(rows)} rows of shard "
                f"{number}. Either a file was changed or exchanged, or the rows are not those of "
                "this set: columns sorted apart, or kept from before a build with --overwrite. "
                f"{REMEDY}"
            )
        return images
    raise StorageError(
        f"Images of shard {number} are there in no format. "
        f"{' '.join(reasons) or 'The manifest names no file.'}"
    )
