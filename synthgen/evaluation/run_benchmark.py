"""The benchmark: plan, run what is missing, summarise, write. A stopped one goes on where it was."""

import os
import platform
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import NamedTuple

from tqdm import tqdm

from synthgen.classifiers.digitnet import Network, feature_network
from synthgen.classifiers.judge import Judge, default_judge
from synthgen.config import BenchmarkSettings
from synthgen.datasets.splits import RealDigits
from synthgen.errors import CheckFailed, DataError, Interrupted
from synthgen.evaluation.benchmark_cost import expected_seconds, measure_speed
from synthgen.evaluation.benchmark_store import CellStore, locked
from synthgen.evaluation.benchmark_summary import summarise
from synthgen.evaluation.benchmark_values import BenchmarkSummary, GateResult
from synthgen.evaluation.engine import ENGINES, Task, import_ray
from synthgen.evaluation.gates import Gate
from synthgen.evaluation.generators import Generator, own_generator
from synthgen.evaluation.runs import Cell, Laboratory
from synthgen.evaluation.scenarios import Key, Plan, make_plan
from synthgen.evaluation.wording import arm_name
from synthgen.records import fingerprint, versions
from synthgen.reports.benchmark import render_benchmark
from synthgen.reports.benchmark_lines import benchmark_lines
from synthgen.storage import Storage, open_storage
from synthgen.text import GAP, duration

RESULT, TABLES, ROWS, REPORT = "benchmark.json", "benchmark.md", "benchmark.csv", "report.html"
LEAST_TEST = 10  # test digits of each class: a share of fewer is not a figure


@dataclass(frozen=True, eq=False)
class Job:
    """A benchmark that is ready to run.

    Args:
        storage: of the root.
        folder: of the benchmark, relative to the root.
        laboratory: digits, settings, judge, generator.
        plan: all groups of cells.
        prints: the fingerprint of each cell.
    """

    storage: Storage
    folder: str
    laboratory: Laboratory
    plan: Plan
    prints: dict[Key, str]

    @property
    def place(self) -> str:
        """The folder as the user would name it."""
        return (
            self.folder
            if self.storage.url in (".", "")
            else f"{self.storage.url.rstrip('/')}/{self.folder}"
        )

    def tasks(self, store: CellStore) -> list[Task]:
        """What is left to do, group by group."""
        found = []
        for group in self.plan.groups:
            missing = tuple(key for key in group.keys if self.prints[key] not in store)
            finished = tuple(
                store[self.prints[key]] for key in group.keys if self.prints[key] in store
            )
            found += [Task(group, missing, finished)] if missing else []
        return found


class Forecast(NamedTuple):
    """What a benchmark has to do: its cells, how many of them are missing, and the seconds these will take."""

    job: Job
    missing: int
    seconds: float

    def lines(self) -> list[str]:
        """Budget by budget, for --dry-run."""
        settings, keys = self.job.laboratory.settings, self.job.plan.keys
        trained = (
            "each group trains one generator"
            if self.job.laboratory.generator.trains
            else "all use the generator named, none is trained"
        )
        lines = [
            f"{len(keys):,} cells in {len(self.job.plan.groups):,} groups; {trained}. The cells:"
        ]
        for place in dict.fromkeys(key.place for key in keys):
            here = [key for key in keys if key.place == place]
            arms = dict.fromkeys(arm_name(key.arm, key.ratio) for key in here)
            share = f", {place[2]:g} % of one" if place[2] is not None else ""
            lines.append(
                f"  {place[0]}, {place[1]} per class{share}, {len({key.seed for key in here})} seeds: {', '.join(arms)}"
            )
        lines += [f"NOTE: {note}" for note in self.job.plan.notes]
        return [
            *lines,
            self.line(),
            f"Nothing was run; without --dry-run the results go to {self.job.place} (engine {settings.engine}).",
        ]

    def line(self) -> str:
        """The expected time."""
        done = len(self.job.plan.keys) - self.missing
        there = f", {done:,} are there already" if done else ""
        takes = duration(self.seconds).replace(GAP, " ")
        return f"{self.missing:,} cells to run{there}: expected to take about {takes} one after the other, as measured on this machine."


