"""What formats have in common that hold a whole shard in one file: data/NAME/FORMAT/00000.SUFFIX.

Each row of such a file says of its image what the manifest says, too: label, id, index, seed and
attempt.
"""

import importlib
from collections.abc import Mapping, Sequence
from types import ModuleType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from synthgen.datasets.digits import Images
from synthgen.errors import DataError, SettingsError
from synthgen.shards.content import ShardContent
from synthgen.shards.layout import data_folder
from synthgen.shards.plan import SetPlan, Shard
from synthgen.text import counted

SHARD_VERSION = "synthgen-shard/1"
PIXELS = "uint8, 0..255, white on black"
# The most that deflate, also gzip's, makes of a byte (https://zlib.net/zlib_tech.html): a file that
# declares more lies, or was never written.
LARGEST_EXPANSION = 1032
# Array of HDF5 and NPZ files -> manifest column.
COLUMN_OF = {
    "labels": "label",
    "ids": "id",
    "indices": "index",
    "seeds": "seed",
    "attempts": "attempt",
}
ROW_COLUMNS = tuple(COLUMN_OF.values())


def shard_paths(shard: Shard, plan: SetPlan, folder: str, suffix: str) -> list[str]:
    """Return the file of each row: one for the whole shard.

    Args:
        shard: of the set.
        plan: of the set.
        folder: of the format, below data/NAME.
        suffix: of its files, without the point.
    """
    return [f"{data_folder(plan.name)}/{folder}/{shard.number:05d}.{suffix}"] * len(shard)


def is_shard_path(path: str, plan: SetPlan, folder: str, suffix: str) -> bool:
    """Return whether a path is that of a shard of the set.

    Args:
        path: relative to the root.
        plan: of the set.
        folder: of the format, below data/NAME.
        suffix: of its files, without the point.
    """
    number = path.rpartition("/")[2].removesuffix(f".{suffix}")
    if not number.isdecimal() or int(number) >= plan.shard_count:
        return False
    return path == shard_paths(plan.shard(int(number)), plan, folder, suffix)[0]


def shard_attributes(
    content: ShardContent, plan: SetPlan, attributes: Mapping[str, Any]
) -> dict[str, Any]:
    """Return what the file of a shard says of all its images.

    Args:
        content: of the shard.
        plan: of the set.
        attributes: what else is known, or other pixels than white on black.
    """
    about = {
        "format": SHARD_VERSION,
        "pixels": PIXELS,
        "shard": content.shard.number,
        "class_names": list(plan.class_names),
    }
    return about | dict(attributes)


def row_columns(content: ShardContent) -> dict[str, list[Any]]:
    """Return what is known of each image, plain numbers and texts by manifest column."""
    return {
        "label": content.labels.tolist(),
        "id": content.shard.ids(),
        "index": content.indices.tolist(),
        "seed": content.seeds.tolist(),
        "attempt": content.attempts.tolist(),
    }


def select_rows(
    images: NDArray[Any],
    columns: Mapping[str, NDArray[Any]],
    paths: Sequence[str],
    offsets: Sequence[int],
) -> tuple[Images, dict[str, Any]]:
    """Return the rows of a shard that are asked for, from all that its file holds.

    Args:
        images: (n, height, width, channels) uint8, if the file is what it should be.
        columns: what the file says of each of them, by manifest column.
        paths: the file of each row, the same for all.
        offsets: the place of each row in the shard.

    Raises:
        DataError: if columns and images do not fit together, or the file holds no such rows.
    """
    path = paths[0]
    wrong = [
        name
        for name, values in columns.items()
        if values.shape != images.shape[:1] or values.dtype.kind not in "iuU"
    ]
    if images.ndim != 4 or images.dtype != np.uint8 or wrong:
        others = f", other lengths or types of {', '.join(wrong)}" if wrong else ""
        raise DataError(
            f"{path}: Expected images (n, height, width, channels) uint8 and columns of that n, "
            f"received {images.shape} {images.dtype}{others}."
        )

    files = len(set(paths))
    chosen = np.asarray(offsets, np.int64)
    if files > 1 or chosen.min() < 0 or chosen.max() >= len(images):
        raise DataError(
            f"{path}: Expected rows of one shard with {len(images)} images, received rows "
            f"{min(offsets)} to {max(offsets)} of {counted(files, 'file')}. "
            "The manifest and the shard do not fit together."
        )
    if np.array_equal(chosen, np.arange(len(images))):  # the whole shard, as nearly always
        return images, dict(columns)
    return images[chosen], {name: values[chosen] for name, values in columns.items()}


def damaged_attributes(path: str, error: Exception) -> DataError:
    """Return the error for a file that does not say what it should of its set."""
    return DataError(
        f"{path}: Expected a shard with attributes of its set, received one that is damaged: "
        f"{error}."
    )


def import_package(name: str, kind: str) -> ModuleType:
    """Import a package that only one format needs.

    Args:
        name: of the package.
        kind: the format, which is also the name of the extra that installs the package.

    Raises:
        SettingsError: if it is not installed.
    """
    try:
        return importlib.import_module(name)
    except ImportError as error:
        raise SettingsError(
            f"Expected the package {name!r} for shards of the format {kind}, which is not "
            f"installed. Install it with `pip install 'synthgen[{kind}]'`."
        ) from error
