"""A cell is one trained classifier and how it did; here cells are run, kept and read again.

`run_group` is the whole path from the real digits to finished cells. What trains, screens or
chooses is handed the group's own real digits and nothing else; the test digits are read at the end
of each cell alone.
"""

import base64
import contextlib
import dataclasses
import os
import platform
import time
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from synthgen.classifiers.digitnet import FeatureNetwork, Network
from synthgen.classifiers.judge import Judge, JudgeTraining
from synthgen.config import LEAST_PER_CLASS
from synthgen.datasets.digits import Digits
from synthgen.datasets.splits import RealDigits
from synthgen.errors import DataError, RecordError
from synthgen.evaluation.arms import ARMS, BASELINE, synthetic_counts, training_set
from synthgen.evaluation.scenarios import FIRST_SEED, STAND_IN, TRANSFER, Group, Key, Plan
from synthgen.evaluation.synthetic import (
    Synthetic,
    SyntheticRecord,
    SyntheticSource,
    TransferSource,
)
from synthgen.evaluation.tuning import (
    CLEAR_ERRORS,
    CRITERION,
    DEFAULT_DOSE,
    DOSE_CRITERION,
    DOSES,
    Tuning,
    TuningSettings,
    transfer_tuning,
    tune,
)
from synthgen.metrics.accuracy import measure_classifier, recalls
from synthgen.metrics.memorisation import copying_scores
from synthgen.records import fingerprint, from_json, to_json
from synthgen.storage import Storage

# Raised by hand when what a cell computes changes: stored cells are then computed again.
CELL_REVISION = 1
CELLS_FILE = "cells.jsonl"
LABELS_CHECKED = 1000  # synthetic images of each class, at most, whose labels a digit network reads
# Bytes of an array of a line, at most: two for each of eight million images.
LONGEST_ARRAY = 2**24


@dataclass(frozen=True, kw_only=True, eq=False)
class LabelReadings:
    """What the classifier of a cell reads on synthetic images.

    Args:
        seen_as: (images,) uint8, the most probable class of each.
        probability: (images,) float16, the probability of its label.
    """

    seen_as: NDArray[np.uint8]
    probability: NDArray[np.float16]


@dataclass(frozen=True, kw_only=True)
class Provenance:
    """Where a cell comes from, for the record; nothing is computed from it.

    Args:
        created: when the classifier was trained, UTC, ISO 8601.
        source: of the real digits, in words.
        real_sha256: of all real digits.
        draw_sha256: of the real digits of the cell.
        batch: images per gradient step.
        distortions: ranges of the distortions; None without any.
        classifier: recipe of the classifier.
        versions: of everything that can change a figure.
        machine: that trained it.
    """

    created: str
    source: str
    real_sha256: str
    draw_sha256: str
    batch: int
    distortions: Mapping[str, Any] | None
    classifier: Mapping[str, Any]
    versions: Mapping[str, str]
    machine: Mapping[str, Any]


@dataclass(frozen=True, kw_only=True, eq=False)
class Cell:
    """One trained classifier: what it learnt from and how it did.

    Args:
        key: scenario, budget, arm, ratio and seed.
        fingerprint: of everything that decides the result.
        correct: (test images,) bool, whether it is right about each.
        metrics: figures by name of metrics.accuracy.CLASSIFIER_METRICS, 0..1; minority recall only
            where there is a minority.
        recall: share of each class that is recognised, 0..1.
        readings: of the labels of synthetic images; of the arm `real` of this-set, else None.
        real_images: in the training set, without repetitions.
        synthetic_images: in the training set, without repetitions.
        train_images: in the training set, repetitions included.
        steps: gradient steps.
        tuning: what was chosen by cross-validation; None without distortions.
        generator: of the synthetic digits; None without any.
        memorisation: signs that the synthetic digits copy the real ones, see
            `metrics.memorisation.copying_scores`; None where they were not looked for.
        seconds: of the training, the predictions and the cross-validation, if it was done for it.
        provenance: where it comes from.
    """

    key: Key
    fingerprint: str
    correct: NDArray[np.bool_]
    metrics: Mapping[str, float]
    recall: tuple[float, ...]
    readings: LabelReadings | None
    real_images: int
    synthetic_images: int
    train_images: int
    steps: int
    tuning: Tuning | None
    generator: SyntheticRecord | None
    memorisation: Mapping[str, float | None] | None
    seconds: float
    provenance: Provenance

    def to_line(self) -> bytes:
        """Returns the cell as one line of JSON, without the line break.

        Arrays stand in it as base64 of zlib: one bit a test image for `correct`, the bytes of the
        array for `readings`.
        """
        plain = dict(vars(self))
        plain["correct"] = _packed(np.packbits(self.correct))
        plain["test_images"] = len(self.correct)
        if self.readings:
            plain["readings"] = {
                "seen_as": _packed(self.readings.seen_as),
                "probability": _packed(self.readings.probability),
            }
        return to_json(plain).rstrip(b"\n")


