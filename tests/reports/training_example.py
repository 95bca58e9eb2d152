"""A training folder with known content, for tests of its page: written, not trained."""

import io
import json
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from synthgen.datasets.pixels import encode_png

HEADER = (
    "step,seconds,images_per_second,discriminator_loss,generator_loss,real_accuracy,fake_accuracy,"
    "penalty,generator_gradient,coverage,oddity"
)
ALARM = {
    "step": 300,
    "kind": "alarm",
    "name": "mode collapse",
    "message": "Few samples are distinct. Lower --generator-rate <now>.",
}
RECORD = {
    "format": "synthgen-checkpoint/1",
    "sha256": "e" * 64,
    "settings": {
        "steps": 400,
        "batch": 128,
        "generator_channels": [112, 96],
        "generator_rate": 3e-4,
    },
    "preset": "cdcgan",
    "seed": 0,
    "step": 400,
    "seconds": 372.4,
    "training_data": {"source": "MNIST", "sha256": "a" * 64, "images": 55_000},
    "versions": {"python": "3.11.2"},
    "measured": {
        "label_agreement_by_screener": 0.9912,
        "coverage": 0.875,
        "usefulness": None,
        "compared_with": "validation digits",
    },
    "alarms": [],
}


def make_run(
    folder: Path,
    record: dict[str, Any] | None = None,
    events: list[dict[str, Any]] | None = None,
    grids: int = 3,
) -> str:
    """400 steps with a row each 10, some grids, an animation."""
    (folder / "training").mkdir(parents=True)
    (folder / "samples").mkdir()
    rows = [_row(step) for step in range(10, 401, 10)]
    (folder / "training/log.csv").write_text("\n".join([HEADER, *rows]) + "\n")
    if events:
        (folder / "training/events.jsonl").write_text(
            "".join(json.dumps(event) + "\n" for event in events) + '{"cut off'
        )
    (folder / "checkpoint.json").write_text(json.dumps(RECORD if record is None else record))
    for number in range(grids):
        (folder / f"samples/{100 * (number + 1):06d}.png").write_bytes(
            encode_png(np.full((40, 40, 1), 50 * number % 256, np.uint8), zoom=2)
        )
    (folder / "samples/animation.webp").write_bytes(_animation())
    return str(folder)


def _row(step: int) -> str:
    coverage = f"{0.5 + step / 1000}" if step % 100 == 0 else ""
    losses = f"{1 + 10 / step},{0.5 + 20 / step}"
    start = f"{step},{step / 2},{200 + step % 3},{losses},0.6,0.7,0.02"
    return f"{start},{100 / step},{coverage},{step * 7}"


def _animation() -> bytes:
    file = io.BytesIO()
    frames = [Image.new("L", (40, 40), shade) for shade in (0, 120, 240)]
    frames[0].save(file, "WEBP", save_all=True, append_images=frames[1:], duration=150)
    return file.getvalue()
