"""Damaged and forged files for every reader: none may end outside the error tree, die or hang.

python -m tests.faults.fuzz [--executions N] [--reader NAME] [--seed N] [--save FOLDER]
                             [--workers N]

N executions in all, more of quick readers than of slow ones. Each reads a small valid file in which
bytes, or values of its JSON, were changed, in a child with limits on memory and time. Where the
package itself reads in a process of its own (HDF5, whose library can crash and loop), the end of
the child is what that process is for: it is counted, and no failure. A reader that opens a file
outside of its folder is found out by an audit hook. Ctrl-C ends with what was done so far, which is
of all readers.
"""

import argparse
import contextlib
import copy
import dataclasses
import functools
import gzip
import io
import json
import os
import random
import resource
import signal
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from PIL import Image
from tqdm import tqdm

from synthgen.config import GanSettings
from synthgen.datasets import csv_table, npz
from synthgen.datasets.files import list_files
from synthgen.datasets.hdf5 import read_file
from synthgen.datasets.idx import parse_idx, to_idx
from synthgen.datasets.pictures import read_picture
from synthgen.errors import SynthgenError
from synthgen.evaluation.cells import read_cell
from synthgen.evaluation.results import EVALUATION_FORMAT, read_evaluation
from synthgen.evaluation.scenarios import Key
from synthgen.gan.checkpoint import read_checkpoint, write_checkpoint
from synthgen.gan.resume import SavedRun, load_options, load_run, run_options, save_run
from synthgen.records import to_json
from synthgen.shards.formats import SHARD_FORMATS
from synthgen.shards.manifest import read_rows
from synthgen.shards.run_record import read_record
from synthgen.storage import open_storage
from synthgen.weights import pack_weights, unpack_weights
from tests.evaluation.conftest import make_cell
from tests.evaluation.example import make_evaluation
from tests.faults.lanes import HEADER, Tally, do_all, memory_disk, peak_mib
from tests.gan.jobs import RUN
from tests.shards.conftest import draw, make, make_checkpoint

SECONDS = 10.0  # of processor time that one execution may take
SECONDS_APART = 0.5  # of one that the package ends itself: it is no failure, and one in 400 loops
MEMORY = 1_000_000_000  # bytes that the child may take beside what it begins with
BLOCK = 1000  # executions of a child
OUTCOMES = ("read", "refused", "apart", "outside", "died", "hung", "elsewhere")
ROOT = Path(__file__).parents[2]
# Of the system; pandas reads the time zones when it is imported.
DEVICES = ("/proc", "/sys", "/dev/null", "/dev/urandom", "/usr/share/zoneinfo")
ODD_BYTES = (0, 1, 9, 10, 34, 44, 127, 128, 255)
ODD_VALUES: tuple[Any, ...] = (
    None, True, -1, 0, 2**31, 2**63, 10**400, 0.5, 1e308, "", "../../x", "\0", "a" * 5000, [], {},
    [[[]]], {"a": 1}, [1, 2, 3],
)  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Reader:
    """Something that reads files of others.

    Args:
        name: of the kind of file.
        seeds: makes valid files.
        read: reads one; it may write to the folder.
        is_json: whether values within it can be changed.
        apart: whether the package reads it in a process of its own.
        share: of all executions; slow readers have a small one.
    """

    name: str
    seeds: Callable[[], Sequence[bytes]]
    read: Callable[[bytes, Path], object]
    is_json: bool = False
    apart: bool = False
    share: int = 4


# Valid files


def _digits() -> tuple[np.ndarray, np.ndarray]:
    generator = np.random.default_rng(3)
    return generator.integers(0, 256, (20, 8, 8), np.uint8), np.arange(20, dtype=np.uint8) % 10


def _idx() -> list[bytes]:
    images = to_idx(_digits()[0])
    return [images, gzip.compress(images, mtime=0)]


def _npz() -> list[bytes]:
    images, labels = _digits()
    files = []
    for save in (np.savez, np.savez_compressed):
        buffer = io.BytesIO()
        save(buffer, images=images, labels=labels, class_names=np.array(list("0123456789")))
        files.append(buffer.getvalue())
    return files


