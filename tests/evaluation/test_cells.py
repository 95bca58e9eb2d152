import base64
import dataclasses
import json
import zlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from synthgen.config import BenchmarkSettings, EvaluationSettings
from synthgen.datasets.digits import Digits
from synthgen.datasets.splits import RealDigits
from synthgen.errors import RecordError, ResumeError
from synthgen.evaluation.arms import ARMS
from synthgen.evaluation.cells import (
    Cell,
    CellStore,
    Experiment,
    Provenance,
    Task,
    cell_fingerprints,
    exclusive_cells,
    missing_tasks,
    read_cell,
    run_group,
)
from synthgen.evaluation.generators import ready_set
from synthgen.evaluation.scenarios import Group, Key, plan_benchmark, plan_evaluation
from synthgen.evaluation.synthetic import SyntheticRecord
from synthgen.evaluation.tuning import Choice, Trial, Tuning, TuningSettings
from synthgen.storage import Storage, open_storage
from tests.evaluation.conftest import FakeJudge, FakeSource, hashes, prepare_fake

pytestmark = pytest.mark.usefixtures("few_digits_suffice")
KEY = Key(
    scenario="imbalance",
    budget="all",
    share=2.5,
    arm="top_up",
    ratio=None,
    seed=1000,
    minority=(3,),
)
CELL = Cell(
    key=KEY,
    fingerprint="f" * 64,
    correct=np.arange(21) % 3 > 0,
    metrics={
        "accuracy": 2 / 3,
        "balanced_accuracy": 0.5,
        "geometric_mean": 0.25,
        "minority_recall": 0.1,
    },
    recall=(0.5, 0.75),
    readings=None,
    real_images=60,
    synthetic_images=10,
    train_images=70,
    steps=7,
    tuning=Tuning(
        chosen=Choice(strength=0.5), trials=(Trial(choice=Choice(strength=0.5), loss=0.25),)
    ),
    generator=None,
    memorisation=None,
    seconds=1.5,
    provenance=Provenance(
        created="2026-01-02T03:04:05+00:00",
        source="MNIST",
        real_sha256="a" * 64,
        draw_sha256="b" * 64,
        batch=64,
        distortions={"rotation": 7.5},
        classifier={"kind": "small"},
        versions={"python": "3.11.2"},
        machine={"cores": 2},
    ),
)


def experiment_of(
    real: RealDigits, settings: BenchmarkSettings, judge: FakeJudge, source: FakeSource
) -> Experiment:
    return prepare_fake(settings, Path("unused"), real, judge, source).experiment


def run(
    group: Group, keys: Sequence[Key], experiment: Experiment, finished: Sequence[Cell] = ()
) -> list[Cell]:
    return list(run_group(Task(group, tuple(keys), tuple(finished)), experiment))


def run_all(
    real: RealDigits, settings: BenchmarkSettings, judge: FakeJudge, source: FakeSource
) -> list[tuple[Group, list[Cell]]]:
    experiment = experiment_of(real, settings, judge, source)
    groups = plan_benchmark(settings, real.train).groups
    return [(group, run(group, group.keys, experiment)) for group in groups]


def test_nothing_but_a_cells_own_images_reaches_what_learns(
    unequal: RealDigits,
    everything: BenchmarkSettings,
    judge: FakeJudge,
    source: FakeSource,
) -> None:
    """Every image that anything is shown is recorded, and no two of the real digits are alike."""
    test = hashes(unequal.test.images)
    experiment = experiment_of(unequal, everything, judge, source)
    for group in plan_benchmark(everything, unequal.train).groups:
        judge.trainings.clear()
        judge.asked.clear()
        source.given.clear()
        own = group.draw.digits(unequal.train)
        assert own.counts().tolist() == list(group.draw.counts)
        mine = hashes(own.images)
        assert len(mine) == sum(group.draw.counts)
        cells = run(group, group.keys, experiment)
        assert len(cells) == len(group.keys)
        assert [hashes(real.images) for real, _, _ in source.given] == [mine]
        made = hashes(
            source.make(own, group.synthetic_per_class, group.draw.seed - 1000).digits.images
        )
        assert judge.trainings
        for training in judge.trainings:
            assert hashes(training.digits.images) <= mine | made
        final = [images for images in judge.asked if hashes(images) & test]
        trainings = {(cell.key.arm, cell.key.ratio) for cell in cells}
        # once each, all of them: the final figure
        assert [hashes(images) for images in final] == [test] * len(trainings)
        for images in judge.asked:
            # choices: held-out images of its own; labels: synthetic
            assert hashes(images) in (test,) or hashes(images) <= mine | made


