"""A manifest in several files, of a set with more rows than one file is to have.

manifests/NAME.csv is then an index, with one row a file; the rows of the images are in these:

    manifests/NAME.csv            path, first_shard, shards, rows, bytes and sha256 of each part
    manifests/NAME/00000.csv      rows of the first shards, with the header of every manifest
    manifests/NAME/00001.csv      rows of the next ones

The index is published last, as a manifest in one file is, and makes the parts one. A part holds
whole shards, so growing a set makes its last part longer and appends others. Of a part that is
longer than its index says only what the index says counts: a build is about to grow the set.
"""

import contextlib
import csv
import dataclasses
import hashlib
import io
import itertools
from collections.abc import Iterator
from typing import IO, NamedTuple

from synthgen.errors import ManifestError, RecordError, StorageError
from synthgen.shards.layout import check_named_files, parts_folder
from synthgen.shards.plan import SetPlan
from synthgen.shards.run_record import ManifestEntry, ManifestPart, RunRecord
from synthgen.storage import Storage
from synthgen.text import SEPARATOR_LINE

HEAD = 4096  # bytes in which the first line of an index lies
LARGEST_INDEX = 100_000_000  # bytes; of parts with 5 million rows each, that of 10**12 images
READ_AT_ONCE = 1 << 20
FIRST_COLUMNS = b"id,label,index,seed,"  # of a file with rows, as a build writes it
ENCODINGS = {b"\xff\xfe": "utf-16", b"\xfe\xff": "utf-16"}  # by the first bytes; else UTF-8


PART_COLUMNS = tuple(column.name for column in dataclasses.fields(ManifestPart))


class Dialect(NamedTuple):
    """How a table is written, which spreadsheets of other languages write with other signs.

    Args:
        separator: what parts the values of a line.
        header: the line that names the columns.
        lines_before: how many lines come before that one.
    """

    separator: str
    header: str
    lines_before: int


def dialect_of(begin: str) -> Dialect:
    """Find out from the beginning of a table how it is written."""
    named = SEPARATOR_LINE.match(begin)
    header = begin[named.end() if named else 0 :].partition("\n")[0]
    separator = named[1] if named else max(",;\t", key=header.count)
    return Dialect(separator, header, int(named is not None))