def _pictures() -> list[bytes]:
    files = []
    grey = Image.fromarray(_digits()[0][0])
    for picture in (grey, grey.convert("RGB"), grey.convert("P"), grey.convert("1")):
        for kind in ("PNG", "JPEG", "BMP", "GIF", "TIFF", "WEBP"):
            if kind == "JPEG" and picture.mode == "P":
                continue
            buffer = io.BytesIO()
            picture.save(buffer, kind)
            files.append(buffer.getvalue())
    return files


def _csv() -> list[bytes]:
    images, labels = _digits()
    header = ",".join(["label", *(f"pixel{k}" for k in range(64))])
    rows = [
        ",".join(map(str, [label, *image.ravel()]))
        for image, label in zip(images, labels, strict=True)
    ]
    return ["\n".join([header, *rows]).encode(), "\n".join(rows).encode()]


def _hdf5() -> list[bytes]:
    images, labels = _digits()
    files = []
    for options in ({}, {"compression": "gzip"}):
        buffer = io.BytesIO()
        with h5py.File(buffer, "w") as file:
            file.create_dataset("images", data=images, **options)
            file.create_dataset("labels", data=labels)
            file.attrs["class_names"] = list("0123456789")
        files.append(buffer.getvalue())
    return files


def _made(path: str) -> list[bytes]:
    with tempfile.TemporaryDirectory() as folder:
        make(folder, per_class=6)
        return [Path(folder, path).read_bytes()]


def _checkpoint() -> list[bytes]:
    with tempfile.TemporaryDirectory() as folder:
        write_checkpoint(folder, make_checkpoint())
        return [Path(folder, "checkpoint.json").read_bytes()]


def _weights() -> list[bytes]:
    return [pack_weights({"a": np.ones((3, 2), np.float32), "b/c": np.zeros(4, np.int64)})]


IDENTITY = {
    "gan": dataclasses.asdict(GanSettings(steps=9)),
    "seed": 3,
    "preset": "fc",
    "training_data": "a" * 64,
}


def _save_state(folder: str) -> None:
    arrays = {"step": np.array(5), "generator/w": np.ones(2, np.float32)}
    log = {"log": ["step,loss"], "events": [{"step": 1, "kind": "resumed"}]}
    saved = SavedRun(arrays, {"w": np.ones(2, np.float32)}, 1.5, log)
    save_run(open_storage(folder), IDENTITY, saved, run_options(RUN, "digits.npz"))


def _state() -> list[bytes]:
    with tempfile.TemporaryDirectory() as folder:
        _save_state(folder)
        return [Path(folder, "training/state.json").read_bytes()]


def _cell() -> list[bytes]:
    correct = np.arange(20) % 3 > 0
    key = Key(scenario="grid", budget="5", share=None, arm="real", ratio=0, seed=1)
    return [make_cell(key, correct, _digits()[1]).to_line()]


def _evaluation() -> list[bytes]:
    return [to_json(make_evaluation(), format=EVALUATION_FORMAT)]


def _shard(kind: str) -> Callable[[], list[bytes]]:
    def encode() -> list[bytes]:
        content, plan = draw()
        return list(SHARD_FORMATS[kind].encode(content, plan, {}).values())[:1]

    return encode


# Reading them


def _read_csv(content: bytes, folder: Path) -> object:
    (folder / "a.csv").write_bytes(content)
    return csv_table.read(list_files(str(folder / "a.csv")))


def _read_hdf5(content: bytes, folder: Path) -> object:
    (folder / "a.h5").write_bytes(content)
    return read_file(str(folder / "a.h5"), "a.h5")


def _read_manifest(content: bytes, folder: Path) -> object:
    (folder / "a.csv").write_bytes(content)
    return list(read_rows(open_storage(str(folder)), "a.csv"))


def _read_record(content: bytes, folder: Path) -> object:
    (folder / "a.json").write_bytes(content)
    return read_record(open_storage(str(folder)), "a.csv")


