"""Pixels on their way into the networks; `datasets.pixels.to_uint8` is the way back."""

from typing import Any

from synthgen.networks.backend import tf


def to_float(images: Any) -> Any:
    """Scale uint8 0..255 to float32 -1..1, the range of tanh; any shape."""
    return tf.cast(images, tf.float32) / 127.5 - 1.0
