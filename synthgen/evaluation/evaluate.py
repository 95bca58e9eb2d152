"""Evaluate a synthetic set: train each arm, judge the labels, write evaluation.json and report.html beside the set."""

import contextlib
import dataclasses
import hashlib
import importlib.resources
import logging
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any, NamedTuple

import numpy as np

from synthgen.config import EvaluationSettings, fingerprint
from synthgen.datasets.digits import Digits, Images
from synthgen.datasets.sources import RealDigits
from synthgen.errors import DataError
from synthgen.evaluation.arms import Judge, Progress
from synthgen.evaluation.cells import run_cells, seeds_of
from synthgen.evaluation.report import contact_sheet, render_report, terminal_table
from synthgen.evaluation.results import Evaluation, read_evaluation, summarise
from synthgen.gan.checkpoint import versions
from synthgen.shards.load import load
from synthgen.shards.manifest import read_record, record_path
from synthgen.storage import Storage, open_storage

RESULT, REPORT = "evaluation.json", "report.html"
LEAST_PER_CLASS = 10  # a share of fewer images is not a figure
LEAST_STEPS = 300  # few real digits are repeated until a classifier has learnt them
MOST_ASKED = 10_000  # synthetic images whose labels are judged: the first of each class


class Evaluated(NamedTuple):
    """An evaluation, where its report lies, and whether it had been made before."""

    evaluation: Evaluation
    report: str
    reused: bool

    def lines(self) -> list[str]:
        """What a command prints."""
        note = ["This evaluation was there already, of the same data, settings and versions: nothing was trained."] if self.reused else []
        return [*terminal_table(self.evaluation, self.report).splitlines(), *note]


def evaluate_manifest(manifest: str, root: str, real: RealDigits, settings: EvaluationSettings, judge: Judge | None = None) -> Evaluated:
    """Evaluate the set that a manifest lists, unless that has been done.

    Args:
        manifest: path relative to the root, such as manifests/digits.csv.
        root: the folder or fsspec URL that holds data/ and manifests/.
        real: real digits.
        settings: seeds and training length.
        judge: another classifier than the built-in one.

    Raises:
        DataError: if the set and the real digits do not fit together, or are too few.
        StorageError: if something cannot be read or written.
    """
    storage = open_storage(root)
    identity = hashlib.sha256(storage.read_bytes(manifest)).hexdigest()
    folder = "data/" + manifest.rpartition("/")[2].removesuffix(".csv")
    found = find_evaluation(storage, folder, _fingerprints(real, identity, settings, judge)[1])
    if found:
        return Evaluated(found, report_path(storage, folder), True)
    trained_on = _trained_on(storage, manifest)
    return evaluate(load(manifest, root=root), real, settings, storage, folder, identity=identity, trained_on=trained_on, judge=judge)


def _trained_on(storage: Storage, manifest: str) -> Mapping[str, Any]:
    """What the set's generator was trained on, from the run record; empty if that says nothing."""
    if not storage.exists(record_path(manifest)):
        return {}
    return dict(read_record(storage, manifest)["checkpoint"].get("training_data", {}))


def evaluate(
    synthetic: Digits,
    real: RealDigits,
    settings: EvaluationSettings,
    storage: Storage,
    folder: str,
    *,
    identity: str | None = None,
    trained_on: Mapping[str, Any] | None = None,
    judge: Judge | None = None,
) -> Evaluated:
    """Evaluate a set of labelled images: usefulness of the images and trustworthiness of the labels.

    Each cell (arm, seed) is saved when it is finished, so that a stopped evaluation goes on where it stopped; an
    evaluation that is there already, of the same data, settings and versions, is read instead. The validation digits
    are not touched: nothing is chosen here. The test digits are read for the figures alone.

    Args:
        synthetic: the set. Of more than `settings.max_synthetic` images the first ones of each class are used.
        real: real digits of the same shape and classes.
        settings: seeds and training length.
        storage: where the folder lies.
        folder: where evaluation.json, report.html and evaluation.cells.jsonl are written, such as data/digits.
        identity: SHA-256 of the set; computed from its pixels and labels if not given.
        trained_on: sha256, source and number of the images that the generator was trained on, if known.
        judge: another classifier than the built-in one.

    Returns:
        The evaluation, the path of its report, and whether it was there already.

    Raises:
        DataError: if the set and the real digits do not fit together, or are too few.
        StorageError: if the results cannot be written.
    """
    check_fit(synthetic, real)
    identity = identity or synthetic.sha256()
    of_cells, of_all = _fingerprints(real, identity, settings, judge)
    found = find_evaluation(storage, folder, of_all)
    if found:
        return Evaluated(found, report_path(storage, folder), True)
    judge, seeds, used = judge or default_judge(), seeds_of(settings.seeds), first_of_each_class(synthetic, settings.max_synthetic)
    digits = {"real": real.train, "synthetic": used, "asked": first_of_each_class(used, MOST_ASKED), "test": real.test}
    steps = max(LEAST_STEPS, round(settings.epochs * len(real.train) / judge.batch))
    cells = run_cells(storage, folder, of_cells, seeds, steps, judge, digits)
    evaluation = Evaluation(
        name=folder.rpartition("/")[2],
        created=datetime.now(UTC).isoformat(timespec="seconds"),
        fingerprint=of_all,
        settings=dataclasses.asdict(settings) | {"steps": steps, "batch": judge.batch, "seeds": list(seeds), "classifier": dict(judge.recipe)},
        class_names=tuple(map(str, real.train.class_names)),
        real=_describe_real(real),
        synthetic=_describe_synthetic(synthetic, identity, len(used), trained_on or {}, real),
        versions=versions(),
        **summarise(cells, real.test.labels, real.test.classes),
    )
    storage.write_bytes(f"{folder}/{REPORT}", render_report(evaluation, contact_sheet(synthetic)).encode())
    storage.write_bytes(f"{folder}/{RESULT}", evaluation.to_json())
    return Evaluated(evaluation, report_path(storage, folder), False)


