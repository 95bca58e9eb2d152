"""Jobs that the faults come to: each is done in a folder, and what is right afterwards is known."""

import functools
import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from synthgen.config import EvaluationSettings, GanSettings
from synthgen.datasets.digits import Digits
from synthgen.datasets.splits import RealDigits
from synthgen.evaluation.evaluate import evaluate_manifest, publish_evaluation
from synthgen.gan.checkpoint import read_checkpoint
from synthgen.shards.export import export_set
from synthgen.shards.job import prepare
from synthgen.shards.partitions import Partition, make_partition, merge
from synthgen.shards.verify import verify
from tests.evaluation.conftest import FakeJudge, FakeNetwork
from tests.faults.disk import Disk, Killed, attempt
from tests.gan.jobs import job_of
from tests.shards.conftest import CLASSES, SHAPE, fake_networks, make_checkpoint, make_settings
from tests.shards.conftest import make as make_set

MANIFEST = "manifests/tiny.csv"
make = functools.partial(make_set, per_class=5, shard_size=6)  # two full shards and one that is not


@dataclass(frozen=True, kw_only=True)
class Job:
    """Something that a user does to a folder.

    Args:
        name: in a word.
        run: does it, or goes on with it.
        before: makes what is there beforehand.
        finished: returns what must be there at its end, the same as without a fault.
        whole: returns what is wrong with the folder after a fault, "" if nothing is: whatever is
            published there is true.
        beside: what somebody else begins in the same folder in the midst of it; None for the same.
    """

    name: str
    run: Callable[[Path], object]
    beside: Callable[[Path], object] | None = None
    before: Callable[[Path], object] = lambda root: None
    finished: Callable[[Path], object] = lambda root: None
    whole: Callable[[Path], str] = lambda root: ""


# Sets


def files_of(root: Path) -> dict[str, str]:
    """Returns the hash of each file; of a run record without what each run measures anew."""
    found = {}
    for path in sorted(root.rglob("*")):
        if path.is_file():
            content = path.read_bytes()
            if path.match("manifests/*.json"):
                plain = json.loads(content)
                for name in ("seconds", "record_sha256"):
                    del plain[name]
                for entry in plain["shards"]:
                    del entry["seconds"]
                content = json.dumps(plain, sort_keys=True).encode()
            found[str(path.relative_to(root))] = hashlib.sha256(content).hexdigest()
    return found


def published_is_true(root: Path) -> str:
    """Returns the first problem of the set, if one is published."""
    if not (root / MANIFEST).exists():
        return ""
    return next(iter(verify(str(root / MANIFEST), progress=False).problems), "")


def kill_half_way(root: Path) -> None:
    """Leaves a build that was killed."""
    assert isinstance(attempt(Disk(str(root), "kill", 60), lambda: make(root)), Killed)


def damage(root: Path) -> None:
    """Leaves a set with a torn shard, a lost picture and a contact sheet of something else."""
    make(root)
    (root / "data/tiny/hdf5/00001.h5").write_bytes(b"torn")
    next((root / "data/tiny/png").rglob("0-0000000.png")).unlink()
    (root / "data/tiny/contact_sheet.png").write_bytes(b"something else")


def make_in_parts(root: Path) -> None:
    """Makes a set in two partitions and merges them."""
    settings = make_settings(per_class=5, shard_size=6)
    job = prepare(settings, str(root), make_checkpoint())
    if not (root / MANIFEST).exists():
        for number in (0, 1):
            partition = Partition(number=number, of=2)
            make_partition(partition, job, networks=fake_networks, progress=False)
    merge("tiny", str(root), progress=False)


def of_set(name: str, run: Callable[[Path], object], **others: Callable[[Path], object]) -> Job:
    """Returns a job that ends in a set."""
    before = others.get("before", lambda root: None)
    whole = (lambda root: "") if name == "repair" else published_is_true
    return Job(
        name=name,
        run=run,
        before=before,
        finished=files_of,
        whole=whole,
        beside=others.get("beside"),
    )


