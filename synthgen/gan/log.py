"""The log of a training: rows of figures, what happened, and the animation of its sample grids.

What it writes:
    FOLDER/training/log.csv          the rows; a figure that was not measured is empty;
                                     images_per_second counts a batch an update of the generator
    FOLDER/training/events.jsonl     alarms, scores, resumptions: one JSON object a line
    FOLDER/training/events.out.*     the rows for TensorBoard (on local disks)
    FOLDER/samples/animation.webp    the sample grids, one after the other
"""

import csv
import functools
import io
import json
import os
import time
from collections.abc import Mapping, Sequence
from typing import Any

from PIL import Image

from synthgen.datasets.digits import Images
from synthgen.datasets.pixels import decode_png
from synthgen.gan.alarms import LogRow
from synthgen.gan.job import STEP_METRICS, SampleFigures
from synthgen.networks.backend import tf
from synthgen.storage import Storage

LOG_FILE = "training/log.csv"
EVENTS_FILE = "training/events.jsonl"
LOG_COLUMNS = (
    "step",
    "seconds",
    "images_per_second",
    *STEP_METRICS,
    *SampleFigures._fields,
    "usefulness",
)
WRITE_SECONDS = 2.0  # between two writes of the files

ANIMATION = "samples/animation.webp"
ANIMATION_BYTES = 3_000_000  # at most
FRAME_MILLISECONDS = 150
LAST_FRAME_MILLISECONDS = 2000


class RunLog:
    """The log in memory and on disk; both hold all rows, those of earlier runs too.

    Args:
        storage: the training's folder.
        saved: what `content` returned when the training was saved; None for a new one.

    Attributes:
        rows: the figures of each row that were measured, by column.
        events: what happened: `step`, `kind` and the facts of each event.
    """

    def __init__(self, storage: Storage, saved: Mapping[str, Any] | None = None) -> None:
        self._storage = storage
        self._written = 0.0  # seconds, monotonic
        self._lines: list[str] = [",".join(LOG_COLUMNS)]
        self.events: list[dict[str, Any]] = []
        if saved:
            self._lines = list(saved["log"])
            self.events = list(saved["events"])
        self.rows: list[LogRow] = [
            {name: float(text) for name, text in row.items() if text}
            for row in csv.DictReader(self._lines)
        ]

    @functools.cached_property
    def _board(self) -> Any:
        """The writer for TensorBoard, which makes a file of its own when it is first used."""
        if not self._storage.is_local:
            return tf.summary.create_noop_writer()
        # bytes, as the path may be in another encoding than that of the locale
        return tf.summary.create_file_writer(os.fsencode(self._storage.full("training")))

    def add(self, row: Mapping[str, float | None]) -> None:
        """Append a row: whole numbers as they are, others to six digits.

        Args:
            row: figures of some of LOG_COLUMNS, `step` among them; None: not measured.
        """
        texts = {
            name: str(value) if isinstance(value, int) else f"{value:.6g}"
            for name, value in row.items()
            if value is not None
        }
        self._lines.append(",".join(texts.get(name, "") for name in LOG_COLUMNS))
        self.rows.append({name: float(text) for name, text in texts.items()})
        with self._board.as_default(step=int(texts["step"])):
            for name, value in self.rows[-1].items():
                tf.summary.scalar(name, value)
        if time.monotonic() - self._written > WRITE_SECONDS:
            self.write()

    def note(self, kind: str, step: int, **facts: Any) -> None:
        """Append an event and bring the files up to date.

        Args:
            kind: "alarm", "recovered", "resumed" or "score".
            step: at which it happened.
            facts: what else there is to say of it, ready for JSON.
        """
        self.events.append({"step": step, "kind": kind, **facts})
        self.write()

    def write(self) -> None:
        """Bring the files up to date."""
        rows = "\n".join(self._lines) + "\n"
        self._storage.write_bytes(LOG_FILE, rows.encode(), durable=False)
        events = "".join(json.dumps(event) + "\n" for event in self.events)
        self._storage.write_bytes(EVENTS_FILE, events.encode(), durable=False)
        self._board.flush()
        self._written = time.monotonic()

    def alarms(self) -> list[dict[str, Any]]:
        """List the alarms that were raised: step, name and message of each."""
        return [
            {name: value for name, value in event.items() if name != "kind"}
            for event in self.events
            if event["kind"] == "alarm"
        ]

    def last_score(self) -> tuple[int, float] | None:
        """Return step and usefulness of the last score; None if there is none."""
        for event in reversed(self.events):
            if event["kind"] == "score":
                return int(event["step"]), float(event["usefulness"])
        return None

    def content(self) -> dict[str, Any]:
        """Return all of the log, ready for JSON."""
        return {"log": self._lines, "events": self.events}


def sheet_file(step: int) -> str:
    """Return the path of the sample grid of a step within the folder of its training."""
    return f"samples/{step:06d}.png"


def sheet_files(storage: Storage) -> list[str]:
    """List the sample grids of a training in the order of their steps."""
    files = [file for file in storage.files("samples") if file.endswith(".png")]
    # from a million on, steps have more digits
    return sorted(files, key=lambda file: (len(file), file))


def write_animation(storage: Storage) -> None:
    """Make an animation of the sample grids; nothing where there are fewer than two.

    Grids of another size than the last one (--grid was changed) are left out.
    """
    sheets = [decode_png(storage.read_bytes(file)) for file in sheet_files(storage)]
    # they are stored enlarged twice
    frames = [sheet[::2, ::2] for sheet in sheets if sheet.shape == sheets[-1].shape]
    if len(frames) > 1:
        storage.write_bytes(ANIMATION, encode_animation(frames), durable=False)


def encode_animation(frames: Sequence[Images], limit: int = ANIMATION_BYTES) -> bytes:
    """Encode frames as an animated WebP that repeats for ever and rests on the last frame.

    Args:
        frames: at least one, each (height, width, channels) uint8.
        limit: bytes; if they do not suffice, every other frame is left out, again and again.
    """
    chosen = list(frames)
    while True:
        pictures = []
        for frame in chosen:
            pixels = frame[..., 0] if frame.shape[-1] == 1 else frame
            pictures.append(Image.fromarray(pixels).convert("RGB"))
        buffer = io.BytesIO()
        pictures[0].save(
            buffer,
            "WEBP",
            save_all=True,
            append_images=pictures[1:],
            duration=[FRAME_MILLISECONDS] * (len(chosen) - 1) + [LAST_FRAME_MILLISECONDS],
            loop=0,
            quality=75,
            method=4,
        )
        if len(buffer.getvalue()) <= limit or len(chosen) == 1:
            return buffer.getvalue()
        chosen = chosen[::-2][::-1]  # the last one stays
