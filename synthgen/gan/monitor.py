"""The monitor: what is seen of a generator while it learns. Nothing of the training changes by it.

It draws the images of fixed latents, which change as the generator learns, compares them with real
digits in the features of the screening classifier, and scores how useful they are to a classifier.
"""

import functools
import time
from typing import Any

import numpy as np
from numpy.typing import NDArray

from synthgen.classifiers.fit import Trainer
from synthgen.classifiers.networks import build_screener
from synthgen.classifiers.predict import Classifier
from synthgen.classifiers.screener import load_screener, screener_trainer
from synthgen.datasets.digits import Digits, Images
from synthgen.datasets.pixels import grid
from synthgen.gan.job import SampleFigures, TrainingJob
from synthgen.gan.latents import draw_latents, image_seeds
from synthgen.gan.sampler import Sampler
from synthgen.metrics.precision_recall import radii, support
from synthgen.networks.backend import keras, tf
from synthgen.networks.gan import build_generator
from synthgen.networks.layers import BatchNorm, get_weights, set_weights
from synthgen.weights import Weights

SAMPLER_BATCH = 500  # images per pass through the generator
STATISTICS_BATCHES = 10
STATISTICS_ROWS = 256  # images in each of them


class Monitor:
    """Looks at the samples of a generator while it learns.

    What it looks at is a copy of the generator, which is also what checkpoints keep: its weights,
    and BatchNorm statistics of its own (see `take_statistics`). Training goes on as if nobody
    looked.

    Args:
        generator: the generator that learns; its weights are copied whenever a step is looked at.
        job: the training: recipe, digits, and how often and how closely to look.
        screener: weights of the screening classifier.

    Attributes:
        screener: these weights.
        last_score: step and usefulness of the last score; None if there is none.
    """

    def __init__(self, generator: keras.Model, job: TrainingJob, screener: Weights) -> None:
        shape = job.digits.image_shape
        classes = job.digits.classes
        self.screener = screener
        self.last_score: tuple[int, float] | None = None
        self._job = job
        self._generator = generator
        self._copy = build_generator(job.gan, shape, classes)
        self._copied_at: int | None = None
        self._sampler = Sampler(self._copy, SAMPLER_BATCH)
        self._reader = load_screener(screener, shape, classes)
        self._figures: tuple[int, SampleFigures] | None = None
        self._scored_at = time.monotonic()

    def figures(self, step: int) -> dict[str, float | None]:
        """Look at the samples and score them where it is time to, for a line of the log.

        Returns:
            The fields of SampleFigures where the samples were looked at, `usefulness` where they
            were scored.
        """
        run = self._job.run
        is_last = step == self._job.gan.steps
        figures: dict[str, float | None] = {}
        if is_last or step % run.watch_every == 0:
            figures |= self.look(step)._asdict()
        if self._job.validation is not None and run.score_minutes:
            minutes = (time.monotonic() - self._scored_at) / 60
            if is_last or minutes > run.score_minutes:
                settings = self._job.monitoring
                usefulness = self.score(
                    # not the images that are compared
                    self.samples(step, settings.score_images, first=settings.images)
                )
                self.last_score = None if usefulness is None else (step, usefulness)
                self._scored_at = time.monotonic()
                figures["usefulness"] = usefulness
        return figures

    def look(self, step: int) -> SampleFigures:
        """Compare the samples of a step with real digits, once a step."""
        if self._figures is None or self._figures[0] != step:
            samples = self.samples(step, self._job.monitoring.images)
            self._figures = (step, self.compare(samples))
        return self._figures[1]

    def measured(self, step: int) -> dict[str, Any]:
        """Give the figures of a step for the record of a checkpoint, and what they refer to."""
        look = self.look(step)
        scored, usefulness = self.last_score or (None, None)
        with_validation = self._job.validation is not None
        return {
            "label_agreement_by_screener": look.label_agreement,
            "distinct": look.distinct,
            "recall": look.recall,
            "coverage": look.coverage,
            "usefulness": usefulness,
            "usefulness_step": scored,
            "compared_with": "validation digits" if with_validation else "training digits",
        }

    def sheet(self, step: int) -> Images:
        """Draw a sample grid: a row a class or, without a condition, as many rows as columns."""
        columns = self._job.run.grid
        if not self._job.gan.conditional:
            return grid(self.samples(step, columns * columns).images, columns)
        samples = self.samples(step, columns * self._job.digits.classes)
        return grid(samples.images[np.argsort(samples.labels, kind="stable")], columns)

    def samples(self, step: int, count: int, first: int = 0) -> Digits:
        """Draw images of the classes in turn, from the same latents at every step.

        Args:
            step: of the generator.
            count: number of images.
            first: the images have the indices `first`, `first` + 1, ...

        Returns:
            The images with the labels that were asked for; without a condition these mean nothing.
        """
        self._copy_generator(step)
        labels = (np.arange(count) % self._job.digits.classes).astype(np.uint8)
        seeds = image_seeds(
            self._job.run.seed, labels.tolist(), range(first, first + count), [0] * count
        )
        images = self._sampler.images(draw_latents(seeds, self._job.gan.latent), labels)
        return Digits(images, labels, self._job.digits.class_names)

    def generator_weights(self, step: int) -> Weights:
        """Give the weights of the generator of a step as checkpoints keep them."""
        self._copy_generator(step)
        return get_weights(self._copy)

    def _copy_generator(self, step: int) -> None:
        if step != self._copied_at:
            set_weights(self._copy, get_weights(self._generator))
            take_statistics(self._copy, self._job.digits.classes)
            self._copied_at = step

    @functools.cached_property
    def _real_features(self) -> NDArray[np.float32]:
        """Features of the real digits that samples are compared with, (n, d) float32."""
        reference = self._job.validation
        if reference is None:
            reference = self._job.digits
        rng = np.random.Generator(np.random.Philox(key=self._job.run.seed))
        rows = rng.permutation(len(reference))[: self._job.monitoring.images]
        return self._reader.features(reference.images[rows])

    def compare(self, samples: Digits) -> SampleFigures:
        """Compare samples with real digits in the features of the screening classifier.

        Args:
            samples: images with the labels that were asked for; as many of them as there are real
                digits are compared with these.
        """
        neighbours = self._job.monitoring.neighbours
        agreement = None
        if self._job.gan.conditional:
            predicted = self._reader.probabilities(samples.images).argmax(axis=1)
            agreement = float(np.mean(predicted == samples.labels))
        real = self._real_features
        if len(real) <= neighbours:
            return SampleFigures(agreement, None, None, None)

        features = self._reader.features(samples.images[: len(real)])
        typical_distance = float(np.median(radii(real, 1)))
        shared = support(real, features, neighbours)
        return SampleFigures(
            label_agreement=agreement,
            distinct=float(np.mean(radii(features, 1) > typical_distance / 2)),
            recall=shared.recall,
            coverage=shared.coverage,
        )

    @functools.cached_property
    def _score_trainer(self) -> Trainer:
        """The training of a classifier that starts from the same weights for every score.

        It has the architecture of the screening classifier and a seed of its own.
        """
        digits = self._job.digits
        seed = self._job.run.seed + 1
        network = build_screener(digits.image_shape, digits.classes, seed)
        return screener_trainer(network, self._job.monitoring.score_steps, seed)

    @functools.cached_property
    def _score_classifier(self) -> Classifier:
        """The classifier that is trained for every score."""
        return Classifier(self._score_trainer.network)

    def score(self, samples: Digits) -> float | None:
        """Train a small classifier on samples alone and test it on the validation digits.

        Args:
            samples: images with the labels that were asked for. Without a condition the screening
                classifier labels them, and those that it is not sure of are left out.

        Returns:
            The accuracy, 0..1; None if there is no sample that could be labelled.
        """
        validation = self._job.validation
        if validation is None:
            return None
        if not self._job.gan.conditional:
            probabilities = self._reader.probabilities(samples.images)
            kept = probabilities.max(axis=1) >= self._job.monitoring.confidence
            labels = probabilities[kept].argmax(axis=1).astype(np.uint8)
            samples = Digits(samples.images[kept], labels, samples.class_names)
        if not len(samples):
            return None
        self._score_trainer.fit(samples)
        predicted = self._score_classifier.probabilities(validation.images).argmax(axis=1)
        return float(np.mean(predicted == validation.labels))


def take_statistics(generator: keras.Model, classes: int) -> None:
    """Give a generator precise BatchNorm statistics: those of its own images.

    The moving moments of a training belong to the weights of some hundred steps ago, and those of
    an averaged generator to no weights at all. Here they become the mean moments of a few thousand
    fresh images (Wu & Johnson 2021, https://arxiv.org/abs/2105.07576, section 3).

    Args:
        generator: a model of `build_generator`, whose statistics change and nothing else.
        classes: number of classes, which the images belong to in turn.
    """
    norms = [layer for layer in generator.layers if isinstance(layer, BatchNorm)]
    if not norms:
        return
    latent = generator.input_shape[0][1]
    momenta = [norm.momentum for norm in norms]
    for k in range(STATISTICS_BATCHES):
        for norm in norms:
            norm.momentum = k / (k + 1)  # the moving moments become the mean of all batches
        latents = tf.random.stateless_normal((STATISTICS_ROWS, latent), (0, k), alg="philox")
        labels = tf.range(k * STATISTICS_ROWS, (k + 1) * STATISTICS_ROWS) % classes
        generator([latents, labels], training=True)
    for norm, momentum in zip(norms, momenta, strict=True):
        norm.momentum = momentum
