"""What a training wrote into its folder, read back as values for its report. No TensorFlow.

Files read:
    FOLDER/training/log.csv         one row every few steps
    FOLDER/training/events.jsonl    alarms, scores, resumptions
    FOLDER/checkpoint.json          the record; there is none before the first save
    FOLDER/samples/*.png            grids of samples
    FOLDER/samples/animation.*      the same grids as a moving picture
"""

import contextlib
import csv
import io
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from synthgen.errors import CheckpointError, RecordError
from synthgen.records import parse_json
from synthgen.storage import open_storage

LOG_PATH = "training/log.csv"
EVENTS_PATH = "training/events.jsonl"
RECORD_PATH = "checkpoint.json"

MOST_GRIDS = 30  # on a page; more are thinned out evenly
MOST_ANIMATION_BYTES = 8_000_000
ANIMATION_MEDIA = {"webp": "image/webp", "gif": "image/gif"}  # by the ending of the file's name

# Columns of a log, each (rows,) float64, NaN where a value was not measured.
LogColumns = Mapping[str, NDArray[np.float64]]


@dataclass(frozen=True, kw_only=True, eq=False)
class TrainingFiles:
    """A training as its folder shows it: finished, stopped or still under way.

    Args:
        name: of the folder.
        log: columns of the log by name, among them `step`; one row or more.
        record: content of checkpoint.json; empty before the first save.
        events: in the order in which they happened, each with its `kind`; where the folder holds
            none, the alarms of the record.
        grids: PNG files of up to MOST_GRIDS sample grids by the name of the file, in the order of
            their steps.
        grid_count: how many grids the folder holds.
        animation: media type and content of the moving picture, if there is one.
    """

    name: str
    log: LogColumns
    record: Mapping[str, Any]
    events: tuple[Mapping[str, Any], ...]
    grids: Mapping[str, bytes]
    grid_count: int
    animation: tuple[str, bytes] | None


def read_training(folder: str) -> TrainingFiles:
    """Reads what a training wrote.

    Args:
        folder: of the training, a path or an fsspec URL.

    Raises:
        CheckpointError: if there is no training in it, or its files are damaged.
        StorageError: if a file cannot be read.
    """
    storage = open_storage(folder)
    if not storage.exists(LOG_PATH):
        raise CheckpointError(
            f"Expected a training in {folder}, with {LOG_PATH}, found none. "
            "Name a folder that `synthgen train --out FOLDER` made."
        )
    log = read_log(storage.read_bytes(LOG_PATH), f"{folder}/{LOG_PATH}")

    # the record, from the first save on
    record: dict[str, Any] = {}
    if storage.exists(RECORD_PATH):
        try:
            record = dict(parse_json(storage.read_bytes(RECORD_PATH)))
        except (RecordError, ValueError, TypeError) as error:
            raise CheckpointError(
                f"{storage.url}/{RECORD_PATH} is damaged: {error}. "
                "Restore it, or train into another folder."
            ) from error

    # events, without a line that a crash cut off; else the alarms of the record
    events = []
    lines = storage.read_bytes(EVENTS_PATH).splitlines() if storage.exists(EVENTS_PATH) else []
    for line in lines:
        with contextlib.suppress(RecordError, ValueError, TypeError):
            events.append(dict(parse_json(line)))
    alarms = record.get("alarms")
    if not events and isinstance(alarms, list):
        events = [{"kind": "alarm", **alarm} for alarm in alarms if isinstance(alarm, dict)]

    # names of grids are numbers of steps: longer ones are later
    samples = storage.files("samples")
    grids = [path for path in samples if path.endswith(".png")]
    grids.sort(key=lambda path: (len(path), path))
    places = np.linspace(0, len(grids) - 1, min(MOST_GRIDS, len(grids)))
    chosen = [grids[place] for place in np.unique(places.round().astype(int))]

    # the first animation that is not too large for a page
    animation = None
    for ending, media in ANIMATION_MEDIA.items():
        path = f"samples/animation.{ending}"
        content = storage.read_bytes(path) if path in samples and not animation else b""
        if 0 < len(content) <= MOST_ANIMATION_BYTES:
            animation = (media, content)

    return TrainingFiles(
        name=folder.rstrip("/").rpartition("/")[2],
        log=log,
        record=record,
        events=tuple(events),
        grids={
            path.rpartition("/")[2].removesuffix(".png"): storage.read_bytes(path)
            for path in chosen
        },
        grid_count=len(grids),
        animation=animation,
    )


def read_log(content: bytes, path: str) -> LogColumns:
    """Reads the log of a training.

    Args:
        content: of log.csv; a row that a killed writer left half written is passed over.
        path: of the file, for messages.

    Raises:
        CheckpointError: if it is not a log with a column `step` and at least one whole row.
    """
    try:
        rows = list(csv.DictReader(io.StringIO(content.decode("utf-8"))))
        whole = [row for row in rows if None not in row.values()]
        log = {name: np.array([float(row[name] or "nan") for row in whole]) for name in rows[0]}
    except (csv.Error, IndexError, KeyError, TypeError, ValueError) as error:
        raise CheckpointError(
            f"Expected a log of a training in {path}, with a header and numbers, "
            f"received something else: {error}. Name a folder that `synthgen train` made."
        ) from error
    steps = log.get("step", np.array([]))
    if not len(steps) or not np.isfinite(steps).all():
        raise CheckpointError(
            f"Expected a log of a training in {path}, with a column 'step' and at least one row, "
            "received none. Train for a few steps more."
        )
    return log
