"""Evaluate a synthetic set: measure its images, train each arm, judge the labels; report and figures are written beside the set."""

import dataclasses
import itertools
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from synthgen.classifiers.digitnet import Network, feature_network, shipped_identity
from synthgen.classifiers.judge import Judge, default_judge
from synthgen.config import EvaluationSettings
from synthgen.datasets.digits import Digits
from synthgen.datasets.splits import RealDigits
from synthgen.errors import DataError
from synthgen.evaluation.arms import STRENGTH
from synthgen.evaluation.cells import run_cells, seeds_of
from synthgen.evaluation.measure import first_rows, measure, read_measures, write_measures
from synthgen.evaluation.results import Evaluation, read_evaluation
from synthgen.evaluation.summary import summarise
from synthgen.metrics.memorisation import OTHERS, SEEN, UNKNOWN
from synthgen.records import file_sha256, fingerprint, versions
from synthgen.reports.evaluation import evaluation_lines, render_evaluation
from synthgen.reports.images import ShownImages, shown_positions
from synthgen.shards.load import load_rows
from synthgen.storage import Storage, open_storage

RESULT, REPORT, MARKDOWN, TABLE = "evaluation.json", "report.html", "report.md", "evaluation.csv"
LEAST_PER_CLASS = 10  # a share of fewer images is not a figure
LEAST_STEPS = 300  # few real digits are repeated until a classifier has learnt them
MOST_ASKED = 10_000  # synthetic images whose labels are judged: the first of each class
# Raised by hand when what is measured on the images changes: stored measures are then made anew.
MEASURES_REVISION = 1


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class SyntheticSet:
    """A set to evaluate and what is known about it.

    Args:
        digits: its images; with `rows` no more of each class than the settings allow.
        counts: (classes,) images of each class in the whole set; those of `digits` if not given.
        sha256: identity of the whole set; computed from pixels and labels if not given.
        rows: a data frame with the manifest row of each image; None without a manifest.
        trained_on: sha256, source and number of the images that the generator was trained on, if
            known.
    """

    digits: Digits
    counts: NDArray[np.int64] | None = None
    sha256: str | None = None
    rows: Any = None
    trained_on: Mapping[str, Any] = dataclasses.field(default_factory=dict)


class Evaluated(NamedTuple):
    """An evaluation, where its report lies, and whether it had been made before."""

    evaluation: Evaluation
    report: str
    reused: bool

    def lines(self) -> list[str]:
        """What a command prints."""
        lines = [*evaluation_lines(self.evaluation), f"  report: {self.report}"]
        if not self.reused:
            return lines
        size = f"arms: {len(self.evaluation.settings['arms'])}, seeds: {len(self.evaluation.settings['seeds'])}"
        return [
            *lines,
            f"This evaluation was there already ({size}), of the same data, settings and versions: nothing was trained.",
        ]


def evaluate_manifest(
    manifest: str,
    root: str,
    real: RealDigits,
    settings: EvaluationSettings,
    judge: Judge | None = None,
    network: Network = feature_network,
    or_fuller: bool = False,
) -> Evaluated:
    """Evaluate the set that a manifest lists, unless that has been done.

    Args:
        manifest: path relative to the root, such as manifests/digits.csv.
        root: the folder or fsspec URL that holds data/ and manifests/.
        real: real digits.
        settings: arms, seeds, training length, sample sizes.
        judge: another classifier than the built-in one.
        network: gives another feature network than the built-in one.
        or_fuller: leave an evaluation alone that has more arms or seeds than these settings and is
            the same in all else.

    Raises:
        DataError: if the set and the real digits do not fit together, or are too few.
        StorageError: if something cannot be read or written.
    """
    storage = open_storage(root)
    identity = file_sha256(storage, manifest)
    folder = "data/" + manifest.rpartition("/")[2].removesuffix(".csv")
    judge = judge or default_judge()
    found = find_evaluation(
        storage, folder, _fingerprints(real, identity, settings, judge), settings, or_fuller
    )
    if found:
        return Evaluated(found, report_path(storage, folder), True)
    digits, rows, counts, record = load_rows(
        manifest, root=root, per_class=_per_class(settings, real)
    )
    trained_on = dict(record["checkpoint"].get("training_data", {}))
    synthetic = SyntheticSet(
        digits=digits, counts=counts, sha256=identity, rows=rows, trained_on=trained_on
    )
    return evaluate(synthetic, real, settings, storage, folder, judge=judge, network=network)


