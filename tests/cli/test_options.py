"""Options that are made of the fields of settings."""

from dataclasses import dataclass

import click
import pytest
from click.testing import CliRunner

from synthgen.cli.options import WholeNumber, changes_options, settings_options
from synthgen.config import setting


@dataclass(frozen=True, kw_only=True)
class Example:
    count: int = setting(5, "How many.")
    share: float = setting(0.5, "What share.")
    sizes: tuple[int, ...] = setting((1, 2), "Which sizes.")
    bright: bool = setting(False, "Whether bright.")


@click.command()
@settings_options(Example)
@click.option("--other", default="none")
def with_settings(settings: Example, other: str) -> None:
    click.echo(f"{settings} {other}")


@click.command()
@changes_options(Example, otherwise=lambda name: f"as {name} was")
def with_changes(changes: dict[str, object]) -> None:
    click.echo(changes)


def test_a_command_gets_one_settings_value() -> None:
    arguments = ["--count", "1e3", "--sizes", "3, 4,5", "--bright", "--other", "x"]
    expected = Example(count=1000, sizes=(3, 4, 5), bright=True)
    assert CliRunner().invoke(with_settings, arguments).output == f"{expected} x\n"
    assert CliRunner().invoke(with_settings, []).output == f"{Example()} none\n"


def test_a_command_gets_the_changes_that_are_named() -> None:
    arguments = ["--no-bright", "--sizes", "7"]
    assert (
        CliRunner().invoke(with_changes, arguments).output == "{'sizes': (7,), 'bright': False}\n"
    )
    assert CliRunner().invoke(with_changes, []).output == "{}\n"


def test_help_says_defaults_or_what_is_otherwise() -> None:
    of_settings = " ".join(CliRunner().invoke(with_settings, ["--help"]).output.split())
    of_changes = " ".join(CliRunner().invoke(with_changes, ["--help"]).output.split())
    assert "--sizes LIST Which sizes. [default: 1,2]" in of_settings
    assert "--bright / --no-bright Whether bright. [default: no-bright]" in of_settings
    assert "--count INTEGER How many. [default: (as count was)]" in of_changes


@pytest.mark.parametrize(
    ("text", "number"), [("12", 12), ("-3", -3), ("1e6", 1_000_000), ("2.0", 2)]
)
def test_whole_numbers(text: str, number: int) -> None:
    assert WholeNumber().convert(text, None, None) == number


@pytest.mark.parametrize("text", ["2.5", "many", "inf", "nan", "", "1e", "²"])
def test_what_is_no_whole_number_is_refused(text: str) -> None:
    with pytest.raises(click.BadParameter, match="expected a whole number, received"):
        WholeNumber().convert(text, None, None)
