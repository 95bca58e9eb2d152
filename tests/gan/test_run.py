"""One training under way: what it begins with, and what it does when it diverges."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tqdm import tqdm

from synthgen.config import GanSettings
from synthgen.datasets.digits import Digits
from synthgen.errors import StorageError, TrainingDiverged
from synthgen.gan import run as run_module
from synthgen.gan.checkpoint import read_checkpoint
from synthgen.gan.job import TrainingJob
from synthgen.gan.resume import load_run
from synthgen.gan.run import Run, begin_run
from synthgen.storage import open_storage
from synthgen.weights import Weights
from tests.gan.jobs import RUN, job_of

BAR = tqdm(disable=True)


@pytest.fixture
def job(
    patches: Digits, dense: GanSettings, patch_screener: Weights, tmp_path: Path
) -> TrainingJob:
    """A training that saves after every line of its log."""
    return job_of(patches, tmp_path, dense, patch_screener, run=replace(RUN, save_minutes=0))


def break_weights(model: Any) -> None:
    """Make numbers of a network not finite, as an update may."""
    variable = model.trainable_variables[0]
    variable.assign(np.full(variable.shape, np.nan, np.float32))


def test_it_begins_with_a_state_to_go_on_from(job: TrainingJob) -> None:
    run = begin_run(job, None)
    assert (run.step, run.checkpoint_step, run.best, run.resumed_at) == (0, None, None, None)
    saved = load_run(open_storage(job.out), job.identity, resume=True)
    assert saved is not None
    assert int(saved.arrays["step"]) == 0
    for name, array in run.state.export().items():
        np.testing.assert_array_equal(saved.arrays[name], array, err_msg=name)


@pytest.mark.slow
def test_without_a_screener_it_trains_one_on_its_digits(job: TrainingJob, patches: Digits) -> None:
    run = begin_run(replace(job, screener=None), None)
    assert run.monitor.measured(0)["compared_with"] == "training digits"
    figures = run.monitor.compare(patches)
    assert figures.label_agreement is not None
    assert figures.label_agreement > 0.9


def test_a_line_of_the_log_ends_where_there_is_something_to_do(job: TrainingJob) -> None:
    run = begin_run(replace(job, run=replace(RUN, samples_every=7)), None)
    steps = []
    while run.step < job.gan.steps:
        run.advance(BAR)
        steps.append(run.step)
    assert steps == [5, 7, 10, 14, 15, 20, 21, 24]
    assert [row["step"] for row in run.log.rows] == steps


def advanced(job: TrainingJob) -> Run:
    """A training whose checkpoint of step 5 is saved."""
    run = begin_run(job, None)
    run.advance(BAR)
    assert run.checkpoint_step == 5
    return run


def test_losses_that_are_not_finite_stop_it(job: TrainingJob, tmp_path: Path) -> None:
    run = advanced(job)
    good = read_checkpoint(str(tmp_path)).sha256
    break_weights(run.state.generator)
    with pytest.raises(TrainingDiverged, match=r"before step 10.*generator_loss.*--generator-rate"):
        run.advance(BAR)
    kept = read_checkpoint(str(tmp_path))
    assert kept.sha256 == good
    assert kept.record["alarms"][0]["name"] == "divergence"
    assert (tmp_path / "training" / "log.csv").read_text().splitlines()[-1].startswith("10,")


def test_weights_that_are_not_finite_are_never_saved(job: TrainingJob, tmp_path: Path) -> None:
    """As after an update that the figures of its row do not show yet."""
    run = advanced(job)
    break_weights(run.state.average)
    with pytest.raises(
        TrainingDiverged,
        match=r"before step 10: weights not finite.*checkpoint of step 5 in .* is kept",
    ):
        run.advance(BAR)
    kept = read_checkpoint(str(tmp_path))
    assert kept.record["step"] == 5
    assert kept.record["alarms"][0]["name"] == "divergence"


def test_a_divergence_that_cannot_be_noted_still_ends_it(
    job: TrainingJob, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = advanced(job)
    break_weights(run.state.average)

    def full(*_: Any) -> None:
        raise StorageError("Cannot write: the disk is full.")

    monkeypatch.setattr(run_module, "write_checkpoint", full)
    with pytest.raises(
        TrainingDiverged,
        match=r"step 5 in .* is kept\. That could not be noted in the folder: Cannot write",
    ):
        run.advance(BAR)
    assert read_checkpoint(str(tmp_path)).record["alarms"] == []
