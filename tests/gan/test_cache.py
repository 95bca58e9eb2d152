from pathlib import Path
from typing import Any

import numpy as np
import pytest

from synthgen.config import GanSettings
from synthgen.datasets.digits import Digits
from synthgen.errors import CheckpointError, TrainingDiverged
from synthgen.gan import cache as module
from synthgen.gan.cache import find_checkpoint, find_in_cache, train_into_cache
from synthgen.gan.checkpoint import (
    Checkpoint,
    read_checkpoint,
    shipped_checkpoint,
    write_checkpoint,
)


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A cache of each test's own."""
    monkeypatch.setenv("SYNTHGEN_CACHE", str(tmp_path))


def train_to(step: int, patches: Digits, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a training be one checkpoint of this step."""

    def write(_: Digits, folder: str, gan: GanSettings, *__: Any, **___: Any) -> None:
        shape, weights = patches.image_shape, {"w": np.zeros(1, np.float32)}
        names = tuple(patches.class_names)
        write_checkpoint(
            folder,
            Checkpoint(
                settings=gan,
                class_names=names,
                image_shape=shape,
                generator=weights,
                screener={},
                record={"step": step},
            ),
        )

    monkeypatch.setattr(module, "train", write)


def test_what_is_trained_is_found_and_not_trained_again(
    patches: Digits, small: GanSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    train_to(small.steps, patches, monkeypatch)
    folder = train_into_cache(patches, small, preset="cdcgan", source="test")
    monkeypatch.setattr(module, "train", lambda *_, **__: pytest.fail("trained"))
    assert train_into_cache(patches, small, preset="cdcgan", source="test") == folder
    assert find_in_cache(patches, small, preset="cdcgan") == folder


def test_what_is_not_trained_to_its_end_is_not_found(
    patches: Digits, small: GanSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    for step in (0, small.steps - 1):
        with pytest.raises(
            CheckpointError,
            match=r"of preset 'cdcgan' that is trained on these digits already, found none.* Leave --dry-run away",
        ):
            find_in_cache(patches, small, preset="cdcgan")
        train_to(step, patches, monkeypatch)
        train_into_cache(patches, small, preset="cdcgan", source="test")


def test_a_generator_is_found_by_what_it_is(
    patches: Digits, small: GanSettings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shipped = read_checkpoint(shipped_checkpoint())
    assert find_checkpoint(shipped.sha256).record["step"] == shipped.record["step"]
    train_to(small.steps, patches, monkeypatch)
    made = read_checkpoint(train_into_cache(patches, small, preset="cdcgan", source="test"))
    for other in ("broken", "unfinished/best"):
        (tmp_path / "checkpoints" / other).mkdir(parents=True)
        (tmp_path / "checkpoints" / other / "checkpoint.json").write_text("torn")
    assert find_checkpoint(made.sha256).sha256 == made.sha256
    with pytest.raises(
        CheckpointError,
        match=rf"the set, {'0' * 64}: .* nor one of {tmp_path}/checkpoints\. Name its folder with --checkpoint\.$",
    ):
        find_checkpoint("0" * 64)


def test_the_advice_after_a_divergence_can_be_followed(
    patches: Digits, small: GanSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    def diverge(*_: Any, **__: Any) -> None:
        raise TrainingDiverged("Lower --generator-rate, and train into another --out.")

    monkeypatch.setattr(module, "train", diverge)
    with pytest.raises(
        TrainingDiverged,
        match=r"another --preset, or train with `synthgen train` and these options and pass its --out as --checkpoint\.$",
    ):
        train_into_cache(patches, small, preset="cdcgan", source="test")
