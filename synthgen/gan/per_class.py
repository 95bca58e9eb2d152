"""One generator a class: labelled digits from a recipe that knows nothing of classes.

Each class is an ordinary training (see `train`) on the digits of that class, one class after the
other:

    FOLDER/training/                       whose training it is, and the screening classifier, which all classes share
    FOLDER/classes/3/                      the training of class 3
    FOLDER/checkpoint.json, *.safetensors  the checkpoint of all generators, when the last one is
    trained
    FOLDER/samples/010750.png              what they draw, one row a class
"""

import contextlib
import dataclasses
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from synthgen.classifiers.screener import Screener, train_screener
from synthgen.config import GanSettings, TrainSettings
from synthgen.datasets.digits import Digits
from synthgen.datasets.pixels import encode_png, grid
from synthgen.errors import DataError, Interrupted, SettingsError, TrainingDiverged
from synthgen.gan.checkpoint import Checkpoint, is_trained, read_checkpoint, write_checkpoint
from synthgen.gan.devices import find_devices
from synthgen.gan.latents import draw_latents, image_seeds
from synthgen.gan.sampler import load_sampler
from synthgen.gan.saved import STATE, SavedRun, load_run, run_options, save_run
from synthgen.gan.train import locked, train
from synthgen.networks.gan import check_image_shape
from synthgen.records import versions
from synthgen.storage import Storage, open_storage
from synthgen.weights import join_classes

SAMPLES = 100  # of each class, for the label agreement


@dataclass(frozen=True, kw_only=True)
class TrainedPerClass:
    """What the training of one generator a class came to.

    Args:
        folder: the checkpoint.
        classes: number of generators.
        steps: of each.
        seconds: training time over all runs and classes.
        label_agreement: share of samples in which the screening classifier sees the digit that was
            asked for.
        alarms: the trouble that was found, in words.
    """

    folder: str
    classes: int
    steps: int
    seconds: float
    label_agreement: float
    alarms: tuple[str, ...]

    def lines(self) -> list[str]:
        """The end of a training for a terminal."""
        return [
            f"Trained    {self.classes} generators, one a class, {self.steps:,} steps each, in {self.seconds:,.0f} s",
            f"Labels     {self.label_agreement:.2%} of samples show the digit asked for",
            *(f"ALARM      {alarm}" for alarm in self.alarms),
            *([] if self.alarms else ["Alarms     none"]),
            f"Checkpoint {self.folder}, grid in samples/; grids and logs of each class in classes/",
        ]


def class_folder(folder: str, label: int) -> str:
    """Where a class is trained."""
    return f"{folder}/classes/{label}"


def train_per_class(
    digits: Digits,
    out: str,
    gan: GanSettings,
    run: TrainSettings,
    *,
    preset: str,
    source: str,
    command: str = "",
    resume: bool = False,
    validation: Digits | None = None,
    data: str = "",
    say: Callable[[str], Any] = lambda _: None,
) -> TrainedPerClass:
    """Train one generator a class and leave one checkpoint of them all.

    Args:
        digits: the training digits, some of every class.
        out: the folder to make, path or fsspec URL.
        gan: the recipe of each generator, without a condition.
        run: seed, logging and saving of each training.
        preset: name of the preset that the recipe comes from, for the record.
        source: where the digits come from, for the record.
        command: the command line, for the record.
        resume: go on with the training in `out`, in the class and at the step where it stopped.
        validation: digits to watch the trainings with; each sees those of its class.
        data: where the digits come from, as --data names it, for `run_state.begun_with`.
        say: told which class begins.

    Raises:
        SettingsError: if the recipe has a condition, or TF_CONFIG names several machines.
        DataError: if there is no digit of a class.
        ResumeError: if `out` holds a training and resume is False, or one with other settings, or
            one that is running.
        TrainingDiverged: naming the class.
        Interrupted: after Ctrl-C; the state is saved.
    """
    began = time.monotonic()
    _check(digits, gan)
    find_devices().check_single("--labels per-class")
    storage = open_storage(out)
    storage.check_writable()
    identity = {
        "gan": dataclasses.asdict(gan),
        "seed": run.seed,
        "preset": preset,
        "training_data": digits.sha256(),
        "labels": "per-class",
    }
    # a classifier cannot learn from one class
    run_one = dataclasses.replace(run, score_minutes=0.0)
    parts = []
    with locked(storage):
        saved = load_run(storage, identity, resume)
        if saved is None:
            saved = SavedRun(
                {"step": np.array(0)},
                train_screener(digits, run.seed),
                time.monotonic() - began,
                {"log": [], "events": []},
            )
        save_run(storage, identity, saved, run_options(run, data))
        train_one = partial(
            train, gan=gan, preset=preset, source=source, command=command, screener=saved.screener
        )
        for label, name in enumerate(digits.class_names):
            own, seen = (
                digits.take(digits.labels == label),
                validation.take(validation.labels == label) if validation else None,
            )
            if not is_trained(class_folder(out, label), gan.steps):
                say(
                    f"Class {name!r}, {label + 1} of {digits.classes}: {gan.steps:,} steps on {len(own):,} digits."
                )
                with _naming(name):
                    train_one(
                        own,
                        class_folder(out, label),
                        run=run_one,
                        validation=seen or None,
                        resume=_is_begun(storage, label),
                    )
            parts.append(read_checkpoint(class_folder(out, label)))
        record = {
            "training_data": {
                "source": source,
                "sha256": identity["training_data"],
                "images": len(digits),
            },
            "command": command,
        }
        return _finish(out, parts, saved, run, record)


