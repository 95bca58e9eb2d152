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
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

import tensorflow as tf

from synthgen.errors import SettingsError, WorkerLost

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
    """Wait until all machines are there; Ctrl-C ends the process at once, because TensorFlow would not let Python see it."""
    print(
        f"Waiting for the {workers} machines of TF_CONFIG; this is {worker}.",
        file=sys.stderr,
        flush=True,
    )
    in_main = threading.current_thread() is threading.main_thread()
    before = signal.signal(signal.SIGINT, signal.SIG_DFL) if in_main else None
    try:
        return tf.distribute.MultiWorkerMirroredStrategy()
    except RuntimeError as error:
        raise SettingsError(
            f"TF_CONFIG names several machines: begin the training before anything else runs in TensorFlow ({error})."
        ) from error
    finally:
        if in_main:
            signal.signal(signal.SIGINT, before)


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


def replicas() -> int:
    """Number of devices, over all machines, that share the batch with the one that runs this code; 1 outside of a step."""
    context = tf.distribute.get_replica_context()
    return 1 if context is None else int(context.num_replicas_in_sync)


def own_rows(values: Any, parts: int = 1, axis: int = 0) -> Any:
    """The rows of this replica: of each of `parts` equal parts of an axis the share that belongs to it."""
    if replicas() == 1:
        return values
    size = tf.shape(values)[axis] // (parts * replicas())
    starts = (tf.range(parts) * replicas() + _replica()) * size
    return tf.gather(values, tf.reshape(starts[:, None] + tf.range(size), (-1,)), axis=axis)


def own_uniform(shape: Any, key: Any, batch: int | None = None, axis: int = 0) -> Any:
    """Uniform numbers for this replica's rows, the same that one device would draw for them.

    Args:
        shape: of what this replica needs.
        key: (2,) int64.
        batch: images of a turn on all replicas together; the rows are one or several such batches,
            one after the other (None: one).
        axis: of the rows.

    Returns:
        float32 in 0..1 of that shape.
    """
    return _own_draw(
        lambda whole: tf.random.stateless_uniform(whole, key, alg="philox"), shape, batch, axis
    )


def own_words(shape: Any, key: Any, batch: int | None = None) -> Any:
    """Random words for this replica's rows, as `own_uniform` draws them: int32 of all values."""
    return _own_draw(
        lambda whole: tf.random.stateless_uniform(whole, key, None, None, tf.int32, alg="philox"),
        shape,
        batch,
        0,
    )


def _own_draw(draw: Callable[[Any], Any], shape: Any, batch: int | None, axis: int) -> Any:
    if replicas() == 1:
        return draw(shape)
    shape = tf.convert_to_tensor(shape)
    whole = tf.where(tf.range(tf.size(shape)) == axis, shape * replicas(), shape)
    return own_rows(draw(whole), whole[axis] // batch if batch else 1, axis)


def mean_over_replicas(values: Sequence[Any]) -> list[Any]:
    """Means of tensors over all replicas, differentiable."""
    return (
        list(values)
        if replicas() == 1
        else list(tf.distribute.get_replica_context().all_reduce("MEAN", list(values)))
    )


def all_rows(values: Any) -> Any:
    """(n, ...) -> (replicas * n, ...): the rows of all replicas, the first one's first, differentiable."""
    if replicas() == 1:
        return values
    own = tf.one_hot(_replica(), replicas(), dtype=values.dtype)  # 1 in the place of this replica
    spread = tf.reshape(own, (-1, *(1 for _ in values.shape))) * values[None]  # (replicas, n, ...)
    return tf.reshape(
        tf.distribute.get_replica_context().all_reduce("SUM", spread), (-1, *values.shape[1:])
    )


def normalise(images: Any, scale: Any, offset: Any, epsilon: float) -> tuple[Any, Any, Any]:
    """Normalise channels over the images of all replicas.

    Args:
        images: (n, h, w, c) float32.
        scale: (c,).
        offset: (c,).
        epsilon: added to the variance.

    Returns:
        The normalised images, the means (c,) and the unbiased variances (c,).
    """
    if replicas() == 1:
        return tuple(tf.compat.v1.nn.fused_batch_norm(images, scale, offset, epsilon=epsilon))
    mean, squares = mean_over_replicas(
        [tf.reduce_mean(images, (0, 1, 2)), tf.reduce_mean(tf.square(images), (0, 1, 2))]
    )
    variance = tf.maximum(squares - tf.square(mean), 0.0)
    count = tf.cast(replicas() * tf.size(images) // images.shape[3], tf.float32)
    return (
        tf.nn.batch_normalization(images, mean, variance, offset, scale, epsilon),
        mean,
        variance * count / (count - 1),
    )


def on_replicas(function: Callable[[Any], Any], condition: Any) -> Any:
    """Call function(condition) on all replicas and take the mean of what they return.

    Args:
        function: of a bool.
        condition: a bool, a Python one or a tensor. Replicas cannot meet within a branch of
            `tf.cond`, so that several of them are given a Python bool: the branch is taken around
            them all.
    """
    strategy = tf.distribute.get_strategy()
    if strategy.num_replicas_in_sync == 1:
        return function(condition)

    def run(known: bool) -> Any:
        return strategy.reduce("MEAN", strategy.run(function, args=(known,)), axis=None)

    return (
        run(condition)
        if isinstance(condition, bool)
        else tf.cond(condition, lambda: run(True), lambda: run(False))
    )


def apply_gradients(optimizer: Any, gradients: Sequence[Any], variables: Sequence[Any]) -> None:
    """Update variables by gradients that are the same on all replicas (Keras's own `apply` would add them up)."""
    if replicas() == 1:
        optimizer.apply(gradients, variables)
        return

    def update_all(strategy: Any, *known: Any) -> None:
        rate = tf.convert_to_tensor(optimizer.learning_rate)
        for variable, gradient in zip(variables, known, strict=True):
            strategy.extended.update(
                variable.value,
                lambda v, g: optimizer.update_step(g, v, rate),
                args=(gradient,),
                group=False,
            )
        optimizer.iterations.assign_add(1)

    tf.distribute.get_replica_context().merge_call(update_all, args=tuple(gradients))


def update(function: Callable[..., Any], *groups: Sequence[Any]) -> None:
    """Call function(a, b, ...) with the k-th variable of each group, which assigns to the first: on each device by itself."""

    def update_all(strategy: Any) -> None:
        for first, *others in zip(*groups, strict=True):
            strategy.extended.update(
                first.value, function, args=tuple(other.value for other in others), group=False
            )

    context = tf.distribute.get_replica_context()  # None where all replicas are seen from outside
    if context is None:
        update_all(tf.distribute.get_strategy())
    else:
        context.merge_call(update_all)


def _replica() -> Any:
    return tf.distribute.get_replica_context().replica_id_in_sync_group
