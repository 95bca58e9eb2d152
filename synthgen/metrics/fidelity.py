"""Fidelity and diversity in the features of a digit classifier: the table of metrics.

Every metric compares real training digits with another set of the same counts: the synthetic
digits, or the real test digits. The latter is its floor: what other real digits get. It is not the
least there can be: test digits are by other writers, and the feature network has learnt from the
training digits, so that a set which is like those can come below it. Such figures are not those of
Inception features, and not comparable between feature networks, which is why the network's name is
part of theirs.
"""

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtri, stdtrit

from synthgen.datasets.digits import Labels
from synthgen.metrics.distances import (
    KERNEL_GROUPS,
    Array,
    Features,
    Shares,
    classifier_score,
    frechet_distance,
    kernel_distance,
    moments,
)
from synthgen.metrics.intervals import CONFIDENCE, Estimate
from synthgen.metrics.precision_recall import Memberships, memberships, radii


@dataclass(frozen=True, kw_only=True)
class FidelityFigure:
    """One figure of fidelity or diversity, and its floor: what real digits get.

    Args:
        metric: a key of FIDELITY_METRICS.
        name: with the name of the feature network in it, such as "fd_digitnet".
        label: the class, None for all classes together.
        images: number of images of each side; all three sets have the same counts of each class.
        synthetic: real training digits against synthetic ones; None where there are too few.
        floor: real training digits against real test digits; None where there are too few.
        deviation: standard deviation over subsets of the kernel distance; None for other metrics.
        floor_deviation: standard deviation over subsets of the floor; None for other metrics.
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
class FeatureSample:
    """Images in feature space, and how they are to be measured.

    Args:
        features: (n, d) float32.
        probabilities: (n, classes) float32, rows summing to 1.
        labels: (n,) uint8.
        neighbours: k of the neighbourhoods.
        resamplings: number of bootstrap resamplings.
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
    def weights(self) -> Shares:
        """The share of each image in each bootstrap resampling (Efron 1979).

        (resamplings, n) float32, rows summing to 1.
        """
        count = len(self)
        random = np.random.Generator(np.random.Philox(key=self.seed))
        drawn = random.multinomial(count, np.full(count, 1 / count), self.resamplings)
        return (drawn / count).astype(np.float32)

    def of_class(self, label: int) -> "FeatureSample":
        """Returns the images of one class."""
        rows = self.labels == label
        return dataclasses.replace(
            self,
            features=self.features[rows],
            probabilities=self.probabilities[rows],
            labels=self.labels[rows],
        )


@dataclass(frozen=True, eq=False)
class SamplePair:
    """Real training digits and what is compared with them.

    Args:
        real: real training digits.
        other: as many of each class, synthetic or real.
    """

    real: FeatureSample
    other: FeatureSample

    @cached_property
    def memberships(self) -> Memberships:
        """Which images lie in the neighbourhoods of the other set."""
        real = self.real
        other = self.other
        return memberships(real.features, other.features, real.radii, other.radii, real.neighbours)


class MeasuredValue(NamedTuple):
    """What a metric gives.

    Args:
        estimate: the value with its interval.
        deviation: standard deviation over subsets, of the kernel distance; None for other metrics.
    """

    estimate: Estimate
    deviation: float | None = None


def bootstrap_interval(
    value: float, resampled: Array, low: float = -np.inf, high: float = np.inf
) -> Estimate:
    """Returns value +- 1.96 standard deviations of the resampled values (Efron 1979).

    The deviation and not the quantiles: a resampled set has fewer distinct images, so that its
    distances lie higher.

    Args:
        value: of the images as they are.
        resampled: (b,) of the resamplings.
        low: what the metric can be at least; the interval is cut there.
        high: what the metric can be at most.
    """
    half = float(ndtri(0.5 + CONFIDENCE / 2) * np.std(resampled, ddof=1))
    return Estimate(mean=value, low=max(low, value - half), high=min(high, value + half))


def measure_frechet(pair: SamplePair) -> MeasuredValue:
    """Measures the distance of two Gaussians, with an interval of the bootstrap."""
    real = pair.real
    other = pair.other
    value = float(frechet_distance(*moments(real.features), *moments(other.features)))
    resampled = frechet_distance(
        *moments(real.features, real.weights), *moments(other.features, other.weights)
    )
    return MeasuredValue(bootstrap_interval(value, resampled, low=0))


def measure_kernel(pair: SamplePair) -> MeasuredValue:
    """Measures the kernel distance, with Student's interval of the jackknife (Tukey 1958)."""
    found = kernel_distance(pair.real.features, pair.other.features)
    # (G - 1) / G times the sum of squares
    error = np.sqrt((KERNEL_GROUPS - 1) * found.without.var())
    half = float(stdtrit(KERNEL_GROUPS - 1, 0.5 + CONFIDENCE / 2) * error)
    estimate = Estimate(mean=found.mean, low=found.mean - half, high=found.mean + half)
    return MeasuredValue(estimate, float(found.subsets.std(ddof=1)))


