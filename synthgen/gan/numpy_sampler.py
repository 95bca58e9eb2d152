"""The sampler of builds on CPUs: latents and labels to uint8 images by NumPy, no TensorFlow."""

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from synthgen.config import GanSettings
from synthgen.datasets.digits import Images
from synthgen.errors import CheckpointError
from synthgen.gan.checkpoint import Checkpoint
from synthgen.gan.per_class_sampler import PerClassSampler
from synthgen.networks.cost import cost_of
from synthgen.networks.inference import (
    Maps,
    Normalisation,
    PreparedConvolution,
    interleave,
    pass_images,
    rectify,
)
from synthgen.networks.shapes import ImageShape, Stage, check_scale, parse_stages, scale_of
from synthgen.weights import Weights, split_classes

Layer = Callable[[Maps, NDArray[Any]], Maps]  # maps and labels to maps; may change its input


class NumpySampler:
    """A generator that is ready to be called; from several threads at once, if that is wished.

    It draws what `networks.gan.build_generator` describes, up to rounding. Images go through it in
    passes of one fixed shape, each in the row that it has within its batch: an image is then a
    function of its own latent, label and row.

    Args:
        settings: the recipe.
        weights: of the generator, by name.
        image_shape: (height, width, channels).
        classes: number of classes.
        batch: rows of a batch.

    Raises:
        CheckpointError: if the weights do not fit the settings.
    """

    def __init__(
        self,
        settings: GanSettings,
        weights: Weights,
        image_shape: ImageShape,
        classes: int,
        batch: int,
    ) -> None:
        self.latent = settings.latent
        self.image_shape = image_shape
        self.batch = batch
        self._classes = classes
        self._condition = settings.condition
        expected = cost_of(settings, image_shape, classes).generator_parameters
        received = sum(array.size for array in weights.values())
        try:
            if received != expected:
                raise ValueError(f"expected {expected:,} numbers, received {received:,}")
            self._embeddings = weights.get("label_embedding/embeddings")
            self._layers = _generator_layers(settings, weights, image_shape)
            self._draw(np.zeros((1, self.latent), np.float32), np.zeros(1, np.int64))
        except (KeyError, ValueError, IndexError) as error:
            raise CheckpointError(
                "The weights do not fit the generator that the checkpoint's settings describe "
                f"({type(error).__name__}: {error}). Train it again."
            ) from error

    def images(self, latents: NDArray[np.float32], labels: NDArray[Any]) -> Images:
        """Generate one image a row.

        Args:
            latents: (n, latent) float32; rows of zeros stay empty.
            labels: (n,) integers below the number of classes.

        Returns:
            (n, height, width, channels) uint8, black in passes that have no other rows than empty
            ones.
        """
        images = np.zeros((len(labels), *self.image_shape), np.uint8)
        size = pass_images(self.batch)
        for first in range(0, len(labels), self.batch):
            last = min(first + self.batch, len(labels))
            for start in range(first, last, size):
                rows = slice(start, min(start + size, last))
                if not latents[rows].any():
                    continue
                padded_latents = np.zeros((size, self.latent), np.float32)
                padded_labels = np.zeros(size, np.int64)
                count = len(labels[rows])
                padded_latents[:count] = latents[rows]
                padded_labels[:count] = labels[rows]
                images[rows] = self._draw(padded_latents, padded_labels)[:count]
        return images

    @np.errstate(under="ignore")
    def _draw(self, latents: NDArray[np.float32], labels: NDArray[np.int64]) -> Images:
        """Take one pass through the generator: (n, latent), (n,) -> (n, h, w, c) uint8."""
        # the label joins the latent
        x = latents.T
        if self._condition == "concat":
            x = np.concatenate([x, np.eye(self._classes, dtype=np.float32)[:, labels]])
        elif self._condition == "projection":
            assert self._embeddings is not None
            x = np.concatenate([x, self._embeddings[labels].T])

        for layer in self._layers:
            x = layer(x, labels)

        # -1..1 to uint8, as `datasets.pixels.to_uint8` does, in place
        np.tanh(x, out=x)
        x += np.float32(1)
        x *= np.float32(127.5)
        np.rint(x, out=x)
        levels = x.clip(0, 255, out=x).astype(np.uint8)
        by_image = levels.reshape(*self.image_shape, -1).transpose(3, 0, 1, 2)
        return np.ascontiguousarray(by_image)


