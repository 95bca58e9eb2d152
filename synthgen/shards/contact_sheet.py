"""The contact sheet, data/NAME/contact_sheet.png: the first images of each class, a row each."""

import numpy as np

from synthgen.datasets.digits import Images
from synthgen.datasets.pixels import decode_png, encode_png, grid
from synthgen.errors import DataError, ManifestError, StorageError
from synthgen.shards.formats import SHARD_FORMATS
from synthgen.shards.layout import check_named_files, contact_sheet_path
from synthgen.shards.plan import SetPlan
from synthgen.storage import Storage

CONTACT_SHEET_COLUMNS = 10  # images of each class


def draw_sheet(images: Images, classes: int) -> bytes:
    """Draw the first images of each class as a PNG file, twice enlarged.

    Args:
        images: (n, height, width, channels) uint8, the first ones of a set in the order of its
            rows: class by class, index by index.
        classes: number of classes; one row each.
    """
    columns = min(CONTACT_SHEET_COLUMNS, len(images) // classes)
    by_index = images[: columns * classes].reshape(columns, classes, *images.shape[1:])
    by_class = np.ascontiguousarray(by_index.swapaxes(0, 1))  # (classes, columns, h, w, c)
    return encode_png(grid(by_class.reshape(-1, *images.shape[1:]), columns), zoom=2)


def read_first_images(storage: Storage, plan: SetPlan, kind: str) -> Images:
    """Read the images of the contact sheet from the shards.

    Args:
        storage: of the root.
        plan: of the set.
        kind: a format that the set was written in.

    Returns:
        (n, height, width, channels) uint8, in the order of the set's rows.
    """
    module = SHARD_FORMATS[kind]
    columns = min(CONTACT_SHEET_COLUMNS, plan.per_class)
    found: list[Images] = []
    for shard in plan.shards():
        if shard.start >= columns:
            break
        paths = module.paths(shard, plan)[: (columns - shard.start) * shard.classes]
        images, _ = module.decode(storage.read_many(paths), paths, range(len(paths)))
        found.append(images)
    return np.concatenate(found)


def sheet_is_whole(storage: Storage, name: str) -> bool:
    """Return whether the contact sheet of a set is there and is a picture."""
    path = contact_sheet_path(name)
    try:
        check_named_files(storage, [path])
        decode_png(storage.read_bytes(path))
    except (ManifestError, StorageError, DataError):
        return False
    return True
