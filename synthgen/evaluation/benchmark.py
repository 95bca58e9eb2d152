"""The benchmark: does synthetic data help, with how many real images, over doing without it?

`prepare_benchmark` plans the cells, `run_benchmark` runs those that are missing, and
`publish_benchmark` writes what was found. A stopped benchmark goes on where it was.
"""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from tqdm import tqdm

from synthgen.classifiers.digitnet import Network, feature_network
from synthgen.classifiers.judge import Judge, JudgeTraining, default_judge
from synthgen.cluster import import_ray
from synthgen.config import BenchmarkSettings
from synthgen.datasets.digits import Digits
from synthgen.datasets.splits import RealDigits
from synthgen.errors import CheckFailed, Interrupted, SettingsError, SynthgenError
from synthgen.evaluation.arms import ARMS
from synthgen.evaluation.cells import (
    Cell,
    CellStore,
    Experiment,
    Task,
    cell_fingerprints,
    check_enough,
    exclusive_cells,
    machine_facts,
    missing_tasks,
    tuned_arm,
)
from synthgen.evaluation.engine import run_local, run_ray
from synthgen.evaluation.gates import BENCHMARK_FIGURES, Gate, ask_gates, figures_of
from synthgen.evaluation.generators import own_generator
from synthgen.evaluation.results import BENCHMARK_FILE, BenchmarkSummary, GeneratorsSummary
from synthgen.evaluation.scenarios import (
    RARE,
    TRANSFER,
    Forecast,
    Key,
    Plan,
    plan_benchmark,
)
from synthgen.evaluation.summary import (
    compare_all,
    generators_of,
    summarise_arms,
    summarise_cells,
    summarise_real,
)
from synthgen.evaluation.synthetic import SyntheticSource, TransferSource
from synthgen.evaluation.transfer import LEAST_TO_TUNE
from synthgen.evaluation.tuning import (
    COMPARED_DOSES,
    Choice,
    TuningSettings,
    fold_count,
    transfer_tuning,
    tuning_steps,
)
from synthgen.processes import worker_count
from synthgen.records import fingerprint, versions
from synthgen.storage import Storage, open_storage

# steps of the two trainings whose difference is timed: seconds, or the times of compiling drown it
FEW_STEPS = 5
MORE_STEPS = 205
TIMED_IMAGES = 500  # one batch
# Measured on one machine; others are faster or slower in everything alike.
REFERENCE_STEP = 0.027  # seconds of a step of the classifier on the machine where
TRAINED_PER_SECOND = 39.0  # 10^9 multiplications a second are trained,
DRAWN_PER_SECOND = 25.0  # as many are drawn, and
SCREENER_SECONDS = 18.0  # go into a screening classifier and compiling
DISTORTED_STEP = 1.3  # a step with distortions, in steps without
# arms that learn from real digits of a generator's training data
RARE_SOURCE_ARMS = tuple(name for name, arm in ARMS.items() if arm.added == "source_balance")
REAL_SOURCE_ARMS = tuple(name for name, arm in ARMS.items() if arm.added == "source_real")


@dataclass(frozen=True, kw_only=True, eq=False)
class BenchmarkJob:
    """A benchmark that is ready to run.

    Args:
        storage: of the root.
        folder: of the benchmark, relative to the root.
        settings: what to measure.
        experiment: digits, classifier, source of synthetic digits.
        plan: all cells.
        fingerprints: of each of them.
    """

    storage: Storage
    folder: str
    settings: BenchmarkSettings
    experiment: Experiment
    plan: Plan
    fingerprints: Mapping[Key, str]

    @property
    def place(self) -> str:
        """The folder as the user would name it."""
        if self.storage.url in (".", ""):
            return self.folder
        return f"{self.storage.url.rstrip('/')}/{self.folder}"

    def missing_tasks(self, store: CellStore) -> list[Task]:
        """Returns what is left to do, group by group."""
        return missing_tasks(self.plan, self.fingerprints, store)


