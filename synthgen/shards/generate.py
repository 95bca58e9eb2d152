"""Generation: the rows of a shard to images. An image depends on its seed and the checkpoint alone.

The seed of an image is a function of the run seed, its label, index and attempt. Batches have one
fixed shape, and each image sits in a row of the batch that follows from its label and index
(`plan.batch_slots`); the other rows of a batch do not touch it. A rejected image is drawn again
with the next attempt and nothing else changes.

A generator that knows nothing of classes is not asked for one: its seeds are made of index and
attempt, and all classes share the draws of an index. The image of a class is the first draw in
which the classifier sees that class. That is rejection sampling (each image is a draw of the
generator, given what the classifier sees in it), at a third of the draws that a search for each
class by itself takes.
"""

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from synthgen.classifiers.numpy_screener import NumpyScreener
from synthgen.config import BuildSettings
from synthgen.datasets.digits import Images
from synthgen.errors import ScreeningExhausted
from synthgen.gan.checkpoint import Checkpoint
from synthgen.gan.latents import draw_latents, image_seeds
from synthgen.gan.numpy_sampler import load_numpy_sampler
from synthgen.networks.inference import ARITHMETIC_REVISION
from synthgen.records import versions
from synthgen.shards.content import Screening, ShardContent, empty_content, unscreened
from synthgen.shards.nearness import Mapper, Nearness, screen_nearness
from synthgen.shards.plan import SetPlan, Shard, batch_slots, split_into_batches

NO_LABEL = -1  # stands for the label in the seed of an image for which no class is asked

# What computes images: NumPy, and TensorFlow for sets that it has begun. The two round differently
# in one pixel of some thousands. On 16 cores NumPy makes a set of some 100,000 images sooner than
# TensorFlow on an H100, which takes seconds to start (docs/scale.md).
Arithmetic = Literal["numpy", "tensorflow"]
ARITHMETIC = "arithmetic"  # its name among the versions of a set; sets by TensorFlow have none


class ImageSampler(Protocol):
    """Turns latents and labels into images; `gan.sampler.Sampler` is one."""

    latent: int
    image_shape: Any

    def images(self, latents: NDArray[np.float32], labels: NDArray[Any]) -> Images:
        """(n, latent) float32, (n,) integers -> (n, height, width, channels) uint8."""


class LabelScreener(Protocol):
    """Turns images into class probabilities; `classifiers.predict.Classifier` is one."""

    def probabilities(self, images: Images) -> NDArray[np.float32]:
        """(n, height, width, channels) uint8 -> (n, classes) float32."""


@dataclass(frozen=True)
class Networks:
    """The networks that make and screen images.

    Args:
        sampler: the generator.
        screener: the screening classifier; None if the checkpoint has none.
    """

    sampler: ImageSampler
    screener: LabelScreener | None


def drawing_versions(arithmetic: Arithmetic, *others: str) -> dict[str, str]:
    """Return the version of everything that can change a pixel of a set, by name.

    Args:
        arithmetic: what computes the images.
        *others: names of further packages that can change one.
    """
    found = versions(*others)
    if arithmetic == "numpy":
        del found["tensorflow"], found["keras"]
        found[ARITHMETIC] = f"NumPy, revision {ARITHMETIC_REVISION}"
    return found


def arithmetic_of(names: Iterable[str]) -> Arithmetic:
    """Return what computed the images of a set, given the names of its versions."""
    return "numpy" if ARITHMETIC in names else "tensorflow"


def load_networks(checkpoint: Checkpoint, batch: int, arithmetic: Arithmetic = "numpy") -> Networks:
    """Return the networks of a checkpoint, ready to run.

    Args:
        checkpoint: generator and screening classifier.
        batch: images that they take at a time.
        arithmetic: what computes the images. "tensorflow" imports it.

    Raises:
        CheckpointError: if weights do not fit.
    """
    classes = len(checkpoint.class_names)
    screener: LabelScreener | None = None
    if arithmetic == "numpy":
        if checkpoint.screener:
            screener = NumpyScreener(checkpoint.screener, checkpoint.image_shape, classes, batch)
        return Networks(load_numpy_sampler(checkpoint, batch), screener)

    from synthgen.classifiers.screener import load_screener
    from synthgen.gan.sampler import load_sampler

    if checkpoint.screener:
        screener = load_screener(checkpoint.screener, checkpoint.image_shape, classes, batch)
    return Networks(load_sampler(checkpoint, batch), screener)


