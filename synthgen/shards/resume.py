"""Where a build begins: anew, where a killed one stopped, from a published set that is to grow, or not at all."""

import itertools
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from tqdm import tqdm

from synthgen.errors import ManifestError, ResumeError
from synthgen.records import file_sha256
from synthgen.shards.contact_sheet import sheet_is_whole
from synthgen.shards.formats import FORMATS, stored_digest
from synthgen.shards.job import Job
from synthgen.shards.manifest import HEADER, record_path
from synthgen.shards.plan import Shard
from synthgen.shards.unfinished import REFERENCE, Entry, differences, identity

EVALUATION = (
    "report.html",
    "report.md",
    "evaluation.json",
    "evaluation.csv",
    "evaluation.cells.jsonl",
    "evaluation.measures.json",
)


@dataclass(frozen=True)
class Start:
    """Where a build begins.

    Args:
        how: "anew", "resumed" (an unfinished build), "adopted" (a published set that grows or is
            damaged), "replaced" or "unchanged" (the very set is published and unharmed).
        record: the run record of the published set, if it matters.
        lost: what else of the published set than its shards is damaged or missing, in words.
    """

    how: str
    record: Mapping[str, Any] = field(default_factory=dict)
    lost: tuple[str, ...] = ()


def look(job: Job, overwrite: bool, progress: bool = True) -> Start:
    """Find out what is there under the set's name. Changes nothing.

    Args:
        job: the build.
        overwrite: replace what was made with other settings instead of refusing.
        progress: show a bar while a finished set is checked, if standard error is a terminal.

    Raises:
        ResumeError: if what is there was made with other settings, naming each.
    """
    try:
        return _look(job, progress)
    except (ResumeError, ManifestError):
        if not overwrite:
            raise
        return Start("replaced")


def begin(job: Job, start: Start, say: Callable[[str], object]) -> None:
    """Get ready to build: from now on `job.parts` is this build's; `say` is told what is lost on the way."""
    if start.how == "resumed":
        _sweep(job)
        return
    if start.how == "replaced":
        clear(job)
    if start.how == "adopted":
        _adopt(job, start.record, say)
    else:
        job.parts.begin(job.identity)


def _look(job: Job, progress: bool) -> Start:
    unfinished, record = job.parts.identity(), job.record()
    if unfinished is not None:
        begun = f"There is an unfinished build of {job.name!r} in {job.storage.url} ({job.parts.folder}), begun"
        _refuse(job, begun, differences(unfinished, job.identity))
        return Start("resumed")
    if record is not None:
        return _look_at_published(job, record, progress)
    _refuse_leftovers(job)
    return Start("anew")


def _look_at_published(job: Job, record: Mapping[str, Any], progress: bool) -> Start:
    checkpoint, reference = record["checkpoint"]["sha256"], record.get("reference_sha256")
    different = differences(
        identity(record["settings"], checkpoint, reference, record["versions"]), job.identity
    )
    grows = record["settings"]["per_class"] < job.settings.per_class
    tolerated = {name: words for name, words in different.items() if name.startswith("version of")}
    if REFERENCE in different and None in (reference, job.identity[REFERENCE]):
        # the real digits could be had then and not now, or the reverse
        tolerated[REFERENCE] = different[REFERENCE]
    built = f"{job.name!r} in {job.storage.url} was built"
    _refuse(
        job,
        built,
        {
            n: words
            for n, words in different.items()
            if n not in tolerated and not (grows and n == "--per-class")
        },
    )
    damaged = () if grows else _damaged(job, record, progress)
    if not grows and not damaged:
        return Start("unchanged", record)
    _refuse(
        job,
        f"Damaged or missing: {', '.join(damaged)}. That is not made anew, because {built}"
        if damaged
        else built,
        tolerated,
    )
    return Start("adopted", record, _lost(job, record))


def _refuse(job: Job, was: str, different: Mapping[str, str]) -> None:
    if different:
        raise ResumeError(
            f"{was} with other settings: {'; '.join(different.values())}. "
            "Use the same settings and versions to go on with it, another --name to keep both, or --overwrite to replace it."
            + (
                " (`synthgen data fetch` says whether the real digits can be had.)"
                if REFERENCE in different
                else ""
            )
        )


def _refuse_leftovers(job: Job) -> None:
    places = [job.manifest, *(f"data/{job.name}/{module.FOLDER}" for module in FORMATS.values())]
    found = [place for place in places if job.storage.exists(place)]
    if found:
        raise ResumeError(
            f"{', '.join(found)} in {job.storage.url} belong to no run record ({record_path(job.manifest)} is missing). "
            "Restore the record, use another --name, or --overwrite to replace them."
        )


