"""How long a benchmark will take.

The classifier is timed for a few seconds on this machine; the rest is known relative to it.
"""

import time
from collections.abc import Sequence
from dataclasses import dataclass

from synthgen.classifiers.judge import Judge, JudgeTraining
from synthgen.datasets.digits import Digits
from synthgen.evaluation.arms import ARMS
from synthgen.evaluation.cells import Experiment, Task, tuned_arm
from synthgen.evaluation.tuning import fold_count, tuning_steps

# steps of the two trainings whose difference is timed: seconds, or the times of compiling drown it
FEW_STEPS = 5
MORE_STEPS = 205
TIMED_IMAGES = 500  # one batch
# Measured on one machine; others are faster or slower in everything alike.
REFERENCE_STEP = 0.027  # seconds of a step of the classifier on the machine where
TRAINED_PER_SECOND = 39.0  # 10^9 multiplications a second are trained,
DRAWN_PER_SECOND = 25.0  # as many are drawn, and
SCREENER_SECONDS = 18.0  # go into a screening classifier and compiling
DISTORTED_STEP = 1.3  # a step with distortions, in steps without


@dataclass(frozen=True, kw_only=True)
class Speed:
    """How fast the classifier is.

    Args:
        step: seconds of a gradient step.
        training: seconds of a training besides its steps.
        image: seconds of a predicted image.
    """

    step: float
    training: float
    image: float


def measure_speed(judge: Judge, digits: Digits) -> Speed:
    """Times the classifier on this machine.

    Args:
        judge: trains and asks it.
        digits: any real digits.
    """
    some = digits.take(slice(0, TIMED_IMAGES))
    few = JudgeTraining(digits=some, steps=FEW_STEPS, seed=0)
    more = JudgeTraining(digits=some, steps=MORE_STEPS, seed=0)

    # trainings; the first one loads TensorFlow
    model = judge.fit(few, None)
    started = time.perf_counter()
    judge.fit(few, None)
    few_seconds = time.perf_counter() - started
    started = time.perf_counter()
    judge.fit(more, None)
    more_seconds = time.perf_counter() - started
    step = max(0.0, more_seconds - few_seconds) / (MORE_STEPS - FEW_STEPS)

    # predictions; the first call compiles
    judge.predict(model, some.images)
    started = time.perf_counter()
    judge.predict(model, some.images)
    predicting = time.perf_counter() - started
    return Speed(
        step=step,
        training=max(0.0, few_seconds - FEW_STEPS * step),
        image=predicting / len(some),
    )


def expected_seconds(tasks: Sequence[Task], experiment: Experiment, speed: Speed) -> float:
    """Returns the time that missing cells will take one after the other.

    Args:
        tasks: groups and their missing cells.
        experiment: digits, classifier, source of synthetic digits.
        speed: of this machine.
    """
    seconds = 0.0
    for task in tasks:
        group = task.group

        # classifiers; scenarios share those that are trained in the same way
        for key in {key.training: key for key in task.missing}.values():
            distorted = DISTORTED_STEP if ARMS[key.arm].distorted else 1
            seconds += speed.training + group.steps_of(key) * distorted * speed.step
            seconds += len(experiment.real.test) * speed.image

        # cross-validation, one for all arms that are tuned on the same one
        tuned = {tuned_arm(key) for key in task.missing if ARMS[key.arm].distorted}
        steps = tuning_steps(group.steps) * DISTORTED_STEP
        folds = fold_count(group.images, experiment.tuning.folds)
        trainings = len(tuned) * len(experiment.tuning.candidates) * folds
        seconds += trainings * (speed.training + steps * speed.step)

        # the generator, and the images that it draws
        if group.needs_synthetic(task.missing):
            train = experiment.real.train
            work = experiment.source.work(group.draw.counts, train)
            drawn = work.image * group.synthetic_per_class * train.classes
            generator = work.training / TRAINED_PER_SECOND + drawn / DRAWN_PER_SECOND
            if work.training:
                generator += SCREENER_SECONDS
            seconds += generator * speed.step / REFERENCE_STEP
    return seconds