@dataclass(frozen=True, kw_only=True)
class BenchmarkRun:
    """What came of running a benchmark.

    Args:
        summary: of the cells that are finished; None if there are none.
        ran: number of cells that were run for it.
        error: what ended it before its time; None if every cell is finished. It is to be raised
            when the summary has been published.
    """

    summary: BenchmarkSummary | None
    ran: int
    error: SynthgenError | None = None


def prepare_benchmark(
    settings: BenchmarkSettings,
    root: str,
    real: RealDigits,
    *,
    judge: Judge | None = None,
    source: SyntheticSource | None = None,
    transfer: TransferSource | None = None,
    network: Network = feature_network,
) -> BenchmarkJob:
    """Plans a benchmark. Writes nothing.

    Args:
        settings: what to measure.
        root: folder or fsspec URL that holds data/.
        real: real digits.
        judge: trains and asks the classifiers; the built-in one if None.
        source: of the synthetic digits; a generator trained on each cell's own images if None.
        transfer: the digits of other hands, which the scenario transfer needs.
        network: gives the digit network that reads the labels of synthetic digits.

    Raises:
        SettingsError: if nothing of what is asked for can be measured, or Ray is asked for and
            missing.
        DataError: if there are too few test digits.
    """
    check_enough(real.test, "real test digits", "Add some to the --data")
    if settings.engine == "ray":
        import_ray()
    if TRANSFER in settings.scenarios and transfer is None:
        raise SettingsError(
            "Expected a generator that has seen other digits for the scenario transfer, received "
            "none. Name one with --generator."
        )
    judge = judge or default_judge()
    candidates = tuple(Choice(strength=strength) for strength in judge.strengths)
    experiment = Experiment(
        real=real,
        source=source or own_generator(settings, real.source),
        judge=judge,
        tuning=TuningSettings(candidates=candidates, folds=settings.folds),
        synthetic_weight=settings.synthetic_weight,
        transfer=transfer,
        network=network,
        machine=machine_facts(),
        versions=versions(),
    )
    plan = plan_benchmark(settings, real.train)
    if transfer is None and set(RARE) & set(settings.scenarios):
        note = "no top-up by a generator of other hands: none is at hand that fits these digits"
        plan = plan.without(RARE_SOURCE_ARMS, f"{note} and has not seen them")
    if transfer and transfer.real is None:
        note = "no control on real digits of the generator's training data: they cannot be had"
        plan = plan.without(REAL_SOURCE_ARMS, note)
    fingerprints: dict[Key, str] = {}
    for group in plan.groups:
        fingerprints |= cell_fingerprints(group, experiment)
    return BenchmarkJob(
        storage=open_storage(root),
        folder=f"data/benchmark-{settings.name}",
        settings=settings,
        experiment=experiment,
        plan=plan,
        fingerprints=fingerprints,
    )


def forecast_benchmark(job: BenchmarkJob) -> Forecast:
    """Times the classifier for some seconds and estimates what the missing cells will take."""
    tasks = job.missing_tasks(CellStore(job.storage, job.folder))
    missing = sum(len(task.missing) for task in tasks)
    seconds = 0.0
    workers = 1
    if missing:
        if job.settings.engine == "local" and job.experiment.judge.own_process:
            workers = min(len(tasks), worker_count(job.settings.workers))
        speed = measure_speed(job.experiment.judge, job.experiment.real.train)
        seconds = expected_seconds(tasks, job.experiment, speed)
    return Forecast(
        plan=job.plan,
        trains=job.experiment.source.trains and set(job.settings.scenarios) != {TRANSFER},
        place=job.place,
        engine=job.settings.engine,
        missing=missing,
        seconds=seconds / workers,
        workers=workers,
    )


@dataclass(frozen=True, kw_only=True)
class Speed:
    """How fast the classifier is.

    Args:
        step: seconds of a gradient step.
        training: seconds of a training besides its steps.
        image: seconds of a predicted image.
    """

    step: float
    training: float
    image: float


