import logging

import numpy as np
import pytest

from synthgen.classifiers.judge import default_judge, judge_identity
from synthgen.datasets.digits import Digits


@pytest.mark.parametrize("augmented", [False, True])
def test_the_built_in_judge_trains_exactly_the_steps_it_is_told(
    tiny_digits: Digits, augmented: bool
) -> None:
    judge, told = default_judge(), []
    level = logging.getLogger("tensorflow").level
    probabilities = judge.predict(
        judge.fit(tiny_digits, 3, 1000, told.append, augmented), tiny_digits.images[:7]
    )
    assert sum(told) == 3
    assert probabilities.shape == (7, 10)
    assert probabilities.sum(axis=1) == pytest.approx(np.ones(7), abs=1e-3)
    assert logging.getLogger("tensorflow").level == level


def test_its_recipe_tells_all_but_the_steps() -> None:
    judge = default_judge()
    assert judge.recipe["batch"] == judge.batch
    assert "steps" not in judge.recipe
    assert judge.recipe["distortions"]["rotation"] > 0
    assert judge.identity == judge_identity()
