"""One generator a class: labelled digits from a recipe that knows nothing of classes.

Each class is an ordinary training (see train.py) on the digits of that class, one class after the
other:

    FOLDER/training/                       whose training it is, and the screening classifier, which
                                           all classes share
    FOLDER/classes/3/                      the training of class 3
    FOLDER/checkpoint.json, *.safetensors  the checkpoint of all generators, when the last one is
                                           trained
    FOLDER/samples/010750.png              what they draw, one row a class
"""

import dataclasses
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from synthgen.classifiers.screener import load_screener, train_screener
from synthgen.datasets.digits import Digits
from synthgen.datasets.pixels import encode_png, grid
from synthgen.errors import DataError, Interrupted, SettingsError, TrainingDiverged
from synthgen.gan.checkpoint import Checkpoint, is_trained, read_checkpoint, write_checkpoint
from synthgen.gan.devices import find_devices
from synthgen.gan.job import TrainingJob
from synthgen.gan.latents import draw_latents, image_seeds
from synthgen.gan.log import sheet_file
from synthgen.gan.resume import STATE_RECORD, SavedRun, load_run, run_options, save_run
from synthgen.gan.run import clear_leftovers, lock_folder
from synthgen.gan.sampler import load_sampler
from synthgen.gan.train import train
from synthgen.networks.shapes import check_image_shape
from synthgen.records import versions
from synthgen.storage import open_storage
from synthgen.weights import Weights, join_classes

AGREEMENT_SAMPLES = 100  # of each class


@dataclass(frozen=True, kw_only=True)
class PerClassResult:
    """What the training of one generator a class came to.

    Args:
        folder: the checkpoint.
        classes: number of generators.
        steps: of each.
        seconds: training time over all runs and classes.
        label_agreement: share of samples, 0..1, in which the screening classifier sees the digit
            that was asked for.
        alarms: the trouble that was found, in words.
    """

    folder: str
    classes: int
    steps: int
    seconds: float
    label_agreement: float
    alarms: tuple[str, ...]

    def lines(self) -> list[str]:
        """The summary of the training for a terminal."""
        lines = [
            f"Trained    {self.classes} generators, one a class, {self.steps:,} steps each, "
            f"in {self.seconds:,.0f} s",
            f"Labels     {self.label_agreement:.2%} of samples show the class asked for",
        ]
        for alarm in self.alarms:
            lines.append(f"ALARM      {alarm}")
        if not self.alarms:
            lines.append("Alarms     none")
        lines.append(
            f"Checkpoint {self.folder}, grid in samples/; grids and logs of each class in classes/"
        )
        return lines


def class_folder(folder: str, label: int) -> str:
    """Return the folder in which a class is trained."""
    return f"{folder}/classes/{label}"


def train_per_class(
    job: TrainingJob, *, resume: bool = False, say: Callable[[str], Any] = lambda _: None
) -> PerClassResult:
    """Train one generator a class and leave one checkpoint of them all.

    Args:
        job: what is to be trained: digits of every class, and the recipe of each generator, without
            a condition. The training of a class sees the validation digits of that class.
        resume: go on with the training in `job.out`, in the class and at the step where it stopped.
        say: called with a line of text when a class begins.

    Raises:
        SettingsError: if the recipe has a condition, or TF_CONFIG names several machines.
        DataError: if there is no digit of a class.
        ResumeError: if `job.out` holds a training and resume is False, or one with other settings,
            or one that is running.
        TrainingDiverged: naming the class.
        Interrupted: after Ctrl-C; the state is saved.
    """
    began = time.monotonic()
    digits = job.digits

    # refuse what cannot be trained
    check_image_shape(digits.image_shape)
    if job.gan.conditional:
        raise SettingsError(
            "--labels per-class: expected a recipe without a condition, "
            "received one with: its condition gives the labels."
        )
    empty = np.flatnonzero(digits.counts() == 0)
    if len(empty):
        raise DataError(
            "Expected training digits of every class, "
            f"received none of class {digits.class_names[empty[0]]!r}."
        )
    find_devices().check_single("--labels per-class")

    storage = open_storage(job.out)
    storage.check_writable()
    with lock_folder(storage):
        # the screening classifier
        identity = job.identity | {"labels": "per-class"}
        saved = load_run(storage, identity, resume)
        if saved is None:
            saved = SavedRun(
                arrays={"step": np.array(0)},
                screener=train_screener(digits, job.run.seed),
                seconds=time.monotonic() - began,
                log={"log": [], "events": []},
            )
        save_run(storage, identity, saved, run_options(job.run, job.data, job.fitting))

        # a generator a class
        generators = []
        for label, name in enumerate(digits.class_names):
            class_job = _job_of_class(job, label, saved.screener)
            if is_trained(class_job.out, job.gan.steps):
                clear_leftovers(open_storage(class_job.out))
            else:
                say(
                    f"Class {name!r}, {label + 1} of {digits.classes}: "
                    f"{job.gan.steps:,} steps on {len(class_job.digits):,} digits."
                )
                begun = storage.exists(f"classes/{label}/{STATE_RECORD}")
                if not begun:
                    # what a kill left before the first state
                    storage.remove(f"classes/{label}")
                try:
                    train(class_job, resume=begun)
                except (Interrupted, TrainingDiverged) as error:
                    raise type(error)(f"Class {name!r}: {error}") from error
            generators.append(read_checkpoint(class_job.out))

        return _join(job, generators, saved)


