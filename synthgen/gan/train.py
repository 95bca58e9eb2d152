"""The training loop: screening classifier, then the GAN; logs, alarms, sample grids, checkpoints, exact resume, clean stop.

What it writes:
    FOLDER/checkpoint.json, *.safetensors   the last checkpoint, usable at any time
    FOLDER/best/                            the checkpoint that was most useful on validation digits (see `usefulness`)
    FOLDER/good/                            after an alarm: the last checkpoint from before the trouble began, if there is one
    FOLDER/training/                        the state to go on from (see `run_state`) and the log (see `run_log`)
    FOLDER/samples/000200.png               one row a class (or a square, without classes), the same latents each time
    FOLDER/samples/animation.webp           all of these, one after the other
"""

import contextlib
import dataclasses
import os
import platform
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any

from synthgen.config import GanSettings, TrainSettings
from synthgen.datasets.digits import Digits
from synthgen.errors import Interrupted, TrainingDiverged
from synthgen.gan.alarms import Alarm
from synthgen.gan.devices import Devices, find_devices
from synthgen.gan.log import ANIMATION, write_animation
from synthgen.gan.run import BEST, Follower, Job, Run
from synthgen.gan.saved import SavedRun, load_run
from synthgen.networks.backend import tf
from synthgen.networks.gan import check_image_shape
from synthgen.records import fingerprint
from synthgen.storage import Storage, open_storage
from synthgen.weights import Weights

DIVERGED = 2  # what the chief tells the other machines then; 1: stop


@dataclass(frozen=True, kw_only=True)
class Trained:
    """What a training came to.

    Args:
        folder: the last checkpoint.
        step: steps done.
        seconds: training time over all runs.
        label_agreement: share of samples in which the screening classifier sees the digit that was
            asked for; None where the generator cannot be asked for a class.
        usefulness: accuracy on validation digits of a small classifier trained on samples alone;
            None without validation digits.
        best_step: step of the most useful checkpoint, in FOLDER/best.
        best_usefulness: its usefulness.
        alarms: the trouble that was found, over all runs.
        chief: False on a machine that trained along: the figures are then the chief's alone.
    """

    folder: str
    step: int
    seconds: float
    label_agreement: float | None
    usefulness: float | None = None
    best_step: int | None = None
    best_usefulness: float | None = None
    alarms: tuple[Alarm, ...] = ()
    chief: bool = True

    def lines(self) -> list[str]:
        """The end of a training for a terminal."""
        if not self.chief:
            return [
                f"Trained    {self.step:,} steps in {self.seconds:,.0f} s, along with the chief",
                f"Checkpoint {self.folder}, written by the chief",
            ]
        usefulness = (
            "not scored"
            if self.usefulness is None
            else f"{self.usefulness:.2%} of validation digits read by a classifier of samples alone"
        )
        return [
            f"Trained    {self.step:,} steps in {self.seconds:,.0f} s",
            *(
                [f"Labels     {self.label_agreement:.2%} of samples show the digit asked for"]
                if self.label_agreement is not None
                else []
            ),
            f"Usefulness {usefulness}",
            *(
                [
                    f"Best       {self.folder}/{BEST}: step {self.best_step:,}, usefulness {self.best_usefulness:.2%}"
                ]
                if self.best_step
                else []
            ),
            *(
                f"ALARM      at step {alarm.step:,}, {alarm.name}: {alarm.message}"
                for alarm in self.alarms
            ),
            *([] if self.alarms else ["Alarms     none"]),
            f"Checkpoint {self.folder}, grids in samples/, log in training/log.csv",
        ]


def train(
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
    screener: Weights | None = None,
    data: str = "",
) -> Trained:
    """Train a GAN and leave a checkpoint.

    On several machines (see `devices`) each of them calls this alike; only the chief writes.

    Args:
        digits: the training digits.
        out: the folder to make, path or fsspec URL.
        gan: the recipe.
        run: seed, logging and saving.
        preset: name of the preset that the recipe comes from, for the record.
        source: where the digits come from, for the record.
        command: the command line, for the record.
        resume: go on from the state in `out`; at constant rates (`decay_from` 1) with more steps,
            too.
        validation: digits to watch the training with and to choose the best checkpoint on. They do
            not change its course. Without them nothing but `digits` is ever looked at: samples are
            compared with these, and none is scored.
        screener: weights of a screening classifier that was trained before; None: it is trained on
            `digits`.
        data: where the digits come from, as --data names it, for `run_state.begun_with`.

    Returns:
        A Trained value.

    Raises:
        ResumeError: if `out` holds a training and resume is False, or one with other settings.
        TrainingDiverged: if a loss is not finite or exploded; the last good checkpoint is kept.
        Interrupted: after Ctrl-C, even if that came during the last steps; the state is saved.
        WorkerLost: if another machine is gone.
        SettingsError: if the batch cannot be shared out among the devices, or the machines do not
            begin alike.
    """
    check_image_shape(digits.image_shape)
    devices = find_devices()
    devices.check_batch(gan.batch)
    storage = open_storage(out)
    if devices.chief:
        storage.check_writable()
    identity = {
        "gan": dataclasses.asdict(gan),
        "seed": run.seed,
        "preset": preset,
        "training_data": digits.sha256(),
    }
    trained_on = {"source": source, "sha256": identity["training_data"], "images": len(digits)}
    record = {
        "preset": preset,
        "seed": run.seed,
        "training_data": trained_on,
        "command": command,
        "machine": _machine(),
    }
    with locked(storage) if devices.chief else contextlib.nullcontext(), devices.watched():
        saved = load_run(storage, identity, resume)
        return _train(
            Job(
                storage,
                digits,
                validation,
                gan,
                run,
                identity,
                record,
                screener,
                devices.strategy,
                data,
            ),
            saved,
            devices,
        )


