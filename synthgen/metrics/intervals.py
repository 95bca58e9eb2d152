"""The statistics of a verdict: intervals over seeds and over images, paired differences, one word.

Two things make a measured accuracy differ from the true one: the luck of a training (its seed) and
the luck of the test set (its images). Seeds are paired: seed s starts every arm from the same
weights, so that the difference of two arms varies less than either. Every arm reads the same test
images, so that they are paired too.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.special import betaincinv, ndtri, stdtrit

CONFIDENCE = 0.95

# verdicts
HELPS = "helps"
NO_EFFECT = "no effect"
HURTS = "hurts"
UNDECIDED = "undecided"


@dataclass(frozen=True, kw_only=True)
class Estimate:
    """A mean with its interval.

    Args:
        mean: a share (0..1), a difference of two shares (-1..1), or another figure.
        low: lower end of the interval; None where one seed alone allows none.
        high: upper end of the interval, or None.
    """

    mean: float
    low: float | None
    high: float | None


def _cut_interval(mean: float, half: float, least: float, most: float) -> Estimate:
    """An interval of mean +- half, cut to what the figure can be.

    Few seeds give Student's interval ends beyond it, such as an accuracy of 105 %. Cutting them off
    excludes no value that is possible, so that the interval covers the true figure as often as
    before; and as 0 lies within the range of every difference, no verdict changes.
    """
    low = max(least, mean - half)
    high = min(most, mean + half)
    # a mean may exceed the range by a rounding error
    return Estimate(mean=mean, low=min(mean, low), high=max(mean, high))


def seed_interval(
    values: Sequence[float],
    confidence: float = CONFIDENCE,
    *,
    least: float = 0.0,
    most: float = 1.0,
) -> Estimate:
    """Returns the mean of one figure a seed with Student's interval, cut to the figure's range.

    mean +- t(1 - a/2, S - 1) * s / sqrt(S), where s is the standard deviation of the S values
    (divisor S - 1). It answers: what would other seeds give on these very images? (Student 1908,
    "The probable error of a mean".)

    Args:
        values: one figure a seed, S of them.
        confidence: 0..1.
        least: what the figure can be at least: 0 for a share, -1 for a difference of two.
        most: what the figure can be at most.

    Returns:
        The mean; without an interval for a single seed.

    Example, 0.5 + 4.3027 * 0.1 / sqrt(3), and 0.98 + 0.0248, which would be more than all:
        >>> seed_interval([0.4, 0.5, 0.6]).high
        0.748...
        >>> seed_interval([0.97, 0.98, 0.99]).high
        1.0
    """
    mean = float(np.mean(values))
    count = len(values)
    if count < 2:
        return Estimate(mean=mean, low=None, high=None)
    half = float(stdtrit(count - 1, 0.5 + confidence / 2) * np.std(values, ddof=1) / np.sqrt(count))
    return _cut_interval(mean, half, least, most)


def sampling_interval(share: float, images: int, confidence: float = CONFIDENCE) -> Estimate:
    """Returns a share with Wilson's interval: what would other images of the same kind give?

    (p + z^2 / 2n +- z sqrt(p (1 - p) / n + z^2 / 4n^2)) / (1 + z^2 / n), with z = 1.96 at 95 %
    (Wilson 1927, "Probable inference, the law of succession, and statistical inference"). It holds
    for one training, and knows nothing of seeds.

    Args:
        share: p, 0..1.
        images: n, number of images that it was measured on, at least 1.
        confidence: 0..1.

    Example:
        >>> sampling_interval(0.99, 10_000).low
        0.98785...
    """
    z = float(ndtri(0.5 + confidence / 2))
    centre = share + z * z / (2 * images)
    scale = 1 + z * z / images
    half = z * float(np.sqrt(share * (1 - share) / images + z * z / (4 * images * images)))
    return Estimate(
        mean=share, low=max(0.0, (centre - half) / scale), high=min(1.0, (centre + half) / scale)
    )


def paired_difference(
    arm: NDArray[Any],
    baseline: NDArray[Any],
    confidence: float = CONFIDENCE,
    *,
    least: float = -1.0,
    most: float = 1.0,
) -> Estimate:
    """Returns the mean difference of two arms, with an interval over seeds and images at once.

    With d[s, i] = arm[s, i] - baseline[s, i], the variance of the mean over S seeds and n images is
    estimated by v = v_seeds + v_images, where v_seeds = var_s(mean_i d) / S and v_images =
    var_i(mean_s d) / n (divisors S - 1 and n - 1). The interval is mean +- t(1 - a/2, f) sqrt(v),
    where f = v^2 / (v_seeds^2 / (S - 1) + v_images^2 / (n - 1)), cut to the range of the
    difference.

    These are crossed random effects, as in Clark 1973, "The language-as-fixed-effect fallacy"
    (there: min F'), with the degrees of freedom of Satterthwaite 1946. The chance of a single
    (seed, image) is in both terms, which errs on the wide side. Where f makes the interval narrower
    than Student's over the seeds alone, the latter is taken. Seeds alone would call a gain real
    that only these test images show, and images alone one that only a lucky seed shows (Bouthillier
    et al. 2021, "Accounting for variance in machine learning benchmarks").

    Args:
        arm: (seeds, images), whether the classifier of that seed is right about that image (bool),
            or what the image contributes to a figure (float64, see `metrics.accuracy`).
        baseline: (seeds, images) of the arm to compare with, the same seeds and images in the same
            order.
        confidence: 0..1.
        least: what the difference can be at least; -1 for a difference of shares.
        most: what the difference can be at most.

    Returns:
        The mean difference; without an interval for a single seed, which cannot tell what another
        seed would give.
    """
    difference = arm.astype(np.float64) - baseline.astype(np.float64)  # (seeds, images)
    seeds, images = difference.shape
    mean = float(difference.mean())
    if seeds < 2 or images < 2:
        return Estimate(mean=mean, low=None, high=None)
    by_seed = float(difference.mean(axis=1).var(ddof=1)) / seeds
    by_image = float(difference.mean(axis=0).var(ddof=1)) / images
    total = by_seed + by_image
    if total == 0:
        return Estimate(mean=mean, low=mean, high=mean)
    freedom = total**2 / (by_seed**2 / (seeds - 1) + by_image**2 / (images - 1))
    together = stdtrit(freedom, 0.5 + confidence / 2) * np.sqrt(total)
    over_seeds = stdtrit(seeds - 1, 0.5 + confidence / 2) * np.sqrt(by_seed)
    return _cut_interval(mean, float(max(together, over_seeds)), least, most)


def discordance_interval(
    gained: int, lost: int, images: int, confidence: float = CONFIDENCE
) -> Estimate:
    """Returns the difference of two shares of the same images, where few images tell them apart.

    With b images that only the first classifier is right about and c that only the second one is,
    the difference is (b - c) / n. Given b + c, b is binomial: the interval is that of Clopper and
    Pearson 1934 for b / (b + c), scaled by (b + c) / n. It excludes 0 exactly where the exact test
    of McNemar 1947 does; Student's interval excludes it with four images to none, which chance
    gives in an eighth of all cases. It knows nothing of seeds.

    Args:
        gained: b.
        lost: c.
        images: n, number of images that both were asked about, at least 1.
        confidence: 0..1.

    Example:
        >>> discordance_interval(4, 0, 30).low < 0 < discordance_interval(6, 0, 30).low
        True
    """
    apart = gained + lost
    if not apart:
        return Estimate(mean=0.0, low=0.0, high=0.0)
    tail = (1 - confidence) / 2
    low = float(betaincinv(gained, lost + 1, tail)) if gained else 0.0
    high = float(betaincinv(gained + 1, lost, 1 - tail)) if lost else 1.0
    return Estimate(
        mean=(gained - lost) / images,
        low=apart * (2 * low - 1) / images,
        high=apart * (2 * high - 1) / images,
    )


def family_confidence(comparisons: int, confidence: float = CONFIDENCE) -> float:
    """Returns the confidence of each of several intervals, so that all hold together.

    Bonferroni's bound: 1 - a / m.

    Args:
        comparisons: m, number of intervals.
        confidence: 1 - a, with which all of them are to hold.

    Example:
        >>> round(family_confidence(10), 6)
        0.995
    """
    return 1 - (1 - confidence) / comparisons


def verdict(difference: Estimate) -> str:
    """Returns HELPS or HURTS if the interval excludes 0, NO_EFFECT if not, else UNDECIDED."""
    if difference.low is None or difference.high is None:
        return UNDECIDED
    if difference.low > 0:
        return HELPS
    if difference.high < 0:
        return HURTS
    return NO_EFFECT


class Decision(NamedTuple):
    """What Holm's procedure decided about one comparison.

    Args:
        estimate: the difference with its interval.
        confidence: of that interval, 0..1.
        verdict: HELPS, NO_EFFECT, HURTS or UNDECIDED.
    """

    estimate: Estimate
    confidence: float
    verdict: str


def holm(comparisons: Sequence[tuple[NDArray[Any], NDArray[Any]]]) -> list[Decision]:
    """Decides a family of paired comparisons by Holm's procedure.

    Holm 1979, "A simple sequentially rejective multiple test procedure", carried out as repeated
    Bonferroni: all comparisons whose interval at 1 - 0.05 / m excludes 0 are decided, m then counts
    those that are left, until none is decided any more. That rejects exactly what the step-down
    rule on ordered p values rejects, and gives each comparison an interval that says the same as
    its verdict. (Such an interval belongs to its verdict; the intervals of a family do not hold
    together.)

    Args:
        comparisons: (arm, baseline) each: (seeds, images), see `paired_difference`.

    Returns:
        One decision each, in the same order.
    """
    decided: dict[int, Decision] = {}
    left = list(range(len(comparisons)))
    while left:
        confidence = family_confidence(len(left))
        found = {}
        for k in left:
            arm, baseline = comparisons[k]
            estimate = paired_difference(arm, baseline, confidence)
            found[k] = Decision(estimate, confidence, verdict(estimate))
        clear = {k: one for k, one in found.items() if one.verdict in (HELPS, HURTS)}
        decided |= clear or found
        left = [k for k in left if k not in decided]
    return [decided[k] for k in range(len(comparisons))]
