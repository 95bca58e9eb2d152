"""PNG shards: data/NAME/png/CLASS/BLOCK/CLASS/ID.png, one file an image, 10,000 a folder at most.

Readers of image folders take the class from the folder: Keras and torchvision from the first one,
Hugging Face from the last one.
"""

import itertools
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from synthgen.datasets.digits import Images
from synthgen.errors import DataError
from synthgen.shards.content import ShardContent
from synthgen.shards.layout import data_folder
from synthgen.shards.marks import common_attributes, set_chunks
from synthgen.shards.plan import PNG_FOLDERS, SetPlan, Shard, image_id, parse_id
from synthgen.shards.png_codec import decode_picture, encode_pictures, read_texts, text_chunk

FOLDER = "png"
MEDIA_TYPE = "image/png"
WORDS = "one PNG file an image, in folders named for the class"
REQUIRES: tuple[str, ...] = ()
FILES_A_FOLDER = 10_000
DISK_BLOCK = 4096  # bytes, the least that a file takes on most disks
FOLDER_ENTRY = 300  # bytes, for the name of a file in its folder


def paths(shard: Shard, plan: SetPlan) -> list[str]:
    """Return the file of each row."""
    rows = zip(shard.labels().tolist(), shard.indices().tolist(), strict=True)
    return [_path(plan, label, index) for label, index in rows]


def _path(plan: SetPlan, label: int, index: int) -> str:
    name = plan.class_names[label]
    folder = f"{data_folder(plan.name)}/{FOLDER}/{name}/{index // FILES_A_FOLDER:05d}"
    if plan.png_folders == PNG_FOLDERS:
        folder = f"{folder}/{name}"
    return f"{folder}/{image_id(label, index)}.png"


def expects(path: str, plan: SetPlan) -> bool:
    """Return whether a path is that of an image of the set."""
    found = parse_id(path.rpartition("/")[2].removesuffix(".png"))
    if found is None:
        return False
    label, index = found
    if label >= plan.classes or index >= plan.counts[label]:
        return False
    return path == _path(plan, label, index)


def disk_bytes(pixels: int) -> int:
    """Estimate generously the bytes that an image takes on the disk: whole blocks, and a name."""
    blocks = -(-(pixels // 2 + 800) // DISK_BLOCK)
    return blocks * DISK_BLOCK + FOLDER_ENTRY


def encode(content: ShardContent, plan: SetPlan, attributes: Mapping[str, Any]) -> dict[str, bytes]:
    """Return the files of a shard, by path.

    Args:
        content: of the shard.
        plan: of the set.
        attributes: of the set, which each image is marked with.
    """
    files = encode_images(content, attributes)
    return dict(zip(paths(content.shard, plan), files, strict=True))


def encode_images(content: ShardContent, attributes: Mapping[str, Any]) -> list[bytes]:
    """Return each image of a shard as a PNG file, which other formats hold, too.

    Args:
        content: of the shard.
        attributes: of the set, which each image is marked with (see `marks`).
    """
    common = set_chunks(attributes)
    if not common:
        return encode_pictures(content.images, itertools.repeat(b"", len(content.images)))
    labels = [text_chunk("label", str(label)) for label in range(content.shard.classes)]
    rows = zip(content.seeds.tolist(), content.labels.tolist(), strict=True)
    texts = (common + text_chunk("seed", str(seed)) + labels[label] for seed, label in rows)
    return encode_pictures(content.images, texts)


def decode(
    contents: Mapping[str, bytes], paths: Sequence[str], offsets: Sequence[int]
) -> tuple[Images, dict[str, Any]]:
    """Read rows of a shard.

    Args:
        contents: the bytes of their files, by path.
        paths: the file of each row.
        offsets: the place of each row in the shard, which says nothing here.

    Returns:
        The images, and the label and index of each by manifest column: its file is named for them;
        and the seed that each is marked with. What not all files say is left out.

    Raises:
        DataError: if one is damaged (naming it) or they differ in shape.
    """
    images = []
    for path in paths:
        try:
            images.append(decode_picture(contents[path]))
        except DataError as error:
            raise DataError(f"{path}: {error}") from error
    shapes = {image.shape for image in images}
    if len(shapes) > 1:
        raise DataError(f"Expected images of one shape, received {sorted(shapes)}.")

    ids = [parse_id(path.rpartition("/")[2].removesuffix(".png")) for path in paths]
    found: dict[str, Any] = {}
    if None not in ids:
        named = np.array(ids, np.int64)  # (n, 2)
        found = {"label": named[:, 0], "index": named[:, 1]}
    seeds = [read_texts(contents[path]).get("seed", "") for path in paths]
    if all(seed.isdecimal() and int(seed) < 2**63 for seed in seeds):
        found["seed"] = np.array([int(seed) for seed in seeds], np.int64)
    return np.stack(images), found


def read_attributes(contents: Mapping[str, bytes]) -> dict[str, Any]:
    """Return what all files of a shard say about their set.

    Args:
        contents: the bytes of the files, by path.

    Raises:
        DataError: if they contradict each other.
    """
    return common_attributes(contents)
