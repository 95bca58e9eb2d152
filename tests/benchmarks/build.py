"""Building sets: images/s and memory by size and format, beside the plain way and the floor.

    python -m tests.benchmarks.build [--images 10000,100000] [--formats hdf5,png,hdf5+png]
    python -m tests.benchmarks.build --images 10,10000,50000,100000,1000000 --before ../v0.1.0

With --before FOLDER each build is made by the package in that folder as well, right after. Below
the table stands what is to be reached, with what was measured of it.

Each build is `synthgen build --no-evaluate` in a process of its own, with everything: start,
reading of MNIST, distances to its digits, hashes, manifest. The plain way is Keras predict, Pillow,
h5py and pandas with the same network; its start is left away, and it has no seeds, screening,
distances, hashes or resume.

The floor is what the arithmetic alone takes: latents, generator and screener on all cores, and
nothing else. "Possible" is the multiplications of both networks at the speed of one large matrix
product a core.
"""

import argparse
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np

from synthgen.config import BuildSettings
from synthgen.gan.checkpoint import read_checkpoint, shipped_checkpoint
from synthgen.processes import core_count
from synthgen.shards.engine import pool_of_cores
from synthgen.shards.generate import draw_shard, load_networks
from synthgen.shards.plan import plan_set

FLOOR_IMAGES = 20_000
PLAIN_IMAGES = 5_000
# Multiplications and additions of the shipped generator and its screener, in pairs an image, with
# the transforms of networks/inference.py; by direct convolutions there are 10.5 million.
PAIRS = {
    "project": 96 * 49 * 112,
    "same": 81 * 49 * (112 + 96) + 81 * 112 * 96,
    "up": 64 * 49 * (96 + 4 * 48) + 64 * 96 * 4 * 48,
    "output": 196 * 9 * 48 * 4,
    "screener": 196 * 9 * 4 * 16 + 49 * 9 * 16 * 32 + 81 * 49 * (32 + 64) + 81 * 32 * 64,
}


class Measured(NamedTuple):
    """What a process took.

    Args:
        seconds: from its start to its end.
        cpu: seconds that the cores worked for it.
        memory: bytes, at most.
    """

    seconds: float
    cpu: float
    memory: int


def run_process(*command: str, package: str | None = None) -> Measured:
    """Run a command of this Python, with this package or the one in a folder, and measure it."""
    environment = dict(os.environ)
    if package is not None:
        environment["PYTHONPATH"] = os.path.abspath(package)
    began = time.perf_counter()
    process = subprocess.Popen(
        [sys.executable, "-m", *command],
        stdout=subprocess.DEVNULL,
        env=environment,
        cwd=package,
    )
    _, status, used = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise subprocess.CalledProcessError(process.returncode, command)
    seconds = time.perf_counter() - began
    return Measured(seconds, used.ru_utime + used.ru_stime, used.ru_maxrss * 1024)


def seconds_of(work: Callable[[], object], rounds: int = 5) -> float:
    """Return the shortest of a few times."""
    times = []
    for _ in range(rounds):
        began = time.perf_counter()
        work()
        times.append(time.perf_counter() - began)
    return min(times)


