"""The values that a training takes and returns. No TensorFlow."""

import dataclasses
import functools
from dataclasses import dataclass
from typing import Any, NamedTuple

from synthgen.config import GanSettings, TrainSettings
from synthgen.datasets.digits import Digits
from synthgen.datasets.framing import FramingSettings
from synthgen.datasets.sources import AS_NEEDED
from synthgen.gan.alarms import Alarm
from synthgen.weights import Weights

# what each training step measures
STEP_METRICS = (
    "discriminator_loss",
    "generator_loss",
    "real_accuracy",
    "fake_accuracy",
    "penalty",
    "discriminator_gradient",
    "generator_gradient",
)
BEST_FOLDER = "best"  # the checkpoint that was most useful on validation digits
GOOD_FOLDER = "good"  # the last checkpoint from before the last trouble began


@dataclass(frozen=True, kw_only=True)
class MonitorSettings:
    """How closely the samples of a training are looked at; trainings of users take the defaults.

    Args:
        images: samples, and real digits at most, that are compared with one another.
        neighbours: the k of recall and coverage (see `metrics.precision_recall.support`).
        score_images: samples that a classifier learns from to score their usefulness.
        score_steps: gradient steps of that classifier.
        confidence: probability, 0..1, from which the screening classifier's label of a sample
            without a label of its own is taken for true.
    """

    images: int = 1000
    neighbours: int = 5
    score_images: int = 3000
    score_steps: int = 250
    confidence: float = 0.6


@dataclass(frozen=True, kw_only=True, eq=False)
class TrainingJob:
    """What is to be trained, on which digits, where, and what its checkpoints say of that.

    Args:
        digits: the training digits.
        out: the folder to make, a path or fsspec URL.
        gan: the recipe.
        run: seed, logging and saving.
        preset: name of the preset that the recipe comes from, for the record.
        source: where the digits come from in words, for the record.
        command: the command line, for the record.
        data: where the digits come from as --data names it, so that --resume finds them again.
        fitting: how pictures were fitted to become these digits, for the same reason.
        validation: digits to watch the training with and to choose the best checkpoint on. They do
            not change its course. Without them nothing but `digits` is ever looked at: samples are
            compared with these, and none is scored.
        screener: weights of a screening classifier that was trained before; None: it is trained on
            `digits`.
        monitoring: how closely the samples are looked at.
    """

    digits: Digits
    out: str
    gan: GanSettings
    run: TrainSettings
    preset: str
    source: str
    command: str = ""
    data: str = ""
    fitting: FramingSettings = AS_NEEDED
    validation: Digits | None = None
    screener: Weights | None = None
    monitoring: MonitorSettings = MonitorSettings()

    @functools.cached_property
    def identity(self) -> dict[str, Any]:
        """Everything that decides the course of the training, ready for JSON."""
        return {
            "gan": dataclasses.asdict(self.gan),
            "seed": self.run.seed,
            "preset": self.preset,
            "training_data": self.digits.sha256(),
        }

    def training_data(self) -> dict[str, Any]:
        """Source, SHA-256 and number of the training digits, for the record of a checkpoint."""
        return {
            "source": self.source,
            "sha256": self.identity["training_data"],
            "images": len(self.digits),
        }

    def next_goal(self, step: int) -> int:
        """The first step after this one where there is something to do beside training."""
        intervals = (self.run.log_every, self.run.samples_every, self.run.watch_every)
        return min(self.gan.steps, *(every * (step // every + 1) for every in intervals))


class SampleFigures(NamedTuple):
    """What one comparison of samples with real digits found; None where it has no meaning.

    Args:
        label_agreement: share of the samples, 0..1, in which the screening classifier sees the
            class that was asked for.
        distinct: share of the samples, 0..1, that are not nearly the same as another one. Nearly
            the same: in the screening classifier's features nearer than half the distance that real
            digits typically have to their nearest neighbour.
        recall: share of the real digits, 0..1, within the support of the samples (see `support`).
        coverage: share of the real digits, 0..1, that have a sample near.
    """

    label_agreement: float | None
    distinct: float | None
    recall: float | None
    coverage: float | None


@dataclass(frozen=True, kw_only=True)
class TrainingResult:
    """What a training came to.

    Args:
        folder: the last checkpoint.
        step: steps done.
        seconds: training time over all runs.
        label_agreement: share of samples, 0..1, in which the screening classifier sees the digit
            that was asked for; None where the generator cannot be asked for a class.
        usefulness: accuracy, 0..1, on validation digits of a small classifier trained on samples
            alone; None without validation digits.
        best_step: step of the most useful checkpoint, in FOLDER/best.
        best_usefulness: its usefulness.
        alarms: the trouble that was found, over all runs.
        chief: False on a machine that trained along: only the chief knows the figures.
    """

    folder: str
    step: int
    seconds: float
    label_agreement: float | None
    usefulness: float | None = None
    best_step: int | None = None
    best_usefulness: float | None = None
    alarms: tuple[Alarm, ...] = ()
    chief: bool = True

    def lines(self) -> list[str]:
        """The summary of the training for a terminal."""
        if not self.chief:
            return [
                f"Trained    {self.step:,} steps in {self.seconds:,.0f} s, along with the chief",
                f"Checkpoint {self.folder}, written by the chief",
            ]
        lines = [f"Trained    {self.step:,} steps in {self.seconds:,.0f} s"]
        if self.label_agreement is not None:
            agreement = f"{self.label_agreement:.2%} of samples show the class asked for"
            lines.append(f"Labels     {agreement}")
        if self.usefulness is None:
            lines.append("Usefulness not scored")
        else:
            accuracy = f"{self.usefulness:.2%} of validation digits"
            lines.append(f"Usefulness {accuracy} read by a classifier of samples alone")
        if self.best_step:
            best = f"step {self.best_step:,}, usefulness {self.best_usefulness:.2%}"
            lines.append(f"Best       {self.folder}/{BEST_FOLDER}: {best}")
        for alarm in self.alarms:
            lines.append(f"ALARM      at step {alarm.step:,}, {alarm.name}: {alarm.message}")
        if not self.alarms:
            lines.append("Alarms     none")
        lines.append(f"Checkpoint {self.folder}, grids in samples/, log in training/log.csv")
        return lines
