"""The training loop: screening classifier, then the GAN; logs, sample grids, checkpoints, exact resume, clean stop.

What it writes:
    FOLDER/checkpoint.json, *.safetensors    a checkpoint, usable at any time
    FOLDER/training/state-000800.safetensors everything needed to go on, named by state.json
    FOLDER/training/log.csv, events.*        losses, accuracies, gradient norms, images/s (events on local disks)
    FOLDER/samples/000200.png                one row a class (or a square, without classes), the same latents each time
"""

import contextlib
import dataclasses
import hashlib
import json
import os
import platform
import signal
import threading
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import safetensors.numpy
import tensorflow as tf
from numpy.typing import NDArray
from tqdm import tqdm

from synthgen.config import GanSettings, TrainSettings, fingerprint
from synthgen.datasets.digits import Digits, Images, Labels
from synthgen.datasets.pixels import encode_png, grid
from synthgen.errors import CheckpointError, Interrupted, ResumeError, TrainingDiverged
from synthgen.gan.checkpoint import RECORD, Checkpoint, Weights, pack_weights, versions, write_checkpoint
from synthgen.gan.latents import draw_latents, image_seeds
from synthgen.gan.networks import check_image_shape
from synthgen.gan.sampler import Sampler
from synthgen.gan.screener import Screener, train_screener
from synthgen.gan.step import METRICS, GanState, make_runner
from synthgen.gan.weights import get_weights
from synthgen.storage import Storage, cache_folder, open_storage

STATE = "training/state.json"
LOG = "training/log.csv"
COLUMNS = ("step", "seconds", "images_per_second", *METRICS)
PER_CLASS_AGREEMENT = 100


@dataclass(frozen=True, kw_only=True)
class Trained:
    """What a training came to.

    Args:
        folder: the checkpoint.
        step: steps done.
        seconds: training time over all runs.
        label_agreement: share of samples in which the screening classifier sees the digit that was asked for; None
            where the generator cannot be asked for a class.
    """

    folder: str
    step: int
    seconds: float
    label_agreement: float | None


def train(
    digits: Digits, out: str, gan: GanSettings, run: TrainSettings, *, preset: str, source: str, command: str = "", resume: bool = False
) -> Trained:
    """Train a GAN and leave a checkpoint.

    Args:
        digits: the training digits: nothing else is ever looked at.
        out: the folder to make, path or fsspec URL.
        gan: the recipe.
        run: seed, logging and saving.
        preset: name of the preset that the recipe comes from, for the record.
        source: where the digits come from, for the record.
        command: the command line, for the record.
        resume: go on from the state in `out`.

    Returns:
        A Trained value.

    Raises:
        ResumeError: if `out` holds a training and resume is False, or one with other settings.
        TrainingDiverged: if a loss is not finite; the last good checkpoint is kept.
        Interrupted: after Ctrl-C; the state is saved.
    """
    check_image_shape(digits.image_shape)
    storage = open_storage(out)
    storage.check_writable()
    identity = {"gan": dataclasses.asdict(gan), "seed": run.seed, "preset": preset, "training_data": digits.sha256()}
    saved = _saved_state(storage, identity, resume)
    origin = {"preset": preset, "seed": run.seed, "training_data": {"source": source, "sha256": identity["training_data"], "images": len(digits)}}
    training = _Training(storage, digits, gan, run, identity, origin | {"command": command, "machine": _machine()}, saved)
    with _stop_signal() as stop, training.progress() as bar:
        while training.step < gan.steps:
            training.advance(bar)
            if stop.is_set():
                training.save()
                raise Interrupted(f"Stopped after step {training.step} of {gan.steps}; all is saved. Run the same command with --resume to go on.")
    training.save()
    return Trained(folder=out, step=training.step, seconds=training.seconds, label_agreement=training.agreement())


def train_into_cache(digits: Digits, gan: GanSettings, *, preset: str, source: str, seed: int = 0) -> str:
    """Train a recipe once: the checkpoint stays in the user's cache and is found there the next time.

    A training that was stopped goes on where it was.

    Returns:
        The checkpoint folder.
    """
    run = TrainSettings(seed=seed)
    name = fingerprint([dataclasses.asdict(gan), seed, digits.sha256()])[:12]
    folder = f"{cache_folder()}/checkpoints/{preset}-{name}"
    resume = open_storage(folder).exists(STATE)
    try:
        train(digits, folder, gan, run, preset=preset, source=source, command="synthgen build --train", resume=resume)
    except Interrupted as error:
        raise Interrupted(f"Training was stopped; all is saved in {folder}. Run the same command again to go on.") from error
    except TrainingDiverged as error:
        raise TrainingDiverged(f"{error} Remove {folder} to begin anew.") from error
    return folder


