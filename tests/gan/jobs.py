"""Trainings of a few steps, for the tests of this folder."""

from pathlib import Path
from typing import Any

from synthgen.config import GanSettings, TrainSettings
from synthgen.datasets.digits import Digits
from synthgen.gan.job import MonitorSettings, TrainingJob
from synthgen.weights import Weights

RUN = TrainSettings(samples_every=10, log_every=5, watch_every=20)
QUICK = MonitorSettings(images=60, score_images=60, score_steps=8)


def job_of(
    digits: Digits,
    out: Path | str,
    gan: GanSettings,
    screener: Weights | None,
    *,
    run: TrainSettings = RUN,
    **options: Any,
) -> TrainingJob:
    """A job that looks at few samples."""
    defaults = {"preset": "cdcgan", "source": "test", "command": "synthgen train"}
    return TrainingJob(
        digits=digits,
        out=str(out),
        gan=gan,
        run=run,
        screener=screener,
        monitoring=QUICK,
        **{**defaults, **options},
    )