def measure_score(pair: SamplePair) -> MeasuredValue:
    """Measures the classifier score of the other set, with an interval of the bootstrap."""
    probabilities = pair.other.probabilities
    value = float(classifier_score(probabilities))
    resampled = classifier_score(probabilities, pair.other.weights)
    return MeasuredValue(bootstrap_interval(value, resampled, 1, probabilities.shape[1]))


def _mean(values: NDArray[Any], weights: Shares, high: float = 1) -> MeasuredValue:
    """Mean of one number an image; the neighbourhoods are the same in all resamplings."""
    numbers = values.astype(np.float32)
    mean = float(numbers.mean(dtype=np.float64))
    resampled = (weights @ numbers).astype(np.float64)
    return MeasuredValue(bootstrap_interval(mean, resampled, 0, high))


def measure_precision(pair: SamplePair) -> MeasuredValue:
    """Measures the share of the other images in the support of the real ones."""
    return _mean(pair.memberships.precise, pair.other.weights)


def measure_recall(pair: SamplePair) -> MeasuredValue:
    """Measures the share of the real images in the support of the other ones."""
    return _mean(pair.memberships.recalled, pair.real.weights)


def measure_density(pair: SamplePair) -> MeasuredValue:
    """Measures in how many real neighbourhoods an image of the other set lies, over k."""
    return _mean(pair.memberships.density, pair.other.weights, np.inf)


def measure_coverage(pair: SamplePair) -> MeasuredValue:
    """Measures the share of the real images with another one in their neighbourhood."""
    return _mean(pair.memberships.covered, pair.real.weights)


class FidelityMetric(NamedTuple):
    """A metric of fidelity or diversity.

    Args:
        title: a name for people.
        explains: what it is, in a sentence, with the paper.
        measure: computes it of a pair.
        better: "higher" or "lower".
        least: images of each side that it needs.
        per_class: whether it makes sense for one class.
    """

    title: str
    explains: str
    measure: Callable[[SamplePair], MeasuredValue]
    better: str = "higher"
    least: int = 50
    per_class: bool = True


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
DENSITY = (
    "How densely the images lie where real training digits lie; 1 for equal distributions "
    "(Naeem et al. 2020)."
)
COVERAGE = (
    "Share of the real training digits that have an image in their neighbourhood "
    "(Naeem et al. 2020)."
)
SCORE = (
    "How sure the classifier is of each image, and how evenly the classes are met: 1 to the number "
    "of classes (Salimans et al. 2016)."
)
FIDELITY_METRICS = {
    "fd": FidelityMetric("Frechet distance", FRECHET, measure_frechet, better="lower", least=128),
    "kd": FidelityMetric("kernel distance", KERNEL, measure_kernel, better="lower"),
    "precision": FidelityMetric("precision", PRECISION, measure_precision),
    "recall": FidelityMetric("recall", RECALL, measure_recall),
    "density": FidelityMetric("density", DENSITY, measure_density),
    "coverage": FidelityMetric("coverage", COVERAGE, measure_coverage),
    "score": FidelityMetric("classifier score", SCORE, measure_score, per_class=False),
}


def measure_fidelity(
    real: FeatureSample,
    synthetic: FeatureSample,
    control: FeatureSample,
    classes: int,
    network: str,
) -> tuple[FidelityFigure, ...]:
    """Computes every metric of all images together, then class by class.

    Args:
        real: real training digits.
        synthetic: as many of each class.
        control: real test digits, as many of each class.
        classes: number of classes.
        network: name of the feature network.
    """

    def compare(key: str, label: int | None, made: SamplePair, floor: SamplePair) -> FidelityFigure:
        metric = FIDELITY_METRICS[key]
        images = len(made.other)
        value = None
        floor_value = None
        error = f"Expected at least {metric.least} images of each side, received {images}."
        if images >= metric.least:
            value = metric.measure(made)
            floor_value = metric.measure(floor)
            error = ""
        return FidelityFigure(
            metric=key,
            name=f"{key}_{network}",
            label=label,
            images=images,
            synthetic=value.estimate if value else None,
            floor=floor_value.estimate if floor_value else None,
            deviation=value.deviation if value else None,
            floor_deviation=floor_value.deviation if floor_value else None,
            error=error,
        )

    # all classes together
    made = SamplePair(real, synthetic)
    floor = SamplePair(real, control)
    figures = [compare(key, None, made, floor) for key in FIDELITY_METRICS]

    # class by class
    for label in range(classes):
        real_of_class = real.of_class(label)
        made = SamplePair(real_of_class, synthetic.of_class(label))
        floor = SamplePair(real_of_class, control.of_class(label))
        for key, metric in FIDELITY_METRICS.items():
            if metric.per_class:
                figures.append(compare(key, label, made, floor))
    return tuple(figures)