def measure_speed(judge: Judge, digits: Digits) -> Speed:
    """Times the classifier on this machine.

    Args:
        judge: trains and asks it.
        digits: any real digits.
    """
    some = digits.take(slice(0, TIMED_IMAGES))
    few = JudgeTraining(digits=some, steps=FEW_STEPS, seed=0)
    more = JudgeTraining(digits=some, steps=MORE_STEPS, seed=0)

    # trainings; the first one loads TensorFlow
    model = judge.fit(few, None)
    started = time.perf_counter()
    judge.fit(few, None)
    few_seconds = time.perf_counter() - started
    started = time.perf_counter()
    judge.fit(more, None)
    more_seconds = time.perf_counter() - started
    step = max(0.0, more_seconds - few_seconds) / (MORE_STEPS - FEW_STEPS)

    # predictions; the first call compiles
    judge.predict(model, some.images)
    started = time.perf_counter()
    judge.predict(model, some.images)
    predicting = time.perf_counter() - started
    return Speed(
        step=step,
        training=max(0.0, few_seconds - FEW_STEPS * step),
        image=predicting / len(some),
    )


def expected_seconds(tasks: Sequence[Task], experiment: Experiment, speed: Speed) -> float:
    """Returns the time that missing cells will take one after the other.

    Args:
        tasks: groups and their missing cells.
        experiment: digits, classifier, source of synthetic digits.
        speed: of this machine.
    """
    seconds = 0.0
    for task in tasks:
        group = task.group

        # classifiers; scenarios share those that are trained in the same way
        for key in {key.training: key for key in task.missing}.values():
            distorted = DISTORTED_STEP if ARMS[key.arm].distorted else 1
            seconds += speed.training + group.steps_of(key) * distorted * speed.step
            seconds += len(experiment.real.test) * speed.image

        # cross-validation, one for all arms that are tuned on the same one
        is_transfer = group.keys[0].scenario == TRANSFER
        settings = transfer_tuning(experiment.tuning) if is_transfer else experiment.tuning
        tuned = {tuned_arm(key) for key in task.missing if ARMS[key.arm].distorted}
        steps = tuning_steps(group.steps, settings.length) * DISTORTED_STEP
        candidates = len(tuned) * len(settings.candidates)
        if is_transfer:  # strength and dose, if there are images to tune on
            enough = min(group.draw.counts) >= LEAST_TO_TUNE
            candidates = enough * (len(settings.candidates) + len(COMPARED_DOSES))
        trainings = candidates * fold_count(group.images, settings.folds)
        seconds += trainings * (speed.training + steps * speed.step)

        # the generator, and the images that it draws
        train = experiment.real.train
        if experiment.transfer and is_transfer:
            work = experiment.transfer.drawn.work(group.draw.counts, train)
            drawn = work.image * experiment.transfer.per_class * train.classes
            seconds += drawn / DRAWN_PER_SECOND * speed.step / REFERENCE_STEP
        if group.needs_synthetic(task.missing):
            work = experiment.source.work(group.draw.counts, train)
            drawn = work.image * group.synthetic_per_class * train.classes
            generator = work.training / TRAINED_PER_SECOND + drawn / DRAWN_PER_SECOND
            if work.training:
                generator += SCREENER_SECONDS
            seconds += generator * speed.step / REFERENCE_STEP
    return seconds


