"""What is measured on the images of a set: fidelity, pixels, the two-sample test, memorisation.

No classifier of an arm is trained for it.
"""

import contextlib
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple, TypeVar

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from synthgen.classifiers.digitnet import FeatureNetwork, Network
from synthgen.classifiers.judge import Judge
from synthgen.config import EvaluationSettings
from synthgen.datasets.digits import Digits, Labels
from synthgen.datasets.splits import RealDigits
from synthgen.errors import DataError, RecordError
from synthgen.evaluation.results import Measures
from synthgen.evaluation.two_sample import measure_two_sample
from synthgen.metrics.duplicates import measure_duplicates
from synthgen.metrics.fidelity import FeatureSample, measure_fidelity
from synthgen.metrics.memorisation import (
    EmbeddedDigits,
    Memorisation,
    MemorisationSamples,
    measure_memorisation,
)
from synthgen.metrics.pixel_statistics import grey_levels, measure_pixels
from synthgen.records import from_json, to_json
from synthgen.storage import Storage

MEASURES_FILE = "measures.json"
# Raised by hand when what is measured on the images changes: stored measures are then made anew.
MEASURES_REVISION = 1
SAMPLE_SEED = 5000
PARTS = ("features", "fidelity", "pixels", "two_sample", "memorisation")
Rows = NDArray[np.int64]
Result = TypeVar("Result")


class View(NamedTuple):
    """Images and what the feature network makes of them: (n, d) and (n, classes) float32."""

    digits: Digits
    features: NDArray[np.float32]
    probabilities: NDArray[np.float32]

    def take(self, rows: Rows) -> "View":
        """The images at these rows."""
        return View(self.digits.take(rows), self.features[rows], self.probabilities[rows])