@dataclass(frozen=True, kw_only=True)
class _ReadingsLine:
    seen_as: str
    probability: str


@dataclass(frozen=True, kw_only=True)
class _CellLine:
    """The fields of a Cell as they stand in JSON."""

    key: Key
    fingerprint: str
    correct: str
    test_images: int
    metrics: Mapping[str, float]
    recall: tuple[float, ...]
    readings: _ReadingsLine | None
    real_images: int
    synthetic_images: int
    train_images: int
    steps: int
    tuning: Tuning | None
    generator: SyntheticRecord | None
    memorisation: Mapping[str, float | None] | None
    seconds: float
    provenance: Provenance


def read_cell(line: bytes) -> Cell:
    """Reads a cell from the line of JSON that `Cell.to_line` wrote.

    Raises:
        RecordError: if the line is damaged or of another version.
    """
    plain = from_json(_CellLine, line)
    fields = dict(vars(plain))
    test_images = fields.pop("test_images")
    try:
        bits = np.frombuffer(_unpacked(plain.correct), np.uint8)
        if not 0 <= test_images <= 8 * len(bits):
            raise ValueError(f"{len(bits)} bytes of bits for {test_images} test images")
        fields["correct"] = np.unpackbits(bits, count=test_images).astype(np.bool_)
        if plain.readings:
            fields["readings"] = LabelReadings(
                seen_as=np.frombuffer(_unpacked(plain.readings.seen_as), np.uint8),
                probability=np.frombuffer(_unpacked(plain.readings.probability), np.float16),
            )
    except (ValueError, zlib.error) as error:
        raise RecordError(
            f"Expected arrays as base64 of zlib, received others: {error}."
        ) from error
    return Cell(**fields)


def _packed(array: NDArray[Any]) -> str:
    return base64.b64encode(zlib.compress(array.tobytes(), 9)).decode()


def _unpacked(text: str) -> bytes:
    unpacking = zlib.decompressobj()
    content = unpacking.decompress(base64.b64decode(text, validate=True), LONGEST_ARRAY + 1)
    if len(content) > LONGEST_ARRAY or not unpacking.eof:
        raise ValueError(f"one of more than {LONGEST_ARRAY} bytes, or the begin of one")
    return content


class CellStore:
    """The finished cells of one folder, those of other settings included: none is ever thrown away.

    The file is replaced as a whole with each cell, because an object store cannot append, and
    because a line that was half-written when the power went would otherwise stay. Lines that cannot
    be read are left as they are.

    Args:
        storage: where the folder lies.
        folder: of the evaluation or the benchmark.
    """

    def __init__(self, storage: Storage, folder: str) -> None:
        self._storage = storage
        self._path = f"{folder}/{CELLS_FILE}"
        self._lines: list[bytes] = []
        self._cells: dict[str, Cell] = {}
        if storage.exists(self._path):
            self._lines = storage.read_bytes(self._path).splitlines()
        for line in self._lines:
            try:
                cell = read_cell(line)
            except RecordError:
                continue
            self._cells[cell.fingerprint] = cell

    def __contains__(self, fingerprint: str) -> bool:
        return fingerprint in self._cells

    def __getitem__(self, fingerprint: str) -> Cell:
        return self._cells[fingerprint]

    def add(self, cell: Cell) -> None:
        """Keeps a finished cell; when this returns, it survives a power cut."""
        self._lines.append(cell.to_line())
        self._cells[cell.fingerprint] = cell
        self._storage.write_bytes(self._path, b"\n".join(self._lines) + b"\n")


