"""The command line: parses, calls, prints. Nothing heavy is imported before a command needs it."""

import dataclasses
import functools
import os
import shlex
import sys
import types
import typing
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

import click
from click.core import ParameterSource

from synthgen import __version__
from synthgen.config import BUILD_ARMS, FULL, BenchmarkSettings, BuildSettings, EvaluationSettings, GanSettings, TrainSettings
from synthgen.errors import CheckFailed, Interrupted, SynthgenError, TrainingDiverged, WorkerLost

Command = TypeVar("Command", bound=Callable[..., Any])
Settings = TypeVar("Settings")

DEFAULT_PRESET = "cdcgan"
ROOT = click.option("--root", default=".", show_default=True, metavar="FOLDER", help="Where data/ and manifests/ lie: a folder or any fsspec URL.")
DATA = click.option(
    "--data", default="mnist", show_default=True, metavar="mnist|PATH", help="Real digits: 'mnist', IDX folder, NPZ, HDF5 or a folder per class."
)
PRESET = click.option("--preset", default=DEFAULT_PRESET, show_default=True, metavar="NAME", help="Training recipe, see `synthgen presets`.")
FAIL_IF = click.option(
    "--fail-if", multiple=True, metavar="'FIGURE < NUMBER'", help="A gate: end with exit code 1 if this holds. May be given again; shares are 0..1."
)


class Whole(click.ParamType):  # type: ignore[type-arg,unused-ignore]
    """A whole number; 1e6 is one too."""

    name = "integer"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """Text -> int."""
        try:
            return int(value) if not isinstance(value, str) or value.lstrip("-").isdigit() else _whole(float(value))
        except (ValueError, OverflowError):
            self.fail(f"expected a whole number, received {value!r}.", param, ctx)


class CommaSeparated(click.ParamType):  # type: ignore[type-arg,unused-ignore]
    """Several values of one type, separated by commas."""

    name = "list"

    def __init__(self, item: Any) -> None:
        self.item = item

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[Any, ...]:
        """Text -> tuple."""
        parts = value.split(",") if isinstance(value, str) else value
        return tuple(self.item.convert(part.strip() if isinstance(part, str) else part, param, ctx) for part in parts)


def _whole(number: float) -> int:
    if number != int(number):
        raise ValueError(number)
    return int(number)


def _parameter_type(hint: Any) -> Any:
    if isinstance(hint, types.GenericAlias):
        return CommaSeparated(_parameter_type(typing.get_args(hint)[0]))
    return {int: Whole(), float: click.FLOAT, str: click.STRING}[hint]


def settings_options(
    settings: type[Any], defaults: bool = True, otherwise: Callable[[str], str] = lambda _: "from the preset"
) -> Callable[[Command], Command]:
    """One option per field of a settings class; without defaults an option that is not given is None, and `otherwise` says what it is then."""
    hints = typing.get_type_hints(settings)

    def decorate(command: Command) -> Command:
        for field in reversed(dataclasses.fields(settings)):
            flag, name = hints[field.name] is bool, field.name.replace("_", "-")
            options: dict[str, Any] = {"type": bool if flag else _parameter_type(hints[field.name]), "help": field.metadata["help"]}
            default = _shown(field.default) if defaults else None
            options |= {"default": default, "show_default": True if defaults else otherwise(field.name)}
            command = click.option(f"--{name}/--no-{name}" if flag else f"--{name}", **options)(command)
        return command

    return decorate


def _shown(default: Any) -> str:
    return ",".join(map(str, default)) if isinstance(default, tuple) else str(default)


def _quick_or_full(name: str) -> str:
    """The default of an option of `benchmark` in both of its modes."""
    quick, full = (_shown(getattr(settings, name)) for settings in (BenchmarkSettings(), FULL))
    return quick if quick == full else f"{quick}; with --full {full}"


def _take(settings: type[Settings], options: dict[str, Any]) -> Settings:
    """Make a settings value from the options that belong to it, and take them out of `options`."""
    names = [field.name for field in dataclasses.fields(typing.cast(Any, settings))]
    return settings(**{name: options.pop(name) for name in names})


def _override(settings: Settings, options: dict[str, Any]) -> Settings:
    """The settings with the options that belong to them."""
    names = {field.name for field in dataclasses.fields(typing.cast(Any, settings))}
    return dataclasses.replace(typing.cast(Any, settings), **{name: value for name, value in options.items() if name in names})  # type: ignore[no-any-return]


