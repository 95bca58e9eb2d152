"""Fidelity and diversity in the features of a digit classifier: the table of metrics, and all of them overall and by class.

Every metric compares real training digits with another set of the same counts: the synthetic
digits, or the real test digits. The latter is its floor: what other real digits get. It is not the
least there can be: test digits are by other writers, and the feature network has learnt from the
training digits, so that a set which is like those can come below it. Such figures are not those of
Inception features, and not comparable between feature networks, which is why the network's name is
part of theirs.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtri, stdtrit

from synthgen.datasets.digits import Labels
from synthgen.metrics.distances import (
    GROUPS,
    Array,
    Features,
    Weights,
    classifier_score,
    frechet_distance,
    kernel_distance,
    moments,
)
from synthgen.metrics.intervals import CONFIDENCE, Estimate
from synthgen.metrics.precision_recall import Memberships, memberships, radii


@dataclass(frozen=True, kw_only=True)
class Metric:
    """One figure of fidelity or diversity, and its floor: what real digits get against real digits.

    Args:
        metric: a key of fidelity.METRICS.
        name: with the name of the feature network in it, such as "fd_digitnet".
        label: the class, None for all classes together.
        images: of each side; the same counts of each class in all three sets.
        synthetic: real training digits against synthetic ones; None where there are too few.
        floor: real training digits against real test digits.
        deviation: over subsets, of the kernel distance; None for other metrics.
        floor_deviation: the same of the floor.
        error: why there is no value; "" if there is one.
    """

    metric: str
    name: str
    label: int | None
    images: int
    synthetic: Estimate | None
    floor: Estimate | None
    deviation: float | None
    floor_deviation: float | None
    error: str


@dataclass(frozen=True, eq=False, kw_only=True)
class Embedded:
    """Images in feature space.

    Args:
        features: (n, d) float32.
        probabilities: (n, classes) float32, rows summing to 1.
        labels: (n,) uint8.
        neighbours: k of the neighbourhoods.
        resamplings: of the bootstrap.
        seed: of the resamplings; two sets that are compared need two.
    """

    features: Features
    probabilities: NDArray[np.float32]
    labels: Labels
    neighbours: int
    resamplings: int
    seed: int

    def __len__(self) -> int:
        return len(self.labels)

    @cached_property
    def radii(self) -> Array:
        """Distance of each image to its k-th nearest fellow, (n,) float64."""
        return radii(self.features, self.neighbours)

    @cached_property
    def weights(self) -> Weights:
        """Bootstrap resamplings (Efron 1979) as the share of each image, (resamplings, n) float32, rows summing to 1."""
        count, random = len(self), np.random.Generator(np.random.Philox(key=self.seed))
        return (
            random.multinomial(count, np.full(count, 1 / count), self.resamplings) / count
        ).astype(np.float32)

    def of_class(self, label: int) -> "Embedded":
        """The images of one class."""
        rows = self.labels == label
        options: dict[str, Any] = {
            "neighbours": self.neighbours,
            "resamplings": self.resamplings,
            "seed": self.seed,
        }
        return Embedded(
            features=self.features[rows],
            probabilities=self.probabilities[rows],
            labels=self.labels[rows],
            **options,
        )


@dataclass(frozen=True, eq=False)
class Pair:
    """Real training digits and what is compared with them, in the same number."""

    real: Embedded
    other: Embedded

    @cached_property
    def memberships(self) -> Memberships:
        """Which images lie in whose neighbourhoods."""
        return memberships(
            self.real.features,
            self.other.features,
            self.real.radii,
            self.other.radii,
            self.real.neighbours,
        )


class Measured(NamedTuple):
    """A value with its interval and, of the kernel distance, the deviation over subsets."""

    estimate: Estimate
    deviation: float | None = None


class MetricKind(NamedTuple):
    """A metric.

    Args:
        title: a name for people.
        explains: it in a sentence.
        measure: it, of a pair.
        better: "higher" or "lower".
        least: images of each side that it needs.
        per_class: whether it makes sense for one class.
    """

    title: str
    explains: str
    measure: Callable[[Pair], Measured]
    better: str = "higher"
    least: int = 50
    per_class: bool = True


def bootstrap_interval(
    value: float, resampled: Array, low: float = -np.inf, high: float = np.inf
) -> Estimate:
    """Value +- 1.96 standard deviations of the resampled values (Efron 1979), cut to the range of the metric.

    The deviation and not the quantiles: a resampled set has fewer distinct images, so that its
    distances lie higher.
    """
    half = float(ndtri(0.5 + CONFIDENCE / 2) * np.std(resampled, ddof=1))
    return Estimate(mean=value, low=max(low, value - half), high=min(high, value + half))


def _frechet(pair: Pair) -> Measured:
    value = float(frechet_distance(*moments(pair.real.features), *moments(pair.other.features)))
    resampled = frechet_distance(
        *moments(pair.real.features, pair.real.weights),
        *moments(pair.other.features, pair.other.weights),
    )
    return Measured(bootstrap_interval(value, resampled, low=0))


def _kernel(pair: Pair) -> Measured:
    """Student's interval of the jackknife over groups of images (Tukey 1958)."""
    found = kernel_distance(pair.real.features, pair.other.features)
    error = np.sqrt((GROUPS - 1) * found.without.var())  # (G - 1) / G * the sum of squares
    half = float(stdtrit(GROUPS - 1, 0.5 + CONFIDENCE / 2) * error)
    return Measured(
        Estimate(mean=found.mean, low=found.mean - half, high=found.mean + half),
        float(found.subsets.std(ddof=1)),
    )


