"""The networks: generator and discriminator of a conditional DCGAN, derived from the image shape and the settings."""

from typing import Any

import keras
import tensorflow as tf
from keras import layers

from synthgen.config import GanSettings
from synthgen.errors import DataError
from synthgen.gan.convolution import Convolution

ImageShape = tuple[int, int, int]


class ConditionalBatchNorm(layers.Layer):
    """Batch normalisation whose scale and shift are looked up by class.

    Normalises each channel over batch and space with batch moments in training and moving moments in inference, then
    applies gamma[class] and beta[class] (Dumoulin et al. 2017, https://arxiv.org/abs/1610.07629; for GANs: Miyato &
    Koyama 2018, https://arxiv.org/abs/1802.05637).

    Args:
        classes: number of classes.
        momentum: of the moving moments.
        epsilon: added to the variance.

    Call arguments:
        inputs: (n, height, width, channels) float32.
        labels: (n,) int32.
    """

    def __init__(self, classes: int, momentum: float = 0.99, epsilon: float = 1e-3, **options: Any) -> None:
        super().__init__(**options)
        self.classes, self.momentum, self.epsilon = classes, momentum, epsilon

    def build(self, input_shape: Any, *_: Any) -> None:
        """Make gamma and beta (classes, channels) and the moving moments (channels,)."""
        channels = input_shape[-1]
        self.gamma = self.add_weight(name="gamma", shape=(self.classes, channels), initializer="ones")
        self.beta = self.add_weight(name="beta", shape=(self.classes, channels), initializer="zeros")
        self.moving_mean = self.add_weight(name="moving_mean", shape=(channels,), initializer="zeros", trainable=False)
        self.moving_variance = self.add_weight(name="moving_variance", shape=(channels,), initializer="ones", trainable=False)

    def call(self, inputs: Any, labels: Any, training: bool = False) -> Any:
        """(n, h, w, c) float32, (n,) int32 -> (n, h, w, c) float32."""
        if training:
            return self._train(inputs) * _by_image(self.gamma.value, labels) + _by_image(self.beta.value, labels)
        scale = self.gamma * tf.math.rsqrt(self.moving_variance + self.epsilon)  # (classes, channels): two passes over the images
        return inputs * _by_image(scale, labels) + _by_image(self.beta - self.moving_mean * scale, labels)

    def _train(self, inputs: Any) -> Any:
        ones, zeros = tf.ones_like(self.moving_mean.value), tf.zeros_like(self.moving_mean.value)
        normalised, mean, variance = tf.compat.v1.nn.fused_batch_norm(inputs, ones, zeros, epsilon=self.epsilon)
        self.moving_mean.assign(self.moving_mean * self.momentum + mean * (1 - self.momentum))
        self.moving_variance.assign(self.moving_variance * self.momentum + variance * (1 - self.momentum))
        return normalised


def _by_image(table: Any, labels: Any) -> Any:
    """(classes, channels), (n,) -> (n, 1, 1, channels)."""
    return tf.gather(table, labels)[:, None, None, :]


class DepthToSpace(layers.Layer):
    """Sub-pixel up-sampling (Shi et al. 2016, https://arxiv.org/abs/1609.05158): (n, h, w, 4c) -> (n, 2h, 2w, c)."""

    def call(self, inputs: Any) -> Any:
        """Rearrange blocks of four channels into 2 x 2 pixels."""
        return tf.nn.depth_to_space(inputs, 2)


class SpaceToDepth(layers.Layer):
    """The inverse of DepthToSpace: (n, 2h, 2w, c) -> (n, h, w, 4c)."""

    def call(self, inputs: Any) -> Any:
        """Rearrange 2 x 2 pixels into blocks of four channels."""
        return tf.nn.space_to_depth(inputs, 2)


class Projection(layers.Layer):
    """The projection discriminator's output: w . f + b + e[class] . f (Miyato & Koyama 2018).

    Args:
        classes: number of classes.
        seed: of the initial weights.
    """

    def __init__(self, classes: int, seed: int = 0, **options: Any) -> None:
        super().__init__(**options)
        self.classes, self.seed = classes, seed

    def build(self, input_shape: Any, *_: Any) -> None:
        """Make the unconditional weights and one embedding a class."""
        features = input_shape[-1]
        self.kernel = self.add_weight(name="kernel", shape=(features, 1), initializer=keras.initializers.GlorotUniform(self.seed))
        self.bias = self.add_weight(name="bias", shape=(1,), initializer="zeros")
        self.embedding = self.add_weight(
            name="embedding", shape=(self.classes, features), initializer=keras.initializers.RandomUniform(-0.05, 0.05, seed=self.seed + 1)
        )

    def call(self, features: Any, labels: Any) -> Any:
        """(n, features) float32, (n,) int32 -> (n,) float32 logits."""
        by_class = tf.reduce_sum(features * tf.gather(self.embedding.value, labels), axis=1)
        return tf.squeeze(features @ self.kernel + self.bias, axis=1) + by_class


