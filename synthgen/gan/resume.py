"""The saved state of a training: everything that it needs to go on exactly where it stopped.

What it writes:
    FOLDER/training/state.json                 whose training it is, how it is run, its log, and the
                                               file of its arrays
    FOLDER/training/state-000800.safetensors   networks, optimisers, step, screening classifier
"""

import dataclasses
import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, NamedTuple

from synthgen.config import GanSettings, TrainSettings
from synthgen.datasets.framing import FramingSettings
from synthgen.datasets.sources import AS_NEEDED
from synthgen.errors import CheckpointError, RecordError, ResumeError
from synthgen.gan.checkpoint import (
    CHECKPOINT_RECORD,
    remove_former_weights,
    settings_from_json,
)
from synthgen.gan.presets import BASELINE_SETTINGS, PRESETS
from synthgen.records import from_plain, parse_json, versions
from synthgen.storage import Storage
from synthgen.weights import Weights, pack_weights, unpack_weights

STATE_RECORD = "training/state.json"
STATE_FILE = re.compile(r"training/state-[0-9]+\.safetensors")
SCREENER_PREFIX = "screener/"  # begins the names of the screening classifier's arrays


class SavedRun(NamedTuple):
    """A training as it was saved.

    Args:
        arrays: what `GanState.export` returned.
        screener: weights of the screening classifier.
        seconds: training time so far.
        log: what `RunLog.content` returned.
    """

    arrays: Weights
    screener: Weights
    seconds: float
    log: Mapping[str, Any]


class SavedOptions(NamedTuple):
    """The options that a training was begun with.

    Args:
        preset: name of the recipe.
        gan: the recipe, with the options that were given.
        run: seed, logging and saving; what an earlier version did not save is as in the preset.
        labels: "per-class" where it trains one generator a class, else None.
        data: where its digits come from, as --data names it; "" where that is not known.
        fitting: how pictures were fitted to become these digits.
        versions: of the libraries that it was last saved with, by name; an earlier version of
            synthgen did not save them.
    """

    preset: str
    gan: GanSettings
    run: TrainSettings
    labels: str | None
    data: str
    fitting: FramingSettings
    versions: Mapping[str, str]


@dataclass(frozen=True, kw_only=True)
class StateIdentity:
    """What decides the course of a training, as state.json has it.

    Args:
        gan: fields of GanSettings; an early state lacks settings that came later.
        seed: of the training.
        preset: name of the recipe.
        training_data: SHA-256 of the training digits.
        labels: "per-class" where it trains one generator a class, else None.
    """

    gan: Mapping[str, Any]
    seed: int
    preset: str
    training_data: str
    labels: str | None = None


@dataclass(frozen=True, kw_only=True)
class StateRecord:
    """The content of state.json.

    Args:
        identity: what decides the course of the training.
        file: of the arrays.
        sha256: of that file.
        seconds: training time so far.
        log: lines of log.csv.
        run: fields of TrainSettings.
        data: where the digits come from, as --data names it.
        fitting: how pictures were fitted to become these digits.
        versions: of the libraries that it was trained with, by name.
        events: what happened.
    """

    identity: StateIdentity
    file: str
    sha256: str
    seconds: float
    log: tuple[str, ...]
    run: Mapping[str, Any] = field(default_factory=dict)
    data: str = ""
    fitting: FramingSettings = AS_NEEDED
    versions: Mapping[str, str] = field(default_factory=dict)
    events: tuple[Mapping[str, Any], ...] = ()

    def __post_init__(self) -> None:
        if not STATE_FILE.fullmatch(self.file):
            raise RecordError(
                f"expected a file such as training/state-000800.safetensors, received "
                f"{self.file[:60]!r}."
            )


def run_options(
    run: TrainSettings, data: str, fitting: FramingSettings = AS_NEEDED
) -> dict[str, Any]:
    """Return how a training is run, which does not change its course, for `save_run`.

    Args:
        run: seed, logging and saving.
        data: where its digits come from, as --data names it; "" where that is not known.
        fitting: how pictures were fitted to become these digits.
    """
    return {
        "run": dataclasses.asdict(run),
        "data": data,
        "fitting": dataclasses.asdict(fitting),
        "versions": versions(),
    }


def save_run(
    storage: Storage,
    identity: Mapping[str, Any],
    run: SavedRun,
    options: Mapping[str, Any] = MappingProxyType({}),
) -> None:
    """Save a training; what was saved before stays whole until it is.

    Args:
        storage: the training's folder.
        identity: everything that decides its course (see `TrainingJob.identity`).
        run: its state.
        options: how it is run (see `run_options`).
    """
    # the arrays, then the record that names them
    screener = {f"{SCREENER_PREFIX}{name}": array for name, array in run.screener.items()}
    packed = pack_weights(run.arrays | screener)
    file = f"training/state-{int(run.arrays['step']):06d}.safetensors"
    storage.write_bytes(file, packed)
    record = {
        "identity": identity,
        "file": file,
        "sha256": hashlib.sha256(packed).hexdigest(),
        "seconds": run.seconds,
        **options,
        **run.log,
    }
    storage.write_bytes(STATE_RECORD, json.dumps(record).encode())
    remove_former_weights(storage, STATE_RECORD)


