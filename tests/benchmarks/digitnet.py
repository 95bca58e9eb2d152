"""Train the feature network that the package ships, on MNIST's 55,000 training digits.

    python -m tests.benchmarks.digitnet [--out synthgen/classifiers/shipped]

Prints seconds and accuracy on the 5,000 validation digits. The shipped files are its output.
"""

import argparse
import os
import time

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
from synthgen.classifiers.digitnet import DIGITNET_WEIGHTS, write_digitnet
from synthgen.datasets.sources import load_real
from synthgen.storage import open_storage


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", default="synthgen/classifiers/shipped")
    storage = open_storage(parser.parse_args().out)
    began = time.perf_counter()
    record, _ = write_digitnet(
        storage, load_real("mnist"), {"command": "python -m tests.benchmarks.digitnet"}
    )
    size = len(storage.read_bytes(DIGITNET_WEIGHTS))
    seconds = time.perf_counter() - began
    print(f"{seconds:.0f} s, {size:,} bytes, validation {record['validation_accuracy']:.2%}")


if __name__ == "__main__":
    main()
