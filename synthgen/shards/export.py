"""Export: an existing set in further formats, made from its files without its generator.

Files, hashes and manifest of the set stay as they are; the run record, written last, names the
further formats. So a set that was exported is, byte for byte, one that was built in these formats,
but for the manifest, which has no columns for them. `verify` checks them, and a build that grows
or mends the set makes them, too.
"""

import dataclasses
import os
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from tqdm import tqdm

from synthgen.errors import DataError, Interrupted, ManifestError, ResumeError, StorageError
from synthgen.records import file_sha256
from synthgen.shards.content import Screening, ShardContent
from synthgen.shards.data_card import describe_set
from synthgen.shards.formats import (
    SHARD_FORMATS,
    check_packages,
    digest,
    set_attributes,
    stored_digest,
)
from synthgen.shards.layout import check_links, data_folder, lock_path
from synthgen.shards.manifest import find_manifest, read_rows, rows_by_shard
from synthgen.shards.manifest_index import index_rows
from synthgen.shards.manifest_parts import part_is_whole, read_parts
from synthgen.shards.plan import PNG_FOLDERS, SetPlan
from synthgen.shards.read import read_images
from synthgen.shards.run_record import RunRecord, is_sealed, read_record, write_record
from synthgen.shards.tfrecord import FEATURES
from synthgen.shards.unfinished import UnfinishedBuild, UnfinishedExport, remove_half_written
from synthgen.storage import Storage
from synthgen.text import byte_size, counted

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True, kw_only=True)
class ExportResult:
    """What an export made.

    Args:
        root: as the user named it.
        manifest: path of the manifest, relative to the root.
        record: the run record as it is now.
        formats: that were asked for.
        written: images whose files were written now, in one format or more.
        seconds: that it took.
    """

    root: str
    manifest: str
    record: RunRecord
    formats: tuple[str, ...]
    written: int
    seconds: float

    @property
    def unchanged(self) -> bool:
        """Whether everything was there already."""
        return not self.written

    def lines(self) -> list[str]:
        """Return a summary for the terminal."""
        what = f"{counted(self.record.count, 'image')} as {', '.join(self.formats)}"
        took = f"in {self.seconds:.1f} s"
        folder = os.path.join(self.root, data_folder(self.record.settings.name))
        if self.unchanged:
            first = f"Nothing to do: {what}, are in place and unharmed (checked {took})."
        else:
            rate = f"{self.written / max(self.seconds, 1e-9):,.0f} images/s"
            first = f"Exported {what}, {took} ({rate}); each image has the hash of its row."
        return [first, f"Shards   {folder}: {', '.join(self.record.formats)}"]


def export_set(
    manifest: str, formats: Sequence[str], root: str | None = None, progress: bool = True
) -> ExportResult:
    """Write a published set in further formats; what is there and unharmed is kept.

    Args:
        manifest: path or URL of the CSV.
        formats: keys of SHARD_FORMATS. Damaged files in a format that the set has already are
            written again.
        root: where data/ lies, if that is not the parent of the manifest's folder.
        progress: show a bar if standard error is a terminal.

    Raises:
        SettingsError: if there is no such format, or a package that it needs is not installed.
        ManifestError: if the manifest is not that of a published set.
        DataError: if images of the set are damaged in all its formats; nothing is published then.
        ResumeError: if a build of the set is running or unfinished.
        StorageError: if something cannot be read or written.
        Interrupted: after Ctrl-C; the same call goes on.
    """
    began = time.perf_counter()
    storage, relative = find_manifest(manifest, root)
    record = read_record(storage, relative)
    asked = dataclasses.replace(record.settings, formats=tuple(formats)).formats  # checked
    check_packages(asked)
    name = record.settings.name
    folder = data_folder(name)
    for place in (folder, *(f"{folder}/{SHARD_FORMATS[kind].FOLDER}" for kind in asked)):
        storage.check_folder(place)
        check_links(storage, place)
    storage.check_writable()

    busy = (
        f"A build or an export of {name!r} is running in {storage.url}. "
        "Wait for it to end, then run this command again."
    )
    with storage.exclusive(lock_path(name), busy):
        # The set as it was published, and what an export that was stopped has made already.
        record = read_record(storage, relative)
        _check_published(storage, relative, record)
        plan = record.plan
        if "png" in asked and "png" not in record.formats:
            plan = dataclasses.replace(plan, png_folders=PNG_FOLDERS)
        notes = UnfinishedExport(storage, name)
        if notes.belongs_to(record.manifest.sha256):
            remove_half_written(storage, name)
        else:
            notes.begin_for(record.manifest.sha256)

        # Which files are to be written.
        hashes: dict[int, dict[str, str]] = {}
        missing: dict[int, list[str]] = {}
        for entry in record.shards:
            noted = notes.entry(entry.shard)
            known = dict(entry.sha256) | dict(noted.sha256 if noted is not None else {})
            found = {
                kind: stored_digest(storage, kind, plan.shard(entry.shard), plan) for kind in asked
            }
            missing[entry.shard] = [
                kind for kind in asked if found[kind] is None or found[kind] != known.get(kind)
            ]
            hashes[entry.shard] = known
        _check_space(storage, record, missing)

        # Write them, shard by shard.
        written = sum(entry.rows for entry in record.shards if missing[entry.shard])
        bar = tqdm(
            total=record.count,
            initial=record.count - written,
            unit=" images",
            desc=f"export {name}",
            disable=None if progress else True,
        )
        try:
            with bar:
                for rows in rows_by_shard(read_rows(storage, relative)) if written else ():
                    number = int(rows["shard"].iloc[0])
                    entry = record.shards[number]
                    if missing[number]:
                        new = _write_shard(storage, record, plan, rows, missing[number])
                        hashes[number] |= new
                        noted_hashes = {kind: hashes[number][kind] for kind in asked}
                        notes.finish(dataclasses.replace(entry, sha256=noted_hashes), b"")
                        bar.update(entry.rows)
        except KeyboardInterrupt as error:
            raise Interrupted(
                f"Interrupted: {len(notes.numbers())} of {counted(plan.shard_count, 'shard')} "
                "finished and kept. Run the same command again to go on from there."
            ) from error

        # Publish: the run record names the formats when their files are safely on the disk.
        exported = tuple(kind for kind in asked if kind not in record.formats)
        if written or exported:
            shards = [
                dataclasses.replace(entry, sha256=_in_order(hashes[entry.shard], record, exported))
                for entry in record.shards
            ]
            record = dataclasses.replace(
                record,
                shards=tuple(shards),
                exported=(*record.exported, *exported),
                png_folders=plan.png_folders,
                tfrecord_features=FEATURES if "tfrecord" in asked else record.tfrecord_features,
            )
            describe_set(storage, record)
            storage.sync()
            write_record(storage, relative, record)
        notes.remove()
    return ExportResult(
        root=storage.url,
        manifest=relative,
        record=record,
        formats=asked,
        written=written,
        seconds=time.perf_counter() - began,
    )