def test_arms_of_a_seed_share_their_draw_and_their_generator(
    unequal: RealDigits, settings: BenchmarkSettings, judge: FakeJudge, source: FakeSource
) -> None:
    found = run_all(unequal, settings, judge, source)
    assert [(len(real), per_class, seed) for real, per_class, seed in source.given] == [
        (20, 6, 0),
        (40, 12, 0),
        (20, 6, 1),
        (40, 12, 1),
    ]
    trained = [
        training for training in judge.trainings if training.steps > 10
    ]  # not of the tunings
    for group, cells in found:
        assert {cell.provenance.draw_sha256 for cell in cells} == {
            group.draw.digits(unequal.train).sha256()
        }
        assert {cell.key.seed for cell in cells} == {group.draw.seed}
        images = group.images
        assert {(cell.key.arm, cell.key.ratio): cell.train_images for cell in cells} == {
            ("real_half_steps", 0): images,
            ("real", 0): images,
            ("classical", 0): images,
            ("real_synthetic", 1): 2 * images,
            ("real_synthetic", 3): 4 * images,
            ("both", 1): 2 * images,
            ("both", 3): 4 * images,
            ("synthetic", 1): images,
            ("synthetic", 3): 3 * images,
        }
        steps = {cell.key.arm: cell.steps for cell in cells}
        assert len({count for arm, count in steps.items() if arm != "real_half_steps"}) == 1
        assert 2 * steps["real_half_steps"] == pytest.approx(steps["both"], abs=1)
        assert {
            cell.tuning and cell.tuning.chosen.strength
            for cell in cells
            if ARMS[cell.key.arm].distorted
        } == {0.5}
        assert {
            cell.provenance.distortions is None
            for cell in cells
            if not ARMS[cell.key.arm].distorted
        } == {True}
    assert {training.strength for training in trained} == {0.0, 0.5}
    assert {training.seed for training in trained} == {1000, 1001}


def test_ratios_are_nested(
    unequal: RealDigits, settings: BenchmarkSettings, judge: FakeJudge, source: FakeSource
) -> None:
    group = plan_benchmark(settings, unequal.train).groups[0]
    made = source.make(group.draw.digits(unequal.train), 6, 0)
    assert made.first((2,) * 10).images.tolist() == made.digits.images[:20].tolist()
    assert made.first((0, 3, *(0,) * 8)).labels.tolist() == [1, 1, 1]


def test_every_figure_of_a_cell_is_that_of_its_answers(
    unequal: RealDigits,
    everything: BenchmarkSettings,
    judge: FakeJudge,
    source: FakeSource,
) -> None:
    labels = unequal.test.labels
    for _, cells in run_all(unequal, everything, judge, source):
        for cell in cells:
            assert cell.metrics["accuracy"] == cell.correct.mean()
            assert cell.recall == tuple(cell.correct[labels == label].mean() for label in range(10))
            assert ("minority_recall" in cell.metrics) == bool(cell.key.minority)
            if cell.key.minority:
                assert cell.metrics["minority_recall"] == pytest.approx(
                    np.mean([cell.recall[label] for label in cell.key.minority])
                )
            asked = cell.synthetic_images > 0
            assert (cell.generator is not None) == asked
            if asked:
                assert 0.5 < cell.generator.label_agreement <= 1
            assert (cell.memorisation is not None) == (
                cell.key.scenario == "stand-in" and cell.key.arm == "synthetic"
            )


