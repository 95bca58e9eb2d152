"""`synthgen train`."""

from typing import TYPE_CHECKING, Any

import click

from synthgen.cli.config_file import CONFIG
from synthgen.cli.json_objects import training_json
from synthgen.cli.options import JSON, changes_options, data_options
from synthgen.cli.output import as_argument, notice, say, say_json
from synthgen.config import DEFAULT_PRESET, GanSettings, TrainSettings
from synthgen.errors import Interrupted, SynthgenError, TrainingDiverged

if TYPE_CHECKING:
    from synthgen.datasets.sources import DataSource


@click.command()
@click.option("--out", required=True, metavar="FOLDER", help="The checkpoint folder to make.")
@CONFIG
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
@JSON
@changes_options(TrainSettings, GanSettings, otherwise=lambda _: "from the preset")
def train(
    changes: dict[str, Any],
    out: str,
    preset: str | None,
    data: "DataSource",
    labels: str | None,
    resume: bool,
    report: bool,
    as_json: bool,
) -> None:
    """Train a GAN; the folder is then a --checkpoint for build."""
    from synthgen import pipeline
    from synthgen.datasets.sources import MNIST

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
    reports = pipeline.report_training(out) if report else []
    if as_json:
        say_json(training_json(done, reports))
        return
    say(*done.training.lines())
    say(*(f"Report     {path}" for path in reports))
    more = " --labels classifier" if done.labels == "none" else ""
    used = done.data
    if used.place not in (None, MNIST):
        more += f" --data {as_argument(used.place)}"
        more += "".join(
            f" --{option} {chosen}"
            for option, chosen in (("fit", used.fitting.fit), ("polarity", used.fitting.polarity))
            if chosen != "auto"
        )
    say("Next:", f"  synthgen build --checkpoint {as_argument(out)}{more}")
