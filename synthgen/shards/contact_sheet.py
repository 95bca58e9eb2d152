"""The contact sheet: data/NAME/contact_sheet.png, the first ten images of each class, one row a class."""

import numpy as np

from synthgen.datasets.digits import Images
from synthgen.datasets.pixels import decode_png, encode_png, grid
from synthgen.errors import DataError, StorageError
from synthgen.shards.formats import FORMATS
from synthgen.shards.plan import Plan
from synthgen.storage import Storage

COLUMNS = 10


def sheet_path(name: str) -> str:
    """Where the contact sheet of a set lies, relative to the root."""
    return f"data/{name}/contact_sheet.png"


def draw_sheet(storage: Storage, plan: Plan, kind: str) -> bytes:
    """The contact sheet of a set whose shards are written, as a PNG file.

    Args:
        storage: of the root.
        plan: of the set.
        kind: a format that the set was written in.
    """
    return encode_png(
        grid(_first_images(storage, plan, kind), min(COLUMNS, plan.per_class)), zoom=2
    )


def sheet_is_whole(storage: Storage, name: str) -> bool:
    """Whether the contact sheet of a set is there and is a picture."""
    try:
        decode_png(storage.read_bytes(sheet_path(name)))
    except (StorageError, DataError):
        return False
    return True


def _first_images(storage: Storage, plan: Plan, kind: str) -> Images:
    """The first ten images of each class, one class after the other."""
    found: list[Images] = []
    wanted = min(COLUMNS, plan.per_class)
    for shard in plan.shards():
        if shard.start >= wanted:
            break
        paths = FORMATS[kind].paths(shard, plan)[: (wanted - shard.start) * shard.classes]
        found.append(FORMATS[kind].decode(storage.read_many(paths), paths, range(len(paths)))[0])
    images = np.concatenate(found)  # (wanted * classes, h, w, c), index by index
    return (
        images.reshape(wanted, plan.classes, *images.shape[1:]).swapaxes(0, 1).reshape(images.shape)
    )