def run_benchmark(job: BenchmarkJob, gates: Sequence[Gate] = ()) -> BenchmarkRun:
    """Runs the missing cells; each is kept as soon as it is finished.

    What a user or a generator can end before its time does not raise: the run then holds the error
    beside the summary of the cells that are finished. These errors are Interrupted (Ctrl-C, or a
    worker that was killed), and, after the local engine has run the cells of all other groups,
    TrainingDiverged (a generator cannot be trained) and ScreeningExhausted (one cannot make a
    class).

    Args:
        job: see `prepare_benchmark`.
        gates: whose figures the summary shows; `gates.check_gates` then decides.

    Raises:
        ResumeError: if the same benchmark is running already.
        StorageError: if something cannot be read or written.
    """
    job.storage.check_writable()
    ran = 0
    error: SynthgenError | None = None
    with exclusive_cells(job.storage, job.folder, "This benchmark"):
        store = CellStore(job.storage, job.folder)
        tasks = job.missing_tasks(store)
        missing = sum(len(task.missing) for task in tasks)
        total = len(job.fingerprints)
        if job.settings.engine == "ray":
            found = run_ray(tasks, job.experiment)
        else:
            found = run_local(tasks, job.experiment, job.settings.workers)
        try:
            with tqdm(
                total=total, initial=total - missing, unit="cell", desc="benchmark", disable=None
            ) as bar:
                for cell in found:
                    store.add(cell)
                    ran += 1
                    bar.update()
                    accuracy = f"{100 * cell.metrics['accuracy']:.2f} %"
                    bar.set_postfix_str(f"{cell.key.budget} per class, {cell.key.arm}: {accuracy}")
        except (KeyboardInterrupt, Interrupted, CheckFailed) as stopped:
            finished = sum(text in store for text in job.fingerprints.values())
            kept = f"{finished:,} of {total:,} cells are finished and kept in {job.place}."
            if isinstance(stopped, CheckFailed):
                error = type(stopped)(f"{stopped} {kept}")
            else:
                again = "Run the same command again to go on from there."
                error = Interrupted(f"{str(stopped) or 'Interrupted.'} {kept} {again}")
            error.__cause__ = stopped
    prints = [job.fingerprints[key] for key in job.plan.keys]
    cells = [store[text] for text in prints if text in store]
    summary = summarise_benchmark(job, cells, gates) if cells else None
    return BenchmarkRun(summary=summary, ran=ran, error=error)


def summarise_benchmark(
    job: BenchmarkJob, cells: Sequence[Cell], gates: Sequence[Gate] = ()
) -> BenchmarkSummary:
    """Summarises finished cells of a benchmark.

    Args:
        job: see `prepare_benchmark`.
        cells: one or more, in the order of the plan.
        gates: whose figures the summary shows.
    """
    real = job.experiment.real
    generators = [cell.generator for cell in generators_of(cells).values() if cell.generator]

    # what a reader must know
    notes = list(job.plan.notes)
    unscreened = len(
        {
            cell.generator.checkpoint_sha256
            for cell in cells
            if cell.generator and not cell.generator.screened
        }
    )
    if unscreened:
        digits = f"the digits of {unscreened:,} of {len(generators):,} generators"
        notes.insert(0, f"not screened, because a class failed too often: {digits}")
    if len(cells) < len(job.fingerprints):
        notes.insert(0, f"unfinished: {len(cells):,} of {len(job.fingerprints):,} cells")

    seconds = sum(cell.seconds for cell in cells) + sum(record.seconds for record in generators)
    summary = BenchmarkSummary(
        name=job.settings.name,
        created=datetime.now(UTC).isoformat(timespec="seconds"),
        fingerprint=fingerprint(sorted(cell.fingerprint for cell in cells)),
        class_names=tuple(map(str, real.train.class_names)),
        real=summarise_real(real),
        classifier=dict(job.experiment.judge.recipe),
        versions=dict(job.experiment.versions),
        machine=dict(job.experiment.machine),
        arms=summarise_arms(cells, real.test.labels, len(real.train)),
        comparisons=compare_all(cells, real.test.labels, len(real.train)),
        cells=summarise_cells(cells, len(real.train)),
        seconds=round(seconds, 1),
        settings=job.settings,
        generators=GeneratorsSummary(
            kind=generators[0].kind if generators else "none",
            preset=generators[0].preset if generators else None,
            count=len(generators),
        ),
        notes=tuple(notes),
        figures={},
        gates=(),
    )
    figures = figures_of(summary, BENCHMARK_FIGURES)
    return replace(summary, figures=figures, gates=ask_gates(gates, figures))


def publish_benchmark(
    job: BenchmarkJob, summary: BenchmarkSummary, pages: Mapping[str, str]
) -> None:
    """Writes the summary of a benchmark and its pages.

    Args:
        job: see `prepare_benchmark`.
        summary: of its cells.
        pages: the content of each page by its file name.

    Raises:
        ResumeError: if the same benchmark is running already.
        StorageError: if something cannot be written.
    """
    with exclusive_cells(job.storage, job.folder, "This benchmark"):
        job.storage.write_bytes(f"{job.folder}/{BENCHMARK_FILE}", summary.to_json())
        for file, text in pages.items():
            job.storage.write_bytes(f"{job.folder}/{file}", text.encode())
