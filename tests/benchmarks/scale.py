"""What a build costs, for planning large ones: one core, one to three Ray nodes, bytes, verify.

    python -m tests.benchmarks.scale [--per-class 4000]

Everything is made with the shipped generator, screened, in HDF5, with distances to the training
images. One core is measured in processor seconds, which other programs hardly disturb; nodes by the
clock. The figures go to tests/benchmarks/results/scale.json; `python -m tests.benchmarks.fleet`
derives from them what a billion images need. Each run is a process of its own, which is kept to so
many cores.
"""

import argparse
import importlib
import json
import os
import platform
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

RESULTS = Path(__file__).parent / "results" / "scale.json"
SHARD_SIZES = (1_000, 10_000)  # images; the difference is what a shard costs beside its images


def build_once(root: str, per_class: int, shard_size: int, engine: str) -> dict[str, float]:
    """Build a set; return seconds by the clock, processor seconds of this process, and images."""
    from synthgen.config import BuildSettings
    from synthgen.datasets.sources import load_real
    from synthgen.gan.checkpoint import read_checkpoint, shipped_checkpoint
    from synthgen.shards.build import build

    settings = BuildSettings(per_class=per_class, shard_size=shard_size, formats=("hdf5",))
    reference = load_real("mnist").train
    began = time.perf_counter()
    work = time.process_time()
    result = build(
        settings,
        root,
        read_checkpoint(shipped_checkpoint()),
        reference=reference,
        progress=False,
        engine=engine,
    )
    return {
        "seconds": time.perf_counter() - began,
        "work": time.process_time() - work,
        "images": result.count,
    }


def on_cores(cores: set[int], *arguments: str) -> dict[str, Any]:
    """Run this file in a process that may use some cores; return what it prints."""
    command = [sys.executable, "-m", "tests.benchmarks.scale", "--run", *arguments]
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    found = subprocess.run(
        command,
        check=True,
        stdout=subprocess.PIPE,
        text=True,
        preexec_fn=lambda: os.sched_setaffinity(0, cores),
    )
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    process = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return json.loads(found.stdout.splitlines()[-1]) | {"process": process}


def build_on_nodes(root: str, nodes: int, per_class: int, shard_size: int) -> dict[str, float]:
    """Build on a Ray cluster of nodes with one core each, of which a first build made workers."""
    ray: Any = importlib.import_module("ray")
    utilities: Any = importlib.import_module("ray.cluster_utils")
    cluster = utilities.Cluster(
        initialize_head=True, head_node_args={"num_cpus": 1, "include_dashboard": False}
    )
    for _ in range(nodes - 1):
        cluster.add_node(num_cpus=1)
    ray.init(address=cluster.address, log_to_driver=False, configure_logging=False)
    build_once(f"{root}/first", 300 * nodes, 1000, "ray")
    found = build_once(f"{root}/second", per_class, shard_size, "ray")
    ray.shutdown()
    cluster.shutdown()
    return found


def verify_once(root: str) -> dict[str, float]:
    from synthgen.shards.verify import verify

    work = time.process_time()
    report = verify(f"{root}/manifests/digits.csv", progress=False)
    assert not report.problems
    return {"work": time.process_time() - work, "images": report.rows}


def size(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def measure(per_class: int) -> dict[str, Any]:
    cores = sorted(os.sched_getaffinity(0))
    one = {cores[0]}
    images = 10 * per_class
    with tempfile.TemporaryDirectory() as folder:
        # One core, two sizes of shards.
        seconds = {}
        for shard_size in SHARD_SIZES:
            root = f"{folder}/{shard_size}"
            made = on_cores(one, "build", root, str(per_class), str(shard_size))
            seconds[shard_size] = made["work"]
            speed = images / made["work"]
            print(f"one core, shards of {shard_size:,}: {speed:,.0f} images/s", flush=True)
        small, large = SHARD_SIZES
        more = images / small - images / large
        each = max(0.0, (seconds[small] - seconds[large]) / more)
        alone = seconds[large] - each * images / large

        # A start: everything but the images of a set of one image a class.
        start = on_cores(one, "build", f"{folder}/start", "1", "1000")["process"]

        # Bytes, and the cost of looking at all of it.
        root = Path(folder, str(large))
        verified = on_cores(one, "verify", str(root))
        record = (root / "manifests/digits.json").stat().st_size
        smaller = (Path(folder, str(small)) / "manifests/digits.json").stat().st_size
        facts = {
            "machine": f"{platform.system()} {platform.machine()}, {len(cores)} cores",
            "images": images,
            "images_per_second_and_core": images / alone,
            "seconds_per_shard": each,
            "seconds_to_start": start,
            "bytes_per_image": size(root / "data/digits/hdf5") / images,
            "manifest_bytes_per_image": (root / "manifests/digits.csv").stat().st_size / images,
            "record_bytes_per_shard": (smaller - record) / more,
            "verified_per_second_and_core": images / verified["work"],
        }

        # Ray: nodes of one core each.
        facts["nodes"] = {}
        for nodes in (1, 2, 3):
            made = on_cores(set(cores), "nodes", f"{folder}/nodes-{nodes}", str(nodes), str(images))
            facts["nodes"][str(nodes)] = made["images"] / made["seconds"]
            print(f"{nodes} nodes: {facts['nodes'][str(nodes)]:,.0f} images/s", flush=True)
    return facts


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--per-class", type=int, default=4000)
    parser.add_argument("--run", nargs="+", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if not options.run:
        facts = measure(options.per_class)
        RESULTS.write_text(json.dumps(facts, indent=2) + "\n")
        print(json.dumps(facts, indent=2))
        return
    what, root, *numbers = options.run
    if what == "build":
        found = build_once(root, int(numbers[0]), int(numbers[1]), "local")
    elif what == "verify":
        found = verify_once(root)
    else:
        found = build_on_nodes(root, int(numbers[0]), int(numbers[1]) // 10, 2_000)
    print(json.dumps(found), flush=True)


if __name__ == "__main__":
    main()
