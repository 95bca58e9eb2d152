"""The saved state of a training: everything that it needs to go on exactly where it stopped.

What it writes:
    FOLDER/training/state.json                 whose training it is, how it is run, its log, and the file of its arrays
    FOLDER/training/state-000800.safetensors   networks, optimisers, step, screening classifier
"""

import dataclasses
import hashlib
import json
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, NamedTuple

import safetensors.numpy

from synthgen.config import GanSettings, TrainSettings
from synthgen.errors import CheckpointError, ResumeError
from synthgen.gan.checkpoint import RECORD, settings_from_json
from synthgen.gan.recipes import FIRST
from synthgen.storage import Storage
from synthgen.weights import Weights, pack_weights

STATE = "training/state.json"
SCREENER = "screener/"  # begins the names of the screening classifier's arrays


class Begun(NamedTuple):
    """What a training was begun with.

    Args:
        preset: name of the recipe.
        gan: the recipe, with the options that were given.
        run: fields of TrainSettings; only the seed where an earlier version began it.
        labels: "per-class" where it trains one generator a class.
        data: where its digits come from, as --data names it; "" where that is not known.
    """

    preset: str
    gan: GanSettings
    run: Mapping[str, Any]
    labels: str | None = None
    data: str = ""


class SavedRun(NamedTuple):
    """A training as it was saved.

    Args:
        arrays: of `GanState.export`.
        screener: weights of the screening classifier.
        seconds: training time so far.
        log: of `RunLog.content`.
    """

    arrays: Weights
    screener: Weights
    seconds: float
    log: Mapping[str, Any]


def run_options(run: TrainSettings, data: str) -> dict[str, Any]:
    """How a training is run, for `save_run`.

    Args:
        run: seed, logging and saving.
        data: where its digits come from, as --data names it; "" where that is not known.
    """
    return {"run": dataclasses.asdict(run), "data": data}


def save_run(
    storage: Storage,
    identity: Mapping[str, Any],
    run: SavedRun,
    options: Mapping[str, Any] = MappingProxyType({}),
) -> None:
    """Save a training; what was saved before stays whole until it is.

    Args:
        storage: the training's folder.
        identity: everything that decides its course, ready for JSON.
        run: its state.
        options: how it is run, which does not change its course: of `run_options`.
    """
    arrays = run.arrays | {f"{SCREENER}{name}": array for name, array in run.screener.items()}
    packed, file = pack_weights(arrays), f"training/state-{int(run.arrays['step']):06d}.safetensors"
    storage.write_bytes(file, packed)
    content = {
        "identity": identity,
        "file": file,
        "sha256": hashlib.sha256(packed).hexdigest(),
        "seconds": run.seconds,
        **options,
        **run.log,
    }
    storage.write_bytes(STATE, json.dumps(content).encode())
    for old in storage.files("training"):
        if old.endswith(".safetensors") and old != file:
            storage.remove(old)


def load_run(storage: Storage, identity: Mapping[str, Any], resume: bool) -> SavedRun | None:
    """The training to go on with, or None for a new one.

    Args:
        storage: the training's folder.
        identity: of the training that is asked for.
        resume: whether to go on with one.

    Raises:
        ResumeError: if there is none to go on with, one that is not to be touched, or one with
            another identity.
        CheckpointError: if it is damaged.
    """
    if not storage.exists(STATE):
        if storage.exists(RECORD):
            raise ResumeError(
                f"{storage.url} holds a checkpoint without a training to resume. Name another --out to keep it."
            )
        if resume:
            raise ResumeError(
                f"Expected a training to resume in {storage.url}, found none. Leave --resume away to begin one."
            )
        return None
    if not resume:
        raise ResumeError(
            f"{storage.url} already holds a training. Add --resume to go on with it, or name another --out."
        )
    return _read(storage, identity)


def begun_with(storage: Storage) -> Begun | None:
    """What the training in a folder was begun with; None if there is none.

    Raises:
        CheckpointError: if its state is damaged.
    """
    if not storage.exists(STATE):
        return None
    record = _read_state(storage)
    identity = record["identity"]
    gan, run = (
        settings_from_json(identity["gan"], f"{storage.url}/{STATE}"),
        record.get("run", {}) | {"seed": identity["seed"]},
    )
    return Begun(identity["preset"], gan, run, identity.get("labels"), record.get("data", ""))


def _read_state(storage: Storage) -> dict[str, Any]:
    try:
        record = json.loads(storage.read_bytes(STATE))
    except ValueError as error:
        raise CheckpointError(
            f"{storage.url}/{STATE} is damaged: {error}. Begin anew in another --out."
        ) from error
    record["identity"]["gan"] = dict(FIRST) | record["identity"]["gan"]
    return dict(record)


def _read(storage: Storage, identity: Mapping[str, Any]) -> SavedRun:
    record = _read_state(storage)
    _check_same(storage, record, identity)
    content = storage.read_bytes(record["file"])
    if hashlib.sha256(content).hexdigest() != record["sha256"]:
        raise CheckpointError(
            f"{storage.url}/{record['file']} is damaged (its SHA-256 differs from the one in {STATE}). Begin anew in another --out."
        )
    arrays = safetensors.numpy.load(content)
    screener = {
        name.removeprefix(SCREENER): array
        for name, array in arrays.items()
        if name.startswith(SCREENER)
    }
    rest = {name: array for name, array in arrays.items() if not name.startswith(SCREENER)}
    if int(rest["step"]) > identity["gan"]["steps"]:
        raise ResumeError(
            f"--steps: expected {int(rest['step'])} or more, which are done in {storage.url}, received {identity['gan']['steps']}."
        )
    return SavedRun(
        rest,
        screener,
        record["seconds"],
        {"log": record["log"], "events": record.get("events", [])},
    )


def _check_same(storage: Storage, record: Mapping[str, Any], identity: Mapping[str, Any]) -> None:
    differences = _differences(_of_length(record["identity"], identity["gan"]["steps"]), identity)
    if "training_data" in differences:
        (old, new), named = (
            differences["training_data"],
            f" ({record['data']})" if record.get("data") else "",
        )
        raise ResumeError(
            f"The training in {storage.url} was begun on other digits: expected those of SHA-256 {old[:12]}..., received {new[:12]}.... "
            f"Pass the same --data{named}, as it was then, or name another --out."
        )
    if differences:
        told = ", ".join(f"{name} was {old}, is {new}" for name, (old, new) in differences.items())
        why = (
            " Its rates fall over all of its steps (--decay-from), so that it cannot go on for longer."
            if set(differences) == {"steps"}
            else ""
        )
        raise ResumeError(
            f"The training in {storage.url} was begun with other settings: {told}.{why} "
            "Leave these options away to go on with it as it was begun, or name another --out."
        )


def _of_length(identity: Mapping[str, Any], steps: int) -> Mapping[str, Any]:
    """The same training of so many steps, where these decide how long it goes on and nothing else: at constant rates."""
    return (
        {**identity, "gan": identity["gan"] | {"steps": steps}}
        if identity["gan"]["decay_from"] == 1
        else identity
    )


def _differences(before: Mapping[str, Any], now: Mapping[str, Any]) -> dict[str, tuple[Any, Any]]:
    flat_before, flat_now = (
        {**side["gan"], **{k: v for k, v in side.items() if k != "gan"}} for side in (before, now)
    )
    known = json.loads(json.dumps(flat_now))  # tuples are lists there
    pairs = {name: (flat_before.get(name), known.get(name)) for name in known | flat_before}
    return {name: (old, new) for name, (old, new) in pairs.items() if old != new}
