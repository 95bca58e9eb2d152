"""One training under way: it goes on from line to line of its log, watches itself, and saves."""

import contextlib
import dataclasses
import math
import signal
import sys
import threading
import time
from collections.abc import Iterator
from typing import Any

import numpy as np
from tqdm import tqdm

from synthgen.classifiers.screener import train_screener
from synthgen.datasets.pixels import encode_png
from synthgen.errors import SynthgenError, TrainingDiverged
from synthgen.gan.alarms import Alarm, divergence, early_signs, exploding, find_alarms
from synthgen.gan.checkpoint import (
    CHECKPOINT_RECORD,
    Checkpoint,
    read_checkpoint,
    read_checkpoint_record,
    remove_former_weights,
    write_checkpoint,
)
from synthgen.gan.devices import describe_training_machine
from synthgen.gan.job import (
    BEST_FOLDER,
    GOOD_FOLDER,
    STEP_METRICS,
    TrainingJob,
    TrainingResult,
)
from synthgen.gan.log import ANIMATION, RunLog, sheet_file, write_animation
from synthgen.gan.monitor import Monitor
from synthgen.gan.resume import STATE_RECORD, SavedRun, run_options, save_run
from synthgen.gan.state import GanState
from synthgen.gan.step import make_runner
from synthgen.networks.backend import tf
from synthgen.records import versions
from synthgen.signals import ending_signals
from synthgen.storage import Storage, open_storage

# Of a training, the records that name files of weights.
RECORDS = (
    STATE_RECORD,
    CHECKPOINT_RECORD,
    f"{BEST_FOLDER}/{CHECKPOINT_RECORD}",
    f"{GOOD_FOLDER}/{CHECKPOINT_RECORD}",
)


def begin_run(job: TrainingJob, saved: SavedRun | None, strategy: Any = None) -> "Run":
    """Make the networks, or take them over from a saved training, and all that goes with them.

    Args:
        job: what is to be trained.
        saved: the state to go on from; None for a new training, whose screening classifier is then
            trained first and whose first state is saved.
        strategy: the devices that share the batch; None: one.
    """
    began = time.monotonic()
    storage = open_storage(job.out)

    # the networks, then the screening classifier
    state = GanState(job.gan, job.digits, job.run.seed, strategy)
    if saved:
        state.restore(saved.arrays)
        screener = saved.screener
    else:
        screener = job.screener or train_screener(job.digits, job.run.seed)

    # what has been seen so far
    log = RunLog(storage, saved.log if saved else None)
    monitor = Monitor(state.average, job, screener)
    monitor.last_score = log.last_score()

    if saved is None:
        run = Run(job, state, monitor, log, seconds=time.monotonic() - began)
        # before all else is written: whatever stops it, it can go on
        run.save_state()
        return run
    run = Run(job, state, monitor, log, seconds=saved.seconds)
    run.resumed_at = run.step
    last = read_checkpoint_record(job.out)
    if last:
        run.checkpoint_step = int(last["step"])
    best = read_checkpoint_record(f"{job.out}/{BEST_FOLDER}")
    if best:
        run.best = (int(best["step"]), float(best["measured"]["usefulness"]))
    if run.step < job.gan.steps:
        log.note("resumed", run.step)
    return run


