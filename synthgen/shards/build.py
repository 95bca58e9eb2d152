"""The build: plan, generate, screen, write, publish. The manifest appears last, when everything it names is on the disk."""

import dataclasses
import hashlib
import os
import platform
import time
from collections.abc import Callable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np
from tqdm import tqdm

from synthgen.config import BuildSettings
from synthgen.datasets.digits import Digits
from synthgen.errors import Interrupted
from synthgen.gan.checkpoint import Checkpoint
from synthgen.metrics.neighbours import NearestTrain
from synthgen.records import fingerprint, versions
from synthgen.shards.contact_sheet import draw_sheet
from synthgen.shards.dryrun import DryRun, dry_run
from synthgen.shards.formats import FORMATS, digest, find_orphans
from synthgen.shards.generate import Networks, draw_shard
from synthgen.shards.job import (
    Job,
    check_before_training,
    check_space,
    load_networks,
    locked,
    prepare,
    training_images,
)
from synthgen.shards.manifest import HEADER, RECORD_FORMAT, format_rows, record_path, write_record
from synthgen.shards.plan import DESCRIPTIONS, Drawn, Shard
from synthgen.shards.resume import Start, begin, is_stored, look, retract
from synthgen.shards.unfinished import REFERENCE, Entry
from synthgen.text import counted


@dataclass(frozen=True)
class BuildResult:
    """What a build made.

    Args:
        root: as the user named it.
        manifest: path of the manifest, relative to the root.
        record: the run record.
        skipped: numbers of the shards that were there already.
        seconds: it took.
        unchanged: whether everything was there already.
        made: images that were generated now.
        repaired: what was found damaged or missing and made again, in words.
        orphans: files in the shard folders that belong to no image of the set; `verify` counts them
            as problems.
    """

    root: str
    manifest: str
    record: Mapping[str, Any]
    skipped: tuple[int, ...]
    seconds: float
    unchanged: bool
    made: int = 0
    repaired: tuple[str, ...] = ()
    orphans: tuple[str, ...] = ()

    @property
    def manifest_path(self) -> str:
        """Path or URL of the manifest."""
        return self.manifest if self.root == "." else os.path.join(self.root, self.manifest)

    @property
    def count(self) -> int:
        """Images in the set."""
        return int(self.record["count"])

    @property
    def acceptance(self) -> dict[str, float]:
        """The share of draws that was kept, by class name."""
        return dict(self.record["acceptance"])

    def lines(self) -> list[str]:
        """A summary for the terminal."""
        name, settings = self.record["settings"]["name"], self.record["settings"]
        shards = counted(len(self.record["shards"]), "shard")
        what = f"{self.count:,} images, {settings['per_class']:,} of each of {len(self.acceptance)} classes, in {shards}"
        if self.unchanged:
            checked = f"Nothing to do: {what}, are in place and unharmed (checked in {self.seconds:.1f} s)."
            return [checked, *self._leftovers(), f"Manifest {self.manifest_path}"]
        return [
            self._made(what),
            *(
                [f"Found damaged or missing, and made again: {', '.join(self.repaired)}."]
                if self.repaired
                else []
            ),
            *self._labels(),
            f"Shards   {os.path.join(self.root, 'data', name)}: {', '.join(settings['formats'])}, contact_sheet.png",
            f"Manifest {self.manifest_path}, run record {record_path(self.manifest_path)}",
            *self._leftovers(),
        ]

    def _made(self, what: str) -> str:
        """How much of the set was made now; the rate is that of these images."""
        took = f"in {self.seconds:.1f} s"
        rate = f"{took} ({self.made / max(self.seconds, 1e-9):,.0f} images/s)"
        if not self.skipped:
            return f"Made {what}, {rate}."
        if not self.made:
            return f"Complete: {what}, which were all there already, {took}."
        return f"Complete: {what}; {counted(len(self.skipped), 'shard')} there already, {counted(self.made, 'image')} made now, {rate}."

    def _leftovers(self) -> list[str]:
        """What `verify` will find wrong, though all images are as they should be."""
        if not self.orphans:
            return []
        which = f"{self.orphans[0]}{' and others' * (len(self.orphans) > 1)}"
        return [
            f"Left over: {counted(len(self.orphans), 'file')} without a row in the manifest, {which}. Remove what `synthgen verify` names."
        ]

    def _labels(self) -> list[str]:
        """Where the labels come from, and how many draws they took."""
        source, shares = self.record["label_source"], self.acceptance
        least, most = (
            choose((share, class_name) for class_name, share in shares.items())
            for choose in (min, max)
        )
        said = f"Labels come from {DESCRIPTIONS[source]}"
        if source == "classifier":
            trained_on = (
                self.record["checkpoint"].get("training_data", {}).get("source", "unknown digits")
            )
            shares_of_draws = f"{least[0]:.2%} (class {least[1]!r}) to {most[0]:.2%} (class {most[1]!r}) of the draws"
            return [f"{said}, trained on {trained_on}; it saw each class in {shares_of_draws}."]
        overall = len(shares) / sum(1 / share for share in shares.values())
        return [
            f"{said}. Screening kept {overall:.2%} of all draws; least of class {least[1]!r}, {least[0]:.2%}."
        ]


