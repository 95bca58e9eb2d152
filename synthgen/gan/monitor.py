"""What is seen of a training's generator: sample grids, figures of its samples, its usefulness. Nothing of the training changes."""

import time
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from synthgen.classifiers.screener import Screener, ScreenerTraining
from synthgen.config import GanSettings, TrainSettings
from synthgen.datasets.digits import Digits, Images, Labels
from synthgen.datasets.pixels import grid
from synthgen.gan import monitor as watch
from synthgen.gan.latents import draw_latents, image_seeds
from synthgen.gan.sampler import Sampler
from synthgen.metrics.precision_recall import radii, support
from synthgen.networks.backend import keras, tf
from synthgen.networks.gan import ImageShape, build_generator
from synthgen.networks.layers import BatchNorm
from synthgen.networks.weights import get_weights, set_weights
from synthgen.weights import Weights

BATCHES, ROWS = 10, 256


class Snapshot:
    """A copy of a generator with precise BatchNorm: its statistics are taken from itself.

    The moving moments of a training belong to the weights of some hundred steps ago, and those of
    an averaged generator to no weights at all. Here they are the mean moments of a few thousand
    fresh images instead (Wu & Johnson 2021, https://arxiv.org/abs/2105.07576, section 3). Nothing
    of the training is touched, so that it takes the same course whenever somebody looks.

    Args:
        source: the generator; its weights are read at each refresh.
        settings: its recipe.
        shape: (height, width, channels) of the images.
        classes: number of classes.

    Attributes:
        model: the copy.
    """

    def __init__(
        self, source: keras.Model, settings: GanSettings, shape: ImageShape, classes: int
    ) -> None:
        self.model = build_generator(settings, shape, classes)
        self._source, self._latent, self._classes = source, settings.latent, classes
        self._step: int | None = None

    def refresh(self, step: int) -> None:
        """Copy the weights and take the statistics anew, unless that was done at this step."""
        if step == self._step:
            return
        set_weights(self.model, get_weights(self._source))
        _take_statistics(self.model, self._latent, self._classes)
        self._step = step


BATCH = 500


class FixedSamples:
    """The images of a generator for fixed latents; they change as it learns.

    Args:
        model: the generator; its weights are read at each call.
        settings: its recipe.
        class_names: one name a class.
        seed: of the training.
    """

    def __init__(
        self, model: keras.Model, settings: GanSettings, class_names: Sequence[str], seed: int
    ) -> None:
        self.settings, self.class_names = settings, class_names
        self._sampler, self._seed = Sampler(model, BATCH), seed

    def draw(self, count: int, first: int = 0) -> tuple[Images, Labels]:
        """Images of each class in turn.

        Args:
            count: number of images.
            first: they have the indices `first`, `first` + 1, ...

        Returns:
            (count, height, width, channels) uint8 and the labels that were asked for, (count,)
            uint8; without a condition these mean nothing.
        """
        labels = (np.arange(count) % len(self.class_names)).astype(np.uint8)
        seeds = image_seeds(self._seed, labels.tolist(), range(first, first + count), [0] * count)
        return self._sampler.images(draw_latents(seeds, self.settings.latent), labels), labels

    def sheet(self, side: int) -> Images:
        """A sample grid of `side` columns: one row a class or, without a condition, as many rows as columns."""
        images, labels = self.draw(
            side * (len(self.class_names) if self.settings.conditional else side)
        )
        return grid(
            images[np.argsort(labels, kind="stable")] if self.settings.conditional else images, side
        )


USEFULNESS_IMAGES = 3000  # synthetic digits to learn from


STEPS = 250


# digits without a label of their own are kept from this confidence of the screening classifier
CONFIDENT = 0.6


class Usefulness:
    """Scores generators on validation digits, each time with the same latents and the same initial weights.

    The classifier has the architecture of the screening classifier and a seed of its own. Nothing
    of the training that is scored changes by it.

    Args:
        validation: real digits that the training does not see.
        screener: the screening classifier, which labels the digits of an unconditional generator.
        seed: of the training.
    """

    def __init__(self, validation: Digits, screener: Screener, seed: int) -> None:
        shape, classes = validation.image_shape, validation.classes
        self._validation, self._screener = validation, screener
        self._training = ScreenerTraining(shape, classes, STEPS, seed + 1)
        self._reader = Screener(self._training.initial, shape, classes)

    def score(self, samples: FixedSamples) -> float | None:
        """Accuracy on the validation digits, 0..1; None if there is no digit that could be labelled."""
        synthetic = self._labelled(samples)
        if not len(synthetic):
            return None
        self._reader.load(self._training.run(synthetic))
        read = self._reader.probabilities(self._validation.images).argmax(axis=1)
        return float(np.mean(read == self._validation.labels))

    def _labelled(self, samples: FixedSamples) -> Digits:
        """With a condition the labels that were asked for, without one those of which the screening classifier is confident."""
        images, labels = samples.draw(USEFULNESS_IMAGES, first=watch.USEFULNESS_IMAGES)
        if samples.settings.conditional:
            return Digits(images, labels, samples.class_names)
        probabilities = self._screener.probabilities(images)
        kept = probabilities.max(axis=1) >= CONFIDENT
        return Digits(
            images[kept], probabilities[kept].argmax(axis=1).astype(np.uint8), samples.class_names
        )


IMAGES = 1000  # samples, and real digits at most, that are compared


NEIGHBOURS = 5


