"""Options that commands have in common, and options made of the fields of a settings class."""

import dataclasses
import functools
import types
import typing
from collections.abc import Callable
from typing import Any, TypeVar

import click

Command = TypeVar("Command", bound=Callable[..., Any])

DATA = click.option(
    "--data",
    metavar="mnist|PATH",
    help="Real digits: 'mnist', a folder per class, CSV, NPZ, HDF5 or IDX.  [default: mnist]",
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
ROOT = click.option(
    "--root",
    default=".",
    show_default=True,
    metavar="FOLDER",
    help="Where data/ and manifests/ lie: a folder or any fsspec URL.",
)
JSON = click.option(
    "--json",
    "as_json",
    is_flag=True,
    help="Print the result as one JSON object, see docs/machines.md.",
)
FAIL_IF = click.option(
    "--fail-if",
    multiple=True,
    metavar="'FIGURE < NUMBER'",
    help="A gate: end with exit code 1 if this holds. May be given again; shares are 0..1.",
)


class WholeNumber(click.ParamType):  # type: ignore[type-arg,unused-ignore]
    """A whole number; 1e6 is one too."""

    name = "integer"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """Text -> int."""
        if not isinstance(value, str):
            return int(value)
        try:
            number = int(value) if value.lstrip("-").isdigit() else float(value)
            if number == int(number):
                return int(number)
        except (ValueError, OverflowError):
            pass
        return self.fail(f"expected a whole number, received {value!r}.", param, ctx)


class CommaSeparated(click.ParamType):  # type: ignore[type-arg,unused-ignore]
    """Several values of one type, separated by commas."""

    name = "list"

    def __init__(self, item: Any) -> None:
        self.item = item

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[Any, ...]:
        """Text -> tuple."""
        if not isinstance(value, str):
            return tuple(value)
        parts = value.split(",") if value else []
        return tuple(self.item.convert(part.strip(), param, ctx) for part in parts)


def data_options(command: Command) -> Command:
    """Give a command --data, --fit and --polarity; its argument `data` is a DataSource."""

    @functools.wraps(command)
    def call(data: str | None, fit: str, polarity: str, **values: Any) -> Any:
        from synthgen.datasets.framing import FramingSettings
        from synthgen.datasets.sources import DataSource

        source = DataSource(place=data, fitting=FramingSettings(fit=fit, polarity=polarity))
        return command(data=source, **values)

    return typing.cast(Command, DATA(FIT(POLARITY(call))))


PARAMETER_TYPES: dict[Any, Any] = {
    int: WholeNumber(),
    float: click.FLOAT,
    str: click.STRING,
    bool: click.BOOL,
}


def settings_options(kind: type[Any]) -> Callable[[Command], Command]:
    """Give a command one option for each field of a settings class.

    The command receives them as one value of that class, its argument `settings`.

    Args:
        kind: the settings class; types, defaults and help texts are those of its fields.
    """

    def decorate(command: Command) -> Command:
        @functools.wraps(command)
        def call(**values: Any) -> Any:
            chosen = {field.name: values.pop(field.name) for field in dataclasses.fields(kind)}
            return command(settings=kind(**chosen), **values)

        for field in reversed(dataclasses.fields(kind)):
            is_flag = isinstance(field.default, bool)
            default = field.default if is_flag else as_option(field.default)
            call = _option(kind, field, default=default, show_default=default != "")(call)
        return typing.cast(Command, call)

    return decorate


def changes_options(
    *kinds: type[Any], otherwise: Callable[[str], str]
) -> Callable[[Command], Command]:
    """Give a command one option without a default for each field of some settings classes.

    The command receives those that are named on the command line, by field, as its argument
    `changes`.

    Args:
        *kinds: the settings classes, no two with a field of the same name.
        otherwise: what help says for a field that is not named.
    """
    names = [field.name for kind in kinds for field in dataclasses.fields(kind)]

    def decorate(command: Command) -> Command:
        @functools.wraps(command)
        def call(**values: Any) -> Any:
            named = {name: value for name in names if (value := values.pop(name)) is not None}
            return command(changes=named, **values)

        for kind in reversed(kinds):
            for field in reversed(dataclasses.fields(kind)):
                call = _option(kind, field, default=None, show_default=otherwise(field.name))(call)
        return typing.cast(Command, call)

    return decorate


def _option(
    kind: type[Any], field: "dataclasses.Field[Any]", *, default: Any, show_default: bool | str
) -> Callable[[Any], Any]:
    """The option of one field: --per-class N, or --durable/--no-durable."""
    hint = typing.get_type_hints(kind)[field.name]
    name = field.name.replace("_", "-")
    if isinstance(hint, types.GenericAlias):  # tuple[int, ...]
        parameter_type: Any = CommaSeparated(PARAMETER_TYPES[typing.get_args(hint)[0]])
    else:
        parameter_type = PARAMETER_TYPES[hint]
    return click.option(
        f"--{name}/--no-{name}" if hint is bool else f"--{name}",
        type=parameter_type,
        help=field.metadata["help"],
        default=default,
        show_default=show_default,
    )


def as_option(value: Any) -> str:
    """A value as one would write it on the command line."""
    return ",".join(map(str, value)) if isinstance(value, tuple) else str(value)