class _Training:
    """One training under way: its state and where it writes."""

    def __init__(
        self,
        storage: Storage,
        digits: Digits,
        gan: GanSettings,
        run: TrainSettings,
        identity: Mapping[str, Any],
        origin: Mapping[str, Any],
        saved: "tuple[Weights, dict[str, Any]] | None",
    ) -> None:
        self._storage, self._digits, self._gan, self._run, self._identity, self._origin = storage, digits, gan, run, identity, origin
        self._state = GanState(gan, digits, run.seed)
        self._seconds_before, self._rows = 0.0, [",".join(COLUMNS)]
        arrays: Weights | None = None
        if saved:
            arrays, record = saved
            self._seconds_before, self._rows = record["seconds"], record["log"]
            self._state.restore({k: v for k, v in arrays.items() if not k.startswith("screener/")})
        self._started = time.monotonic()
        self._screener_weights = _screener_of(arrays) if arrays else train_screener(digits, run.seed)
        self._screener = Screener(self._screener_weights, digits.image_shape, digits.classes)
        self._sampler = Sampler(self._state.average, batch=500)
        self._runner = make_runner(self._state, digits)
        self._events = tf.summary.create_file_writer(storage.full("training")) if storage.is_local else tf.summary.create_noop_writer()
        self._last_save = time.monotonic()
        self.step = int(self._state.step)

    @property
    def seconds(self) -> float:
        """Training time so far, over all runs."""
        return self._seconds_before + time.monotonic() - self._started

    def progress(self) -> Any:
        """A progress bar over the steps, silent where there is no terminal."""
        return tqdm(total=self._gan.steps, initial=self.step, unit="step", desc="train", disable=None)

    def advance(self, bar: Any) -> None:
        """Run up to the next line of the log; draw a grid and save where due."""
        run, before = self._run, time.monotonic()
        goals = [self._gan.steps, *(every * (self.step // every + 1) for every in (run.log_every, run.samples_every))]
        count = min(goals) - self.step
        metrics = dict(zip(METRICS, self._runner(tf.constant(count)).numpy().tolist(), strict=True))
        _check_finite(metrics, self.step + count, self._storage.url)
        self.step += count
        speed = count * self._gan.batch / (time.monotonic() - before)
        self._log(metrics, speed)
        bar.update(count)
        bar.set_postfix_str(_progress_note(metrics, speed), refresh=False)
        if self.step % run.samples_every == 0 or self.step == self._gan.steps:
            self._draw_samples()
        if time.monotonic() - self._last_save > 60 * run.save_minutes:
            self.save()

    def _log(self, metrics: Mapping[str, float], speed: float) -> None:
        values = {"step": self.step, "seconds": round(self.seconds, 1), "images_per_second": round(speed, 1)} | dict(metrics)
        self._rows.append(",".join(f"{values[name]:.6g}" for name in COLUMNS))
        self._storage.write_bytes(LOG, ("\n".join(self._rows) + "\n").encode(), durable=False)
        with self._events.as_default(step=self.step):
            for name, value in values.items():
                tf.summary.scalar(name, value)

    def save(self) -> None:
        """Write the checkpoint, then the state to go on from."""
        record = dict(self._origin) | {"step": self.step, "seconds": round(self.seconds, 1), "versions": versions()}
        record["measured"] = {"label_agreement_by_screener": self.agreement()}
        write_checkpoint(self._storage.url, self._checkpoint(record))
        arrays = self._state.export() | {f"screener/{k}": v for k, v in self._screener_weights.items()}
        packed, file = pack_weights(arrays), f"training/state-{self.step:06d}.safetensors"
        self._storage.write_bytes(file, packed)
        content = {"identity": self._identity, "file": file, "sha256": hashlib.sha256(packed).hexdigest(), "seconds": self.seconds, "log": self._rows}
        self._storage.write_bytes(STATE, json.dumps(content).encode())
        for old in self._storage.files("training"):
            if old.endswith(".safetensors") and old != file:
                self._storage.remove(old)
        self._events.flush()
        self._last_save = time.monotonic()

    def _checkpoint(self, record: Mapping[str, Any]) -> Checkpoint:
        return Checkpoint(
            settings=self._gan,
            class_names=tuple(self._digits.class_names),
            image_shape=self._digits.image_shape,
            generator=get_weights(self._state.average),
            screener=self._screener_weights,
            record=record,
        )

    def _samples(self, per_class: int) -> Digits:
        """The averaged generator's images for fixed seeds, one class after the other."""
        labels = np.repeat(np.arange(self._digits.classes, dtype=np.uint8), per_class)
        indices = np.tile(np.arange(per_class), self._digits.classes)
        return Digits(self._images(labels, indices), labels, self._digits.class_names)

    def _images(self, labels: Labels, indices: NDArray[np.int64]) -> Images:
        seeds = image_seeds(self._run.seed, labels.tolist(), indices.tolist(), [0] * len(labels))
        return self._sampler.images(draw_latents(seeds, self._gan.latent), labels)

    def _draw_samples(self) -> None:
        side = self._run.grid
        images = self._samples(side).images if self._gan.conditional else self._images(np.zeros(side**2, np.uint8), np.arange(side**2))
        self._storage.write_bytes(f"samples/{self.step:06d}.png", encode_png(grid(images, side), zoom=2), durable=False)

    def agreement(self) -> float | None:
        """Share of samples in which the screening classifier sees the class that was asked for, 0..1."""
        if not self._gan.conditional:
            return None
        samples = self._samples(PER_CLASS_AGREEMENT)
        return float(np.mean(self._screener.probabilities(samples.images).argmax(1) == samples.labels))


def _progress_note(metrics: Mapping[str, float], speed: float) -> str:
    losses = f"D {metrics['discriminator_loss']:.2f} G {metrics['generator_loss']:.2f}"
    return f"{losses}, real {metrics['real_accuracy']:.0%} fake {metrics['fake_accuracy']:.0%} right, {speed:.0f} images/s"


def _saved_state(storage: Storage, identity: Mapping[str, Any], resume: bool) -> tuple[Weights, dict[str, Any]] | None:
    if not storage.exists(STATE):
        if storage.exists(RECORD):
            raise ResumeError(f"{storage.url} holds a checkpoint without a training to resume. Name another --out to keep it.")
        if resume:
            raise ResumeError(f"Expected a training to resume in {storage.url}, found none. Leave --resume away to begin one.")
        return None
    if not resume:
        raise ResumeError(f"{storage.url} already holds a training. Add --resume to go on with it, or name another --out.")
    try:
        record = json.loads(storage.read_bytes(STATE))
    except ValueError as error:
        raise CheckpointError(f"{storage.url}/{STATE} is damaged: {error}. Begin anew in another --out.") from error
    if fingerprint(record["identity"]) != fingerprint(identity):
        raise ResumeError(
            f"The training in {storage.url} was begun with other settings: {_differences(record['identity'], identity)}. Name another --out."
        )
    content = storage.read_bytes(record["file"])
    if hashlib.sha256(content).hexdigest() != record["sha256"]:
        raise CheckpointError(
            f"{storage.url}/{record['file']} is damaged (its SHA-256 differs from the one in {STATE}). Begin anew in another --out."
        )
    return safetensors.numpy.load(content), record


def _differences(before: Mapping[str, Any], now: Mapping[str, Any]) -> str:
    flat_before, flat_now = ({**side["gan"], **{k: v for k, v in side.items() if k != "gan"}} for side in (before, now))
    pairs = {name: (flat_before.get(name), json.loads(json.dumps(value))) for name, value in flat_now.items()}
    return ", ".join(f"{name} was {old}, is {new}" for name, (old, new) in pairs.items() if old != new)


def _screener_of(arrays: Weights) -> Weights:
    return {name.removeprefix("screener/"): array for name, array in arrays.items() if name.startswith("screener/")}


def _check_finite(metrics: Mapping[str, float], step: int, folder: str) -> None:
    bad = [name for name, value in metrics.items() if not np.isfinite(value)]
    if bad:
        raise TrainingDiverged(
            f"Training diverged before step {step}: {', '.join(bad)} not finite. What was saved in {folder} before is kept. "
            "Lower --generator-rate and --discriminator-rate or raise --r1-gamma, and train into another --out."
        )


def _machine() -> dict[str, Any]:
    devices = [device.device_type for device in tf.config.list_logical_devices()]
    return {"system": platform.system(), "processor": platform.processor() or platform.machine(), "cores": os.cpu_count(), "devices": devices}


@contextlib.contextmanager
def _stop_signal() -> Iterator[threading.Event]:
    """An event that Ctrl-C or SIGTERM sets, so that a training ends between two steps and never within one."""
    stop = threading.Event()
    if threading.current_thread() is not threading.main_thread():
        yield stop
        return
    before = {number: signal.signal(number, lambda *_: stop.set()) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
