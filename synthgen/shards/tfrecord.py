"""TFRecord shards: data/NAME/tfrecord/00000.tfrecord, one file a shard, an Example an image.

    image    bytes, a PNG file
    label, index, seed, attempt    int64
    id       bytes, text

Neither writing nor reading loads TensorFlow: a record is a length, an Example, and their checksums
(https://www.tensorflow.org/tutorials/load_data/tfrecord), a tf.train.Example is a
message of protobuf.
"""

import functools
import struct
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from synthgen.datasets.digits import Images
from synthgen.errors import DataError
from synthgen.shards import png
from synthgen.shards.content import ShardContent
from synthgen.shards.marks import common_attributes
from synthgen.shards.plan import SetPlan, Shard
from synthgen.shards.png_codec import decode_pictures
from synthgen.shards.shard_file import (
    ROW_COLUMNS,
    damaged_attributes,
    import_package,
    is_shard_path,
    row_columns,
    select_rows,
    shard_paths,
)

FOLDER = "tfrecord"
MEDIA_TYPE = "application/x-tfrecord"
WORDS = "TFRecord, a `tf.train.Example` an image"
REQUIRES: tuple[str, ...] = ("google.protobuf", "google_crc32c")
LENGTH = struct.Struct("<Q")
CHECKSUM = struct.Struct("<I")
MASK = 0xA282EAD8  # is added to a rotated checksum
# Type by name, as `tf.io.FixedLenFeature([], type)` wants it; the run record has it, too.
FEATURES = {
    "image": "string",
    "label": "int64",
    "id": "string",
    "index": "int64",
    "seed": "int64",
    "attempt": "int64",
}


def paths(shard: Shard, plan: SetPlan) -> list[str]:
    """Return the file of each row: one for the whole shard."""
    return shard_paths(shard, plan, FOLDER, "tfrecord")


def expects(path: str, plan: SetPlan) -> bool:
    """Return whether a path is that of a shard of the set."""
    return is_shard_path(path, plan, FOLDER, "tfrecord")


def disk_bytes(pixels: int) -> int:
    """Estimate generously the bytes that an image takes on the disk."""
    return pixels // 2 + 1000


def encode(content: ShardContent, plan: SetPlan, attributes: Mapping[str, Any]) -> dict[str, bytes]:
    """Return the file of a shard, by path.

    Args:
        content: of the shard.
        plan: of the set.
        attributes: what the images say of themselves; the file has no other place for it.

    Raises:
        SettingsError: if protobuf or google-crc32c is not installed.
    """
    columns = row_columns(content)
    columns["image"] = png.encode_images(content, attributes)
    columns["id"] = [name.encode() for name in columns["id"]]
    message = _example()
    records = []
    for row in zip(*(columns[name] for name in FEATURES), strict=True):
        example = message()
        for (name, kind), value in zip(FEATURES.items(), row, strict=True):
            feature = example.features.feature[name]
            values = feature.bytes_list if kind == "string" else feature.int64_list
            values.value.append(value)
        records.append(_frame(example.SerializeToString(deterministic=True)))
    return {paths(content.shard, plan)[0]: b"".join(records)}


