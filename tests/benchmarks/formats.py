"""Shard formats: bytes an image, and images/s written and read: the table of docs/reading.md.

    python -m tests.benchmarks.formats [--per-class 1000] [--rounds 3]

One shard of the shipped generator's digits. "Written" is encoding and writing its files; "read" is
reading and decoding all of them as `synthgen.load` and `verify` do; "own library" is what reads the
format elsewhere, from the files to arrays. Seconds are those of the processor, of all threads
together, so that other work on the machine counts little; the best of some rounds counts. Libraries
that are not installed are left out (pip install '.[ecosystem]').
"""

import argparse
import contextlib
import io
import os
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("HF_DATASETS_DISABLE_PROGRESS_BARS", "1")
import h5py
import numpy as np
from PIL import Image

from synthgen.config import BuildSettings
from synthgen.gan.checkpoint import read_checkpoint, shipped_checkpoint
from synthgen.shards.formats import SHARD_FORMATS, set_attributes
from synthgen.shards.generate import draw_shard, load_networks
from synthgen.shards.plan import plan_set
from synthgen.storage import open_storage


def read_hdf5(files: list[Path]) -> int:
    with h5py.File(files[0]) as file:
        return len(file["images"][:])


def read_png(files: list[Path]) -> int:
    images = [np.asarray(Image.open(io.BytesIO(path.read_bytes()))) for path in files]
    return len(images)


def read_npz(files: list[Path]) -> int:
    with np.load(files[0]) as arrays:
        return len(arrays["images"])


def read_webdataset(files: list[Path]) -> int:
    import webdataset

    data = webdataset.WebDataset(str(files[0]), shardshuffle=False).decode("rgb8")
    return sum(1 for _ in data)


def read_tfrecord(files: list[Path]) -> int:
    import tensorflow as tf

    features = {"image": tf.io.FixedLenFeature([], tf.string)}

    def image(record: Any) -> Any:
        return tf.io.decode_png(tf.io.parse_single_example(record, features)["image"])

    data = tf.data.TFRecordDataset([str(files[0])]).map(image).batch(100)
    return sum(len(batch) for batch in data)


def read_parquet(files: list[Path]) -> int:
    import datasets

    table = datasets.Dataset.from_parquet(str(files[0]), cache_dir=str(files[0].parent / "cache"))
    return sum(1 for row in table.with_format("numpy"))


# Format -> what reads it elsewhere: its name, and a function from files to a number of images.
LIBRARIES: dict[str, tuple[str, Callable[[list[Path]], int]]] = {
    "hdf5": ("h5py", read_hdf5),
    "png": ("Pillow", read_png),
    "webdataset": ("`webdataset`", read_webdataset),
    "tfrecord": ("`tf.data`", read_tfrecord),
    "parquet": ("`datasets`", read_parquet),
    "npz": ("NumPy", read_npz),
}


def best(rounds: int, work: Callable[[], object]) -> float:
    """Processor seconds of the quickest round."""
    seconds = []
    for _ in range(rounds):
        began = time.process_time()
        work()
        seconds.append(time.process_time() - began)
    return min(seconds)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--per-class", type=int, default=1000)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()

    # one shard, from the generator
    settings = BuildSettings(per_class=options.per_class, shard_size=10 * options.per_class)
    checkpoint = read_checkpoint(shipped_checkpoint())
    plan = plan_set(settings, checkpoint.class_names)
    shard = plan.shard(0)
    content = draw_shard(shard, plan, settings, load_networks(checkpoint, settings.batch))
    attributes = set_attributes(settings, checkpoint.sha256, None)
    count = len(shard)

    print(
        "| format | bytes an image | written, images/s | read, images/s | own library, images/s |"
    )
    print("|---|---|---|---|---|")
    for kind, module in SHARD_FORMATS.items():
        with tempfile.TemporaryDirectory() as folder:
            storage = open_storage(folder)

            def write(module: Any = module, storage: Any = storage) -> None:
                storage.write_many(module.encode(content, plan, attributes))

            paths = module.paths(shard, plan)
            files = [Path(folder, path) for path in dict.fromkeys(paths)]

            def read(module: Any = module, storage: Any = storage, paths: Any = paths) -> None:
                module.decode(storage.read_many(paths), paths, range(count))

            written = count / best(options.rounds, write)
            size = sum(path.stat().st_size for path in files) / count
            decoded = count / best(options.rounds, read)
            name, library = LIBRARIES[kind]
            other = ""
            with contextlib.suppress(ImportError):
                assert library(files) == count
                seconds = best(options.rounds, lambda own=library, files=files: own(files))
                other = f"{count / seconds:,.0f} ({name})"
        print(f"| `{kind}` | {size:,.0f} | {written:,.0f} | {decoded:,.0f} | {other} |", flush=True)


if __name__ == "__main__":
    main()
