"""The one batched prediction of all classifiers: compiled once, for batches of one fixed shape."""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from synthgen.datasets.digits import Images
from synthgen.errors import DataError
from synthgen.networks.backend import keras, keras_defaults, tf

PREDICT_BATCH = 500
UNMOVED = ((0, 0),)


class Predictions(NamedTuple):
    """What a classifier makes of images.

    Args:
        features: (n, d) float32, what the last layer reads.
        probabilities: (n, classes) float32, rows summing to 1.
    """

    features: NDArray[np.float32]
    probabilities: NDArray[np.float32]


class Classifier:
    """A network that is asked in batches of one fixed shape.

    The last batch is filled up with black images. Another batch shape may round differently: with
    this one, an image is given the same probabilities whichever images it comes with.

    Args:
        network: one of `classifiers.networks`. Its weights are used as they are when it is asked.
        batch: images in one compiled call.
        shifts: (down, right) in pixels, -1 to 1 each: probabilities are the mean over the images
            moved by each of them; features are those of the first.
    """

    def __init__(
        self,
        network: keras.Model,
        batch: int = PREDICT_BATCH,
        shifts: Sequence[tuple[int, int]] = UNMOVED,
    ) -> None:
        self.network = network
        self._batch = batch
        self._image_shape = tuple(network.input_shape[1:])
        self._sizes = [output.shape[-1] for output in network.outputs]  # features, classes
        self._run = _compile_prediction(network, batch, shifts)

    @keras_defaults()
    def predict(self, images: Images) -> Predictions:
        """Return features and probabilities of images.

        Args:
            images: (n, height, width, channels) uint8.

        Raises:
            DataError: if they have another shape or dtype.
        """
        if images.dtype != np.uint8 or images.shape[1:] != self._image_shape:
            expected = ", ".join(map(str, self._image_shape))
            raise DataError(
                f"Expected uint8 images of shape (n, {expected}), "
                f"received {images.dtype} of shape {images.shape}."
            )
        features, probabilities = (np.empty((len(images), d), np.float32) for d in self._sizes)
        for start in range(0, len(images), self._batch):
            chunk = images[start : start + self._batch]
            padded = np.zeros((self._batch, *self._image_shape), np.uint8)
            padded[: len(chunk)] = chunk
            found = self._run(tf.constant(padded))
            features[start : start + len(chunk)] = found[0][: len(chunk)]
            probabilities[start : start + len(chunk)] = found[1][: len(chunk)]
        return Predictions(features, probabilities)

    def probabilities(self, images: Images) -> NDArray[np.float32]:
        """Return the probability of each class: (n, h, w, c) uint8 -> (n, classes) float32."""
        return self.predict(images).probabilities

    def features(self, images: Images) -> NDArray[np.float32]:
        """Return what the last layer reads: (n, h, w, c) uint8 -> (n, d) float32."""
        return self.predict(images).features


def _compile_prediction(
    network: keras.Model, batch: int, shifts: Sequence[tuple[int, int]]
) -> Callable[[tf.Tensor], tuple[tf.Tensor, tf.Tensor]]:
    shape = network.input_shape[1:]
    height, width = shape[:2]
    signature = [tf.TensorSpec((batch, *shape), tf.uint8)]

    @tf.function(input_signature=signature)  # type: ignore[untyped-decorator]
    def run(images: tf.Tensor) -> tuple[Any, Any]:
        padded = tf.pad(tf.cast(images, tf.float32), [[0, 0], [1, 1], [1, 1], [0, 0]])
        features = []
        probabilities = []
        for down, right in shifts:
            moved = padded[:, 1 - down : 1 - down + height, 1 - right : 1 - right + width]
            found = network(moved, training=False)
            features.append(found[0])
            probabilities.append(tf.nn.softmax(found[1]))
        return features[0], tf.add_n(probabilities) / len(shifts)

    return run  # type: ignore[no-any-return]
