"""Trained once, kept: generators in the user's cache."""

import contextlib
import dataclasses
from collections.abc import Callable
from functools import partial
from pathlib import PurePosixPath
from typing import Any

from synthgen.config import GanSettings
from synthgen.datasets.digits import Digits
from synthgen.errors import CheckpointError, Interrupted, SynthgenError, TrainingDiverged
from synthgen.gan.checkpoint import (
    KEPT,
    RECORD,
    Checkpoint,
    identity_of,
    is_trained,
    kept_folder,
    read_checkpoint,
    shipped_checkpoint,
)
from synthgen.gan.devices import find_devices
from synthgen.gan.per_class import train_per_class
from synthgen.gan.recipes import find_preset
from synthgen.gan.saved import STATE
from synthgen.gan.train import train
from synthgen.storage import cache_folder, open_storage


def train_into_cache(
    digits: Digits,
    gan: GanSettings,
    *,
    preset: str,
    source: str,
    validation: Digits | None = None,
    per_class: bool = False,
    say: Callable[[str], Any] = print,
    seed: int = 0,
) -> str:
    """Train a recipe once: the checkpoint stays in the user's cache and is found there the next time.

    A training that was stopped goes on where it was.

    Args:
        digits: the training digits.
        gan: the recipe.
        preset: its name.
        source: where the digits come from, for the record.
        validation: digits to watch the training with, see `train`.
        per_class: train one generator a class.
        say: told which class begins.
        seed: of the training.

    Returns:
        The checkpoint folder.
    """
    find_devices().check_single("synthgen build --train")
    folder = _folder(digits, gan, preset, per_class, seed)
    if is_trained(folder, gan.steps):
        return folder
    resume, trainer = (
        open_storage(folder).exists(STATE),
        partial(train_per_class, say=say) if per_class else train,
    )
    begin = partial(
        trainer,
        preset=preset,
        source=source,
        command="synthgen build --train",
        resume=resume,
        validation=validation,
    )
    try:
        begin(digits, folder, gan, dataclasses.replace(find_preset(preset).run, seed=seed))
    except Interrupted as error:
        raise Interrupted(
            f"Training was stopped; all is saved in {folder}. Run the same command again to go on."
        ) from error
    except TrainingDiverged as error:
        raise TrainingDiverged(
            f"{error} With `synthgen build --train` use another --preset, or train with `synthgen train` and these options and pass its --out as "
            "--checkpoint."
        ) from error
    return folder


def find_in_cache(
    digits: Digits, gan: GanSettings, *, preset: str, per_class: bool = False, seed: int = 0
) -> str:
    """The folder of what `train_into_cache` has made of the same.

    Raises:
        CheckpointError: if it is not there, or its training has not ended.
    """
    folder = _folder(digits, gan, preset, per_class, seed)
    if not is_trained(folder, gan.steps):
        raise CheckpointError(
            f"--dry-run: expected a generator of preset {preset!r} that is trained on these digits already, found none in the cache. "
            "Leave --dry-run away to train it and build, or leave --train away to measure with the shipped generator."
        )
    return folder


def find_checkpoint(sha256: str) -> Checkpoint:
    """The checkpoint of this identity: the shipped one, or one in the user's cache.

    Raises:
        CheckpointError: if it is neither.
    """
    for folder in (shipped_checkpoint(), *_kept()):
        # one that is damaged or of another version is not the one looked for
        with contextlib.suppress(SynthgenError):
            found = read_checkpoint(folder)
            if found.sha256 == sha256:
                return found
    raise CheckpointError(
        f"Expected the checkpoint that made the set, {sha256}: it is neither the shipped one nor one of {cache_folder()}/{KEPT}. "
        "Name its folder with --checkpoint."
    )


def _kept() -> list[str]:
    """The checkpoint folders in the cache."""
    storage = open_storage(cache_folder())
    records = (
        path for path in storage.files(KEPT) if PurePosixPath(path).match(f"{KEPT}/*/{RECORD}")
    )
    return [f"{storage.url}/{path.removesuffix(f'/{RECORD}')}" for path in records]


def _folder(digits: Digits, gan: GanSettings, preset: str, per_class: bool, seed: int) -> str:
    return kept_folder(
        f"{preset}{'-per-class' if per_class else ''}", identity_of(gan), seed, digits.sha256()
    )