def read_attributes(contents: Mapping[str, bytes]) -> dict[str, Any]:
    """Return what the images in the file of a shard say about their set.

    Args:
        contents: the bytes of the file, by path.

    Raises:
        DataError: if the file is damaged or the images contradict each other.
        SettingsError: if protobuf or google-crc32c is not installed.
    """
    message = _example()
    ((path, content),) = contents.items()
    pictures = {}
    try:
        for record in _records(content):
            features = message.FromString(record).features.feature
            (name,) = features["id"].bytes_list.value
            (pictures[f"{path}, {name.decode()}"],) = features["image"].bytes_list.value
    except Exception as error:  # damaged bytes make protobuf raise nearly anything
        raise damaged_attributes(path, error) from error
    return common_attributes(pictures)


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
        DataError: if it is damaged, a feature is missing, or it holds no such rows.
        SettingsError: if protobuf or google-crc32c is not installed.
    """
    message = _example()
    path = paths[0]
    found: dict[str, list[Any]] = {name: [] for name in FEATURES}
    try:
        for record in _records(contents[path]):
            features = message.FromString(record).features.feature
            for name, kind in FEATURES.items():
                feature = features[name]
                values = feature.bytes_list if kind == "string" else feature.int64_list
                (value,) = values.value
                found[name].append(value)
        images = decode_pictures(found["image"])
        found["id"] = [name.decode() for name in found["id"]]
        columns = {name: np.array(found[name]) for name in ROW_COLUMNS}
    except Exception as error:  # damaged bytes make protobuf and Pillow raise nearly anything
        raise DataError(
            f"{path}: Expected a TFRecord shard of Examples with features {', '.join(FEATURES)}, "
            f"received something else ({error})."
        ) from error
    return select_rows(images, columns, paths, offsets)


def _frame(record: bytes) -> bytes:
    """Put a record between its length and the checksums of both."""
    length = LENGTH.pack(len(record))
    return length + _checksum(length) + record + _checksum(record)


def _records(content: bytes) -> Iterator[bytes]:
    """Take a file apart into its records, whose checksums are compared."""
    position = 0
    while position < len(content):
        begin = position + LENGTH.size + CHECKSUM.size
        length = content[position : position + LENGTH.size]
        end = begin + LENGTH.unpack(length)[0]
        record = content[begin:end]
        whole = _checksum(length) == content[position + LENGTH.size : begin]
        if not whole or _checksum(record) != content[end : end + CHECKSUM.size]:
            raise ValueError(f"the record at byte {position} does not have its checksum")
        yield record
        position = end + CHECKSUM.size


def _checksum(content: bytes) -> bytes:
    """Return the masked CRC-32C of TFRecord files."""
    crc = import_package("google_crc32c", "tfrecord").value(content)
    return CHECKSUM.pack(((crc >> 15 | crc << 17) + MASK) & 0xFFFFFFFF)


@functools.cache
def _example() -> Any:
    """Make the message class of tf.train.Example, apart from TensorFlow's own.

    The fields are those of https://github.com/tensorflow/tensorflow/blob/master/tensorflow/core/
    example/feature.proto; lists of floats are not needed here.
    """
    pb = import_package("google.protobuf.descriptor_pb2", "tfrecord")
    pools = import_package("google.protobuf.descriptor_pool", "tfrecord")
    factory = import_package("google.protobuf.message_factory", "tfrecord")
    field = pb.FieldDescriptorProto
    file = pb.FileDescriptorProto(name="synthgen/example.proto", package="t", syntax="proto3")

    def message(name: str, *fields: Any) -> Any:
        return file.message_type.add(name=name, field=fields)

    def one(name: str, number: int, kind: str, **options: Any) -> Any:
        return field(
            name=name,
            number=number,
            type=field.TYPE_MESSAGE,
            type_name=kind,
            label=field.LABEL_OPTIONAL,
            **options,
        )

    def many(number: int, kind: Any) -> Any:
        return field(name="value", number=number, type=kind, label=field.LABEL_REPEATED)

    message("BytesList", many(1, field.TYPE_BYTES))
    message("Int64List", many(1, field.TYPE_INT64))
    feature = message(
        "Feature",
        one("bytes_list", 1, ".t.BytesList", oneof_index=0),
        one("int64_list", 3, ".t.Int64List", oneof_index=0),
    )
    feature.oneof_decl.add(name="kind")
    entries = one("feature", 1, ".t.Features.FeatureEntry")
    entries.label = field.LABEL_REPEATED
    entry = message("Features", entries).nested_type.add(name="FeatureEntry")
    entry.options.map_entry = True
    entry.field.add(name="key", number=1, type=field.TYPE_STRING, label=field.LABEL_OPTIONAL)
    entry.field.append(one("value", 2, ".t.Feature"))
    message("Example", one("features", 1, ".t.Features"))

    pool = pools.DescriptorPool()
    pool.Add(file)
    return factory.GetMessageClass(pool.FindMessageTypeByName("t.Example"))