SETS = (
    of_set("build", make),
    of_set("resume", make, before=kill_half_way),
    of_set("grow", lambda root: make(root, per_class=8), before=make),
    of_set(
        "grow in parts",
        lambda root: make(root, per_class=8, manifest_rows=6),
        before=lambda root: make(root, per_class=4, manifest_rows=6),
    ),
    of_set(
        "split the manifest",
        lambda root: make(root, manifest_rows=12),
        before=lambda root: make(root, manifest_rows=6),
    ),
    of_set("repair", make, before=damage),
    of_set(
        "overwrite",
        lambda root: make(root, overwrite=True),
        before=lambda root: make(root, seed=9, per_class=9),
        beside=lambda root: make(root, seed=9, per_class=7, overwrite=True),
    ),
    of_set(
        "export",
        lambda root: export_set(str(root / MANIFEST), ["npz"], progress=False),
        before=make,
    ),
    of_set("partitions and merge", make_in_parts),
)


# Trainings


def digits(images: int = 60) -> Digits:
    """Returns images of three classes, each with a bright row of its own."""
    labels = np.arange(images, dtype=np.uint8) % CLASSES
    pixels = np.random.Generator(np.random.Philox(key=7)).integers(
        0, 60, (images, *SHAPE), dtype=np.uint8
    )
    pixels[np.arange(images), 2 * labels + 1] = 255
    return Digits(pixels, labels, ("zero", "one", "two"))


DENSE = GanSettings(
    steps=8,
    batch=8,
    latent=6,
    condition="concat",
    generator_stages=("dense",),
    generator_channels=(8,),
    discriminator_stages=("dense",),
    discriminator_channels=(8,),
    discriminator_dense=0,
    r1_gamma=0,
)


@functools.cache
def screener() -> dict[str, np.ndarray]:
    """Returns the weights of a screening classifier."""
    from synthgen.classifiers.screener import train_screener

    return train_screener(digits(), seed=0)


def run_training(root: Path) -> None:
    """Trains, or goes on with what is there."""
    from synthgen.gan.train import train

    job = job_of(digits(), root / "gan", DENSE, screener())
    train(job, resume=(root / "gan/training/state.json").exists())


def trained(root: Path) -> tuple[str, list[str]]:
    """Returns what was trained, and the names of the files that are there.

    But for TensorBoard's: each run begins a file, named for the time and the process.
    """
    files = [path for path in root.rglob("*") if path.is_file() and "tfevents" not in path.name]
    names = sorted(str(path.relative_to(root)) for path in files)
    return read_checkpoint(str(root / "gan")).sha256, names


def checkpoint_is_whole(root: Path) -> str:
    """Returns what is wrong with the checkpoint, if there is one."""
    if (root / "gan/checkpoint.json").exists():
        read_checkpoint(str(root / "gan"))
    return ""


TRAINING = Job(name="train", run=run_training, finished=trained, whole=checkpoint_is_whole)


# Evaluations


def run_evaluation(root: Path) -> None:
    """Evaluates the set with classifiers that take no time."""
    real = RealDigits(
        train=digits(300),
        validation=digits(150),
        test=digits(150),
        source="drawings",
        sha256="0" * 64,
    )
    evaluated = evaluate_manifest(
        MANIFEST,
        str(root),
        real,
        EvaluationSettings(seeds=2),
        judge=FakeJudge().judge(),
        network=FakeNetwork().network,
    )
    publish_evaluation(evaluated, {"report.html": "<!doctype html>"})


def evaluated_set(root: Path) -> tuple[list[object], list[str]]:
    """Returns the figures of an evaluation, and the names of the files that are there.

    Where the file of a lock could not be removed, it may stay: it is void, and an evaluation that
    is whole is not locked again.
    """
    files = [path for path in root.rglob("*") if path.is_file() and path.name != ".lock"]
    names = sorted(str(path.relative_to(root)) for path in files)
    plain = json.loads((root / "data/tiny/evaluation/evaluation.json").read_text())
    del plain["measures"]["seconds_measuring"]
    return [plain["comparisons"], plain["measures"]], names


EVALUATION = Job(
    name="evaluate",
    run=run_evaluation,
    before=lambda root: make_set(root, per_class=60, formats=("hdf5",)),
    finished=evaluated_set,
    whole=published_is_true,
)
JOBS = (*SETS, EVALUATION, TRAINING)
