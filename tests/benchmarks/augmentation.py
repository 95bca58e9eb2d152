"""Do synthetic digits help, over distorting the real ones? The augmentation benchmark whose results stand in the README.

    python -m tests.benchmarks.augmentation [--root FOLDER] [--only grid,imbalance]

Two runs of `synthgen benchmark` on MNIST, with the settings below: from 10 real images a class to all of them, and one class cut
to 2.5 and 5 %. Every generator is trained on its cell's own images. A finished cell is a line of
tests/benchmarks/results/augmentation-*.jsonl; what stands there, made of the same data by the same settings and versions, is not
trained again, and a run that was stopped goes on. Prints what `synthgen benchmark` prints, and draws the README's curve.
"""

import argparse
import dataclasses
import os
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
from synthgen.config import ALL, FULL, BenchmarkSettings
from synthgen.datasets.sources import RealDigits, load_real
from synthgen.evaluation.benchmark.runner import Benchmarked, forecast, prepare, run
from synthgen.evaluation.benchmark.store import CELLS
from synthgen.evaluation.benchmark_report import benchmark_curve

SHORTER = dataclasses.replace(FULL, steps=350, folds=1)  # as long as in --quick: hundreds of classifiers in hours, not in days
RUNS = {
    "grid": dataclasses.replace(
        SHORTER,
        name="grid",
        scenarios=("grid",),
        per_class=("10", "20", "50", "100", "1000", ALL),
        ratios=(1, 5),
        gan_images=60_000,
        max_synthetic=60_000,
    ),
    "imbalance": dataclasses.replace(SHORTER, name="imbalance", scenarios=("imbalance",), shares=(2.5, 5.0), gan_images=96_000),
}
RESULTS = Path(__file__).parent / "results"


def measure(settings: BenchmarkSettings, root: str, real: RealDigits) -> Benchmarked:
    """Run what is missing of one benchmark, and keep all of its cells in the results."""
    job, kept = prepare(settings, root, real), RESULTS / f"augmentation-{settings.name}.jsonl"
    cells = f"{job.folder}/{CELLS}"
    if kept.exists() and not job.storage.exists(cells):
        job.storage.write_bytes(cells, kept.read_bytes())
    print(forecast(job).line(), flush=True)
    done = run(job)
    kept.write_bytes(job.storage.read_bytes(cells))
    return done


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--root", default=".")
    parser.add_argument("--only", default=",".join(RUNS))
    options = parser.parse_args()
    real = load_real("mnist")
    for name in options.only.split(","):
        done = measure(RUNS[name], options.root, real)
        print("\n".join(done.lines()), flush=True)
        if name == "grid":
            (RESULTS / "augmentation-curve.png").write_bytes(benchmark_curve(done.summary, "png"))


if __name__ == "__main__":
    main()
