import dataclasses
import json

import numpy as np
import pytest

from synthgen.config import BenchmarkSettings
from synthgen.datasets.splits import RealDigits
from synthgen.evaluation.benchmark_arms import ARMS
from synthgen.evaluation.runs import Cell, Laboratory, run_group
from synthgen.evaluation.scenarios import Group, make_plan
from tests.evaluation.benchmark.conftest import FakeGenerator, FakeJudge, hashes, nearest_mean


def laboratory(
    real: RealDigits, settings: BenchmarkSettings, judge: FakeJudge, generator: FakeGenerator
) -> Laboratory:
    parts = {
        "judge": judge.judge(),
        "generator": generator.generator(),
        "machine": {"cores": 2},
        "versions": {"synthgen": "1"},
    }
    return Laboratory(real=real, settings=settings, network=nearest_mean, **parts)  # type: ignore[arg-type]


def run_all(lab: Laboratory) -> list[tuple[Group, list[Cell]]]:
    return [
        (group, list(run_group(group, group.keys, lab)))
        for group in make_plan(lab.settings, lab.real.train).groups
    ]


def test_nothing_outside_a_cells_own_images_reaches_a_training_a_screening_or_a_choice(
    unequal: RealDigits,
    everything: BenchmarkSettings,
    judge: FakeJudge,
    generator: FakeGenerator,
) -> None:
    """Every image that anything is shown is recorded; no two of the real digits are alike, so each can be told from all others."""
    test = hashes(unequal.test.images)
    lab = laboratory(unequal, everything, judge, generator)
    for group in make_plan(everything, unequal.train).groups:
        judge.trainings.clear(), judge.asked.clear(), generator.given.clear()
        own = group.draw.digits(unequal.train)
        assert own.counts().tolist() == list(group.draw.counts)
        mine = hashes(own.images)
        assert len(mine) == sum(group.draw.counts)
        cells = list(run_group(group, group.keys, lab))
        assert len(cells) == len(group.keys)
        assert [hashes(real.images) for real, _, _ in generator.given] == [mine]
        made = hashes(
            generator.make(
                own, group.synthetic_per_class(group.keys), group.draw.seed - 1000
            ).digits.images
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


def test_arms_of_a_seed_share_draw_seed_and_generator_and_get_what_they_are_to_be_trained_on(
    unequal: RealDigits, settings: BenchmarkSettings, judge: FakeJudge, generator: FakeGenerator
) -> None:
    found = run_all(laboratory(unequal, settings, judge, generator))
    assert [(len(real), per_class, seed) for real, per_class, seed in generator.given] == [
        (20, 6, 0),
        (40, 12, 0),
        (20, 6, 1),
        (40, 12, 1),
    ]
    trained = [
        training for training in judge.trainings if training.steps > 10
    ]  # not of the tunings
    for group, cells in found:
        assert {cell.context["draw_sha256"] for cell in cells} == {
            group.draw.digits(unequal.train).sha256()
        }
        assert {cell.key.seed for cell in cells} == {group.draw.seed}
        images = group.images
        assert {(cell.key.arm, cell.key.ratio): cell.context["train_images"] for cell in cells} == {
            ("real", 0): images,
            ("real_repeated", 0): images,
            ("classical", 0): images,
            ("real_synthetic", 1): 2 * images,
            ("real_synthetic", 3): 4 * images,
            ("both", 1): 2 * images,
            ("both", 3): 4 * images,
            ("synthetic", 1): images,
            ("synthetic", 3): 3 * images,
        }
        steps = {cell.key.arm: cell.context["steps"] for cell in cells}
        assert len({count for arm, count in steps.items() if arm != "real"}) == 1
        assert 2 * steps["real"] == pytest.approx(steps["both"], abs=1)
        assert {
            cell.context["tuning"]["strength"] for cell in cells if ARMS[cell.key.arm].augmented
        } == {0.5}
        assert {
            cell.context["augmentation"] is None
            for cell in cells
            if not ARMS[cell.key.arm].augmented
        } == {True}
    assert {training.strength for training in trained} == {0.0, 0.5}
    assert {training.seed for training in trained} == {1000, 1001}


def test_ratios_are_nested(
    unequal: RealDigits, settings: BenchmarkSettings, judge: FakeJudge, generator: FakeGenerator
) -> None:
    group = make_plan(settings, unequal.train).groups[0]
    made = generator.make(group.draw.digits(unequal.train), 6, 0)
    assert made.first((2,) * 10).images.tolist() == made.digits.images[:20].tolist()
    assert made.first((0, 3, *(0,) * 8)).labels.tolist() == [1, 1, 1]


def test_every_figure_of_a_cell_is_that_of_its_answers(
    unequal: RealDigits,
    everything: BenchmarkSettings,
    judge: FakeJudge,
    generator: FakeGenerator,
) -> None:
    labels = unequal.test.labels
    for _, cells in run_all(laboratory(unequal, everything, judge, generator)):
        for cell in cells:
            assert cell.metrics["accuracy"] == cell.correct.mean()
            assert cell.recall == tuple(cell.correct[labels == label].mean() for label in range(10))
            assert ("minority_recall" in cell.metrics) == bool(cell.key.minority)
            if cell.key.minority:
                assert cell.metrics["minority_recall"] == pytest.approx(
                    np.mean([cell.recall[label] for label in cell.key.minority])
                )
            asked = cell.context["synthetic_images"] > 0
            assert (cell.context["generator"] is not None) == asked
            if asked:
                assert 0.5 < cell.context["generator"]["label_agreement"] <= 1
            assert (cell.context["memorisation"] is not None) == (
                cell.key.scenario == "stand-in" and cell.key.arm == "synthetic"
            )


def test_a_cell_is_one_line_of_json_with_its_whole_context(
    real: RealDigits, settings: BenchmarkSettings, judge: FakeJudge, generator: FakeGenerator
) -> None:
    _, cells = run_all(laboratory(real, settings, judge, generator))[0]
    for cell in cells:
        line = json.dumps(cell.to_json())
        assert "\n" not in line
        plain = json.loads(line)
        assert {
            "scenario",
            "per_class",
            "arm",
            "ratio",
            "seed",
            "accuracy",
            "steps",
            "draw_sha256",
            "versions",
            "classifier",
        } <= set(plain)
        assert plain["data"] == {"source": real.source, "sha256": real.sha256}
        again = Cell.from_json(plain)
        assert again.correct.tolist() == cell.correct.tolist()
        assert dataclasses.replace(again, correct=cell.correct).to_json() == cell.to_json()
        assert (again.key, again.fingerprint, again.metrics, again.recall) == (
            cell.key,
            cell.fingerprint,
            cell.metrics,
            cell.recall,
        )


def test_two_scenarios_that_train_in_the_same_way_share_the_training(
    real: RealDigits, judge: FakeJudge, generator: FakeGenerator
) -> None:
    settings = BenchmarkSettings(
        scenarios=("grid", "stand-in"), per_class=("4",), ratios=(1,), seeds=(1,), steps=20
    )
    ((group, cells),) = run_all(laboratory(real, settings, judge, generator))
    assert len(cells) == 7
    assert len([training for training in judge.trainings if training.steps > 10]) == 5
    by_arm = {(cell.key.scenario, cell.key.arm): cell for cell in cells}
    for arm in ("real_repeated", "synthetic"):
        one, other = by_arm["grid", arm], by_arm["stand-in", arm]
        assert one.correct.tolist() == other.correct.tolist()
        assert one.fingerprint != other.fingerprint
    assert by_arm["grid", "synthetic"].context["memorisation"] is None
    assert by_arm["stand-in", "synthetic"].context["memorisation"]["median_distance"] > 0
    judge.trainings.clear()
    stand_in = [key for key in group.keys if key.scenario == "stand-in"]
    again = list(
        run_group(group, stand_in, laboratory(real, settings, judge, generator), cells[:5])
    )
    assert judge.trainings == []
    assert [cell.fingerprint for cell in again] == [cell.fingerprint for cell in cells[5:]]


def test_a_tuning_that_is_there_is_not_done_again(
    real: RealDigits, settings: BenchmarkSettings, judge: FakeJudge, generator: FakeGenerator
) -> None:
    lab = laboratory(real, settings, judge, generator)
    group, cells = run_all(lab)[0]
    classical = next(cell for cell in cells if cell.key.arm == "classical")
    wanted = [key for key in group.keys if key.arm == "both"]
    judge.trainings.clear()
    again = list(run_group(group, wanted, lab, [classical]))
    assert len(judge.trainings) == len(wanted)
    assert [cell.context["tuning"] for cell in again] == [classical.context["tuning"]] * len(wanted)


def test_a_generator_is_asked_only_if_a_missing_cell_learns_from_what_it_makes(
    real: RealDigits, settings: BenchmarkSettings, judge: FakeJudge, generator: FakeGenerator
) -> None:
    lab = laboratory(real, settings, judge, generator)
    group = make_plan(settings, real.train).groups[0]
    list(
        run_group(
            group,
            [key for key in group.keys if key.arm in ("real", "real_repeated", "classical")],
            lab,
        )
    )
    assert generator.given == []


def test_a_fingerprint_tells_all_that_decides_a_cell(
    real: RealDigits, settings: BenchmarkSettings, judge: FakeJudge, generator: FakeGenerator
) -> None:
    def prints(**changes: object) -> set[str]:
        lab = laboratory(real, settings, judge, generator)
        lab = dataclasses.replace(lab, **changes)  # type: ignore[arg-type]
        return set(lab.fingerprints(make_plan(lab.settings, real.train).groups[0]).values())

    usual = prints()
    assert len(usual) == 9
    assert prints() == usual
    assert prints(machine={"cores": 64}) == usual
    assert (
        prints(
            settings=dataclasses.replace(
                settings, seeds=(5,), per_class=("2",), name="other", engine="ray"
            )
        )
        == usual
    )
    assert not prints(real=dataclasses.replace(real, sha256="c" * 64)) & usual
    assert not prints(settings=dataclasses.replace(settings, steps=40)) & usual
    untouched = prints(settings=dataclasses.replace(settings, synthetic_weight=0.5)) & usual
    # "real", "real_repeated" and "classical" know nothing of synthetic digits
    assert len(untouched) == 3
    # only the three that are distorted differ
    assert len(prints(settings=dataclasses.replace(settings, folds=1)) & usual) == 6
    assert not prints(versions={"synthgen": "2"}) & usual
    assert not prints(judge=FakeJudge(name="other").judge()) & usual
    assert prints(generator=FakeGenerator(kind="other").generator()) & usual == untouched
    assert len(prints(settings=dataclasses.replace(settings, ratios=(1,))) & usual) == 6
