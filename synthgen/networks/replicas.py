"""TODO."""

from collections.abc import Callable, Sequence
from typing import Any

from synthgen.networks.backend import tf


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
