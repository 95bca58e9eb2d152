"""Every preset, trained on MNIST, built into a labelled set and judged: the README's table of models.

    python -m tests.benchmarks.presets [--out FOLDER] [--presets dcgan,fc,...]

Each preset is trained for the steps below with everything else as in its recipe; where the recipe is longer, it would
take more than half an hour on two cores, and the table says so. 1,000 images a class are generated (unconditional
models: labelled by the screening classifier that saw the same training digits, `--labels classifier`), without
screening, and evaluated against the real digits with one seed. What is finished is not done again. Writes
tests/benchmarks/results/presets.jsonl and one grid a preset, and prints the table.
"""

import argparse
import json
import os
from dataclasses import replace
from pathlib import Path
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
from synthgen.config import BuildSettings, EvaluationSettings, TrainSettings
from synthgen.datasets.sources import RealDigits, load_real
from synthgen.evaluation.evaluate import evaluate_manifest
from synthgen.evaluation.results import Evaluation
from synthgen.gan.checkpoint import read_checkpoint
from synthgen.gan.cost import cost_of
from synthgen.gan.presets import PRESETS
from synthgen.gan.train import Trained, train
from synthgen.shards.build import build

STEPS = {"dcgan": 1000, "dcgan-logits": 1000, "cdcgan-concat": 1000, "wgan": 2000, "wgan-gp": 1500, "sngan": 3000}  # others: as the recipe says
PER_CLASS = 1000
RESULTS = Path(__file__).parent / "results"
TABLE = """\
| preset | steps x batch | minutes | labels | label agreement | synthetic only | Frechet distance |
|---|---|---|---|---|---|---|"""


def train_preset(name: str, folder: str, real: RealDigits) -> Trained:
    """Train a preset, or go on where that was stopped."""
    preset = PRESETS[name]
    settings = replace(preset.settings, steps=STEPS.get(name, preset.settings.steps))
    run = TrainSettings(samples_every=settings.steps // 10, grid=preset.run.grid)
    resume = Path(folder, "training", "state.json").exists()
    return train(real.train, folder, settings, run, preset=name, source=real.source, command="python -m tests.benchmarks.presets", resume=resume)


def evaluate_preset(name: str, folder: str, root: str, real: RealDigits) -> Evaluation:
    """Generate a labelled set with a trained preset and judge it."""
    labels = "auto" if PRESETS[name].settings.conditional else "classifier"
    settings = BuildSettings(per_class=PER_CLASS, name=name, formats=("hdf5",), labels=labels, screen="none")
    built = build(settings, root, read_checkpoint(folder))
    return evaluate_manifest(built.manifest, root, real, EvaluationSettings(seeds=1, arms=("real", "synthetic"))).evaluation


def summarise(name: str, trained: Trained, evaluation: Evaluation) -> dict[str, Any]:
    """One line of the results."""
    settings, cost = PRESETS[name].settings, cost_of(PRESETS[name].settings)
    steps = STEPS.get(name, settings.steps)
    frechet = next(figure for figure in evaluation.fidelity if figure.metric == "fd" and figure.label is None)
    return {
        "preset": name,
        "steps": steps,
        "recipe_steps": settings.steps,
        "batch": settings.batch,
        "seconds": round(trained.seconds),
        "labels": "condition" if settings.conditional else "classifier",
        "label_agreement": evaluation.agreement.share.mean,
        "synthetic_only": next(arm for arm in evaluation.arms if arm.arm == "synthetic").accuracy.mean,
        frechet.name: frechet.synthetic.mean if frechet.synthetic else None,
        "floor": frechet.floor.mean if frechet.floor else None,
        "generator_parameters": cost.generator_parameters,
        "multiplications_trained": cost.trained,
    }


def row(line: dict[str, Any]) -> str:
    cut = "" if line["steps"] == line["recipe_steps"] else f" (of {line['recipe_steps']:,})"
    distance = next(value for name, value in line.items() if name.startswith("fd_"))
    return (
        f"| `{line['preset']}` | {line['steps']:,}{cut} x {line['batch']} | {line['seconds'] / 60:.0f} | {line['labels']} "
        f"| {line['label_agreement']:.2%} | {line['synthetic_only']:.2%} | {distance:.1f} |"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", default="data/benchmark-presets")
    parser.add_argument("--presets", default=",".join(PRESETS))
    options = parser.parse_args()
    real, lines = load_real("mnist"), []
    (RESULTS / "presets").mkdir(parents=True, exist_ok=True)
    for name in options.presets.split(","):
        folder = f"{options.out}/checkpoints/{name}"
        trained = train_preset(name, folder, real)
        lines.append(summarise(name, trained, evaluate_preset(name, folder, options.out, real)))
        grid = Path(folder, "samples", f"{lines[-1]['steps']:06d}.png")
        (RESULTS / "presets" / f"{name}.png").write_bytes(grid.read_bytes())
        print(json.dumps(lines[-1]), flush=True)
    (RESULTS / "presets.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    print("\n".join([TABLE, *map(row, lines)]))
    print(f"\nFloor of the Frechet distance, real train against real test: {lines[0]['floor']:.1f}")


if __name__ == "__main__":
    main()
