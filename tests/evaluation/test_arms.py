import json
from typing import Any

import numpy as np
import pytest

from synthgen import config
from synthgen.datasets.digits import Digits
from synthgen.datasets.splits import RealDigits
from synthgen.errors import SettingsError
from synthgen.evaluation.arms import ARMS, BASELINE, Cell, join, run_cell


def one_cell(arm: str, fake: Any, real: RealDigits, synthetic: Digits) -> Cell:
    digits = {"real": real.train, "synthetic": synthetic, "asked": synthetic, "test": real.test}
    return run_cell(
        arm,
        1000,
        **digits,
        steps=7,
        judge=fake.judge(),
        fingerprint="f",
        progress=lambda steps: None,
    )


def test_arms_are_trained_on_what_their_names_say(real: RealDigits, synthetic: Digits) -> None:
    sets = {name: arm.training_set(real.train, synthetic) for name, arm in ARMS.items()}
    assert {name: len(digits) for name, digits in sets.items()} == {
        "real": 60,
        "real_synthetic": 210,
        "synthetic": 150,
        "classical": 60,
        "both": 210,
    }
    assert np.array_equal(sets["real_synthetic"].images[:60], real.train.images)
    assert np.array_equal(sets["real_synthetic"].labels[60:], synthetic.labels)


def test_join_keeps_class_names() -> None:
    digits = Digits(np.zeros((1, 4, 4, 1), np.uint8), np.zeros(1, np.uint8), ("zero", "one"))
    assert join(digits, digits).class_names == ("zero", "one")


def test_only_the_baseline_is_asked_about_labels(
    fake: Any, real: RealDigits, synthetic: Digits
) -> None:
    cells = {arm: one_cell(arm, fake, real, synthetic) for arm in ARMS}
    assert [
        arm for arm, cell in cells.items() if cell.seen_as is not None or cell.belief is not None
    ] == [BASELINE]
    assert cells["real"].seen_as is not None
    assert cells["real"].belief is not None
    assert len(cells["real"].seen_as) == len(cells["real"].belief) == len(synthetic)
    assert (cells["real"].seen_as == synthetic.labels).mean() > 0.95
    assert cells["real"].belief.max() <= 1
    assert all(len(cell.predictions) == len(real.test) for cell in cells.values())


def test_two_arms_distort_their_images(fake: Any, real: RealDigits, synthetic: Digits) -> None:
    for arm in ARMS:
        one_cell(arm, fake, real, synthetic)
    assert [
        arm for arm, training in zip(ARMS, fake.trainings, strict=True) if training.strength
    ] == ["classical", "both"]


def test_the_settings_know_the_arms() -> None:
    assert tuple(ARMS) == config.ARMS


def test_a_cell_survives_json(fake: Any, real: RealDigits, synthetic: Digits) -> None:
    for arm in ARMS:
        cell = one_cell(arm, fake, real, synthetic)
        again = Cell.from_json(json.loads(json.dumps(cell.to_json())))
        assert again.to_json() == cell.to_json()
        assert np.array_equal(again.predictions, cell.predictions)


def test_the_arm_that_others_are_compared_with_is_needed() -> None:
    with pytest.raises(SettingsError, match=r"--arms: expected 'real' among the arms"):
        config.EvaluationSettings(arms=("synthetic", "both"))
    with pytest.raises(
        SettingsError, match=r"--arms: expected one or more of real, real_synthetic"
    ):
        config.EvaluationSettings(arms=("real", "unheard_of"))
    assert set(config.BUILD_ARMS) < set(ARMS)
