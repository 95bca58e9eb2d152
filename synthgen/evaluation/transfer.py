"""Transfer: what digits of other hands are worth to somebody with few digits of their own.

The other hands come with a generator that was trained on them: its digits stand beside one's own in
each batch (`source`). Controls are the same knowledge in other forms: real digits of the
generator's training data at the same dose (`source_real`), a classifier of the generator's digits
that is trained on with one's own (`fine_tuned`), and classifiers without any own digits.

The strength of the distortions is chosen by cross-validation within the own digits, then the dose.
With one or two of a class too few can be held out: the defaults are taken.
"""

import time
from collections.abc import Iterator
from dataclasses import replace

from synthgen.classifiers.judge import Judge, JudgeTraining
from synthgen.datasets.digits import Digits
from synthgen.errors import SettingsError
from synthgen.evaluation.arms import ARMS, training_set
from synthgen.evaluation.cells import Cell, Experiment, Task, cell_fingerprints, train_cell
from synthgen.evaluation.scenarios import FIRST_SEED, Draw
from synthgen.evaluation.tuning import (
    Tuning,
    TuningSettings,
    transfer_tuning,
    tune,
    tune_dose,
)

LEAST_TO_TUNE = 3  # own images of each class from which on choices are made by cross-validation


def run_transfer(task: Task, experiment: Experiment) -> Iterator[Cell]:
    """Runs the missing cells of one draw of transfer, one after the other.

    Args:
        task: the group. What its finished cells tuned is used again.
        experiment: digits, classifier, digits of other hands.

    Yields:
        Each cell as soon as it is finished.

    Raises:
        SettingsError: if the experiment has no digits of other hands.
    """
    source = experiment.transfer
    if source is None:
        raise SettingsError("Expected a generator for the scenario transfer, received none.")
    group = task.group
    own = group.draw.digits(experiment.real.train)
    fingerprints = cell_fingerprints(group, experiment)
    settings = transfer_tuning(experiment.tuning)
    done = {cell.key.arm: cell for cell in task.finished}
    strength = next((done[arm].tuning for arm in ("classical", "fine_tuned") if arm in done), None)
    dose = next((done[arm].tuning for arm in ("source", "source_real") if arm in done), None)

    # digits of other hands: as many of the generator as real ones of its training data
    drawn = source.drawn.make(own, source.per_class, group.draw.seed - FIRST_SEED)
    others = {"source": drawn.digits}
    if source.real is not None:
        counts = tuple(min(source.per_class, count) for count in source.real.counts().tolist())
        others["source_real"] = Draw(counts=counts, seed=group.draw.seed).digits(source.real)

    for key in task.missing:
        started = time.monotonic()
        arm = ARMS[key.arm]
        added = others.get(arm.added)

        # what is chosen: the strength of the distortions, then the share of digits of other hands
        if not arm.real:
            tuning = Tuning(chosen=settings.default)
        else:
            if strength is None:
                strength = tune_strength(own, settings, experiment.judge, group.steps, key.seed)
            tuning = strength
            if added and not arm.fine_tuned:
                if dose is None:
                    dose = tune_dose(
                        strength,
                        own,
                        drawn.digits,
                        settings,
                        experiment.judge,
                        group.steps,
                        key.seed,
                    )
                tuning = dose

        if tuning.chosen.dose == 0 and "classical" in done:  # trained in the very same way
            cell = replace(done["classical"], tuning=tuning)
        else:
            training = _training(key.arm, own, added, tuning, group.steps, key.seed)
            adds_synthetic = arm.added == "source" and tuning.chosen.dose != 0
            synthetic = len(drawn.digits) if adds_synthetic else 0
            cell = train_cell(key, training, own, synthetic, tuning, experiment)
        cell = replace(
            cell,
            key=key,
            fingerprint=fingerprints[key],
            generator=drawn.record if arm.added == "source" else None,
            seconds=round(time.monotonic() - started, 2),
        )
        done[key.arm] = cell
        yield cell


def tune_strength(
    own: Digits, settings: TuningSettings, judge: Judge, steps: int, seed: int
) -> Tuning:
    """Chooses the strength of the distortions for somebody's own digits.

    Args:
        own: all the digits that somebody has, one or more; classes without any are not missed.
        settings: see `transfer_tuning`.
        judge: trains and asks the classifier.
        steps: gradient steps of the arms.
        seed: decides the folds and the classifiers.
    """
    counts = own.counts()
    if counts[counts > 0].min() < LEAST_TO_TUNE:
        return Tuning(chosen=settings.default)
    return tune("classical", own, None, settings, judge, steps, seed)


def _training(
    arm: str, own: Digits, added: Digits | None, tuning: Tuning, steps: int, seed: int
) -> JudgeTraining:
    """Makes the training of an arm of transfer, `steps` gradient steps in all."""
    strength = tuning.chosen.strength
    if ARMS[arm].fine_tuned and added:
        first = steps // 2
        return JudgeTraining(
            digits=own,
            steps=steps - first,
            seed=seed,
            strength=strength,
            before=JudgeTraining(digits=added, steps=first, seed=seed, strength=strength),
        )
    digits, _ = training_set(arm, own, added, dose=tuning.chosen.dose)
    return JudgeTraining(digits=digits, steps=steps, seed=seed, strength=strength)
