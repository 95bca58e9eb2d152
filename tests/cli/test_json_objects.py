"""What `--json` prints has the keys that docs/machines.md lists."""

import json
import re
from pathlib import Path

import pytest

from synthgen.cli.json_objects import benchmark_json
from synthgen.evaluation.benchmark import BenchmarkRun
from tests.cli.conftest import RunCommand
from tests.evaluation.benchmark_example import make_summary

PAGE = Path(__file__).parents[2] / "docs" / "machines.md"


def documented(command: str) -> list[str]:
    """The keys of a command in the page's table."""
    row = re.search(rf"^\| `{re.escape(command)}` \| (.*) \|$", PAGE.read_text("utf-8"), re.M)
    assert row, command
    return re.findall(r"`(\w+)`", row[1])


@pytest.mark.slow
def test_partitions_merge_and_export_print_one_object(
    run_command: RunCommand, mnist: object
) -> None:
    options = ["--per-class", "4", "--shard-size", "20", "--no-evaluate", "--json"]
    build = json.loads(run_command("build", "--root", "whole", *options).out)
    assert list(build) == documented("build")
    for number in (1, 2):
        part = json.loads(run_command("build", "--partition", f"{number}/2", *options).out)
        assert list(part) == documented("build --partition")
        assert (part["shards"], part["images_made"], part["published"]) == (1, 20, False)

    merged = json.loads(run_command("merge", "--json").out)
    assert list(merged) == [*documented("build")[:10], *documented("merge")[1:]]
    assert (merged["images"], merged["unchanged"]) == (40, False)
    assert merged["fingerprint"] == build["fingerprint"]
    assert json.loads(run_command("merge", "--json").out)["unchanged"]

    command = ["export", merged["manifest"], "--formats", "npz", "--json"]
    exported = json.loads(run_command(*command).out)
    assert list(exported) == documented("export")
    assert (exported["formats"], exported["images_written"]) == (["hdf5", "png", "npz"], 40)
    again = json.loads(run_command(*command).out)
    assert (again["images_written"], again["unchanged"]) == (0, True)


def test_benchmark_prints_arms_comparisons_and_figures() -> None:
    summary = make_summary()
    found = benchmark_json(BenchmarkRun(summary=summary, ran=7), "data/benchmark-digits")
    assert list(found) == documented("benchmark")
    assert json.loads(json.dumps(found)) == found
    assert (found["folder"], found["cells_run"]) == ("data/benchmark-digits", 7)
    assert len(found["arms"]) == len(summary.arms)
    assert found["figures"] == {name: figure.value for name, figure in summary.figures.items()}
