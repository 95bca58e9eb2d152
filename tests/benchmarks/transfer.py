"""Does the shipped generator help somebody with few digits of their own?

    python -m tests.benchmarks.transfer --data FILE.npz|digits --name semeion [--seeds 3]
        [--controls 3] [--per-class 1,2,5,10,20,50] [--test-share 0.5] [--root FOLDER] [--finished]

Runs the scenario transfer of `synthgen benchmark` on a small set: half of it, stratified and fixed,
is the test part, or another share, under another name. "digits" is scikit-learn's load_digits. A
finished cell is a line of tests/benchmarks/results/transfer-NAME.jsonl, which holds results and no
images; what stands there, made of the same data by the same settings and versions, is not trained
again, and a run that was stopped goes on. The controls are trained in the first --controls draws
only. With --finished nothing is trained: the results are summarised as they are, their curve is
drawn into transfer-NAME.png, and, where half is the test part, what `synthgen build` says of the
worth of the shipped generator is renewed in synthgen/gan/shipped/worth.json.
"""

import argparse
import dataclasses
import hashlib
import os
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
import numpy as np

from synthgen.config import BenchmarkSettings
from synthgen.datasets.digits import Digits, Reading
from synthgen.datasets.framing import MNIST_SHAPE, FramingSettings, fit_reading
from synthgen.datasets.sources import read_data
from synthgen.datasets.splits import RealDigits, split_test
from synthgen.evaluation.benchmark import BenchmarkJob
from synthgen.evaluation.results import BenchmarkSummary
from synthgen.evaluation.scenarios import FIRST_SEED, Plan
from synthgen.evaluation.worth import WORTH_FILE, WORTH_FORMAT, WorthTable, worth_of, worth_rows
from synthgen.gan.checkpoint import read_checkpoint, shipped_checkpoint
from synthgen.pipeline import plan_benchmark_job
from synthgen.records import to_json
from synthgen.reports.benchmark_plots import draw_benchmark_curve
from synthgen.reports.benchmark_words import benchmark_lines
from tests.benchmarks.augmentation import RESULTS, measure, read, summarise, verdicts

TEST_HALF = 0.5
TITLES = {
    "semeion": "Semeion (Italy)",
    "optdigits": "optdigits (Turkey)",
    "digits": "scikit-learn's digits",
}
COMPARED = ("classical", "source")  # what every draw trains; the other arms are controls


def small_set(data: str, test_share: float = TEST_HALF) -> RealDigits:
    """Digits framed as MNIST's were: one part to draw from, the other to test on.

    Args:
        data: "digits", or a file that `--data` reads.
        test_share: of the digits that are tested on, 0..1.
    """
    if data == "digits":
        from sklearn.datasets import load_digits

        found = load_digits()
        images = np.rint(found.images * (255 / 16)).astype(np.uint8)[..., None]
        reading = Reading(Digits(images, found.target.astype(np.uint8)), None)
        source = "scikit-learn's load_digits"
    else:
        reading = read_data(data)
        source = Path(data).name
    (framed, _), framing = fit_reading(reading, FramingSettings(shape=MNIST_SHAPE))
    train, test = split_test(framed, test_share)
    identity = train.sha256() + test.sha256()
    part = "half" if test_share == TEST_HALF else f"share of {test_share:g}"
    return RealDigits(
        train=train,
        validation=train.take(slice(0)),
        test=test,
        source=f"{source}; {framing}; a fixed, stratified {part} is the test part",
        sha256=hashlib.sha256(identity.encode()).hexdigest(),
    )


def renew_worth(title: str, summary: BenchmarkSummary) -> None:
    """Put the rows of one set in the place of its former ones in the package's table."""
    identity = read_checkpoint(shipped_checkpoint()).sha256
    others = [row for row in worth_of(identity) if row.name != title]
    rows = sorted([*others, *worth_rows(title, summary)], key=lambda row: row.name.lower())
    table = WorthTable(checkpoint_sha256=identity, rows=tuple(rows))
    path = Path(shipped_checkpoint()) / WORTH_FILE
    path.write_bytes(to_json(table, format=WORTH_FORMAT, indent=1))


def with_controls(job: BenchmarkJob, draws: int) -> BenchmarkJob:
    """Leaves the controls out of all but the first draws: they are shown, not what is asked.

    Args:
        job: the benchmark.
        draws: how many have controls.
    """
    groups = []
    for group in job.plan.groups:
        has_controls = group.draw.seed < FIRST_SEED + draws
        keys = tuple(key for key in group.keys if has_controls or key.arm in COMPARED)
        if keys:
            groups.append(dataclasses.replace(group, keys=keys))
    plan = Plan(groups=tuple(groups), notes=job.plan.notes)
    fingerprints = {key: job.fingerprints[key] for key in plan.keys}
    return dataclasses.replace(job, plan=plan, fingerprints=fingerprints)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", required=True)
    parser.add_argument("--name", required=True)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--controls", type=int, default=3)
    parser.add_argument("--per-class", default="1,2,5,10,20,50")
    parser.add_argument("--test-share", type=float, default=TEST_HALF)
    parser.add_argument("--root", default=".")
    parser.add_argument("--finished", action="store_true")
    options = parser.parse_args()
    settings = BenchmarkSettings(
        name=f"transfer-{options.name}",
        scenarios=("transfer",),
        per_class=tuple(options.per_class.split(",")),
        seeds=(options.seeds,),
    )
    real = small_set(options.data, options.test_share)
    planned = plan_benchmark_job(settings, options.root, real)
    job = with_controls(planned, options.controls)
    kept = RESULTS / f"transfer-{options.name}.jsonl"
    if options.finished and not read(kept):
        print(f"{options.name}: no results yet.")
        return
    summary = summarise(job, kept) if options.finished else measure(job, kept, forecast=False)
    print("\n".join(benchmark_lines(summary)), verdicts(summary), sep="\n\n", flush=True)
    if options.finished:
        (RESULTS / f"transfer-{options.name}.png").write_bytes(draw_benchmark_curve(summary, "png"))
        if options.test_share == TEST_HALF:
            renew_worth(TITLES.get(options.name, options.name), summary)


if __name__ == "__main__":
    main()