def plain_rate(count: int) -> float:
    """Make images the plain way and return how many a second, without the start."""
    import h5py
    import pandas as pd
    from PIL import Image

    from synthgen.networks.gan import build_generator
    from synthgen.networks.layers import set_weights

    checkpoint = read_checkpoint(shipped_checkpoint())
    model = build_generator(checkpoint.settings, checkpoint.image_shape, 10)
    set_weights(model, checkpoint.generator)
    with tempfile.TemporaryDirectory() as root:
        began = time.perf_counter()
        folder = Path(root)
        labels = np.repeat(np.arange(10), count // 10)
        random = np.random.default_rng(0)
        latents = random.standard_normal((count, checkpoint.settings.latent), np.float32)
        drawn = model.predict([latents, labels], batch_size=256, verbose=0)
        images = ((drawn + 1) * 127.5).astype(np.uint8)
        for number, image in enumerate(images):
            Image.fromarray(image[..., 0]).save(folder / f"{number}.png")
        with h5py.File(folder / "plain.h5", "w") as file:
            file.create_dataset("images", data=images, compression="gzip")
            file.create_dataset("labels", data=labels)
        pd.DataFrame({"id": range(count), "label": labels}).to_csv(folder / "plain.csv")
        return count / (time.perf_counter() - began)


def floor_rates() -> tuple[float, float]:
    """Return images/s of drawing and screening alone, and what the matrix product would allow."""
    matrix = np.random.default_rng(0).standard_normal((1024, 1024), np.float32)
    checkpoint = read_checkpoint(shipped_checkpoint())
    settings = BuildSettings(
        per_class=FLOOR_IMAGES // 10, shard_size=FLOOR_IMAGES, labels="condition"
    )
    networks = load_networks(checkpoint, settings.batch, "numpy")
    plan = plan_set(settings, checkpoint.class_names)
    with pool_of_cores() as pool:
        product = seconds_of(lambda: matrix @ matrix)
        drawing = seconds_of(
            lambda: draw_shard(plan.shard(0), plan, settings, networks, run=pool.map), rounds=3
        )
    possible = core_count() * 1024**3 / product / sum(PAIRS.values())
    return FLOOR_IMAGES / drawing, possible


def measure_build(root: Path, count: int, formats: str, package: str | None = None) -> Measured:
    """Build a set in a process of its own, with this package or the one in another folder."""
    return run_process(
        *("synthgen", "build", "--no-evaluate", "--root", str(root)),
        *("--per-class", str(count // 10), "--formats", formats.replace("+", ",")),
        package=package,
    )


def musts(
    found: dict[tuple[int, str], Measured],
    former: dict[tuple[int, str], Measured],
    floor: float,
    plain: float,
) -> list[str]:
    """Return what is to be reached, with what was measured of it, if it was.

    Args:
        found: by images and formats.
        former: the same of another version.
        floor: images/s of generator and screener alone.
        plain: images/s of the plain way.
    """
    lines = []
    both = found.get((50_000, "hdf5+png"))
    both_before = former.get((50_000, "hdf5+png"))
    if both is not None:
        times = 50_000 / both.seconds / plain
        lines.append(f"50,000 in both formats: {times:.1f} times the plain way; at least 4")
        lines.append(f"50,000 in both formats: {both.seconds:.1f} s; the goal is 8 s")
    if both is not None and both_before is not None:
        share = both.seconds / both_before.seconds
        lines.append(f"50,000 in both formats: {share:.2f} of the time before; at most 0.55")
    few = found.get((10, "hdf5+png"))
    few_before = former.get((10, "hdf5+png"))
    if few is not None and few_before is not None:
        share = few.seconds / few_before.seconds
        lines.append(f"one image a class: {share:.2f} of the time before; at most 0.5")
    million = found.get((1_000_000, "hdf5"))
    smaller = found.get((50_000, "hdf5"))
    if million is not None:
        share = 1e6 / million.seconds / floor
        lines.append(f"1,000,000 to HDF5: {share:.0%} of the floor; at least 60%")
    if million is not None and smaller is not None:
        share = million.memory / smaller.memory
        lines.append(f"memory at 1,000,000: {share:.2f} of that at 50,000; at most 1.1")
    return lines


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--images", default="10000,100000")
    parser.add_argument("--formats", default="hdf5,png,hdf5+png")
    parser.add_argument("--before", help="folder with another version of synthgen")
    parser.add_argument("--plain", action="store_true", help="only the plain way")
    options = parser.parse_args()
    if options.plain:
        print(f"{plain_rate(PLAIN_IMAGES):.1f}")
        return

    floor, possible = floor_rates()
    command = [sys.executable, "-m", "tests.benchmarks.build", "--plain"]
    plain = float(subprocess.run(command, check=True, capture_output=True).stdout)
    print(f"floor {floor:,.0f} images/s on {core_count()} cores, possible {possible:,.0f}")
    print(f"plain way {plain:,.0f} images/s")
    print(
        "\n| images | formats | seconds | core-seconds | images/s | of the floor | plain ", end=""
    )
    print("| before | MB |")
    print("|---|---|---|---|---|---|---|---|---|")
    found: dict[tuple[int, str], Measured] = {}
    former: dict[tuple[int, str], Measured] = {}
    # Nothing is removed before the end: some file systems are slower where files just were.
    with tempfile.TemporaryDirectory() as root:
        for count in map(int, options.images.split(",")):
            for formats in options.formats.split(","):
                place = Path(root) / f"{count}-{formats}"
                measured = measure_build(place / "now", count, formats)
                found[count, formats] = measured
                before = ""
                if options.before:
                    past = measure_build(place / "before", count, formats, options.before)
                    former[count, formats] = past
                    before = f"{measured.seconds / past.seconds:.2f}"
                rate = count / measured.seconds
                print(
                    f"| {count:,} | {formats} | {measured.seconds:.1f} | {measured.cpu:.1f} "
                    f"| {rate:,.0f} | {rate / floor:.0%} | {rate / plain:.1f} times "
                    f"| {before} | {measured.memory / 1e6:.0f} |",
                    flush=True,
                )
    print()
    for line in musts(found, former, floor, plain):
        print(f"- {line}")


if __name__ == "__main__":
    main()
