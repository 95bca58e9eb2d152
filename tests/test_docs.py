"""The README tells the truth: every command's help stands in it word for word, and its Python examples run.

`python -m tests.test_docs` (or `make docs`) renews the help texts.
"""

import ast
import re
from pathlib import Path
from typing import Any

import click
import pytest
from click.testing import CliRunner

from synthgen.cli import cli
from synthgen.config import BuildSettings
from synthgen.gan.checkpoint import read_checkpoint, shipped_checkpoint
from synthgen.shards.build import build

README = Path(__file__).parent.parent / "README.md"
BLOCK = "<details>\n<summary>All options of <code>{name}</code></summary>\n\n<!-- help: {name} -->\n```text\n{help}```\n\n</details>\n"


def commands(group: click.Group = cli, prefix: str = "synthgen") -> dict[str, click.Command]:
    """Every command by its full name, without the groups."""
    found: dict[str, click.Command] = {}
    for name, command in group.commands.items():
        full = f"{prefix} {name}"
        found |= commands(command, full) if isinstance(command, click.Group) else {full: command}
    return found


def help_block(name: str) -> str:
    """The help of one command as it stands in the README."""
    result = CliRunner().invoke(
        cli, [*name.split()[1:], "--help"], prog_name="synthgen", terminal_width=110
    )
    return BLOCK.format(name=name, help=result.output)


@pytest.mark.parametrize("name", commands())
def test_every_command_is_documented_with_its_help(name: str) -> None:
    assert help_block(name) in README.read_text(), "run `make docs`"


def test_every_option_has_a_help_text() -> None:
    options = [
        (name, option)
        for name, command in commands().items()
        for option in command.params
        if isinstance(option, click.Option)
    ]
    assert options
    assert [(name, option.name) for name, option in options if not option.help] == []


@pytest.fixture(scope="module")
def workspace(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A root with a small set of the README's name, made by the shipped generator."""
    root = tmp_path_factory.mktemp("workspace")
    build(
        BuildSettings(per_class=12, shard_size=100),
        str(root),
        read_checkpoint(shipped_checkpoint()),
    )
    return root


EXAMPLES = re.findall(r"```python\n(.*?)```", README.read_text(), re.DOTALL)


@pytest.mark.parametrize("example", EXAMPLES, ids=range(len(EXAMPLES)))
def test_every_python_example_runs(
    example: str,
    workspace: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(workspace)
    names: dict[str, Any] = {}
    exec(example, names)
    assert "Traceback" not in capsys.readouterr().err
    if "images" in names:
        assert names["images"].shape[1:] == (28, 28, 1)
        assert len(names["images"]) == len(names["labels"])
    if "dataset" in names:
        images, labels = next(iter(names["dataset"]))
        assert images.shape[1:] == (28, 28, 1)
        assert set(labels.numpy().tolist()) <= set(range(10))
    if "picture" in names:
        assert names["picture"].size == (28, 28)


def test_the_python_examples_together_make_all_that_is_looked_at() -> None:
    names = {
        node.id
        for example in EXAMPLES
        for node in ast.walk(ast.parse(example))
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)
    }
    assert names >= {"images", "labels", "dataset", "picture"}


def renew() -> None:
    """Put today's help texts in the place of the README's."""
    text = README.read_text()
    for name in commands():
        pattern = re.compile(
            rf"<details>\n[^\n]*\n\n<!-- help: {name} -->\n```text\n.*?```\n\n</details>\n",
            re.DOTALL,
        )
        text = pattern.sub(lambda _, name=name: help_block(name), text)  # type: ignore[misc]
    README.write_text(text)


if __name__ == "__main__":
    renew()