def _read_checkpoint(content: bytes, folder: Path) -> object:
    if not list(folder.glob("*.safetensors")):
        write_checkpoint(str(folder), make_checkpoint())
    (folder / "checkpoint.json").write_bytes(content)
    return read_checkpoint(str(folder))


def _read_state(content: bytes, folder: Path) -> object:
    if not (folder / "training").exists():
        _save_state(str(folder))
    (folder / "training/state.json").write_bytes(content)
    storage = open_storage(str(folder))
    load_options(storage)
    return load_run(storage, IDENTITY, resume=True)


def _read_shard(kind: str) -> Callable[[bytes, Path], object]:
    def decode(content: bytes, folder: Path) -> object:
        return SHARD_FORMATS[kind].decode({"a": content}, ["a"] * 3, [0, 1, 2])

    return decode


READERS = (
    Reader(name="IDX", seeds=_idx, read=lambda content, _: parse_idx(content, 3, "a")),
    Reader(name="NPZ", seeds=_npz, read=lambda content, _: npz.parse(io.BytesIO(content), "a")),
    Reader(name="picture", seeds=_pictures, read=lambda content, _: read_picture(content, "a.png")),
    Reader(name="CSV", seeds=_csv, read=_read_csv, share=2),
    Reader(name="HDF5", seeds=_hdf5, read=_read_hdf5, apart=True),
    Reader(
        name="manifest",
        seeds=lambda: _made("manifests/tiny.csv"),
        read=_read_manifest,
        share=1,
    ),
    Reader(
        name="run record",
        seeds=lambda: _made("manifests/tiny.json"),
        read=_read_record,
        is_json=True,
    ),
    Reader(name="checkpoint", seeds=_checkpoint, read=_read_checkpoint, is_json=True),
    Reader(name="weights", seeds=_weights, read=lambda content, _: unpack_weights(content, "a")),
    Reader(name="training state", seeds=_state, read=_read_state, is_json=True),
    Reader(name="cell", seeds=_cell, read=lambda content, _: read_cell(content), is_json=True),
    Reader(
        name="evaluation",
        seeds=_evaluation,
        read=lambda content, _: read_evaluation(content),
        is_json=True,
        share=1,
    ),
    *(
        Reader(
            name=f"{kind} shard",
            seeds=_shard(kind),
            read=_read_shard(kind),
            apart=kind == "hdf5",
            share=2 if kind in ("hdf5", "webdataset", "parquet") else 4,
        )
        for kind in SHARD_FORMATS
    ),
)


# Changing them


def mutate(content: bytes, choose: random.Random, is_json: bool) -> bytes:
    """Returns a file of which something was changed.

    Args:
        content: a valid file.
        choose: decides what.
        is_json: whether it may be a value.
    """
    if is_json and choose.random() < 0.6:
        plain = json.loads(content)
        for _ in range(choose.choice((1, 1, 1, 2, 5))):
            _change_value(plain, choose)
        with contextlib.suppress(ValueError):  # a number too long for Python's own writer
            return json.dumps(plain).encode()
    changed = bytearray(content)
    for _ in range(choose.choice((1, 1, 1, 2, 4, 16))):
        place = choose.randrange(len(changed) + 1)
        kind = choose.randrange(6)
        if kind == 0 and place < len(changed):
            changed[place] ^= 1 << choose.randrange(8)
        elif kind == 1 and place < len(changed):
            changed[place] = choose.choice(ODD_BYTES)
        elif kind == 2:
            width = choose.choice((2, 4, 8))
            value = choose.choice((0, 1, 2 ** (8 * width - 1), 2 ** (8 * width) - 1))
            changed[place : place + width] = value.to_bytes(width, choose.choice(("big", "little")))
        elif kind == 3:
            del changed[place : place + choose.choice((1, 8, 100))]
        elif kind == 4:
            other = choose.randrange(len(changed) + 1)
            changed[place:place] = changed[other : other + choose.choice((1, 8, 100))]
        elif kind == 5 and choose.random() < 0.1:
            del changed[place:]
    return bytes(changed)


