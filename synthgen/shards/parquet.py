"""Parquet shards: data/NAME/parquet/00000.parquet, one file a shard, through pyarrow.

    image    struct of bytes (a PNG file) and path, which Hugging Face's Image feature is made of
    label    int64; its names stand in the metadata of the schema, as a ClassLabel
    id, index, seed, attempt

What holds for all images stands in the metadata of the schema under "synthgen", as JSON. The layout
of the first key, "huggingface": https://huggingface.co/docs/datasets/about_arrow
"""

import json
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from synthgen.datasets.digits import Images
from synthgen.errors import DataError
from synthgen.shards import png
from synthgen.shards.content import ShardContent
from synthgen.shards.plan import SetPlan, Shard
from synthgen.shards.png_codec import decode_pictures
from synthgen.shards.shard_file import (
    ROW_COLUMNS,
    damaged_attributes,
    import_package,
    is_shard_path,
    row_columns,
    select_rows,
    shard_attributes,
    shard_paths,
)

FOLDER = "parquet"
MEDIA_TYPE = "application/vnd.apache.parquet"
WORDS = "Parquet with Hugging Face's image feature and class names"
REQUIRES: tuple[str, ...] = ("pyarrow",)
ROW_GROUP = 1000  # images that a reader gets at a time
ROW_TYPES = {"id": "string", "index": "int64", "seed": "int64", "attempt": "int64"}


def paths(shard: Shard, plan: SetPlan) -> list[str]:
    """Return the file of each row: one for the whole shard."""
    return shard_paths(shard, plan, FOLDER, "parquet")


def expects(path: str, plan: SetPlan) -> bool:
    """Return whether a path is that of a shard of the set."""
    return is_shard_path(path, plan, FOLDER, "parquet")


def disk_bytes(pixels: int) -> int:
    """Estimate generously the bytes that an image takes on the disk."""
    return pixels // 2 + 300


def encode(content: ShardContent, plan: SetPlan, attributes: Mapping[str, Any]) -> dict[str, bytes]:
    """Return the file of a shard, by path.

    Args:
        content: of the shard.
        plan: of the set.
        attributes: of the file, beside format, pixels, shard and class_names.

    Raises:
        SettingsError: if pyarrow is not installed.
    """
    pyarrow = import_package("pyarrow", "parquet")
    parquet = import_package("pyarrow.parquet", "parquet")
    features = {
        "image": {"_type": "Image"},
        "label": {"names": list(plan.class_names), "_type": "ClassLabel"},
    } | {name: {"dtype": dtype, "_type": "Value"} for name, dtype in ROW_TYPES.items()}
    schema = pyarrow.schema(
        [
            ("image", pyarrow.struct([("bytes", pyarrow.binary()), ("path", pyarrow.string())])),
            ("label", pyarrow.int64()),
            *ROW_TYPES.items(),
        ],
        metadata={
            "huggingface": json.dumps({"info": {"features": features}}),
            "synthgen": json.dumps(shard_attributes(content, plan, attributes)),
        },
    )

    columns = row_columns(content)
    pictures = png.encode_images(content, attributes)
    images = [
        {"bytes": picture, "path": f"{name}.png"}
        for picture, name in zip(pictures, columns["id"], strict=True)
    ]
    table = pyarrow.table({"image": images, **columns}, schema=schema)
    buffer = pyarrow.BufferOutputStream()
    parquet.write_table(table, buffer, row_group_size=ROW_GROUP, compression="zstd")
    return {paths(content.shard, plan)[0]: buffer.getvalue().to_pybytes()}


def read_attributes(contents: Mapping[str, bytes]) -> dict[str, Any]:
    """Return what the file of a shard says about its set.

    Args:
        contents: the bytes of the file, by path.

    Raises:
        DataError: if the file is damaged.
        SettingsError: if pyarrow is not installed.
    """
    pyarrow = import_package("pyarrow", "parquet")
    parquet = import_package("pyarrow.parquet", "parquet")
    ((path, content),) = contents.items()
    try:
        metadata = parquet.read_schema(pyarrow.BufferReader(content)).metadata
        return dict(json.loads(metadata[b"synthgen"]))
    except Exception as error:  # damaged bytes make Arrow raise nearly anything
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
        DataError: if it is damaged, columns are missing, or it holds no such rows.
        SettingsError: if pyarrow is not installed.
    """
    pyarrow = import_package("pyarrow", "parquet")
    parquet = import_package("pyarrow.parquet", "parquet")
    path = paths[0]
    try:
        table = parquet.read_table(pyarrow.BufferReader(contents[path]))
        table.validate(full=True)
        images = decode_pictures(table["image"].combine_chunks().field("bytes").to_pylist())
        columns = {name: np.array(table[name].to_pylist()) for name in ROW_COLUMNS}
    except Exception as error:  # damaged bytes make Arrow and Pillow raise nearly anything
        raise DataError(
            f"{path}: Expected a Parquet shard with columns image, {', '.join(ROW_COLUMNS)}, "
            f"received something else ({error})."
        ) from error
    return select_rows(images, columns, paths, offsets)
