"""The cells: one trained classifier each, and its answers on the test digits. A group's cells share what they can.

`run_group` is the whole path from the real digits to the finished cells. What trains, screens or
chooses is handed the group's own real digits and nothing else; the test digits are read at the end
of each cell alone.
"""

import base64
import dataclasses
import time
import zlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import numpy as np
from numpy.typing import NDArray

from synthgen.classifiers.digitnet import Network
from synthgen.classifiers.judge import Judge, JudgeTraining
from synthgen.config import BenchmarkSettings
from synthgen.datasets.digits import Digits
from synthgen.datasets.splits import RealDigits
from synthgen.evaluation.benchmark_arms import ARMS, synthetic_counts, training_set
from synthgen.evaluation.benchmark_tune import CRITERION, Tuning, tune
from synthgen.evaluation.cells import FIRST_SEED
from synthgen.evaluation.generators import Generator, Synthetic
from synthgen.evaluation.scenarios import Group, Key, arm_steps, steps_for
from synthgen.metrics.accuracy import CLASSIFIER_METRICS, measure_classifier, recalls
from synthgen.metrics.memorisation import copying_scores
from synthgen.records import fingerprint

ASKED = 1000  # synthetic images of each class, at most, whose labels are judged


@dataclass(frozen=True, kw_only=True, eq=False)
class Cell:
    """One trained classifier: what it learnt from and how it did.

    Args:
        key: scenario, budget, arm, ratio, seed.
        fingerprint: of everything that decides the result.
        correct: (test images,) bool, whether it is right about each.
        metrics: figures by name of CLASSIFIER_METRICS, 0..1; minority recall only where there is a minority.
        recall: of each class.
        context: everything else about it, ready for JSON.
    """

    key: Key
    fingerprint: str
    correct: NDArray[np.bool_]
    metrics: Mapping[str, float]
    recall: tuple[float, ...]
    context: Mapping[str, Any]

    def to_json(self) -> dict[str, Any]:
        """Plain values, for one line of JSON; the answers as base64 of zlib of one bit a test image."""
        figures = {name: self.metrics.get(name) for name in CLASSIFIER_METRICS}
        answers = base64.b64encode(zlib.compress(np.packbits(self.correct).tobytes(), 9)).decode()
        known = {
            "fingerprint": self.fingerprint,
            "recall": list(self.recall),
            "correct": answers,
            "test_images": len(self.correct),
        }
        return dataclasses.asdict(self.key) | figures | known | dict(self.context)

    @staticmethod
    def from_json(plain: Mapping[str, Any]) -> "Cell":
        """The inverse of `to_json`."""
        rest = dict(plain)
        key = {field.name: rest.pop(field.name) for field in dataclasses.fields(Key)}
        figures = {name: rest.pop(name) for name in CLASSIFIER_METRICS}
        bits = np.frombuffer(zlib.decompress(base64.b64decode(rest.pop("correct"))), np.uint8)
        return Cell(
            key=Key(**key | {"minority": tuple(key["minority"])}),
            fingerprint=rest.pop("fingerprint"),
            correct=np.unpackbits(bits, count=rest.pop("test_images")).astype(np.bool_),
            metrics={name: value for name, value in figures.items() if value is not None},
            recall=tuple(rest.pop("recall")),
            context=rest,
        )


@dataclass(frozen=True, kw_only=True, eq=False)
class Laboratory:
    """All that cells need besides their keys; on a cluster every worker gets one.

    Args:
        real: the real digits.
        settings: of the benchmark.
        judge: trains classifiers and is asked.
        generator: makes synthetic digits.
        network: gives the digit classifier that judges the labels of synthetic digits. It has
            learnt from all real training digits, not from those of a cell alone, and nothing is
            chosen by what it says.
        machine: what it runs on, for the record.
        versions: of everything that can change a figure.
    """

    real: RealDigits
    settings: BenchmarkSettings
    judge: Judge
    generator: Generator
    network: Network
    machine: Mapping[str, Any]
    versions: Mapping[str, str]

    def fingerprints(self, group: Group) -> dict[Key, str]:
        """Of each cell of a group: of everything that decides it."""
        content: dict[str, Any] = {
            "data": self.real.sha256,
            "counts": group.draw.counts,
            "judge": dict(self.judge.recipe),
        }
        content["versions"] = dict(self.versions)
        made = {
            "generator": dict(self.generator.describe(group.draw.counts)),
            "weight": self.settings.synthetic_weight,
            "asked": ASKED,
        }
        synthetic = {key: made if ARMS[key.arm].added else {} for key in group.keys}
        steps = {key: {"steps": arm_steps(key, group.images, self.settings)} for key in group.keys}
        folds = {
            key: {"folds": self.settings.folds, "criterion": CRITERION}
            if ARMS[key.arm].augmented
            else {}
            for key in group.keys
        }
        return {
            key: fingerprint(
                content | synthetic[key] | dataclasses.asdict(key) | steps[key] | folds[key]
            )
            for key in group.keys
        }


