"""What `synthgen build` asks for and says."""

from typing import Any

import pytest

from synthgen import pipeline
from synthgen.cli import building
from synthgen.cli.output import say
from synthgen.config import BuildSettings
from synthgen.datasets.framing import FramingSettings
from synthgen.datasets.sources import DataSource
from tests.cli.conftest import RunCommand


class FakeSet:
    """In the place of what a build made."""

    manifest_path = "my root/manifests/digits.csv"

    def lines(self) -> list[str]:
        return ["Made it."]


@pytest.fixture
def builds(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """In the place of the whole job: what each was asked for."""
    asked: list[dict[str, Any]] = []

    def build(settings: BuildSettings, **options: Any) -> pipeline.WholeBuild:
        asked.append({"settings": settings} | options)
        options["say"]("A notice.")
        trained = "cache/gan" if isinstance(options["generator"], pipeline.TrainFirst) else None
        evaluation: Any = "evaluated"
        return pipeline.WholeBuild(
            set=FakeSet(),  # type: ignore[arg-type]
            evaluation=evaluation if options["evaluation"] else None,
            trained=trained,
        )

    monkeypatch.setattr(building, "say_evaluation", lambda _: say("It helps."))
    monkeypatch.setattr(building, "say_worth", lambda _: None)
    monkeypatch.setattr(pipeline, "build", build)
    monkeypatch.setattr(pipeline, "dry_run", lambda *_, **options: FakeSet())
    return asked


def test_the_whole_job(builds: list[dict[str, Any]], run_command: RunCommand) -> None:
    result = run_command(
        "build", "--per-class", "1e2", "--formats", "png", "--root", "my root", "--overwrite"
    )
    assert result.code == 0
    assert result.err == "A notice.\n"
    assert result.out.splitlines() == [
        "Made it.",
        "It helps.",
        "Next:",
        "  synthgen verify 'my root/manifests/digits.csv'",
        "  synthgen.load('my root/manifests/digits.csv').as_numpy()",
    ]
    (asked,) = builds
    del asked["say"]
    assert asked == {
        "settings": BuildSettings(per_class=100, formats=("png",)),
        "root": "my root",
        "data": DataSource(),
        "generator": None,
        "evaluation": pipeline.BUILD_EVALUATION,
        "overwrite": True,
        "engine": "local",
    }


def test_a_build_without_evaluation_says_how_to_evaluate(
    builds: list[dict[str, Any]], run_command: RunCommand
) -> None:
    result = run_command(
        "build",
        "--no-evaluate",
        "--checkpoint",
        "gan",
        "--data",
        "mine.npz",
        "--fit",
        "pad",
        "--engine",
        "ray",
    )
    path = "'my root/manifests/digits.csv'"
    assert f"  synthgen evaluate {path} --data mine.npz --fit pad\n" in result.out
    assert "It helps." not in result.out
    assert builds[0]["evaluation"] is None
    assert builds[0]["generator"] == "gan"
    assert builds[0]["engine"] == "ray"
    fitting = FramingSettings(fit="pad")
    assert builds[0]["data"] == DataSource(place="mine.npz", fitting=fitting)
    result = run_command("build", "--no-evaluate", "--data", "mnist")
    assert f"  synthgen evaluate {path}\n" in result.out


@pytest.mark.parametrize(
    ("measured_by", "line"),
    [
        (
            "build",
            "  the same command without --no-evaluate, which tries the set beside your digits\n",
        ),
        ("", ""),
    ],
)
def test_a_build_names_no_evaluation_that_would_fail(
    measured_by: str, line: str, run_command: RunCommand, monkeypatch: pytest.MonkeyPatch
) -> None:
    done = pipeline.WholeBuild(
        set=FakeSet(),  # type: ignore[arg-type]
        evaluation=None,
        measured_by=measured_by,
    )
    monkeypatch.setattr(pipeline, "build", lambda *_, **__: done)
    said = run_command("build", "--data", "mine", "--no-evaluate").out
    path = "my root/manifests/digits.csv"
    after = f"  synthgen verify '{path}'\n{line}  synthgen.load('{path}').as_numpy()\n"
    assert said.endswith(after)


def test_a_build_says_where_a_generator_is_that_it_trained(
    builds: list[dict[str, Any]], run_command: RunCommand
) -> None:
    assert "Generator" not in run_command("build").out
    assert "Generator cache/gan\n" in run_command("build", "--train").out
    run_command("build", "--train", "--preset", "sngan")
    assert [asked["generator"] for asked in builds] == [
        None,
        pipeline.TrainFirst(preset="cdcgan"),
        pipeline.TrainFirst(preset="sngan"),
    ]


def test_a_dry_run_builds_nothing(builds: list[dict[str, Any]], run_command: RunCommand) -> None:
    assert run_command("build", "--dry-run").out == "Made it.\n"
    assert builds == []


def test_a_set_that_balances_is_asked_for_by_counts(
    builds: list[dict[str, Any]], run_command: RunCommand, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pipeline, "balancing_counts", lambda place, say: (f"{place}=7",))
    run_command("build", "--balance-with", "mine")
    run_command("build", "--balance-with", "mine", "--data", "other.npz")
    assert [asked["settings"].counts for asked in builds] == [("mine=7",), ("mine=7",)]
    assert [asked["data"].place for asked in builds] == ["mine", "other.npz"]
    both = run_command("build", "--balance-with", "mine", "--counts", "3=8")
    assert (both.code, len(builds)) == (2, 2)
    assert "--balance-with and --counts exclude each other." in both.err


def test_counts_of_classes_are_read(builds: list[dict[str, Any]], run_command: RunCommand) -> None:
    run_command("build", "--counts", "3=8000, 7=500")
    assert builds[0]["settings"].counts == ("3=8000", "7=500")
    wrong = run_command("build", "--counts", "3:8000")
    assert (wrong.code, len(builds)) == (2, 1)
    assert "--counts: expected NAME=NUMBER of one or more classes" in wrong.err


def test_a_partition_is_made_and_says_what_comes_next(
    builds: list[dict[str, Any]], run_command: RunCommand, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[tuple[Any, ...]] = []

    class Made(FakeSet):
        published = False

    def build_partition(settings: BuildSettings, partition: str, **options: Any) -> Made:
        asked.append((settings, partition, options["root"], options["generator"]))
        return Made()

    monkeypatch.setattr(pipeline, "build_partition", build_partition)
    part = ("build", "--partition", "2/8", "--root", "my root", "--checkpoint", "gan")
    assert run_command(*part).out.splitlines() == [
        "Made it.",
        "Next, when all partitions have ended:",
        "  synthgen merge --root 'my root'",
    ]
    assert asked == [(BuildSettings(), "2/8", "my root", "gan")]
    for option in ("--train", "--overwrite", "--dry-run", "--engine=ray"):
        both = run_command("build", "--partition", "2/8", option)
        assert (both.code, len(asked)) == (2, 1)
        assert "--partition excludes" in both.err
    assert builds == []


def test_merge_without_partitions_says_how_to_make_some(run_command: RunCommand) -> None:
    result = run_command("merge", "--name", "big")
    assert result.code == 2
    assert "synthgen build --name big --partition I/N" in result.err
    assert run_command("merge", "--name", "../big").code == 2
