"""Options that commands have in common, and options made of the fields of a settings class."""

import dataclasses
import functools
import types
import typing
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

import click

from synthgen.cli.terminal import notice
from synthgen.config import GanSettings

Command = TypeVar("Command", bound=Callable[..., Any])
Settings = TypeVar("Settings")

DEFAULT_PRESET = "cdcgan"
ROOT = click.option(
    "--root",
    default=".",
    show_default=True,
    metavar="FOLDER",
    help="Where data/ and manifests/ lie: a folder or any fsspec URL.",
)
FIT = click.option(
    "--fit",
    default="auto",
    show_default=True,
    metavar="auto|mnist|pad|stretch|none",
    help="How pictures are fitted to the generator: as MNIST's were, padded, stretched or not.",
)
POLARITY = click.option(
    "--polarity",
    default="auto",
    show_default=True,
    metavar="auto|light-on-dark|dark-on-light",
    help="What the pictures are; dark ink on light paper is inverted.",
)
DATA_OPTIONS = (
    click.option(
        "--data",
        default="mnist",
        show_default=True,
        metavar="mnist|PATH",
        help="Real digits: 'mnist', a folder per class, CSV, NPZ, HDF5 or IDX.",
    ),
    FIT,
    POLARITY,
)
PRESET = click.option(
    "--preset",
    default=DEFAULT_PRESET,
    show_default=True,
    metavar="NAME",
    help="Training recipe, see `synthgen presets`.",
)
FAIL_IF = click.option(
    "--fail-if",
    multiple=True,
    metavar="'FIGURE < NUMBER'",
    help="A gate: end with exit code 1 if this holds. May be given again; shares are 0..1.",
)


def DATA(command: Command) -> Command:  # noqa: N802 (a decorator beside ROOT and PRESET)
    """Add --data, --fit and --polarity; the command receives `data` and `fitting`."""

    @functools.wraps(command)
    def with_fitting(*args: Any, fit: str, polarity: str, **options: Any) -> Any:
        from synthgen.datasets.framing import FitSettings

        return command(*args, fitting=FitSettings(fit=fit, polarity=polarity), **options)

    for option in reversed(DATA_OPTIONS):
        with_fitting = option(with_fitting)
    return typing.cast(Command, with_fitting)


class Whole(click.ParamType):  # type: ignore[type-arg,unused-ignore]
    """A whole number; 1e6 is one too."""

    name = "integer"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """Text -> int."""
        try:
            return (
                int(value)
                if not isinstance(value, str) or value.lstrip("-").isdigit()
                else _whole(float(value))
            )
        except (ValueError, OverflowError):
            self.fail(f"expected a whole number, received {value!r}.", param, ctx)


class CommaSeparated(click.ParamType):  # type: ignore[type-arg,unused-ignore]
    """Several values of one type, separated by commas."""

    name = "list"

    def __init__(self, item: Any) -> None:
        self.item = item

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[Any, ...]:
        """Text -> tuple."""
        parts = value.split(",") if isinstance(value, str) else value
        return tuple(
            self.item.convert(part.strip() if isinstance(part, str) else part, param, ctx)
            for part in parts
        )


def _whole(number: float) -> int:
    if number != int(number):
        raise ValueError(number)
    return int(number)


def _parameter_type(hint: Any) -> Any:
    if isinstance(hint, types.GenericAlias):
        return CommaSeparated(_parameter_type(typing.get_args(hint)[0]))
    return {int: Whole(), float: click.FLOAT, str: click.STRING}[hint]


def settings_options(
    settings: type[Any],
    defaults: bool = True,
    otherwise: Callable[[str], str] = lambda _: "from the preset",
) -> Callable[[Command], Command]:
    """One option per field of a settings class; without defaults an option that is not given is None, and `otherwise` says what it is then."""
    hints = typing.get_type_hints(settings)

    def decorate(command: Command) -> Command:
        for field in reversed(dataclasses.fields(settings)):
            flag, name = hints[field.name] is bool, field.name.replace("_", "-")
            options: dict[str, Any] = {
                "type": bool if flag else _parameter_type(hints[field.name]),
                "help": field.metadata["help"],
            }
            default = shown(field.default) if defaults else None
            options |= {
                "default": default,
                "show_default": True if defaults else otherwise(field.name),
            }
            command = click.option(f"--{name}/--no-{name}" if flag else f"--{name}", **options)(
                command
            )
        return command

    return decorate


def shown(default: Any) -> str:
    """A default as one would write it on the command line."""
    return ",".join(map(str, default)) if isinstance(default, tuple) else str(default)


def take(settings: type[Settings], options: dict[str, Any]) -> Settings:
    """Make a settings value from the options that belong to it, and take them out of `options`."""
    names = [field.name for field in dataclasses.fields(typing.cast(Any, settings))]
    return settings(**{name: options.pop(name) for name in names})


def override(settings: Settings, options: dict[str, Any]) -> Settings:
    """The settings with the options that belong to them."""
    names = {field.name for field in dataclasses.fields(typing.cast(Any, settings))}
    changes = {name: value for name, value in options.items() if name in names}
    return typing.cast(Settings, dataclasses.replace(typing.cast(Any, settings), **changes))


def fitted(
    gan: GanSettings, preset: str, counts: Sequence[int], given: Mapping[str, Any]
) -> GanSettings:
    """The recipe of a preset for so many training images of each class, which is said; what the user named stays."""
    from synthgen.gan.recipes import fit_to

    changes = {
        name: value
        for name, value in fit_to(counts, preset, gan.conditional).items()
        if name not in given
    }
    if changes:
        told = " ".join(
            f"--{name.replace('_', '-')}" + ("" if value is True else f" {value}")
            for name, value in changes.items()
        )
        there = f"{sum(counts):,} training images, {min(filter(None, counts)):,} to {max(counts):,} a class,"
        notice(
            f"NOTICE: for {there} {preset} is trained with {told}; options that you name come before these."
        )
    return override(gan, changes)
