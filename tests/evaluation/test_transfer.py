import dataclasses
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from synthgen.config import BenchmarkSettings
from synthgen.datasets.digits import Digits
from synthgen.datasets.splits import RealDigits
from synthgen.errors import SettingsError
from synthgen.evaluation.arms import synthetic_counts
from synthgen.evaluation.benchmark import (
    BenchmarkJob,
    Speed,
    expected_seconds,
    prepare_benchmark,
    run_benchmark,
)
from synthgen.evaluation.cells import Cell, Experiment, Task, cell_fingerprints, run_group
from synthgen.evaluation.scenarios import IMBALANCE_ARMS, Group, Key
from synthgen.evaluation.summary import mark_of
from synthgen.evaluation.synthetic import Synthetic, TransferSource
from synthgen.evaluation.transfer import run_transfer
from synthgen.evaluation.tuning import DOSES, Choice, Trial, Tuning
from tests.evaluation.conftest import FakeJudge, FakeSource, hashes, prepare_fake

PER_CLASS = 8  # digits of other hands
SETTINGS = BenchmarkSettings(
    scenarios=("transfer",), per_class=("1", "4"), seeds=(2,), transfer_steps=100
)


class OtherHands(FakeSource):
    """Draws digits that are nobody's own: of the digits it is given, darker."""

    def __init__(self, seen: Digits) -> None:
        super().__init__(saw_more=True, kind="named by the user")
        self.seen = seen

    def make(self, real: Digits, per_class: int, seed: int) -> Synthetic:
        self.given.append((real, per_class, seed))
        made = FakeSource(saw_more=True).make(self.seen, per_class, seed)
        dark = Digits(made.digits.images // 2, made.digits.labels)
        return dataclasses.replace(made, digits=dark)


@pytest.fixture
def seen(tiny_digits: Digits) -> Digits:
    """200 real digits of other hands, no two alike: upside down."""
    images = tiny_digits.images[:, ::-1].copy()
    images[:, 0, 0, 0] = np.arange(len(images))
    return Digits(images, tiny_digits.labels)


@pytest.fixture
def hands(seen: Digits) -> OtherHands:
    return OtherHands(seen)


def prepare(
    real: RealDigits,
    hands: OtherHands,
    judge: FakeJudge,
    root: Path,
    settings: BenchmarkSettings = SETTINGS,
    with_real: bool = True,
) -> BenchmarkJob:
    transfer = TransferSource(
        drawn=hands.source(),
        real=hands.seen if with_real else None,
        real_sha256=hands.seen.sha256() if with_real else "",
        per_class=PER_CLASS,
    )
    return prepare_benchmark(settings, str(root), real, judge=judge.judge(), transfer=transfer)


def run(
    group: Group, experiment: Experiment, finished: Sequence[Cell] = ()
) -> tuple[dict[str, Cell], list[Key]]:
    done = {cell.key for cell in finished}
    missing = tuple(key for key in group.keys if key not in done)
    cells = list(run_transfer(Task(group, missing, tuple(finished)), experiment))
    return {cell.key.arm: cell for cell in cells}, [cell.key for cell in cells]


def test_what_each_arm_learns_from(
    unequal: RealDigits, hands: OtherHands, judge: FakeJudge, tmp_path: Path
) -> None:
    job = prepare(unequal, hands, judge, tmp_path)
    one, four, nothing = job.plan.groups[:3]
    cells, keys = run(one, job.experiment)
    assert keys == list(one.keys)
    own = hashes(one.draw.digits(unequal.train).images)
    made = hashes(hands.make(unequal.train, PER_CLASS, 0).digits.images)
    others = hashes(hands.seen.images)
    classical, source, source_real, fine_tuned = judge.trainings
    assert hashes(classical.digits.images) == own
    assert hashes(source.digits.images) == own | made
    assert hashes(source_real.digits.images) > own
    assert hashes(source_real.digits.images) < own | others
    assert source_real.digits.counts().tolist() == source.digits.counts().tolist()
    assert hashes(fine_tuned.digits.images) == own
    assert fine_tuned.before is not None
    assert hashes(fine_tuned.before.digits.images) == made
    assert (fine_tuned.before.steps, fine_tuned.steps) == (50, 50)
    assert [training.steps for training in (classical, source, source_real)] == [100] * 3
    assert {training.strength for training in judge.trainings} == {1.0}
    assert {cell.steps for cell in cells.values()} == {100}

    # without own digits, once for all budgets
    judge.trainings.clear()
    cells, keys = run(nothing, job.experiment)
    assert [(key.arm, key.budget) for key in keys] == [("source_only", 0), ("source_real_only", 0)]
    source_only, source_real_only = judge.trainings
    assert hashes(source_only.digits.images) == made
    assert hashes(source_real_only.digits.images) < others
    assert {training.strength for training in judge.trainings} == {1.0}
    assert [cell.real_images for cell in cells.values()] == [0, 0]
    assert four.draw.counts == (4,) * 10


def test_half_of_each_batch_is_synthetic_where_nothing_can_be_held_out(
    unequal: RealDigits, hands: OtherHands, judge: FakeJudge, tmp_path: Path
) -> None:
    job = prepare(unequal, hands, judge, tmp_path)
    cells, _ = run(job.plan.groups[0], job.experiment)
    assert cells["classical"].tuning == Tuning(chosen=Choice(strength=1.0))
    assert cells["source"].tuning == Tuning(chosen=Choice(strength=1.0, dose=0.5))
    assert cells["source"].train_images == 2 * PER_CLASS * 10
    assert (cells["source"].real_images, cells["source"].synthetic_images) == (10, 80)
    assert cells["source"].generator is not None
    assert cells["source_real"].generator is None
    assert cells["source_real"].synthetic_images == 0
    assert cells["source_real"].train_images == 2 * PER_CLASS * 10


def test_strength_and_dose_are_tuned_within_the_own_digits(
    unequal: RealDigits, hands: OtherHands, judge: FakeJudge, tmp_path: Path
) -> None:
    job = prepare(unequal, hands, judge, tmp_path)
    group = job.plan.groups[1]
    cells, _ = run(group, job.experiment)
    strength = cells["classical"].tuning
    dose = cells["source"].tuning
    assert strength is not None
    assert dose is not None
    assert strength.chosen == Choice(strength=0.5)  # the fake is noisier at 1.0
    assert [trial.choice.dose for trial in dose.trials] == [0.0, *DOSES]
    assert cells["source_real"].tuning == dose
    assert cells["fine_tuned"].tuning == strength
    tunings = [training for training in judge.trainings if training.steps == 20]
    assert len(tunings) == 3 * (2 + 1 + len(DOSES))
    # nothing but own digits was asked about before the test digits
    own = hashes(group.draw.digits(unequal.train).images)
    test = hashes(unequal.test.images)
    for images in judge.asked:
        assert hashes(images) == test or hashes(images) < own


def test_without_a_gain_the_arm_is_the_classical_one(
    unequal: RealDigits, hands: OtherHands, judge: FakeJudge, tmp_path: Path
) -> None:
    job = prepare(unequal, hands, judge, tmp_path)
    group = job.plan.groups[1]
    cells, _ = run(group, job.experiment)
    # a finished cell says that no dose was better than none
    none = Choice(strength=0.5, dose=0.0)
    known = dataclasses.replace(
        cells["source_real"], tuning=Tuning(chosen=none, trials=(Trial(choice=none, loss=0.1),))
    )
    judge.trainings.clear()
    again, keys = run(group, job.experiment, [known, cells["classical"], cells["fine_tuned"]])
    assert [key.arm for key in keys] == ["source"]
    assert judge.trainings == []
    assert again["source"].correct.tolist() == cells["classical"].correct.tolist()
    assert again["source"].synthetic_images == 0
    assert again["source"].tuning == known.tuning


def test_what_finished_cells_tuned_is_used_again(
    unequal: RealDigits, hands: OtherHands, judge: FakeJudge, tmp_path: Path
) -> None:
    job = prepare(unequal, hands, judge, tmp_path)
    group = job.plan.groups[1]
    whole, _ = run(group, job.experiment)
    judge.trainings.clear()
    rest, _ = run(group, job.experiment, [whole["classical"], whole["source"]])
    assert [training.steps for training in judge.trainings] == [100, 50]
    assert list(rest) == ["source_real", "fine_tuned"]
    for arm, cell in rest.items():
        assert cell.correct.tolist() == whole[arm].correct.tolist()
        assert cell.fingerprint == whole[arm].fingerprint


def test_every_budget_has_both_verdicts(
    unequal: RealDigits, hands: OtherHands, judge: FakeJudge, tmp_path: Path
) -> None:
    job = prepare(unequal, hands, judge, tmp_path)
    done = run_benchmark(job)
    assert done.error is None
    summary = done.summary
    assert summary is not None
    assert done.ran == len(summary.cells) == 2 * (2 * 4 + 2)
    rows = {(row.budget, row.primary): row for row in summary.comparisons}
    assert set(rows) == {(1, True), (1, False), (4, True), (4, False)}
    assert rows[1, True].baseline == "classical"
    assert [rows[key].family for key in rows if key[1]] == [2] * 2
    assert [rows[key].family for key in rows if not key[1]] == [2 * 4] * 2  # budgets x controls
    accuracy = {(arm.budget, arm.arm): arm.metrics["accuracy"].mean for arm in summary.arms}
    for budget in (1, 4):
        controls = {
            "source_real": accuracy[budget, "source_real"],
            "fine_tuned": accuracy[budget, "fine_tuned"],
            "source_only": accuracy[0, "source_only"],
            "source_real_only": accuracy[0, "source_real_only"],
        }
        row = rows[budget, False]
        assert controls[row.baseline] == max(controls.values())
        gain = accuracy[budget, "source"] - controls[row.baseline]
        assert row.difference.mean == pytest.approx(gain)
    assert {arm.mark for arm in summary.arms} == {""}


def test_without_the_real_digits_their_arms_are_left_out(
    unequal: RealDigits, hands: OtherHands, judge: FakeJudge, tmp_path: Path
) -> None:
    job = prepare(unequal, hands, judge, tmp_path, with_real=False)
    assert {key.arm for key in job.plan.keys} == {
        "classical",
        "source",
        "fine_tuned",
        "source_only",
    }
    assert job.plan.notes == (
        "no control on real digits of the generator's training data: they cannot be had",
    )
    assert (
        len(
            list(
                run_transfer(Task(job.plan.groups[0], job.plan.groups[0].keys, ()), job.experiment)
            )
        )
        == 3
    )


def test_other_digits_of_other_hands_are_other_cells(
    unequal: RealDigits, hands: OtherHands, judge: FakeJudge, tmp_path: Path
) -> None:
    one = prepare(unequal, hands, judge, tmp_path)
    assert one.experiment.transfer is not None
    more = dataclasses.replace(one.experiment.transfer, per_class=PER_CLASS + 1)
    other = prepare_benchmark(SETTINGS, str(tmp_path), unequal, judge=judge.judge(), transfer=more)
    for key, text in one.fingerprints.items():
        assert (other.fingerprints[key] == text) == (key.arm == "classical")


def test_transfer_without_a_generator_is_refused(real: RealDigits, tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="a generator that has seen other digits"):
        prepare_fake(SETTINGS, tmp_path, real)


def test_a_forecast_counts_the_tunings_of_budgets_that_have_them(
    unequal: RealDigits, hands: OtherHands, judge: FakeJudge, tmp_path: Path
) -> None:
    seconds = []
    for budget in ("2", "3"):
        settings = dataclasses.replace(SETTINGS, per_class=(budget,), seeds=(1,))
        job = prepare(unequal, hands, judge, tmp_path, settings)
        tasks = [Task(group, group.keys, ()) for group in job.plan.groups]
        per_training = Speed(step=0.0, training=1.0, image=0.0)
        seconds.append(expected_seconds(tasks, job.experiment, per_training))
    assert seconds == [6, 6 + 3 * (2 + 1 + len(DOSES))]


RARE = BenchmarkSettings(scenarios=("imbalance",), shares=(34.0,), rotations=1, steps=20)


def test_a_rare_class_is_topped_up_with_digits_of_other_hands(
    unequal: RealDigits, hands: OtherHands, tmp_path: Path
) -> None:
    """The digits of the cell's own generator, and with them all other cells, stay the same."""
    judge = FakeJudge()
    own = FakeSource()
    job = prepare_fake(RARE, tmp_path, unequal, judge, own)
    assert "none is at hand that fits these digits" in job.plan.notes[-1]
    (group,) = job.plan.groups
    before = {key.arm: text for key, text in job.fingerprints.items()}
    cells = {cell.key.arm: cell for cell in run_group(Task(group, group.keys, ()), job.experiment)}
    assert list(cells) == list(IMBALANCE_ARMS[:-1])

    others = prepare(unequal, hands, judge, tmp_path, RARE)
    experiment = dataclasses.replace(others.experiment, source=own.source(), network=None)
    (whole,) = others.plan.groups
    after = {key.arm: text for key, text in cell_fingerprints(whole, experiment).items()}
    assert list(after) == list(IMBALANCE_ARMS)
    assert {arm: after[arm] for arm in before} == before
    judge.trainings.clear()
    (missing,) = [key for key in whole.keys if key.arm == "source_top_up"]
    finished = tuple(cells.values())
    (cell,) = run_group(Task(whole, (missing,), finished), experiment)
    assert len(own.given) == 1  # nothing more was made by the cell's own generator
    (training,) = judge.trainings
    rare = whole.draw.digits(unequal.train)
    made = hands.make(rare, 4, 0).first(synthetic_counts("top_up", None, whole.draw.counts))
    assert hashes(training.digits.images) == hashes(rare.images) | hashes(made.images)
    assert set(training.digits.counts().tolist()) == {6}
    assert cell.generator is not None
    assert cell.generator.saw_more_than_cell
    assert mark_of(cell, 60) == ""
