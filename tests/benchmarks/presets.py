"""Every preset, trained on MNIST, built into a labelled set and judged: the table of recipes.

    python -m tests.benchmarks.presets [--out FOLDER] [--presets dcgan,fc,...]

Each preset is trained for the steps below with everything else as in its recipe; where the recipe
is longer, the table says so (all its steps would take more than half an hour on two cores). A
training takes the cores that its process may use (`taskset`), and the table says how many. 1,000
images a class are generated (unconditional models: labelled by the screening classifier that saw
the same training digits, `--labels classifier`), without screening, and judged with one seed: by a
classifier trained on the real training digits, and by one that is trained on the images and asked
for the test digits. A generator that hardly ever makes one of the classes yields no set with exact
counts: its line says which class, and has no figures. What stands in the results already is not
done again. Writes tests/benchmarks/results/presets.jsonl and a picture a preset (the first images
of each class), and prints the table.
"""

import argparse
import json
import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from joblib import cpu_count

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
from synthgen.classifiers.judge import Judge, JudgeTraining, default_judge
from synthgen.classifiers.settings import Progress
from synthgen.config import BuildSettings, EvaluationSettings, GanSettings, TrainSettings
from synthgen.datasets.digits import Digits
from synthgen.datasets.pixels import encode_png, grid
from synthgen.datasets.sources import load_real
from synthgen.datasets.splits import RealDigits
from synthgen.errors import ScreeningExhausted
from synthgen.evaluation.results import Evaluation
from synthgen.gan.checkpoint import identity_of, read_checkpoint
from synthgen.gan.job import TrainingJob, TrainingResult
from synthgen.gan.presets import PRESETS
from synthgen.gan.train import train
from synthgen.networks.cost import cost_of
from synthgen.pipeline import evaluate_set
from synthgen.records import fingerprint
from synthgen.shards.build import build
from synthgen.shards.load import load

# others: as the recipe says
STEPS = {"dcgan": 1500, "dcgan-logits": 3000, "cdcgan-concat": 1200, "wgan-gp": 2000}
PER_CLASS, SHOWN = 1000, 4  # images of each class: generated, and in the picture
OUT = "data/benchmark-presets"
RESULTS = Path(__file__).parent / "results"
TABLE_COLUMNS = (
    "preset",
    "steps x batch",
    "minutes x cores",
    "labels",
    "label agreement",
    "synthetic only",
    "Frechet distance",
    "the first images of each class",
)


def settings_of(name: str) -> GanSettings:
    """The recipe of a preset, cut where it is too long."""
    settings = PRESETS[name].settings
    return replace(settings, steps=STEPS.get(name, settings.steps))


def recipe(settings: GanSettings) -> str:
    """What tells one recipe from another."""
    return fingerprint(identity_of(settings))[:12]


def folder_of(out: str, name: str, settings: GanSettings) -> str:
    """Where the training lies."""
    return f"{out}/checkpoints/{name}-{settings.steps}-{recipe(settings)}"