def test_a_cell_is_one_line_of_json_with_its_whole_context(
    real: RealDigits, settings: BenchmarkSettings, judge: FakeJudge, source: FakeSource
) -> None:
    _, cells = run_all(real, settings, judge, source)[0]
    for cell in cells:
        line = cell.to_line()
        assert b"\n" not in line
        plain = json.loads(line)
        assert set(plain["key"]) >= {"scenario", "budget", "arm", "ratio", "seed"}
        assert plain["metrics"]["accuracy"] == cell.metrics["accuracy"]
        assert plain["steps"] == cell.steps
        provenance = plain["provenance"]
        assert set(provenance) >= {"draw_sha256", "versions", "classifier"}
        assert (provenance["source"], provenance["real_sha256"]) == (real.source, real.sha256)
        assert_same(read_cell(line), cell)


def assert_same(again: Cell, cell: Cell) -> None:
    assert again.correct.tolist() == cell.correct.tolist()
    assert (again.readings is None) == (cell.readings is None)
    if again.readings and cell.readings:
        assert again.readings.seen_as.tolist() == cell.readings.seen_as.tolist()
        assert again.readings.probability.tolist() == cell.readings.probability.tolist()
    rest = {"correct", "readings"}
    for name, value in vars(cell).items():
        assert name in rest or getattr(again, name) == value


@pytest.mark.parametrize("damage", [b"", b"{}", b"[]", CELL.to_line()[:-9], b"null"])
def test_a_damaged_cell_is_refused(damage: bytes) -> None:
    with pytest.raises(RecordError):
        read_cell(damage)


def test_damaged_answers_are_refused() -> None:
    plain = json.loads(CELL.to_line())
    for correct in ("AAAA", "no base64", ""):
        with pytest.raises(RecordError, match="arrays as base64 of zlib"):
            read_cell(json.dumps(plain | {"correct": correct}).encode())


def test_scenarios_share_what_they_train_in_the_same_way(
    real: RealDigits, judge: FakeJudge, source: FakeSource
) -> None:
    settings = BenchmarkSettings(
        scenarios=("grid", "stand-in"), per_class=("4",), ratios=(1,), seeds=(1,), steps=20
    )
    ((group, cells),) = run_all(real, settings, judge, source)
    assert len(cells) == 7
    assert len([training for training in judge.trainings if training.steps > 10]) == 5
    by_arm = {(cell.key.scenario, cell.key.arm): cell for cell in cells}
    for arm in ("real", "synthetic"):
        one, other = by_arm["grid", arm], by_arm["stand-in", arm]
        assert one.correct.tolist() == other.correct.tolist()
        assert one.fingerprint != other.fingerprint
    assert by_arm["grid", "synthetic"].memorisation is None
    assert by_arm["stand-in", "synthetic"].memorisation["median_distance"] > 0
    judge.trainings.clear()
    stand_in = [key for key in group.keys if key.scenario == "stand-in"]
    again = run(group, stand_in, experiment_of(real, settings, judge, source), cells[:5])
    assert judge.trainings == []
    assert [cell.fingerprint for cell in again] == [cell.fingerprint for cell in cells[5:]]


def test_a_shared_training_has_the_figures_of_each_scenario(
    real: RealDigits, judge: FakeJudge, source: FakeSource
) -> None:
    settings = BenchmarkSettings(
        scenarios=("grid", "imbalance"),
        per_class=("4",),
        arms=("real",),
        seeds=(1,),
        majority="4",
        shares=(100.0,),
        rotations=1,
    )
    ((_, cells),) = run_all(real, settings, judge, source)
    shared = [cell for cell in cells if cell.key.arm == "real"]
    assert [cell.key.scenario for cell in shared] == ["grid", "imbalance"]
    assert "minority_recall" not in shared[0].metrics
    assert shared[1].metrics["minority_recall"] == pytest.approx(shared[1].recall[0])


