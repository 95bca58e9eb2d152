"""HDF5 shards: data/NAME/hdf5/00000.h5, one file a shard.

    images    (n, height, width, channels) uint8, 0..255, white on black, gzip
    labels    (n,) uint8
    ids       (n,) bytes
    indices   (n,) int64
    seeds     (n,) uint64
    attempts  (n,) int64

The same content gives the same bytes: files are made in memory, without timestamps, and written
whole.
"""

import io
from collections.abc import Mapping, Sequence
from typing import Any

import h5py
import numpy as np

from synthgen.datasets.digits import Images
from synthgen.errors import DataError
from synthgen.shards.plan import Drawn, Plan, Shard
from synthgen.text import counted

VERSION = "synthgen-shard/1"
PIXELS = "uint8, 0..255, white on black"
FOLDER = "hdf5"
# images a chunk: as small as whole-shard chunks (184 bytes a digit), and a loader that wants one
# image unpacks few
CHUNK = 100
# gzip: 22 % smaller than lzf and read by every HDF5 tool; level 4 saves another 7 % at half the
# speed
LEVEL = 1
# data set -> manifest column
SETS = {"labels": "label", "ids": "id", "indices": "index", "seeds": "seed", "attempts": "attempt"}


def paths(shard: Shard, plan: Plan) -> list[str]:
    """The file of each row: one for the whole shard."""
    return [f"data/{plan.name}/{FOLDER}/{shard.number:05d}.h5"] * len(shard)


def expects(path: str, plan: Plan) -> bool:
    """Whether a path is that of a shard of the set."""
    number = path.rpartition("/")[2].removesuffix(".h5")
    return (
        number.isdecimal()
        and int(number) < plan.shard_count
        and path == paths(plan.shard(int(number)), plan)[0]
    )


def disk_bytes(pixels: int) -> int:
    """A generous estimate of the bytes that an image takes on the disk."""
    return pixels // 3 + 40


def encode(drawn: Drawn, plan: Plan, attributes: Mapping[str, Any]) -> dict[str, bytes]:
    """The file of a shard, by path."""
    buffer = io.BytesIO()
    with h5py.File(buffer, "w") as file:
        chunk = (min(CHUNK, len(drawn.images)), *drawn.images.shape[1:])
        file.create_dataset(
            "images", data=drawn.images, chunks=chunk, compression="gzip", compression_opts=LEVEL
        )
        for name, values in _columns(drawn).items():
            file.create_dataset(name, data=values)
        about = {
            "format": VERSION,
            "pixels": PIXELS,
            "shard": drawn.shard.number,
            "class_names": list(plan.class_names),
        }
        for name, value in (about | dict(attributes)).items():
            file.attrs[name] = value
    return {paths(drawn.shard, plan)[0]: buffer.getvalue()}


def _columns(drawn: Drawn) -> dict[str, Any]:
    ids = np.array(drawn.shard.ids(), np.bytes_)
    return {
        "labels": drawn.labels,
        "ids": ids,
        "indices": drawn.indices,
        "seeds": drawn.seeds,
        "attempts": drawn.attempts,
    }


def decode(
    contents: Mapping[str, bytes], paths: Sequence[str], offsets: Sequence[int]
) -> tuple[Images, dict[str, Any]]:
    """Read rows of a shard back.

    Args:
        contents: the bytes of its file, by path.
        paths: the file of each row, the same for all.
        offsets: the place of each row in the shard.

    Returns:
        The images, and what else the file tells about each of them, by manifest column.

    Raises:
        DataError: if it is damaged, data sets are missing or of different lengths, or it holds no
            such rows.
    """
    images, columns = _read(contents[paths[0]], paths[0])
    if len(set(paths)) > 1 or min(offsets) < 0 or max(offsets) >= len(images):
        found = f"rows {min(offsets)} to {max(offsets)} of {counted(len(set(paths)), 'file')}. The manifest and the shard do not fit together"
        raise DataError(
            f"{paths[0]}: Expected rows of one shard with {len(images)} images, received {found}."
        )
    chosen = np.asarray(offsets, np.int64)
    return images[chosen], {name: values[chosen] for name, values in columns.items()}


def _read(content: bytes, path: str) -> tuple[Images, dict[str, Any]]:
    try:
        with h5py.File(io.BytesIO(content), "r") as file:
            images = np.asarray(file["images"][()])
            columns = {column: np.asarray(file[name][()]) for name, column in SETS.items()}
        columns["id"] = columns["id"].astype(str)
    except Exception as error:  # damaged bytes make h5py and NumPy raise nearly anything
        raise DataError(
            f"{path}: Expected an HDF5 shard with data sets images, {', '.join(SETS)}, received one that is damaged: {error}."
        ) from error
    wrong = [
        name
        for name, column in SETS.items()
        if columns[column].shape != images.shape[:1] or columns[column].dtype.kind not in "iuU"
    ]
    if images.ndim != 4 or images.dtype != np.uint8 or wrong:
        found = f"{images.shape} {images.dtype}{', other lengths or types of ' * bool(wrong)}{', '.join(wrong)}"
        raise DataError(
            f"{path}: Expected images (n, height, width, channels) uint8 and columns of that n, received {found}."
        )
    return images, columns
