"""Several devices and several machines, by tf.distribute: a step of them all is the step of one device on the same batch.

Each replica takes its rows of the draws that one device would make. Means are means over the rows
of all replicas (losses, gradients, the moments of BatchNorm), so the weights stay equal everywhere.
On one device nothing is added.
"""

import contextlib
import functools
import json
import os
import signal
import sys
import threading
from collections.abc import Iterator
from typing import Any, NamedTuple

from synthgen.errors import SettingsError, WorkerLost
from synthgen.networks.backend import tf

FORM = (
    '{"cluster": {"worker": ["host0:port", "host1:port"]}, "task": {"type": "worker", "index": 0}}'
)
LOST = (
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
                f"--batch: expected a multiple of the {count} devices that share it, received {batch}. Use --batch {nearest}, "
                "or fewer devices (CUDA_VISIBLE_DEVICES names the GPUs to use, TF_CONFIG the machines)."
            )

    def tell(self, number: int) -> list[int]:
        """Tell all machines a number and wait for theirs: one a machine, the chief's first."""
        if self.workers == 1:
            return [number]
        row = [number if place == self.worker else 0 for place in range(self.workers)]
        return [
            int(each)
            for each in self.strategy.reduce("SUM", tf.constant(row, tf.int64), axis=None).numpy()
        ]

    def check_alike(self, step: int, identity: str) -> None:
        """Make sure that all machines begin with the same training at the same step.

        Args:
            step: that this machine begins with.
            identity: fingerprint of settings and training data, hexadecimal.

        Raises:
            SettingsError: on every machine, if they differ.
        """
        steps, identities = self.tell(step), self.tell(int(identity[:15], 16))
        if len(set(steps)) > 1:
            raise SettingsError(
                f"Expected all machines to begin at the same step, received {steps}. --out must be a folder that all of them share."
            )
        if len(set(identities)) > 1:
            raise SettingsError(
                "Expected the same settings and the same training digits on all machines. Give each the same command and data."
            )

    def check_single(self, what: str) -> None:
        """Make sure that there is one machine only.

        Raises:
            SettingsError: naming what needs that.
        """
        if self.workers > 1:
            raise SettingsError(
                f"{what}: expected one machine (with any number of GPUs), received TF_CONFIG with {self.workers}. Unset TF_CONFIG."
            )

    @contextlib.contextmanager
    def watched(self) -> Iterator[None]:
        """Says in plain words that another machine of the training is gone.

        Raises:
            WorkerLost: instead of what TensorFlow raises then.
        """
        try:
            yield
        except LOST as error:
            if self.workers == 1:
                raise
            raise WorkerLost(
                f"Another of the {self.workers} machines of this training was killed, crashed or cannot be reached any more; this is {self.worker}. "
                "What was saved before is kept: run the same command on all machines to go on from there, with --resume if anything was saved."
            ) from error


@functools.cache
def find_devices() -> Devices:
    """All machines that TF_CONFIG names, or else all GPUs of this machine, or else its CPU.

    The first call belongs before anything else that runs in TensorFlow; with TF_CONFIG it waits
    until all machines are there. From then on GPUs add in the same order each time, as CPUs do:
    equal trainings end in equal bytes.

    Raises:
        SettingsError: if TF_CONFIG is not of the usual form, or TensorFlow is running already.
    """
    worker, workers = _place(os.environ.get("TF_CONFIG", ""))
    if tf.config.list_physical_devices("GPU"):
        tf.config.experimental.enable_op_determinism()
    if workers > 1:
        return Devices(_join(worker, workers), worker, workers)
    local = tf.config.list_logical_devices("GPU") or tf.config.list_logical_devices("CPU")
    return Devices(
        tf.distribute.MirroredStrategy() if len(local) > 1 else tf.distribute.get_strategy(),
        worker,
        workers,
    )


def _join(worker: int, workers: int) -> Any:
    """Wait until all machines are there.

    Meanwhile Ctrl-C, SIGTERM and SIGHUP end the process at once: TensorFlow does not let Python see
    them.
    """
    print(
        f"Waiting for the {workers} machines of TF_CONFIG; this is {worker}.",
        file=sys.stderr,
        flush=True,
    )
    in_main = threading.current_thread() is threading.main_thread()
    before = {
        number: signal.signal(number, signal.SIG_DFL)
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
        if in_main and signal.getsignal(number) is not signal.SIG_IGN
    }
    try:
        return tf.distribute.MultiWorkerMirroredStrategy()
    except RuntimeError as error:
        raise SettingsError(
            f"TF_CONFIG names several machines: begin the training before anything else runs in TensorFlow ({error})."
        ) from error
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _place(config: str) -> tuple[int, int]:
    """This machine's place among the machines, and their number."""
    try:
        content = json.loads(config or "{}")
        cluster = content.get("cluster") or {}
        places = [
            (kind, index)
            for kind in ("chief", "worker")
            for index in range(len(cluster.get(kind, ())))
        ]
        return (
            (places.index((content["task"]["type"], int(content["task"]["index"]))), len(places))
            if cluster
            else (0, 1)
        )
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise SettingsError(
            f"TF_CONFIG: expected {FORM}, received {config}. Correct it, or remove it from the environment."
        ) from error
