"""One training under way: it goes on from row to row of its log, watches itself, and saves."""

import dataclasses
import json
import math
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from tqdm import tqdm

from synthgen.classifiers.screener import train_screener
from synthgen.config import GanSettings, TrainSettings
from synthgen.datasets.digits import Digits
from synthgen.datasets.pixels import encode_png
from synthgen.errors import SynthgenError, TrainingDiverged
from synthgen.gan.alarms import brewing, divergence, exploding, find_alarms
from synthgen.gan.checkpoint import RECORD, Checkpoint, read_checkpoint, write_checkpoint
from synthgen.gan.log import RunLog
from synthgen.gan.monitor import Observer, Snapshot
from synthgen.gan.saved import SavedRun, run_options, save_run
from synthgen.gan.step import METRICS, GanState, make_runner
from synthgen.networks.backend import tf
from synthgen.networks.weights import get_weights
from synthgen.records import versions
from synthgen.storage import Storage
from synthgen.weights import Weights

BEST, GOOD = "best", "good"


@dataclass(frozen=True)
class Job:
    """What is to be trained, where, on what, and what its checkpoints say of that."""

    storage: Storage
    digits: Digits
    validation: Digits | None
    gan: GanSettings
    run: TrainSettings
    identity: Mapping[str, Any]
    record: Mapping[str, Any]
    screener: Weights | None = None
    strategy: Any = None
    data: str = ""

    def next_goal(self, step: int) -> int:
        """The step after which there is something to do beside training."""
        every = (self.run.log_every, self.run.samples_every, self.run.watch_every)
        return min(self.gan.steps, *(each * (step // each + 1) for each in every))


class Run:
    """One training under way."""

    def __init__(self, job: Job, saved: SavedRun | None) -> None:
        self._job, self._log = job, RunLog(job.storage, saved.log if saved else None)
        self._seconds_before, self._started = saved.seconds if saved else 0.0, time.monotonic()
        self._state = GanState(job.gan, job.digits, job.run.seed, job.strategy)
        if saved:
            self._state.restore(saved.arrays)
        self.step = int(self._state.step.numpy())
        self._finished = self.step >= job.gan.steps  # before this run: then it changes nothing
        if saved and not self._finished:
            self._log.note("resumed", self.step)
        self._screener = (
            saved.screener if saved else job.screener or train_screener(job.digits, job.run.seed)
        )
        self._runner = make_runner(self._state, job.digits)
        self._kept = Snapshot(
            self._state.average, job.gan, job.digits.image_shape, job.digits.classes
        )
        self._observer = Observer(
            self._kept,
            job.gan,
            job.run,
            job.digits,
            job.validation,
            self._screener,
            self._log.last_score(),
        )
        self._alarms = find_alarms(self._log.rows, job.gan)
        self.best = _best_so_far(job.storage) if saved else None
        self._saved = _saved_step(job.storage) if saved else None
        if saved:
            self._last_save = time.monotonic()
        else:
            self._save_state()  # before all else is written: whatever stops it, it can go on

    @property
    def seconds(self) -> float:
        """Training time so far, over all runs."""
        return self._seconds_before + (0.0 if self._finished else time.monotonic() - self._started)

    def progress(self) -> Any:
        """A progress bar over the steps, silent where there is no terminal."""
        return tqdm(
            total=self._job.gan.steps, initial=self.step, unit="step", desc="train", disable=None
        )

    def advance(self, bar: Any) -> None:
        """Run up to the next line of the log; look, score, draw a grid and save where due."""
        run, before = self._job.run, time.monotonic()
        count = self._job.next_goal(self.step) - self.step
        metrics = dict(zip(METRICS, self._runner(tf.constant(count)).numpy().tolist(), strict=True))
        self.step += count
        # a batch an update of the generator, however many critic steps
        speed = count * self._job.gan.batch / (time.monotonic() - before)
        self._log_row(metrics, speed)
        bar.update(count)
        bar.set_postfix_str(_progress_note(metrics, speed), refresh=False)
        self._raise_alarms(bar)
        if self.step % run.samples_every == 0 or self.step == self._job.gan.steps:
            self._job.storage.write_bytes(
                f"samples/{self.step:06d}.png",
                encode_png(self._observer.sheet(self.step), zoom=2),
                durable=False,
            )
        if time.monotonic() - self._last_save > 60 * run.save_minutes and self._is_worth_saving():
            self.save()

    def _is_worth_saving(self) -> bool:
        """Not where trouble seems to begin: what was saved last is then from before it, should it last."""
        rows = self._log.rows
        return not exploding(rows) and (bool(self._alarms) or not brewing(rows, self._job.gan))

    def _log_row(self, metrics: Mapping[str, float], speed: float) -> None:
        seen = (
            self._observer.figures(self.step) if all(map(math.isfinite, metrics.values())) else {}
        )
        self._log.add(
            {
                "step": self.step,
                "seconds": round(self.seconds, 1),
                "images_per_second": round(speed, 1),
            }
            | dict(metrics)
            | seen
        )
        usefulness = seen.get("usefulness")
        if usefulness is not None:
            self._keep_if_best(usefulness)

    def _keep_if_best(self, usefulness: float) -> None:
        best = self.best is None or usefulness > self.best[1]
        self._log.note("score", self.step, usefulness=usefulness, best=best)
        if best:
            self.best = self.step, usefulness
            write_checkpoint(f"{self._job.storage.url}/{BEST}", self._checkpoint())

    def _raise_alarms(self, bar: Any) -> None:
        """Say what trouble began, once, and stop where going on is useless."""
        before, self._alarms = self._alarms, find_alarms(self._log.rows, self._job.gan)
        for name in before.keys() - self._alarms.keys():
            self._log.note("recovered", self.step, name=name)
        for name, alarm in self._alarms.items():
            if name in before:
                continue
            bar.write(f"ALARM at step {alarm.step}, {name}: {alarm.message}", file=sys.stderr)
            if alarm.stops:
                raise self._diverged(alarm.step, alarm.message)
            self._log.note("alarm", alarm.step, name=name, message=alarm.message)
        if self._alarms and not before:
            self._keep_good(bar)

    def _keep_good(self, bar: Any) -> None:
        """Copy the last checkpoint if it was written before the trouble began: the next one will be of its time."""
        storage, since = self._job.storage, min(alarm.since for alarm in self._alarms.values())
        good = read_checkpoint(storage.url) if storage.exists(RECORD) else None
        if good is None or good.record["step"] >= since:
            bar.write(
                f"No checkpoint is kept in {storage.url}/{GOOD}: none is left from before step {since}, when it began.",
                file=sys.stderr,
            )
            return
        write_checkpoint(f"{storage.url}/{GOOD}", good)
        bar.write(
            f"The checkpoint of step {good.record['step']}, saved before, is kept in {storage.url}/{GOOD}.",
            file=sys.stderr,
        )

    def _diverged(self, step: int, message: str) -> TrainingDiverged:
        """Note that the training diverged -> the error to raise, which says so where it could not be noted."""
        failed = ""
        try:
            self._log.note("alarm", step, name="divergence", message=message)
            self._tell_last_checkpoint()
        except SynthgenError as error:
            failed = f" That could not be noted in the folder: {error}"
        return TrainingDiverged(
            f"Training diverged before step {step}: {message} {self._what_is_kept()}{failed}"
        )

    def _tell_last_checkpoint(self) -> None:
        """Write into the record of the last checkpoint what became of the training."""
        if self._saved is not None:
            last = read_checkpoint(self._job.storage.url)
            write_checkpoint(
                self._job.storage.url,
                dataclasses.replace(
                    last, record=dict(last.record) | {"alarms": self._log.alarms()}
                ),
            )

    def _what_is_kept(self) -> str:
        kept = f"The checkpoint of step {self._saved} in {self._job.storage.url} is kept."
        return "No checkpoint had been saved yet." if self._saved is None else kept

    def save(self) -> None:
        """Write the checkpoint, then the state to go on from.

        Raises:
            TrainingDiverged: if weights are no numbers; what was saved before is kept.
        """
        job, checkpoint = self._job, self._checkpoint()
        if not all(np.isfinite(array).all() for array in checkpoint.generator.values()):
            raise self._diverged(self.step, divergence("weights not finite", job.gan))
        write_checkpoint(job.storage.url, checkpoint)
        self._saved = self.step
        self._log.write()
        self._save_state()

    def _save_state(self) -> None:
        job, run = (
            self._job,
            SavedRun(self._state.export(), self._screener, self.seconds, self._log.content()),
        )
        save_run(job.storage, job.identity, run, run_options(job.run, job.data))
        self._last_save = time.monotonic()

    def _checkpoint(self) -> Checkpoint:
        self._kept.refresh(self.step)
        job, record = (
            self._job,
            {"step": self.step, "seconds": round(self.seconds, 1), "versions": versions()},
        )
        return Checkpoint(
            settings=job.gan,
            class_names=tuple(job.digits.class_names),
            image_shape=job.digits.image_shape,
            generator=get_weights(self._kept.model),
            screener=self._screener,
            record=dict(job.record)
            | record
            | {"measured": self.measured(), "alarms": self._log.alarms()},
        )

    def measured(self) -> dict[str, Any]:
        """The figures of the generator as it is, and what they were measured against (see `Observer.measured`)."""
        return self._observer.measured(self.step)

    def alarms(self) -> list[dict[str, Any]]:
        """Name, step and message of all alarms so far."""
        return self._log.alarms()


def _saved_step(storage: Storage) -> int | None:
    """Step of the last checkpoint, if there is one."""
    return int(json.loads(storage.read_bytes(RECORD))["step"]) if storage.exists(RECORD) else None


def _best_so_far(storage: Storage) -> tuple[int, float] | None:
    """Step and usefulness of the best checkpoint, if there is one."""
    if not storage.exists(f"{BEST}/{RECORD}"):
        return None
    record = json.loads(storage.read_bytes(f"{BEST}/{RECORD}"))
    return int(record["step"]), float(record["measured"]["usefulness"])


def _progress_note(metrics: Mapping[str, float], speed: float) -> str:
    losses = f"D {metrics['discriminator_loss']:.2f} G {metrics['generator_loss']:.2f}"
    right = f"real {metrics['real_accuracy']:.0%} fake {metrics['fake_accuracy']:.0%} right"
    gradients = (
        f"gradients D {metrics['discriminator_gradient']:.2g} G {metrics['generator_gradient']:.2g}"
    )
    return f"{losses}, {right}, {gradients}, {speed:.0f} images/s"


class Follower:
    """A training under way on another machine than the chief, which does the rest (see `Run`).

    Args:
        job: the chief's.
        saved: the state that the chief goes on from, too.
    """

    def __init__(self, job: Job, saved: SavedRun | None) -> None:
        self._job, self._started = job, time.monotonic()
        self._state = GanState(job.gan, job.digits, job.run.seed, job.strategy)
        if saved:
            self._state.restore(saved.arrays)
        self.step = int(self._state.step.numpy())
        self._runner = make_runner(self._state, job.digits)

    @property
    def seconds(self) -> float:
        """Time since the beginning of this run."""
        return time.monotonic() - self._started

    def progress(self) -> Any:
        """No progress bar: that is the chief's."""
        return tqdm(disable=True)

    def advance(self, _: Any) -> None:
        """Run as many steps as the chief does up to the next line of its log."""
        goal = self._job.next_goal(self.step)
        # waits, so that a stop signal and a lost machine are seen here
        self._runner(tf.constant(goal - self.step)).numpy()
        self.step = goal
