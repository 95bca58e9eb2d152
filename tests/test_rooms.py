"""The house: rooms in the order that data flows, TensorFlow only where a network runs."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

from tests.benchmarks.structure import import_edges, longest_chain, read_modules, repeated_names

ROOT = Path(__file__).parent.parent
MODULES = read_modules(ROOT)
ORDER = (
    "errors",
    "config",
    "storage",
    "text",
    "records",
    "weights",
    "signals",
    "processes",
    "cluster",
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
# the rooms in which networks run; they get TensorFlow from networks/backend.py
RUN_NETWORKS = ("networks", "classifiers", "gan")
# these have functions of the same names: file formats; a command, its call, what that composes
FAMILIES = (
    (
        "synthgen.datasets.csv_table",
        "synthgen.datasets.hdf5",
        "synthgen.datasets.idx",
        "synthgen.datasets.image_folder",
        "synthgen.datasets.npz",
    ),
    (
        "synthgen.shards.hdf5",
        "synthgen.shards.npz",
        "synthgen.shards.parquet",
        "synthgen.shards.png",
        "synthgen.shards.tfrecord",
        "synthgen.shards.webdataset",
    ),
    ("synthgen.cli.building", "synthgen.pipeline", "synthgen.shards.build"),
    ("synthgen.cli.building", "synthgen.shards.partitions"),
    ("synthgen.pipeline", "synthgen.shards.dry_run"),
    ("synthgen.cli.evaluating", "synthgen.pipeline", "synthgen.evaluation.evaluate"),
    ("synthgen.cli.training", "synthgen.pipeline", "synthgen.gan.train"),
    ("synthgen.cli.inspecting", "synthgen.shards.verify"),
)


def room(name: str) -> str:
    """synthgen.gan.step -> gan."""
    return name.split(".")[1]


def imported(tree: ast.Module) -> set[str]:
    """Full names of the modules that a file imports, at its top or inside a function."""
    names = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names |= {node.module} | {f"{node.module}.{alias.name}" for alias in node.names}
    return names


def test_every_room_is_in_the_order() -> None:
    names = {path.name.removesuffix(".py") for path in (ROOT / "synthgen").iterdir()}
    assert names - {"py.typed", "__pycache__", "__init__"} == set(ORDER)


def test_a_room_imports_only_rooms_above_it() -> None:
    wrong = [
        f"{module} imports {other}"
        for module, others in import_edges(MODULES).items()
        for other in others
        if module != "synthgen" != other
        if ORDER.index(room(other)) > ORDER.index(room(module))
    ]
    assert wrong == []


def test_no_module_imports_itself_by_way_of_others() -> None:
    assert len(longest_chain(import_edges(MODULES))) > 1  # a circle is a ValueError


def test_tensorflow_is_loaded_in_one_place() -> None:
    loads = set()
    uses = set()
    for module in MODULES:
        names = imported(module.tree)
        if {name.split(".")[0] for name in names} & {"tensorflow", "keras"}:
            loads.add(module.name)
        if "synthgen.networks.backend" in names:
            uses.add(room(module.name))
    # two modules hand out a tf.data.Dataset to those who ask for one
    assert loads == {
        "synthgen.networks.backend",
        "synthgen.datasets.digits",
        "synthgen.shards.tf_data",
    }
    assert uses == set(RUN_NETWORKS)


def test_a_public_name_is_defined_once() -> None:
    repeated = {
        name: places
        for name, places in repeated_names(MODULES).items()
        if not any(set(places) <= set(family) for family in FAMILIES)
    }
    assert repeated == {}


@pytest.mark.parametrize(
    "statement",
    [
        "import synthgen.cli",
        "import synthgen; synthgen.load, synthgen.build, synthgen.verify",
        "import synthgen.shards.verify, synthgen.shards.build",
        "import synthgen.reports.evaluation, synthgen.metrics.intervals",
        "import synthgen.gan.checkpoint, synthgen.gan.presets",
        "import synthgen.gan.checkpoint as c, synthgen.shards.generate as g\n"
        "g.load_networks(c.read_checkpoint(c.shipped_checkpoint()), 20, 'numpy')",
        "from synthgen.cli import cli; cli(['--help'], standalone_mode=False)",
        "from synthgen.cli import cli; cli(['presets'], standalone_mode=False)",
    ],
)
def test_these_do_not_load_tensorflow(statement: str) -> None:
    code = f"{statement}\nimport sys\nassert not {{'tensorflow', 'keras'}} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True, stdout=subprocess.DEVNULL)


def test_the_command_line_loads_nothing_heavy() -> None:
    heavy = {"numpy", "pandas", "h5py", "scipy", "fsspec", "PIL"}
    code = f"import synthgen.cli, sys\nassert not {heavy} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)
