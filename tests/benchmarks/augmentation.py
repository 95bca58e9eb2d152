"""The augmentation benchmark: do synthetic digits help, over distorting the real ones?

    python -m tests.benchmarks.augmentation [--root FOLDER] [--only few,all,imbalance] [--finished]

Runs of `synthgen benchmark` on MNIST with the settings below: from 10 real images a class to 1,000,
all of them, and one class cut to 2.5 and 5 %. Every generator is trained on its cell's own images.
A finished cell is a line of tests/benchmarks/results/augmentation-*.jsonl; what stands there, made
of the same data by the same settings and versions, is not trained again, and a run that was stopped
goes on. Prints what `synthgen benchmark` prints, and draws the README's curve. With --finished
nothing is trained and nothing written: the results are summarised as they are.
"""

import argparse
import dataclasses
import os
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
from synthgen.config import ALL, FULL_BENCHMARK
from synthgen.datasets.sources import load_real
from synthgen.evaluation.benchmark import (
    BenchmarkJob,
    forecast_benchmark,
    prepare_benchmark,
    summarise_benchmark,
)
from synthgen.evaluation.cells import Cell, CellStore, read_cell
from synthgen.evaluation.results import BenchmarkSummary
from synthgen.evaluation.scenarios import Key
from synthgen.pipeline import run_benchmark_job
from synthgen.reports.benchmark_plots import draw_benchmark_curve
from synthgen.reports.benchmark_words import benchmark_lines, budget_of, forecast_line
from synthgen.reports.page.words import signed_between
from synthgen.text import GAP, signed

# as --quick: hundreds of classifiers in hours
SHORTER = dataclasses.replace(
    FULL_BENCHMARK, steps=350, folds=1, arms=FULL_BENCHMARK.arms[1:], gan_images=60_000
)
GRID = dataclasses.replace(SHORTER, scenarios=("grid",))
RUNS = {
    "few": dataclasses.replace(
        GRID, name="few", per_class=("10", "20", "50", "100", "1000"), ratios=(5,)
    ),
    "all": dataclasses.replace(GRID, name="all", per_class=(ALL,), ratios=(1,)),
    "imbalance": dataclasses.replace(
        SHORTER, name="imbalance", scenarios=("imbalance",), shares=(2.5, 5.0)
    ),
}
RESULTS = Path(__file__).parent / "results"


def measure(job: BenchmarkJob, kept: Path, forecast: bool = True) -> BenchmarkSummary:
    """Run what is missing of a benchmark.

    Its cells take the place of those of the same names among the results.
    """
    store = CellStore(job.storage, job.folder)
    stands = read(kept)
    for cell in stands.values():
        if cell.fingerprint not in store:
            store.add(cell)
    if forecast:
        print(forecast_line(forecast_benchmark(job)), flush=True)
    summary = run_benchmark_job(job).summary
    assert summary is not None  # every cell is finished
    store = CellStore(job.storage, job.folder)
    cells = stands | {key: store[text] for key, text in job.fingerprints.items()}
    kept.write_bytes(b"".join(cell.to_line() + b"\n" for cell in cells.values()))
    return summary


def summarise(job: BenchmarkJob, kept: Path) -> BenchmarkSummary:
    """Print the results as they stand, whichever versions they were made by. Writes nothing."""
    stands = read(kept)
    cells = [stands[key] for key in job.plan.keys if key in stands]
    others = sum(cell.fingerprint != job.fingerprints[cell.key] for cell in cells)
    if others:
        print(
            f"{others:,} of {len(cells):,} cells were made by other settings or versions "
            "than those of today."
        )
    return summarise_benchmark(job, cells)


def read(kept: Path) -> dict[Key, Cell]:
    """The cells of a file of results by what they are of; of several of the same, the last."""
    lines = kept.read_bytes().splitlines() if kept.exists() else []
    return {cell.key: cell for cell in map(read_cell, lines)}


def verdicts(summary: BenchmarkSummary) -> str:
    """Return every question at every budget, as a Markdown table.

    A cell holds the difference in points, its corrected interval and the verdict.
    """
    first = summary.comparisons[0].metric
    rows = [row for row in summary.comparisons if row.metric == first]
    columns = list(dict.fromkeys(map(budget_of, rows)))
    lines = [f"| {' | '.join(['', *columns])} |", "|---" * (len(columns) + 1) + "|"]
    for question in dict.fromkeys(row.question for row in rows):
        found = {
            budget_of(row): " ".join(
                [signed(row.difference.mean), f"({signed_between(row.corrected)})", row.verdict]
            )
            for row in rows
            if row.question == question
        }
        lines.append(f"| {question} | {' | '.join(found.get(column, '') for column in columns)} |")
    return "\n".join(lines).replace(GAP, " ")


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--root", default=".")
    parser.add_argument("--only", default=",".join(RUNS))
    parser.add_argument("--finished", action="store_true")
    options = parser.parse_args()
    real = load_real("mnist")
    for name in options.only.split(","):
        job = prepare_benchmark(RUNS[name], options.root, real)
        kept = RESULTS / f"augmentation-{name}.jsonl"
        if options.finished and not read(kept):
            print(f"{name}: no results yet.")
            continue
        summary = summarise(job, kept) if options.finished else measure(job, kept)
        print("\n".join(benchmark_lines(summary)), verdicts(summary), sep="\n\n", flush=True)
        if name == "few" and not options.finished:
            (RESULTS / "augmentation.png").write_bytes(draw_benchmark_curve(summary, "png"))


if __name__ == "__main__":
    main()
