"""The same step on several devices: what replicas of tf.distribute do that one device need not.

Each replica sees its own rows of the batch. What must be known of all rows (losses, gradients, the
moments of BatchNorm, the minibatch layers) is exchanged here; on one device each of these functions
returns what it was given.
"""

from collections.abc import Callable, Sequence
from typing import Any

from synthgen.networks.backend import tf


def replica_count() -> int:
    """Return the number of devices on all machines that share the batch; 1 outside of a step."""
    context = tf.distribute.get_replica_context()
    return 1 if context is None else int(context.num_replicas_in_sync)


def replica_id() -> Any:
    """Return the place of the device that runs this among those that share the batch."""
    return tf.distribute.get_replica_context().replica_id_in_sync_group


def own_rows(values: Any, parts: int = 1, axis: int = 0) -> Any:
    """Take the rows of this replica.

    Args:
        values: what one device would have for the whole batch.
        parts: number of equal parts of the axis (batches, one after the other); the replica has its
            share of each.
        axis: of the rows.
    """
    if replica_count() == 1:
        return values
    size = tf.shape(values)[axis] // (parts * replica_count())
    starts = (tf.range(parts) * replica_count() + replica_id()) * size
    rows = tf.reshape(starts[:, None] + tf.range(size), (-1,))
    return tf.gather(values, rows, axis=axis)


def own_uniform(shape: Any, key: Any, axis: int) -> Any:
    """Draw uniform numbers for this replica's rows, the same that one device would draw for them.

    Args:
        shape: of what this replica needs.
        key: (2,) int64.
        axis: of the rows.

    Returns:
        float32 in 0..1 of that shape.
    """
    whole = _whole_shape(shape, axis)
    return own_rows(tf.random.stateless_uniform(whole, key, alg="philox"), axis=axis)


def own_random_bits(shape: Any, key: Any, batch: int | None) -> Any:
    """Draw 32 random bits a value for this replica's rows, the same that one device would draw.

    Args:
        shape: of what this replica needs; its first axis has the rows.
        key: (2,) int64.
        batch: images of a critic step on all replicas together; the rows are one or several such
            batches, one after the other (None: one).

    Returns:
        int32 of that shape.
    """
    whole = _whole_shape(shape, axis=0)
    bits = tf.random.stateless_uniform(whole, key, None, None, tf.int32, alg="philox")
    if replica_count() == 1:
        return bits
    return own_rows(bits, parts=whole[0] // batch if batch else 1)


def _whole_shape(shape: Any, axis: int) -> Any:
    """Return the shape that one device would need where this replica needs `shape`."""
    if replica_count() == 1:
        return shape
    shape = tf.convert_to_tensor(shape)
    return tf.where(tf.range(tf.size(shape)) == axis, shape * replica_count(), shape)


def all_reduce_mean(values: Sequence[Any]) -> list[Any]:
    """Return the means of tensors over all replicas, differentiable."""
    if replica_count() == 1:
        return list(values)
    return list(tf.distribute.get_replica_context().all_reduce("MEAN", list(values)))


def all_gather_rows(values: Any) -> Any:
    """Return the rows of all replicas, the first one's first, differentiable.

    Args:
        values: the rows of this replica, (n, ...).

    Returns:
        (replicas * n, ...).
    """
    if replica_count() == 1:
        return values
    # the sum over replicas of arrays with zeros in the places of the others
    own = tf.one_hot(replica_id(), replica_count(), dtype=values.dtype)
    spread = tf.reshape(own, (-1, *(1 for _ in values.shape))) * values[None]  # (replicas, n, ...)
    gathered = tf.distribute.get_replica_context().all_reduce("SUM", spread)
    return tf.reshape(gathered, (-1, *values.shape[1:]))


def normalise(images: Any, scale: Any, offset: Any, epsilon: float) -> tuple[Any, Any, Any]:
    """Normalise channels over the images of all replicas.

    Args:
        images: (n, h, w, c) float32.
        scale: (c,) float32.
        offset: (c,) float32.
        epsilon: added to the variance.

    Returns:
        The normalised images, the means (c,) and the unbiased variances (c,).
    """
    if replica_count() == 1:
        return tuple(tf.compat.v1.nn.fused_batch_norm(images, scale, offset, epsilon=epsilon))
    own_mean = tf.reduce_mean(images, (0, 1, 2))
    own_square = tf.reduce_mean(tf.square(images), (0, 1, 2))
    mean, square = all_reduce_mean([own_mean, own_square])
    variance = tf.maximum(square - tf.square(mean), 0.0)
    normalised = tf.nn.batch_normalization(images, mean, variance, offset, scale, epsilon)
    count = tf.cast(replica_count() * tf.size(images) // images.shape[3], tf.float32)
    return normalised, mean, variance * count / (count - 1)


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

    if isinstance(condition, bool):
        return run(condition)
    return tf.cond(condition, lambda: run(True), lambda: run(False))


def apply_gradients(optimizer: Any, gradients: Sequence[Any], variables: Sequence[Any]) -> None:
    """Update variables by gradients that are the same on all replicas.

    Keras's own `apply` would add those of the replicas up.
    """
    if replica_count() == 1:
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
    """Call function(a, b, ...) with the k-th variable of each group, on each device by itself.

    Args:
        function: assigns to its first argument.
        groups: of variables, equally many in each.
    """

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
