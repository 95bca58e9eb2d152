"""Generators that are trained once and kept in the user's cache."""

import dataclasses
from collections.abc import Callable
from typing import Any

from synthgen.errors import CheckpointError, Interrupted, TrainingDiverged
from synthgen.gan.checkpoint import cached_checkpoint, identity_of, is_trained
from synthgen.gan.devices import find_devices
from synthgen.gan.job import TrainingJob
from synthgen.gan.per_class import train_per_class
from synthgen.gan.resume import STATE_RECORD
from synthgen.gan.train import train
from synthgen.storage import open_storage


def train_into_cache(
    job: TrainingJob, *, per_class: bool = False, say: Callable[[str], Any] = print
) -> str:
    """Train a recipe once: the checkpoint stays in the user's cache and is found there next time.

    A training that was stopped goes on where it was.

    Args:
        job: what is to be trained; its `out` is not looked at.
        per_class: train one generator a class.
        say: called with a line of text when a class begins.

    Returns:
        The checkpoint folder.

    Raises:
        Interrupted: after Ctrl-C; the state is saved.
        TrainingDiverged: with what can be done about it.
    """
    find_devices().check_single("synthgen build --train")
    folder = cache_folder_of(job, per_class=per_class)
    if is_trained(folder, job.gan.steps):
        return folder
    job = dataclasses.replace(job, out=folder)
    resume = open_storage(folder).exists(STATE_RECORD)
    try:
        if per_class:
            train_per_class(job, resume=resume, say=say)
        else:
            train(job, resume=resume)
    except Interrupted as error:
        raise Interrupted(
            f"Training was stopped; all is saved in {folder}. Run the same command again to go on."
        ) from error
    except TrainingDiverged as error:
        raise TrainingDiverged(
            f"{error} With `synthgen build --train` use another --preset, or train with "
            "`synthgen train` and these options and pass its --out as --checkpoint."
        ) from error
    return folder


def find_in_cache(job: TrainingJob, *, per_class: bool = False) -> str:
    """Find what `train_into_cache` has made of the same job.

    Returns:
        The checkpoint folder.

    Raises:
        CheckpointError: if it is not there, or its training has not ended.
    """
    folder = cache_folder_of(job, per_class=per_class)
    if not is_trained(folder, job.gan.steps):
        raise CheckpointError(
            f"--dry-run: expected a generator of preset {job.preset!r} that is trained on these "
            "digits already, found none in the cache. Leave --dry-run away to train it and build, "
            "or leave --train away to measure with the shipped generator."
        )
    return folder


def cache_folder_of(job: TrainingJob, *, per_class: bool) -> str:
    """Return the folder in the user's cache where the generator of a job is kept."""
    name = f"{job.preset}-per-class" if per_class else job.preset
    return cached_checkpoint(name, identity_of(job.gan), job.run.seed, job.digits.sha256())