class Benchmarked(NamedTuple):
    """What a benchmark found, where it lies, and how many cells it ran for that."""

    summary: BenchmarkSummary
    folder: str
    ran: int

    def lines(self) -> list[str]:
        """What a command prints."""
        note = (
            []
            if self.ran
            else [
                "All cells were there already, of the same data, settings and versions: nothing was trained."
            ]
        )
        files = f"  {self.folder}: report.html, cells.jsonl, benchmark.json, .csv, .md"
        return [*benchmark_lines(self.summary), files, *note]


def prepare(
    settings: BenchmarkSettings,
    root: str,
    real: RealDigits,
    judge: Judge | None = None,
    generator: Generator | None = None,
    network: Network = feature_network,
) -> Job:
    """Plan a benchmark. Writes nothing.

    Args:
        settings: what to measure.
        root: folder or fsspec URL that holds data/.
        real: real digits.
        judge: how classifiers are trained and asked; the built-in one if None.
        generator: how synthetic digits are made; trained on each cell's own images if None.
        network: gives the digit classifier that judges their labels.

    Raises:
        SettingsError: if nothing of what is asked for can be measured, or Ray is asked for and
            missing.
        DataError: if there are too few test digits.
    """
    counts = real.test.counts()
    if counts.min() < LEAST_TEST:
        raise DataError(
            f"Expected at least {LEAST_TEST} real test digits of each class, received {counts.min()} of class "
            f"{real.test.class_names[int(counts.argmin())]}. Add some to the --data."
        )
    if settings.engine == "ray":
        import_ray()
    laboratory = Laboratory(
        real=real,
        settings=settings,
        judge=judge or default_judge(),
        generator=generator or own_generator(settings, real.source),
        network=network,
        machine={
            "system": platform.system(),
            "processor": platform.machine(),
            "cores": os.cpu_count(),
        },
        versions=versions(),
    )
    plan = make_plan(settings, real.train)
    prints = {
        key: text for group in plan.groups for key, text in laboratory.fingerprints(group).items()
    }
    return Job(open_storage(root), f"data/benchmark-{settings.name}", laboratory, plan, prints)


def forecast(job: Job) -> Forecast:
    """Time the classifier for some seconds and say what the missing cells will take."""
    tasks = job.tasks(CellStore(job.storage, job.folder))
    missing = sum(len(task.missing) for task in tasks)
    speed = measure_speed(job.laboratory.judge, job.laboratory.real.train) if missing else None
    seconds = (
        expected_seconds([(task.group, task.missing) for task in tasks], job.laboratory, speed)
        if speed
        else 0.0
    )
    return Forecast(job, missing, seconds)


def run(job: Job, gates: Sequence[Gate] = ()) -> Benchmarked:
    """Run the missing cells and write the summary.

    Args:
        job: see `prepare`.
        gates: whose figures the summary shows; `gates.check_gates` then decides.

    Raises:
        Interrupted: after Ctrl-C; every finished cell is kept, and the summary is of these.
        TrainingDiverged: if a generator cannot be trained; every finished cell is kept, and the
            summary is of these. The local engine runs the cells of all other groups first.
        ScreeningExhausted: likewise, if one cannot make a class.
        ResumeError: if the same benchmark is running already.
        StorageError: if something cannot be read or written.
    """
    job.storage.check_writable()
    with locked(job.storage, job.folder):
        store = CellStore(job.storage, job.folder)
        try:
            ran = _run_missing(job, store)
        except (KeyboardInterrupt, Interrupted, CheckFailed) as error:
            finished = sum(text in store for text in job.prints.values())
            if finished:
                publish(job, store, gates)
            kept = (
                f"{finished:,} of {len(job.prints):,} cells are finished and kept in {job.place}."
            )
            if isinstance(error, CheckFailed):
                raise type(error)(f"{error} {kept}") from error
            raise Interrupted(
                f"{str(error) or 'Interrupted.'} {kept} Run the same command again to go on from there."
            ) from error
        return Benchmarked(publish(job, store, gates), job.place, ran)


