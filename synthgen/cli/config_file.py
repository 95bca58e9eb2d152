"""Options from a file: `--config build.toml`, or the run record of a set that is to be built again.

A key of the file is the name of an option without its dashes. What stands on the command line wins.
"""

import dataclasses
import difflib
import os
import tomllib
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import click

from synthgen.cli.options import as_option
from synthgen.cli.output import notice
from synthgen.errors import SettingsError

if TYPE_CHECKING:
    from synthgen.shards.run_record import RunRecord


def use_toml(ctx: click.Context, param: click.Parameter, path: str | None) -> None:
    """Take options from a TOML file."""
    if path:
        _take(ctx, path, _read_toml(path))


def use_toml_or_record(
    ctx: click.Context, param: click.Parameter, path: str | None
) -> "RunRecord | None":
    """Take options from a TOML file or from a run record, which is returned."""
    if not path:
        return None
    if not path.endswith(".json"):
        use_toml(ctx, param, path)
        return None
    from synthgen.shards.run_record import read_record
    from synthgen.storage import open_storage

    folder, name = os.path.split(path)
    record = read_record(open_storage(folder or "."), name.removesuffix(".json") + ".csv")
    settings = {
        field.name.replace("_", "-"): as_option(getattr(record.settings, field.name))
        for field in dataclasses.fields(record.settings)
    }
    _take(ctx, path, settings)
    notice(
        f"NOTICE: {path} says what was built, not where: --root and --data are those of the "
        "command line, and the generator is looked for by its hash."
    )
    return record


def _read_toml(path: str) -> dict[str, Any]:
    """Read the keys of a TOML file."""
    from synthgen.storage import open_storage

    folder, name = os.path.split(path)
    content = open_storage(folder or ".").read_bytes(name)
    try:
        return tomllib.loads(content.decode("utf-8-sig"))
    except UnicodeDecodeError as error:
        raise SettingsError(
            f"--config {path}: expected a TOML file in UTF-8, received another encoding. Save it "
            "as UTF-8."
        ) from error
    except ValueError as error:
        hint = " A run record is taken by `synthgen build` alone." if path.endswith(".json") else ""
        raise SettingsError(
            f"--config {path}: expected a TOML file with lines such as `seed = 7`, "
            f"received something else: {error}.{hint}"
        ) from error


def _take(ctx: click.Context, path: str, given: Mapping[str, Any]) -> None:
    """Make what a file says the defaults of a command."""
    options = {
        param.opts[-1].lstrip("-"): param
        for param in ctx.command.params
        if isinstance(param, click.Option) and param.name not in ("config", "record", "help")
    }
    taken = {}
    for key, value in given.items():
        option = options.get(key.replace("_", "-"))
        if option is None:
            close = difflib.get_close_matches(key, options, 1)
            meant = f"did you mean {close[0]}?" if close else f"it knows {', '.join(options)}."
            raise SettingsError(
                f"--config {path}: expected options of `{ctx.command_path}`, received {key!r}; "
                f"{meant}"
            )
        taken[str(option.name)] = _converted(ctx, option, value, path)
    ctx.default_map = dict(ctx.default_map or {}) | taken


def _converted(ctx: click.Context, option: click.Option, value: Any, path: str) -> Any:
    """Return the value of a file as the option would have it, which is written on a command line.

    Raises:
        SettingsError: naming file and option.
    """
    name = option.opts[-1]
    items = value if isinstance(value, list) else [value]
    plain = all(isinstance(item, str | int | float) for item in items)
    if not plain or isinstance(value, bool) != option.is_flag:
        expected = "true or false" if option.is_flag else "a text, a number or a list of these"
        raise SettingsError(
            f"--config {path}: {name}: expected {expected}, received {str(value)[:60]!r}."
        )
    if option.is_flag:
        return value
    written: Any = [str(item) for item in items]
    if not option.multiple:
        written = ",".join(written)
    try:
        option.type_cast_value(ctx, written)
    except click.BadParameter as error:
        raise SettingsError(f"--config {path}: {name}: {error.message}") from error
    return written


CONFIG = click.option(
    "--config",
    metavar="FILE",
    is_eager=True,
    expose_value=False,
    callback=use_toml,
    help="Take options from a TOML file, such as `seed = 7`; those named here come before it.",
)
CONFIG_OR_RECORD = click.option(
    "--config",
    "record",
    metavar="FILE",
    is_eager=True,
    callback=use_toml_or_record,
    help="Take options from a TOML file, such as `seed = 7`, or build the set of a run record "
    "(manifests/NAME.json) again; options named here come before the file's.",
)
