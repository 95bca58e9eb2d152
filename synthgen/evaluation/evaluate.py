"""The evaluation of a synthetic set: what its images are like, and whether they help a classifier.

The images are measured; classifiers are trained with and without them; and those that have learnt
from real digits alone read the labels. The functions here return values, of which
`synthgen.reports.evaluation` makes pages; `publish_evaluation` writes both beside the set.
"""

import itertools
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from synthgen.classifiers.digitnet import (
    DIGITNET_REVISION,
    Network,
    feature_network,
    shipped_identity,
)
from synthgen.classifiers.judge import Judge, default_judge
from synthgen.config import EvaluationSettings
from synthgen.datasets.digits import Digits
from synthgen.datasets.splits import RealDigits
from synthgen.errors import DataError, ResumeError
from synthgen.evaluation.arms import BASELINE
from synthgen.evaluation.cells import (
    CELL_REVISION,
    Cell,
    CellStore,
    Experiment,
    cell_fingerprints,
    check_enough,
    exclusive_cells,
    machine_facts,
    missing_tasks,
)
from synthgen.evaluation.engine import run_local
from synthgen.evaluation.generators import READY, ready_set
from synthgen.evaluation.measure import (
    MEASURES_REVISION,
    first_rows,
    measure,
    read_measures,
    write_measures,
)
from synthgen.evaluation.results import (
    EVALUATION_FILE,
    REPORT_FILE,
    Evaluation,
    SyntheticSummary,
    read_evaluation,
)
from synthgen.evaluation.scenarios import Key, paired_seeds, plan_evaluation
from synthgen.evaluation.summary import (
    compare_all,
    summarise_agreement,
    summarise_arms,
    summarise_cells,
    summarise_real,
)
from synthgen.evaluation.synthetic import SyntheticRecord
from synthgen.evaluation.tuning import Choice, TuningSettings
from synthgen.metrics.memorisation import OTHERS, SEEN, UNKNOWN
from synthgen.records import file_sha256, fingerprint, versions
from synthgen.shards.layout import evaluation_folder, record_path
from synthgen.shards.load import Loaded, load_rows
from synthgen.shards.run_record import describe_nearness, read_record
from synthgen.storage import Storage, open_storage

MOST_READ = 10_000  # synthetic images whose labels are read by classifiers: the first of each class
# Strength of the distortions, not tuned anew for every set: of 0, 0.5 and 1 it was the best on
# MNIST's validation digits with all training digits.
SET_STRENGTH = 0.5


@dataclass(frozen=True, kw_only=True, eq=False)
class SyntheticSet:
    """A set to evaluate and what is known about it.

    Args:
        name: of the set.
        digits: its images, or the first of each class if it has a manifest.
        counts: (classes,) int64, images of each class in the whole set; those of `digits` if None.
        sha256: identity of the whole set; of the images and labels of `digits` if None.
        rows: a data frame with the manifest row of each image of `digits`; None without a manifest.
        trained_on: sha256, source and number of the images that the generator was trained on;
            empty if that is not known.
        screening: what came of drawing duplicates and memorised images again, in words; "" where
            that was not done.
    """

    name: str
    digits: Digits
    counts: NDArray[np.int64] | None = None
    sha256: str | None = None
    rows: Any = None
    trained_on: Mapping[str, Any] = field(default_factory=dict)
    screening: str = ""


@dataclass(frozen=True, kw_only=True)
class EvaluationPlace:
    """Where an evaluation is kept, and which set it speaks of.

    Args:
        storage: of the root.
        folder: of the evaluation, relative to the root.
        manifest: of the set, relative to the root; None for a set without one.
        manifest_sha256: of the manifest when the evaluation began.
    """

    storage: Storage
    folder: str
    manifest: str | None = None
    manifest_sha256: str = ""

    @property
    def report(self) -> str:
        """The report as the user would name it."""
        if self.storage.url in (".", ""):
            return f"{self.folder}/{REPORT_FILE}"
        return f"{self.storage.url.rstrip('/')}/{self.folder}/{REPORT_FILE}"


@dataclass(frozen=True, kw_only=True, eq=False)
class Evaluated:
    """An evaluation and what a page of it shows.

    Args:
        evaluation: what was found.
        place: where it is kept.
        used: the synthetic images that were used, in their order; None if the evaluation was there
            already, and with it its pages.
        rows: a data frame with the manifest row of each of these images; None without a manifest.
    """

    evaluation: Evaluation
    place: EvaluationPlace
    used: Digits | None = None
    rows: Any = None

    @property
    def reused(self) -> bool:
        """Whether the evaluation was there already."""
        return self.used is None

    @property
    def verdicts(self) -> dict[str, str]:
        """The verdict of each comparison, see `Evaluation.verdicts`."""
        return self.evaluation.verdicts