def _check(digits: Digits, gan: GanSettings) -> None:
    check_image_shape(digits.image_shape)
    if gan.conditional:
        raise SettingsError(
            "--labels per-class: expected a recipe without a condition, received one with: its condition gives the labels."
        )
    empty = np.flatnonzero(digits.counts() == 0)
    if len(empty):
        raise DataError(
            f"Expected training digits of every class, received none of class {digits.class_names[empty[0]]!r}."
        )


def _is_begun(storage: Storage, label: int) -> bool:
    """Whether the training of a class can go on; what a kill left before its first state is removed."""
    begun = storage.exists(f"classes/{label}/{STATE}")
    if not begun:
        storage.remove(f"classes/{label}")
    return begun


@contextlib.contextmanager
def _naming(name: str) -> Iterator[None]:
    """Say in which class a training ended early."""
    try:
        yield
    except (Interrupted, TrainingDiverged) as error:
        raise type(error)(f"Class {name!r}: {error}") from error


def _finish(
    out: str,
    parts: list[Checkpoint],
    saved: SavedRun,
    run: TrainSettings,
    record: Mapping[str, Any],
) -> TrainedPerClass:
    """Write the checkpoint of all generators and a grid of what they draw."""
    first, seconds = parts[0], saved.seconds + sum(part.record["seconds"] for part in parts)
    whole = dataclasses.replace(
        first,
        generator=join_classes([part.generator for part in parts]),
        screener=saved.screener,
        per_class=True,
    )
    alarms = [
        dict(alarm) | {"class": name}
        for part, name in zip(parts, first.class_names, strict=True)
        for alarm in part.record["alarms"]
    ]
    samples = _samples(whole, run.seed)
    read = (
        Screener(saved.screener, whole.image_shape, len(parts))
        .probabilities(samples.images)
        .argmax(axis=1)
    )
    agreement = float(np.mean(read == samples.labels))
    measured = {
        "label_agreement_by_screener": agreement,
        "classes": [part.record["measured"] for part in parts],
    }
    kept = {name: first.record[name] for name in ("preset", "seed", "step", "machine")}
    record = (
        kept
        | dict(record)
        | {
            "seconds": round(seconds, 1),
            "versions": versions(),
            "measured": measured,
            "alarms": alarms,
        }
    )
    write_checkpoint(out, dataclasses.replace(whole, record=record))
    rows = [
        image
        for label in range(len(parts))
        for image in samples.images[samples.labels == label][: run.grid]
    ]
    open_storage(out).write_bytes(
        f"samples/{first.record['step']:06d}.png",
        encode_png(grid(np.stack(rows), run.grid), zoom=2),
        durable=False,
    )
    return TrainedPerClass(
        folder=out,
        classes=len(parts),
        steps=first.record["step"],
        seconds=seconds,
        label_agreement=agreement,
        alarms=tuple(
            f"in class {alarm['class']!r} at step {alarm['step']:,}, {alarm['name']}: {alarm['message']}"
            for alarm in alarms
        ),
    )


def _samples(checkpoint: Checkpoint, seed: int) -> Digits:
    """Images of each class in turn."""
    classes = len(checkpoint.class_names)
    labels, indices = (
        np.tile(np.arange(classes, dtype=np.uint8), SAMPLES),
        np.repeat(np.arange(SAMPLES), classes),
    )
    latents = draw_latents(
        image_seeds(seed, labels.tolist(), indices.tolist(), [0] * len(labels)),
        checkpoint.settings.latent,
    )
    return Digits(
        load_sampler(checkpoint, SAMPLES * classes).images(latents, labels),
        labels,
        checkpoint.class_names,
    )