def _change_value(plain: Any, choose: random.Random) -> None:
    """Changes, removes or adds one value somewhere within lists and objects."""
    while isinstance(plain, dict | list) and plain:
        key = choose.choice(list(plain) if isinstance(plain, dict) else range(len(plain)))
        inner = plain[key]
        if isinstance(inner, dict | list) and inner and choose.random() < 0.8:
            plain = inner
            continue
        action = choose.random()
        if action < 0.75:
            plain[key] = copy.deepcopy(choose.choice(ODD_VALUES))
        elif action < 0.9:
            del plain[key]
        elif isinstance(plain, dict):
            plain[choose.choice(("", "x", "a" * 300))] = inner
        else:
            plain.append(inner)
        return


# Running them


def fuzz(
    reader: Reader, executions: int, seed: int, save: Path | None = None, first: int = 0
) -> Counter[str]:
    """Lets a reader read changed files in children, and counts how that ended.

    Args:
        reader: what reads.
        executions: how many files.
        seed: decides the changes.
        save: a folder for the files that something is wrong with.
        first: number of the first of them.

    Returns:
        Numbers of "read", "refused", "outside" (the error tree), "died", "hung", "elsewhere" (a
        file was opened that is not the reader's) and "apart", which died or hung where the package
        reads in a process of its own.
    """
    counts: Counter[str] = Counter()
    seeds = _seeds_of(reader)
    with tempfile.TemporaryDirectory(dir=memory_disk()) as name:
        folder = Path(name)
        (folder / "work").mkdir()
        notes = folder / "notes"
        done = first
        while done < first + executions:
            notes.write_bytes(b"")
            child = os.fork()
            if not child:
                with contextlib.suppress(BaseException):
                    _run_block(reader, seeds, range(done, first + executions)[:BLOCK], seed, folder)
                os._exit(0)
            _, status = os.waitpid(child, 0)
            lines = notes.read_text().splitlines()
            for number, line in enumerate(lines, start=done):
                outcome, _, words = line.partition(" ")
                counts[outcome] += 1
                if words:
                    _tell(reader, seeds, number, seed, words, save)
            done += len(lines)
            if status:  # the next one ended it
                hung = os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGPROF
                outcome = "hung" if hung else "died"
                counts["apart" if reader.apart else outcome] += 1
                if not reader.apart:
                    _tell(reader, seeds, done, seed, f"{outcome} (status {status})", save)
                done += 1
    return counts


@functools.cache
def _seeds_of(reader: Reader) -> Sequence[bytes]:
    return reader.seeds()


def _run_block(
    reader: Reader, seeds: Sequence[bytes], numbers: Sequence[int], seed: int, folder: Path
) -> None:
    """Reads some changed files; what the child does."""
    used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (used + MEMORY, used + MEMORY))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    signal.signal(signal.SIGPROF, signal.SIG_DFL)
    notes = os.open(folder / "notes", os.O_WRONLY | os.O_APPEND)
    elsewhere: list[str] = []
    usual = tuple(
        os.path.realpath(path)
        for path in (folder, ROOT, tempfile.gettempdir(), sys.prefix, sys.base_prefix, *DEVICES)
    )

    def hear(event: str, arguments: tuple[Any, ...]) -> None:
        if event == "open" and isinstance(arguments[0], str | bytes | os.PathLike):
            path = os.path.realpath(os.fsdecode(arguments[0]))
            if not path.startswith(usual):
                elsewhere.append(path)

    sys.addaudithook(hear)
    for number in numbers:
        content = changed_file(reader, seeds, number, seed)
        elsewhere.clear()
        signal.setitimer(signal.ITIMER_PROF, SECONDS_APART if reader.apart else SECONDS)
        try:
            reader.read(content, folder / "work")
            line = "read"
        except SynthgenError:
            line = "refused"
        except BaseException as error:
            line = f"outside {type(error).__name__}: {str(error)[:200]!r}"
        signal.setitimer(signal.ITIMER_PROF, 0)
        if elsewhere:
            line = f"elsewhere {elsewhere[0]!r}"
        os.write(notes, f"{line}\n".encode())


