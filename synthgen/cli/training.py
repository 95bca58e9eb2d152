"""`synthgen train`."""

import shlex
from typing import TYPE_CHECKING, Any

import click

from synthgen.cli.options import changes_options, data_options
from synthgen.cli.output import notice, say
from synthgen.config import DEFAULT_PRESET, GanSettings, TrainSettings
from synthgen.errors import Interrupted, SynthgenError, TrainingDiverged

if TYPE_CHECKING:
    from synthgen.datasets.sources import DataSource


@click.command()
@click.option("--out", required=True, metavar="FOLDER", help="The checkpoint folder to make.")
@click.option(
    "--preset",
    metavar="NAME",
    help=f"Training recipe, see `synthgen presets`.  [default: {DEFAULT_PRESET}]",
)
@data_options
@click.option(
    "--labels",
    type=click.Choice(["per-class", "classifier"]),
    help="For a recipe without a condition: 'per-class' trains one generator a class, each for "
    "--steps steps (so that the time is that of as many trainings as classes); 'classifier' "
    "trains one for all, whose images `synthgen build --labels classifier` labels.",
)
@click.option(
    "--resume",
    is_flag=True,
    help="Go on with the training in --out, exactly where it stopped and with the recipe, digits "
    "and options that it was begun with.",
)
@click.option(
    "--report",
    is_flag=True,
    help="Also write FOLDER/report.html: curves, sample grids, alarms, record.",
)
@changes_options(TrainSettings, GanSettings, otherwise=lambda _: "from the preset")
def train(
    changes: dict[str, Any],
    out: str,
    preset: str | None,
    data: "DataSource",
    labels: str | None,
    resume: bool,
    report: bool,
) -> None:
    """Train a GAN; the folder is then a --checkpoint for build."""
    from synthgen import pipeline

    try:
        done = pipeline.train(
            out,
            preset=preset,
            data=data,
            labels=labels,
            changes=changes,
            resume=resume,
            say=notice,
        )
    except (Interrupted, TrainingDiverged):
        if report:
            # whatever becomes of the report, the error above is the one that counts
            try:
                pipeline.report_training(out)
            except SynthgenError as error:
                notice(f"NOTICE: no report. {error}")
        raise
    say(*done.training.lines())
    if report:
        say(*(f"Report     {path}" for path in pipeline.report_training(out)))
    more = " --labels classifier" if done.labels == "none" else ""
    say("Next:", f"  synthgen build --checkpoint {shlex.quote(out)}{more}")
