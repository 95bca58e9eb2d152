"""The screening classifier of builds on CPUs: images to probabilities by NumPy, no TensorFlow."""

import numpy as np
from numpy.typing import NDArray

from synthgen.datasets.digits import Images
from synthgen.errors import CheckpointError
from synthgen.networks.inference import Normalisation, PreparedConvolution, pass_images, rectify
from synthgen.networks.shapes import ImageShape
from synthgen.weights import Weights

STRIDES = (1, 2, 1)  # of the convolutions, see `classifiers.networks.build_screener`


class NumpyScreener:
    """A screening classifier that is ready to be asked, also from several threads at once.

    It computes what `classifiers.networks.build_screener` describes, up to rounding, in passes of
    one fixed shape.

    Args:
        weights: of the classifier, by name.
        image_shape: (height, width, channels).
        classes: number of classes.
        batch: rows of a batch.

    Raises:
        CheckpointError: if the weights do not fit the shape or the classes.
    """

    def __init__(self, weights: Weights, image_shape: ImageShape, classes: int, batch: int) -> None:
        self._image_shape = image_shape
        self._classes = classes
        self._batch = batch
        height, width, _ = image_shape
        size = (height // 2, width // 2)
        self._layers = []
        try:
            for k, stride in enumerate(STRIDES):
                convolution = PreparedConvolution.same(size, weights[f"conv{k}/kernel"], stride)
                norm = Normalisation.of(weights, f"conv{k}_norm")
                self._layers.append((convolution, norm))
                size = (size[0] // stride, size[1] // stride)
            self._kernel = np.ascontiguousarray(weights["logits/kernel"].T)  # (classes, features)
            self._bias = weights["logits/bias"][:, None]
            if len(self._kernel) != classes:
                raise ValueError(f"logits of {classes} classes, received {len(self._kernel)}")
            self._black = self._read(np.zeros((pass_images(batch), *image_shape), np.uint8))
        except (KeyError, ValueError) as error:
            raise CheckpointError(
                "The weights do not fit the screening classifier of images of shape "
                f"{image_shape} and {classes} classes ({type(error).__name__}: {error}). "
                "Train it again."
            ) from error

    def probabilities(self, images: Images) -> NDArray[np.float32]:
        """Return the probability of each class.

        Args:
            images: (n, height, width, channels) uint8.

        Returns:
            (n, classes) float32, rows summing to 1.
        """
        found = np.empty((len(images), self._classes), np.float32)
        size = pass_images(self._batch)
        for first in range(0, len(images), self._batch):
            last = min(first + self._batch, len(images))
            for start in range(first, last, size):
                rows = slice(start, min(start + size, last))
                count = len(images[rows])
                if not images[rows].any():
                    found[rows] = self._black[:count]  # rows that nothing was drawn in
                    continue
                padded = np.zeros((size, *self._image_shape), np.uint8)
                padded[:count] = images[rows]
                found[rows] = self._read(padded)[:count]
        return found

    def _read(self, images: Images) -> NDArray[np.float32]:
        """Take one pass: (n, h, w, c) uint8 -> (n, classes) float32."""
        # -1..1; 2 x 2 pixels become channels, and the images come last
        count, height, width, channels = images.shape
        blocks = images.reshape(count, height // 2, 2, width // 2, 2, channels)
        x = blocks.transpose(1, 3, 2, 4, 5, 0).astype(np.float32)
        x = x.reshape(height // 2, width // 2, 4 * channels, count)
        x /= np.float32(127.5)
        x -= np.float32(1)

        no_labels = np.zeros(count, np.int64)
        for convolution, norm in self._layers:
            x = rectify(norm(convolution(x)[0], no_labels))

        # pooling: the largest of 2 x 2; what is left over of odd sides is not read
        rows = x.shape[0] // 2 * 2
        columns = x.shape[1] // 2 * 2
        x = np.maximum(x[0:rows:2, :columns], x[1:rows:2, :columns])
        x = np.maximum(x[:, 0::2], x[:, 1::2])

        logits = self._kernel @ x.reshape(-1, count) + self._bias  # (classes, n)
        likelihoods = np.exp(logits - logits.max(axis=0))
        return np.ascontiguousarray((likelihoods / likelihoods.sum(axis=0)).T)
