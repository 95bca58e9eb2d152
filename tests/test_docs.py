"""The README tells the truth: every command's help stands in it word for word, and its Python examples run.

`python -m tests.test_docs` (or `make docs`) renews the help texts.
"""

import re
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from synthgen.cli import cli

README = Path(__file__).parent.parent / "README.md"
BLOCK = "<!-- help: {name} -->\n```text\n{help}```\n"


def commands(group: click.Group = cli, prefix: str = "synthgen") -> dict[str, click.Command]:
    """Every command by its full name, without the groups."""
    found: dict[str, click.Command] = {}
    for name, command in group.commands.items():
        full = f"{prefix} {name}"
        found |= commands(command, full) if isinstance(command, click.Group) else {full: command}
    return found


def help_block(name: str) -> str:
    """The help of one command as it stands in the README."""
    result = CliRunner().invoke(cli, [*name.split()[1:], "--help"], prog_name="synthgen", terminal_width=110)
    return BLOCK.format(name=name, help=result.output)


@pytest.mark.parametrize("name", commands())
def test_every_command_is_documented_with_its_help(name: str) -> None:
    assert help_block(name) in README.read_text(), "run `make docs`"


def test_every_option_has_a_help_text() -> None:
    options = [(name, option) for name, command in commands().items() for option in command.params if isinstance(option, click.Option)]
    assert options
    assert [(name, option.name) for name, option in options if not option.help] == []


def renew() -> None:
    """Put today's help texts in the place of the README's."""
    text = README.read_text()
    for name in commands():
        pattern = re.compile(rf"<!-- help: {name} -->\n```text\n.*?```\n", re.DOTALL)
        text = pattern.sub(lambda _, name=name: help_block(name), text)  # type: ignore[misc]
    README.write_text(text)


if __name__ == "__main__":
    renew()
