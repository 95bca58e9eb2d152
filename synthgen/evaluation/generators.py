"""How a group of cells gets its synthetic digits: from a generator of its own, or from one that the user names.

A generator of its own is trained on the group's real images and on no others, once, and kept in the
user's cache, so that a benchmark that was stopped within a training goes on there. Its screening
classifier has seen the same images only.
"""

import dataclasses
import functools
import math
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from synthgen.config import BenchmarkSettings, BuildSettings, GanSettings, TrainSettings
from synthgen.datasets.digits import Digits
from synthgen.errors import CheckpointError, Interrupted, ScreeningExhausted, TrainingDiverged
from synthgen.evaluation.scenarios import Counts
from synthgen.gan.checkpoint import (
    TRAINING,
    Checkpoint,
    identity_of,
    is_trained,
    kept_folder,
    read_checkpoint,
    shipped_checkpoint,
)
from synthgen.gan.recipes import recipe_for
from synthgen.gan.saved import STATE
from synthgen.records import versions
from synthgen.shards.generate import draw_shard
from synthgen.shards.job import load_networks
from synthgen.shards.plan import make_plan
from synthgen.storage import open_storage

OWN, NAMED = "trained on the cell's own images", "named by the user"
SHIPPED = "shipped"
PRESET = "cdcgan"
Recipe = Callable[[Counts], GanSettings]
# steps between two sample grids, and two looks at the samples: nobody is there to see them
NEVER = 10_000_000


@dataclass(frozen=True, kw_only=True, eq=False)
class Synthetic:
    """Synthetic digits and where they come from.

    Args:
        digits: index by index, the classes taking turns: the first k * classes are the first k of
            each class.
        record: of generator and screening, ready for JSON.
    """

    digits: Digits
    record: Mapping[str, Any]

    def first(self, counts: tuple[int, ...]) -> Digits:
        """The first images of each class, so many of each as `counts` says."""
        index = np.arange(len(self.digits)) // len(counts)
        return self.digits.take(index < np.array(counts)[self.digits.labels])


@dataclass(frozen=True, kw_only=True)
class Generator:
    """How a group gets its synthetic digits. The one place where a test puts another.

    Args:
        make: (the group's real images, images of each class, run seed) -> Synthetic; exactly that
            many of each.
        describe: real images of each class -> all that decides what it makes, ready for JSON.
        work: (real images of each class, digits of the same kind) -> Work, for the expected time.
        trains: whether `make` trains one for the group.
    """

    make: Callable[[Digits, int, int], Synthetic]
    describe: Callable[[Counts], Mapping[str, Any]]
    work: Callable[[Counts, Digits], "Work"]
    trains: bool = True


class Work(NamedTuple):
    """Multiplications and additions (pairs) in units of 10^9: of a whole training, and of one generated image."""

    training: float
    image: float


def own_generator(settings: BenchmarkSettings, source: str) -> Generator:
    """A generator trained on each group's real images and on no others.

    Args:
        settings: of the benchmark.
        source: where the real digits come from, for the record.
    """
    recipe = functools.partial(_recipe, settings.gan_images)
    return Generator(
        make=functools.partial(_make_own, recipe, source),
        describe=functools.partial(_describe_own, recipe),
        work=functools.partial(_work_of, recipe),
    )


def named_generator(name: str, train: Digits) -> Generator:
    """A generator that the user named, whatever it has seen.

    Args:
        name: "shipped", or a checkpoint's folder or fsspec URL.
        train: the real training digits.

    Raises:
        CheckpointError: if it cannot be read, or makes other images.
    """
    checkpoint = read_checkpoint(shipped_checkpoint() if name == SHIPPED else name)
    if checkpoint.image_shape != train.image_shape or list(checkpoint.class_names) != list(
        map(str, train.class_names)
    ):
        raise CheckpointError(
            f"--generator: expected one of images {train.image_shape} of classes {', '.join(map(str, train.class_names))}, received one of "
            f"{checkpoint.image_shape} of {', '.join(checkpoint.class_names)}. Name one that was trained on such digits, or none."
        )
    identity = {"kind": NAMED, "checkpoint_sha256": checkpoint.sha256}
    work = functools.partial(_work_of_named, checkpoint.settings)
    return Generator(
        make=functools.partial(_make_named, checkpoint),
        describe=functools.partial(_constant, identity),
        work=work,
        trains=False,
    )


def check_saw_only(checkpoint: Checkpoint, real: Digits) -> None:
    """Make sure that a generator was trained on exactly these images.

    Raises:
        CheckpointError: saying what it has seen.
    """
    saw = checkpoint.record.get("training_data", {})
    if saw.get("sha256") != real.sha256():
        raise CheckpointError(
            f"Expected a generator trained on exactly the cell's {len(real):,} real images, received one that has seen "
            f"{saw.get('images', 'an unknown number of')} others. What it makes would tell nothing about someone who has only these. "
            "Name it with --generator to measure it all the same, marked in every table."
        )


