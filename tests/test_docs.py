"""The documents tell the truth: help texts are complete, links lead somewhere, examples run.

`python -m tests.test_docs` (or `make docs`) renews docs/cli.md and docs/api.md.
"""

import ast
import re
from pathlib import Path
from typing import Any

import click
import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image

from synthgen.cli import cli
from synthgen.config import BuildSettings
from synthgen.gan.checkpoint import read_checkpoint, shipped_checkpoint
from synthgen.shards.build import build
from synthgen.shards.load import load
from tests.api_page import api_page

ROOT = Path(__file__).parent.parent
README = ROOT / "README.md"
CLI_PAGE = ROOT / "docs" / "cli.md"
API_PAGE = ROOT / "docs" / "api.md"
PAGES = [README, *sorted((ROOT / "docs").glob("*.md"))]
README_BYTES = 7_000
INTRODUCTION = """# Commands

Every command and option. `make docs` makes this page from the commands; a test compares the two.
"""


def commands(group: click.Group = cli, prefix: str = "synthgen") -> dict[str, click.Command]:
    """Every command by its full name, without the groups."""
    found: dict[str, click.Command] = {}
    for name, command in group.commands.items():
        full = f"{prefix} {name}"
        if isinstance(command, click.Group):
            found |= commands(command, full)
        else:
            found[full] = command
    return found


def help_section(name: str) -> str:
    """The help of one command, as a section of docs/cli.md."""
    arguments = [*name.split()[1:], "--help"]
    result = CliRunner().invoke(cli, arguments, prog_name="synthgen", terminal_width=100)
    return f"\n## {name}\n\n```text\n{result.output}```\n"


def cli_page() -> str:
    """What docs/cli.md has to hold."""
    general = CliRunner().invoke(cli, ["--help"], prog_name="synthgen", terminal_width=100).output
    sections = [help_section(name) for name in commands()]
    return f"{INTRODUCTION}\n```text\n{general}```\n{''.join(sections)}"


def examples() -> list[Any]:
    """The executed Python examples of all pages, each with the name of its page."""
    found = []
    for page in PAGES:
        for number, code in enumerate(re.findall(r"```python\n(.*?)```", page.read_text(), re.S)):
            found.append(pytest.param(code, id=f"{page.name}-{number}"))
    return found


def test_the_page_of_commands_holds_every_help_text() -> None:
    assert CLI_PAGE.read_text() == cli_page(), "run `make docs`"


def test_the_page_of_the_api_holds_every_docstring() -> None:
    assert API_PAGE.read_text() == api_page(ROOT), "run `make docs`"


def test_every_option_has_a_help_text() -> None:
    options = [
        (name, option)
        for name, command in commands().items()
        for option in command.params
        if isinstance(option, click.Option)
    ]
    assert options
    assert [(name, option.name) for name, option in options if not option.help] == []


def test_the_readme_stays_one_page() -> None:
    assert len(README.read_bytes()) <= README_BYTES


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_to_files_and_headings(page: Path) -> None:
    for target in re.findall(r"\]\(([^)\s]+)\)", page.read_text()):
        if re.match(r"https?://", target):
            continue
        path, _, heading = target.partition("#")
        file = (page.parent / path).resolve() if path else page
        assert file.exists(), target
        if heading:
            titles = re.findall(r"^#+ (.*)$", file.read_text(), re.M)
            anchors = [re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles]
            assert heading in anchors, target


@pytest.fixture(scope="module")
def workspace(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A root with a small set named `digits`, made by the shipped generator."""
    root = tmp_path_factory.mktemp("workspace")
    settings = BuildSettings(per_class=12, shard_size=100)
    build(settings, str(root), read_checkpoint(shipped_checkpoint()))
    write_own_digits(root)
    return root


def write_own_digits(root: Path) -> None:
    """Write a folder `my-digits` with six pictures of each class, drawn from the set `digits`."""
    digits = load(str(root / "manifests/digits.csv"), per_class=6)
    for number, (image, label) in enumerate(zip(digits.images, digits.labels, strict=True)):
        place = root / f"my-digits/{label}/{number:03d}.png"
        place.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(image[..., 0]).save(place)


@pytest.mark.parametrize("example", examples())
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
        assert set(np.asarray(labels).tolist()) <= set(range(10))
    if "picture" in names:
        assert names["picture"].size == (28, 28)


def test_the_examples_make_all_that_is_looked_at() -> None:
    names = {
        node.id
        for example in examples()
        for node in ast.walk(ast.parse(example.values[0]))
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)
    }
    assert names >= {"images", "labels", "dataset", "picture"}


def renew() -> None:
    """Write today's help texts into docs/cli.md, today's docstrings into docs/api.md."""
    CLI_PAGE.write_text(cli_page())
    API_PAGE.write_text(api_page(ROOT))


if __name__ == "__main__":
    renew()
