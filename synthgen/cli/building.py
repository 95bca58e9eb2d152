"""`synthgen build` and `synthgen export`."""

import dataclasses
import shlex
from typing import TYPE_CHECKING

import click

from synthgen.cli.config_file import CONFIG_OR_RECORD
from synthgen.cli.json_objects import (
    build_json,
    dry_run_json,
    export_json,
    merge_json,
    partition_json,
)
from synthgen.cli.options import JSON, ROOT, CommaSeparated, data_options, settings_options
from synthgen.cli.output import (
    as_argument,
    notice,
    say,
    say_evaluation,
    say_json,
    say_own_digits,
    say_worth,
)
from synthgen.config import DEFAULT_PRESET, ENGINE_CHOICES, SHARD_FORMAT_NAMES, BuildSettings
from synthgen.text import as_python

if TYPE_CHECKING:
    from synthgen.datasets.sources import DataSource
    from synthgen.shards.run_record import RunRecord


@click.command(short_help="Make a labelled set: the whole job.")
@CONFIG_OR_RECORD
@settings_options(BuildSettings)
@ROOT
@data_options
@click.option(
    "--balance-with",
    metavar="PATH",
    help="Make what the classes of these digits lack to be even (also --data, if not named).",
)
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
    "--engine",
    default="local",
    show_default=True,
    type=click.Choice(ENGINE_CHOICES),
    help="What makes the shards: this machine, or those of a Ray cluster (see RAY_ADDRESS).",
)
@click.option(
    "--partition",
    metavar="I/N",
    help="Make the I-th of N parts of the set only, for array jobs; `synthgen merge` publishes.",
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
@JSON
def build(
    settings: BuildSettings,
    root: str,
    data: "DataSource",
    balance_with: str | None,
    checkpoint: str | None,
    train_first: bool,
    preset: str | None,
    engine: str,
    partition: str | None,
    evaluate: bool,
    overwrite: bool,
    dry_run: bool,
    as_json: bool,
    record: "RunRecord | None",
) -> None:
    """Generate, screen, write and evaluate a labelled set: the whole job."""
    from synthgen import pipeline
    from synthgen.gan.presets import find_preset

    # the generator: shipped, named, or trained first
    if checkpoint and train_first:
        raise click.UsageError(
            "--checkpoint and --train exclude each other: the one names a generator, the other "
            "makes one."
        )
    find_preset(preset or DEFAULT_PRESET)
    if preset and not train_first:
        raise click.UsageError(
            "--preset goes with --train: without it the generator is the shipped one or that of "
            "--checkpoint."
        )
    generator: str | pipeline.TrainFirst | None = checkpoint
    if train_first:
        generator = pipeline.TrainFirst(preset=preset or DEFAULT_PRESET)
    elif record and not checkpoint:
        generator = pipeline.find_generator(record, data)

    # how many of which class
    if balance_with:
        if settings.counts:
            raise click.UsageError("--balance-with and --counts exclude each other.")
        counts = pipeline.balancing_counts(balance_with, notice)
        settings = dataclasses.replace(settings, counts=counts)
        data = dataclasses.replace(data, place=data.place or balance_with)

    if partition:
        if engine != "local" or train_first or overwrite or dry_run:
            raise click.UsageError(
                "--partition excludes --engine ray, --train, --overwrite and --dry-run. Train a "
                "generator first (`synthgen train --out FOLDER`) and name it with --checkpoint."
            )
        part = pipeline.build_partition(
            settings, partition, root=root, data=data, generator=checkpoint, say=notice
        )
        if as_json:
            say_json(partition_json(part))
            return
        say(*part.lines())
        place = "" if root == "." else f" --root {shlex.quote(root)}"
        merging = f"  synthgen merge{_named_set(settings.name)}{place}"
        if not part.published:
            say("Next, when all partitions have ended:", merging)
        return

    evaluation = pipeline.BUILD_EVALUATION if evaluate else None
    if dry_run:
        forecast = pipeline.dry_run(
            settings,
            root=root,
            data=data,
            generator=generator,
            evaluation=evaluation,
            overwrite=overwrite,
            say=notice,
        )
        if as_json:
            say_json(dry_run_json(forecast))
        else:
            say(*forecast.lines())
        return

    done = pipeline.build(
        settings,
        root=root,
        data=data,
        generator=generator,
        evaluation=evaluation,
        overwrite=overwrite,
        engine=engine,
        say=notice,
    )
    differences = pipeline.rebuild_differences(record, done.set.record) if record else []
    for line in differences:
        notice(f"NOTICE: other files than those of the run record: {line}")
    if as_json:
        say_json(build_json(done, same_shards=not differences if record else None))
        return
    say(*done.set.lines())
    if record and not differences:
        say("The shards are those of the run record, byte for byte.")
    if done.trained:
        say(f"Generator {done.trained}")
    if done.evaluation:
        say_evaluation(done.evaluation)
        say_worth(done)
    if done.own_digits:
        say_own_digits(done.own_digits, done.set)
    path = as_argument(done.set.manifest_path)
    say("Next:", f"  synthgen verify {path}")
    if done.measured_by == "build":
        say("  the same command without --no-evaluate, which tries the set beside your digits")
    elif not evaluate and done.measured_by == "evaluate":
        named = {"data": data.place, "fit": data.fitting.fit, "polarity": data.fitting.polarity}
        options = "".join(
            f" --{name} {shlex.quote(value)}"
            for name, value in named.items()
            if value not in (None, "mnist", "auto")
        )
        say(f"  synthgen evaluate {path}{options}")
    say(f"  synthgen.load({as_python(done.set.manifest_path)}).as_numpy()")


@click.command(short_help="Write a set in further formats.")
@click.argument("manifest", metavar="MANIFEST")
@click.option(
    "--formats",
    required=True,
    type=CommaSeparated(click.STRING),
    metavar="LIST",
    help=f"Formats to make of the set, separated by commas: {', '.join(SHARD_FORMAT_NAMES)}.",
)
@JSON
def export(manifest: str, formats: tuple[str, ...], as_json: bool) -> None:
    """Write a set that is there in further formats, from its files: no generator is needed.

    Each image is compared with its hash first. The set then has these formats, too: verify checks
    them, and a build that grows the set makes them.
    """
    from synthgen import pipeline

    done = pipeline.export(manifest, formats)
    if as_json:
        say_json(export_json(done, manifest))
        return
    say(*done.lines())
    say("Next:", f"  synthgen verify {as_argument(manifest)}")


def _named_set(name: str) -> str:
    """Return the option that names a set, where it has another name than by default."""
    return "" if name == BuildSettings().name else f" --name {shlex.quote(name)}"


@click.command(short_help="Publish a set that was made in partitions.")
@click.option(
    "--name",
    default=BuildSettings().name,
    show_default=True,
    help="Name of the set: data/NAME, manifests/NAME.csv.",
)
@ROOT
@JSON
def merge(name: str, root: str, as_json: bool) -> None:
    """Publish the set that `synthgen build --partition I/N` made, if it is all there.

    Exit code 1 names the partitions that are missing.
    """
    from synthgen.shards.partitions import merge as merge_partitions

    BuildSettings(name=name)  # which refuses what cannot be a name
    merged = merge_partitions(name, root)
    if as_json:
        say_json(merge_json(merged))
        return
    say(*merged.lines())
    path = as_argument(merged.manifest_path)
    say("Next:", f"  synthgen verify {path}", f"  synthgen evaluate {path}")
    say(f"  synthgen.load({as_python(merged.manifest_path)}).as_numpy()")