@contextlib.contextmanager
def exclusive_cells(storage: Storage, folder: str, what: str) -> Iterator[None]:
    """Keeps a second process away from the cells of a folder: each would overwrite the other's.

    What a process that was killed left half-written there is removed.

    Args:
        storage: where the folder lies.
        folder: of the evaluation or the benchmark.
        what: what is running, with its article, for the error of the second process.

    Raises:
        ResumeError: if another process is at it.
    """
    busy = f"{what} is running in {storage.full(folder)} already. Wait for it to end."
    with storage.exclusive(f"{folder}/.lock", busy):
        storage.clear_leftovers(folder)
        yield


def check_enough(digits: Digits, what: str, remedy: str) -> None:
    """Makes sure that there are enough images of each class to measure a share on.

    Args:
        digits: the images.
        what: what they are, for the error.
        remedy: what to do if there are too few.

    Raises:
        DataError: naming the class that has the fewest.
    """
    counts = digits.counts()
    least = int(counts.argmin())
    if counts[least] < LEAST_PER_CLASS:
        raise DataError(
            f"Expected at least {LEAST_PER_CLASS} {what} of each class to measure anything, "
            f"received {counts[least]} of class {digits.class_names[least]}. {remedy}."
        )


def machine_facts() -> dict[str, Any]:
    """Returns what results say of the machine that they are made on."""
    return {
        "system": platform.system(),
        "processor": platform.machine(),
        "cores": os.cpu_count(),
    }


@dataclass(frozen=True, kw_only=True, eq=False)
class Experiment:
    """Everything that cells need besides their keys; on a cluster every worker gets one.

    Args:
        real: the real digits.
        source: where the synthetic digits of a group come from.
        judge: trains and asks the classifiers.
        tuning: how the distortions are chosen.
        synthetic_weight: weight of a synthetic image in the loss, where a real image has 1.
        transfer: the digits of other hands, for the scenario transfer; None without it.
        network: gives the digit network that reads the labels of synthetic digits. It has learnt
            from all real training digits, not from those of a cell alone, and nothing is chosen by
            what it reads. None: it is not asked.
        read: synthetic digits whose labels the classifiers of the arm `real` read; None: none.
        machine: what it runs on, for the record.
        versions: of everything that can change a figure.
    """

    real: RealDigits
    source: SyntheticSource
    judge: Judge
    tuning: TuningSettings
    synthetic_weight: float = 1.0
    transfer: TransferSource | None = None
    network: Network | None = None
    read: Digits | None = None
    machine: Mapping[str, Any]
    versions: Mapping[str, str]


def cell_fingerprints(group: Group, experiment: Experiment) -> dict[Key, str]:
    """Returns the fingerprint of each cell of a group: of everything that decides it.

    Args:
        group: a draw and the keys of its cells.
        experiment: digits, classifier, source of synthetic digits.
    """
    found = {}
    for key in group.keys:
        content: dict[str, Any] = {
            "revision": CELL_REVISION,
            "key": dataclasses.asdict(key),
            "real": experiment.real.sha256,
            "counts": group.draw.counts,
            "steps": group.steps_of(key),
            "classifier": dict(experiment.judge.recipe),
            "versions": dict(experiment.versions),
        }
        if ARMS[key.arm].added == "source_balance" and experiment.transfer:
            content["transfer"] = experiment.transfer.describe()
            content["weight"] = experiment.synthetic_weight
        elif ARMS[key.arm].learns_from_source and experiment.transfer:
            content["transfer"] = experiment.transfer.describe()
            if ARMS[key.arm].real and not ARMS[key.arm].fine_tuned:
                content["doses"] = [*DOSES, DEFAULT_DOSE, CLEAR_ERRORS, DOSE_CRITERION]
        elif ARMS[key.arm].added:
            content["source"] = dict(experiment.source.describe(group.draw.counts))
            content["weight"] = experiment.synthetic_weight
            content["labels_checked"] = LABELS_CHECKED
        if ARMS[key.arm].distorted:
            is_transfer = key.scenario == TRANSFER
            settings = transfer_tuning(experiment.tuning) if is_transfer else experiment.tuning
            content["tuning"] = dataclasses.asdict(settings)
            content["criterion"] = CRITERION
        if key.arm == BASELINE and experiment.read is not None:
            content["read"] = experiment.read.sha256()
        found[key] = fingerprint(content)
    return found


