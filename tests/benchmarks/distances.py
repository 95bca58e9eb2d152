"""Precision, recall, density and coverage of 60,000 against 60,000 images: seconds and memory.

python -m tests.benchmarks.distances [--images 60000] [--features 64]
"""

import argparse
import resource
import time

import numpy as np

from synthgen.metrics.neighbours import nearest
from synthgen.metrics.precision_recall import support


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--images", type=int, default=60_000)
    parser.add_argument("--features", type=int, default=64)
    options = parser.parse_args()
    random = np.random.default_rng(0)
    real, synthetic = (
        random.normal(size=(options.images, options.features)).astype(np.float32) for _ in range(2)
    )
    for name, work in (
        ("support", lambda: support(real, synthetic)),
        ("nearest", lambda: nearest(synthetic, real)),
    ):
        began = time.perf_counter()
        busy = time.process_time()
        work()
        seconds = time.perf_counter() - began
        busy = time.process_time() - busy
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3
        print(
            f"{name}: {seconds:.1f} s, {busy:.1f} s of processor time, peak memory {peak:.0f} MB",
            flush=True,
        )


if __name__ == "__main__":
    main()
