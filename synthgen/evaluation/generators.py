"""Where a group of cells gets its synthetic digits.

They come from a generator of its own, from one that the user names, or from a set that is there.

A generator of its own is trained on the group's real images and on no others, once, and kept in the
user's cache, so that a benchmark that was stopped within a training goes on there. Its screening
classifier has seen the same images only.
"""

import dataclasses
import functools
import math
import time
from collections.abc import Callable, Mapping
from typing import Any

from synthgen.config import BenchmarkSettings, BuildSettings, GanSettings, TrainSettings
from synthgen.datasets.digits import Digits
from synthgen.datasets.splits import RealDigits
from synthgen.errors import (
    CheckpointError,
    DataError,
    Interrupted,
    ScreeningExhausted,
    TrainingDiverged,
)
from synthgen.evaluation.scenarios import Counts
from synthgen.evaluation.synthetic import (
    Synthetic,
    SyntheticRecord,
    SyntheticSource,
    TransferSource,
    Work,
)
from synthgen.gan.checkpoint import (
    SHIPPED,
    TRAINING_REVISION,
    Checkpoint,
    cached_checkpoint,
    identity_of,
    is_trained,
    read_checkpoint,
    shipped_checkpoint,
)
from synthgen.gan.job import TrainingJob
from synthgen.gan.presets import recipe_for
from synthgen.gan.resume import STATE_RECORD
from synthgen.processes import one_blas_thread
from synthgen.records import versions
from synthgen.shards.generate import draw_shard, load_networks
from synthgen.shards.plan import plan_set
from synthgen.storage import open_storage

OWN = "trained on the cell's own images"
NAMED = "named by the user"
READY = "a set that is there"
BENCHMARK_PRESET = "cdcgan"
# steps between two sample grids, and two looks at the samples: nobody is there to see them
NEVER = 10_000_000

Recipe = Callable[[Counts], GanSettings]  # real images of each class -> the recipe of a training


def own_generator(settings: BenchmarkSettings, source: str) -> SyntheticSource:
    """Returns the source that trains a generator on each group's real images and on no others.

    Args:
        settings: of the benchmark.
        source: where the real digits come from, for the record.
    """
    recipe = functools.partial(_recipe, settings.gan_images)
    return SyntheticSource(
        make=functools.partial(_make_own, recipe, source),
        describe=functools.partial(_describe_own, recipe),
        work=functools.partial(_work_of_own, recipe),
    )


def named_generator(name: str, train: Digits) -> SyntheticSource:
    """Returns the source that draws from a generator that the user named, whatever it has seen.

    Args:
        name: "shipped", or a checkpoint's folder or fsspec URL.
        train: the real training digits.

    Raises:
        CheckpointError: if the checkpoint cannot be read, or makes other images.
    """
    checkpoint = read_checkpoint(shipped_checkpoint() if name == SHIPPED else name)
    names = [str(class_name) for class_name in train.class_names]
    if checkpoint.image_shape != train.image_shape or list(checkpoint.class_names) != names:
        raise CheckpointError(
            f"--generator: expected one of images {train.image_shape} of classes "
            f"{', '.join(names)}, received one of {checkpoint.image_shape} of "
            f"{', '.join(checkpoint.class_names)}. Name one that was trained on such digits, or "
            "none."
        )
    identity = {"kind": NAMED, "checkpoint_sha256": checkpoint.sha256}
    return SyntheticSource(
        make=functools.partial(_make_named, checkpoint),
        describe=functools.partial(_describe_fixed, identity),
        work=functools.partial(_work_of_named, checkpoint.settings),
        trains=False,
    )


def ready_set(digits: Digits, record: SyntheticRecord) -> SyntheticSource:
    """Returns the source that makes nothing: it hands out a set that is there, all of it.

    Args:
        digits: the images of the set that are used.
        record: what is known of the set; its `checkpoint_sha256` is the identity of these images.
    """
    synthetic = Synthetic(digits=digits, record=record)
    identity = {"kind": record.kind, "sha256": record.checkpoint_sha256, "images": len(digits)}
    return SyntheticSource(
        make=functools.partial(_hand_out, synthetic),
        describe=functools.partial(_describe_fixed, identity),
        work=_no_work,
        trains=False,
    )