def draw_synthetic(
    checkpoint: Checkpoint, per_class: int, seed: int
) -> tuple[Digits, dict[str, Any]]:
    """Exactly so many images of each class, screened by the checkpoint's own screening classifier, seeds as in `shards`.

    A class of which the generator cannot make enough that pass is taken as it comes, and so are all
    others then: a bad generator is a result, not an error.

    Returns:
        Digits, index by index, and `screened` and `acceptance` for the record.

    Raises:
        ScreeningExhausted: if the generator knows nothing of classes and the classifier does not
            find one.
    """
    # a generator that knows nothing of classes
    labels = "classifier" if checkpoint.labels == "none" else "auto"
    settings = BuildSettings(
        per_class=per_class,
        seed=seed,
        shard_size=per_class * len(checkpoint.class_names),
        labels=labels,
    )
    plan, networks = (
        make_plan(settings, checkpoint.class_names),
        load_networks(checkpoint, settings.batch),
    )
    try:
        drawn = draw_shard(plan.shard(0), plan, settings, networks)
    except ScreeningExhausted:
        if labels == "classifier":  # without its word there are no labels
            raise
        settings = dataclasses.replace(settings, screen="none")
        drawn = draw_shard(plan.shard(0), plan, settings, networks)
    kept = {
        "screened": settings.screen != "none",
        "acceptance": round(len(drawn.labels) / sum(drawn.draws()), 6),
    }
    return Digits(drawn.images, drawn.labels, checkpoint.class_names), kept


def _make_own(recipe: Recipe, source: str, real: Digits, per_class: int, seed: int) -> Synthetic:
    began = time.monotonic()
    checkpoint = read_checkpoint(
        _trained(recipe(tuple(real.counts().tolist())), real, source, seed)
    )
    check_saw_only(checkpoint, real)
    return _synthetic(checkpoint, real, per_class, seed, OWN, began)


def _make_named(checkpoint: Checkpoint, real: Digits, per_class: int, seed: int) -> Synthetic:
    return _synthetic(checkpoint, real, per_class, seed, NAMED, time.monotonic())


def _synthetic(
    checkpoint: Checkpoint, real: Digits, per_class: int, seed: int, kind: str, began: float
) -> Synthetic:
    digits, kept = draw_synthetic(checkpoint, per_class, seed)
    saw = checkpoint.record.get("training_data", {})
    record = {
        "kind": kind,
        "saw": saw.get("images"),
        "saw_more_than_cell": saw.get("sha256") != real.sha256(),
    }
    record |= {
        "checkpoint_sha256": checkpoint.sha256,
        "preset": checkpoint.record.get("preset"),
        "steps": checkpoint.record.get("step"),
    }
    return Synthetic(
        digits=digits, record=record | kept | {"seconds": round(time.monotonic() - began, 1)}
    )


def _trained(gan: GanSettings, real: Digits, source: str, seed: int) -> str:
    """The cached checkpoint of this recipe, seed, versions and these images: trained now if it is not there or not finished."""
    folder = kept_folder("benchmark", identity_of(gan), seed, versions(), real.sha256())
    storage = open_storage(folder)
    if is_trained(folder, gan.steps):
        return folder
    from synthgen.gan.train import train

    run = TrainSettings(seed=seed, samples_every=NEVER, watch_every=NEVER)
    try:
        train(
            real,
            folder,
            gan,
            run,
            preset=PRESET,
            source=source,
            command="synthgen benchmark",
            resume=storage.exists(STATE),
        )
    except Interrupted as error:
        raise Interrupted("Stopped within the training of a generator; all is saved.") from error
    except TrainingDiverged as error:
        raise TrainingDiverged(
            f"{error} Remove {folder} and name another --gan-images to begin anew."
        ) from error
    for file in storage.files("training"):
        # ten times the checkpoint, and nobody goes on with a finished training
        if file == STATE or file.endswith(".safetensors"):
            storage.remove(file)
    return folder


def _recipe(trained_on: int, counts: Counts) -> GanSettings:
    gan = recipe_for(counts, PRESET)
    return dataclasses.replace(gan, steps=math.ceil(trained_on / gan.batch)) if trained_on else gan


def _describe_own(recipe: Recipe, counts: Counts) -> Mapping[str, Any]:
    return {"kind": OWN, "recipe": identity_of(recipe(counts)), "training": TRAINING}


def _constant(identity: Mapping[str, Any], counts: Counts) -> Mapping[str, Any]:
    return identity


def _work_of(recipe: Recipe, counts: Counts, like: Digits) -> Work:
    from synthgen.networks.cost import cost_of

    gan = recipe(counts)
    cost = cost_of(gan, like.image_shape, like.classes)
    return Work(cost.trained * gan.batch * gan.steps / 1e9, cost.generated / 1e9)


def _work_of_named(gan: GanSettings, counts: Counts, like: Digits) -> Work:
    return Work(0.0, _work_of(lambda _: gan, counts, like).image)
