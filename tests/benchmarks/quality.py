"""Time to quality: minutes of training until a classifier that learns from synthetic digits alone is right about so many validation digits.

    python -m tests.benchmarks.quality [--presets cdcgan,cdcgan-concat]

`cdcgan` lowers its rates over the second half of its steps, so each length is a training of its own. `cdcgan-concat` (the
tutorials' recipe) does not: one training, looked at on its way. Minutes are those of the training steps; 6,000 images a
class are drawn, without screening, and the judging classifier learns from them as in `evaluate`.
What is finished is not done again (tests/benchmarks/results/quality.jsonl), and a training that was stopped goes on.
"""

import argparse
import json
import os
import time
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
import numpy as np
import tensorflow as tf
from safetensors.numpy import load_file, save_file

from synthgen.config import GanSettings, fingerprint
from synthgen.datasets.digits import Digits
from synthgen.datasets.sources import RealDigits, load_real
from synthgen.evaluation.classifier import ClassifierSettings, predict_probabilities, train_classifier
from synthgen.gan.presets import PRESETS
from synthgen.gan.samples import FixedSamples
from synthgen.gan.snapshot import Snapshot
from synthgen.gan.step import GanState, make_runner

SAVE_EVERY = 500  # steps
LENGTHS = {"cdcgan": (600, 1200, 2300, 4600, 9200), "cdcgan-concat": (1000, 2000, 4000)}
OF_THEIR_OWN = ("cdcgan",)  # trainings whose rates depend on their length
PER_CLASS, STEPS_A_CALL = 6000, 20
LEVELS = (0.97, 0.98, 0.985, 0.99)
RESULTS = Path(__file__).parent / "results" / "quality.jsonl"


class Course:
    """One training, with the seconds that its steps took; it goes on from where it was saved."""

    def __init__(self, settings: GanSettings, digits: Digits, file: Path) -> None:
        self.state, self.file, self.seconds = GanState(settings, digits, seed=0), file, 0.0
        self._run = make_runner(self.state, digits)
        self._run(tf.constant(0))  # compiles, which is not timed
        self._kept = Snapshot(self.state.average, settings, digits.image_shape, digits.classes)
        if file.exists():
            arrays = load_file(file)
            self.seconds = float(arrays.pop("seconds"))
            self.state.restore(arrays)

    def advance(self, goal: int) -> None:
        """Train up to this step."""
        while (step := int(self.state.step)) < goal:
            began = time.monotonic()
            self._run(tf.constant(min(STEPS_A_CALL, goal - step))).numpy()
            self.seconds += time.monotonic() - began
            if int(self.state.step) % SAVE_EVERY == 0 or int(self.state.step) == goal:
                self.file.parent.mkdir(parents=True, exist_ok=True)
                save_file(self.state.export() | {"seconds": np.array(self.seconds)}, self.file)

    def draw(self, classes: int) -> Digits:
        """PER_CLASS images of each class."""
        self._kept.refresh(int(self.state.step))
        return Digits(*FixedSamples(self._kept.model, self.state.settings, range(classes), seed=0).draw(PER_CLASS * classes))


def judge(synthetic: Digits, real: RealDigits) -> float:
    """Share of the validation digits that a classifier gets right which has learnt from the synthetic ones."""
    model = train_classifier(synthetic.images, synthetic.labels, ClassifierSettings(), seed=0)
    return float((predict_probabilities(model, real.validation.images).argmax(axis=1) == real.validation.labels).mean())


def settings_of(name: str, steps: int) -> GanSettings:
    """Of the training that is looked at after so many steps."""
    settings = PRESETS[name].settings
    return replace(settings, steps=steps) if name in OF_THEIR_OWN else settings


def recipe(settings: GanSettings) -> str:
    """What tells one recipe from another."""
    return fingerprint(asdict(settings))[:12]


def measure(name: str, steps: int, real: RealDigits, out: Path) -> dict[str, Any]:
    """One line of the results."""
    settings = settings_of(name, steps)
    course = Course(settings, real.train, out / f"{name}-{recipe(settings)}.safetensors")
    course.advance(steps)
    accuracy = judge(course.draw(real.train.classes), real)
    known = {"preset": name, "recipe": recipe(settings), "steps": steps, "images": steps * settings.batch}
    return known | {"seconds": round(course.seconds), "validation": accuracy}


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
    parser.add_argument("--out", default="data/benchmark-quality", type=Path)
    parser.add_argument("--presets", default=",".join(LENGTHS))
    options = parser.parse_args()
    real = load_real("mnist")
    RESULTS.parent.mkdir(parents=True, exist_ok=True)
    lines = [json.loads(line) for line in RESULTS.read_text().splitlines()] if RESULTS.exists() else []
    for name in options.presets.split(","):
        for steps in LENGTHS[name]:
            if not any((line["recipe"], line["steps"]) == (recipe(settings_of(name, steps)), steps) for line in lines):
                lines.append(measure(name, steps, real, options.out))
                RESULTS.write_text("".join(json.dumps(line) + "\n" for line in lines))
                print(json.dumps(lines[-1]), flush=True)
    print(table(lines))


if __name__ == "__main__":
    main()