class Task(NamedTuple):
    """A group, the keys of its cells that are missing, and those of its cells that are finished."""

    group: Group
    missing: tuple[Key, ...]
    finished: tuple[Cell, ...]


def missing_tasks(plan: Plan, fingerprints: Mapping[Key, str], store: CellStore) -> list[Task]:
    """Returns what is left to do, group by group.

    Args:
        plan: all cells.
        fingerprints: of each of them.
        store: the finished cells.
    """
    tasks = []
    for group in plan.groups:
        missing = [key for key in group.keys if fingerprints[key] not in store]
        if missing:
            finished = [key for key in group.keys if fingerprints[key] in store]
            cells = tuple(store[fingerprints[key]] for key in finished)
            tasks.append(Task(group, tuple(missing), cells))
    return tasks


def run_group(task: Task, experiment: Experiment) -> Iterator[Cell]:
    """Runs the missing cells of a group, one after the other.

    Args:
        task: the group. Of its finished cells, what one of them tuned is used again, and so is one
            that another scenario trained in the very same way.
        experiment: digits, classifier, source of synthetic digits.

    Yields:
        Each cell as soon as it is finished.
    """
    group = task.group
    real = group.draw.digits(experiment.real.train)
    fingerprints = cell_fingerprints(group, experiment)
    trained = {cell.key.training: cell for cell in task.finished}
    tunings = {tuned_arm(cell.key): cell.tuning for cell in task.finished if cell.tuning}

    # synthetic digits, enough for every cell of the group
    seed = group.draw.seed - FIRST_SEED
    synthetic = None
    of_source = [key for key in task.missing if ARMS[key.arm].learns_from_source]
    if group.needs_synthetic([key for key in task.missing if key not in of_source]):
        synthetic = experiment.source.make(real, group.synthetic_per_class, seed)
        if experiment.network:
            agreement = _label_agreement(synthetic, experiment.network(experiment.real))
            record = replace(synthetic.record, label_agreement=agreement)
            synthetic = replace(synthetic, record=record)

    # and those of a generator of other hands
    others = None
    if of_source and experiment.transfer:
        others = experiment.transfer.drawn.make(real, group.most_per_class(of_source), seed)

    for key in task.missing:
        started = time.monotonic()
        made = others if ARMS[key.arm].learns_from_source else synthetic
        added = _added_digits(key, group, made)
        if ARMS[key.arm].distorted and tuned_arm(key) not in tunings:
            learnt = added if tuned_arm(key) == key.arm else None
            tunings[tuned_arm(key)] = tune(
                tuned_arm(key),
                real,
                learnt,
                experiment.tuning,
                experiment.judge,
                group.steps,
                key.seed,
            )
        cell = trained.get(key.training)
        if cell is None:
            chosen = tunings[tuned_arm(key)] if ARMS[key.arm].distorted else None
            digits, weights = training_set(key.arm, real, added, experiment.synthetic_weight)
            training = JudgeTraining(
                digits=digits,
                weights=weights,
                strength=chosen.chosen.strength if chosen else 0.0,
                steps=group.steps_of(key),
                seed=key.seed,
            )
            images = len(added) if added else 0
            cell = train_cell(key, training, real, images, chosen, experiment)
            trained[key.training] = cell

        # copies: only of what would be shared, and only if its generator has seen just these digits
        memorisation = None
        shared = added if key.scenario == STAND_IN else None
        if shared and synthetic and not synthetic.record.saw_more_than_cell:
            memorisation = copying_scores(
                shared, real, experiment.real.validation, experiment.real.test
            )
        yield replace(
            cell,
            key=key,
            fingerprint=fingerprints[key],
            # the scenario that trained it may have another minority, or none
            metrics=measure_classifier(cell.correct, experiment.real.test.labels, key.minority),
            generator=made.record if made and added else cell.generator,
            memorisation=memorisation,
            seconds=round(time.monotonic() - started, 2),
        )