def check_image_shape(shape: ImageShape) -> None:
    """Make sure that the networks can be derived from this image shape.

    Raises:
        DataError: naming the nearest legal size.
    """
    height, width, channels = shape
    if height % 4 or width % 4 or min(height, width) < 8 or channels not in (1, 3):
        nearest = tuple(max(8, 4 * round(side / 4)) for side in (height, width))
        raise DataError(
            f"Expected images whose height and width are divisible by 4 (8 or more) with 1 or 3 channels, received {height} x {width} x {channels}. "
            f"The nearest legal size is {nearest[0]} x {nearest[1]}: pad or resize the images to it."
        )


class _Seeds:
    """Distinct seeds for the initial weights of one network."""

    def __init__(self, seed: int) -> None:
        self._next = seed * 1000

    def kernel(self) -> Any:
        self._next += 1
        return keras.initializers.GlorotUniform(self._next)

    def embedding(self) -> Any:
        self._next += 1
        return keras.initializers.RandomUniform(-0.05, 0.05, seed=self._next)

    def integer(self) -> int:
        self._next += 2
        return self._next


def build_generator(settings: GanSettings, shape: ImageShape, classes: int, seed: int = 0) -> keras.Model:
    """The generator: latent and label to an image.

    Dense to a quarter of the size, then one transposed convolution and one convolution at half of the size, each with
    class-conditional BatchNorm and ReLU, then sub-pixel output with tanh.

    Args:
        settings: the recipe.
        shape: (height, width, channels) of the images.
        classes: number of classes.
        seed: of the initial weights.

    Returns:
        A model [(n, latent) float32, (n,) int32] -> (n, height, width, channels) float32 in -1..1.
    """
    check_image_shape(shape)
    (height, width, channels), (first, second, third), seeds = shape, settings.generator_channels, _Seeds(2 * seed)
    latent, label = keras.Input((settings.latent,), name="latent"), keras.Input((), dtype="int32", name="label")

    def normalised(x: Any, name: str) -> Any:
        return layers.ReLU(name=f"{name}_relu")(ConditionalBatchNorm(classes, name=f"{name}_norm")(x, label))

    embedded = layers.Embedding(classes, settings.label_embedding, embeddings_initializer=seeds.embedding(), name="label_embedding")(label)
    x = layers.Concatenate(name="condition")([latent, embedded])
    x = layers.Dense(height // 4 * (width // 4) * first, use_bias=False, kernel_initializer=seeds.kernel(), name="project")(x)
    x = normalised(layers.Reshape((height // 4, width // 4, first), name="quarter")(x), "project")
    x = normalised(Convolution(second, "up", seeds.kernel(), use_bias=False, name="up")(x), "up")
    x = normalised(Convolution(third, "same", seeds.kernel(), use_bias=False, name="refine")(x), "refine")
    x = Convolution(4 * channels, "same", seeds.kernel(), name="output")(x)
    image = layers.Activation("tanh", name="tanh")(DepthToSpace(name="pixels")(x))
    return keras.Model([latent, label], image, name="generator")


def build_discriminator(settings: GanSettings, shape: ImageShape, classes: int, seed: int = 0) -> keras.Model:
    """The projection discriminator: image and label to a logit (positive: real).

    No normalisation of any kind: its slope is held by R1 alone.

    Args:
        settings: the recipe.
        shape: (height, width, channels) of the images.
        classes: number of classes.
        seed: of the initial weights.

    Returns:
        A model [(n, height, width, channels) float32 in -1..1, (n,) int32] -> (n,) float32 logits.
    """
    check_image_shape(shape)
    (first, second, third), seeds = settings.discriminator_channels, _Seeds(2 * seed + 1)
    image, label = keras.Input(shape, name="image"), keras.Input((), dtype="int32", name="label")

    def convolved(x: Any, channels: int, kind: str, name: str) -> Any:
        return layers.LeakyReLU(0.2, name=f"{name}_relu")(Convolution(channels, kind, seeds.kernel(), name=name)(x))

    x = convolved(SpaceToDepth(name="pixels")(image), first, "same", "input")
    x = convolved(x, second, "down", "down")
    x = convolved(x, third, "same", "refine")
    dense = layers.Dense(settings.discriminator_dense, kernel_initializer=seeds.kernel(), name="dense")(layers.Flatten(name="flat")(x))
    pooled = layers.GlobalAveragePooling2D(name="pooled")(x)
    features = layers.Concatenate(name="features")([layers.LeakyReLU(0.2, name="dense_relu")(dense), pooled])
    return keras.Model([image, label], Projection(classes, seeds.integer(), name="projection")(features, label), name="discriminator")
