"""The judge, trained on MNIST's 55,000, and what it says of the shipped generator's raw output.

    python -m tests.benchmarks.judge [--seeds 3] [--per-class 1000] [--test] [--synthetic-only]

With --synthetic-only it is trained on those raw images instead. Prints, seed by seed, seconds of
training, accuracy on validation and, with --test, on the test digits, and the label agreement of
images that were neither screened nor drawn again. Without --test the test digits are not read:
choices are made on validation.
"""

import argparse
import os
import statistics
import time

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
from synthgen.classifiers.judge import JudgeTraining, default_judge
from synthgen.config import BuildSettings
from synthgen.datasets.digits import Digits
from synthgen.datasets.sources import load_real
from synthgen.gan.checkpoint import read_checkpoint, shipped_checkpoint
from synthgen.shards.generate import draw_shard, load_networks
from synthgen.shards.plan import plan_set

JUDGE_STEPS = 1720  # two passes over 55,000 digits in batches of 64


def raw_digits(folder: str, per_class: int) -> Digits:
    """First draws of a generator, unscreened."""
    checkpoint = read_checkpoint(folder)
    settings = BuildSettings(
        per_class=per_class, shard_size=per_class * len(checkpoint.class_names), screen="none"
    )
    plan = plan_set(settings, checkpoint.class_names)
    drawn = draw_shard(plan.shard(0), plan, settings, load_networks(checkpoint, settings.batch))
    return Digits(drawn.images, drawn.labels, checkpoint.class_names)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--per-class", type=int, default=1000)
    parser.add_argument("--test", action="store_true")
    parser.add_argument("--synthetic-only", action="store_true")
    options = parser.parse_args()
    real = load_real("mnist")
    raw = raw_digits(shipped_checkpoint(), options.per_class)
    train = raw if options.synthetic_only else real.train
    asked = {"validation": real.validation}
    if options.test:
        asked["test"] = real.test
    asked["raw agreement"] = raw

    judge = default_judge()
    found: dict[str, list[float]] = {name: [] for name in ("seconds", *asked)}
    for seed in range(options.seeds):
        began = time.perf_counter()
        model = judge.fit(JudgeTraining(digits=train, steps=JUDGE_STEPS, seed=seed), None)
        found["seconds"].append(time.perf_counter() - began)
        for name, digits in asked.items():
            seen = judge.predict(model, digits.images).argmax(axis=1)
            found[name].append(float((seen == digits.labels).mean()))
        line = ", ".join(f"{name} {values[-1]:.4f}" for name, values in found.items())
        print(f"seed {seed}: {line}", flush=True)
    line = ", ".join(f"{name} {statistics.mean(values):.4f}" for name, values in found.items())
    print(f"mean:   {line}")


if __name__ == "__main__":
    main()
