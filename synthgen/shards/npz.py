"""NPZ shards: data/NAME/npz/00000.npz, one file a shard, the arrays of an HDF5 shard.

    images    (n, height, width, channels) uint8, 0..255, white on black
    labels    (n,) uint8
    ids       (n,) texts
    indices   (n,) int64
    seeds     (n,) uint64
    attempts  (n,) int64
    class_names  (classes,) texts
    attributes   () text, JSON: what an HDF5 shard has as attributes

NumPy gives each member of the archive the same old date, so the same content gives the same bytes.
"""

import io
import json
import zipfile
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from synthgen.datasets.digits import Images
from synthgen.errors import DataError
from synthgen.shards.content import ShardContent
from synthgen.shards.plan import SetPlan, Shard
from synthgen.shards.shard_file import (
    COLUMN_OF,
    LARGEST_EXPANSION,
    damaged_attributes,
    is_shard_path,
    select_rows,
    shard_attributes,
    shard_paths,
)

FOLDER = "npz"
MEDIA_TYPE = "application/x-npz"
WORDS = "NumPy archives with the arrays of HDF5"
REQUIRES: tuple[str, ...] = ()


def paths(shard: Shard, plan: SetPlan) -> list[str]:
    """Return the file of each row: one for the whole shard."""
    return shard_paths(shard, plan, FOLDER, "npz")


def expects(path: str, plan: SetPlan) -> bool:
    """Return whether a path is that of a shard of the set."""
    return is_shard_path(path, plan, FOLDER, "npz")


def disk_bytes(pixels: int) -> int:
    """Estimate generously the bytes that an image takes on the disk."""
    return pixels // 3 + 40


def encode(content: ShardContent, plan: SetPlan, attributes: Mapping[str, Any]) -> dict[str, bytes]:
    """Return the file of a shard, by path.

    Args:
        content: of the shard.
        plan: of the set.
        attributes: of the file, beside format, pixels, shard and class_names.
    """
    buffer = io.BytesIO()
    np.savez_compressed(
        buffer,
        images=content.images,
        labels=content.labels,
        ids=np.array(content.shard.ids()),
        indices=content.indices,
        seeds=content.seeds,
        attempts=content.attempts,
        class_names=np.array(list(plan.class_names)),
        attributes=np.array(json.dumps(shard_attributes(content, plan, attributes))),
    )
    return {paths(content.shard, plan)[0]: buffer.getvalue()}


def read_attributes(contents: Mapping[str, bytes]) -> dict[str, Any]:
    """Return what the file of a shard says about its set.

    Args:
        contents: the bytes of the file, by path.

    Raises:
        DataError: if the file is damaged.
    """
    ((path, content),) = contents.items()
    try:
        with np.load(io.BytesIO(content), allow_pickle=False) as arrays:
            return dict(json.loads(str(arrays["attributes"])))
    except Exception as error:  # damaged bytes make zipfile and NumPy raise nearly anything
        raise damaged_attributes(path, error) from error


def decode(
    contents: Mapping[str, bytes], paths: Sequence[str], offsets: Sequence[int]
) -> tuple[Images, dict[str, Any]]:
    """Read rows of a shard.

    Args:
        contents: the bytes of its file, by path.
        paths: the file of each row, the same for all.
        offsets: the place of each row in the shard.

    Returns:
        The images, and what else the file says about each of them, by manifest column.

    Raises:
        DataError: if it is damaged, arrays are missing or of different lengths, or it holds no such
            rows.
    """
    path = paths[0]
    content = contents[path]
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            declared = sum(member.file_size for member in archive.infolist())
        if declared > LARGEST_EXPANSION * len(content):
            raise ValueError(f"{declared:,} bytes in a file of {len(content):,} bytes")
        with np.load(io.BytesIO(content), allow_pickle=False) as arrays:
            images = np.asarray(arrays["images"])
            columns = {column: np.asarray(arrays[name]) for name, column in COLUMN_OF.items()}
    except Exception as error:  # damaged bytes make zipfile and NumPy raise nearly anything
        raise DataError(
            f"{path}: Expected an NPZ shard with arrays images, {', '.join(COLUMN_OF)}, "
            f"received something else ({error})."
        ) from error
    return select_rows(images, columns, paths, offsets)