def test_a_tuning_that_is_there_is_not_done_again(
    real: RealDigits, settings: BenchmarkSettings, judge: FakeJudge, source: FakeSource
) -> None:
    group, cells = run_all(real, settings, judge, source)[0]
    classical = next(cell for cell in cells if cell.key.arm == "classical")
    wanted = [key for key in group.keys if key.arm == "both"]
    judge.trainings.clear()
    again = run(group, wanted, experiment_of(real, settings, judge, source), [classical])
    assert len(judge.trainings) == len(wanted)
    assert [cell.tuning for cell in again] == [classical.tuning] * len(wanted)


def test_a_generator_is_asked_only_where_its_digits_are_needed(
    real: RealDigits, settings: BenchmarkSettings, judge: FakeJudge, source: FakeSource
) -> None:
    group = plan_benchmark(settings, real.train).groups[0]
    keys = [key for key in group.keys if not ARMS[key.arm].added]
    assert [key.arm for key in keys] == ["real_half_steps", "real", "classical"]
    run(group, keys, experiment_of(real, settings, judge, source))
    assert source.given == []


def test_a_fingerprint_tells_all_that_decides_a_cell(
    real: RealDigits, settings: BenchmarkSettings
) -> None:
    def prints(
        changed: BenchmarkSettings = settings,
        data: RealDigits = real,
        judge: FakeJudge | None = None,
        source: FakeSource | None = None,
        versions: str = "1",
        cores: int = 2,
    ) -> set[str]:
        job = prepare_fake(changed, Path("unused"), data, judge, source)
        experiment = dataclasses.replace(
            job.experiment, versions={"synthgen": versions}, machine={"cores": cores}
        )
        return set(cell_fingerprints(job.plan.groups[0], experiment).values())

    usual = prints()
    assert len(usual) == 9
    assert prints() == usual
    assert prints(cores=64) == usual
    elsewhere = {"seeds": (5,), "per_class": ("2",), "name": "other"}
    assert prints(dataclasses.replace(settings, **elsewhere)) == usual
    assert not prints(data=dataclasses.replace(real, sha256="c" * 64)) & usual
    assert not prints(dataclasses.replace(settings, steps=40)) & usual
    untouched = prints(dataclasses.replace(settings, synthetic_weight=0.5)) & usual
    # "real_half_steps", "real" and "classical" know nothing of synthetic digits
    assert len(untouched) == 3
    # only the three that are distorted differ
    assert len(prints(dataclasses.replace(settings, folds=1)) & usual) == 6
    assert not prints(versions="2") & usual
    assert not prints(judge=FakeJudge(name="other")) & usual
    assert prints(source=FakeSource(kind="other")) & usual == untouched
    assert len(prints(dataclasses.replace(settings, ratios=(1,))) & usual) == 6


def test_only_the_real_arm_of_a_set_reads_its_labels(
    real: RealDigits, synthetic: Digits, judge: FakeJudge
) -> None:
    record = SyntheticRecord(
        kind="a set that is there", saw=None, saw_more_than_cell=True, checkpoint_sha256="s" * 64
    )
    experiment = Experiment(
        real=real,
        source=ready_set(synthetic, record),
        judge=judge.judge(),
        tuning=TuningSettings(candidates=(Choice(strength=0.5),)),
        read=synthetic,
        machine={},
        versions={},
    )
    group = plan_evaluation(EvaluationSettings(seeds=1), real.train, batch=16).groups[0]
    cells = {cell.key.arm: cell for cell in run(group, group.keys, experiment)}
    images = {arm: cell.train_images for arm, cell in cells.items()}
    assert images == {
        "real": 60,
        "real_synthetic": 210,
        "synthetic": 150,
        "classical": 60,
        "both": 210,
    }
    # the strength is given, so nothing is tuned: five trainings for five arms
    assert [training.strength for training in judge.trainings] == [0, 0, 0, 0.5, 0.5]
    assert {arm for arm, cell in cells.items() if cell.readings} == {"real"}
    readings = cells["real"].readings
    assert readings is not None
    assert (readings.seen_as == synthetic.labels).mean() > 0.95
    assert readings.probability.shape == (150,)
    assert 0 < readings.probability.min() <= readings.probability.max() <= 1
    assert_same(read_cell(cells["real"].to_line()), cells["real"])


