"""What a benchmark will take. The classifier is timed for a few seconds on this machine; the rest is known relative to it."""

import time
from collections.abc import Callable, Sequence
from typing import NamedTuple, TypeVar

from synthgen.classifiers.judge import Judge, JudgeTraining
from synthgen.datasets.digits import Digits
from synthgen.evaluation.benchmark_arms import ARMS
from synthgen.evaluation.benchmark_tune import fold_count, short_steps
from synthgen.evaluation.runs import Laboratory, learns_from_synthetic
from synthgen.evaluation.scenarios import Group, Key, arm_steps, steps_for

Value = TypeVar("Value")
# steps of the two trainings whose difference is timed: seconds, or the times of compiling drown it
FEW, MORE = 5, 205
ASKED = 500  # images, one batch
STEP = 0.027  # seconds of a step of the classifier on a machine where
TRAINING = 39.0  # 10^9 multiplications a second are trained,
DRAWING = 25.0  # as many are generated, and
# seconds go into a screening classifier and compiling; other machines are faster or slower in
# everything alike
SCREENER = 18.0
DISTORTED = 1.3  # a step with distortions, in steps without


class Speed(NamedTuple):
    """Seconds of one gradient step of the classifier, of one training besides its steps, and of one predicted image."""

    step: float
    training: float
    image: float


def measure_speed(judge: Judge, digits: Digits) -> Speed:
    """Time the classifier on this machine.

    Args:
        judge: trains the classifier and is asked.
        digits: any real digits.
    """
    some = digits.take(slice(0, ASKED))
    short = JudgeTraining(digits=some, steps=FEW, seed=0)
    long = JudgeTraining(digits=some, steps=MORE, seed=0)
    model = judge.fit(short, None)  # the first one wakes TensorFlow
    _, few = _timed(lambda: judge.fit(short, None))
    _, more = _timed(lambda: judge.fit(long, None))
    judge.predict(model, some.images)  # the first call compiles
    _, asked = _timed(lambda: judge.predict(model, some.images))
    step = max(0.0, more - few) / (MORE - FEW)
    return Speed(step, max(0.0, few - FEW * step), asked / len(some))


def expected_seconds(
    tasks: Sequence[tuple[Group, Sequence[Key]]], laboratory: Laboratory, speed: Speed
) -> float:
    """Time that the missing cells will take one after the other.

    Args:
        tasks: groups and their missing cells.
        laboratory: digits, settings, judge, generator.
        speed: of this machine.
    """
    return sum(_group_seconds(group, missing, laboratory, speed) for group, missing in tasks)


def _group_seconds(
    group: Group, missing: Sequence[Key], laboratory: Laboratory, speed: Speed
) -> float:
    settings, real = laboratory.settings, laboratory.real
    trainings = {(key.arm, key.ratio): key for key in missing}.values()  # scenarios share them
    lengths = [
        arm_steps(key, group.images, settings) * (DISTORTED if ARMS[key.arm].augmented else 1)
        for key in trainings
    ]
    seconds = sum(
        speed.training + steps * speed.step + len(real.test) * speed.image for steps in lengths
    )
    if any(ARMS[key.arm].augmented for key in missing):
        short = (
            speed.training + short_steps(steps_for(group.images, settings)) * DISTORTED * speed.step
        )
        seconds += (
            short * len(laboratory.judge.strengths) * fold_count(group.images, settings.folds)
        )
    wanted = group.synthetic_per_class(group.keys)
    if wanted and learns_from_synthetic(missing):
        work, slower = laboratory.generator.work(group.draw.counts, real.train), speed.step / STEP
        screener = SCREENER if work.training else 0
        seconds += slower * (
            screener + work.training / TRAINING + work.image * wanted * real.train.classes / DRAWING
        )
    return seconds


def _timed(call: Callable[[], Value]) -> tuple[Value, float]:
    began = time.perf_counter()
    return call(), time.perf_counter() - began
