"""How fast training jobs get the images of a set: each way beside what its library does itself.

python -m tests.benchmarks.loading MANIFEST [--limit 20000] [--repeat 3]

MANIFEST lists a set with HDF5 shards; where it has WebDataset or Parquet shards too (`synthgen
export`), these are read as well. Every figure is the best of some passes, in images a second, first
of all rows in order, then of a random 80 % of them in random order. The first pass unpacks and
checks every image; a later pass finds them in memory. The last column is the rate beside the
library's own reader of the same files, the line above with a star. It must not be below 0.5.
"""

import argparse
import csv
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import h5py
import numpy as np
import torch
import webdataset
from datasets import disable_progress_bars, load_dataset
from torch.utils.data import DataLoader, Dataset

import synthgen

BATCH = 128
LONG_SECONDS = 3  # of passes after which there is no other
OWN = "*"  # marks what a library does by itself

Pass = Callable[[], Iterable[Any]]


class Way(NamedTuple):
    """A way to read a set.

    Args:
        name: for the table; begins with a star where it is a library's own.
        images: how many it yields.
        ordered: reads all rows in order, and yields batches.
        random: reads 80 % of them in random order; None where it cannot.
    """

    name: str
    images: int
    ordered: Pass | None
    random: Pass | None


class PlainHdf5(Dataset):
    """What users write: one HDF5 file, opened in each worker, a row at a time."""

    def __init__(self, path: str, rows: np.ndarray) -> None:
        self.path = path
        self.rows = rows
        self.file: Any = None

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, row: int) -> tuple[np.ndarray, int]:
        if self.file is None:
            self.file = h5py.File(self.path)
        place = int(self.rows[row])
        return self.file["images"][place], int(self.file["labels"][place])


def slices(paths: list[str]) -> Iterator[np.ndarray]:
    """h5py in order: batch by batch of each shard."""
    for path in paths:
        with h5py.File(path) as file:
            images = file["images"]
            for start in range(0, len(images), BATCH):
                yield images[start : start + BATCH]


def whole_shards(paths: list[str], rows: np.ndarray) -> Iterator[np.ndarray]:
    """h5py at random: whole shards into memory, then the rows."""
    shards = []
    for path in paths:
        with h5py.File(path) as file:
            shards.append(file["images"][:])
    images = np.concatenate(shards)
    for start in range(0, len(rows), BATCH):
        yield images[rows[start : start + BATCH]]


def batches_of(images: np.ndarray, rows: np.ndarray) -> Iterator[np.ndarray]:
    """A plain array in memory."""
    for start in range(0, len(rows), BATCH):
        yield images[rows[start : start + BATCH]]


def only(manifest: str, kind: str, folder: str) -> str | None:
    """Write a manifest that names the files of one format alone; None if the set lacks it."""
    with Path(manifest).open(newline="") as file:
        rows = list(csv.DictReader(file))
    if not rows[0].get(kind):
        return None
    others = {"hdf5", "png", "webdataset", "tfrecord", "parquet", "npz"} & set(rows[0]) - {kind}
    path = Path(folder) / f"only-{kind}.csv"
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows([row | dict.fromkeys(others, "") for row in rows])
    return str(path)


def rate(run: Pass, images: int, repeat: int) -> float:
    """Images a second of the best of some passes, or of one that takes long."""
    seconds: list[float] = []
    while len(seconds) < repeat and sum(seconds) < LONG_SECONDS:
        start = time.perf_counter()
        for _ in run():
            pass
        seconds.append(time.perf_counter() - start)
    return images / min(seconds)


