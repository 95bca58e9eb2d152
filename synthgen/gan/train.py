"""The training of a GAN: screening classifier, then the GAN, to the last step or to Ctrl-C.

What it writes:
    FOLDER/checkpoint.json, *.safetensors   the last checkpoint, usable at any time
    FOLDER/best/                            the checkpoint that was most useful on validation digits
    FOLDER/good/                            after an alarm: the last checkpoint from before it
    FOLDER/training/                        the state to go on from (resume.py), the log (log.py)
    FOLDER/samples/000200.png               one row a class (or a square, without classes), from
                                            the same latents each time
    FOLDER/samples/animation.webp           all of these, one after the other
"""

import contextlib
import dataclasses

from synthgen.errors import Interrupted
from synthgen.gan.devices import Devices, find_devices
from synthgen.gan.job import TrainingJob, TrainingResult
from synthgen.gan.machines import Follower, together
from synthgen.gan.resume import load_run
from synthgen.gan.run import Run, begin_run, lock_folder, stop_signal
from synthgen.networks.shapes import check_image_shape
from synthgen.records import fingerprint
from synthgen.storage import open_storage


def train(job: TrainingJob, *, resume: bool = False) -> TrainingResult:
    """Train a GAN and leave a checkpoint.

    On several machines (see `train_on_machines`) each of them calls this in the same way.

    Args:
        job: what is to be trained, on which digits, where.
        resume: go on from the state in `job.out`; at constant rates (`decay_from` 1) with more
            steps, too.

    Returns:
        What the training came to.

    Raises:
        ResumeError: if `job.out` holds a training and resume is False, or one with other settings.
        TrainingDiverged: if a loss is not finite or exploded; the last good checkpoint is kept.
        Interrupted: after Ctrl-C, even if that came during the last steps; the state is saved.
        WorkerLost: if another machine is gone.
        SettingsError: if the batch cannot be shared out among the devices, or the machines do not
            begin with the same training.
    """
    check_image_shape(job.digits.image_shape)
    devices = find_devices()
    devices.check_batch(job.gan.batch)
    if devices.workers > 1:
        return train_on_machines(job, devices, resume=resume)

    storage = open_storage(job.out)
    storage.check_writable()
    with lock_folder(storage):
        run = begin_run(job, load_run(storage, job.identity, resume), devices.strategy)
        with stop_signal() as stop, run.progress_bar() as bar:
            while run.step < job.gan.steps and not stop.is_set():
                run.advance(bar)
        run.finish()

    if stop.is_set():
        raise Interrupted(
            f"Stopped after step {run.step} of {job.gan.steps}; all is saved. "
            "Run the same command with --resume to go on."
        )
    return run.result()


def train_on_machines(job: TrainingJob, devices: Devices, *, resume: bool) -> TrainingResult:
    """Train a GAN together with the other machines; see `train` for arguments and errors."""
    storage = open_storage(job.out)
    lock: contextlib.AbstractContextManager[None] = contextlib.nullcontext()
    if devices.chief:
        storage.check_writable()
        lock = lock_folder(storage)

    with lock, devices.watched():
        # the same training at the same step everywhere?
        saved = load_run(storage, job.identity, resume)
        step = int(saved.arrays["step"]) if saved else 0
        devices.check_alike(step, fingerprint([job.identity, dataclasses.asdict(job.run)]))
        run: Run | Follower
        if devices.chief:
            run = begin_run(job, saved, devices.strategy)
        else:
            run = Follower(job, saved, devices.strategy)

        # to the last step, or until one of the machines is to stop
        stopped = False
        with stop_signal() as stop, run.progress_bar() as bar:
            while run.step < job.gan.steps and not stopped:
                stopped = together(devices, lambda: run.advance(bar), stop.is_set)
        together(devices, run.finish)

    if stopped:
        raise Interrupted(
            f"Stopped after step {run.step} of {job.gan.steps}; all is saved. "
            "Run the same command with --resume to go on."
        )
    return run.result()