def find_evaluation(storage: Storage, folder: str, wanted: str) -> Evaluation | None:
    """The finished evaluation of this fingerprint, if it and its report are there and whole."""
    if not all(storage.exists(f"{folder}/{file}") for file in (RESULT, REPORT)):
        return None
    try:
        found = read_evaluation(storage.read_bytes(f"{folder}/{RESULT}"))
    except DataError:
        return None
    return found if found.fingerprint == wanted else None


def report_path(storage: Storage, folder: str) -> str:
    """Where the report lies, as the user would name it."""
    return f"{folder}/{REPORT}" if storage.url in (".", "") else f"{storage.url.rstrip('/')}/{folder}/{REPORT}"


def first_of_each_class(digits: Digits, most: int) -> Digits:
    """At most `most` images: of each class equally many, the first ones, in their order; all if there are no more."""
    if len(digits) <= most:
        return digits
    share = max(1, most // digits.classes)
    return digits.take(np.sort(np.concatenate([np.flatnonzero(digits.labels == label)[:share] for label in range(digits.classes)])))


def check_fit(synthetic: Digits, real: RealDigits) -> None:
    """Make sure that a set can be measured against real digits.

    Raises:
        DataError: saying what was expected, what was received and what to do.
    """
    if synthetic.image_shape != real.train.image_shape:
        raise DataError(
            f"Expected synthetic images of the real ones' shape {real.train.image_shape}, received {synthetic.image_shape}. "
            "Name the real digits that the generator was trained on with --data."
        )
    if list(synthetic.class_names) != list(real.train.class_names):
        raise DataError(
            f"Expected synthetic digits of the real ones' classes {', '.join(map(str, real.train.class_names))}, "
            f"received {', '.join(map(str, synthetic.class_names))}. Name the real digits that the generator was trained on with --data."
        )
    _check_count(synthetic, "synthetic digits", "Build more with --per-class")
    _check_count(real.test, "real test digits", "Add some to the --data")


def default_judge() -> Judge:
    """The built-in classifier. This loads TensorFlow."""
    from synthgen.evaluation import classifier

    def fit(digits: Digits, steps: int, seed: int, progress: Progress) -> Any:
        recipe = classifier.ClassifierSettings(steps=steps)
        with _quiet_tensorflow():
            return classifier.train_classifier(digits.images, digits.labels, recipe, seed, digits.classes, progress)

    def predict(model: Any, images: Images) -> Any:
        with _quiet_tensorflow():
            return classifier.predict_probabilities(model, images)

    recipe = dataclasses.asdict(classifier.ClassifierSettings())
    del recipe["steps"]  # decided by the evaluation
    return Judge(fit=fit, predict=predict, batch=recipe["batch"], recipe=recipe, identity=_default_identity())


@contextlib.contextmanager
def _quiet_tensorflow() -> Iterator[None]:
    """Without TensorFlow's warning that compiling one network after the other is slow: every cell needs a new one."""
    log = logging.getLogger("tensorflow")
    before = log.level
    log.setLevel(logging.ERROR)
    try:
        yield
    finally:
        log.setLevel(before)


def _default_identity() -> str:
    """SHA-256 of the built-in classifier's source: known without loading TensorFlow, and no change of the recipe escapes it."""
    return hashlib.sha256(importlib.resources.files("synthgen.evaluation").joinpath("classifier.py").read_bytes()).hexdigest()


def _fingerprints(real: RealDigits, identity: str, settings: EvaluationSettings, judge: Judge | None) -> tuple[str, str]:
    """Of everything that decides a cell, whatever the number of seeds; and of that together with the seeds."""
    content: dict[str, Any] = {"real": real.sha256, "synthetic": identity, "versions": versions()}
    content |= {"classifier": judge.identity if judge else _default_identity(), "settings": dataclasses.asdict(settings) | {"seeds": None}}
    return fingerprint(content), fingerprint(content | {"seeds": seeds_of(settings.seeds)})


def _check_count(digits: Digits, what: str, remedy: str) -> None:
    counts = digits.counts()
    least = int(counts.argmin())
    if counts[least] < LEAST_PER_CLASS:
        raise DataError(
            f"Expected at least {LEAST_PER_CLASS} {what} of each class to measure anything, "
            f"received {counts[least]} of class {digits.class_names[least]}. {remedy}."
        )


def _describe_real(real: RealDigits) -> dict[str, Any]:
    counts = {"train": len(real.train), "validation": len(real.validation), "test": len(real.test)}
    return {"source": real.source, "sha256": real.sha256} | counts


def _describe_synthetic(synthetic: Digits, identity: str, used: int, trained_on: Mapping[str, Any], real: RealDigits) -> dict[str, Any]:
    same = bool(trained_on) and trained_on.get("sha256") == real.train.sha256()
    counts = {"sha256": identity, "images": len(synthetic), "used": used, "per_class": synthetic.counts().tolist()}
    return counts | {"generator_trained_on": dict(trained_on), "generator_saw_only_real_train": same}