def load_run(storage: Storage, identity: Mapping[str, Any], resume: bool) -> SavedRun | None:
    """Load the training to go on with.

    Args:
        storage: the training's folder.
        identity: of the training that is asked for (see `TrainingJob.identity`).
        resume: whether to go on with one.

    Returns:
        The training; None for a new one.

    Raises:
        ResumeError: if there is none to go on with, one that is not to be touched, or one with
            another identity.
        CheckpointError: if it is damaged.
    """
    # go on or begin?
    if not storage.exists(STATE_RECORD):
        if storage.exists(CHECKPOINT_RECORD):
            raise ResumeError(
                f"{storage.url} holds a checkpoint without a training to resume. "
                "Name another --out to keep it."
            )
        if resume:
            raise ResumeError(
                f"Expected a training to resume in {storage.url}, found none. "
                "Leave --resume away to begin one."
            )
        return None
    if not resume:
        raise ResumeError(
            f"{storage.url} already holds a training. "
            "Add --resume to go on with it, or name another --out."
        )

    # the same training?
    record = _read_record(storage)
    _check_same(storage, record, identity)

    # its arrays
    content = storage.read_bytes(record.file)
    if hashlib.sha256(content).hexdigest() != record.sha256:
        raise CheckpointError(
            f"{storage.url}/{record.file} is damaged: "
            f"its SHA-256 differs from the one in {STATE_RECORD}. Begin again in another --out."
        )
    arrays = unpack_weights(content, f"{storage.url}/{record.file}")
    screener = {}
    for name in [name for name in arrays if name.startswith(SCREENER_PREFIX)]:
        screener[name.removeprefix(SCREENER_PREFIX)] = arrays.pop(name)
    if "step" not in arrays or arrays["step"].shape:
        raise CheckpointError(
            f"{storage.url}/{record.file}: expected a number of steps among its arrays, received "
            "none. Begin again in another --out."
        )
    done = int(arrays["step"])
    steps = identity["gan"]["steps"]
    if done > steps:
        raise ResumeError(
            f"--steps: expected {done} or more, which are done in {storage.url}, received {steps}."
        )
    log = {"log": list(record.log), "events": [dict(event) for event in record.events]}
    return SavedRun(arrays=arrays, screener=screener, seconds=record.seconds, log=log)


def load_options(storage: Storage) -> SavedOptions | None:
    """Load the options that the training in a folder was begun with; None if there is none.

    Raises:
        CheckpointError: if its state is damaged.
    """
    if not storage.exists(STATE_RECORD):
        return None
    record = _read_record(storage)
    identity = record.identity
    preset = PRESETS.get(identity.preset)
    defaults = preset.run if preset else TrainSettings()
    options = dataclasses.asdict(defaults) | dict(record.run) | {"seed": identity.seed}
    try:
        run = from_plain(TrainSettings, options)
    except RecordError as error:
        raise CheckpointError(
            f"{storage.url}/{STATE_RECORD}: {error} Begin again in another --out."
        ) from error
    return SavedOptions(
        preset=identity.preset,
        gan=settings_from_json(identity.gan, f"{storage.url}/{STATE_RECORD}"),
        run=run,
        labels=identity.labels,
        data=record.data,
        fitting=record.fitting,
        versions=record.versions,
    )


def _read_record(storage: Storage) -> StateRecord:
    try:
        return from_plain(StateRecord, parse_json(storage.read_bytes(STATE_RECORD)))
    except RecordError as error:
        raise CheckpointError(
            f"{storage.url}/{STATE_RECORD} is damaged: {error} Begin again in another --out."
        ) from error


def _check_same(storage: Storage, record: StateRecord, identity: Mapping[str, Any]) -> None:
    """Make sure that the saved training is the one that is asked for.

    Raises:
        ResumeError: naming what differs.
    """
    # both as JSON has them: there tuples are lists
    saved = dataclasses.asdict(BASELINE_SETTINGS) | dict(record.identity.gan)
    if saved["decay_from"] == 1:
        # at constant rates the number of steps decides how long it goes on and nothing else
        saved["steps"] = identity["gan"]["steps"]
    for name in ("seed", "preset", "training_data", "labels"):
        saved[name] = getattr(record.identity, name)
    asked = {**identity["gan"], "labels": None, **identity}
    del asked["gan"]
    saved, asked = json.loads(json.dumps([saved, asked]))
    differences = [name for name in asked | saved if saved.get(name) != asked.get(name)]

    if "training_data" in differences:
        named = f" ({record.data})" if record.data else ""
        raise ResumeError(
            f"The training in {storage.url} was begun on other digits: "
            f"expected those of SHA-256 {saved['training_data'][:12]}..., "
            f"received {asked['training_data'][:12]}.... "
            f"Pass the same --data{named}, as it was then, or name another --out."
        )
    if differences:
        listed = ", ".join(
            f"{name} was {saved.get(name)}, is {asked.get(name)}" for name in differences
        )
        why = ""
        if differences == ["steps"]:
            why = (
                " Its rates fall over all of its steps (--decay-from), "
                "so that it cannot go on for longer."
            )
        raise ResumeError(
            f"The training in {storage.url} was begun with other settings: {listed}.{why} "
            "Leave these options away to go on with it as it was begun, or name another --out."
        )
