"""The contact sheet, data/NAME/contact_sheet.png: the first images of each class, a row each."""

import dataclasses
import hashlib
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any

import numpy as np

from synthgen.datasets.digits import Images, Labels
from synthgen.datasets.pixels import decode_png, encode_png, grid
from synthgen.errors import DataError, ManifestError, StorageError
from synthgen.shards.formats import SHARD_FORMATS, ShardFiles
from synthgen.shards.layout import check_named_files, contact_sheet_path
from synthgen.shards.marks import set_chunks
from synthgen.shards.plan import SetPlan
from synthgen.storage import Storage

CONTACT_SHEET_COLUMNS = 10  # images of each class
EMPTY_CELL = 128  # grey, in the place of an image that a class has not
ENLARGED_SIDE = 64  # pixels up to which images are drawn twice as large
HEAD_BYTES = 33  # of a PNG file: signature and IHDR, after which texts may stand
NO_ATTRIBUTES: Mapping[str, Any] = MappingProxyType({})
MOST_CELL_SIDE = 128  # pixels of an image on the sheet


def draw_sheet(
    images: Images, labels: Labels, attributes: Mapping[str, Any] = NO_ATTRIBUTES
) -> bytes:
    """Draw the first images of each class as a PNG file: small ones enlarged, large ones reduced.

    Args:
        images: (n, height, width, channels) uint8, the first ones of a set in the order of its
            rows.
        labels: (n,) uint8; each class that there is has one row of the sheet.
        attributes: of the set, which the file is marked with (see `marks`).
    """
    classes = np.unique(labels)
    columns = min(CONTACT_SHEET_COLUMNS, int(np.bincount(labels).max()))
    cells = np.full((len(classes), columns, *images.shape[1:]), EMPTY_CELL, np.uint8)
    for row, label in enumerate(classes):
        first = images[labels == label][:columns]
        cells[row, : len(first)] = first
    step = -(-max(images.shape[1:3]) // MOST_CELL_SIDE)
    small = np.ascontiguousarray(cells.reshape(-1, *images.shape[1:])[:, ::step, ::step])
    zoom = 2 if max(images.shape[1:3]) <= ENLARGED_SIDE else 1
    content = encode_png(grid(small, columns), zoom=zoom)
    return content[:HEAD_BYTES] + set_chunks(attributes) + content[HEAD_BYTES:]


def read_first_images(
    storage: Storage, plan: SetPlan, kind: str, hashes: Sequence[str | None]
) -> tuple[Images, Labels]:
    """Read the images of the contact sheet from the shards.

    Args:
        storage: of the root.
        plan: of the set.
        kind: a format that the set was written in.
        hashes: of the files of each shard in that format.

    Returns:
        Images (n, height, width, channels) uint8 and labels (n,) uint8, in the order of the set's
        rows.
    """
    module = SHARD_FORMATS[kind]
    images: list[Images] = []
    labels: list[Labels] = []
    for shard in plan.shards():
        if shard.start >= CONTACT_SHEET_COLUMNS:
            break
        stop = min(shard.stop, CONTACT_SHEET_COLUMNS)
        first = dataclasses.replace(shard, stop=stop).labels()
        paths = module.paths(shard, plan)[: len(first)]
        files = ShardFiles(kind, storage.read_many(paths), hashes[shard.number])
        images.append(files.decode(paths, range(len(paths)))[0])
        labels.append(first)
    return np.concatenate(images), np.concatenate(labels)


def sheet_is_whole(storage: Storage, name: str, sha256: str | None) -> bool:
    """Return whether the contact sheet of a set is there and is the one of the build.

    Args:
        storage: of the root.
        name: of the set.
        sha256: of the file, as the run record says; None where it does not: then any picture is
            taken for it.
    """
    path = contact_sheet_path(name)
    try:
        check_named_files(storage, [path])
        content = storage.read_bytes(path)
        if sha256 is None:
            decode_png(content)
    except (ManifestError, StorageError, DataError):
        return False
    return sha256 is None or hashlib.sha256(content).hexdigest() == sha256