def draw_shard(
    shard: Shard,
    plan: SetPlan,
    settings: BuildSettings,
    networks: Networks,
    done: Callable[[int], Any] = lambda _: None,
    run: Mapper = map,
    nearness: Nearness | None = None,
) -> ShardContent:
    """Generate and screen the images of a shard.

    Args:
        shard: the rows.
        plan: the set it belongs to.
        settings: of the build.
        networks: what makes and screens images; with labels from the classifier there must be one.
        done: is called after each batch with the number of images that were kept.
        run: does the batches, which know nothing of each other: `map`, or that of a pool.
        nearness: what images are held against where duplicates or memorised ones are drawn again.

    Raises:
        ScreeningExhausted: if an image of a class is still missing after the allowed number of
            draws.
    """
    content = empty_content(shard, networks.sampler.image_shape)
    draw = _search_classes if settings.labels == "classifier" else _draw_classes
    source = _Source(plan, settings, networks, run)
    every = np.arange(len(shard))
    draw(content, every, np.zeros(len(shard), np.int64), source, done)
    if nearness is None:
        return content

    def redraw(rows: NDArray[np.int64]) -> None:
        if len(rows):
            draw(content, rows, content.attempts + 1, source, lambda _: done(0))

    return screen_nearness(content, settings, nearness, redraw, run)


class _Source(NamedTuple):
    """What draws images, and how.

    Args:
        plan: the set that the shard belongs to.
        settings: of the build.
        networks: what makes and screens images.
        run: does the batches.
    """

    plan: SetPlan
    settings: BuildSettings
    networks: Networks
    run: Mapper


def _draw_classes(
    content: ShardContent,
    rows: NDArray[np.int64],
    first_attempts: NDArray[np.int64],
    source: _Source,
    done: Callable[[int], Any],
) -> None:
    """Draw images with their class as the condition; draw again what is rejected.

    Args:
        content: of the shard.
        rows: that are drawn.
        first_attempts: the number of the first draw of each row of the shard.
        source: what draws.
        done: is called with the number of images that were kept.
    """
    plan, settings, networks, run = source
    sampler = networks.sampler
    pending = rows
    next_attempts = first_attempts.copy()
    while len(pending) and next_attempts[pending].max() < settings.attempts:

        def draw(rows: NDArray[np.int64]) -> _Drawn:
            labels = content.labels[rows]
            attempts = next_attempts[rows]
            seeds, places = seeds_and_slots(
                settings, plan.classes, labels, content.indices[rows], attempts
            )
            images = run_batch(sampler, seeds, labels, places, settings.batch)
            screening = unscreened(len(rows))
            if networks.screener:
                probabilities = networks.screener.probabilities(images)[places]
                screening = reject_mislabelled(
                    probabilities,
                    labels,
                    settings.rejects("mislabels"),
                    settings.screen_confidence,
                )
            return _Drawn(rows, images[places], seeds, attempts, screening)

        # Draw and screen, batch by batch.
        slots = batch_slots(
            content.labels[pending], content.indices[pending], plan.classes, settings.batch
        )
        for drawn in run(draw, [pending[chosen] for chosen in split_into_batches(slots)]):
            content.store(*drawn)
            done(int(drawn.screening.accepted.sum()))

        # What was rejected is drawn again.
        pending = pending[~content.screening.accepted[pending]]
        next_attempts[pending] += 1
    if not len(pending):
        return

    worst = _scarcest_class(content, plan, pending)
    raise ScreeningExhausted(
        f"Expected {worst.wanted} images of class {worst.name!r} in shard {content.shard.number} "
        f"within {settings.attempts} draws each; {worst.missing} of them are still rejected as "
        f"{_rejected_as(settings)} ({worst.kept:.1%} of the draws of that class were kept). "
        "Raise --max-attempts and run again (it goes on where it stopped), or, with --overwrite, "
        f"{'use --screen mislabels' if settings.screens_nearness else 'raise --screen-confidence'}"
        ", use --screen none, or use a better --checkpoint."
    )


def _rejected_as(settings: BuildSettings) -> str:
    """Return what images may be that are drawn again, in words."""
    words = {"mislabels": "mislabelled", "duplicates": "duplicates", "memorised": "memorised"}
    return " or ".join(word for reason, word in words.items() if settings.rejects(reason))