def _job_of_class(job: TrainingJob, label: int, screener: Weights) -> TrainingJob:
    """The training of one class."""
    validation = job.validation
    if validation is not None:
        # None where there is none of this class
        validation = validation.take(validation.labels == label) or None
    return dataclasses.replace(
        job,
        digits=job.digits.take(job.digits.labels == label),
        out=class_folder(job.out, label),
        # a classifier cannot learn from one class
        run=dataclasses.replace(job.run, score_minutes=0.0),
        data="",
        validation=validation,
        screener=screener,
    )


def _join(job: TrainingJob, generators: list[Checkpoint], saved: SavedRun) -> PerClassResult:
    """Write the checkpoint of all generators and a grid of what they draw."""
    first = generators[0]
    classes = len(generators)
    whole = dataclasses.replace(
        first,
        generator=join_classes([each.generator for each in generators]),
        screener=saved.screener,
        per_class=True,
    )

    # what they draw: images of each class in turn
    labels = np.tile(np.arange(classes, dtype=np.uint8), AGREEMENT_SAMPLES)
    indices = np.repeat(np.arange(AGREEMENT_SAMPLES), classes)
    seeds = image_seeds(job.run.seed, labels.tolist(), indices.tolist(), [0] * len(labels))
    sampler = load_sampler(whole, len(labels))
    samples = Digits(
        sampler.images(draw_latents(seeds, job.gan.latent), labels), labels, first.class_names
    )

    # how often they show the digit that they should
    screener = load_screener(saved.screener, whole.image_shape, classes)
    predicted = screener.probabilities(samples.images).argmax(axis=1)
    agreement = float(np.mean(predicted == samples.labels))

    # the checkpoint
    alarms = [
        dict(alarm) | {"class": name}
        for each, name in zip(generators, first.class_names, strict=True)
        for alarm in each.record["alarms"]
    ]
    seconds = saved.seconds + sum(each.record["seconds"] for each in generators)
    record = {
        "preset": first.record["preset"],
        "seed": first.record["seed"],
        "step": first.record["step"],
        "machine": first.record["machine"],
        "training_data": job.training_data(),
        "command": job.command,
        "seconds": round(seconds, 1),
        "versions": versions(),
        "measured": {
            "label_agreement_by_screener": agreement,
            "classes": [each.record["measured"] for each in generators],
        },
        "alarms": alarms,
    }
    write_checkpoint(job.out, dataclasses.replace(whole, record=record))

    # the grid: a row a class
    columns = job.run.grid
    rows = [samples.images[samples.labels == label][:columns] for label in range(classes)]
    open_storage(job.out).write_bytes(
        sheet_file(first.record["step"]),
        encode_png(grid(np.concatenate(rows), columns), zoom=2),
        durable=False,
    )
    return PerClassResult(
        folder=job.out,
        classes=classes,
        steps=first.record["step"],
        seconds=seconds,
        label_agreement=agreement,
        alarms=tuple(
            f"in class {alarm['class']!r} at step {alarm['step']:,}, {alarm['name']}: "
            f"{alarm['message']}"
            for alarm in alarms
        ),
    )