def _say(*lines: str) -> None:
    for line in lines:
        click.echo(line)


def _notice(line: str) -> None:
    click.echo(line, err=True)


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 120})
@click.version_option(__version__, prog_name="synthgen")
def cli() -> None:
    """Labelled synthetic digits from a conditional GAN, in files that any training job reads, and whether they help.

    \b
    synthgen build --per-class 5000        the whole job, into data/ and manifests/
    synthgen verify manifests/digits.csv   is all of it there and unharmed?
    """  # noqa: D301 (click wants the character itself)


@cli.command(short_help="Make a labelled set: the whole job.")
@settings_options(BuildSettings)
@ROOT
@DATA
@click.option("--checkpoint", metavar="FOLDER", help="Use this generator instead of the shipped one.")
@click.option("--train", "train_first", is_flag=True, help="Train a generator on --data first (kept in the cache; goes on where it stopped).")
@click.option("--preset", metavar="NAME", help=f"With --train: the recipe, see `synthgen presets`.  [default: {DEFAULT_PRESET}]")
@click.option("--evaluate/--no-evaluate", default=True, show_default=True, help="Measure usefulness against real digits after the build.")
@click.option("--overwrite", is_flag=True, help="Replace a set of this name that was built with other settings.")
@click.option("--dry-run", is_flag=True, help="Say what would be made and how long it would take; write only a preview picture.")
def build(
    root: str,
    data: str,
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
    from synthgen.gan.presets import find_preset
    from synthgen.shards import build as shards

    settings = _take(BuildSettings, options)
    if checkpoint and train_first:
        raise click.UsageError("--checkpoint and --train exclude each other: the one names a generator, the other makes one.")
    find_preset(preset or DEFAULT_PRESET)
    if preset and not train_first:
        raise click.UsageError("--preset goes with --train: without it the generator is the shipped one or that of --checkpoint.")
    real = None
    if train_first:
        checkpoint, real = _train_into_cache(settings, root, preset or DEFAULT_PRESET, data, overwrite, dry_run)
    generator = read_checkpoint(checkpoint or shipped_checkpoint())
    _tell_alarms(generator.record)
    real = real or _real_or_notice(data)
    reference = shards.training_images(generator, real.train) if real else None
    if real and reference is None:
        _notice(f"NOTICE: no distances to training images, because the generator was not trained on these digits ({real.source}).")
    if dry_run:
        later = ["The evaluation comes on top; it is not in this time. --no-evaluate leaves it away."] if evaluate and real else []
        _say(*shards.dry_run(settings, root, generator, reference=reference, overwrite=overwrite).lines(), *later)
        return
    built = shards.build(settings, root, generator, reference=reference, overwrite=overwrite, say=_notice)
    _say(*built.lines())
    if evaluate and real:
        _evaluate_or_notice(built.manifest, root, real)
    path = shlex.quote(built.manifest_path)
    later = [] if evaluate else [f"  synthgen evaluate {path}"]
    _say("Next:", f"  synthgen verify {path}", *later, f"  synthgen.load({built.manifest_path!r}).as_numpy()")


def _real_or_notice(data: str) -> Any:
    from synthgen.datasets.sources import load_real
    from synthgen.errors import DataError

    try:
        return load_real(data, log=_notice)
    except DataError as error:
        if data != "mnist":
            raise
        _notice(f"NOTICE: no evaluation and no distances to training images, because the real digits cannot be had.\n{error}")
        return None


def _tell_alarms(record: Mapping[str, Any]) -> None:
    """Say what trouble there was in the training of a generator."""
    for alarm in record.get("alarms", ()):
        part = f" of class {alarm['class']!r}" if "class" in alarm else ""
        _notice(f"NOTICE: the training of this generator{part} raised an alarm at step {alarm['step']:,}, {alarm['name']}: {alarm['message']}")


def _evaluate_or_notice(manifest: str, root: str, real: Any) -> None:
    """A set that is too small to be judged is a set all the same."""
    from synthgen.errors import DataError

    try:
        _evaluate(manifest, root, real, EvaluationSettings(arms=BUILD_ARMS))
    except DataError as error:
        _notice(f"NOTICE: not evaluated. {error}")


@cli.command()
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
    gan, run = _override(recipe, given), _override(watched, given)
    trained = trained_labels(gan.conditional, labels or labels_begun)
    real = load_real(data, log=_notice)
    about: dict[str, Any] = {"preset": preset, "source": real.source, "command": _command_line(), "resume": resume, "validation": real.validation}
    try:
        done = _trainer(trained)(real.train, out, gan, run, **about)
    except (Interrupted, TrainingDiverged):
        _report_or_notice(out, report)
        raise
    how = " --labels classifier" if trained == "none" else ""
    _say(*done.lines(), *_report_run(out, report), "Next:", f"  synthgen build --checkpoint {shlex.quote(out)}{how}")


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

        return functools.partial(train_per_class, say=_notice)
    from synthgen.gan.train import train as train_gan

    return train_gan


def _report_or_notice(out: str, wanted: bool) -> None:
    """Report a training that ended early; a report that cannot be written does not hide why."""
    try:
        _report_run(out, wanted)
    except SynthgenError as error:
        _notice(f"NOTICE: no report. {error}")


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


def _train_into_cache(settings: BuildSettings, root: str, preset: str, data: str, overwrite: bool, dry_run: bool) -> tuple[str, Any]:
    """Train a generator for a build -> its folder, and the real digits; what would stop the build is found before. A dry run trains nothing."""
    from synthgen.datasets.sources import load_real
    from synthgen.gan.presets import find_preset
    from synthgen.shards.build import check_before_training
    from synthgen.shards.labels import label_source, trained_labels

    recipe = find_preset(preset).settings
    labels = label_source(settings.labels, trained_labels(recipe.conditional, settings.labels))
    real = load_real(data, log=_notice)
    if not dry_run:
        check_before_training(settings, root, real.train, overwrite)
    from synthgen.gan.cache import find_in_cache, train_into_cache

    about: dict[str, Any] = {"preset": preset, "per_class": labels == "per-class"}
    if dry_run:
        return find_in_cache(real.train, recipe, **about), real
    return train_into_cache(real.train, recipe, **about, source=real.source, validation=real.validation, say=_notice), real


def _command_line() -> str:
    return shlex.join(["synthgen", *sys.argv[1:]])


@cli.command(short_help="Measure what a set is worth.")
@click.argument("manifest", metavar="MANIFEST")
@DATA
@settings_options(EvaluationSettings)
@FAIL_IF
def evaluate(manifest: str, data: str, fail_if: tuple[str, ...], **options: Any) -> None:
    """Measure what a set is worth: labels, and a classifier trained with and without it."""
    from synthgen.datasets.sources import load_real
    from synthgen.evaluation.benchmark.evaluation_figures import EVALUATION_FIGURES, figures
    from synthgen.evaluation.benchmark.gates import check_gates, parse_gates
    from synthgen.shards.manifest import find_manifest

    gates = parse_gates(fail_if, {name: figure.meaning for name, figure in EVALUATION_FIGURES.items()})
    storage, relative = find_manifest(manifest)
    check_gates(gates, figures(_evaluate(relative, storage.url, load_real(data, log=_notice), _take(EvaluationSettings, options))))


def _evaluate(manifest: str, root: str, real: Any, settings: EvaluationSettings) -> Any:
    from synthgen.evaluation.evaluate import evaluate_manifest

    evaluated = evaluate_manifest(manifest, root, real, settings)
    _say(*evaluated.lines())
    return evaluated.evaluation


@cli.command(short_help="Does synthetic data help at your data size?")
@click.option("--quick/--full", default=True, show_default=True, help="A coarse answer in minutes, or every cell in many hours.")
@settings_options(BenchmarkSettings, defaults=False, otherwise=_quick_or_full)
@ROOT
@DATA
@click.option(
    "--generator",
    metavar="FOLDER|shipped",
    help="Use this generator, whatever it has seen, instead of training one on each cell's own images; marked in every table.",
)
@FAIL_IF
@click.option("--dry-run", is_flag=True, help="List the cells and the time they are expected to take; write nothing.")
def benchmark(quick: bool, root: str, data: str, generator: str | None, fail_if: tuple[str, ...], dry_run: bool, **options: Any) -> None:
    """Does synthetic data help, with how many real images, over the augmentation you have already?"""
    from synthgen.datasets.sources import load_real
    from synthgen.evaluation.benchmark.gates import check_gates, parse_gates
    from synthgen.evaluation.benchmark.generators import named_generator
    from synthgen.evaluation.benchmark.runner import forecast, prepare, run
    from synthgen.evaluation.benchmark.summary import FIGURES

    gates = parse_gates(fail_if, FIGURES)
    given = {name: value for name, value in options.items() if value is not None}
    settings = _override(BenchmarkSettings() if quick else FULL, given)
    real = load_real(data, log=_notice)
    job = prepare(settings, root, real, generator=named_generator(generator, real.train) if generator else None)
    if dry_run:
        _say(*forecast(job).lines())
        return
    if not quick:
        _notice(forecast(job).line())
    done = run(job, gates)
    _say(*done.lines())
    check_gates(gates, done.summary.figures)


@cli.command(short_help="Check that a set is all there and unharmed.")
@click.argument("manifest", metavar="MANIFEST")
def verify(manifest: str) -> None:
    """Check a set: hashes, counts, gaps, orphans, decodability. Exit code 1 if anything is wrong."""
    from synthgen.shards.verify import verify as verify_set
    from synthgen.shards.wording import counted

    report = verify_set(manifest)
    _say(*report.lines())
    if report.problems:
        raise CheckFailed(f"{counted(len(report.problems), 'problem')} in {manifest}. {report.hint}")


@cli.command(short_help="Rebuild one image and compare it.")
@click.argument("manifest", metavar="MANIFEST")
@click.argument("image_id", metavar="ID")
@click.option("--checkpoint", metavar="FOLDER", help="The generator that made the set, if it is not the shipped one.")
@click.option("--out", metavar="FILE", help="Also write the rebuilt image as a PNG, enlarged 8 times.")
def show(manifest: str, image_id: str, checkpoint: str | None, out: str | None) -> None:
    """Rebuild one image from its row of the manifest and compare it with the stored one."""
    from synthgen.gan.checkpoint import read_checkpoint, shipped_checkpoint
    from synthgen.shards.show import rebuild

    shown = rebuild(manifest, image_id, read_checkpoint(checkpoint or shipped_checkpoint()))
    if out:
        _write_picture(out, shown.image)
    _say(*shown.lines())
    if not shown.identical:
        raise CheckFailed(f"{image_id} could not be confirmed, see above.")


def _write_picture(path: str, image: Any) -> None:
    from synthgen.datasets.pixels import encode_png
    from synthgen.storage import open_storage

    folder, name = os.path.split(os.path.abspath(path))
    open_storage(folder).write_bytes(name, encode_png(image, zoom=8))


@cli.group()
def data() -> None:
    """Fetch the real digits, or say what they are."""


@data.command()
@click.argument("name", metavar="mnist|PATH", default="mnist")
def fetch(name: str) -> None:
    """Get the real digits into the cache and check them."""
    from synthgen.datasets.sources import load_real

    real = load_real(name, log=_notice)
    _say(f"{len(real.train)} training, {len(real.validation)} validation and {len(real.test)} test digits, from {real.source}.")


@data.command()
@click.argument("name", metavar="mnist|PATH", default="mnist")
def info(name: str) -> None:
    """Say what the real digits are: counts per class and split, source, hash."""
    from synthgen.datasets.sources import describe_text, load_real

    _say(describe_text(load_real(name, log=_notice)))


@cli.command(short_help="List the training recipes.")
def presets() -> None:
    """List the training recipes: what they are, their size and their cost."""
    from synthgen.gan.cost import cost_of
    from synthgen.gan.presets import PRESETS

    for name, (settings, recipe, reference, _) in PRESETS.items():
        cost = cost_of(settings)
        _say(
            f"{name:<14}{recipe}",
            f"{'':<14}{settings.steps:,} steps of {settings.batch} images, latent {settings.latent}, condition: {settings.condition}",
            f"{'':<14}parameters: generator {cost.generator_parameters:,}, discriminator {cost.discriminator_parameters:,}",
            f"{'':<14}multiplications per image of 28 x 28: {cost.generated / 1e6:.1f} M to generate, {cost.trained / 1e6:.0f} M per training step",
            f"{'':<14}{reference}",
        )


def main() -> None:
    """Run the command line and end the process with the error's exit code."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    try:
        cli.main(standalone_mode=False)
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    except (KeyboardInterrupt, click.Abort):
        _notice("Interrupted.")
        sys.exit(Interrupted.exit_code)
    except SynthgenError as error:
        wanted = isinstance(error, Interrupted) and not isinstance(error, WorkerLost)  # by the user: no error
        _notice(str(error) if wanted else f"Error: {error}")
        sys.exit(error.exit_code)
