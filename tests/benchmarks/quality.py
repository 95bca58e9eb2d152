"""Time to quality: minutes of training until a classifier that learns from synthetic digits alone is right about so many validation digits.

    python -m tests.benchmarks.quality [--presets cdcgan,cdcgan-concat]

`cdcgan` lowers its rates over the second half of its steps, so each length is a training of its own. Minutes are those of
the training steps at their median speed; 6,000 images a class are drawn, without screening, and the judging classifier learns
from them as in `evaluate`. What is finished is not done again (tests/benchmarks/results/quality.jsonl), and a training that was
stopped goes on; trainings are shared with tests/benchmarks/presets.py.
"""

import argparse
import csv
import json
import os
import statistics
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
import numpy as np

from synthgen.config import GanSettings, fingerprint
from synthgen.datasets.digits import Digits
from synthgen.datasets.sources import RealDigits, load_real
from synthgen.evaluation.classifier import ClassifierSettings, predict_probabilities, train_classifier
from synthgen.gan.checkpoint import read_checkpoint
from synthgen.gan.latents import draw_latents, image_seeds
from synthgen.gan.presets import PRESETS
from synthgen.gan.run_log import LOG
from synthgen.gan.sampler import load_sampler
from tests.benchmarks.presets import OUT, STEPS, folder_of, train_preset

LENGTHS = {"cdcgan": (600, 1200, 2300, 4600, 9200), "cdcgan-concat": (STEPS["cdcgan-concat"],)}
PER_CLASS, BATCH = 6000, 500
LEVELS = (0.97, 0.98, 0.985, 0.99)
RESULTS = Path(__file__).parent / "results" / "quality.jsonl"


def draw(folder: str) -> Digits:
    """PER_CLASS images of each class, by a trained generator."""
    checkpoint = read_checkpoint(folder)
    labels = np.tile(np.arange(len(checkpoint.class_names), dtype=np.uint8), PER_CLASS)
    latents = draw_latents(image_seeds(0, labels.tolist(), range(len(labels)), [0] * len(labels)), checkpoint.settings.latent)
    return Digits(load_sampler(checkpoint, BATCH).images(latents, labels), labels, checkpoint.class_names)


def judge(synthetic: Digits, real: RealDigits) -> float:
    """Share of the validation digits that a classifier gets right which has learnt from the synthetic ones."""
    model = train_classifier(synthetic.images, synthetic.labels, ClassifierSettings(), seed=0)
    return float((predict_probabilities(model, real.validation.images).argmax(axis=1) == real.validation.labels).mean())


def seconds_of_steps(folder: str, images: int) -> float:
    """What the steps of a training took, without what is done beside them, at the median speed of its log."""
    with Path(folder, LOG).open() as file:
        return images / statistics.median(float(row["images_per_second"]) for row in csv.DictReader(file))


def recipe(settings: GanSettings) -> str:
    """What tells one recipe from another."""
    return fingerprint(asdict(settings))[:12]


def measure(name: str, settings: GanSettings, real: RealDigits, out: str) -> dict[str, Any]:
    """One line of the results."""
    folder = folder_of(out, name, settings.steps)
    train_preset(name, settings, folder, real)
    known = {"preset": name, "recipe": recipe(settings), "steps": settings.steps, "images": settings.steps * settings.batch}
    return known | {"seconds": round(seconds_of_steps(folder, known["images"])), "validation": judge(draw(folder), real)}


def table(lines: list[dict[str, Any]]) -> str:
    """Minutes to each level."""
    rows = ["| preset | " + " | ".join(f"{level:.1%}" for level in LEVELS) + " | longest, and what it reached |", "|---" * (len(LEVELS) + 2) + "|"]
    for name in dict.fromkeys(line["preset"] for line in lines):
        own = [line for line in lines if line["preset"] == name]
        passed = [min((line["seconds"] for line in own if line["validation"] >= level), default=None) for level in LEVELS]
        longest = max(own, key=lambda line: line["seconds"])
        cells = ["not reached" if seconds is None else f"{seconds / 60:.1f} min" for seconds in passed]
        rows.append(f"| `{name}` | {' | '.join(cells)} | {longest['seconds'] / 60:.1f} min, {longest['validation']:.2%} |")
    return "\n".join(rows)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", default=OUT)
    parser.add_argument("--presets", default=",".join(LENGTHS))
    options = parser.parse_args()
    real = load_real("mnist")
    RESULTS.parent.mkdir(parents=True, exist_ok=True)
    lines = [json.loads(line) for line in RESULTS.read_text().splitlines()] if RESULTS.exists() else []
    for name in options.presets.split(","):
        for settings in (replace(PRESETS[name].settings, steps=steps) for steps in LENGTHS[name]):
            if not any(line["recipe"] == recipe(settings) for line in lines):
                lines.append(measure(name, settings, real, options.out))
                RESULTS.write_text("".join(json.dumps(line) + "\n" for line in lines))
                print(json.dumps(lines[-1]), flush=True)
    print(table(lines))


if __name__ == "__main__":
    main()