def split_manifest(plan: SetPlan, most_rows: int) -> list[range]:
    """Return which shards have their rows in which part of a manifest.

    Args:
        plan: of the set.
        most_rows: of a file. A part holds one shard or more, whatever their size.

    Returns:
        The numbers of the shards of each part; nothing where the manifest is one file.
    """
    if plan.count <= most_rows:
        return []
    shards = max(1, most_rows // (plan.block * plan.filled))
    numbers = range(plan.shard_count)
    return [numbers[start : start + shards] for start in range(0, len(numbers), shards)]


def part_path(name: str, number: int) -> str:
    """Return where a part of the manifest of a set lies."""
    return f"{parts_folder(name)}/{number:05d}.csv"


def numbered_files(storage: Storage, name: str) -> list[str]:
    """Return the files that are there with the names of parts of a set's manifest."""
    folder = parts_folder(name)
    names = [path.removeprefix(f"{folder}/") for path in storage.files(folder)]
    return [f"{folder}/{file}" for file in names if file.removesuffix(".csv").isdecimal()]


def written_parts(storage: Storage, name: str) -> list[str]:
    """Return those of the numbered files of a set that a build wrote, by their first columns."""
    found = []
    for path in numbered_files(storage, name):
        with storage.open(path) as file:
            if file.read(len(FIRST_COLUMNS)) == FIRST_COLUMNS:
                found.append(path)
    return found


def write_manifest(
    storage: Storage, file: IO[bytes], draft: RunRecord, header: bytes, rows: Iterator[bytes]
) -> ManifestEntry:
    """Write a manifest: its rows or, if they are too many for one file, its parts and the index.

    Args:
        storage: of the root.
        file: receives the manifest, manifests/NAME.csv.
        draft: the run record of the set, as far as it is known.
        header: the first line of a file with rows.
        rows: of each shard as bytes, in their order.

    Returns:
        What the run record says of it.
    """
    plan = draft.plan
    split = split_manifest(plan, draft.settings.manifest_rows)
    if not split:
        _, sha256 = _write(itertools.chain([header], rows), file)
        return dataclasses.replace(draft.manifest, sha256=sha256)

    # Where parts are divided in another way, they will not be what the index that is there says:
    # it is taken back first.
    held = {part_path(plan.name, number): shards for number, shards in enumerate(split)}
    for part in parts_there(storage, draft.manifest.path):
        shards = held.get(part.path)
        if shards and (shards.start != part.first_shard or len(shards) < part.shards):
            storage.remove(draft.manifest.path)

    parts = []
    for path, shards in held.items():
        with storage.writing(path) as part_file:
            own_rows = itertools.islice(rows, len(shards))
            size, sha256 = _write(itertools.chain([header], own_rows), part_file)
        parts.append(
            ManifestPart(
                path=path,
                first_shard=shards.start,
                shards=len(shards),
                rows=sum(len(plan.shard(shard)) for shard in shards),
                bytes=size,
                sha256=sha256,
            )
        )
    index = io.StringIO()
    csv.writer(index, lineterminator="\n").writerows(
        [PART_COLUMNS, *map(dataclasses.astuple, parts)]
    )
    _, sha256 = _write(iter([index.getvalue().encode()]), file)
    return dataclasses.replace(draft.manifest, sha256=sha256, parts=tuple(parts))


def _write(pieces: Iterator[bytes], file: IO[bytes]) -> tuple[int, str]:
    """Write pieces to a file; return how many bytes they have, and their SHA-256."""
    size = 0
    digest = hashlib.sha256()
    for piece in pieces:
        file.write(piece)
        digest.update(piece)
        size += len(piece)
    return size, digest.hexdigest()


def read_parts(storage: Storage, manifest: str) -> list[ManifestPart]:
    """Read the index of a manifest, also one that a spreadsheet has saved.

    Args:
        storage: of the root.
        manifest: path from there.

    Returns:
        Its parts in order; none if the manifest is one file, with rows of images.

    Raises:
        StorageError: if the manifest cannot be read.
        ManifestError: if it is an index, but not of files below the root.
    """
    with storage.open(manifest) as file:
        head = file.read(HEAD)
        encoding = ENCODINGS.get(head[:2], "utf-8-sig")
        dialect = dialect_of(head.decode(encoding, errors="replace"))
        columns = [name.strip('"\r') for name in dialect.header.split(dialect.separator)]
        if not set(PART_COLUMNS) <= set(columns):
            return []
        content = head + file.read(LARGEST_INDEX)

    where = f"{storage.url}/{manifest}"
    parts = []
    try:
        lines = itertools.islice(io.StringIO(content.decode(encoding)), dialect.lines_before, None)
        table = csv.DictReader(lines, delimiter=dialect.separator)
        for row in table:
            parts.append(
                ManifestPart(
                    path=row["path"].replace("\\", "/"),
                    first_shard=int(row["first_shard"]),
                    shards=int(row["shards"]),
                    rows=int(row["rows"]),
                    bytes=int(row["bytes"]),
                    sha256=row["sha256"],
                )
            )
    except (RecordError, ValueError, TypeError, AttributeError, csv.Error) as error:
        raise ManifestError(
            f"Expected the index of a manifest at {where}, with {', '.join(PART_COLUMNS)} of each "
            f"of its files, received other values: {error}. Restore the file, or run the same "
            "`synthgen build` again."
        ) from error
    if not parts:
        raise ManifestError(f"Expected the index {where} to name one file or more, it names none.")
    check_named_files(storage, [part.path for part in parts])
    return parts


def parts_there(storage: Storage, manifest: str) -> list[ManifestPart]:
    """Return the parts of a manifest; none if there is no manifest, or an index that is damaged.

    Raises:
        StorageError: if the manifest is there and cannot be read.
    """
    with contextlib.suppress(ManifestError):
        if storage.exists(manifest):
            return read_parts(storage, manifest)
    return []


def part_is_whole(storage: Storage, part: ManifestPart, or_longer: bool = False) -> bool:
    """Return whether a part of a manifest has the content that the index says.

    Args:
        storage: of the root.
        part: which one.
        or_longer: whether it may go on after that, as a build leaves it that is to grow the set.
    """
    digest = hashlib.sha256()
    left = part.bytes
    try:
        with storage.open(part.path) as file:
            while left and (piece := file.read(min(left, READ_AT_ONCE))):
                digest.update(piece)
                left -= len(piece)
            goes_on = bool(file.read(1))
    except StorageError:
        return False
    return not left and digest.hexdigest() == part.sha256 and (or_longer or not goes_on)


def kept_rows(storage: Storage, manifest: str, plan: SetPlan) -> Iterator[tuple[int, bytes]]:
    """Read the rows of a manifest as bytes, shard by shard.

    Args:
        storage: of the root.
        manifest: path from there, as a build wrote it. Parts that cannot be read are left out, and
            all rows where an index is damaged.
        plan: that it was written to.

    Raises:
        StorageError: if the manifest is there and cannot be read: what an index lists must not be
            taken for rows.

    Yields:
        Numbers of shards, each with its rows.
    """
    try:
        parts = read_parts(storage, manifest) if storage.exists(manifest) else []
    except ManifestError:
        return
    files = [(part.path, part.numbers) for part in parts]
    for path, shards in files or [(manifest, range(plan.shard_count))]:
        with contextlib.ExitStack() as stack:
            try:
                file = stack.enter_context(storage.open(path))
            except StorageError:
                continue
            file.readline()  # the header
            for number in shards:
                yield number, b"".join(itertools.islice(file, len(plan.shard(number))))


def remove_parts(storage: Storage, name: str, paths: list[str]) -> None:
    """Remove parts of the manifest of a set, and their folder if nothing else is in it."""
    for path in paths:
        storage.remove(path)
    if paths and not storage.files(parts_folder(name)):
        storage.remove(parts_folder(name))