def run_group(
    group: Group, missing: Sequence[Key], laboratory: Laboratory, finished: Sequence[Cell] = ()
) -> Iterator[Cell]:
    """Run the missing cells of a group, one after the other.

    Args:
        group: a draw and all of its cells.
        missing: the cells to run.
        laboratory: digits, settings, judge, generator.
        finished: cells of the group that are there already: what one of them tuned is used again,
            and so is one that another scenario trained in the very same way.
    """
    real = group.draw.digits(laboratory.real.train)
    synthetic = _synthetic(group, missing, real, laboratory)
    tuning = next(
        (Tuning.from_json(cell.context["tuning"]) for cell in finished if cell.context["tuning"]),
        None,
    )
    prints, trained = (
        laboratory.fingerprints(group),
        {_training(cell.key): cell for cell in finished},
    )
    for key in missing:
        began = time.monotonic()
        if ARMS[key.arm].augmented and tuning is None:
            tuning = _tune(key, real, laboratory)
        cell = trained.get(_training(key)) or _run_cell(
            key, real, synthetic, tuning if ARMS[key.arm].augmented else None, laboratory
        )
        trained[_training(key)] = cell
        context = {
            "memorisation": _memorisation(key, real, synthetic, laboratory.real),
            "seconds": round(time.monotonic() - began, 2),
        }
        yield dataclasses.replace(
            cell, key=key, fingerprint=prints[key], context={**cell.context, **context}
        )


def _training(key: Key) -> tuple[str, int | None]:
    """What tells trainings of one group apart, whichever scenario asks for them."""
    return key.arm, key.ratio


def _tune(key: Key, real: Digits, laboratory: Laboratory) -> Tuning:
    settings, arm = laboratory.settings, "oversampling" if key.minority else "classical"
    return tune(
        real, laboratory.judge, steps_for(len(real), settings), key.seed, arm, settings.folds
    )


def _synthetic(
    group: Group, missing: Sequence[Key], real: Digits, laboratory: Laboratory
) -> Synthetic | None:
    """The synthetic digits of a group, if any of the missing cells learns from some, with what the judge says of their labels in the record."""
    wanted = group.synthetic_per_class(group.keys)
    if not wanted or not learns_from_synthetic(missing):
        return None
    made = laboratory.generator.make(real, wanted, group.draw.seed - FIRST_SEED)
    return dataclasses.replace(
        made, record=dict(made.record) | {"label_agreement": _agreement(made, laboratory)}
    )


def learns_from_synthetic(keys: Sequence[Key]) -> bool:
    """Whether any of these cells learns from synthetic digits."""
    return any(ARMS[key.arm].added for key in keys)


def _added(key: Key, real: Digits, synthetic: Synthetic | None) -> Digits | None:
    """The synthetic digits that a cell learns from."""
    counts = synthetic_counts(key.arm, key.ratio, tuple(real.counts().tolist()))
    return synthetic.first(counts) if synthetic and any(counts) else None


def _memorisation(
    key: Key, real: Digits, synthetic: Synthetic | None, digits: RealDigits
) -> dict[str, float] | None:
    """Of the digits that would be shared: do they give away the real ones? Not known of a generator that has seen others than these."""
    added = _added(key, real, synthetic) if key.scenario == "stand-in" else None
    if not added or not synthetic or synthetic.record["saw_more_than_cell"]:
        return None
    return copying_scores(added, real, digits.validation, digits.test)


def _run_cell(
    key: Key,
    real: Digits,
    synthetic: Synthetic | None,
    tuning: Tuning | None,
    laboratory: Laboratory,
) -> Cell:
    judge, test, added = laboratory.judge, laboratory.real.test, _added(key, real, synthetic)
    digits, weights = training_set(key.arm, real, added, laboratory.settings.synthetic_weight)
    strength = tuning.strength if tuning else 0.0
    steps = arm_steps(key, len(real), laboratory.settings)
    training = JudgeTraining(
        digits=digits, steps=steps, seed=key.seed, weights=weights, strength=strength
    )
    model = judge.fit(training, None)
    context = {
        "real_images": len(real) * ARMS[key.arm].real,
        "synthetic_images": len(added) if added else 0,
        "train_images": len(digits),
        "steps": steps,
        "batch": judge.batch,
        "augmentation": dict(judge.distortions(strength)) if tuning else None,
        "tuning": tuning.to_json() if tuning else None,
        "generator": dict(synthetic.record) if synthetic and added else None,
        "draw_sha256": real.sha256(),
        "data": {"source": laboratory.real.source, "sha256": laboratory.real.sha256},
        "classifier": dict(judge.recipe),
        "versions": dict(laboratory.versions),
        "machine": dict(laboratory.machine),
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
    }
    correct = judge.predict(model, test.images).argmax(axis=1) == test.labels
    return Cell(
        key=key,
        fingerprint="",
        correct=correct,
        metrics=measure_classifier(correct, test.labels, key.minority),
        recall=tuple(recalls(correct, test.labels).tolist()),
        context=context,
    )


def _agreement(synthetic: Synthetic, laboratory: Laboratory) -> float:
    """Share of the first synthetic images that the judge sees as they are labelled."""
    asked = synthetic.first((ASKED,) * synthetic.digits.classes)
    seen = laboratory.network(laboratory.real).embed(asked.images).probabilities.argmax(axis=1)
    return float((seen == asked.labels).mean())
