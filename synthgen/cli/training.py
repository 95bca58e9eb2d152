"""`synthgen train`."""

import functools
import shlex
import sys
from collections.abc import Callable
from typing import Any

import click
from click.core import ParameterSource

from synthgen.cli.options import DATA, PRESET, fitted, override, settings_options
from synthgen.cli.terminal import notice, say
from synthgen.config import GanSettings, TrainSettings
from synthgen.errors import Interrupted, ResumeError, SynthgenError, TrainingDiverged


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
@click.option(
    "--resume",
    is_flag=True,
    help="Go on with the training in --out, exactly where it stopped and with the recipe, digits and options of then.",
)
@click.option(
    "--report",
    is_flag=True,
    help="Also write FOLDER/report.html: curves, sample grids, alarms, record.",
)
@settings_options(TrainSettings, defaults=False)
@settings_options(GanSettings, defaults=False)
def train(
    out: str,
    preset: str,
    data: str,
    fitting: Any,
    labels: str | None,
    resume: bool,
    report: bool,
    **options: Any,
) -> None:
    """Train a GAN; the folder is then a --checkpoint for build."""
    from synthgen.datasets.sources import load_real
    from synthgen.shards.label_source import trained_labels

    begun = _begun(out, preset if _is_given("preset") else None) if resume else None
    if begun:
        preset, labels = begun.preset, labels or begun.labels
        data = data if _is_given("data") else begun.data or data
    given = {name: value for name, value in options.items() if value is not None}
    recipe, watched = _settings(preset, begun)
    gan, run = override(recipe, given), override(watched, given)
    trained = trained_labels(gan.conditional, labels)
    real = load_real(data, notice, fitting)
    gan = gan if begun else fitted(gan, preset, real.train.counts().tolist(), given)
    about: dict[str, Any] = {
        "preset": preset,
        "source": real.source,
        "command": _command_line(),
        "data": _from_anywhere(data),
    }
    about |= {"resume": resume, "validation": real.validation}
    try:
        done = _trainer(trained)(real.train, out, gan, run, **about)
    except (Interrupted, TrainingDiverged):
        _report_or_notice(out, report)
        raise
    how = " --labels classifier" if trained == "none" else ""
    say(
        *done.lines(),
        *_report_run(out, report),
        "Next:",
        f"  synthgen build --checkpoint {shlex.quote(out)}{how}",
    )


def _is_given(option: str) -> bool:
    return click.get_current_context().get_parameter_source(option) is not ParameterSource.DEFAULT


def _begun(out: str, preset: str | None) -> Any:
    """What the training in a folder was begun with, which nobody need repeat; None if there is none.

    Raises:
        ResumeError: if another preset is named.
    """
    from synthgen.gan.saved import begun_with
    from synthgen.storage import open_storage

    begun = begun_with(open_storage(out))
    if begun and preset not in (None, begun.preset):
        raise ResumeError(
            f"--preset: expected {begun.preset}, which the training in {out} was begun with, received {preset}. "
            "Leave --preset away to go on with it, or name another --out."
        )
    return begun


def _settings(name: str, begun: Any) -> tuple[GanSettings, TrainSettings]:
    """Those of a preset, or of the training that is under way."""
    from synthgen.gan.recipes import find_preset

    preset = find_preset(name)
    return (begun.gan, override(preset.run, begun.run)) if begun else (preset.settings, preset.run)


def _from_anywhere(data: str) -> str:
    """--data as it is found from any current folder."""
    from synthgen.datasets.sources import MNIST
    from synthgen.storage import open_storage

    storage = open_storage(data)
    return storage.full("") if data != MNIST and storage.is_local else data


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
    from synthgen.reports.training import render_training
    from synthgen.reports.training_files import read_training
    from synthgen.storage import open_storage

    storage = open_storage(out)
    places = sorted(
        {
            f"{path.rpartition('/training/')[0]}/"
            for path in storage.files("classes")
            if path.endswith("/training/log.csv")
        }
    ) or [""]
    for place in places:  # the training itself, or that of each class
        report = render_training(read_training(f"{out}/{place}".rstrip("/")))
        storage.write_bytes(f"{place}report.html", report.html.encode())
    return [f"Report     {out}/{place}report.html" for place in places]


def _command_line() -> str:
    return shlex.join(["synthgen", *sys.argv[1:]])
