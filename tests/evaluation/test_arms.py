import json
from typing import Any

import numpy as np

from synthgen.datasets.digits import Digits
from synthgen.datasets.sources import RealDigits
from synthgen.evaluation.arms import ARMS, BASELINE, Cell, count_confusion, join, run_cell


def one_cell(arm: str, fake: Any, real: RealDigits, synthetic: Digits) -> Cell:
    digits = {"real": real.train, "synthetic": synthetic, "asked": synthetic, "test": real.test}
    return run_cell(arm, 1000, **digits, steps=7, judge=fake.judge(), fingerprint="f", progress=lambda steps: None)


def test_arms_are_trained_on_what_their_names_say(real: RealDigits, synthetic: Digits) -> None:
    sets = {name: arm.training_set(real.train, synthetic) for name, arm in ARMS.items()}
    assert {name: len(digits) for name, digits in sets.items()} == {"real": 60, "real_synthetic": 210, "synthetic": 150}
    assert np.array_equal(sets["real_synthetic"].images[:60], real.train.images)
    assert np.array_equal(sets["real_synthetic"].labels[60:], synthetic.labels)


def test_join_keeps_class_names() -> None:
    digits = Digits(np.zeros((1, 4, 4, 1), np.uint8), np.zeros(1, np.uint8), ("zero", "one"))
    assert join(digits, digits).class_names == ("zero", "one")


def test_only_the_baseline_is_asked_about_labels(fake: Any, real: RealDigits, synthetic: Digits) -> None:
    cells = {arm: one_cell(arm, fake, real, synthetic) for arm in ARMS}
    assert [arm for arm, cell in cells.items() if cell.confusion is not None] == [BASELINE]
    assert cells["real"].confusion is not None
    assert cells["real"].confusion.sum() == len(synthetic)
    assert all(len(cell.predictions) == len(real.test) for cell in cells.values())


def test_confusion_counts_labels_in_rows_and_predictions_in_columns() -> None:
    digits = Digits(np.zeros((3, 4, 4, 1), np.uint8), np.array([0, 0, 1], np.uint8), ("zero", "one"))
    probabilities = np.array([[0.9, 0.1], [0.2, 0.8], [0.4, 0.6]], np.float32)
    assert count_confusion(digits, probabilities).tolist() == [[1, 1], [0, 1]]


def test_a_cell_survives_json(fake: Any, real: RealDigits, synthetic: Digits) -> None:
    for arm in ARMS:
        cell = one_cell(arm, fake, real, synthetic)
        again = Cell.from_json(json.loads(json.dumps(cell.to_json())))
        assert again.to_json() == cell.to_json()
        assert np.array_equal(again.predictions, cell.predictions)
