"""What is there under the name of a set: one look, before a build, that all its parts go by."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Literal

from tqdm import tqdm

from synthgen.errors import ManifestError, ResumeError
from synthgen.records import file_sha256
from synthgen.shards.contact_sheet import sheet_is_whole
from synthgen.shards.formats import SHARD_FORMATS, stored_digest
from synthgen.shards.job import (
    REFERENCE,
    VERSION_OF,
    BuildJob,
    Kept,
    identity_differences,
    identity_of_set,
)
from synthgen.shards.layout import contact_sheet_path, data_folder, record_path
from synthgen.shards.manifest import manifest_header
from synthgen.shards.manifest_parts import (
    numbered_files,
    part_is_whole,
    parts_there,
    split_manifest,
)
from synthgen.shards.plan import SetPlan
from synthgen.shards.run_record import RunRecord, ShardEntry, is_sealed, read_record
from synthgen.shards.unfinished import UnfinishedBuild
from synthgen.storage import Storage


@dataclass(frozen=True, kw_only=True)
class BuildState:
    """What is there under the name of a set.

    Args:
        kind: "nothing"; "unfinished", a build that was stopped; "incomplete", a published set that
            is to grow or of which something is damaged; "complete", the very set, unharmed; or
            "other", something that is to be replaced.
        record: the run record of the published set, if there is one and it is kept.
        finished: by number, the shards whose files have the hashes of their entry.
        damaged: by number, what is wrong with shards that were finished once, in words.
        lost: what else of the published set is damaged or missing, in words.
    """

    kind: Literal["nothing", "unfinished", "incomplete", "complete", "other"]
    record: RunRecord | None = None
    finished: Mapping[int, ShardEntry] = field(default_factory=dict)
    damaged: Mapping[int, tuple[str, ...]] = field(default_factory=dict)
    lost: tuple[str, ...] = ()

    @property
    def images(self) -> int:
        """Images that are there and need not be made."""
        return sum(entry.rows for entry in self.finished.values())


def look(job: BuildJob, overwrite: bool = False, progress: bool = True) -> BuildState:
    """Find out what is there under the set's name. Changes nothing.

    Args:
        job: the build.
        overwrite: replace what was made with other settings instead of refusing.
        progress: show a bar while shards are checked, if standard error is a terminal.

    Raises:
        ResumeError: if what is there was made with other settings, naming each.
        ManifestError: if there is a run record that cannot be read.
    """
    try:
        identity = job.unfinished.identity()
        record = None
        if job.storage.exists(record_path(job.manifest)):
            record = read_record(job.storage, job.manifest)
        if identity is not None:
            return _look_at_unfinished(job, identity, record, progress)
        if record is not None:
            return _look_at_published(job, record, progress)

        # Images without a record could be anybody's.
        folders = [module.FOLDER for module in SHARD_FORMATS.values()]
        places = [job.manifest, *(f"{data_folder(job.name)}/{folder}" for folder in folders)]
        found = [place for place in places if job.storage.exists(place)]
        if split_manifest(job.plan, job.settings.manifest_rows):
            found += numbered_files(job.storage, job.name)[:1]
        if found:
            raise ResumeError(
                f"{', '.join(found)} in {job.storage.url} belong to no run record "
                f"({record_path(job.manifest)} is missing). "
                "Restore the record, use another --name, or --overwrite to replace them."
            )
    except (ResumeError, ManifestError):
        if not overwrite:
            raise
        return BuildState(kind="other")
    return BuildState(kind="nothing")


def _look_at_unfinished(
    job: BuildJob, identity: Mapping[str, object], record: RunRecord | None, progress: bool
) -> BuildState:
    """Look at a build that was stopped; `record` is that of the smaller set that was to grow."""
    check_identity(job, identity)
    numbers = job.unfinished.numbers()
    finished, damaged = noted_shards(job.storage, job.draft_record(), numbers, progress)
    return BuildState(kind="unfinished", record=record, finished=finished, damaged=damaged)


def _look_at_published(job: BuildJob, record: RunRecord, progress: bool) -> BuildState:
    """Look at a set that was published: is it the very one, can it grow, is anything damaged?"""
    was = identity_of_set(
        record.settings,
        record.checkpoint.sha256,
        record.reference_sha256,
        record.versions,
        record.framing,
        Kept(exported=record.exported, png_folders=record.png_folders),
        limits=record.nearness_limits,
    )
    different = identity_differences(was, job.identity)
    grows = job.plan.extends(record.plan)
    if grows or job.plan.counts == record.plan.counts:  # the same counts in other words, perhaps
        different.pop("--per-class", None)
        different.pop("--counts", None)

    # A set that is whole may have been built with other versions, and with the real digits at hand
    # where they are not now, or the reverse. What is made now is never mixed with it.
    tolerated = {name for name in different if name.startswith(VERSION_OF)}
    if None in (record.reference_sha256, job.identity[REFERENCE]):
        tolerated |= different.keys() & {REFERENCE}
    built = f"{job.name!r} in {job.storage.url} was built"
    if different.keys() - tolerated:
        decisive = {name: words for name, words in different.items() if name not in tolerated}
        raise _other_settings(job, built, decisive)
    if grows and different:
        raise _other_settings(job, built, different)

    # The same rows may be wanted in other files.
    own_split = split_manifest(record.plan, record.settings.manifest_rows)
    resplit = own_split != split_manifest(job.plan, job.settings.manifest_rows)

    # Run record, manifest, with the columns of this version, and contact sheet. The rows and hashes
    # of shards are believed only where both say so.
    lost = []
    record_is_whole = is_sealed(job.storage, job.manifest)
    if not record_is_whole:
        lost.append(f"{record_path(job.manifest)} (and with it every shard, whose hashes it held)")
    manifest_is_whole = (
        job.storage.exists(job.manifest)
        and file_sha256(job.storage, job.manifest) == record.manifest.sha256
    )
    parts = parts_there(job.storage, job.manifest) if manifest_is_whole else []
    if manifest_is_whole and not parts:
        manifest_is_whole = _has_columns_of_now(job, job.manifest)
    if not manifest_is_whole:
        lost.append(f"{job.manifest} (and with it every shard, whose rows it held)")
    harmed_parts = [
        part
        for part in parts
        if not (part_is_whole(job.storage, part) and _has_columns_of_now(job, part.path))
    ]
    lost += [f"{part.path} (and with it the shards whose rows it held)" for part in harmed_parts]
    rowless = {number for part in harmed_parts for number in part.numbers}
    if not sheet_is_whole(job.storage, job.name, record.contact_sheet_sha256):
        lost.append(contact_sheet_path(job.name))

    # Shards. The last one of a set that grows may have become too small, which is no damage.
    finished: dict[int, ShardEntry] = {}
    damaged: dict[int, tuple[str, ...]] = {}
    if record_is_whole and manifest_is_whole:
        fitting = [
            entry
            for entry in record.shards
            if _fits(job.plan, entry) and entry.shard not in rowless
        ]
        finished, damaged = _check_shards(job.storage, job.draft_record(), fitting, progress)
        if not grows:
            for number in range(job.plan.shard_count):
                if not (number in finished or number in damaged or number in rowless):
                    damaged[number] = (f"the entry of shard {number} in the run record",)

    if not (grows or lost or damaged or (resplit and not different)):
        return BuildState(kind="complete", record=record, finished=finished)
    if different:
        harmed = [*lost, *(words for number in sorted(damaged) for words in damaged[number])]
        raise _other_settings(
            job,
            f"Damaged or missing: {', '.join(harmed)}. That is not made again, because {built}",
            different,
        )
    return BuildState(
        kind="incomplete",
        record=record,
        finished=finished,
        damaged=damaged,
        lost=tuple(lost),
    )


def _has_columns_of_now(job: BuildJob, path: str) -> bool:
    """Return whether a file with rows has the header that this version writes."""
    with job.storage.open(path) as file:
        return file.readline() == manifest_header(job.settings.formats)


def _other_settings(job: BuildJob, was: str, different: Mapping[str, str]) -> ResumeError:
    hint = ""
    if REFERENCE in different:
        hint += " (`synthgen data fetch` says whether the real digits can be had.)"
    if "--formats" in different:
        hint += " (`synthgen export` makes further formats of a set that is there.)"
    return ResumeError(
        f"{was} with other settings: {'; '.join(different.values())}. "
        "Use the same settings and versions to go on with it, another --name to keep both "
        f"(such as --name {job.name}-2), or --overwrite to replace it.{hint}"
    )


def check_identity(job: BuildJob, identity: Mapping[str, object]) -> None:
    """Make sure that the unfinished build that is there is this one.

    Args:
        job: the build.
        identity: of the one that is there.

    Raises:
        ResumeError: naming each setting that is another one.
    """
    different = identity_differences(identity, job.identity)
    if different:
        begun = (
            f"There is an unfinished build of {job.name!r} in {job.storage.url} "
            f"({job.unfinished.folder}), begun"
        )
        raise _other_settings(job, begun, different)


def _fits(plan: SetPlan, entry: ShardEntry) -> bool:
    """Return whether the plan has a shard of that number and size."""
    return entry.shard < plan.shard_count and entry.rows == len(plan.shard(entry.shard))


def noted_shards(
    storage: Storage, draft: RunRecord, numbers: Iterable[int], progress: bool
) -> tuple[dict[int, ShardEntry], dict[int, tuple[str, ...]]]:
    """Find out which shards of an unfinished build are there.

    On a disk their files are compared with the hashes of their notes. An object store shows only
    objects that are whole: there it is enough that they are listed.

    Args:
        storage: of the root.
        draft: the run record as far as it is known.
        numbers: of the shards that are asked for; those without notes are passed over.
        progress: show a bar if standard error is a terminal.

    Returns:
        By number, the shards that are there, and what is wrong with the others, in words.
    """
    plan = draft.plan
    notes = UnfinishedBuild(storage, plan.name)
    noted = [entry for entry in map(notes.entry, numbers) if entry is not None]
    fitting = [entry for entry in noted if _fits(plan, entry)]
    if storage.is_local:
        return _check_shards(storage, draft, fitting, progress)

    finished = {entry.shard: entry for entry in fitting}
    damaged: dict[int, tuple[str, ...]] = {}
    for kind in draft.formats:
        module = SHARD_FORMATS[kind]
        listed = set(storage.files(f"{data_folder(plan.name)}/{module.FOLDER}"))
        for number in list(finished):
            missing = set(module.paths(plan.shard(number), plan)) - listed
            if missing:
                damaged[number] = (min(missing),)
                del finished[number]
    return finished, damaged


def _check_shards(
    storage: Storage, record: RunRecord, entries: Iterable[ShardEntry], progress: bool
) -> tuple[dict[int, ShardEntry], dict[int, tuple[str, ...]]]:
    """Compare the files of shards with the hashes of their entries.

    Returns:
        By number, the shards that are unharmed, and what is wrong with the others, in words.
    """
    plan = record.plan
    finished: dict[int, ShardEntry] = {}
    damaged: dict[int, tuple[str, ...]] = {}
    bar = tqdm(
        entries, unit=" shards", desc=f"check {plan.name}", disable=None if progress else True
    )
    for entry in bar:
        shard = plan.shard(entry.shard)
        harmed = []
        for kind in record.formats:
            if stored_digest(storage, kind, shard, plan) != entry.sha256.get(kind):
                files = set(SHARD_FORMATS[kind].paths(shard, plan))
                one = files.pop()
                harmed.append(f"{kind} files of shard {shard.number}" if files else one)
        if harmed:
            damaged[shard.number] = tuple(harmed)
        else:
            finished[shard.number] = entry
    return finished, damaged
