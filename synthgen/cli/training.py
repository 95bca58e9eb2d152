"""`synthgen train`."""

import dataclasses
import functools
import shlex
import sys
from collections.abc import Callable
from typing import Any

import click
from click.core import ParameterSource

from synthgen.cli.options import DATA, PRESET, fitted, notice, override, say, settings_options
from synthgen.config import GanSettings, TrainSettings
from synthgen.errors import Interrupted, SynthgenError, TrainingDiverged


@click.command()
@click.option("--out", required=True, metavar="FOLDER", help="The checkpoint folder to make.")
@PRESET
@DATA
@click.option(
    "--labels",
    type=click.Choice(["per-class", "classifier"]),
    help="For a recipe without a condition: 'per-class' trains one generator a class, each for --steps steps (so that the time is that of as many "
    "trainings as classes); 'classifier' trains one for all, whose images `synthgen build --labels classifier` labels.",
)
@click.option("--resume", is_flag=True, help="Go on with the training in --out, exactly where it stopped and with the recipe that it was begun with.")
@click.option("--report", is_flag=True, help="Also write FOLDER/report.html: curves, sample grids, alarms, record.")
@settings_options(TrainSettings, defaults=False)
@settings_options(GanSettings, defaults=False)
def train(out: str, preset: str, data: str, labels: str | None, resume: bool, report: bool, **options: Any) -> None:
    """Train a GAN; the folder is then a --checkpoint for build."""
    from synthgen.datasets.sources import load_real
    from synthgen.shards.labels import trained_labels

    chosen = click.get_current_context().get_parameter_source("preset") is not ParameterSource.DEFAULT
    begun = _begun(out, preset if chosen else "") if resume else None
    preset, labels_begun, (recipe, watched) = begun or (preset, None, _preset(preset))
    given = {name: value for name, value in options.items() if value is not None}
    gan, run = override(recipe, given), override(watched, given)
    trained = trained_labels(gan.conditional, labels or labels_begun)
    real = load_real(data, log=notice)
    gan = gan if begun else fitted(gan, preset, len(real.train), given)
    about: dict[str, Any] = {"preset": preset, "source": real.source, "command": _command_line(), "resume": resume, "validation": real.validation}
    try:
        done = _trainer(trained)(real.train, out, gan, run, **about)
    except (Interrupted, TrainingDiverged):
        _report_or_notice(out, report)
        raise
    how = " --labels classifier" if trained == "none" else ""
    say(*done.lines(), *_report_run(out, report), "Next:", f"  synthgen build --checkpoint {shlex.quote(out)}{how}")


def _preset(name: str) -> tuple[GanSettings, TrainSettings]:
    from synthgen.gan.presets import find_preset

    preset = find_preset(name)
    return preset.settings, preset.run


def _begun(out: str, preset: str) -> tuple[str, str | None, tuple[GanSettings, TrainSettings]] | None:
    """Preset, --labels and settings of the training in a folder, if it is of this preset (or of any, if none was named): nobody need repeat them."""
    from synthgen.gan.run_state import begun_with
    from synthgen.storage import open_storage

    begun = begun_with(open_storage(out))
    if begun is None or preset not in ("", begun.preset):
        return None
    _, run = _preset(begun.preset)
    return begun.preset, begun.labels, (begun.gan, dataclasses.replace(run, seed=begun.seed))


def _trainer(labels: str) -> Callable[..., Any]:
    """The function that trains one generator, or one a class."""
    if labels == "per-class":
        from synthgen.gan.per_class import train_per_class

        return functools.partial(train_per_class, say=notice)
    from synthgen.gan.train import train as train_gan

    return train_gan


def _report_or_notice(out: str, wanted: bool) -> None:
    """Report a training that ended early; a report that cannot be written does not hide why."""
    try:
        _report_run(out, wanted)
    except SynthgenError as error:
        notice(f"NOTICE: no report. {error}")


def _report_run(out: str, wanted: bool) -> list[str]:
    from synthgen.gan.devices import find_devices

    if not wanted or not find_devices().chief:
        return []
    from synthgen.evaluation.run_report import render_run
    from synthgen.storage import open_storage

    storage = open_storage(out)
    places = sorted({f"{path.rpartition('/training/')[0]}/" for path in storage.files("classes") if path.endswith("/training/log.csv")}) or [""]
    for place in places:  # the training itself, or that of each class
        storage.write_bytes(f"{place}report.html", render_run(f"{out}/{place}".rstrip("/")).encode())
    return [f"Report     {out}/{place}report.html" for place in places]


def _command_line() -> str:
    return shlex.join(["synthgen", *sys.argv[1:]])
