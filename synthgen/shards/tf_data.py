"""Batches of a set as a `tf.data.Dataset`."""

import itertools
from collections.abc import Callable, Iterator
from typing import Any

import tensorflow as tf


def tf_batches(
    epoch_batches: Callable[[int], Iterator[tuple[Any, ...]]],
    image_shape: tuple[int, int, int],
    steps: int,
    weighted: bool = False,
) -> tf.data.Dataset:
    """Make a data set of batches that NumPy reads.

    Args:
        epoch_batches: makes the batches of an epoch, given its number: images and labels, both
            uint8, and float32 weights where there are any.
        image_shape: (height, width, channels).
        steps: batches of an epoch.
        weighted: whether there are weights.

    Returns:
        Another epoch with each pass over it.
    """
    signature = [
        tf.TensorSpec((None, *image_shape), tf.uint8),
        tf.TensorSpec((None,), tf.uint8),
    ]
    if weighted:
        signature.append(tf.TensorSpec((None,), tf.float32))
    epochs = itertools.count()
    dataset = tf.data.Dataset.from_generator(
        lambda: epoch_batches(next(epochs)), output_signature=tuple(signature)
    )
    dataset = dataset.apply(tf.data.experimental.assert_cardinality(steps))
    return dataset.prefetch(tf.data.AUTOTUNE)
