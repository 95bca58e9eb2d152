"""What is measured on the images of a set: fidelity, pixels, the two-sample test, memorisation.

None of it needs the classifiers of the arms.
"""

import contextlib
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple

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
from synthgen.metrics.fidelity import FeatureSample, measure_fidelity
from synthgen.metrics.memorisation import (
    EmbeddedDigits,
    MemorisationSamples,
    measure_duplicates,
    measure_memorisation,
)
from synthgen.metrics.pixel_statistics import grey_levels, measure_pixels
from synthgen.records import from_json, to_json
from synthgen.storage import Storage

MEASURES_FILE = "measures.json"
# Raised by hand when what is measured on the images changes: stored measures are then made anew.
MEASURES_REVISION = 1
SAMPLE_SEED = 5000
MEASUREMENTS = ("features", "fidelity", "pixels", "two_sample", "memorisation")

RowNumbers = NDArray[np.int64]


class EmbeddedView(NamedTuple):
    """Images and what the feature network makes of them.

    Args:
        digits: n images.
        features: (n, features) float32.
        probabilities: (n, classes) float32.
    """

    digits: Digits
    features: NDArray[np.float32]
    probabilities: NDArray[np.float32]

    def take(self, rows: RowNumbers) -> "EmbeddedView":
        """Returns the images at these rows."""
        return EmbeddedView(self.digits.take(rows), self.features[rows], self.probabilities[rows])