def _check_published(storage: Storage, manifest: str, record: RunRecord) -> None:
    """Make sure that a manifest is the one which its run record describes, of a finished set.

    Raises:
        ManifestError: if it is another one.
        ResumeError: if a build of the set was stopped.
    """
    name = record.settings.name
    if UnfinishedBuild(storage, name).identity() is not None:
        raise ResumeError(
            f"A build of {name!r} in {storage.url} is not finished. Run the same `synthgen build` "
            "again to its end, then export."
        )
    numbers = [entry.shard for entry in record.shards]
    if (
        record.manifest.path != manifest
        or file_sha256(storage, manifest) != record.manifest.sha256
        or not all(part_is_whole(storage, part) for part in read_parts(storage, manifest))
        or numbers != list(range(record.plan.shard_count))
        or not is_sealed(storage, manifest)
    ):
        raise ManifestError(
            f"Expected the manifest {record.manifest.path} and its run record as a build wrote "
            f"them, received {manifest} with another path, content or record. "
            f"`synthgen verify {manifest}` says what is wrong with it."
        )


def _check_space(storage: Storage, record: RunRecord, missing: dict[int, list[str]]) -> None:
    """Make sure that the files which are missing, by shard and format, fit on the disk."""
    pixels = int(np.prod(record.image_shape))
    need = sum(
        record.shards[number].rows * SHARD_FORMATS[kind].disk_bytes(pixels)
        for number, kinds in missing.items()
        for kind in kinds
    )
    free = storage.free_bytes()
    if free is not None and need > free:
        raise StorageError(
            f"The files of this export need about {byte_size(need)} in {storage.url}, "
            f"{byte_size(free)} are free. Free some space, or export fewer formats at a time."
        )


def _write_shard(
    storage: Storage,
    record: RunRecord,
    plan: SetPlan,
    rows: "pd.DataFrame",
    kinds: Sequence[str],
) -> dict[str, str]:
    """Write a shard in some formats; returns the hash of its files in each of them.

    Args:
        storage: of the root.
        record: of the set.
        plan: of the set, with the folders that PNG files get.
        rows: of the manifest, all that lie in the shard.
        kinds: the formats.
    """
    # Read the images from a format whose files have their hash.
    number = int(rows["shard"].iloc[0])
    recorded = record.shards[number].sha256
    (own,) = index_rows([rows]).shards
    whole = [
        kind
        for kind in own.paths
        if stored_digest(storage, kind, record.plan.shard(number), record.plan)
        == recorded.get(kind)
    ]
    if not whole:
        raise DataError(
            f"Expected the files of shard {number} with the hashes of the run record in one format "
            f"or more of {', '.join(record.settings.formats)}, found them damaged or missing in "
            "all. The same `synthgen build` again makes them again; then export."
        )
    own = dataclasses.replace(own, paths={whole[0]: own.paths[whole[0]]})
    images = read_images(storage, own, recorded)

    # What the build knew of them.
    content = ShardContent(
        shard=plan.shard(number),
        images=images,
        labels=own.labels,
        indices=own.indices,
        seeds=rows["seed"].to_numpy().astype(np.uint64),
        attempts=rows["attempt"].to_numpy(),
        screening=Screening(
            accepted=np.ones(len(rows), np.bool_),
            predicted=rows["predicted"].fillna(-1).to_numpy().astype(np.int16),
            confidence=rows["confidence"].to_numpy().astype(np.float32),
        ),
    )
    attributes = set_attributes(record.settings, record.checkpoint.sha256, record.framing)

    hashes = {}
    for kind in kinds:
        files = SHARD_FORMATS[kind].encode(content, plan, attributes)
        storage.write_many(files)
        hashes[kind] = digest(files.values())
    return hashes


def _in_order(hashes: dict[str, str], record: RunRecord, exported: Sequence[str]) -> dict[str, str]:
    """Return the hashes of a shard in the order of the formats of its set."""
    return {kind: hashes[kind] for kind in (*record.formats, *exported)}