def _run_missing(job: Job, store: CellStore) -> int:
    tasks = job.tasks(store)
    missing = sum(len(task.missing) for task in tasks)
    with tqdm(
        total=len(job.prints),
        initial=len(job.prints) - missing,
        unit="cell",
        desc="benchmark",
        disable=None,
    ) as bar:
        for cell in ENGINES[job.laboratory.settings.engine](tasks, job.laboratory):
            store.add(cell)
            bar.update()
            bar.set_postfix_str(
                f"{cell.key.per_class} per class, {cell.key.arm}: {100 * cell.metrics['accuracy']:.2f} %"
            )
    return missing


def publish(job: Job, store: CellStore, gates: Sequence[Gate]) -> BenchmarkSummary:
    """Summarise the cells that are finished and write the files.

    Args:
        job: see `prepare`.
        store: its cells, one or more.
        gates: whose figures the summary shows.

    Raises:
        StorageError: if something cannot be written.
    """
    summary = summary_of(
        job, [store[job.prints[key]] for key in job.plan.keys if job.prints[key] in store], gates
    )
    job.storage.write_bytes(f"{job.folder}/{RESULT}", summary.to_json())
    report = render_benchmark(summary)
    for file, text in ((TABLES, report.markdown), (ROWS, report.csv), (REPORT, report.html)):
        job.storage.write_bytes(f"{job.folder}/{file}", text.encode())
    return summary


def summary_of(job: Job, cells: Sequence[Cell], gates: Sequence[Gate] = ()) -> BenchmarkSummary:
    """What some finished cells of a benchmark come to. Writes nothing.

    Args:
        job: see `prepare`.
        cells: one or more, in the order of the plan.
        gates: whose figures the summary shows.
    """
    lab, real = job.laboratory, job.laboratory.real
    fields = summarise(cells, real.test.labels, len(real.train))
    unfinished = (
        [f"unfinished: {len(cells):,} of {len(job.prints):,} cells"]
        if len(cells) < len(job.prints)
        else []
    )
    return BenchmarkSummary(
        name=lab.settings.name,
        created=datetime.now(UTC).isoformat(timespec="seconds"),
        fingerprint=fingerprint(sorted(cell.fingerprint for cell in cells)),
        settings={
            name: list(value) if isinstance(value, tuple) else value
            for name, value in vars(lab.settings).items()
        },
        class_names=tuple(map(str, real.train.class_names)),
        real={
            "source": real.source,
            "sha256": real.sha256,
            "train": len(real.train),
            "validation": len(real.validation),
            "test": len(real.test),
        },
        generator=_describe_generator(cells),
        classifier=dict(lab.judge.recipe),
        versions=dict(lab.versions),
        machine=dict(lab.machine),
        notes=(*unfinished, *_unscreened(cells), *job.plan.notes),
        gates=tuple(
            _ask(gate, fields["figures"].get(gate.name), fields["places"].get(gate.name, ""))
            for gate in gates
        ),
        **fields,
    )


def _unscreened(cells: Sequence[Cell]) -> list[str]:
    """A note on the synthetic digits that are taken as they come."""
    screened = {
        record["checkpoint_sha256"]: record["screened"]
        for cell in cells
        if (record := cell.context["generator"])
    }
    left = len(screened) - sum(screened.values())
    return (
        [
            f"not screened, because a class failed too often: the digits of {left:,} of {len(screened):,} generators"
        ]
        if left
        else []
    )


def _describe_generator(cells: Sequence[Cell]) -> dict[str, object]:
    """What the generators of all cells have in common, and how many there are."""
    records = [cell.context["generator"] for cell in cells if cell.context["generator"]]
    if not records:
        return {"kind": "none", "count": 0}
    return {
        "kind": records[0]["kind"],
        "preset": records[0]["preset"],
        "count": len({record["checkpoint_sha256"] for record in records}),
    }


def _ask(gate: Gate, figure: float | None, where: str) -> GateResult:
    return GateResult(
        text=gate.text, name=gate.name, figure=figure, where=where, failed=gate.fails(figure)
    )