def measure(
    synthetic: Digits,
    real: RealDigits,
    settings: EvaluationSettings,
    judge: Judge,
    network: Network,
    saw: str,
) -> Measures:
    """Measures a set against real digits.

    Args:
        synthetic: the set.
        real: real digits of the same shape and classes: training digits are what is imitated, test
            digits give the floor, validation digits the measure of memorisation. Nothing is chosen
            on any of them.
        settings: sample sizes, neighbours, resamplings.
        judge: trains the detectors of the two-sample test.
        network: gives the feature network that belongs to the real digits.
        saw: SEEN, OTHERS or UNKNOWN: what the generator was trained on.

    Raises:
        StorageError: if a feature network has to be trained and cannot be kept.
    """
    seconds: dict[str, float] = {}
    errors: dict[str, str] = {}
    most = max(1, settings.sample // synthetic.classes)
    with tqdm(total=len(MEASUREMENTS), desc="measure", disable=None) as bar:

        @contextlib.contextmanager
        def timed(name: str) -> Iterator[None]:
            bar.set_postfix_str(name)
            started = time.monotonic()
            yield
            seconds[name] = round(time.monotonic() - started, 2)
            bar.update()

        with timed("features"):
            net = network(real)
            shown = first_rows(synthetic.labels, most)
            made = _embed(synthetic.take(shown), net)
            train = _embed(real.train, net)
            held_out = _embed(_random_rows(real.validation, most), net)
            control = _embed(_random_rows(real.test, most), net)

        # as many images of each class from the set as from training and test digits
        train_sample, made_sample, control_sample = equal_samples(made, train, control, most)
        images = (
            train_sample.digits.images,
            made_sample.digits.images,
            control_sample.digits.images,
        )

        with timed("fidelity"):
            fidelity = measure_fidelity(
                _feature_sample(train_sample, settings, seed=0),
                _feature_sample(made_sample, settings, seed=1),
                _feature_sample(control_sample, settings, seed=2),
                synthetic.classes,
                net.name,
            )
        with timed("pixels"):
            pixels = measure_pixels(*images)
            background = grey_levels(*images)

        two_sample = None
        with timed("two_sample"):
            try:
                two_sample = measure_two_sample(
                    train_sample.digits, made_sample.digits, control_sample.digits, judge
                )
            except DataError as error:  # too few images
                errors["two_sample"] = str(error)

        memorisation = None
        with timed("memorisation"):
            try:
                samples = MemorisationSamples(
                    synthetic=EmbeddedDigits(made.digits, made.features),
                    train=EmbeddedDigits(train.digits, train.features),
                    held_out=EmbeddedDigits(held_out.digits, held_out.features),
                    control=EmbeddedDigits(control.digits, control.features),
                )
                duplicates = measure_duplicates(
                    synthetic.images, made_sample.digits, train_sample.digits
                )
                memorisation = measure_memorisation(samples, shown, duplicates, saw)
            except DataError as error:  # too few images
                errors["memorisation"] = str(error)

    features: dict[str, Any] = {"name": net.name}
    features |= {name: net.record.get(name) for name in ("sha256", "size", "validation_accuracy")}
    features["trained_on"] = net.record.get("training_data")
    return Measures(
        features=features,
        fidelity=fidelity,
        pixels=pixels,
        background=background,
        two_sample=two_sample,
        memorisation=memorisation,
        errors=errors,
        seconds_measuring=seconds,
    )


def first_rows(labels: Labels, per_class: int) -> RowNumbers:
    """Returns the rows of the first images of each class, in their order.

    Args:
        labels: (n,) uint8.
        per_class: images of each class, at most.

    Example:
        >>> first_rows(np.array([1, 0, 0, 1, 0], np.uint8), 2).tolist()
        [0, 1, 2, 3]
    """
    rows = [np.flatnonzero(labels == label)[:per_class] for label in np.unique(labels)]
    return np.sort(np.concatenate(rows).astype(np.int64))


def equal_samples(
    made: EmbeddedView, train: EmbeddedView, control: EmbeddedView, per_class: int
) -> tuple[EmbeddedView, EmbeddedView, EmbeddedView]:
    """Takes equally many images of each class of synthetic, training and test digits.

    Args:
        made: synthetic digits: the first of each class are taken.
        train: real training digits: random ones are taken.
        control: real test digits: random ones are taken.
        per_class: images of each class, at most.

    Returns:
        (train, made, control), class by class.
    """
    counts = [view.digits.counts() for view in (made, train, control)]
    most = np.minimum.reduce(counts).clip(max=per_class)  # (classes,)

    def rows(view: EmbeddedView, order: RowNumbers) -> RowNumbers:
        labels = view.digits.labels[order]
        of_class = [
            order[np.flatnonzero(labels == label)[:count]] for label, count in enumerate(most)
        ]
        return np.concatenate(of_class)

    made_order = np.arange(len(made.digits))
    train_order = _random(SAMPLE_SEED).permutation(len(train.digits))
    control_order = _random(SAMPLE_SEED + 1).permutation(len(control.digits))
    return (
        train.take(rows(train, train_order)),
        made.take(rows(made, made_order)),
        control.take(rows(control, control_order)),
    )


def _random_rows(digits: Digits, per_class: int) -> Digits:
    """Takes at most so many images of each class at random, always the same ones.

    The order of real digits may mean something: their first ones may be of other writers.
    """
    if not len(digits):
        return digits
    order = _random(SAMPLE_SEED).permutation(len(digits))
    return digits.take(order[first_rows(digits.labels[order], per_class)])


def _random(seed: int) -> np.random.Generator:
    return np.random.Generator(np.random.Philox(key=seed))


def _embed(digits: Digits, network: FeatureNetwork) -> EmbeddedView:
    features, probabilities = network.embed(digits.images)
    return EmbeddedView(digits, features, probabilities)


def _feature_sample(view: EmbeddedView, settings: EvaluationSettings, seed: int) -> FeatureSample:
    return FeatureSample(
        features=view.features,
        probabilities=view.probabilities,
        labels=view.digits.labels,
        neighbours=settings.neighbours,
        resamplings=settings.resamplings,
        seed=seed,
    )


@dataclass(frozen=True, kw_only=True)
class StoredMeasures:
    """The content of measures.json: what was measured, and the fingerprint of what decides it."""

    fingerprint: str
    measures: Measures


def read_measures(storage: Storage, folder: str, fingerprint: str) -> Measures | None:
    """Returns what was measured before; None if that is missing, damaged or of another fingerprint.

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
