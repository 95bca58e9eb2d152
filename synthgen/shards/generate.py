"""Generation: the rows of a shard to images. An image depends on (run seed, label, index) and the checkpoint alone.

The latent is keyed by label, index and attempt. Batches have one fixed shape, and each image sits
in a row of the batch that follows from its label and index (`plan.slots`); the other rows of a
batch do not touch it. A rejected image is drawn again with the next attempt and nothing else
changes.

A generator that knows nothing of classes is not asked for one: its latents are keyed by index and
attempt, and all classes share the draws of an index. The image of a class is the first draw in
which the classifier sees that class. That is rejection sampling (each image is a draw of the
generator, given what the classifier sees in it), at a third of the draws that a search for each
class by itself takes.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from synthgen.config import BuildSettings
from synthgen.datasets.digits import Images
from synthgen.errors import ScreeningExhausted
from synthgen.gan.latents import draw_latents, image_seeds
from synthgen.shards.plan import Drawn, Plan, Screening, Shard, passes, slots, unjudged

NO_LABEL = -1  # in the key of a latent for which no class is asked


class ImageSampler(Protocol):
    """Latents and labels to images; `gan.sampler.Sampler` is one."""

    latent: int
    image_shape: Any

    def images(self, latents: NDArray[np.float32], labels: NDArray[Any]) -> Images:
        """(n, latent) float32, (n,) integers -> (n, height, width, channels) uint8."""


class LabelScreener(Protocol):
    """Images to class probabilities; `gan.screener.Screener` is one."""

    def probabilities(self, images: Images) -> NDArray[np.float32]:
        """(n, height, width, channels) uint8 -> (n, classes) float32."""


@dataclass(frozen=True)
class Networks:
    """What makes and screens images; without a screener nothing is screened."""

    sampler: ImageSampler
    screener: LabelScreener | None


def draw_shard(
    shard: Shard,
    plan: Plan,
    settings: BuildSettings,
    networks: Networks,
    done: Callable[[int], Any] = lambda _: None,
) -> Drawn:
    """Generate and screen the images of a shard.

    Args:
        shard: the rows.
        plan: the set it belongs to.
        settings: of the build.
        networks: what makes and screens images; with labels from the classifier there must be one.
        done: told the number of images kept after each batch.

    Raises:
        ScreeningExhausted: if an image of a class is still missing after the allowed number of
            draws.
    """
    drawn = _blank(shard, networks)
    if settings.labels == "classifier":
        return _draw_classified(drawn, plan, settings, networks, done)
    pending = np.arange(len(shard))
    for attempt in range(settings.attempts):
        rows = slots(drawn.labels[pending], drawn.indices[pending], shard.classes, settings.batch)
        for chosen in passes(rows):
            done(int(_draw_batch(drawn, pending[chosen], attempt, settings, networks).sum()))
        pending = pending[~drawn.screening.accepted[pending]]
        if not len(pending):
            return drawn
    raise ScreeningExhausted(_exhausted(drawn, pending, plan, settings))


def _blank(shard: Shard, networks: Networks) -> Drawn:
    count = len(shard)
    images = np.zeros((count, *networks.sampler.image_shape), np.uint8)
    seeds, attempts = np.zeros(count, np.uint64), np.zeros(count, np.int64)
    return Drawn(shard, images, shard.labels(), shard.indices(), seeds, attempts, unjudged(count))


def _draw_batch(
    drawn: Drawn, rows: NDArray[np.int64], attempt: int, settings: BuildSettings, networks: Networks
) -> NDArray[np.bool_]:
    """Draw some rows of a shard, store them, and say which are accepted."""
    labels, attempts = drawn.labels[rows], np.full(len(rows), attempt)
    seeds, places = keys(settings, drawn.shard.classes, labels, drawn.indices[rows], attempts)
    images = run_batch(networks.sampler, seeds, labels, places, settings.batch)
    word = unjudged(len(rows))
    if networks.screener:
        word = judge(
            networks.screener.probabilities(images)[places],
            labels,
            settings.screen,
            settings.screen_confidence,
        )
    _store(drawn, rows, images[places], seeds, attempts, word)
    return word.accepted


def _store(
    drawn: Drawn,
    rows: NDArray[np.int64],
    images: Images,
    seeds: NDArray[np.uint64],
    attempts: NDArray[Any],
    word: Screening,
) -> None:
    drawn.images[rows], drawn.seeds[rows], drawn.attempts[rows] = images, seeds, attempts
    stored = drawn.screening
    stored.accepted[rows], stored.predicted[rows], stored.confidence[rows] = word


def keys(
    settings: BuildSettings,
    classes: int,
    labels: NDArray[Any],
    indices: NDArray[np.int64],
    attempts: NDArray[Any],
) -> tuple[NDArray[np.uint64], NDArray[np.int64]]:
    """What an image is made from: its seed and its row of the batch.

    Args:
        settings: run seed, batch, and where labels come from.
        classes: number of classes.
        labels: (n,) integers; not looked at where the labels come from the classifier.
        indices: (n,) of each image within its class.
        attempts: (n,) integers, 0 for a first draw.

    Returns:
        Seeds (n,) uint64 below 2**63, rows (n,) int64 below the batch.
    """
    # as many draws of an index lie side by side in a batch as there are classes
    if settings.labels == "classifier":
        seeds = image_seeds(
            settings.seed, [NO_LABEL] * len(indices), indices.tolist(), attempts.tolist()
        )
        return seeds, slots(attempts % classes, indices, classes, settings.batch)
    return image_seeds(settings.seed, labels.tolist(), indices.tolist(), attempts.tolist()), slots(
        labels, indices, classes, settings.batch
    )


def run_batch(
    sampler: ImageSampler,
    seeds: NDArray[np.uint64],
    labels: NDArray[Any],
    places: NDArray[np.int64],
    batch: int,
) -> Images:
    """Run one batch of the generator with each image in its place and zeros elsewhere.

    Args:
        sampler: the generator.
        seeds: (n,) uint64, n at most `batch`.
        labels: (n,) integers.
        places: (n,) the row of the batch for each image, all different (see `plan.slots`).
        batch: rows of the batch.

    Returns:
        (batch, height, width, channels) uint8.
    """
    latents, classes = np.zeros((batch, sampler.latent), np.float32), np.zeros(batch, np.int64)
    latents[places], classes[places] = draw_latents(seeds, sampler.latent), labels
    return sampler.images(latents, classes)


def _draw_classified(
    drawn: Drawn,
    plan: Plan,
    settings: BuildSettings,
    networks: Networks,
    done: Callable[[int], Any],
) -> Drawn:
    """Draw until the classifier has seen every class at every index of the shard."""
    shard, classes = drawn.shard, drawn.shard.classes
    drawn.screening.accepted[:] = False
    for first in range(0, settings.attempts, classes):
        attempts = np.arange(first, min(first + classes, settings.attempts))
        # indices, from that of the shard
        waiting = np.flatnonzero(~drawn.screening.accepted.reshape(-1, classes).all(axis=1))
        for chosen in passes((shard.start + waiting) % (settings.batch // classes)):
            done(_draw_candidates(drawn, waiting[chosen], attempts, settings, networks))
        missing = ~drawn.screening.accepted
        if not missing.any():
            return drawn
        drawn.attempts[missing] = attempts[-1]
        if _is_hopeless(drawn, settings.attempts):
            break
    raise ScreeningExhausted(_unseen(drawn, plan, settings))


def _draw_candidates(
    drawn: Drawn,
    positions: NDArray[np.int64],
    attempts: NDArray[np.int64],
    settings: BuildSettings,
    networks: Networks,
) -> int:
    """Draw some attempts at some indices of a shard and store what was missing -> how many images that is."""
    classes, screener = drawn.shard.classes, networks.screener
    assert screener is not None  # see `job.prepare`
    positions, tries = np.repeat(positions, len(attempts)), np.tile(attempts, len(positions))
    seeds, places = keys(settings, classes, tries, drawn.shard.start + positions, tries)
    images = run_batch(
        networks.sampler, seeds, np.zeros(len(seeds), np.int64), places, settings.batch
    )
    word = recognise(
        screener.probabilities(images)[places], settings.screen, settings.screen_confidence
    )
    recognised = np.flatnonzero(word.accepted)
    # the earliest attempt of each
    rows, first = np.unique(
        positions[recognised] * classes + word.predicted[recognised], return_index=True
    )
    missing = ~drawn.screening.accepted[rows]
    rows, chosen = rows[missing], recognised[first[missing]]
    _store(
        drawn,
        rows,
        images[places[chosen]],
        seeds[chosen],
        tries[chosen],
        Screening(*(values[chosen] for values in word)),
    )
    return len(rows)


def _is_hopeless(drawn: Drawn, allowed: int) -> bool:
    """Whether a class is so rare that of many images some are bound to be missing after all allowed draws.

    One draw in allowed / 3 leaves exp(-3), a twentieth of the images, without a hit.
    """
    draws, hits = (
        np.array(drawn.draws()),
        np.bincount(drawn.labels[drawn.screening.accepted], minlength=drawn.shard.classes),
    )
    return bool(((draws >= 10 * allowed) & (hits * allowed < 3 * draws)).any())


def _exhausted(
    drawn: Drawn, pending: NDArray[np.int64], plan: Plan, settings: BuildSettings
) -> str:
    label, missing, wanted, rate = _worst(drawn, plan, pending)
    return (
        f"Expected {wanted} images of class {plan.class_names[label]!r} in shard {drawn.shard.number} within {settings.attempts} draws each; "
        f"{missing} of them are still rejected as mislabelled ({rate:.1%} of the draws of that class were kept). "
        "Raise --max-attempts and run again (it goes on where it stopped), or, with --overwrite, raise --screen-confidence, "
        "use --screen none, or use a better --checkpoint."
    )


def _unseen(drawn: Drawn, plan: Plan, settings: BuildSettings) -> str:
    label, missing, wanted, rate = _worst(drawn, plan, np.flatnonzero(~drawn.screening.accepted))
    # leaves one chance in a thousand to miss any
    needed = math.ceil(math.log(1000 * plan.per_class) / rate) if rate else 0
    raised = (
        f"Raise --max-attempts to {needed:,} or more and run again (it goes on where it stopped), or"
        if needed
        else "It may never. Run again"
    )
    return (
        f"Expected {wanted} images of class {plan.class_names[label]!r} in shard {drawn.shard.number} within {settings.attempts} draws each; "
        f"after {drawn.attempts.max() + 1} draws {missing} of them are still missing: the screening classifier sees that class, with confidence "
        f"{settings.screen_confidence} or more, in {rate:.2%} of the generator's images. {raised}, with --overwrite, lower --screen-confidence, "
        "or use a better --checkpoint: trained for longer, by another recipe, or one generator a class (--labels per-class)."
    )


def _worst(drawn: Drawn, plan: Plan, pending: NDArray[np.int64]) -> tuple[int, int, int, float]:
    """The class that lacks most -> its label, images missing and wanted, and the share of its draws that was kept."""
    missing = np.bincount(drawn.labels[pending], minlength=plan.classes)
    label, wanted = int(missing.argmax()), len(drawn.labels) // plan.classes
    return (
        label,
        int(missing[label]),
        wanted,
        float((wanted - missing[label]) / drawn.draws()[label]),
    )


def judge(
    probabilities: NDArray[np.float32], labels: NDArray[Any], screen: str, confidence: float
) -> Screening:
    """Decide which images are kept.

    Args:
        probabilities: (n, classes) float32.
        labels: (n,) the class each image should show.
        screen: "mislabels" rejects an image if the classifier is sure that it shows another class;
            "none" keeps all.
        confidence: what "sure" means, a probability.

    Example:
        >>> judge(np.array([[0.0, 1.0], [0.4, 0.6]], np.float32), np.array([0, 0]), "mislabels", 0.9).accepted.tolist()
        [False, True]
    """
    predicted = probabilities.argmax(axis=1)
    sure = probabilities.max(axis=1)
    mislabelled = (predicted != labels) & (sure >= confidence) & (screen == "mislabels")
    return Screening(~mislabelled, predicted.astype(np.int16), sure)


def recognise(probabilities: NDArray[np.float32], screen: str, confidence: float) -> Screening:
    """Decide which images get the label that the classifier sees.

    Args:
        probabilities: (n, classes) float32.
        screen: "mislabels" asks the classifier to be sure; "none" takes its likeliest class,
            however likely.
        confidence: what "sure" means, a probability.

    Example:
        >>> recognise(np.array([[0.0, 1.0], [0.4, 0.6]], np.float32), "mislabels", 0.9).accepted.tolist()
        [True, False]
    """
    sure = probabilities.max(axis=1)
    return Screening(
        (sure >= confidence) | (screen == "none"),
        probabilities.argmax(axis=1).astype(np.int16),
        sure,
    )