class Run:
    """One training under way.

    Args:
        job: what is trained.
        state: networks, optimisers and step, which the training changes.
        monitor: looks at the samples.
        log: rows and events so far.
        seconds: training time so far.

    Attributes:
        step: steps done.
        best: step and usefulness of the checkpoint in FOLDER/best; None if there is none.
        checkpoint_step: step of the checkpoint in FOLDER; None if there is none.
        resumed_at: the step at which this run went on with a training; None for a new training.
    """

    def __init__(
        self, job: TrainingJob, state: GanState, monitor: Monitor, log: RunLog, *, seconds: float
    ) -> None:
        self.job = job
        self.state = state
        self.monitor = monitor
        self.log = log
        self.step = int(state.step.numpy())
        self.best: tuple[int, float] | None = None
        self.checkpoint_step: int | None = None
        self.resumed_at: int | None = None
        self._storage = open_storage(job.out)
        self._train_steps = make_runner(state, job.digits)
        self._alarms = find_alarms(log.rows, job.gan)
        self._seconds_before = seconds
        self._started = time.monotonic()
        self._last_save = time.monotonic()

    @property
    def seconds(self) -> float:
        """Training time so far, over all runs; a finished training takes no more."""
        if self.resumed_at == self.job.gan.steps:
            return self._seconds_before
        return self._seconds_before + time.monotonic() - self._started

    def progress_bar(self) -> Any:
        """Make a progress bar over the steps, silent where there is no terminal."""
        total = self.job.gan.steps
        return tqdm(total=total, initial=self.step, unit="step", desc="train", disable=None)

    def advance(self, bar: Any) -> None:
        """Train up to the next line of the log; look, score, draw a grid and save where due.

        Args:
            bar: the progress bar.

        Raises:
            TrainingDiverged: if it makes no sense to go on.
        """
        # train
        count = self.job.next_goal(self.step) - self.step
        began = time.monotonic()
        values = self._train_steps(tf.constant(count)).numpy().tolist()
        metrics = dict(zip(STEP_METRICS, values, strict=True))
        self.step += count
        # a batch an update of the generator, however many critic steps
        speed = count * self.job.gan.batch / (time.monotonic() - began)

        # the progress bar
        losses = f"D {metrics['discriminator_loss']:.2f} G {metrics['generator_loss']:.2f}"
        right = f"real {metrics['real_accuracy']:.0%} fake {metrics['fake_accuracy']:.0%} right"
        d_gradient = f"{metrics['discriminator_gradient']:.2g}"
        g_gradient = f"{metrics['generator_gradient']:.2g}"
        gradients = f"gradients D {d_gradient} G {g_gradient}"
        bar.update(count)
        bar.set_postfix_str(f"{losses}, {right}, {gradients}, {speed:.0f} images/s", refresh=False)

        # look at the samples, unless the networks are broken, and log
        generator_is_finite = bool(self.state.generator_is_finite())
        seen: dict[str, float | None] = {}
        if generator_is_finite and all(map(math.isfinite, metrics.values())):
            seen = self.monitor.figures(self.step)
        row: dict[str, float | None] = {
            "step": self.step,
            "seconds": round(self.seconds, 1),
            "images_per_second": round(speed, 1),
        }
        self.log.add(row | metrics | seen)

        # keep the checkpoint that is most useful
        usefulness = seen.get("usefulness")
        if usefulness is not None:
            is_best = self.best is None or usefulness > self.best[1]
            self.log.note("score", self.step, usefulness=usefulness, best=is_best)
            if is_best:
                self.best = (self.step, usefulness)
                write_checkpoint(f"{self.job.out}/{BEST_FOLDER}", self._checkpoint())

        # raise alarms, and stop where going on is useless
        self._raise_alarms(bar)
        if not generator_is_finite:
            raise self._diverged(self.step, divergence("weights not finite", self.job.gan))

        # draw a grid of samples
        if self.step % self.job.run.samples_every == 0 or self.step == self.job.gan.steps:
            picture = encode_png(self.monitor.sheet(self.step), zoom=2)
            self._storage.write_bytes(sheet_file(self.step), picture, durable=False)

        # save, but not where trouble seems to begin: what was saved last is then from before it
        due = time.monotonic() - self._last_save > 60 * self.job.run.save_minutes
        rows = self.log.rows
        if due and not exploding(rows) and (self._alarms or not early_signs(rows, self.job.gan)):
            self.save()

    def save(self) -> None:
        """Write the checkpoint, then the state to go on from.

        Raises:
            TrainingDiverged: if weights are not finite; what was saved before is kept.
        """
        weights = self.monitor.generator_weights(self.step)
        if not all(np.isfinite(array).all() for array in weights.values()):
            raise self._diverged(self.step, divergence("weights not finite", self.job.gan))
        write_checkpoint(self.job.out, self._checkpoint())
        self.checkpoint_step = self.step
        self.log.write()
        self.save_state()

    def save_state(self) -> None:
        """Write the state to go on from."""
        saved = SavedRun(
            arrays=self.state.export(),
            screener=self.monitor.screener,
            seconds=self.seconds,
            log=self.log.content(),
        )
        options = run_options(self.job.run, self.job.data, self.job.fitting)
        save_run(self._storage, self.job.identity, saved, options)
        self._last_save = time.monotonic()

    def finish(self) -> None:
        """Save what is new, and animate the grids, also where a kill came before that."""
        changed = self.step != self.resumed_at
        if changed:
            self.save()
        if changed or not self._storage.exists(ANIMATION):
            write_animation(self._storage)

    def result(self) -> TrainingResult:
        """Measure the generator as it is, and return that with what was found on the way."""
        measured = self.monitor.measured(self.step)
        best_step, best_usefulness = self.best or (None, None)
        alarms = tuple(
            Alarm(name=alarm["name"], step=alarm["step"], message=alarm["message"])
            for alarm in self.log.alarms()
        )
        return TrainingResult(
            folder=self.job.out,
            step=self.step,
            seconds=self.seconds,
            label_agreement=measured["label_agreement_by_screener"],
            usefulness=measured["usefulness"],
            best_step=best_step,
            best_usefulness=best_usefulness,
            alarms=alarms,
        )

    def _checkpoint(self) -> Checkpoint:
        """The generator as it is, with its record."""
        record = {
            "preset": self.job.preset,
            "seed": self.job.run.seed,
            "training_data": self.job.training_data(),
            "command": self.job.command,
            "machine": describe_training_machine(),
            "step": self.step,
            "seconds": round(self.seconds, 1),
            "versions": versions(),
            "measured": self.monitor.measured(self.step),
            "alarms": self.log.alarms(),
        }
        return Checkpoint(
            settings=self.job.gan,
            class_names=tuple(self.job.digits.class_names),
            image_shape=self.job.digits.image_shape,
            generator=self.monitor.generator_weights(self.step),
            screener=self.monitor.screener,
            record=record,
        )

    def _raise_alarms(self, bar: Any) -> None:
        """Say what trouble began, once, and stop where going on is useless."""
        before = self._alarms
        self._alarms = find_alarms(self.log.rows, self.job.gan)
        for name in before.keys() - self._alarms.keys():
            self.log.note("recovered", self.step, name=name)
        for name, alarm in self._alarms.items():
            if name in before:
                continue
            bar.write(f"ALARM at step {alarm.step}, {name}: {alarm.message}", file=sys.stderr)
            if alarm.stops:
                raise self._diverged(alarm.step, alarm.message)
            self.log.note("alarm", alarm.step, name=name, message=alarm.message)
        if before or not self._alarms:
            return

        # keep the last checkpoint if it is from before the trouble began: the next one will not be
        good_folder = f"{self.job.out}/{GOOD_FOLDER}"
        since = min(alarm.since for alarm in self._alarms.values())
        if self.checkpoint_step is None or self.checkpoint_step >= since:
            message = (
                f"No checkpoint is kept in {good_folder}: "
                f"none is left from before step {since}, when it began."
            )
        else:
            good = read_checkpoint(self.job.out)
            write_checkpoint(good_folder, good)
            message = (
                f"The checkpoint of step {good.record['step']}, saved before, "
                f"is kept in {good_folder}."
            )
        bar.write(message, file=sys.stderr)

    def _diverged(self, step: int, message: str) -> TrainingDiverged:
        """Note that the training diverged, and return the error to raise."""
        failed = ""
        try:
            self.log.note("alarm", step, name="divergence", message=message)
            if self.checkpoint_step is not None:
                # its record says what became of the training
                last = read_checkpoint(self.job.out)
                record = dict(last.record) | {"alarms": self.log.alarms()}
                write_checkpoint(self.job.out, dataclasses.replace(last, record=record))
        except SynthgenError as error:
            failed = f" That could not be noted in the folder: {error}"
        if self.checkpoint_step is None:
            kept = "No checkpoint had been saved yet."
        else:
            kept = f"The checkpoint of step {self.checkpoint_step} in {self.job.out} is kept."
        return TrainingDiverged(f"Training diverged before step {step}: {message} {kept}{failed}")


@contextlib.contextmanager
def lock_folder(storage: Storage) -> Iterator[None]:
    """Keep a second training away from the folder: the two would overwrite each other's state.

    What a training that was killed left there is removed.
    """
    busy = "Wait for it to end, or use another --out."
    with storage.exclusive(".lock", f"Another training is running in {storage.url}. {busy}"):
        clear_leftovers(storage)
        yield


def clear_leftovers(storage: Storage) -> None:
    """Remove what a training that was killed left: half-written files, weights of earlier steps.

    Args:
        storage: the training's folder, where nobody else is writing.
    """
    for folder in ("", "training", "samples", BEST_FOLDER, GOOD_FOLDER):
        storage.clear_leftovers(folder)
    for record in RECORDS:
        remove_former_weights(storage, record)


@contextlib.contextmanager
def stop_signal() -> Iterator[threading.Event]:
    """Yield an event that Ctrl-C, SIGTERM and other ending signals set while the block runs.

    Outside the main thread nothing sets it.
    """
    stop = threading.Event()
    if threading.current_thread() is not threading.main_thread():
        yield stop
        return
    before = {number: signal.signal(number, lambda *_: stop.set()) for number in ending_signals()}
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