def locked(storage: Storage) -> AbstractContextManager[None]:
    """Keep a second training away from the folder: the two would overwrite each other's state."""
    return storage.exclusive(
        ".lock",
        f"Another training is running in {storage.url}. Wait for it to end, or use another --out.",
    )


def _train(job: Job, saved: SavedRun | None, devices: Devices) -> Trained:
    devices.check_alike(
        int(saved.arrays["step"]) if saved else 0,
        fingerprint([job.identity, dataclasses.asdict(job.run)]),
    )
    training = Run(job, saved) if devices.chief else Follower(job, saved)
    begun = training.step
    stopped = _advance_all(training, devices, job.gan.steps)
    if isinstance(training, Run):
        _together(
            devices, lambda: _save(training, job.storage, saved is None or training.step > begun)
        )
    else:
        _together(devices, lambda: None)  # until the chief has saved
    if stopped:
        raise Interrupted(
            f"Stopped after step {training.step} of {job.gan.steps}; all is saved. Run the same command with --resume to go on."
        )
    return _result(training, job.storage.url)


def _advance_all(training: Run | Follower, devices: Devices, steps: int) -> bool:
    """Go on to the last step, or until one of the machines is told to stop: then all stop after the same step -> whether one was told."""
    stopped = False
    with stop_signal() as stop, training.progress() as bar:
        while training.step < steps and not stopped:
            stopped = _together(devices, lambda: training.advance(bar), stop.is_set)
    return stopped


def _together(
    devices: Devices, work: Callable[[], None], is_to_stop: Callable[[], bool] = lambda: False
) -> bool:
    """Do this machine's part, then wait until all have done theirs -> whether one of them is to stop.

    Raises:
        TrainingDiverged: on all machines, if that is what the chief's part came to.
    """
    try:
        work()
    except TrainingDiverged:
        devices.tell(DIVERGED)
        raise
    told = devices.tell(int(is_to_stop()))
    if DIVERGED in told:
        raise TrainingDiverged(
            "Training diverged; the chief says how. What was saved before is kept."
        )
    return any(told)


def _save(training: Run, storage: Storage, changed: bool) -> None:
    """Save what is new, and make an animation of the grids, also where a kill came before it."""
    if changed:
        training.save()
    if changed or not storage.exists(ANIMATION):
        write_animation(storage)


def _result(training: Run | Follower, out: str) -> Trained:
    if isinstance(training, Follower):
        return Trained(
            folder=out,
            step=training.step,
            seconds=training.seconds,
            label_agreement=None,
            chief=False,
        )
    measured, (best_step, best) = training.measured(), training.best or (None, None)
    return Trained(
        folder=out,
        step=training.step,
        seconds=training.seconds,
        label_agreement=measured["label_agreement_by_screener"],
        usefulness=measured["usefulness"],
        best_step=best_step,
        best_usefulness=best,
        alarms=tuple(Alarm(**alarm) for alarm in training.alarms()),
    )


def _machine() -> dict[str, Any]:
    devices = [device.device_type for device in tf.config.list_logical_devices()]
    return {
        "system": platform.system(),
        "processor": platform.processor() or platform.machine(),
        "cores": os.cpu_count(),
        "devices": devices,
    }


@contextlib.contextmanager
def stop_signal() -> Iterator[threading.Event]:
    """Sets an event on Ctrl-C, SIGTERM or SIGHUP while the block runs, if it runs in the main thread."""
    stop = threading.Event()
    if threading.current_thread() is not threading.main_thread():
        yield stop
        return
    before = {
        number: signal.signal(number, lambda *_: stop.set())
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
        if signal.getsignal(number) is not signal.SIG_IGN  # as under nohup
    }
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