__all__ = ["BuildResult", "DryRun", "build", "check_before_training", "dry_run", "training_images"]


def build(
    settings: BuildSettings,
    root: str,
    checkpoint: Checkpoint,
    reference: Digits | None = None,
    overwrite: bool = False,
    progress: bool = True,
    networks: Callable[[Checkpoint, int], Networks] = load_networks,
    say: Callable[[str], object] = lambda _: None,
) -> BuildResult:
    """Make a labelled set and publish it; what is already there and unharmed is kept.

    Args:
        settings: what to make.
        root: folder or fsspec URL that holds data/ and manifests/.
        checkpoint: the generator and its screening classifier.
        reference: real training images; each synthetic image's distance to the nearest goes into
            the manifest.
        overwrite: replace a set of this name that was made with other settings.
        progress: show a bar if standard error is a terminal.
        networks: makes sampler and screener of (checkpoint, batch); called only if something is to
            be generated.
        say: receives a notice when something that was there is removed.

    Raises:
        InputError: if settings, checkpoint, reference or root cannot be used; nothing is written.
        ResumeError: if the name is taken by a set with other settings.
        ScreeningExhausted: if the generator cannot make a class.
        Interrupted: after Ctrl-C; the same call goes on.
    """
    began = time.perf_counter()
    job = prepare(settings, root, checkpoint, reference)
    check_space(job, overwrite)
    job.storage.check_writable()
    with locked(job):
        start = look(job, overwrite, progress)
        if start.how == "unchanged":
            seconds, shards = time.perf_counter() - began, tuple(range(job.plan.shard_count))
            return BuildResult(
                job.storage.url,
                job.manifest,
                start.record,
                shards,
                seconds,
                unchanged=True,
                orphans=_orphans(job),
            )
        # a checkpoint that does not work changes nothing
        tools = networks(job.checkpoint, job.settings.batch)
        begin(job, start, say)
        done = _make_all(job, tools, progress)
        record = _publish(job, done.entries, began)
        return _result(job, start, done, record, began)


def _result(
    job: Job, start: Start, done: "_Done", record: Mapping[str, Any], began: float
) -> BuildResult:
    return BuildResult(
        root=job.storage.url,
        manifest=job.manifest,
        record=record,
        skipped=done.skipped,
        seconds=time.perf_counter() - began,
        unchanged=False,
        made=sum(entry["rows"] for entry in done.entries if entry["shard"] not in done.skipped),
        repaired=(*start.lost, *(f"shard {number}" for number in done.damaged)),
        # else the folders were empty or not there
        orphans=_orphans(job) if start.how in ("resumed", "adopted") else (),
    )


def _orphans(job: Job) -> tuple[str, ...]:
    return tuple(
        path
        for paths in find_orphans(job.storage, job.plan, job.settings.formats).values()
        for path in paths
    )


@dataclass(frozen=True)
class _Done:
    """All shards of a set: their entries in order, the numbers of those that were there already, and of those that were damaged."""

    entries: list[Entry]
    skipped: tuple[int, ...]
    damaged: tuple[int, ...]


def _make_all(job: Job, networks: Networks, progress: bool) -> _Done:
    """Make each shard that is not there yet."""
    record = job.record()
    described = len(record["shards"]) if record else 0
    entries: dict[int, Entry] = {}
    damaged: list[int] = []
    bar = tqdm(
        total=job.plan.count, unit=" images", desc=job.name, disable=None if progress else True
    )
    try:
        # which is waited for, whatever happens
        with bar, ThreadPoolExecutor(1, "writer") as thread:
            maker = _Maker(job, networks, thread, bar.update)
            for shard in job.plan.shards():
                entry = job.parts.entry(shard.number)
                if entry is not None and is_stored(job, shard, entry):
                    entries[shard.number] = entry
                    bar.update(len(shard))
                else:
                    damaged += [shard.number] if entry is not None else []  # it was finished once
                    if shard.number < described:
                        retract(job)
                    maker.make(shard)
            maker.wait()
    except KeyboardInterrupt as error:
        whole = (
            f"{job.parts.finished()} of {counted(job.plan.shard_count, 'shard')} finished and kept"
        )
        raise Interrupted(
            f"Interrupted: {whole}. Run the same command again to go on from there."
        ) from error
    whole_set = entries | maker.made
    return _Done(
        [whole_set[number] for number in range(job.plan.shard_count)],
        tuple(sorted(entries)),
        tuple(damaged),
    )