def _generator_layers(
    settings: GanSettings, weights: Weights, image_shape: ImageShape
) -> list[Layer]:
    """Prepare the layers of a generator, from the projection to what tanh reads."""
    check_scale("generator", settings.generator_stages, image_shape)
    stages = parse_stages(settings.generator_stages)
    scale = scale_of(settings.generator_stages)
    size = (image_shape[0] // scale, image_shape[1] // scale)

    def rectified(maps: Maps, _: NDArray[Any]) -> Maps:
        return rectify(maps, settings.generator_slope)

    def as_map(values: Maps, _: NDArray[Any]) -> Maps:
        return values.reshape(*size, settings.generator_channels[0], -1)

    def activated(name: str) -> list[Layer]:
        """Return normalisation and (leaky) ReLU, in the order of the recipe."""
        if settings.generator_norm == "none":
            return [rectified]
        norm = Normalisation.of(weights, f"{name}_norm")
        return [rectified, norm] if settings.norm_last else [norm, rectified]

    # the projection, which becomes a small map before or after it is normalised
    layers: list[Layer] = [_linear(weights, "project"), *activated("project")]
    if not settings.dense_generator:
        layers.insert(len(layers) if settings.norm_units else 1, as_map)

    # the stages, and the image
    map_size = size
    for stage in stages[:-1]:
        layers += [_stage(weights, stage, map_size), *activated(stage.name)]
        if stage.resizes:
            map_size = (2 * map_size[0], 2 * map_size[1])
    layers.append(_stage(weights, stages[-1]._replace(name="output"), map_size))
    return layers


def _linear(weights: Weights, name: str) -> Layer:
    """Prepare a fully connected layer, (in, n) to (units, n)."""
    kernel = np.ascontiguousarray(weights[f"{name}/kernel"].T)  # (units, in)
    bias = weights.get(f"{name}/bias")
    if bias is None:
        return lambda x, _: kernel @ x
    return lambda x, _: kernel @ x + bias[:, None]


def _stage(weights: Weights, stage: Stage, size: tuple[int, int]) -> Layer:
    """Prepare the layer of one stage; see `networks.gan.generator_stage`."""
    if stage.kind == "dense":
        return _linear(weights, stage.name)
    kernel = weights[f"{stage.name}/kernel"]
    bias = weights.get(f"{stage.name}/bias")
    convolution = (PreparedConvolution.up if stage.kind == "up" else PreparedConvolution.same)(
        size, kernel
    )

    def layer(maps: Maps, _: NDArray[Any]) -> Maps:
        results = convolution(maps)
        if bias is not None:
            for result in results:
                result += bias[:, None]
        if stage.kind == "pixels":
            # blocks of four channels become 2 x 2 pixels
            results = np.split(results[0], 4, axis=2)
        return results[0] if stage.kind == "same" else interleave(results)

    return layer


def load_numpy_sampler(checkpoint: Checkpoint, batch: int) -> NumpySampler | PerClassSampler:
    """Make the sampler of a trained generator, or of one a class.

    Args:
        checkpoint: the generator.
        batch: rows of a batch.

    Raises:
        CheckpointError: if the weights do not fit the settings.
    """
    classes = len(checkpoint.class_names)

    def load(weights: Weights, rows: int) -> NumpySampler:
        return NumpySampler(checkpoint.settings, weights, checkpoint.image_shape, classes, rows)

    if not checkpoint.per_class:
        return load(checkpoint.generator, batch)
    generators = split_classes(checkpoint.generator, classes)
    return PerClassSampler([load(weights, batch // classes) for weights in generators], batch)