def _per_class(settings: EvaluationSettings, real: RealDigits) -> int:
    return max(1, settings.max_synthetic // real.train.classes)


def evaluate(
    synthetic: SyntheticSet,
    real: RealDigits,
    settings: EvaluationSettings,
    storage: Storage,
    folder: str,
    *,
    judge: Judge | None = None,
    network: Network = feature_network,
) -> Evaluated:
    """Evaluate a set of labelled images: fidelity, usefulness, memorisation, and trustworthiness of the labels.

    What was measured on the images, and each cell (arm, seed), is saved when it is finished, so
    that a stopped evaluation goes on where it stopped; an evaluation that is there already, of the
    same data, settings and versions, is read instead. Nothing is chosen here; the test digits are
    read for the figures alone.

    Args:
        synthetic: the set. The first `settings.max_synthetic` images are used, equally many of each
            class.
        real: real digits of the same shape and classes.
        settings: arms, seeds, training length, sample sizes.
        storage: where the folder lies.
        folder: where evaluation.json, the report and what was finished are written, such as
            data/digits.
        judge: another classifier than the built-in one.
        network: gives another feature network than the built-in one.

    Returns:
        The evaluation, the path of its report, and whether it was there already.

    Raises:
        DataError: if the set and the real digits do not fit together, or are too few.
        StorageError: if the results cannot be written.
    """
    check_fit(synthetic.digits, real)
    identity = synthetic.sha256 or synthetic.digits.sha256()
    judge = judge or default_judge()
    prints = _fingerprints(real, identity, settings, judge)
    found = find_evaluation(storage, folder, prints, settings)
    if found:
        return Evaluated(found, report_path(storage, folder), True)
    used = synthetic.digits.take(first_rows(synthetic.digits.labels, _per_class(settings, real)))
    measures = read_measures(storage, folder, prints.measures)
    if measures is None:
        measures = measure(used, real, settings, judge, network, _saw(synthetic.trained_on, real))
        write_measures(storage, folder, prints.measures, measures)
    steps = max(LEAST_STEPS, round(settings.epochs * len(real.train) / judge.batch))
    evaluation = Evaluation(
        name=folder.rpartition("/")[2],
        created=datetime.now(UTC).isoformat(timespec="seconds"),
        fingerprint=prints.whole(settings.arms, seeds_of(settings.seeds)),
        settings=_describe_settings(settings, steps, judge),
        class_names=tuple(map(str, real.train.class_names)),
        real=_describe_real(real),
        synthetic=_describe_synthetic(synthetic, identity, len(used), real),
        versions=versions(),
        **vars(measures),
        **_trained(storage, folder, prints.cells, settings, steps, judge, used, real),
    )
    _write(storage, folder, evaluation, used, real.train, synthetic.rows)
    return Evaluated(evaluation, report_path(storage, folder), False)


def _trained(
    storage: Storage,
    folder: str,
    fingerprint: str,
    settings: EvaluationSettings,
    steps: int,
    judge: Judge,
    used: Digits,
    real: RealDigits,
) -> dict[str, Any]:
    """What the trainings tell, as fields of an Evaluation."""
    asked = first_rows(used.labels, max(1, MOST_ASKED // used.classes))
    digits = {"real": real.train, "synthetic": used, "asked": used.take(asked), "test": real.test}
    cells = run_cells(
        storage, folder, fingerprint, settings.arms, seeds_of(settings.seeds), steps, judge, digits
    )
    return summarise(cells, real.test, digits["asked"], asked.tolist())


def _write(
    storage: Storage, folder: str, evaluation: Evaluation, used: Digits, train: Digits, table: Any
) -> None:
    """The report in three forms and, last, evaluation.json."""
    rows = (
        {}
        if table is None
        else {
            position: table.iloc[position].to_dict()
            for position in shown_positions(evaluation, used)
        }
    )
    shown = ShownImages(synthetic=used, train=train, rows=rows)
    report = render_evaluation(evaluation, shown)
    files = {REPORT: report.html, MARKDOWN: report.markdown, TABLE: report.csv}
    for file, text in files.items():
        storage.write_bytes(f"{folder}/{file}", text.encode())
    storage.write_bytes(f"{folder}/{RESULT}", evaluation.to_json())


def find_evaluation(
    storage: Storage,
    folder: str,
    prints: "_Fingerprints",
    settings: EvaluationSettings,
    or_fuller: bool = False,
) -> Evaluation | None:
    """The finished evaluation of these arms and seeds (or of more, too), if it and its report are there, whole and of these fingerprints."""
    if not all(storage.exists(f"{folder}/{file}") for file in (RESULT, REPORT)):
        return None
    try:
        found = read_evaluation(storage.read_bytes(f"{folder}/{RESULT}"))
    except DataError:
        return None
    arms, seeds = found.settings["arms"], found.settings["seeds"]
    has, wanted = (
        set(itertools.product(arms, seeds)),
        set(itertools.product(settings.arms, seeds_of(settings.seeds))),
    )
    fits = found.fingerprint == prints.whole(arms, seeds)
    return found if fits and (has >= wanted if or_fuller else has == wanted) else None


def report_path(storage: Storage, folder: str) -> str:
    """Where the report lies, as the user would name it."""
    return (
        f"{folder}/{REPORT}"
        if storage.url in (".", "")
        else f"{storage.url.rstrip('/')}/{folder}/{REPORT}"
    )


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
    _check_count(
        synthetic,
        "synthetic digits",
        "Build more with --per-class, or read more of them with --max-synthetic",
    )
    _check_count(real.test, "real test digits", "Add some to the --data")


def _check_count(digits: Digits, what: str, remedy: str) -> None:
    counts = digits.counts()
    least = int(counts.argmin())
    if counts[least] < LEAST_PER_CLASS:
        raise DataError(
            f"Expected at least {LEAST_PER_CLASS} {what} of each class to measure anything, "
            f"received {counts[least]} of class {digits.class_names[least]}. {remedy}."
        )


class _Fingerprints(NamedTuple):
    """Of everything that decides a cell, whatever the other arms and seeds; and of what is measured on the images."""

    cells: str
    measures: str

    def whole(self, arms: Iterable[str], seeds: Iterable[int]) -> str:
        """Of an evaluation with these arms and seeds."""
        return fingerprint([self.cells, self.measures, list(seeds), sorted(arms)])


def _fingerprints(
    real: RealDigits, identity: str, settings: EvaluationSettings, judge: Judge
) -> _Fingerprints:
    plain = dataclasses.asdict(settings)
    shared = {
        "real": real.sha256,
        "synthetic": identity,
        "versions": versions(),
        "most": [plain.pop("max_synthetic"), MOST_ASKED],
    }
    shared["classifier"] = dict(judge.recipe)
    cells = fingerprint(shared | {"epochs": plain.pop("epochs")})
    del plain["seeds"], plain["arms"]
    measures = fingerprint(
        shared
        | plain
        | {
            "revision": MEASURES_REVISION,
            "network": shipped_identity(),
        }
    )
    return _Fingerprints(cells, measures)


def _saw(trained_on: Mapping[str, Any], real: RealDigits) -> str:
    """What the generator was trained on, against the real training digits."""
    if not trained_on:
        return UNKNOWN
    return SEEN if trained_on.get("sha256") == real.train.sha256() else OTHERS


def _describe_settings(settings: EvaluationSettings, steps: int, judge: Judge) -> dict[str, Any]:
    lists = {"arms": list(settings.arms), "seeds": list(seeds_of(settings.seeds))}
    return (
        dataclasses.asdict(settings)
        | lists
        | {
            "steps": steps,
            "batch": judge.batch,
            "classifier": dict(judge.recipe) | {"distortions": dict(judge.distortions(STRENGTH))},
        }
    )


def _describe_real(real: RealDigits) -> dict[str, Any]:
    counts = {"train": len(real.train), "validation": len(real.validation), "test": len(real.test)}
    return {"source": real.source, "sha256": real.sha256} | counts


def _describe_synthetic(
    synthetic: SyntheticSet, identity: str, used: int, real: RealDigits
) -> dict[str, Any]:
    counts = synthetic.digits.counts() if synthetic.counts is None else synthetic.counts
    known = {
        "sha256": identity,
        "images": int(counts.sum()),
        "used": used,
        "per_class": counts.tolist(),
    }
    saw_only_these = _saw(synthetic.trained_on, real) == SEEN
    return known | {
        "generator_trained_on": dict(synthetic.trained_on),
        "generator_saw_only_real_train": saw_only_these,
    }