def train_preset(name: str, settings: GanSettings, folder: str, real: RealDigits) -> TrainingResult:
    """Train a preset, or go on where that was stopped."""
    run = TrainSettings(samples_every=settings.steps // 10, grid=PRESETS[name].run.grid)
    resume = Path(folder, "training", "state.json").exists()
    job = TrainingJob(
        digits=real.train,
        out=folder,
        gan=settings,
        run=run,
        preset=name,
        source=real.source,
        command="python -m tests.benchmarks.presets",
    )
    return train(job, resume=resume)


def thrifty_judge(real: Digits) -> Judge:
    """The built-in classifier.

    What it learns from the real digits alone is the same for every preset, and is learnt once.
    """
    judge = default_judge()
    known: dict[tuple[int, int], Any] = {}

    def fit(training: JudgeTraining, progress: Progress | None) -> Any:
        if training.digits is not real or training.strength:
            return judge.fit(training, progress)
        key = (training.steps, training.seed)
        if key not in known:
            known[key] = judge.fit(training, progress)
        return known[key]

    return replace(judge, fit=fit)


def evaluate_preset(
    name: str, folder: str, root: str, real: RealDigits, judge: Judge
) -> Evaluation:
    """Generate a labelled set with a trained preset, judge it, and draw it."""
    labels = "auto" if PRESETS[name].settings.conditional else "classifier"
    settings = BuildSettings(
        per_class=PER_CLASS, name=Path(folder).name, formats=("hdf5",), labels=labels, screen="none"
    )
    built = build(settings, root, read_checkpoint(folder))
    digits = load(f"{root}/{built.manifest}", per_class=SHOWN)
    # a column a class
    (RESULTS / "presets" / f"{name}.png").write_bytes(
        encode_png(grid(digits.images, digits.classes))
    )
    evaluation_settings = EvaluationSettings(seeds=1, arms=("real", "synthetic"))
    evaluated = evaluate_set(built.manifest, root, real, evaluation_settings, judge=judge)
    return evaluated.evaluation


def figures(evaluation: Evaluation) -> dict[str, Any]:
    """What the judging found."""
    frechet = next(
        figure
        for figure in evaluation.measures.fidelity
        if figure.metric == "fd" and figure.label is None
    )
    return {
        "label_agreement": evaluation.agreement.share.mean,
        "synthetic_only": next(
            arm for arm in evaluation.arms if arm.arm == "synthetic"
        ).accuracy.mean,
        "frechet": frechet.synthetic.mean if frechet.synthetic else None,
        "floor": frechet.floor.mean if frechet.floor else None,
    }


def summarise(
    name: str, settings: GanSettings, trained: TrainingResult, found: dict[str, Any]
) -> dict[str, Any]:
    """One line of the results."""
    cost = cost_of(settings)
    return {
        "preset": name,
        "recipe": recipe(settings),
        "steps": settings.steps,
        "recipe_steps": PRESETS[name].settings.steps,
        "batch": settings.batch,
        "seconds": round(trained.seconds),
        "cores": cpu_count(),
        "labels": "condition" if settings.conditional else "classifier",
        **found,
        "generator_parameters": cost.generator_parameters,
        "multiplications_trained": cost.trained,
    }


def read_lines(file: Path) -> dict[str, dict[str, Any]]:
    """The results so far, by preset."""
    return (
        {line["preset"]: line for line in map(json.loads, file.read_text().splitlines())}
        if file.exists()
        else {}
    )


def table_row(values: Sequence[str]) -> str:
    return f"| {' | '.join(values)} |"


def result_row(line: dict[str, Any]) -> str:
    cut = "" if line["steps"] == line["recipe_steps"] else f" (of {line['recipe_steps']:,})"
    values = [
        f"`{line['preset']}`",
        f"{line['steps']:,}{cut} x {line['batch']}",
        f"{line['seconds'] / 60:.0f} x {line['cores']}",
        line["labels"],
    ]
    if "missing" in line:
        values += ["one of the classes hardly ever comes", "", ""]
    else:
        values += [
            f"{line['label_agreement']:.2%}",
            f"{line['synthetic_only']:.2%}",
            f"{line['frechet']:.2f}",
        ]
    picture = f"../tests/benchmarks/results/presets/{line['preset']}.png"
    return table_row([*values, f"![{line['preset']}]({picture})"])


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--out", default=OUT)
    parser.add_argument("--presets", default=",".join(PRESETS))
    options = parser.parse_args()
    (RESULTS / "presets").mkdir(parents=True, exist_ok=True)
    real, file = load_real("mnist"), RESULTS / "presets.jsonl"
    judge = thrifty_judge(real.train)
    done = {
        name
        for name, line in read_lines(file).items()
        if line["recipe"] == recipe(settings_of(name))
    }
    for name in (name for name in options.presets.split(",") if name not in done):
        settings = settings_of(name)
        folder = folder_of(options.out, name, settings)
        trained = train_preset(name, settings, folder, real)
        try:
            found = figures(evaluate_preset(name, folder, options.out, real, judge))
        except ScreeningExhausted as error:
            grid_of_training = Path(folder, "samples", f"{trained.step:06d}.png")
            (RESULTS / "presets" / f"{name}.png").write_bytes(grid_of_training.read_bytes())
            found = {"missing": str(error)}
        # another process may have added some
        lines = read_lines(file) | {name: summarise(name, settings, trained, found)}
        print(json.dumps(lines[name]), flush=True)
        file.write_text(
            "".join(json.dumps(lines[name]) + "\n" for name in PRESETS if name in lines)
        )
    lines = read_lines(file)
    print(table_row(TABLE_COLUMNS), table_row(["---"] * len(TABLE_COLUMNS)), sep="\n")
    for name in PRESETS:
        if name in lines:
            print(result_row(lines[name]))
    floor = next(line["floor"] for line in lines.values() if "floor" in line)
    print(f"\nFloor of the Frechet distance, real train against real test: {floor:.2f}")


if __name__ == "__main__":
    main()