def changed_file(reader: Reader, seeds: Sequence[bytes], number: int, seed: int) -> bytes:
    """Returns the file of an execution."""
    choose = random.Random(f"{reader.name} {seed} {number}")
    return mutate(choose.choice(seeds), choose, reader.is_json)


def _tell(
    reader: Reader, seeds: Sequence[bytes], number: int, seed: int, words: str, save: Path | None
) -> None:
    """Says what is wrong with an execution, and keeps its file."""
    print(f"{reader.name}, execution {number} of seed {seed}: {words}", flush=True)
    if save is not None:
        save.mkdir(parents=True, exist_ok=True)
        content = changed_file(reader, seeds, number, seed)
        (save / f"{reader.name.replace(' ', '-')}-{seed}-{number}").write_bytes(content)


Task = tuple[str, int, int, int, Path | None]  # reader, first execution, how many, seed, save


def fuzz_task(task: Task) -> tuple[Counter[str], float, float]:
    """Does some executions of a reader; returns outcomes, seconds and MiB."""
    name, first, executions, seed, save = task
    (reader,) = (reader for reader in READERS if reader.name == name)
    began = time.perf_counter()
    counts = fuzz(reader, executions, seed, save, first)
    return counts, time.perf_counter() - began, peak_mib(of_children=True)


def main() -> int:
    """Fuzzes the readers that are asked for, prints a table, and returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m tests.faults.fuzz")
    parser.add_argument("--executions", type=int, default=200_000, help="of all readers together")
    parser.add_argument("--reader", choices=[reader.name for reader in READERS])
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--save", type=Path, help="folder for files that something is wrong with")
    parser.add_argument("--workers", type=int, help="processes side by side; default: all cores")
    asked = parser.parse_args()
    readers = [reader for reader in READERS if asked.reader in (None, reader.name)]
    shares = sum(reader.share for reader in readers)
    tasks: list[Task] = []
    for reader in readers:
        wanted = -(-asked.executions * reader.share // shares)
        _seeds_of(reader)
        for first in range(0, wanted, BLOCK):
            tasks.append((reader.name, first, min(BLOCK, wanted - first), asked.seed, asked.save))
    tasks.sort(key=lambda task: task[1])  # all readers in turn

    counts: dict[str, Counter[str]] = {reader.name: Counter() for reader in readers}
    seconds: Counter[str] = Counter()
    peak = 0.0
    command = " ".join(["python -m tests.faults.fuzz", *sys.argv[1:]])
    began = time.perf_counter()
    bar = tqdm(total=sum(task[2] for task in tasks), disable=None)
    try:
        for task, (found, took, mib) in do_all(fuzz_task, tasks, asked.workers):
            name, _, executions, *_ = task
            bar.update(executions)
            counts[name] += found
            seconds[name] += took
            peak = max(peak, mib)
    except KeyboardInterrupt:
        command += " (interrupted)"
    bar.close()

    print(f"| reader | executions | a second and core | {' | '.join(OUTCOMES)} |")
    print(f"|---|{'--:|' * (len(OUTCOMES) + 2)}")
    for name, own in counts.items():
        numbers = " | ".join(f"{own[outcome]:,}" for outcome in OUTCOMES)
        a_second = own.total() / max(seconds[name], 0.001)
        print(f"| {name} | {own.total():,} | {a_second:,.0f} | {numbers} |")
    total = sum(counts.values(), Counter())
    tally = Tally(
        tried=total.total(),
        wrong=total["died"] + total["hung"],
        outside=total["elsewhere"],
        tracebacks=total["outside"],
        mib=peak,
    )
    print(f"{HEADER}\n{tally.row(command)}")
    print(f"{tally.tried:,} executions in {time.perf_counter() - began:,.0f} s")
    return int(not tally.is_clean)


if __name__ == "__main__":
    sys.exit(main())