def evaluate_manifest(
    manifest: str,
    root: str,
    real: RealDigits,
    settings: EvaluationSettings,
    *,
    judge: Judge | None = None,
    network: Network = feature_network,
    or_fuller: bool = False,
) -> Evaluated:
    """Evaluates the set that a manifest lists, unless that has been done.

    Args:
        manifest: path relative to the root, such as manifests/digits.csv.
        root: the folder or fsspec URL that holds data/ and manifests/.
        real: real digits.
        settings: arms, seeds, training length, sample sizes.
        judge: trains and asks the classifiers; the built-in one if None.
        network: gives the feature network.
        or_fuller: whether an evaluation that is there may have more arms or seeds than these
            settings, if it is the same in all else.

    Returns:
        The evaluation, to be rendered and given to `publish_evaluation` unless it is `reused`.

    Raises:
        DataError: if the set and the real digits do not fit together, or are too few.
        StorageError: if something cannot be read or written.
        ResumeError: if another process evaluates this set.
    """
    storage = open_storage(root)
    name = manifest.rpartition("/")[2].removesuffix(".csv")
    identity = file_sha256(storage, manifest)
    place = EvaluationPlace(
        storage=storage,
        folder=evaluation_folder(name),
        manifest=manifest,
        manifest_sha256=identity,
    )
    judge = judge or default_judge()
    found = find_evaluation(place, real, identity, settings, judge, or_fuller=or_fuller)
    if found:
        return Evaluated(evaluation=found, place=place)
    storage.check_writable(place.folder)
    most = most_per_class(settings, real)
    digits, rows, counts, generator = load_for(real, manifest, root, most)
    screening = ""
    if storage.exists(record_path(manifest)):
        screening = describe_nearness(read_record(storage, manifest))
    synthetic = SyntheticSet(
        name=name,
        digits=digits,
        counts=counts,
        sha256=identity,
        rows=rows,
        trained_on=generator.trained_on(),
        screening=screening,
    )
    return evaluate(synthetic, real, settings, place, judge=judge, network=network)


def load_for(real: RealDigits, manifest: str, root: str, most: int) -> Loaded:
    """Loads a set as it is compared with real digits: fitted like these, with their classes.

    Args:
        real: real digits, whose classes are those of the set, some of them, or others.
        manifest: path relative to the root, such as manifests/digits.csv.
        root: the folder or fsspec URL that holds data/ and manifests/.
        most: images of each class to load, the first ones.

    Returns:
        The set, with the numbers that the real digits give their classes where the set has all of
        these, by name; images of other classes are then left out.
    """
    loaded = load_rows(manifest, root=root, per_class=most, fit_to_generator=True)
    has = [str(name) for name in loaded.digits.class_names]
    names = [str(name) for name in real.train.class_names]
    if has == names or not set(names) <= set(has):
        return loaded
    order = [has.index(name) for name in names]
    kept = np.isin(loaded.digits.labels, order)
    return Loaded(
        digits=loaded.digits.take(kept).numbered_as(names),
        rows=loaded.rows[kept],
        counts=loaded.counts[order],
        generator=loaded.generator,
    )


