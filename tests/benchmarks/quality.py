"""Time to quality: minutes of training until synthetic digits teach a classifier so much.

It learns from synthetic digits alone, and is asked about the validation digits.

    python -m tests.benchmarks.quality [--presets cdcgan,cdcgan-concat]

`cdcgan` lowers its rates over the second half of its steps, so each length is a training of its
own. 6,000 images a class are drawn, without screening, and the judging classifier learns from them
as in `evaluate`. What is finished is not done again (tests/benchmarks/results/quality.jsonl), and a
training that was stopped goes on; trainings are shared with tests/benchmarks/presets.py. Minutes
are images over speed: at the end the presets' steps are timed side by side, as in
tests/benchmarks/training.py, whatever else the machine was doing before.
"""

import argparse
import json
import os
from dataclasses import replace
from pathlib import Path
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
from synthgen.classifiers.judge import JudgeTraining, default_judge
from synthgen.config import GanSettings
from synthgen.datasets.digits import Digits
from synthgen.datasets.sources import load_real
from synthgen.datasets.splits import RealDigits
from synthgen.gan.presets import PRESETS
from tests.benchmarks.judge import JUDGE_STEPS, raw_digits
from tests.benchmarks.presets import OUT, STEPS, folder_of, recipe, train_preset
from tests.benchmarks.training import Contender, own_step
from tests.benchmarks.training import measure as speed

LENGTHS = {
    "cdcgan": (600, 1200, 2000, 4600, 12_000),
    "cdcgan-concat": (STEPS["cdcgan-concat"], 2400, 3600),
}
PER_CLASS = 6000
ROUNDS, SECONDS = 3, 5.0  # of timing
LEVELS = (0.97, 0.98, 0.985, 0.99)
RESULTS = Path(__file__).parent / "results" / "quality.jsonl"


def worth(synthetic: Digits, real: RealDigits) -> float:
    """Share of the validation digits that a judge gets right after learning the synthetic ones."""
    judge = default_judge()
    model = judge.fit(JudgeTraining(digits=synthetic, steps=JUDGE_STEPS, seed=0), None)
    seen = judge.predict(model, real.validation.images).argmax(axis=1)
    return float((seen == real.validation.labels).mean())


def read_lines() -> dict[str, dict[str, Any]]:
    """The results so far, by recipe."""
    return (
        {line["recipe"]: line for line in map(json.loads, RESULTS.read_text().splitlines())}
        if RESULTS.exists()
        else {}
    )


def measure(name: str, settings: GanSettings, real: RealDigits, out: str) -> dict[str, Any]:
    """One line of the results."""
    folder = folder_of(out, name, settings)
    train_preset(name, settings, folder, real)
    known = {
        "preset": name,
        "recipe": recipe(settings),
        "steps": settings.steps,
        "images": settings.steps * settings.batch,
    }
    return known | {"validation": worth(raw_digits(folder, PER_CLASS), real)}


def table(lines: list[dict[str, Any]], rates: dict[str, float]) -> str:
    """Minutes to each level.

    Args:
        lines: of the results.
        rates: images a second of each preset.
    """
    rows = [
        "| preset | images/s | "
        + " | ".join(f"{level:.1%}" for level in LEVELS)
        + " | longest, and what it reached |",
        "|---" * (len(LEVELS) + 3) + "|",
    ]
    for name in dict.fromkeys(line["preset"] for line in lines):
        own = [line for line in lines if line["preset"] == name]
        passed = [
            min((line["images"] for line in own if line["validation"] >= level), default=None)
            for level in LEVELS
        ]
        longest = max(own, key=lambda line: line["images"])
        cells = [
            "not reached" if images is None else f"{images / rates[name] / 60:.1f} min"
            for images in passed
        ]
        end = f"{longest['images'] / rates[name] / 60:.1f} min, {longest['validation']:.2%}"
        rows.append(f"| `{name}` | {rates[name]:.0f} | {' | '.join(cells)} | {end} |")
    return "\n".join(rows)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--out", default=OUT)
    parser.add_argument("--presets", default=",".join(LENGTHS))
    options = parser.parse_args()
    real = load_real("mnist")
    RESULTS.parent.mkdir(parents=True, exist_ok=True)
    tasks = [
        (name, replace(PRESETS[name].settings, steps=steps))
        for name in options.presets.split(",")
        for steps in LENGTHS[name]
    ]
    for name, settings in tasks:
        if recipe(settings) not in read_lines():
            line = measure(name, settings, real, options.out)
            lines = read_lines() | {line["recipe"]: line}  # another process may have added some
            RESULTS.write_text("".join(json.dumps(line) + "\n" for line in lines.values()))
            print(json.dumps(line), flush=True)
    lines = read_lines()
    names = dict.fromkeys(name for name, _ in tasks)
    rates, _ = speed(
        [Contender(name, name, own_step(name, real.train)) for name in names], ROUNDS, SECONDS
    )
    print(table([lines[recipe(settings)] for _, settings in tasks], rates))


if __name__ == "__main__":
    main()