class _Maker:
    """Makes shards of one job: one is written, in a thread of its own, while the next is generated; a third has to wait."""

    def __init__(
        self, job: Job, networks: Networks, thread: ThreadPoolExecutor, done: Callable[[int], Any]
    ) -> None:
        self._job, self._networks, self._thread, self._done = job, networks, thread, done
        self._nearest = NearestTrain(job.reference) if job.reference is not None else None
        self._attributes = {
            "checkpoint_sha256": job.checkpoint.sha256,
            "seed": job.settings.seed,
            "label_source": job.settings.labels,
        }
        self._writing: Future[Entry] | None = None
        self.made: dict[int, Entry] = {}

    def make(self, shard: Shard) -> None:
        """Generate and screen a shard, and begin to write it."""
        began = time.perf_counter()
        drawn = draw_shard(shard, self._job.plan, self._job.settings, self._networks, self._tell)
        seconds = time.perf_counter() - began
        self.wait()
        self._writing = self._thread.submit(self._write, drawn, seconds)

    def wait(self) -> None:
        """Wait until what is being written is written; an error of the writing thread is raised here."""
        if self._writing is not None:
            entry = self._writing.result()
            self.made[entry["shard"]] = entry
            self._writing = None

    def _tell(self, count: int) -> None:
        """Pass on the progress, and do not generate for long what can no longer be written."""
        self._done(count)
        if self._writing is not None and self._writing.done():
            self.wait()

    def _write(self, drawn: Drawn, generating: float) -> Entry:
        """Write the files of a shard, then note its entry."""
        job, began, shard = self._job, time.perf_counter(), drawn.shard
        distances = self._nearest.distances(drawn.images, drawn.labels) if self._nearest else None
        hashes = {}
        for kind in job.settings.formats:
            files = FORMATS[kind].encode(drawn, job.plan, self._attributes)
            job.storage.write_many(files)
            hashes[kind] = digest(files.values())
        rows = format_rows(drawn, job.plan, job.settings, distances)
        seconds = {"generate": round(generating, 3), "write": round(time.perf_counter() - began, 3)}
        entry = {
            "shard": shard.number,
            "rows": len(shard),
            "sha256": hashes,
            "draws": drawn.draws(),
            "seconds": seconds,
        }
        return job.parts.finish(shard.number, entry, rows)


def _publish(job: Job, entries: list[Entry], began: float) -> dict[str, Any]:
    """Contact sheet, run record and, last, the manifest."""
    job.storage.write_bytes(
        job.contact_sheet, draw_sheet(job.storage, job.plan, job.settings.formats[0])
    )
    digest_ = hashlib.sha256(HEADER)
    for rows in job.parts.rows(entries):
        digest_.update(rows)
    record = _record(job, entries, digest_.hexdigest(), time.perf_counter() - began)
    job.storage.sync()
    write_record(job.storage, job.manifest, record)
    with job.storage.writing(job.manifest) as file:
        file.write(HEADER)
        for rows in job.parts.rows(entries):
            file.write(rows)
    job.parts.remove()
    return record


def _record(job: Job, entries: list[Entry], manifest_sha256: str, seconds: float) -> dict[str, Any]:
    plan, origin = job.plan, job.checkpoint.record
    draws = np.sum([entry["draws"] for entry in entries], axis=0).tolist()
    return {
        "format": RECORD_FORMAT,
        "settings": dataclasses.asdict(job.settings),
        "fingerprint": fingerprint(job.identity),
        "class_names": list(plan.class_names),
        "image_shape": list(job.checkpoint.image_shape),
        "count": plan.count,
        "counts": dict.fromkeys(plan.class_names, plan.per_class),
        "label_source": job.settings.labels,
        "acceptance": {
            name: round(plan.per_class / drawn, 6)
            for name, drawn in zip(plan.class_names, draws, strict=True)
        },
        "checkpoint": {"sha256": job.checkpoint.sha256}
        | {
            key: origin[key] for key in ("preset", "seed", "step", "training_data") if key in origin
        },
        "reference_sha256": job.identity[REFERENCE],
        "versions": versions(),
        "precision": "float32",
        "machine": {
            "system": platform.system(),
            "processor": platform.machine(),
            "cores": os.cpu_count(),
        },
        "manifest": {"path": job.manifest, "rows": plan.count, "sha256": manifest_sha256},
        "seconds": round(seconds, 3),
        "shards": entries,
    }
