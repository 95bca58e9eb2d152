"""Which loss tunes the distortions?

What cross-validation within a cell's images says of each strength of the distortions, beside what
that strength is worth.

    python -m tests.benchmarks.tuning [--per-class 20,100,all] [--strengths 0,0.5,1,1.5,2] [--seed
    1000]

For each strength a classifier learns from two thirds of the images for half of the steps and is
asked about the rest, as in `synthgen benchmark`; another one learns from all of them for all of the
steps and is asked about the 5,000 validation digits.
"""

import argparse
import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
from synthgen.classifiers.judge import Judge, JudgeTraining, default_judge
from synthgen.config import ALL, BenchmarkSettings
from synthgen.datasets.digits import Digits
from synthgen.datasets.sources import load_real
from synthgen.evaluation.scenarios import Draw, benchmark_steps
from synthgen.evaluation.tuning import log_losses, split, tempered_loss, tuning_steps

TABLE = """\
| real images | strength | held-out log-loss | at the best temperature | held-out | validation |
|---|---|---|---|---|---|"""


def line(
    budget: str, digits: Digits, validation: Digits, strength: float, seed: int, judge: Judge
) -> str:
    """One row of the table."""
    steps = benchmark_steps(len(digits), BenchmarkSettings())
    rest, part = next(split(digits, seed, 1))
    short = JudgeTraining(digits=rest, steps=tuning_steps(steps), seed=seed, strength=strength)
    whole = JudgeTraining(digits=digits, steps=steps, seed=seed, strength=strength)
    held_out = judge.predict(judge.fit(short, None), part.images)
    final = judge.predict(judge.fit(whole, None), validation.images)
    loss = float(log_losses(held_out, part.labels).mean())
    tempered = tempered_loss(held_out, part.labels)
    accuracy = (held_out.argmax(axis=1) == part.labels).mean()
    worth = (final.argmax(axis=1) == validation.labels).mean()
    return (
        f"| {budget} | {strength:g} | {loss:.3f} | {tempered:.3f} | {accuracy:.2%} | {worth:.2%} |"
    )


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--per-class", default="20,100,all")
    parser.add_argument("--strengths", default="0,0.5,1,1.5,2")
    parser.add_argument("--seed", type=int, default=1000)
    options = parser.parse_args()
    real = load_real("mnist")
    judge = default_judge()
    print(TABLE, flush=True)
    for budget in options.per_class.split(","):
        have = real.train.counts().tolist()
        counts = tuple(have if budget == ALL else [int(budget)] * len(have))
        digits = Draw(counts=counts, seed=options.seed).digits(real.train)
        for strength in map(float, options.strengths.split(",")):
            print(line(budget, digits, real.validation, strength, options.seed, judge), flush=True)


if __name__ == "__main__":
    main()