def tuned_arm(key: Key) -> str:
    """Returns the arm whose training set the distortions of a cell are chosen on."""
    return ARMS[key.arm].tuned_on or key.arm


def _added_digits(key: Key, group: Group, synthetic: Synthetic | None) -> Digits | None:
    """Returns the synthetic digits that a cell learns from; None if there are none."""
    if synthetic is None:
        return None
    if key.adds_whole_set:
        return synthetic.digits
    counts = synthetic_counts(*key.training, group.draw.counts)
    return synthetic.first(counts) if any(counts) else None


def train_cell(
    key: Key,
    training: JudgeTraining,
    real: Digits,
    synthetic: int,
    tuning: Tuning | None,
    experiment: Experiment,
) -> Cell:
    """Trains the classifier of one cell and asks it.

    Args:
        key: of the cell.
        training: what the classifier learns from, and how.
        real: the real digits of the cell's draw.
        synthetic: synthetic images in the training set, without repetitions.
        tuning: what was chosen by cross-validation; None without distortions.
        experiment: real digits, classifier, machine.

    Returns:
        The cell; its fingerprint, generator and memorisation are left open.
    """
    started = time.monotonic()
    judge = experiment.judge
    test = experiment.real.test
    model = judge.fit(training, None)
    predictions = judge.predict(model, test.images).argmax(axis=1)
    correct = predictions == test.labels

    # the labels of synthetic digits, as a classifier reads them that has seen none
    readings = None
    if key.arm == BASELINE and experiment.read is not None:
        probabilities = judge.predict(model, experiment.read.images)  # (images, classes)
        own = probabilities[np.arange(len(experiment.read)), experiment.read.labels]
        readings = LabelReadings(
            seen_as=probabilities.argmax(axis=1).astype(np.uint8),
            probability=own.astype(np.float16),
        )
    return Cell(
        key=key,
        fingerprint="",
        correct=correct,
        metrics=measure_classifier(correct, test.labels, key.minority),
        recall=tuple(recalls(correct, test.labels).tolist()),
        readings=readings,
        real_images=len(real) if ARMS[key.arm].real else 0,
        synthetic_images=synthetic,
        train_images=len(training.digits),
        steps=training.steps + (training.before.steps if training.before else 0),
        tuning=tuning,
        generator=None,
        memorisation=None,
        seconds=round(time.monotonic() - started, 2),
        provenance=Provenance(
            created=datetime.now(UTC).isoformat(timespec="seconds"),
            source=experiment.real.source,
            real_sha256=experiment.real.sha256,
            draw_sha256=real.sha256(),
            batch=judge.batch,
            distortions=dict(judge.distortions(training.strength)) if tuning else None,
            classifier=dict(judge.recipe),
            versions=dict(experiment.versions),
            machine=dict(experiment.machine),
        ),
    )


def _label_agreement(synthetic: Synthetic, network: FeatureNetwork) -> float:
    """Returns the share of the first synthetic images whose label is what the network reads."""
    checked = synthetic.first((LABELS_CHECKED,) * synthetic.digits.classes)
    seen_as = network.embed(checked.images).probabilities.argmax(axis=1)
    return float((seen_as == checked.labels).mean())
