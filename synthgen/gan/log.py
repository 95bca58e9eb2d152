"""The log of a training: one row of figures every few steps, and what happened, as CSV, JSON lines and TensorBoard events.

What it writes:
    FOLDER/training/log.csv          rows; a figure that was not measured is empty; images_per_second counts a batch an update of the generator
    FOLDER/training/events.jsonl     alarms, scores, resumptions: one JSON object a line
    FOLDER/training/events.out.*     the rows for TensorBoard (on local disks)
"""

import csv
import functools
import io
import json
import time
from collections.abc import Mapping, Sequence
from typing import Any

from PIL import Image

from synthgen.datasets.digits import Images
from synthgen.datasets.pixels import decode_png
from synthgen.gan.alarms import Row
from synthgen.gan.monitor import Look
from synthgen.gan.step import METRICS
from synthgen.networks.backend import tf
from synthgen.storage import Storage

ANIMATION = "samples/animation.webp"


MOST_BYTES = 3_000_000


MILLISECONDS = 150  # a frame


LAST_MILLISECONDS = 2000


LOG = "training/log.csv"
EVENTS = "training/events.jsonl"
COLUMNS = ("step", "seconds", "images_per_second", *METRICS, *Look._fields, "usefulness")
WRITE_SECONDS = 2.0  # between two writes of the files


class RunLog:
    """The log in memory and on disk; both hold all rows, those of earlier runs too.

    Args:
        storage: the training's folder.
        saved: what `content` gave when the training was saved; None for a new one.
    """

    def __init__(self, storage: Storage, saved: Mapping[str, Any] | None = None) -> None:
        self._storage, self._written = storage, 0.0
        self._lines: list[str] = [*saved["log"]] if saved else [",".join(COLUMNS)]
        self.rows: list[Row] = [
            {name: float(text) for name, text in row.items() if text}
            for row in csv.DictReader(self._lines)
        ]
        self.events: list[dict[str, Any]] = [*saved["events"]] if saved else []

    @functools.cached_property
    def _board(self) -> Any:
        """The writer for TensorBoard, which makes a file of its own when it is first asked for."""
        return (
            tf.summary.create_file_writer(self._storage.full("training"))
            if self._storage.is_local
            else tf.summary.create_noop_writer()
        )

    def add(self, row: Mapping[str, float | None]) -> None:
        """Append a row with figures for some of COLUMNS: whole numbers as they are, others to six digits."""
        texts = {
            name: str(value) if isinstance(value, int) else f"{value:.6g}"
            for name, value in row.items()
            if value is not None
        }
        self._lines.append(",".join(texts.get(name, "") for name in COLUMNS))
        self.rows.append({name: float(text) for name, text in texts.items()})
        with self._board.as_default(step=int(texts["step"])):
            for name, value in self.rows[-1].items():
                tf.summary.scalar(name, value)
        if time.monotonic() - self._written > WRITE_SECONDS:
            self.write()

    def note(self, kind: str, step: int, **facts: Any) -> None:
        """Append something that happened."""
        self.events.append({"step": step, "kind": kind, **facts})
        self.write()

    def write(self) -> None:
        """Bring the files up to date."""
        events = "".join(json.dumps(event) + "\n" for event in self.events)
        for file, text in ((LOG, "\n".join(self._lines) + "\n"), (EVENTS, events)):
            self._storage.write_bytes(file, text.encode(), durable=False)
        self._board.flush()
        self._written = time.monotonic()

    def alarms(self) -> list[dict[str, Any]]:
        """The alarms that were raised, with name, step and message."""
        return [
            {name: value for name, value in event.items() if name != "kind"}
            for event in self.events
            if event["kind"] == "alarm"
        ]

    def last_score(self) -> tuple[int, float] | None:
        """Step and usefulness of the last score, if there is one."""
        scores = [
            (int(event["step"]), float(event["usefulness"]))
            for event in self.events
            if event["kind"] == "score"
        ]
        return scores[-1] if scores else None

    def content(self) -> dict[str, Any]:
        """All of it, ready for JSON."""
        return {"log": self._lines, "events": self.events}


def write_animation(storage: Storage) -> None:
    """Make samples/animation.webp of the grids in samples/; nothing where there are fewer than two.

    Grids of another size than the last one (--grid was changed) are left out.
    """
    sheets = [decode_png(storage.read_bytes(file)) for file in sheet_files(storage)]
    # they are stored enlarged twice
    same = [sheet[::2, ::2] for sheet in sheets if sheet.shape == sheets[-1].shape]
    if len(same) > 1:
        storage.write_bytes(ANIMATION, encode_animation(same), durable=False)


def sheet_files(storage: Storage) -> list[str]:
    """The sample grids of a training, in the order of their steps."""
    return sorted(
        (file for file in storage.files("samples") if file.endswith(".png")),
        key=lambda file: (len(file), file),
    )


def encode_animation(frames: Sequence[Images], limit: int = MOST_BYTES) -> bytes:
    """Frames as an animated WebP that repeats for ever and rests on the last one.

    Args:
        frames: at least one, each (height, width, channels) uint8.
        limit: bytes; if they do not suffice, every other frame is left out, again and again.
    """
    chosen = list(frames)
    while len(content := _encode(chosen)) > limit and len(chosen) > 1:
        chosen = chosen[::-2][::-1]  # the last one stays
    return content


def _encode(frames: Sequence[Images]) -> bytes:
    pictures = [
        Image.fromarray(frame[..., 0] if frame.shape[-1] == 1 else frame).convert("RGB")
        for frame in frames
    ]
    durations = [MILLISECONDS] * (len(frames) - 1) + [LAST_MILLISECONDS]
    buffer = io.BytesIO()
    pictures[0].save(
        buffer,
        "WEBP",
        save_all=True,
        append_images=pictures[1:],
        duration=durations,
        loop=0,
        quality=75,
        method=4,
    )
    return buffer.getvalue()
