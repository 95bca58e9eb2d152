"""What a generator is worth: the figures by which the shipped one is chosen and described.

    python -m tests.benchmarks.shipped [--checkpoint FOLDER] [--test] [--seeds 5] [--out FOLDER]

Two sets are built, one as `synthgen build` makes it (6,000 images a class, clear mislabels drawn
again) and one of first draws (1,000 a class), and judged as `synthgen evaluate` does, on the
validation digits: choices are made there. With --test, once, on the test digits. Prints mean and 95
% interval over the seeds, and the floor: real digits in the place of the synthetic ones. What is
finished is not done again.
"""

import argparse
import os
from dataclasses import replace
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
from synthgen.config import BuildSettings, EvaluationSettings
from synthgen.datasets.sources import load_real
from synthgen.evaluation.results import Evaluation
from synthgen.gan.checkpoint import Checkpoint, read_checkpoint, shipped_checkpoint
from synthgen.metrics.copying import Copying
from synthgen.metrics.intervals import Estimate
from synthgen.pipeline import evaluate_set
from synthgen.shards.build import build
from tests.benchmarks.presets import thrifty_judge

SCREENED, RAW = 6000, 1000  # images a class


def share(value: Estimate) -> str:
    """A share with its interval."""
    return f"{value.mean:.2%}" + (
        "" if value.low is None or value.high is None else f" ({value.low:.2%} to {value.high:.2%})"
    )


def distances(copying: Copying) -> str:
    """Return median distances to the nearest training image, synthetic and held-out real ones."""
    middle = copying.levels.index(0.5)
    return f"{copying.space} {copying.synthetic[middle]:.2f} ({copying.held_out[middle]:.2f})"


def report(
    screened: Evaluation, raw: Evaluation, checkpoint: Checkpoint, folder: str
) -> list[tuple[str, str]]:
    """What was found, in words."""
    arms = {arm.arm: arm.accuracy for arm in screened.arms}
    figures = {
        figure.metric: figure for figure in screened.measures.fidelity if figure.label is None
    }
    memorisation, two_sample = screened.measures.memorisation, screened.measures.two_sample
    lines = [
        ("real only", share(arms["real"])),
        (f"synthetic only, {screened.synthetic.used:,} images", share(arms["synthetic"])),
        ("label agreement of first draws", share(raw.agreement.share)),
        ("label agreement, mislabels drawn again", share(screened.agreement.share)),
    ]
    for metric in ("fd", "precision", "recall", "density", "coverage"):
        figure = figures[metric]
        if figure.synthetic and figure.floor:
            lines.append(
                (
                    f"{figure.name}, {figure.images:,} images (floor)",
                    f"{figure.synthetic.mean:.3f} ({figure.floor.mean:.3f})",
                )
            )
    if two_sample:
        lines.append(
            (
                "told from real digits (control)",
                f"{two_sample.synthetic.mean:.2%} ({two_sample.control.mean:.2%})",
            )
        )
    if memorisation:
        lines.append(
            (
                "median distance to training images (held-out digits)",
                ", ".join(map(distances, memorisation.spaces)),
            )
        )
        lines.append(("tests that found copying", ", ".join(memorisation.fired) or "none"))
    weights = sum(file.stat().st_size for file in Path(folder).iterdir() if file.is_file())
    return [
        *lines,
        ("size", f"{weights / 1e6:.1f} MB"),
        ("steps", f"{checkpoint.record['step']:,} of {checkpoint.settings.batch}"),
    ]


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--checkpoint", default=shipped_checkpoint())
    parser.add_argument("--out", default="data/benchmark-shipped")
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--test", action="store_true")
    options = parser.parse_args()
    checkpoint, real = read_checkpoint(options.checkpoint), load_real("mnist")
    real = (
        real
        if options.test
        else replace(real, test=real.validation, sha256=f"{real.sha256[:-10]}validation")
    )
    judge, found = thrifty_judge(real.train), []
    for count, screen, arms in (
        (SCREENED, "mislabels", ("real", "synthetic")),
        (RAW, "none", ("real",)),
    ):
        name = f"{checkpoint.sha256[:12]}-{screen}"
        built = build(
            BuildSettings(per_class=count, name=name, formats=("hdf5",), screen=screen),
            options.out,
            checkpoint,
        )
        settings = EvaluationSettings(seeds=options.seeds, arms=arms)
        found.append(
            evaluate_set(built.manifest, options.out, real, settings, judge=judge).evaluation
        )
    print(
        f"On the {len(real.test):,} {'test' if options.test else 'validation'} digits:\n\n"
        "| measured | figure |\n|---|---|"
    )
    print(
        "\n".join(
            f"| {name} | {figure} |"
            for name, figure in report(*found, checkpoint, options.checkpoint)
        )
    )


if __name__ == "__main__":
    main()