def ways(manifest: str, limit: int, folder: str) -> Iterator[Way]:
    """All ways, each group behind its library's own."""
    root = str(Path(manifest).parent.parent)
    whole = synthgen.open_set(manifest)
    frame = whole.rows()
    count = len(whole)
    random = np.random.default_rng(0).permutation(count)[: int(0.8 * count)]
    paths = [f"{root}/{path}" for path in dict.fromkeys(frame["hdf5"])]
    images = synthgen.load(manifest).images

    # NumPy
    def fresh(**options: Any) -> synthgen.DigitSet:
        return synthgen.open_set(manifest, **options)

    yield Way(
        "array in memory",
        count,
        lambda: batches_of(images, np.arange(count)),
        lambda: batches_of(images, random),
    )
    yield Way(f"{OWN} h5py", count, lambda: slices(paths), lambda: whole_shards(paths, random))
    yield Way("load", count, lambda: [synthgen.load(manifest)], None)
    yield Way(
        "open_set, first pass, manifest read",
        count,
        lambda: fresh().batches(BATCH),
        lambda: fresh().take(random).batches(BATCH),
    )
    yield Way(
        "open_set, later passes",
        count,
        lambda: whole.batches(BATCH),
        lambda: whole.take(random).batches(BATCH),
    )
    small = fresh(cache_bytes=count * 784 // 4)
    yield Way(
        "open_set, a quarter kept",
        count,
        lambda: small.batches(BATCH),
        lambda: small.batches(BATCH, shuffle_seed=0),
    )

    # tf.data: the plain way hands it slices, too
    from tensorflow import TensorSpec, uint8
    from tensorflow.data import Dataset as TfDataset

    signature = TensorSpec((None, *whole.image_shape), uint8)
    plain = TfDataset.from_generator(lambda: slices(paths), output_signature=signature)
    yield Way(f"{OWN} tf.data, h5py", count, lambda: plain, None)
    yield Way("open_set, as_tf_dataset", count, lambda: whole.as_tf_dataset(BATCH), None)

    # PyTorch: some images of the first shard, which the plain reader reads a row at a time
    first = np.flatnonzero(frame["shard"] == frame["shard"].iloc[0])[:limit]
    chosen = np.random.default_rng(0).permutation(len(first))[: int(0.8 * len(first))]
    for workers in (0, 2):
        for name, ordered, shuffled in (
            (
                f"{OWN} torch, h5py rows, {workers} workers",
                PlainHdf5(paths[0], np.arange(len(first))),
                PlainHdf5(paths[0], chosen),
            ),
            (
                f"torch, as_torch_dataset, {workers} workers",
                fresh().take(first).as_torch_dataset(),
                fresh().take(first[chosen]).as_torch_dataset(),
            ),
            (
                f"torch, the same, nothing kept, {workers} workers",
                fresh(cache_bytes=1).take(first).as_torch_dataset(),
                fresh(cache_bytes=1).take(first[chosen]).as_torch_dataset(),
            ),
        ):

            def load(dataset: Any, workers: int = workers) -> DataLoader:
                return DataLoader(dataset, batch_size=BATCH, num_workers=workers)

            yield Way(
                name,
                len(first),
                lambda load=load, ordered=ordered: load(ordered),
                lambda load=load, shuffled=shuffled: load(shuffled),
            )

    # The files of other formats, and Hugging Face's data set
    cache = f"{folder}/cache"
    tars = only(manifest, "webdataset", folder)
    if tars:
        names = [f"{root}/{path}" for path in dict.fromkeys(frame["webdataset"])]
        dataset = webdataset.WebDataset(names, shardshuffle=False)
        dataset = dataset.decode("l8").to_tuple("png", "cls").batched(BATCH)
        yield Way(f"{OWN} webdataset", count, lambda: dataset, None)
        yield Way(
            "open_set of tars", count, lambda: synthgen.open_set(tars, root).batches(BATCH), None
        )
    parquet = only(manifest, "parquet", folder)
    if parquet:
        names = [f"{root}/{path}" for path in dict.fromkeys(frame["parquet"])]
        read = load_dataset("parquet", data_files=names, split="train", cache_dir=cache)
        read = read.select_columns(["image", "label"])
        part = limit if limit < count else count
        some = np.random.default_rng(0).permutation(count)[: int(0.8 * part)]
        yield Way(
            f"{OWN} datasets, parquet",
            part,
            lambda: read.select(range(part)).with_format("numpy").iter(BATCH),
            lambda: read.select(some).with_format("numpy").iter(BATCH),
        )
        made = whole.as_hugging_face()
        yield Way(
            "as_hugging_face",
            part,
            lambda: made.select(range(part)).with_format("numpy").iter(BATCH),
            lambda: made.select(some).with_format("numpy").iter(BATCH),
        )
        yield Way(
            "open_set of parquet",
            count,
            lambda: synthgen.open_set(parquet, root).batches(BATCH),
            None,
        )


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("manifest")
    parser.add_argument("--limit", type=int, default=5000)
    parser.add_argument("--repeat", type=int, default=3)
    chosen = parser.parse_args()
    disable_progress_bars()
    torch.set_num_threads(1)

    print(f"| {'way':44s} | {'all rows':>11s} | {'random 80 %':>11s} | beside * |")
    print("|---|---|---|---|")
    own = (float("nan"), float("nan"))
    with tempfile.TemporaryDirectory() as folder:
        for way in ways(chosen.manifest, chosen.limit, folder):
            rates = (
                rate(way.ordered, way.images, chosen.repeat) if way.ordered else float("nan"),
                rate(way.random, int(0.8 * way.images), chosen.repeat)
                if way.random
                else float("nan"),
            )
            if way.name.startswith(OWN):
                own = rates
            beside = [f"{rate / other:.2f}" for rate, other in zip(rates, own, strict=True)]
            shown = [f"{rate:,.0f}" if rate == rate else "" for rate in rates]
            ratio = " ".join("" if text == "nan" else text for text in beside)
            print(f"| {way.name:44s} | {shown[0]:>11s} | {shown[1]:>11s} | {ratio} |", flush=True)


if __name__ == "__main__":
    main()