def images_left(job: Job, start: Start, progress: bool = True) -> int:
    """How many images a build that begins there would make."""
    if start.how == "unchanged":
        return 0
    entries: list[Any] = []
    if start.how == "resumed":
        entries = [entry for number in job.parts.numbers() if (entry := job.parts.entry(number))]
    elif start.how == "adopted" and _manifest_is_whole(job, start.record):
        entries = start.record["shards"]
    with _checking(job, entries, progress) as shown:
        whole: int = sum(
            entry["rows"]
            for entry in shown
            if is_stored(job, job.plan.shard(entry["shard"]), entry)
        )
    return job.plan.count - whole


def _damaged(job: Job, record: Mapping[str, Any], progress: bool) -> tuple[str, ...]:
    """What of a published set is damaged or missing, in words."""
    with _checking(job, record["shards"], progress) as shown:
        return (
            *_lost(job, record),
            *(
                words
                for entry in shown
                for words in _harmed(job, job.plan.shard(entry["shard"]), entry)
            ),
        )


def _checking(job: Job, entries: Sequence[Mapping[str, Any]], progress: bool) -> Any:
    return tqdm(
        entries, unit=" shards", desc=f"check {job.name}", disable=None if progress else True
    )


def _lost(job: Job, record: Mapping[str, Any]) -> tuple[str, ...]:
    """What of a published set, but its shards, is damaged or missing."""
    found = (
        []
        if _manifest_is_whole(job, record)
        else [f"{job.manifest} (and with it every shard, whose rows it held)"]
    )
    return (*found, *([] if sheet_is_whole(job.storage, job.name) else [job.contact_sheet]))


def _manifest_is_whole(job: Job, record: Mapping[str, Any]) -> bool:
    return (
        job.storage.exists(job.manifest)
        and file_sha256(job.storage, job.manifest) == record["manifest"]["sha256"]
    )


def is_stored(job: Job, shard: Shard, entry: Mapping[str, Any]) -> bool:
    """Whether a shard's files, in every format asked for, have the hashes of its entry."""
    return not any(_harmed(job, shard, entry))


def _harmed(job: Job, shard: Shard, entry: Mapping[str, Any]) -> Iterator[str]:
    """The files of a shard that are not those of its entry, in words."""
    for kind in job.settings.formats:
        if entry["rows"] != len(shard) or stored_digest(
            job.storage, kind, shard, job.plan
        ) != entry["sha256"].get(kind):
            files = set(FORMATS[kind].paths(shard, job.plan))
            yield f"{kind} files of shard {shard.number}" if len(files) > 1 else files.pop()


def _adopt(job: Job, record: Mapping[str, Any], say: Callable[[str], object]) -> None:
    """Turn a published set into an unfinished build of a larger one, or of itself if it is damaged."""
    if record["settings"]["per_class"] != job.settings.per_class:
        _remove_evaluation(job, say)
    job.parts.begin(job.identity)
    if not _manifest_is_whole(job, record):
        return
    with job.storage.open(job.manifest) as file:
        if file.readline() != HEADER:
            return
        for entry in record["shards"]:
            rows = b"".join(itertools.islice(file, entry["rows"]))
            if entry["rows"] == len(job.plan.shard(entry["shard"])):
                job.parts.finish(entry["shard"], _without_rows_hash(entry), rows)


def _remove_evaluation(job: Job, say: Callable[[str], object]) -> None:
    """Remove what speaks of the smaller set; its contact sheet is replaced when the larger one is published."""
    folder = f"data/{job.name}"
    found = [file for file in EVALUATION if job.storage.exists(f"{folder}/{file}")]
    for file in found:
        job.storage.remove(f"{folder}/{file}")
    if found:
        say(
            f"NOTICE: {job.name!r} grows, so the evaluation of the smaller set was removed from {folder}: {', '.join(found)}."
        )


def _without_rows_hash(entry: Mapping[str, Any]) -> Entry:
    return {name: value for name, value in entry.items() if name != "rows_sha256"}


def retract(job: Job) -> None:
    """Take a manifest back before a shard that it describes is written anew."""
    job.storage.remove(job.manifest)
    job.storage.remove(record_path(job.manifest))


def clear(job: Job) -> None:
    """Remove all that was made under the set's name, the manifest first."""
    retract(job)
    job.parts.remove()
    job.storage.remove(job.contact_sheet)
    for place in (*(module.FOLDER for module in FORMATS.values()), *EVALUATION):
        job.storage.remove(f"data/{job.name}/{place}")


def _sweep(job: Job) -> None:
    """Remove the half-written temporary files that a killed build left."""
    for folder in (f"data/{job.name}", "manifests"):
        for files in job.storage.walk(folder):
            for path in files:
                if path.endswith(".part") and (
                    folder != "manifests" or f"/{job.name}." in path or job.parts.folder in path
                ):
                    job.storage.remove(path)
