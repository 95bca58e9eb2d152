"""PNG shards: data/NAME/png/CLASS/BLOCK/ID.png, at most 10,000 files a folder, as image-folder readers expect them."""

import struct
import zlib
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from synthgen.datasets.digits import Images
from synthgen.datasets.pixels import decode_png
from synthgen.errors import DataError
from synthgen.shards.plan import Drawn, Plan, Shard, image_id, parse_id

FOLDER = "png"
FILES_A_FOLDER = 10_000
DISK_BLOCK = 4096
SIGNATURE = b"\x89PNG\r\n\x1a\n"
COLOUR = {1: 0, 3: 2}  # channels -> PNG colour type


def paths(shard: Shard, plan: Plan) -> list[str]:
    """The file of each row."""
    return [
        _path(plan, label, index)
        for index in range(shard.start, shard.stop)
        for label in range(shard.classes)
    ]


def _path(plan: Plan, label: int, index: int) -> str:
    return f"data/{plan.name}/{FOLDER}/{plan.class_names[label]}/{index // FILES_A_FOLDER:05d}/{image_id(label, index)}.png"


def expects(path: str, plan: Plan) -> bool:
    """Whether a path is that of an image of the set."""
    named = parse_id(path.rpartition("/")[2].removesuffix(".png"))
    return (
        named is not None
        and named[0] < plan.classes
        and named[1] < plan.per_class
        and path == _path(plan, *named)
    )


def disk_bytes(pixels: int) -> int:
    """A generous estimate of the bytes that an image takes on the disk: whole blocks and an entry in its folder."""
    return -(-(pixels // 2 + 100) // DISK_BLOCK) * DISK_BLOCK + 300


def encode(drawn: Drawn, plan: Plan, attributes: Mapping[str, Any]) -> dict[str, bytes]:
    """The files of a shard, by path; a PNG has no place for the attributes."""
    return dict(zip(paths(drawn.shard, plan), map(encode_unfiltered, drawn.images), strict=True))


def encode_unfiltered(image: Images) -> bytes:
    """One image as a PNG file without row filters.

    For digits on black this is smaller than what Pillow's choice of filters gives (255 against 275
    bytes), and three times as fast. Format: https://www.w3.org/TR/png-3/

    Args:
        image: (height, width, 1 or 3) uint8.
    """
    height, width, channels = image.shape
    rows = np.zeros((height, 1 + width * channels), np.uint8)  # a leading 0 in each row: no filter
    rows[:, 1:] = image.reshape(height, -1)
    header = struct.pack(">IIBBBBB", width, height, 8, COLOUR[channels], 0, 0, 0)
    return (
        SIGNATURE
        + _chunk(b"IHDR", header)
        + _chunk(b"IDAT", zlib.compress(rows.tobytes(), 3))
        + _chunk(b"IEND", b"")
    )


def _chunk(kind: bytes, content: bytes) -> bytes:
    return (
        struct.pack(">I", len(content))
        + kind
        + content
        + struct.pack(">I", zlib.crc32(kind + content))
    )


def decode(
    contents: Mapping[str, bytes], paths: Sequence[str], offsets: Sequence[int]
) -> tuple[Images, dict[str, Any]]:
    """Read images back.

    Args:
        contents: the bytes of their files, by path.
        paths: the file of each row.
        offsets: the place of each row in the shard, which says nothing here.

    Returns:
        The images, and an empty dictionary: a PNG tells nothing but its pixels.

    Raises:
        DataError: if one is damaged (naming it) or they differ in shape.
    """
    images = [_decode(contents[path], path) for path in paths]
    if len({image.shape for image in images}) > 1:
        raise DataError(
            f"Expected images of one shape, received {sorted({image.shape for image in images})}."
        )
    return np.stack(images), {}


def _decode(content: bytes, path: str) -> Images:
    try:
        return decode_png(content)
    except DataError as error:
        raise DataError(f"{path}: {error}") from error
