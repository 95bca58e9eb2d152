import dataclasses
import logging
import subprocess
import sys

import numpy as np
import pytest

from synthgen.classifiers.judge import JUDGE_REVISION, JudgeSettings, JudgeTraining, default_judge
from synthgen.datasets.digits import Digits
from synthgen.errors import InputError


@pytest.mark.slow
@pytest.mark.parametrize("strength", [0.0, 0.5])
def test_the_built_in_judge_trains_exactly_the_steps_asked_for(
    tiny_digits: Digits, strength: float
) -> None:
    judge = default_judge(JudgeSettings(channels=(4, 4, 4, 4)))
    done: list[int] = []
    level = logging.getLogger("tensorflow").level
    training = JudgeTraining(digits=tiny_digits, steps=3, seed=1000, strength=strength)
    probabilities = judge.predict(judge.fit(training, done.append), tiny_digits.images[:7])
    assert sum(done) == 3
    assert probabilities.shape == (7, 10)
    assert probabilities.sum(axis=1) == pytest.approx(np.ones(7), abs=1e-3)
    assert logging.getLogger("tensorflow").level == level


def test_its_recipe_names_all_but_the_steps_of_a_training() -> None:
    judge = default_judge()
    assert judge.recipe["batch"] == judge.batch == 64
    assert judge.recipe["revision"] == JUDGE_REVISION
    assert "steps" not in judge.recipe
    assert judge.recipe["distortions"] == judge.distortions(1.0)
    assert judge.distortions(0.5)["rotation"] == 7.5
    assert 1.0 in judge.strengths


def test_another_setting_is_another_recipe() -> None:
    assert default_judge(JudgeSettings(dropout=0.3)).recipe != default_judge().recipe


def test_tensorflow_is_not_loaded_before_a_training() -> None:
    code = (
        "import sys, synthgen.classifiers.digitnet; "
        "from synthgen.classifiers.judge import default_judge; "
        "default_judge(); sys.exit('tensorflow' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_a_training_that_makes_no_sense_is_refused(tiny_digits: Digits) -> None:
    with pytest.raises(InputError, match="1 or more steps"):
        JudgeTraining(digits=tiny_digits, steps=0, seed=0)
    with pytest.raises(InputError, match="strength of 0 or more"):
        JudgeTraining(digits=tiny_digits, steps=1, seed=0, strength=-1)
    with pytest.raises(InputError, match=r"each of 200 images, received an array of shape \(3,\)"):
        JudgeTraining(digits=tiny_digits, steps=1, seed=0, weights=np.ones(3, np.float32))


@pytest.mark.slow
def test_trainings_that_go_on_are_not_asked_the_fast_way(tiny_digits: Digits) -> None:
    """The fast way knows nothing of a training before."""
    first = JudgeTraining(digits=tiny_digits, steps=1, seed=0)
    on = JudgeTraining(digits=tiny_digits, steps=1, seed=0, before=first)
    judge = dataclasses.replace(
        default_judge(),
        fit=lambda training, progress: training,
        predict=lambda model, images: np.full((1, 1), model.before is not None, np.float32),
        fit_and_predict=lambda trainings, images: iter([np.full((1, 1), 5, np.float32)]),
    )
    assert [found.item() for found in judge.ask_each([first], [tiny_digits.images])] == [5]
    assert [found.item() for found in judge.ask_each([on], [tiny_digits.images])] == [1]


def test_a_training_goes_on_with_the_weights_of_the_one_before(tiny_digits: Digits) -> None:
    judge = default_judge(JudgeSettings(channels=(4, 4, 4, 4)))
    first = JudgeTraining(digits=tiny_digits.take(slice(0, 100)), steps=60, seed=3)
    done: list[int] = []
    asked = tiny_digits.images[:50]
    on = JudgeTraining(digits=tiny_digits.take(slice(100, 200)), steps=1, seed=3, before=first)
    alone = dataclasses.replace(on, before=None)
    before = judge.predict(judge.fit(first, None), asked)
    after = judge.predict(judge.fit(on, done.append), asked)
    assert sum(done) == 61
    distance = np.abs(after - before).mean()
    fresh = judge.predict(judge.fit(alone, None), asked)
    assert 0 < distance < 0.2 * np.abs(fresh - before).mean()


@pytest.mark.slow
def test_many_short_trainings_come_to_the_same_faster(tiny_digits: Digits) -> None:
    judge = default_judge(JudgeSettings(channels=(4, 4, 4, 4)))
    trainings = [
        JudgeTraining(
            digits=tiny_digits.take(slice(first, first + 60)), steps=5, seed=3, strength=s
        )
        for first in (0, 60)
        for s in (0.0, 1.0)
    ]
    images = [tiny_digits.images[:20]] * 2 + [tiny_digits.images[20:30]] * 2
    found = list(judge.ask_each(trainings, images))
    for training, asked, probabilities in zip(trainings, images, found, strict=True):
        alone = judge.predict(judge.fit(training, None), asked)
        assert np.array_equal(probabilities, alone)
