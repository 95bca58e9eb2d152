"""The devices and machines of a training, found by tf.distribute.

A step of them all is the step of one device on the same batch: each replica takes its rows of the
batch that one device would draw, and means (losses, gradients, the moments of BatchNorm) are means
over the rows of all replicas, so that the weights stay equal everywhere. On one device nothing is
added.
"""

import contextlib
import functools
import json
import os
import platform
import signal
import sys
import threading
from collections.abc import Iterator
from typing import Any, NamedTuple

from synthgen.errors import SettingsError, WorkerLost
from synthgen.networks.backend import tf
from synthgen.signals import ending_signals

TF_CONFIG_FORM = (
    '{"cluster": {"worker": ["host0:port", "host1:port"]}, "task": {"type": "worker", "index": 0}}'
)
MACHINE_LOST = (
    tf.errors.UnavailableError,
    tf.errors.AbortedError,
    tf.errors.CancelledError,
    tf.errors.DeadlineExceededError,
)


class Devices(NamedTuple):
    """What a training runs on.

    Args:
        strategy: spreads it over the devices; TensorFlow's default strategy on one device.
        worker: this machine's place among the machines; 0 is the chief, the only one that writes
            files.
        workers: number of machines.
    """

    strategy: Any
    worker: int
    workers: int

    @property
    def chief(self) -> bool:
        """Whether this machine writes the files."""
        return self.worker == 0

    def check_batch(self, batch: int) -> None:
        """Make sure that every device gets the same number of images.

        Raises:
            SettingsError: naming the nearest batch that can be shared out.
        """
        count = self.strategy.num_replicas_in_sync
        if batch % count:
            nearest = count * max(1, round(batch / count))
            raise SettingsError(
                f"--batch: expected a multiple of the {count} devices that share it, "
                f"received {batch}. Use --batch {nearest}, or fewer devices "
                "(CUDA_VISIBLE_DEVICES names the GPUs to use, TF_CONFIG the machines)."
            )

    def all_gather(self, number: int) -> list[int]:
        """Give all machines a number, and wait for theirs.

        Returns:
            One number a machine, the chief's first.
        """
        if self.workers == 1:
            return [number]
        # the sum of rows with zeros in the places of the others
        row = [0] * self.workers
        row[self.worker] = number
        gathered = self.strategy.reduce("SUM", tf.constant(row, tf.int64), axis=None)
        return [int(each) for each in gathered.numpy()]

    def check_alike(self, step: int, identity: str) -> None:
        """Make sure that all machines begin with the same training at the same step.

        Args:
            step: that this machine begins with.
            identity: fingerprint of settings and training data, hexadecimal.

        Raises:
            SettingsError: on every machine, if they differ.
        """
        steps = self.all_gather(step)
        identities = self.all_gather(int(identity[:15], 16))
        if len(set(steps)) > 1:
            raise SettingsError(
                f"Expected all machines to begin at the same step, received {steps}. "
                "--out must be a folder that all of them share."
            )
        if len(set(identities)) > 1:
            raise SettingsError(
                "Expected the same settings and the same training digits on all machines, "
                "received different ones. Give each the same command and data."
            )

    def check_single(self, what: str) -> None:
        """Make sure that there is one machine only.

        Raises:
            SettingsError: naming what needs that.
        """
        if self.workers > 1:
            raise SettingsError(
                f"{what}: expected one machine (with any number of GPUs), "
                f"received TF_CONFIG with {self.workers}. Unset TF_CONFIG."
            )

    @contextlib.contextmanager
    def watched(self) -> Iterator[None]:
        """Say in plain words that another machine of the training is gone.

        Raises:
            WorkerLost: instead of what TensorFlow raises then.
        """
        try:
            yield
        except MACHINE_LOST as error:
            if self.workers == 1:
                raise
            raise WorkerLost(
                f"Another of the {self.workers} machines of this training was killed, crashed or "
                f"cannot be reached any more; this is {self.worker}. What was saved before is "
                "kept: run the same command on all machines to go on from there, with --resume if "
                "anything was saved."
            ) from error


@functools.cache
def find_devices() -> Devices:
    """Find all machines that TF_CONFIG names, or else all GPUs of this machine, or else its CPU.

    The first call belongs before anything else that runs in TensorFlow; with TF_CONFIG it waits
    until all machines are there.

    Raises:
        SettingsError: if TF_CONFIG is not of the usual form, or TensorFlow is running already.
    """
    worker, workers = place_among_machines(os.environ.get("TF_CONFIG", ""))
    if workers > 1:
        return Devices(_join_machines(worker, workers), worker, workers)
    local = tf.config.list_logical_devices("GPU") or tf.config.list_logical_devices("CPU")
    several = len(local) > 1
    strategy = tf.distribute.MirroredStrategy() if several else tf.distribute.get_strategy()
    return Devices(strategy, worker, workers)


def place_among_machines(config: str) -> tuple[int, int]:
    """Read TF_CONFIG.

    Args:
        config: its value; "" where it is not set.

    Returns:
        This machine's place among the machines (0 is the chief), and their number.

    Raises:
        SettingsError: if it is not of the usual form.
    """
    try:
        content = json.loads(config or "{}")
        cluster = content.get("cluster") or {}
        places = [
            (kind, index)
            for kind in ("chief", "worker")
            for index in range(len(cluster.get(kind, ())))
        ]
        if not cluster:
            return 0, 1
        task = content["task"]
        return places.index((task["type"], int(task["index"]))), len(places)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise SettingsError(
            f"TF_CONFIG: expected {TF_CONFIG_FORM}, received {config}. "
            "Correct it, or remove it from the environment."
        ) from error


def _join_machines(worker: int, workers: int) -> Any:
    """Wait until all machines are there, and return the strategy that spreads a step over them."""
    print(
        f"Waiting for the {workers} machines of TF_CONFIG; this is {worker}.",
        file=sys.stderr,
        flush=True,
    )
    # signals end the process at once meanwhile: TensorFlow does not let Python see them
    in_main = threading.current_thread() is threading.main_thread()
    before = {
        number: signal.signal(number, signal.SIG_DFL) for number in ending_signals() if in_main
    }
    try:
        return tf.distribute.MultiWorkerMirroredStrategy()
    except RuntimeError as error:
        raise SettingsError(
            "TF_CONFIG names several machines: expected the training to begin before anything "
            f"else runs in TensorFlow, received: {error}. Begin it in a process of its own."
        ) from error
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def describe_training_machine() -> dict[str, Any]:
    """Describe the machine that trains, for the record of a checkpoint."""
    gpus = [
        tf.config.experimental.get_device_details(gpu).get("device_name", "GPU")
        for gpu in tf.config.list_physical_devices("GPU")
    ]
    return {
        "system": platform.system(),
        "processor": platform.processor() or platform.machine(),
        "cores": os.cpu_count(),
        "devices": ["CPU", *gpus],
    }