def transfer_source(
    name: str, target: RealDigits, real: Digits | None, per_class: int
) -> TransferSource:
    """Returns the digits of a generator that has seen none of somebody's own digits.

    Args:
        name: "shipped", or a checkpoint's folder or fsspec URL.
        target: somebody's own digits, framed as those that the generator draws.
        real: real digits that the generator may have been trained on; they are used if it was
            trained on exactly these.
        per_class: digits of each class, of either kind, that are taken for a repetition.

    Raises:
        CheckpointError: if the checkpoint cannot be read, or makes other images.
        DataError: if the generator has seen digits of the target.
    """
    drawn = named_generator(name, target.train)
    checkpoint = read_checkpoint(shipped_checkpoint() if name == SHIPPED else name)
    trained_on = checkpoint.record.get("training_data", {}).get("sha256", "")
    if real is None or real.sha256() != trained_on:
        real = None
    check_disjoint(trained_on, real, target)
    return TransferSource(
        drawn=drawn,
        real=real,
        real_sha256=trained_on if real else "",
        per_class=per_class,
    )


def check_disjoint(trained_on: str, real: Digits | None, target: RealDigits) -> None:
    """Makes sure that a generator has not seen the digits that it is to help with.

    Args:
        trained_on: sha256 of the digits that the generator was trained on.
        real: these digits; None if they cannot be had: then only their sha256 is compared.
        target: somebody's own digits.

    Raises:
        DataError: if the generator was trained on the target, or one of the target's training or
            test images is among its training images.
    """
    remedy = "Name other --data, or a --generator that was trained on other digits."
    if trained_on in (target.train.sha256(), target.sha256):
        raise DataError(
            "Expected digits that the generator has not seen, to measure what it is worth for "
            f"somebody else's, received those that it was trained on ({target.source}). {remedy}"
        )
    if real is None or real.image_shape != target.test.image_shape:
        return
    seen = {image.tobytes() for image in real.images}
    for part, digits in (("test", target.test), ("training", target.train)):
        shared = sum(image.tobytes() in seen for image in digits.images)
        if shared:
            raise DataError(
                f"Expected {part} digits that the generator has not seen, received {shared:,} of "
                f"{len(digits):,} that are among its training images. {remedy}"
            )


def check_saw_only(checkpoint: Checkpoint, real: Digits) -> None:
    """Makes sure that a generator was trained on exactly these images.

    Raises:
        CheckpointError: saying what it has seen.
    """
    saw = checkpoint.record.get("training_data", {})
    if saw.get("sha256") != real.sha256():
        raise CheckpointError(
            f"Expected a generator trained on exactly the cell's {len(real):,} real images, "
            f"received one that has seen {saw.get('images', 'an unknown number of')} others. What "
            "it makes would tell nothing about someone who has only these. Name it with "
            "--generator to measure it all the same, marked in every table."
        )


def draw_synthetic(checkpoint: Checkpoint, per_class: int, seed: int) -> tuple[Digits, bool, float]:
    """Draws exactly so many images of each class, with latents as in a build of this seed.

    They are screened by the checkpoint's own screening classifier. If the generator cannot make
    enough images of a class that pass, all images are taken as they come: a bad generator is a
    result, not an error.

    Args:
        checkpoint: the generator.
        per_class: images of each class.
        seed: run seed.

    Returns:
        The digits, index by index; whether they were screened; and the share of draws that was
        kept.

    Raises:
        ScreeningExhausted: if the generator knows nothing of classes and the classifier does not
            find one.
    """
    # a generator that knows nothing of classes gets its labels from the classifier
    labels = "classifier" if checkpoint.labels == "none" else "auto"
    settings = BuildSettings(
        per_class=per_class,
        seed=seed,
        shard_size=per_class * len(checkpoint.class_names),
        labels=labels,
    )
    plan = plan_set(settings, checkpoint.class_names)
    networks = load_networks(checkpoint, settings.batch)
    with one_blas_thread():
        try:
            drawn = draw_shard(plan.shard(0), plan, settings, networks)
        except ScreeningExhausted:
            if labels == "classifier":
                raise
            settings = dataclasses.replace(settings, screen="none")
            drawn = draw_shard(plan.shard(0), plan, settings, networks)
    digits = Digits(drawn.images, drawn.labels, checkpoint.class_names)
    return digits, settings.screen != "none", round(len(digits) / sum(drawn.draws()), 6)


