"""What is seen of a training's generator: sample grids, figures of its samples, its usefulness. Nothing of the training changes."""

import time
from typing import Any

from synthgen.config import GanSettings, TrainSettings
from synthgen.datasets.digits import Digits, Images
from synthgen.gan.checkpoint import Weights
from synthgen.gan.samples import FixedSamples
from synthgen.gan.screener import Screener
from synthgen.gan.snapshot import Snapshot
from synthgen.gan.usefulness import Usefulness
from synthgen.gan.watch import Look, Watch


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
