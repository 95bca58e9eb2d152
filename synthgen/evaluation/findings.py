"""What was measured on the images themselves, without training the classifiers of the arms: frozen values, ready for JSON."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from synthgen.evaluation.verdict import Estimate

# what the generator was trained on, against the real training digits
SEEN, OTHERS, UNKNOWN = "seen", "others", "unknown"


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


@dataclass(frozen=True, kw_only=True)
class PixelStatistic:
    """A property of the images, in three sets of the same counts.

    Args:
        name: a key of pixel_statistics.STATISTICS.
        synthetic: mean over the synthetic images, interval over images.
        real: of the real training digits.
        control: of the real test digits.
        deviations: standard deviations over the images: synthetic, real, control.
        difference: synthetic minus real.
        control_difference: control minus real.
    """

    name: str
    synthetic: Estimate
    real: Estimate
    control: Estimate
    deviations: tuple[float, float, float]
    difference: Estimate
    control_difference: Estimate


@dataclass(frozen=True, kw_only=True)
class Histogram:
    """Shares of all pixels by grey level.

    Args:
        edges: grey levels 0..256; bin k holds edges[k] <= level < edges[k + 1].
        synthetic: share of each bin, summing to 1.
        real: of the real training digits.
        control: of the real test digits.
    """

    edges: tuple[int, ...]
    synthetic: tuple[float, ...]
    real: tuple[float, ...]
    control: tuple[float, ...]


@dataclass(frozen=True, kw_only=True)
class TwoSample:
    """How well a classifier that has learnt it tells synthetic from real images that it has not seen; 0.5 is guessing.

    Args:
        train_images: that it learnt on, half of them real.
        test_images: that it is asked about, half of them real.
        steps: gradient steps.
        synthetic: its accuracy, interval of the choice of images.
        control: the accuracy of one that has learnt to tell real training digits from real test
            digits.
        by_class: accuracy on the images of each class; None for a class without any.
    """

    train_images: int
    test_images: int
    steps: int
    synthetic: Estimate
    control: Estimate
    by_class: tuple[Estimate | None, ...]


@dataclass(frozen=True, kw_only=True)
class Copying:
    """How close images come to training images in one space. Neighbours are sought within the class.

    Quantiles and shares count the classes as often as they are among the held-out digits.

    Args:
        space: "pixels" (Euclidean, pixels scaled to 0..1) or "features" (Euclidean, of the feature
            network).
        levels: of the quantiles, 0..1.
        synthetic: quantiles of the distances from synthetic images to their nearest training
            images.
        held_out: of the distances from real validation digits, which no training has seen.
        control: of the distances from real test digits.
        close_level: share of the held-out digits that count as close, 0.01 where there are enough
            of them.
        closer: share of synthetic images as close as those (expected: close_level).
        closer_control: the same share of the test digits.
        c_t: data-copying statistic over all classes, each image ranked within its own, a z-score;
            below -3 is copying.
        c_t_control: with the test digits in the place of the synthetic ones.
        c_t_by_class: of each class; None where there are too few images.
        c_t_cells: mean over the classes, each weighted with its share of held-out digits.
        c_t_cells_control: the same with the test digits.
        authenticity: share of synthetic images that are farther from their training image than its
            nearest other training image.
        authenticity_held_out: the same of the held-out digits.
        authenticity_control: the same of the test digits.
    """

    space: str
    levels: tuple[float, ...]
    synthetic: tuple[float, ...]
    held_out: tuple[float, ...]
    control: tuple[float, ...]
    close_level: float
    closer: Estimate
    closer_control: Estimate
    c_t: float
    c_t_control: float
    c_t_by_class: tuple[float | None, ...]
    c_t_cells: float | None
    c_t_cells_control: float | None
    authenticity: Estimate
    authenticity_held_out: Estimate
    authenticity_control: Estimate


@dataclass(frozen=True, kw_only=True)
class Duplicates:
    """Images of the set that repeat each other.

    Args:
        images: looked at for exact repetitions (all that were used).
        exact: of them, those whose pixels are those of an image before them.
        near_images: looked at for near repetitions, and as many real training digits.
        near_distance: pixel distance below which two images of a class are near duplicates: 1 % of
            the real ones are that near.
        near: share of the synthetic images that have another one of the set so near.
        near_control: the same share of the real ones, 0.01 by construction.
    """

    images: int
    exact: int
    near_images: int
    near_distance: float
    near: Estimate
    near_control: Estimate


@dataclass(frozen=True, kw_only=True)
class ClosePair:
    """A synthetic image and the training image that it is nearest to.

    Args:
        position: of the synthetic image among the images that were used.
        train_position: of the training image in the real training digits.
        label: their class.
        distance: Euclidean, pixels scaled to 0..1.
    """

    position: int
    train_position: int
    label: int
    distance: float


@dataclass(frozen=True, kw_only=True)
class Memorisation:
    """Whether the set holds copies of training images.

    Args:
        images: synthetic images asked about.
        train_images: real training digits that they are compared with.
        held_out_images: real validation digits that set the measure.
        control_images: real test digits, treated like the synthetic ones.
        generator_saw: SEEN if the generator was trained on these training digits, OTHERS if on
            others, else UNKNOWN.
        spaces: "pixels" and "features".
        copies: synthetic images whose pixels are those of a training image.
        copies_control: the same of the test digits.
        duplicates: within the set.
        closest: up to 20 pairs, the closest first.
        fired: names of the tests that found copying, of memorisation.TESTS; empty if none did.
    """

    images: int
    train_images: int
    held_out_images: int
    control_images: int
    generator_saw: str
    spaces: tuple[Copying, ...]
    copies: int
    copies_control: int
    duplicates: Duplicates
    closest: tuple[ClosePair, ...]
    fired: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Measures:
    """Everything that was measured on the images themselves.

    Args:
        features: name, sha256, size and validation accuracy of the feature network, and what it was
            trained on.
        fidelity: figures overall, then class by class.
        pixels: properties of the images.
        background: grey levels of all pixels.
        two_sample: can a classifier tell synthetic from real?
        memorisation: are there copies of training images?
        errors: why a part (two_sample, memorisation) is None, by its name.
        seconds_measuring: of each part.
    """

    features: Mapping[str, Any]
    fidelity: tuple[Metric, ...]
    pixels: tuple[PixelStatistic, ...]
    background: Histogram
    two_sample: TwoSample | None
    memorisation: Memorisation | None
    errors: Mapping[str, str]
    seconds_measuring: Mapping[str, float]
