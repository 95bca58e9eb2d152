"""WebDataset shards: data/NAME/webdataset/00000.tar, one file a shard, three members an image.

    3-0000017.png   the image
    3-0000017.cls   its label, as text
    3-0000017.json  id, label, index, seed, attempt

The members of an image stand side by side and have one owner and no time, so the same content gives
the same bytes. What holds for all images stands in the global header of the archive (pax), which
readers pass over. Convention: https://github.com/webdataset/webdataset
"""

import io
import json
import tarfile
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
    is_shard_path,
    row_columns,
    select_rows,
    shard_attributes,
    shard_paths,
)

FOLDER = "webdataset"
MEDIA_TYPE = "application/x-tar"
WORDS = "tar archives for WebDataset: `.png`, `.cls`, `.json` of each image"
REQUIRES: tuple[str, ...] = ()
TAR_BLOCK = 512  # bytes: of a header, and what the content of a member is filled up to
PAX_PREFIX = "SYNTHGEN."  # of what the global header says, as JSON
MEMBERS = ("png", "cls", "json")


def paths(shard: Shard, plan: SetPlan) -> list[str]:
    """Return the file of each row: one for the whole shard."""
    return shard_paths(shard, plan, FOLDER, "tar")


def expects(path: str, plan: SetPlan) -> bool:
    """Return whether a path is that of a shard of the set."""
    return is_shard_path(path, plan, FOLDER, "tar")


def disk_bytes(pixels: int) -> int:
    """Estimate generously the bytes that an image takes on the disk: six blocks and its pixels."""
    return len(MEMBERS) * 2 * TAR_BLOCK + -(-pixels // TAR_BLOCK) * TAR_BLOCK


def encode(content: ShardContent, plan: SetPlan, attributes: Mapping[str, Any]) -> dict[str, bytes]:
    """Return the file of a shard, by path.

    Args:
        content: of the shard.
        plan: of the set.
        attributes: of the file, beside format, pixels, shard and class_names.
    """
    about = {
        f"{PAX_PREFIX}{name}": json.dumps(value)
        for name, value in shard_attributes(content, plan, attributes).items()
    }
    columns = row_columns(content)
    rows = zip(*(columns[name] for name in ROW_COLUMNS), strict=True)
    pictures = png.encode_images(content, attributes)

    # The global header, as the archive of no members begins, then header and content of each.
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.PAX_FORMAT, pax_headers=about) as _:
        parts = [buffer.getvalue()]
    for row, picture in zip(rows, pictures, strict=True):
        facts = dict(zip(ROW_COLUMNS, row, strict=True))
        contents = (picture, str(facts["label"]).encode(), json.dumps(facts).encode())
        for suffix, member in zip(MEMBERS, contents, strict=True):
            header = tarfile.TarInfo(f"{facts['id']}.{suffix}")  # owner 0, time 0, mode 0644
            header.size = len(member)
            parts += (header.tobuf(tarfile.USTAR_FORMAT), member, bytes(-len(member) % TAR_BLOCK))
    size = sum(map(len, parts)) + 2 * TAR_BLOCK  # two empty blocks end an archive
    parts.append(bytes(2 * TAR_BLOCK + -size % tarfile.RECORDSIZE))
    return {paths(content.shard, plan)[0]: b"".join(parts)}


def read_attributes(contents: Mapping[str, bytes]) -> dict[str, Any]:
    """Return what the file of a shard says about its set.

    Args:
        contents: the bytes of the file, by path.

    Raises:
        DataError: if the file is damaged.
    """
    ((path, content),) = contents.items()
    try:
        with tarfile.open(fileobj=io.BytesIO(content), mode="r:") as archive:
            found = dict(archive.pax_headers)
        return {
            name.removeprefix(PAX_PREFIX): json.loads(value)
            for name, value in found.items()
            if name.startswith(PAX_PREFIX)
        }
    except Exception as error:  # damaged bytes make tarfile raise nearly anything
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
        DataError: if it is damaged, members are missing or contradict each other, or it holds no
            such rows.
    """
    path = paths[0]
    content = contents[path]
    pictures = []
    facts: dict[str, list[Any]] = {name: [] for name in ROW_COLUMNS}
    try:
        with tarfile.open(fileobj=io.BytesIO(content), mode="r:") as archive:
            members = archive.getmembers()
        for first in range(0, len(members), len(MEMBERS)):
            own = members[first : first + len(MEMBERS)]
            name = own[0].name.removesuffix(".png")
            expected = [f"{name}.{suffix}" for suffix in MEMBERS]
            if [member.name for member in own] != expected:
                raise ValueError(f"the members {', '.join(expected)} are not side by side")
            picture, label, row = (
                content[member.offset_data : member.offset_data + member.size] for member in own
            )
            known = json.loads(row)
            if known["id"] != name or str(known["label"]).encode() != label:
                raise ValueError(f"the members of {name} contradict each other")
            pictures.append(picture)
            for column in ROW_COLUMNS:
                facts[column].append(known[column])
        images = decode_pictures(pictures)
        columns = {column: np.array(values) for column, values in facts.items()}
    except Exception as error:  # damaged bytes make tarfile and Pillow raise nearly anything
        raise DataError(
            f"{path}: Expected a tar archive with a .png, a .cls and a .json member an image, "
            f"received something else ({error})."
        ) from error
    return select_rows(images, columns, paths, offsets)