class Look(NamedTuple):
    """What one look found; each a share, 0..1, or None where it cannot be told.

    Args:
        label_agreement: of the samples, those in which the screening classifier sees the class that
            was asked for.
        distinct: of the samples, those that are not nearly the same as another one. Nearly the
            same: in the screening classifier's features nearer than half the distance that real
            digits typically have to their nearest fellow.
        recall: of the real digits, those within the support of the samples (see `support`).
        coverage: of the real digits, those that have a sample near.
    """

    label_agreement: float | None
    distinct: float | None
    recall: float | None
    coverage: float | None


class Watch:
    """Compares samples with real digits in the features of the screening classifier.

    Args:
        screener: trained on the training digits alone.
        reference: the real digits to compare with; up to IMAGES of them are used.
        seed: of the choice of these.
    """

    def __init__(self, screener: Screener, reference: Digits, seed: int) -> None:
        rows = np.random.Generator(np.random.Philox(key=seed)).permutation(len(reference))[:IMAGES]
        self._screener, self._comparable = screener, len(rows) > NEIGHBOURS
        self._real = screener.features(reference.images[rows])
        self._apart = float(np.median(radii(self._real, 1))) / 2 if self._comparable else 0.0

    def look(self, samples: FixedSamples) -> Look:
        """Look at IMAGES samples; as many of them as there are real digits are compared with these."""
        images, labels = samples.draw(IMAGES)
        seen = self._screener.probabilities(images).argmax(axis=1)
        agreement = float(np.mean(seen == labels)) if samples.settings.conditional else None
        if not self._comparable:
            return Look(agreement, None, None, None)
        features = self._screener.features(images[: len(self._real)])
        found = support(self._real, features, NEIGHBOURS)
        return Look(
            agreement,
            float(np.mean(radii(features, 1) > self._apart)),
            found.recall,
            found.coverage,
        )


class Observer:
    """Looks at a generator while it learns.

    Args:
        kept: the generator as it is kept, refreshed for each look.
        gan: its recipe.
        run: how often to look.
        digits: the training digits.
        validation: digits to compare samples with and to score them on; without them they are
            compared with `digits` and not scored.
        screener: weights of the screening classifier.
        scored: step and usefulness of the last score of a training that goes on.
    """

    def __init__(
        self,
        kept: Snapshot,
        gan: GanSettings,
        run: TrainSettings,
        digits: Digits,
        validation: Digits | None,
        screener: Weights,
        scored: tuple[int, float] | None = None,
    ) -> None:
        self._run, self._steps, self._reference = (
            run,
            gan.steps,
            "training digits" if validation is None else "validation digits",
        )
        reader = Screener(screener, digits.image_shape, digits.classes)
        self._kept, self._samples = (
            kept,
            FixedSamples(kept.model, gan, digits.class_names, run.seed),
        )
        self._watch = Watch(reader, digits if validation is None else validation, run.seed)
        self._judge = (
            Usefulness(validation, reader, run.seed)
            if validation is not None and run.score_minutes
            else None
        )
        self._looked: tuple[int, Look] | None = None
        self._scored = scored
        self._last_score = time.monotonic()

    def figures(self, step: int) -> dict[str, float | None]:
        """What a row of the log says of the samples: empty where it is time neither to look nor to score."""
        minutes, last = (time.monotonic() - self._last_score) / 60, step == self._steps
        seen: dict[str, float | None] = (
            dict(self.look(step)._asdict()) if last or step % self._run.watch_every == 0 else {}
        )
        return seen | (
            {"usefulness": self._score(step, self._judge)}
            if self._judge and (last or minutes > self._run.score_minutes)
            else {}
        )

    def look(self, step: int) -> Look:
        """Look at the samples of this step, once."""
        if self._looked is None or self._looked[0] != step:
            self._kept.refresh(step)
            self._looked = step, self._watch.look(self._samples)
        return self._looked[1]

    def sheet(self, step: int) -> Images:
        """A sample grid of this step."""
        self._kept.refresh(step)
        return self._samples.sheet(self._run.grid)

    def measured(self, step: int) -> dict[str, Any]:
        """The figures of a checkpoint of this step for its record, and what they were measured against."""
        look, (scored, usefulness) = self.look(step), self._scored or (None, None)
        shares = {"distinct": look.distinct, "recall": look.recall, "coverage": look.coverage}
        score = {"usefulness": usefulness, "usefulness_step": scored}
        return (
            {"label_agreement_by_screener": look.label_agreement}
            | shares
            | score
            | {"compared_with": self._reference}
        )

    def _score(self, step: int, judge: Usefulness) -> float | None:
        self._kept.refresh(step)
        usefulness = judge.score(self._samples)
        self._scored = None if usefulness is None else (step, usefulness)
        self._last_score = time.monotonic()
        return usefulness


def _take_statistics(model: Any, latent: int, classes: int) -> None:
    norms = [layer for layer in model.layers if isinstance(layer, BatchNorm)]
    momenta = [norm.momentum for norm in norms]
    for k in range(BATCHES if norms else 0):
        for norm in norms:
            norm.momentum = k / (k + 1)  # the moving moments become the mean of all batches
        labels = tf.range(k * ROWS, (k + 1) * ROWS) % classes
        model(
            [tf.random.stateless_normal((ROWS, latent), (0, k), alg="philox"), labels],
            training=True,
        )
    for norm, momentum in zip(norms, momenta, strict=True):
        norm.momentum = momentum
