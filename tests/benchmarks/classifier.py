"""The judging classifier on all of MNIST: seconds of training, validation and test accuracy, seed by seed.

    python -m tests.benchmarks.classifier [--seeds 3] [--test]

Without --test the test digits are not read: choices are made on validation.
"""

import argparse
import os
import statistics
import time

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
from synthgen.datasets.digits import Digits
from synthgen.datasets.sources import load_real
from synthgen.evaluation.classifier import Classifier, ClassifierSettings, predict_probabilities, train_classifier


def accuracy(model: Classifier, digits: Digits) -> float:
    return float((predict_probabilities(model, digits.images).argmax(axis=1) == digits.labels).mean())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--test", action="store_true")
    options = parser.parse_args()
    real, settings = load_real("mnist"), ClassifierSettings()
    parts = {"validation": real.validation} | ({"test": real.test} if options.test else {})
    found: dict[str, list[float]] = {name: [] for name in ("seconds", *parts)}
    for seed in range(options.seeds):
        began = time.perf_counter()
        model = train_classifier(real.train.images, real.train.labels, settings, seed)
        found["seconds"].append(time.perf_counter() - began)
        for name, digits in parts.items():
            found[name].append(accuracy(model, digits))
        print(f"seed {seed}: " + ", ".join(f"{name} {values[-1]:.4f}" for name, values in found.items()), flush=True)
    print("mean:   " + ", ".join(f"{name} {statistics.mean(values):.4f}" for name, values in found.items()))


if __name__ == "__main__":
    main()