def evaluate(
    synthetic: SyntheticSet,
    real: RealDigits,
    settings: EvaluationSettings,
    place: EvaluationPlace,
    *,
    judge: Judge | None = None,
    network: Network = feature_network,
) -> Evaluated:
    """Evaluates a set of labelled images: fidelity, memorisation, usefulness, and the labels.

    What was measured on the images, and each cell (arm, seed), is kept as soon as it is finished,
    so that a stopped evaluation goes on where it stopped; an evaluation that is there already, of
    the same data, settings and versions, is read instead. Nothing is chosen here; the test digits
    are read for the figures alone.

    Args:
        synthetic: the set. The first `settings.max_synthetic` images are used, equally many of each
            class.
        real: real digits of the same shape and classes.
        settings: arms, seeds, training length, sample sizes.
        place: where the evaluation is kept.
        judge: trains and asks the classifiers; the built-in one if None.
        network: gives the feature network.

    Returns:
        The evaluation, to be rendered and given to `publish_evaluation` unless it is `reused`.

    Raises:
        DataError: if the set and the real digits do not fit together, or are too few.
        StorageError: if what was finished cannot be written.
        ResumeError: if another process evaluates this set.
    """
    check_fit(synthetic.digits, real)
    judge = judge or default_judge()
    identity = synthetic.sha256 or synthetic.digits.sha256()
    found = find_evaluation(place, real, identity, settings, judge)
    if found:
        return Evaluated(evaluation=found, place=place)
    kept = first_rows(synthetic.digits.labels, most_per_class(settings, real))
    used = synthetic.digits
    rows = synthetic.rows
    if len(kept) < len(used):  # of a manifest no others are read; a copy may be large
        used = used.take(kept)
        rows = None if rows is None else rows.iloc[kept]

    # what the generator has seen
    trained_on = synthetic.trained_on
    if not trained_on:
        saw = UNKNOWN
    elif trained_on.get("sha256") == real.train.sha256():
        saw = SEEN
    else:
        saw = OTHERS

    with exclusive_cells(place.storage, place.folder, "An evaluation of this set"):
        # the images themselves
        of_measures = _measures_fingerprint(real, identity, settings, judge)
        measures = read_measures(place.storage, place.folder, of_measures)
        if measures is None:
            measures = measure(used, real, settings, judge, network, saw)
            write_measures(place.storage, place.folder, of_measures, measures)

        # the classifiers
        read_rows = first_rows(used.labels, max(1, MOST_READ // used.classes))
        record = SyntheticRecord(
            kind=READY,
            saw=trained_on.get("images"),
            saw_more_than_cell=saw != SEEN,
            checkpoint_sha256=identity,
        )
        experiment = Experiment(
            real=real,
            source=ready_set(used, record),
            judge=judge,
            tuning=TuningSettings(candidates=(Choice(strength=SET_STRENGTH),)),
            read=used.take(read_rows),
            machine=machine_facts(),
            versions=versions(),
        )
        cells = _run_cells(settings, experiment, place)

    # the answers
    arms = summarise_arms(cells, real.test.labels, len(real.train))
    baseline = next(result for result in arms if result.arm == BASELINE)
    counts = synthetic.digits.counts() if synthetic.counts is None else synthetic.counts
    evaluation = Evaluation(
        name=synthetic.name,
        created=datetime.now(UTC).isoformat(timespec="seconds"),
        fingerprint=_evaluation_fingerprint(
            real, identity, settings, judge, settings.arms, settings.seeds
        ),
        class_names=tuple(map(str, real.train.class_names)),
        real=summarise_real(real),
        classifier=dict(judge.recipe) | {"distortions": dict(judge.distortions(SET_STRENGTH))},
        versions=versions(),
        machine=machine_facts(),
        arms=arms,
        comparisons=compare_all(cells, real.test.labels, len(real.train)),
        cells=summarise_cells(cells, len(real.train)),
        seconds=round(sum(cell.seconds for cell in cells), 1),
        settings=settings,
        seeds=paired_seeds(settings.seeds),
        steps=baseline.steps,
        batch=judge.batch,
        synthetic=SyntheticSummary(
            sha256=identity,
            images=int(counts.sum()),
            used=len(used),
            per_class=tuple(counts.tolist()),
            generator_trained_on=dict(trained_on),
            generator_saw_only_real_train=saw == SEEN,
            screening=synthetic.screening,
        ),
        measures=measures,
        agreement=summarise_agreement(
            [cell.readings for cell in cells if cell.readings],
            used.take(read_rows),
            read_rows.tolist(),
            [recall.mean for recall in baseline.by_class],
        ),
    )
    return Evaluated(evaluation=evaluation, place=place, used=used, rows=rows)


def _run_cells(
    settings: EvaluationSettings, experiment: Experiment, place: EvaluationPlace
) -> list[Cell]:
    """Returns all cells, seed by seed; missing ones are run, and kept as they are finished."""
    plan = plan_evaluation(settings, experiment.real.train, experiment.judge.batch)
    # no cell needs what another one of its group has tuned or made
    plan = replace(
        plan,
        groups=tuple(replace(group, keys=(key,)) for group in plan.groups for key in group.keys),
    )
    fingerprints: dict[Key, str] = {}
    for group in plan.groups:
        fingerprints |= cell_fingerprints(group, experiment)
    steps = {key: group.steps_of(key) for group in plan.groups for key in group.keys}
    store = CellStore(place.storage, place.folder)
    tasks = missing_tasks(plan, fingerprints, store)
    missing = sum(steps[key] for task in tasks for key in task.missing)
    total = sum(steps.values())
    with tqdm(
        total=total, initial=total - missing, unit="step", desc="evaluate", disable=None
    ) as bar:
        for cell in run_local(tasks, experiment, settings.workers, groups_each=None):
            store.add(cell)
            bar.update(steps[cell.key])
            accuracy = f"{100 * cell.metrics['accuracy']:.2f} %"
            bar.set_postfix_str(f"{cell.key.arm}, seed {cell.key.seed}: {accuracy}")
    return [store[fingerprints[key]] for key in plan.keys]


def publish_evaluation(evaluated: Evaluated, pages: Mapping[str, str]) -> None:
    """Writes an evaluation and its pages beside the set that it speaks of.

    Args:
        evaluated: what `evaluate` or `evaluate_manifest` returned.
        pages: the content of each page by its file name; report.html is one of them.

    Raises:
        ResumeError: if the set is not the one that was evaluated any more; nothing is written.
        StorageError: if something cannot be written.
    """
    place = evaluated.place
    if place.manifest:
        there = place.storage.exists(place.manifest)
        if not there or file_sha256(place.storage, place.manifest) != place.manifest_sha256:
            received = "another one" if there else "none"
            raise ResumeError(
                f"Expected {place.manifest} to stay the same while the set was evaluated, received "
                f"{received}: the set was built anew meanwhile. Nothing was published. Evaluate "
                "the set again."
            )
    for file, text in pages.items():
        place.storage.write_bytes(f"{place.folder}/{file}", text.encode())
    # last: an evaluation whose pages are not all there is not found again
    content = evaluated.evaluation.to_json()
    place.storage.write_bytes(f"{place.folder}/{EVALUATION_FILE}", content)


def find_evaluation(
    place: EvaluationPlace,
    real: RealDigits,
    identity: str,
    settings: EvaluationSettings,
    judge: Judge,
    *,
    or_fuller: bool = False,
) -> Evaluation | None:
    """Returns the finished evaluation of a set, if there is one of these data and settings.

    Args:
        place: where it is kept.
        real: the real digits.
        identity: sha256 of the whole set.
        settings: that it must have.
        judge: that must have trained its classifiers.
        or_fuller: whether it may have more arms or seeds.
    """
    files = (f"{place.folder}/{file}" for file in (EVALUATION_FILE, REPORT_FILE))
    if not all(place.storage.exists(file) for file in files):
        return None
    try:
        found = read_evaluation(place.storage.read_bytes(f"{place.folder}/{EVALUATION_FILE}"))
    except DataError:
        return None
    has = set(itertools.product(found.settings.arms, found.seeds))
    wanted = set(itertools.product(settings.arms, paired_seeds(settings.seeds)))
    if has != wanted and not (or_fuller and has > wanted):
        return None
    expected = _evaluation_fingerprint(
        real, identity, settings, judge, found.settings.arms, found.settings.seeds
    )
    return found if found.fingerprint == expected else None


def most_per_class(settings: EvaluationSettings, real: RealDigits) -> int:
    """Returns how many synthetic images of each class are used at most."""
    return max(1, settings.max_synthetic // real.train.classes)


def check_fit(synthetic: Digits, real: RealDigits) -> None:
    """Makes sure that a set can be measured against real digits.

    Raises:
        DataError: saying what was expected, what was received and what to do.
    """
    remedy = "Name the real digits that the generator was trained on with --data."
    if synthetic.image_shape != real.train.image_shape:
        raise DataError(
            f"Expected synthetic images of the real ones' shape {real.train.image_shape}, "
            f"received {synthetic.image_shape}. {remedy}"
        )
    if list(synthetic.class_names) != list(real.train.class_names):
        expected = ", ".join(map(str, real.train.class_names))
        received = ", ".join(map(str, synthetic.class_names))
        raise DataError(
            f"Expected synthetic digits of the real ones' classes {expected}, "
            f"received {received}. {remedy}"
        )
    check_enough(
        synthetic,
        "synthetic digits",
        "Build more of each class (--per-class, --counts), or read more with --max-synthetic",
    )
    check_enough(
        real.test,
        "real test digits",
        "Add some to the --data. Beside up to 1,000 digits of your own `synthgen build --data` "
        "tries a set without a test part",
    )


def _measures_fingerprint(
    real: RealDigits, identity: str, settings: EvaluationSettings, judge: Judge
) -> str:
    """Returns the fingerprint of everything that decides what is measured on the images."""
    return fingerprint(
        {
            "revision": MEASURES_REVISION,
            "real": real.sha256,
            "synthetic": identity,
            "most": settings.max_synthetic,
            "sample": settings.sample,
            "neighbours": settings.neighbours,
            "resamplings": settings.resamplings,
            "classifier": dict(judge.recipe),
            "network": [shipped_identity(), DIGITNET_REVISION],
            "versions": versions(),
        }
    )


def _evaluation_fingerprint(
    real: RealDigits,
    identity: str,
    settings: EvaluationSettings,
    judge: Judge,
    arms: tuple[str, ...],
    seeds: int,
) -> str:
    """Returns the fingerprint of an evaluation of these settings, but with these arms and seeds."""
    return fingerprint(
        {
            "revision": CELL_REVISION,
            "measures": _measures_fingerprint(real, identity, settings, judge),
            "epochs": settings.epochs,
            "strength": SET_STRENGTH,
            "read": MOST_READ,
            "arms": sorted(arms),
            "seeds": seeds,
        }
    )