def measure(
    synthetic: Digits,
    real: RealDigits,
    settings: EvaluationSettings,
    judge: Judge,
    network: Network,
    saw: str,
) -> Measures:
    """Measure a set against real digits.

    Args:
        synthetic: the set.
        real: real digits of the same shape and classes: training digits are what is imitated, test
            digits give the floor, validation digits the measure of memorisation. Nothing is chosen
            on any of them.
        settings: sample sizes, neighbours, resamplings.
        judge: trains the detector of the two-sample test.
        network: gives the feature network that belongs to the real digits.
        saw: SEEN, OTHERS or UNKNOWN: what the generator was trained on.

    Raises:
        StorageError: if a feature network has to be trained and cannot be kept.
    """
    with tqdm(total=len(PARTS), desc="measure", unit="part", disable=None) as bar:
        meter = _Meter(bar)
        most = max(1, settings.sample // synthetic.classes)
        asked = first_rows(synthetic.labels, most)
        with meter.part("features"):
            net = network(real)
            sides = (
                synthetic.take(asked),
                real.train,
                _some(real.validation, most),
                _some(real.test, most),
            )
            made, train, held_out, control = (View(side, *net.embed(side.images)) for side in sides)
        sampled = equal_samples(made, train, control, most)
        real_ones, made_ones, floor_ones = (view.digits for view in sampled)
        with meter.part("fidelity"):
            real_side, made_side, floor_side = (
                _embedded(view, settings, seed) for seed, view in enumerate(sampled)
            )
            fidelity = measure_fidelity(
                real_side, made_side, floor_side, synthetic.classes, net.name
            )
        with meter.part("pixels"):
            images = real_ones.images, made_ones.images, floor_ones.images
            pixels, background = measure_pixels(*images), grey_levels(*images)
        with meter.part("two_sample"):
            two_sample = meter.attempt(
                "two_sample", lambda: measure_two_sample(real_ones, made_ones, floor_ones, judge)
            )
        with meter.part("memorisation"):

            def look_for_copies() -> Memorisation:
                samples = MemorisationSamples(
                    synthetic=EmbeddedDigits(made.digits, made.features),
                    train=EmbeddedDigits(train.digits, train.features),
                    held_out=EmbeddedDigits(held_out.digits, held_out.features),
                    control=EmbeddedDigits(control.digits, control.features),
                )
                duplicates = measure_duplicates(synthetic.images, made_ones, real_ones)
                return measure_memorisation(samples, asked, duplicates, saw)

            memorisation = meter.attempt("memorisation", look_for_copies)
    return Measures(
        features=_describe(net),
        fidelity=fidelity,
        pixels=pixels,
        background=background,
        two_sample=two_sample,
        memorisation=memorisation,
        errors=meter.errors,
        seconds_measuring=meter.seconds,
    )


def first_rows(labels: Labels, per_class: int) -> Rows:
    """Rows of the first images of each class, in their order.

    Example:
        >>> first_rows(np.array([1, 0, 0, 1, 0], np.uint8), 2).tolist()
        [0, 1, 2, 3]
    """
    return np.sort(
        np.concatenate(
            [np.flatnonzero(labels == label)[:per_class] for label in np.unique(labels)]
        ).astype(np.int64)
    )


def _some(digits: Digits, per_class: int) -> Digits:
    """At most so many images of each class, drawn at random, always the same: the order of real digits may mean something."""
    order = np.random.Generator(np.random.Philox(key=SAMPLE_SEED)).permutation(len(digits))
    return (
        digits.take(order[first_rows(digits.labels[order], per_class)]) if len(digits) else digits
    )


def equal_samples(
    made: View, train: View, control: View, per_class: int
) -> tuple[View, View, View]:
    """As many images of each class of all three: (train, made, control), the first made ones, and random real ones."""
    most = np.minimum.reduce([view.digits.counts() for view in (made, train, control)]).clip(
        max=per_class
    )
    order = [
        np.random.Generator(np.random.Philox(key=SAMPLE_SEED + k)).permutation(len(view.digits))
        for k, view in enumerate((train, control))
    ]
    rows = [
        np.concatenate(
            [
                np.flatnonzero(made.digits.labels == label)[:count]
                for label, count in enumerate(most)
            ]
        )
    ]
    for view, shuffled in zip((train, control), order, strict=True):
        labels = view.digits.labels[shuffled]
        rows.append(
            np.concatenate(
                [
                    shuffled[np.flatnonzero(labels == label)[:count]]
                    for label, count in enumerate(most)
                ]
            )
        )
    return train.take(rows[1]), made.take(rows[0]), control.take(rows[2])


def _embedded(view: View, settings: EvaluationSettings, seed: int) -> FeatureSample:
    options: dict[str, Any] = {
        "neighbours": settings.neighbours,
        "resamplings": settings.resamplings,
        "seed": seed,
    }
    return FeatureSample(
        features=view.features,
        probabilities=view.probabilities,
        labels=view.digits.labels,
        **options,
    )


def _describe(net: FeatureNetwork) -> dict[str, Any]:
    about = {key: net.record.get(key) for key in ("sha256", "size", "validation_accuracy")}
    return {"name": net.name} | about | {"trained_on": net.record.get("training_data")}


class _Meter:
    """Notes how long each part takes and why one could not be measured."""

    def __init__(self, bar: Any) -> None:
        self._bar = bar
        self.seconds: dict[str, float] = {}
        self.errors: dict[str, str] = {}

    @contextlib.contextmanager
    def part(self, name: str) -> Iterator[None]:
        """Time what is done inside."""
        self._bar.set_postfix_str(name)
        began = time.monotonic()
        yield
        self.seconds[name] = round(time.monotonic() - began, 2)
        self._bar.update()

    def attempt(self, name: str, work: Callable[[], Result]) -> Result | None:
        """The result, or None with the reason in `errors`."""
        try:
            return work()
        except DataError as error:
            self.errors[name] = str(error)
            return None


@dataclass(frozen=True, kw_only=True)
class StoredMeasures:
    """The content of measures.json: what was measured, and the fingerprint of what decides it."""

    fingerprint: str
    measures: Measures


def read_measures(storage: Storage, folder: str, fingerprint: str) -> Measures | None:
    """Returns what was measured before; None if it is not there, damaged, or of another fingerprint.

    Args:
        storage: where the folder lies.
        folder: of the evaluation.
        fingerprint: of everything that decides the measures.
    """
    path = f"{folder}/{MEASURES_FILE}"
    if not storage.exists(path):
        return None
    try:
        stored = from_json(StoredMeasures, storage.read_bytes(path))
    except RecordError:
        return None
    return stored.measures if stored.fingerprint == fingerprint else None


def write_measures(storage: Storage, folder: str, fingerprint: str, measures: Measures) -> None:
    """Keeps what was measured for the next evaluation of the same set.

    Args:
        storage: where the folder lies.
        folder: of the evaluation.
        fingerprint: of everything that decides the measures.
        measures: what was measured.
    """
    stored = StoredMeasures(fingerprint=fingerprint, measures=measures)
    storage.write_bytes(f"{folder}/{MEASURES_FILE}", to_json(stored))
