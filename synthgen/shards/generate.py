"""Generation: the rows of a shard to images. An image depends on (run seed, label, index) and the checkpoint alone.

The latent is keyed by label, index and attempt. Batches have one fixed shape, and each image sits in a row of the batch
that follows from its label and index (`plan.slots`); the other rows of a batch do not touch it. A rejected image is drawn
again with the next attempt and nothing else changes.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from synthgen.config import BuildSettings
from synthgen.datasets.digits import Images, Labels
from synthgen.errors import ScreeningExhausted
from synthgen.gan.latents import draw_latents, image_seeds
from synthgen.shards.plan import Plan, Shard, passes, slots
from synthgen.shards.screen import Screening, judge, unjudged


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


@dataclass(frozen=True, eq=False)
class Drawn:
    """The content of one shard.

    Args:
        shard: which rows these are.
        images: (n, height, width, channels) uint8.
        labels: (n,) uint8.
        indices: (n,) int64.
        seeds: (n,) uint64 below 2**63.
        attempts: (n,) int64, 0 if the first draw was kept.
        screening: the classifier's word on each image that was kept.
    """

    shard: Shard
    images: Images
    labels: Labels
    indices: NDArray[np.int64]
    seeds: NDArray[np.uint64]
    attempts: NDArray[np.int64]
    screening: Screening

    def draws(self) -> list[int]:
        """Draws it took, per class."""
        counts: list[int] = np.bincount(self.labels, self.attempts + 1, self.shard.classes).astype(int).tolist()
        return counts


def draw_shard(shard: Shard, plan: Plan, settings: BuildSettings, networks: Networks, done: Callable[[int], Any] = lambda _: None) -> Drawn:
    """Generate and screen the images of a shard.

    Args:
        shard: the rows.
        plan: the set it belongs to.
        settings: of the build.
        networks: what makes and screens images.
        done: told the number of images kept after each batch.

    Raises:
        ScreeningExhausted: if an image of a class is still rejected after the allowed number of draws.
    """
    drawn = _blank(shard, networks)
    pending = np.arange(len(shard))
    for attempt in range(settings.max_attempts):
        rows = slots(drawn.labels[pending], drawn.indices[pending], shard.classes, settings.batch)
        for chosen in passes(rows):
            done(int(_draw_batch(drawn, pending[chosen], rows[chosen], attempt, settings, networks).sum()))
        pending = pending[~drawn.screening.accepted[pending]]
        if not len(pending):
            return drawn
    raise ScreeningExhausted(_exhausted(drawn, pending, plan, settings))


def _blank(shard: Shard, networks: Networks) -> Drawn:
    count = len(shard)
    images = np.zeros((count, *networks.sampler.image_shape), np.uint8)
    seeds, attempts = np.zeros(count, np.uint64), np.zeros(count, np.int64)
    return Drawn(shard, images, shard.labels(), shard.indices(), seeds, attempts, unjudged(count))


def _draw_batch(drawn: Drawn, rows: NDArray[np.int64], places: NDArray[np.int64], attempt: int, settings: BuildSettings, networks: Networks) -> Any:
    """Draw some rows of a shard, store them, and say which are accepted."""
    labels, sampler = drawn.labels[rows], networks.sampler
    seeds = image_seeds(settings.seed, labels.tolist(), drawn.indices[rows].tolist(), [attempt] * len(rows))
    images = run_batch(sampler, seeds, labels, places, settings.batch)
    drawn.images[rows], drawn.seeds[rows], drawn.attempts[rows] = images[places], seeds, attempt
    if not networks.screener:
        return np.ones(len(rows), np.bool_)
    word = judge(networks.screener.probabilities(images)[places], labels, settings.screen, settings.screen_confidence)
    stored = drawn.screening
    stored.accepted[rows], stored.predicted[rows], stored.confidence[rows] = word
    return word.accepted


def run_batch(sampler: ImageSampler, seeds: NDArray[np.uint64], labels: NDArray[Any], places: NDArray[np.int64], batch: int) -> Images:
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


def _exhausted(drawn: Drawn, pending: NDArray[np.int64], plan: Plan, settings: BuildSettings) -> str:
    missing = np.bincount(drawn.labels[pending], minlength=plan.classes)
    label = int(missing.argmax())
    wanted = len(drawn.labels) // plan.classes
    rate = (wanted - missing[label]) / drawn.draws()[label]
    return (
        f"Expected {wanted} images of class {plan.class_names[label]!r} in shard {drawn.shard.number} within {settings.max_attempts} draws each; "
        f"{missing[label]} of them are still rejected as mislabelled ({rate:.1%} of the draws of that class were kept). "
        "Raise --max-attempts and run again (it goes on where it stopped), or, with --overwrite, raise --screen-confidence, "
        "use --screen none, or use a better --checkpoint."
    )