def _make_own(recipe: Recipe, source: str, real: Digits, per_class: int, seed: int) -> Synthetic:
    started = time.monotonic()
    folder = _train_once(recipe(tuple(real.counts().tolist())), real, source, seed)
    checkpoint = read_checkpoint(folder)
    check_saw_only(checkpoint, real)
    return _draw_from(checkpoint, real, per_class, seed, OWN, started)


def _make_named(checkpoint: Checkpoint, real: Digits, per_class: int, seed: int) -> Synthetic:
    return _draw_from(checkpoint, real, per_class, seed, NAMED, time.monotonic())


def _draw_from(
    checkpoint: Checkpoint, real: Digits, per_class: int, seed: int, kind: str, started: float
) -> Synthetic:
    digits, screened, acceptance = draw_synthetic(checkpoint, per_class, seed)
    saw = checkpoint.record.get("training_data", {})
    record = SyntheticRecord(
        kind=kind,
        saw=saw.get("images"),
        saw_more_than_cell=saw.get("sha256") != real.sha256(),
        checkpoint_sha256=checkpoint.sha256,
        preset=checkpoint.record.get("preset"),
        steps=checkpoint.record.get("step"),
        screened=screened,
        acceptance=acceptance,
        seconds=round(time.monotonic() - started, 1),
    )
    return Synthetic(digits=digits, record=record)


def _hand_out(synthetic: Synthetic, real: Digits, per_class: int, seed: int) -> Synthetic:
    return synthetic


def _train_once(gan: GanSettings, real: Digits, source: str, seed: int) -> str:
    """Trains a generator unless the cache holds one of this recipe, seed, versions and images.

    Returns:
        The folder of its checkpoint.
    """
    folder = cached_checkpoint("benchmark", identity_of(gan), seed, versions(), real.sha256())
    storage = open_storage(folder)
    if is_trained(folder, gan.steps):
        return folder
    from synthgen.gan.train import train

    job = TrainingJob(
        digits=real,
        out=folder,
        gan=gan,
        run=TrainSettings(seed=seed, samples_every=NEVER, watch_every=NEVER),
        preset=BENCHMARK_PRESET,
        source=source,
        command="synthgen benchmark",
    )
    try:
        train(job, resume=storage.exists(STATE_RECORD))
    except Interrupted as error:
        raise Interrupted("Stopped within the training of a generator; all is saved.") from error
    except TrainingDiverged as error:
        raise TrainingDiverged(
            f"{error} Remove {folder} and name another --gan-images to begin anew."
        ) from error
    for file in storage.files("training"):
        # ten times the checkpoint, and nobody goes on with a finished training
        if file == STATE_RECORD or file.endswith(".safetensors"):
            storage.remove(file)
    return folder


def _recipe(trained_on: int, counts: Counts) -> GanSettings:
    """Returns the recipe for so many real images, cut to `trained_on` images with repetitions."""
    gan = recipe_for(counts, BENCHMARK_PRESET)
    return dataclasses.replace(gan, steps=math.ceil(trained_on / gan.batch)) if trained_on else gan


def _describe_own(recipe: Recipe, counts: Counts) -> Mapping[str, Any]:
    return {"kind": OWN, "recipe": identity_of(recipe(counts)), "training": TRAINING_REVISION}


def _describe_fixed(identity: Mapping[str, Any], counts: Counts) -> Mapping[str, Any]:
    return identity


def _work_of_own(recipe: Recipe, counts: Counts, like: Digits) -> Work:
    from synthgen.networks.cost import cost_of

    gan = recipe(counts)
    cost = cost_of(gan, like.image_shape, like.classes)
    return Work(training=cost.trained * gan.batch * gan.steps / 1e9, image=cost.generated / 1e9)


def _work_of_named(gan: GanSettings, counts: Counts, like: Digits) -> Work:
    from synthgen.networks.cost import cost_of

    cost = cost_of(gan, like.image_shape, like.classes)
    return Work(training=0.0, image=cost.generated / 1e9)


def _no_work(counts: Counts, like: Digits) -> Work:
    return Work(training=0.0, image=0.0)
