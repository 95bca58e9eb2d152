from pathlib import Path
from typing import Any

import numpy as np
import pytest

from synthgen.config import GanSettings
from synthgen.datasets.digits import Digits
from synthgen.errors import CheckpointError, TrainingDiverged
from synthgen.gan import cache as module
from synthgen.gan.cache import find_in_cache, train_into_cache
from synthgen.gan.checkpoint import (
    Checkpoint,
    find_checkpoint,
    read_checkpoint,
    shipped_checkpoint,
    write_checkpoint,
)
from synthgen.gan.job import TrainingJob
from tests.gan.jobs import job_of


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A cache of each test's own."""
    monkeypatch.setenv("SYNTHGEN_CACHE", str(tmp_path))


@pytest.fixture
def job(patches: Digits, small: GanSettings) -> TrainingJob:
    """A training that goes into the cache."""
    return job_of(patches, "", small, None)


def train_to(step: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a training be one checkpoint of this step."""

    def write(job: TrainingJob, **_: Any) -> None:
        checkpoint = Checkpoint(
            settings=job.gan,
            class_names=tuple(job.digits.class_names),
            image_shape=job.digits.image_shape,
            generator={"w": np.zeros(1, np.float32)},
            screener={},
            record={"step": step},
        )
        write_checkpoint(job.out, checkpoint)

    monkeypatch.setattr(module, "train", write)


def test_what_is_trained_is_found_and_not_trained_again(
    job: TrainingJob, small: GanSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    train_to(small.steps, monkeypatch)
    folder = train_into_cache(job)
    monkeypatch.setattr(module, "train", lambda *_, **__: pytest.fail("trained"))
    assert train_into_cache(job) == folder
    assert find_in_cache(job) == folder


def test_what_is_not_trained_to_its_end_is_not_found(
    job: TrainingJob, small: GanSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    for step in (0, small.steps - 1):
        with pytest.raises(
            CheckpointError,
            match=r"of preset 'cdcgan' that is trained on these digits already, found none",
        ):
            find_in_cache(job)
        train_to(step, monkeypatch)
        train_into_cache(job)


def test_a_generator_is_found_by_what_it_is(
    job: TrainingJob, small: GanSettings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shipped = read_checkpoint(shipped_checkpoint())
    assert find_checkpoint(shipped.sha256).record["step"] == shipped.record["step"]
    train_to(small.steps, monkeypatch)
    made = read_checkpoint(train_into_cache(job))
    for other in ("broken", "unfinished/best"):
        (tmp_path / "checkpoints" / other).mkdir(parents=True)
        (tmp_path / "checkpoints" / other / "checkpoint.json").write_text("torn")
    assert find_checkpoint(made.sha256).sha256 == made.sha256
    with pytest.raises(
        CheckpointError,
        match=rf"the set, {'0' * 64}: .* nor one of {tmp_path}/checkpoints\. Name its folder",
    ):
        find_checkpoint("0" * 64)


def test_the_advice_after_a_divergence_can_be_followed(
    job: TrainingJob, small: GanSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    def diverge(*_: Any, **__: Any) -> None:
        raise TrainingDiverged("Lower --generator-rate, and train into another --out.")

    monkeypatch.setattr(module, "train", diverge)
    with pytest.raises(
        TrainingDiverged,
        match=r"another --preset, or train with `synthgen train` and these options and pass its",
    ):
        train_into_cache(job)