def test_a_cell_is_there_again_when_the_file_is_read_anew(storage: Storage) -> None:
    store = CellStore(storage, "data/x")
    assert CELL.fingerprint not in store
    store.add(CELL)
    store.add(dataclasses.replace(CELL, fingerprint="e" * 64))
    again = CellStore(storage, "data/x")
    assert_same(again[CELL.fingerprint], CELL)
    assert storage.read_bytes("data/x/cells.jsonl").count(b"\n") == 2


def test_what_cannot_be_read_is_kept_and_passed_over(storage: Storage) -> None:
    plain = json.loads(CELL.to_line()) | {"fingerprint": "d" * 64, "correct": "AAAA"}
    strange = b'{"arm": "real"}\n' + json.dumps(plain).encode() + b"\nhalf a li"
    storage.write_bytes("data/x/cells.jsonl", strange)
    CellStore(storage, "data/x").add(CELL)
    lines = storage.read_bytes("data/x/cells.jsonl").splitlines()
    assert lines[:3] == strange.splitlines()
    assert json.loads(lines[3])["metrics"]["accuracy"] == 2 / 3
    again = CellStore(storage, "data/x")
    assert CELL.fingerprint in again
    assert "d" * 64 not in again


def test_any_file_system_will_do() -> None:
    storage = open_storage("memory://cells")
    CellStore(storage, "data/x").add(CELL)
    assert CELL.fingerprint in CellStore(storage, "data/x")
    storage.remove("")


def test_a_second_process_is_kept_away_from_a_folder(storage: Storage) -> None:
    with exclusive_cells(storage, "data/x", "This benchmark"):
        with exclusive_cells(storage, "data/y", "This benchmark"):
            pass
        with (
            pytest.raises(ResumeError, match=r"This benchmark is running in .*x already"),
            exclusive_cells(storage, "data/x", "This benchmark"),
        ):
            pass
    with exclusive_cells(storage, "data/x", "This benchmark"):
        pass


def test_missing_cells_are_listed_beside_those_that_are_finished(
    real: RealDigits, settings: BenchmarkSettings, storage: Storage
) -> None:
    job = prepare_fake(settings, Path("unused"), real)
    store = CellStore(storage, "data/x")
    first, *others = job.plan.groups[0].keys
    store.add(dataclasses.replace(CELL, key=first, fingerprint=job.fingerprints[first]))
    for key in job.plan.groups[1].keys:
        store.add(dataclasses.replace(CELL, key=key, fingerprint=job.fingerprints[key]))
    tasks = missing_tasks(job.plan, job.fingerprints, store)
    assert [task.group for task in tasks] == [job.plan.groups[0], *job.plan.groups[2:]]
    assert tasks[0].missing == tuple(others)
    assert [cell.key for cell in tasks[0].finished] == [first]
    assert tasks[1].finished == ()


@pytest.mark.parametrize("images", [-1, 900, 2**40, 10**400])
def test_numbers_of_test_images_without_an_answer_each_are_refused(images: int) -> None:
    plain = json.loads(CELL.to_line())
    with pytest.raises(RecordError, match=r"bits for .* test images|test_images"):
        read_cell(json.dumps(plain | {"test_images": images}).encode())


def test_an_array_that_expands_beyond_any_set_is_refused() -> None:
    plain = json.loads(CELL.to_line())
    bomb = base64.b64encode(zlib.compress(bytes(2**24 + 1))).decode()
    with pytest.raises(RecordError, match="one of more than 16777216 bytes"):
        read_cell(json.dumps(plain | {"correct": bomb}).encode())
