"""The house: a room may import the rooms above it, never below, and TensorFlow only where a network runs."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parent.parent / "synthgen"
ORDER = (
    "errors",
    "config",
    "storage",
    "text",
    "records",
    "weights",
    "datasets",
    "metrics",
    "networks",
    "classifiers",
    "gan",
    "shards",
    "evaluation",
    "reports",
    "pipeline",
    "cli",
    "__main__",
)
TENSORFLOW = {  # the modules that load it, by room
    "datasets": "digits",  # for those who ask for a tf.data.Dataset
    "networks": "convolution/convolution convolution/direct convolution/few_channels "
    "convolution/fourier cost gan layers replicas scaling weights",
    "classifiers": "digitnet distort fit screener",
    "gan": "batches devices log losses monitor run sampler step train",
}
MODULES = sorted(PACKAGE.rglob("*.py"))


def imported(path: Path) -> set[str]:
    """Full names of the modules that a file imports, at its top or inside a function."""
    names = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names |= {node.module} | {f"{node.module}.{alias.name}" for alias in node.names}
    return names


def room(name: str) -> str | None:
    """synthgen.gan.step -> gan."""
    parts = name.split(".")
    return parts[1] if parts[0] == "synthgen" and len(parts) > 1 and parts[1] in ORDER else None


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_a_room_imports_only_rooms_above_it(path: Path) -> None:
    relative = path.relative_to(PACKAGE)
    if str(relative) == "__init__.py":
        return
    own = ORDER.index(relative.parts[0].removesuffix(".py"))
    below = {name for name in imported(path) if (other := room(name)) and ORDER.index(other) > own}
    assert not below


def test_every_room_is_in_the_order() -> None:
    found = {
        path.name.removesuffix(".py")
        for path in PACKAGE.iterdir()
        if path.name not in ("py.typed", "__pycache__", "__init__.py")
    }
    assert found == set(ORDER)


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_tensorflow_is_imported_where_networks_run_and_nowhere_else(path: Path) -> None:
    found = {name for name in imported(path) if name.split(".")[0] in ("tensorflow", "keras")}
    room, _, module = path.relative_to(PACKAGE).with_suffix("").as_posix().partition("/")
    assert bool(found) == (module in TENSORFLOW.get(room, "").split()), found


@pytest.mark.parametrize(
    "statement",
    [
        "import synthgen.cli",
        "import synthgen; synthgen.load",
        "import synthgen.shards.verify, synthgen.shards.build",
        "import synthgen.reports.evaluation, synthgen.metrics.intervals",
        "import synthgen.gan.checkpoint, synthgen.gan.recipes",
        "from click.testing import CliRunner; from synthgen.cli import cli; CliRunner().invoke(cli, ['--help'])",
    ],
)
def test_these_do_not_load_tensorflow(statement: str) -> None:
    code = f"{statement}\nimport sys; sys.exit(any(name.split('.')[0] in ('tensorflow', 'keras') for name in sys.modules))"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_the_command_line_loads_nothing_heavy() -> None:
    code = "import synthgen.cli, sys; sys.exit(bool({'numpy', 'pandas', 'h5py', 'scipy', 'fsspec', 'PIL'} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
