"""`synthgen build`."""

import dataclasses
import shlex
from collections.abc import Mapping
from typing import Any

import click

from synthgen.cli.evaluating import evaluate_and_say
from synthgen.cli.options import DATA, DEFAULT_PRESET, ROOT, fitted, settings_options, take
from synthgen.cli.terminal import notice, say
from synthgen.config import BUILD_ARMS, BuildSettings, EvaluationSettings


@click.command(short_help="Make a labelled set: the whole job.")
@settings_options(BuildSettings)
@ROOT
@DATA
@click.option(
    "--checkpoint", metavar="FOLDER", help="Use this generator instead of the shipped one."
)
@click.option(
    "--train",
    "train_first",
    is_flag=True,
    help="Train a generator on --data first (kept in the cache; goes on where it stopped).",
)
@click.option(
    "--preset",
    metavar="NAME",
    help=f"With --train: the recipe, see `synthgen presets`.  [default: {DEFAULT_PRESET}]",
)
@click.option(
    "--evaluate/--no-evaluate",
    default=True,
    show_default=True,
    help="Measure usefulness against real digits after the build.",
)
@click.option(
    "--overwrite",
    is_flag=True,
    help="Replace a set of this name that was built with other settings.",
)
@click.option(
    "--dry-run",
    is_flag=True,
    help="Say what would be made and how long it would take; write only a preview picture.",
)
def build(
    root: str,
    data: str,
    fitting: Any,
    checkpoint: str | None,
    train_first: bool,
    preset: str | None,
    evaluate: bool,
    overwrite: bool,
    dry_run: bool,
    **options: Any,
) -> None:
    """Generate, screen, write and evaluate a labelled set: the whole job."""
    from synthgen.gan.checkpoint import read_checkpoint, shipped_checkpoint
    from synthgen.gan.recipes import find_preset
    from synthgen.shards.build import build as build_set
    from synthgen.shards.dry_run import dry_run as try_build
    from synthgen.shards.job import training_images

    settings = take(BuildSettings, options)
    if checkpoint and train_first:
        raise click.UsageError(
            "--checkpoint and --train exclude each other: the one names a generator, the other makes one."
        )
    find_preset(preset or DEFAULT_PRESET)
    if preset and not train_first:
        raise click.UsageError(
            "--preset goes with --train: without it the generator is the shipped one or that of --checkpoint."
        )
    real = None
    if train_first:
        checkpoint, real = _train_into_cache(
            settings, root, preset or DEFAULT_PRESET, data, fitting, overwrite, dry_run
        )
    generator = read_checkpoint(checkpoint or shipped_checkpoint())
    _tell_alarms(generator.record)
    fitting = dataclasses.replace(fitting, shape=generator.image_shape)
    real = real or _real_or_notice(data, fitting)
    reference = training_images(generator, real.train) if real else None
    if real and reference is None:
        notice(
            f"NOTICE: no distances to training images, because the generator was not trained on these digits ({real.source})."
        )
    if dry_run:
        later = (
            ["The evaluation comes on top; it is not in this time. --no-evaluate leaves it away."]
            if evaluate and real
            else []
        )
        say(
            *try_build(
                settings, root, generator, reference=reference, overwrite=overwrite
            ).lines(),
            *later,
        )
        return
    built = build_set(
        settings, root, generator, reference=reference, overwrite=overwrite, say=notice
    )
    say(*built.lines(), *([f"Generator {checkpoint}"] if train_first else []))
    if evaluate and real:
        _evaluate_or_notice(built.manifest, root, real)
    path = shlex.quote(built.manifest_path)
    later = [] if evaluate else [f"  synthgen evaluate {path}"]
    say(
        "Next:",
        f"  synthgen verify {path}",
        *later,
        f"  synthgen.load({built.manifest_path!r}).as_numpy()",
    )


def _real_or_notice(data: str, fitting: Any) -> Any:
    from synthgen.datasets.sources import load_real
    from synthgen.errors import DataError

    try:
        return load_real(data, notice, fitting)
    except DataError as error:
        if data != "mnist":
            raise
        notice(
            f"NOTICE: no evaluation and no distances to training images, because the real digits cannot be had.\n{error}"
        )
        return None


def _tell_alarms(record: Mapping[str, Any]) -> None:
    """Say what trouble there was in the training of a generator."""
    for alarm in record.get("alarms", ()):
        part = f" of class {alarm['class']!r}" if "class" in alarm else ""
        notice(
            f"NOTICE: the training of this generator{part} raised an alarm at step {alarm['step']:,}, {alarm['name']}: {alarm['message']}"
        )


def _evaluate_or_notice(manifest: str, root: str, real: Any) -> None:
    """A set that is too small to be judged is a set all the same."""
    from synthgen.errors import DataError

    try:
        evaluate_and_say(manifest, root, real, EvaluationSettings(arms=BUILD_ARMS), or_fuller=True)
    except DataError as error:
        notice(f"NOTICE: not evaluated. {error}")


def _train_into_cache(
    settings: BuildSettings,
    root: str,
    preset: str,
    data: str,
    fitting: Any,
    overwrite: bool,
    dry_run: bool,
) -> tuple[str, Any]:
    """Train a generator for a build -> its folder, and the real digits; what would stop the build is found before. A dry run trains nothing."""
    from synthgen.datasets.sources import load_real
    from synthgen.gan.recipes import find_preset
    from synthgen.shards.build import check_before_training
    from synthgen.shards.label_source import label_source, trained_labels

    recipe = find_preset(preset).settings
    labels = label_source(settings.labels, trained_labels(recipe.conditional, settings.labels))
    real = load_real(data, notice, fitting)
    recipe = fitted(recipe, preset, real.train.counts().tolist(), {})
    if not dry_run:
        check_before_training(settings, root, real.train, overwrite)
    from synthgen.gan.cache import find_in_cache, train_into_cache

    about: dict[str, Any] = {"preset": preset, "per_class": labels == "per-class"}
    if dry_run:
        return find_in_cache(real.train, recipe, **about), real
    return train_into_cache(
        real.train, recipe, **about, source=real.source, validation=real.validation, say=notice
    ), real
