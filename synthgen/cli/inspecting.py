"""Commands that change nothing but the cache: `synthgen verify`, `show`, `data`, `presets`."""

import os
from typing import TYPE_CHECKING

import click

from synthgen.cli.json_objects import presets_json, show_json, verify_json
from synthgen.cli.options import FIT, JSON, POLARITY
from synthgen.cli.output import notice, say, say_json
from synthgen.errors import CheckFailed

if TYPE_CHECKING:
    from synthgen.datasets.digits import Images


@click.command(short_help="Check that a set is all there and unharmed.")
@click.argument("manifest", metavar="MANIFEST")
@JSON
def verify(manifest: str, as_json: bool) -> None:
    """Check a set: hashes, counts, gaps, orphans, decodability. Exit code 1 if any is wrong."""
    from synthgen.shards.verify import verify as verify_set
    from synthgen.text import counted

    report = verify_set(manifest)
    if as_json:
        say_json(verify_json(report))
    else:
        say(*report.lines())
    if report.problems:
        problems = counted(len(report.problems), "problem")
        raise CheckFailed(f"{problems} in {manifest}. {report.hint}")


@click.command(short_help="Rebuild one image and compare it.")
@click.argument("manifest", metavar="MANIFEST")
@click.argument("image_id", metavar="ID")
@click.option(
    "--checkpoint",
    metavar="FOLDER",
    help="The generator that made the set.  [default: looked for in the package and the cache]",
)
@click.option(
    "--out", metavar="FILE", help="Also write the rebuilt image as a PNG, enlarged 8 times."
)
@JSON
def show(
    manifest: str, image_id: str, checkpoint: str | None, out: str | None, as_json: bool
) -> None:
    """Rebuild one image from its row of the manifest and compare it with the stored one."""
    from synthgen.gan.checkpoint import read_checkpoint
    from synthgen.shards.show import rebuild

    shown = rebuild(manifest, image_id, read_checkpoint(checkpoint) if checkpoint else None)
    if out:
        _write_picture(out, shown.image, zoom=8)
    if as_json:
        say_json(show_json(shown))
    else:
        say(*shown.lines())
    if not shown.identical:
        raise CheckFailed(f"{image_id} could not be confirmed, see above.")


def _write_picture(path: str, image: "Images", zoom: int) -> None:
    from synthgen.datasets.pixels import encode_png
    from synthgen.storage import open_storage

    folder, name = os.path.split(os.path.abspath(path))
    open_storage(folder).write_bytes(name, encode_png(image, zoom))


@click.group()
def data() -> None:
    """Fetch the real digits, or say what they are."""


@data.command()
@click.argument("name", metavar="mnist|PATH", default="mnist")
@JSON
def fetch(name: str, as_json: bool) -> None:
    """Get MNIST into the cache and check it; digits of your own are checked where they are."""
    from synthgen.datasets.framing import FramingSettings
    from synthgen.datasets.sources import describe, load_real

    real = load_real(name, log=notice, fitting=FramingSettings())
    if as_json:
        say_json(describe(real))
        return
    say(
        f"{len(real.train)} training, {len(real.validation)} validation and {len(real.test)} test "
        f"digits, from {real.source}."
    )


@data.command()
@click.argument("name", metavar="mnist|PATH", default="mnist")
@FIT
@POLARITY
@click.option(
    "--picture",
    metavar="FILE",
    help="Also write a PNG: some pictures of each class and, below each, how it is fitted.",
)
@JSON
def info(name: str, fit: str, polarity: str, picture: str | None, as_json: bool) -> None:
    """Say what the real digits are: counts per class and split, source, hash, what looks wrong."""
    from synthgen.datasets.framing import MNIST_SHAPE, FramingSettings
    from synthgen.datasets.mnist import mnist_folder
    from synthgen.datasets.preview import draw_before_and_after
    from synthgen.datasets.sources import (
        MNIST,
        DataSource,
        describe,
        describe_text,
        load_real,
        read_named,
    )
    from synthgen.pipeline import are_few, describe_shipped

    real = load_real(name, lambda _: None, FramingSettings(fit=fit, polarity=polarity))
    source = DataSource(place=name, fitting=FramingSettings(fit=fit, polarity=polarity))
    shipped = describe_shipped(source, real)
    if as_json:
        say_json({**describe(real), "shipped": shipped})
    else:
        if name == MNIST:
            say(f"cache   {mnist_folder()}")
        say(describe_text(real))
        if name != MNIST and are_few(real):
            say(
                "note    The parts are those of `train` and `evaluate`. `build --data` with the "
                "shipped generator sets none of so few digits aside: each is learnt from and read, "
                "in turn."
            )
        say(f"shipped {shipped}")
    if picture:
        fitting = FramingSettings(fit=fit, polarity=polarity, shape=MNIST_SHAPE)
        sheet, framing = draw_before_and_after(read_named(name), fitting)
        _write_picture(picture, sheet, zoom=1)
        (notice if as_json else say)(f"picture {picture}: above as they are, below {framing}")


@click.command(short_help="List the training recipes.")
@JSON
def presets(as_json: bool) -> None:
    """List the training recipes: what they are, their size and their cost."""
    from synthgen.gan.presets import PRESETS
    from synthgen.networks.cost import cost_of

    if as_json:
        say_json(presets_json(PRESETS))
        return
    for name, preset in PRESETS.items():
        settings = preset.settings
        cost = cost_of(settings)
        say(
            f"{name:<14}{preset.recipe}",
            f"{'':<14}{settings.steps:,} steps of {settings.batch} images, "
            f"latent {settings.latent}, condition: {settings.condition}",
            f"{'':<14}parameters: generator {cost.generator_parameters:,}, "
            f"discriminator {cost.discriminator_parameters:,}",
            f"{'':<14}multiplications per image of 28 x 28: {cost.generated / 1e6:.1f} M to "
            f"generate, {cost.trained / 1e6:.0f} M per training step",
            f"{'':<14}{preset.reference}",
        )