def _score(pair: Pair) -> Measured:
    probabilities = pair.other.probabilities
    resampled = classifier_score(probabilities, pair.other.weights)
    return Measured(
        bootstrap_interval(
            float(classifier_score(probabilities)), resampled, 1, probabilities.shape[1]
        )
    )


def _mean(values: NDArray[Any], weights: Weights, high: float = 1) -> Measured:
    """Of one number an image; the neighbourhoods stay as they are while images are resampled."""
    numbers = values.astype(np.float32)
    return Measured(
        bootstrap_interval(
            float(numbers.mean(dtype=np.float64)), (weights @ numbers).astype(np.float64), 0, high
        )
    )


def _precision(pair: Pair) -> Measured:
    return _mean(pair.memberships.precise, pair.other.weights)


def _recall(pair: Pair) -> Measured:
    return _mean(pair.memberships.recalled, pair.real.weights)


def _density(pair: Pair) -> Measured:
    return _mean(pair.memberships.density, pair.other.weights, np.inf)


def _coverage(pair: Pair) -> Measured:
    return _mean(pair.memberships.covered, pair.real.weights)


FRECHET = (
    "Distance of two Gaussians with the means and covariances of the features (Heusel et al. 2017)."
)
KERNEL = "Squared maximum mean discrepancy of the features, unbiased (Binkowski et al. 2018)."
PRECISION = (
    "Share of the images within the support of the real training digits (Kynkaanniemi et al. 2019)."
)
RECALL = (
    "Share of the real training digits within the support of the images (Kynkaanniemi et al. 2019)."
)
DENSITY = "How densely the images lie where real training digits lie; 1 for equal distributions (Naeem et al. 2020)."
COVERAGE = "Share of the real training digits that have an image in their neighbourhood (Naeem et al. 2020)."
SCORE = "How sure the classifier is of each image, and how evenly the classes are met: 1 to the number of classes (Salimans et al. 2016)."
METRICS = {
    "fd": MetricKind("Frechet distance", FRECHET, _frechet, better="lower", least=128),
    "kd": MetricKind("kernel distance", KERNEL, _kernel, better="lower"),
    "precision": MetricKind("precision", PRECISION, _precision),
    "recall": MetricKind("recall", RECALL, _recall),
    "density": MetricKind("density", DENSITY, _density),
    "coverage": MetricKind("coverage", COVERAGE, _coverage),
    "score": MetricKind("classifier score", SCORE, _score, per_class=False),
}


def measure_fidelity(
    real: Embedded, synthetic: Embedded, control: Embedded, classes: int, network: str
) -> tuple[Metric, ...]:
    """Every metric of all images together, then class by class.

    Args:
        real: real training digits.
        synthetic: as many of each class.
        control: real test digits, as many of each class.
        classes: number of classes.
        network: name of the feature network.
    """
    whole = Pair(real, synthetic), Pair(real, control)
    found = [_metric(key, None, *whole, network) for key in METRICS]
    for label in range(classes):
        of_class = real.of_class(label)
        both = Pair(of_class, synthetic.of_class(label)), Pair(of_class, control.of_class(label))
        found += [
            _metric(key, label, *both, network) for key, kind in METRICS.items() if kind.per_class
        ]
    return tuple(found)


def _metric(key: str, label: int | None, synthetic: Pair, floor: Pair, network: str) -> Metric:
    kind, images = METRICS[key], len(synthetic.other)
    what: dict[str, Any] = {
        "metric": key,
        "name": f"{key}_{network}",
        "label": label,
        "images": images,
    }
    if images < kind.least:
        error = f"Expected at least {kind.least} images of each side, received {images}."
        return Metric(
            **what, synthetic=None, floor=None, deviation=None, floor_deviation=None, error=error
        )
    one, other = kind.measure(synthetic), kind.measure(floor)
    return Metric(
        **what,
        synthetic=one.estimate,
        floor=other.estimate,
        deviation=one.deviation,
        floor_deviation=other.deviation,
        error="",
    )
