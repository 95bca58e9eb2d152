"""What `synthgen train` asks for and says."""

from types import SimpleNamespace
from typing import Any

import pytest

from synthgen import pipeline
from synthgen.datasets.sources import DataSource
from synthgen.errors import CheckpointError, Interrupted, TrainingDiverged
from tests.cli.conftest import RunCommand


@pytest.fixture
def trainings(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """In the place of trainings: what each was asked for. Recipe dcgan makes no labels."""
    asked: list[dict[str, Any]] = []

    def train(out: str, **options: Any) -> pipeline.WholeTraining:
        asked.append({"out": out} | options)
        training: Any = SimpleNamespace(lines=lambda: ["Trained it."])
        labels = "none" if options["preset"] == "dcgan" else "condition"
        data = options["data"]
        if options["resume"]:
            data = DataSource(place="/data/begun with")
        return pipeline.WholeTraining(training=training, labels=labels, data=data)

    monkeypatch.setattr(pipeline, "train", train)
    monkeypatch.setattr(pipeline, "report_training", lambda out: [f"{out}/report.html"])
    return asked


def test_the_next_command_names_the_digits(
    trainings: list[dict[str, Any]], run_command: RunCommand
) -> None:
    """The generator draws their classes, which MNIST need not have."""
    own = ["--data", "my clothes", "--polarity", "dark-on-light"]
    assert run_command("train", "--out", "gan", *own).out.splitlines()[-1] == (
        "  synthgen build --checkpoint gan --data 'my clothes' --polarity dark-on-light"
    )
    named = run_command("train", "--out", "gan", "--data", "mnist").out.splitlines()
    assert named[-1] == "  synthgen build --checkpoint gan"


def test_only_options_that_are_named_are_changes(
    trainings: list[dict[str, Any]], run_command: RunCommand
) -> None:
    result = run_command(
        "train", "--out", "my gan", "--steps", "7", "--no-output-bias", "--seed", "3"
    )
    assert result.code == 0
    assert result.out.splitlines() == [
        "Trained it.",
        "Next:",
        "  synthgen build --checkpoint 'my gan'",
    ]
    (asked,) = trainings
    del asked["say"]
    assert asked == {
        "out": "my gan",
        "preset": None,
        "data": DataSource(),
        "labels": None,
        "changes": {"steps": 7, "output_bias": False, "seed": 3},
        "resume": False,
    }


def test_a_generator_without_labels_is_to_be_labelled(
    trainings: list[dict[str, Any]], run_command: RunCommand
) -> None:
    result = run_command("train", "--out", "gan", "--preset", "dcgan", "--report", "--resume")
    assert "Report     gan/report.html\n" in result.out
    begun = "--data '/data/begun with'"
    assert result.out.endswith(f"  synthgen build --checkpoint gan --labels classifier {begun}\n")
    assert trainings[0]["resume"]


@pytest.mark.parametrize("error", [Interrupted("Stopped."), TrainingDiverged("Diverged.")])
def test_a_failing_report_does_not_hide_why_training_ended(
    error: Interrupted | TrainingDiverged,
    run_command: RunCommand,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def stop(*_: Any, **__: Any) -> None:
        raise error

    def fail(out: str) -> None:
        raise CheckpointError(f"Expected a training in {out}.")

    monkeypatch.setattr(pipeline, "train", stop)
    monkeypatch.setattr(pipeline, "report_training", fail)
    result = run_command("train", "--out", "gan", "--report")
    assert result.code == error.exit_code
    assert result.err.startswith("NOTICE: no report. Expected a training in gan.\n")
    assert str(error) in result.err
    assert "report" not in run_command("train", "--out", "gan").err