def _search_classes(
    content: ShardContent,
    rows: NDArray[np.int64],
    first_attempts: NDArray[np.int64],
    source: _Source,
    done: Callable[[int], Any],
) -> None:
    """Draw at indices of the shard until the classifier has seen every class there.

    Args:
        content: of the shard.
        rows: whose class is looked for.
        first_attempts: the number of the first draw that each row of the shard may take.
        source: what draws.
        done: is called with the number of images that were kept.
    """
    plan, settings, networks, run = source
    shard = content.shard
    classes = plan.classes
    assert networks.screener is not None  # see `job.prepare`
    probabilities = networks.screener.probabilities
    content.screening.accepted[rows] = False
    places_of = shard.rows()  # (indices, classes), -1 where a class has no such image

    start = int(first_attempts[rows].min(initial=settings.attempts)) // classes * classes
    for first in range(start, settings.attempts, classes):
        attempts = np.arange(first, min(first + classes, settings.attempts))
        found = content.screening.accepted[places_of] | (places_of < 0)  # (indices, classes)
        waiting = np.flatnonzero(~found.all(axis=1))  # indices, from that of the shard
        slots = (shard.start + waiting) % (settings.batch // classes)

        def draw(positions: NDArray[np.int64], attempts: NDArray[Any] = attempts) -> _Drawn:
            # All attempts at some indices; the label of a draw is the class that is seen in it.
            rows = np.repeat(positions, len(attempts))  # (draws,)
            tries = np.tile(attempts, len(positions))  # (draws,)
            seeds, places = seeds_and_slots(settings, classes, tries, shard.start + rows, tries)
            no_classes = np.zeros(len(seeds), np.int64)
            images = run_batch(networks.sampler, seeds, no_classes, places, settings.batch)
            screening = recognise(
                probabilities(images)[places],
                settings.rejects("mislabels"),
                settings.screen_confidence,
            )
            return _Drawn(rows, images[places], seeds, tries, screening)

        for drawn in run(draw, [waiting[chosen] for chosen in split_into_batches(slots)]):
            # Keep the earliest attempt of each class at each index that still lacks it.
            recognised = np.flatnonzero(drawn.screening.accepted)
            places = places_of[drawn.rows[recognised], drawn.screening.predicted[recognised]]
            may_take = first_attempts[places] <= drawn.attempts[recognised]
            lacking = (places >= 0) & ~content.screening.accepted[places] & may_take
            found_rows, earliest = np.unique(places[lacking], return_index=True)
            content.store(*drawn.take(recognised[lacking][earliest], found_rows))
            done(len(found_rows))

        missing = ~content.screening.accepted
        if not missing.any():
            return
        content.attempts[missing] = attempts[-1]

        # Give up early on a class so rare that of many images some are bound to be missing after
        # all allowed draws: one draw in allowed / 3 leaves exp(-3) of the images without, 5 %.
        draws = np.array(content.draws())
        hits = np.bincount(content.labels[content.screening.accepted], minlength=classes)
        allowed = settings.attempts
        if ((draws >= 10 * allowed) & (hits * allowed < 3 * draws)).any():
            break

    worst = _scarcest_class(content, plan, np.flatnonzero(~content.screening.accepted))
    advice = "It may never. Run again"
    if worst.kept:
        # So many draws leave one chance in a thousand to miss any image of the set.
        needed = math.ceil(math.log(1000 * max(plan.counts)) / worst.kept)
        advice = (
            f"Raise --max-attempts to {needed:,} or more and run again "
            "(it goes on where it stopped), or"
        )
    raise ScreeningExhausted(
        f"Expected {worst.wanted} images of class {worst.name!r} in shard {shard.number} within "
        f"{settings.attempts} draws each; after {content.attempts.max() + 1} draws {worst.missing} "
        "of them are still missing: the screening classifier sees that class, with confidence "
        f"{settings.screen_confidence} or more, in {worst.kept:.2%} of the generator's images. "
        f"{advice}, with --overwrite, lower --screen-confidence, or use a better --checkpoint: "
        "trained for longer, by another recipe, or one generator a class (--labels per-class)."
    )


class _Drawn(NamedTuple):
    """What one batch came to; the arguments of `ShardContent.store`.

    Args:
        rows: (n,) of the shard; where labels are searched, the indices from its first.
        images: (n, height, width, channels) uint8.
        seeds: (n,) uint64 that they were made from.
        attempts: (n,) integers, which draw each of them is.
        screening: what the classifier sees in these images.
    """

    rows: NDArray[np.int64]
    images: Images
    seeds: NDArray[np.uint64]
    attempts: NDArray[Any]
    screening: Screening

    def take(self, kept: NDArray[np.int64], rows: NDArray[np.int64]) -> "_Drawn":
        """Return some of the images, with the rows of the shard that they are for."""
        accepted, predicted, confidence = self.screening
        screening = Screening(accepted[kept], predicted[kept], confidence[kept])
        return _Drawn(rows, self.images[kept], self.seeds[kept], self.attempts[kept], screening)


class _ClassCount(NamedTuple):
    """How much of a class is missing.

    Args:
        name: of the class.
        missing: images of it that the shard lacks.
        wanted: images of it in the shard.
        kept: share of its draws that was kept, 0..1.
    """

    name: str
    missing: int
    wanted: int
    kept: float


def _scarcest_class(
    content: ShardContent, plan: SetPlan, missing_rows: NDArray[np.int64]
) -> _ClassCount:
    """Return the class that lacks most images."""
    missing = np.bincount(content.labels[missing_rows], minlength=plan.classes)
    label = int(missing.argmax())
    wanted = content.shard.class_counts()[label]
    return _ClassCount(
        name=plan.class_names[label],
        missing=int(missing[label]),
        wanted=wanted,
        kept=float((wanted - missing[label]) / content.draws()[label]),
    )


def seeds_and_slots(
    settings: BuildSettings,
    classes: int,
    labels: NDArray[Any],
    indices: NDArray[np.int64],
    attempts: NDArray[Any],
) -> tuple[NDArray[np.uint64], NDArray[np.int64]]:
    """Return what each image is made from: its seed, and its row of the batch.

    Args:
        settings: run seed, batch, and where labels come from.
        classes: number of classes.
        labels: (n,) integers; not looked at where the labels come from the classifier.
        indices: (n,) of each image within its class.
        attempts: (n,) integers, 0 for a first draw.

    Returns:
        Seeds (n,) uint64 below 2**63, rows (n,) int64 below the batch.
    """
    if settings.labels == "classifier":
        # As many draws of an index lie side by side in a batch as there are classes.
        asked = [NO_LABEL] * len(indices)
        side_by_side = attempts % classes
    else:
        asked = labels.tolist()
        side_by_side = labels
    seeds = image_seeds(settings.seed, asked, indices.tolist(), attempts.tolist())
    return seeds, batch_slots(side_by_side, indices, classes, settings.batch)


def run_batch(
    sampler: ImageSampler,
    seeds: NDArray[np.uint64],
    labels: NDArray[Any],
    slots: NDArray[np.int64],
    batch: int,
) -> Images:
    """Run one batch of the generator with each image in its slot and zeros elsewhere.

    Args:
        sampler: the generator.
        seeds: (n,) uint64, n at most `batch`.
        labels: (n,) integers.
        slots: (n,) the row of the batch for each image, all different (see `plan.batch_slots`).
        batch: rows of the batch.

    Returns:
        (batch, height, width, channels) uint8.
    """
    latents = np.zeros((batch, sampler.latent), np.float32)
    classes = np.zeros(batch, np.int64)
    latents[slots] = draw_latents(seeds, sampler.latent)
    classes[slots] = labels
    return sampler.images(latents, classes)


def reject_mislabelled(
    probabilities: NDArray[np.float32], labels: NDArray[Any], screened: bool, confidence: float
) -> Screening:
    """Decide which images are kept, given the class that each of them should show.

    Args:
        probabilities: (n, classes) float32, what the screening classifier sees.
        labels: (n,) the class that each image should show.
        screened: whether an image is rejected if the classifier is sure that it shows another
            class, or if its probabilities are not numbers; if not, all are kept.
        confidence: what "sure" means, a probability.

    Example:
        >>> seen = np.array([[0.0, 1.0], [0.4, 0.6]], np.float32)
        >>> reject_mislabelled(seen, np.array([0, 0]), True, 0.9).accepted.tolist()
        [False, True]
    """
    predicted = probabilities.argmax(axis=1)
    sure = probabilities.max(axis=1)
    believed = ((predicted == labels) | (sure < confidence)) & np.isfinite(sure)
    accepted = believed | (not screened)
    return Screening(accepted, predicted.astype(np.int16), sure)


def recognise(probabilities: NDArray[np.float32], screened: bool, confidence: float) -> Screening:
    """Decide which images get the label that the classifier sees.

    Args:
        probabilities: (n, classes) float32, what the screening classifier sees.
        screened: whether the classifier is asked to be sure; if not, its likeliest class is taken,
            however likely. An image whose probabilities are not numbers gets no label.
        confidence: what "sure" means, a probability.

    Example:
        >>> seen = np.array([[0.0, 1.0], [0.4, 0.6]], np.float32)
        >>> recognise(seen, True, 0.9).accepted.tolist()
        [True, False]
    """
    predicted = probabilities.argmax(axis=1)
    sure = probabilities.max(axis=1)
    accepted = ((sure >= confidence) | (not screened)) & np.isfinite(sure)
    return Screening(accepted, predicted.astype(np.int16), sure)
