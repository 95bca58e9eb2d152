"""The layers that Keras lacks, or spreads over many small kernels, and the papers they are from.

`get_weights` and `set_weights` turn the weights of a Keras model into named arrays and back.
"""

from typing import Any

import numpy as np

from synthgen.errors import CheckpointError
from synthgen.networks.backend import keras, layers, tf
from synthgen.networks.convolution import conv, conv_down, conv_up
from synthgen.networks.replicas import all_gather_rows, normalise, own_random_bits
from synthgen.networks.shapes import MINIBATCH_KERNELS, MINIBATCH_SIZE
from synthgen.weights import Weights

CONVOLUTIONS = {"same": conv, "down": conv_down, "up": conv_up}


class BatchNorm(layers.Layer):
    """Batch normalisation whose scale and shift may be looked up by class.

    Normalises each channel over batch (of all devices) and space with its moments in training and
    moving moments in inference, then applies gamma and beta (Ioffe & Szegedy 2015,
    https://arxiv.org/abs/1502.03167) or, with classes, gamma[class], beta[class] (Dumoulin et al.
    2017, https://arxiv.org/abs/1610.07629; for GANs: Miyato & Koyama 2018,
    https://arxiv.org/abs/1802.05637).

    Args:
        classes: number of classes; 0: one scale and shift for all.
        momentum: of the moving moments.
        epsilon: added to the variance.

    Call arguments:
        inputs: (n, height, width, channels) or (n, channels) float32.
        labels: (n,) int32, needed with classes only.
    """

    def __init__(
        self,
        classes: int = 0,
        momentum: float = 0.99,
        epsilon: float = 1e-3,
        name: str | None = None,
    ) -> None:
        super().__init__(name=name)
        self.classes = classes
        self.momentum = momentum
        self.epsilon = epsilon

    def build(self, input_shape: Any, *_: Any) -> None:
        """Make gamma and beta, (channels,) or (classes, channels), and the moving moments."""
        channels = input_shape[-1]
        shape = (self.classes, channels) if self.classes else (channels,)
        self.gamma = self.add_weight(name="gamma", shape=shape, initializer="ones")
        self.beta = self.add_weight(name="beta", shape=shape, initializer="zeros")
        self.moving_mean = add_state(self, "moving_mean", (channels,), "zeros")
        self.moving_variance = add_state(self, "moving_variance", (channels,), "ones")

    def call(self, inputs: Any, labels: Any = None, training: bool = False) -> Any:
        """Return float32 of the shape of the inputs."""
        images = inputs
        if len(inputs.shape) == 2:
            images = tf.reshape(inputs, (-1, 1, 1, inputs.shape[-1]))
        if training:
            result = self._train(images, labels)
        else:
            # two passes over the images
            scale = self.gamma * tf.math.rsqrt(self.moving_variance + self.epsilon)
            shift = self.beta - self.moving_mean * scale
            result = images * self._by_image(scale, labels) + self._by_image(shift, labels)
        return tf.reshape(result, tf.shape(inputs))

    def _train(self, images: Any, labels: Any) -> Any:
        gamma = tf.convert_to_tensor(self.gamma)
        beta = tf.convert_to_tensor(self.beta)
        if self.classes:
            ones = tf.ones_like(self.moving_mean.value)
            zeros = tf.zeros_like(self.moving_mean.value)
            normalised, mean, variance = normalise(images, ones, zeros, self.epsilon)
            result = normalised * self._by_image(gamma, labels) + self._by_image(beta, labels)
        else:
            result, mean, variance = normalise(images, gamma, beta, self.epsilon)
        kept = self.momentum
        self.moving_mean.assign(self.moving_mean * kept + mean * (1 - kept))
        self.moving_variance.assign(self.moving_variance * kept + variance * (1 - kept))
        return result

    def _by_image(self, table: Any, labels: Any) -> Any:
        """Look up the row of each image's class, (n, 1, 1, channels); without classes the table."""
        return tf.gather(table, labels)[:, None, None, :] if self.classes else table


class SpectralNorm(layers.Layer):
    """Divides a kernel by its largest singular value, estimated by one power iteration a call.

    Miyato et al. 2018, https://arxiv.org/abs/1802.05957. The kernel is read as a matrix (everything
    else, out); the estimate goes on from the vector that the last training call left. The gradient
    passes through the division but not through the vectors.

    Args:
        seed: of the initial vector.
    """

    def __init__(self, seed: int = 0, name: str | None = None) -> None:
        super().__init__(name=name)
        self.seed = seed

    def build(self, kernel_shape: Any) -> None:
        """Make the left singular vector (1, out)."""
        start = keras.initializers.RandomNormal(1.0, seed=self.seed)
        self.vector = add_state(self, "vector", (1, kernel_shape[-1]), start)

    def call(self, kernel: Any, training: bool = False) -> Any:
        """Return a kernel (..., out) float32 of the same shape, with a spectral norm of about 1."""
        matrix = tf.reshape(kernel, (-1, kernel.shape[-1]))
        right = tf.math.l2_normalize(tf.matmul(self.vector, matrix, transpose_b=True))
        right = tf.stop_gradient(right)
        left = tf.stop_gradient(tf.math.l2_normalize(right @ matrix))
        if training:
            self.vector.assign(left)
        return kernel / tf.reduce_sum(right @ matrix * left)


class Convolution(layers.Layer):
    """A convolution of stride 1 or 2, or a transposed one, with a kernel and, if asked for, a bias.

    Args:
        channels: of the result.
        kind: "same" (`conv`), "down" (`conv_down`) or "up" (`conv_up`).
        side: of the kernel: odd for "same", 4 or 5 otherwise.
        initializer: of the kernel.
        use_bias: add one number a channel.
        spectral_norm: divide the kernel by its largest singular value.
    """

    def __init__(
        self,
        channels: int,
        kind: str,
        side: int,
        initializer: Any,
        use_bias: bool = True,
        spectral_norm: bool = False,
        name: str | None = None,
    ) -> None:
        super().__init__(name=name)
        self.channels = channels
        self.kind = kind
        self.side = side
        self.initializer = initializer
        self.use_bias = use_bias
        self.bias = None
        self.spectral = SpectralNorm(name="spectral") if spectral_norm else None

    def build(self, input_shape: Any) -> None:
        """Make the kernel: (side, side, in, out) or, transposed, (side, side, out, in)."""
        ends = (input_shape[-1], self.channels)
        if self.kind == "up":
            ends = (self.channels, input_shape[-1])
        shape = (self.side, self.side, *ends)
        self.kernel = self.add_weight(name="kernel", shape=shape, initializer=self.initializer)
        if self.use_bias:
            self.bias = self.add_weight(name="bias", shape=(self.channels,), initializer="zeros")
        if self.spectral:
            self.spectral.build(shape)

    def call(self, inputs: Any, training: bool = False) -> Any:
        """Return (n, h', w', channels) float32 for (n, h, w, c) float32."""
        kernel = tf.convert_to_tensor(self.kernel)
        if self.spectral:
            kernel = self.spectral(kernel, training=training)
        result = CONVOLUTIONS[self.kind](inputs, kernel)
        return result if self.bias is None else tf.nn.bias_add(result, self.bias)


class Linear(layers.Layer):
    """A fully connected layer.

    Args:
        units: size of the result.
        initializer: of the kernel.
        use_bias: add one number a unit.
        spectral_norm: divide the kernel by its largest singular value.
    """

    def __init__(
        self,
        units: int,
        initializer: Any,
        use_bias: bool = True,
        spectral_norm: bool = False,
        name: str | None = None,
    ) -> None:
        super().__init__(name=name)
        self.units = units
        self.initializer = initializer
        self.use_bias = use_bias
        self.bias = None
        self.spectral = SpectralNorm(name="spectral") if spectral_norm else None

    def build(self, input_shape: Any) -> None:
        """Make the kernel (in, units)."""
        shape = (input_shape[-1], self.units)
        self.kernel = self.add_weight(name="kernel", shape=shape, initializer=self.initializer)
        if self.use_bias:
            self.bias = self.add_weight(name="bias", shape=(self.units,), initializer="zeros")
        if self.spectral:
            self.spectral.build(shape)

    def call(self, inputs: Any, training: bool = False) -> Any:
        """Return (n, units) float32 for (n, in) float32."""
        kernel = tf.convert_to_tensor(self.kernel)
        if self.spectral:
            kernel = self.spectral(kernel, training=training)
        result = inputs @ kernel
        return result if self.bias is None else result + self.bias


class Dropout(layers.Layer):
    """Dropout whose masks are a function of a counter among the weights.

    Srivastava et al. 2014; kept values are divided by the share that is kept. A resumed training
    finds the counter where it was and draws the same masks. Two values share 32 random bits:
    drawing these is what takes the time, and 16 bits hold a rate to within 1e-5.

    Args:
        rate: share that is set to 0.
        seed: of the masks.
        batch: images of a critic step on all devices; inputs are one or several such batches, one
            after the other (None: one).
    """

    def __init__(
        self, rate: float, seed: int = 0, batch: int | None = None, name: str | None = None
    ) -> None:
        super().__init__(name=name)
        self.rate = rate
        self.seed = seed
        self.batch = batch

    def build(self, _: Any) -> None:
        """Make the counter of masks, a scalar."""
        self.draws = add_state(self, "draws", (), "zeros", dtype="int64")

    def call(self, inputs: Any, training: bool = False) -> Any:
        """Return the inputs, (n, ...) float32, all sizes but n known, with some values at 0."""
        if not training:
            return inputs
        key = tf.stack([tf.constant(self.seed, tf.int64), tf.convert_to_tensor(self.draws)])
        self.draws.assign(self.draws + 1)

        # 16 random bits for each value
        size = int(np.prod(inputs.shape[1:]))
        pairs = (size + 1) // 2
        bits = own_random_bits((tf.shape(inputs)[0], pairs), key, self.batch)
        halves = tf.reshape(tf.bitcast(bits, tf.uint16), (-1, 2 * pairs))[:, :size]

        kept = tf.reshape(halves, tf.shape(inputs)) >= tf.constant(
            round(self.rate * 2**16), tf.uint16
        )
        return tf.where(kept, inputs / (1 - self.rate), 0.0)


class LabelPlanes(layers.Layer):
    """Joins a one-hot label to an image as planes: 1 in that of its class, 0 in the others."""

    def call(self, images: Any, one_hot: Any) -> Any:
        """Return (n, h, w, c + classes) for (n, h, w, c) and (n, classes), all float32."""
        _, height, width, _ = images.shape
        planes = tf.tile(one_hot[:, None, None, :], (1, height, width, 1))
        return tf.concat([images, planes], axis=3)


class OneHot(layers.Layer):
    """Makes one-hot vectors of labels.

    Args:
        classes: number of classes.
    """

    def __init__(self, classes: int, name: str | None = None) -> None:
        super().__init__(name=name)
        self.classes = classes

    def call(self, labels: Any) -> Any:
        """Return (n, classes) float32 for (n,) int32."""
        return tf.one_hot(labels, self.classes)


class DepthToSpace(layers.Layer):
    """Sub-pixel up-sampling: blocks of four channels become 2 x 2 pixels.

    Shi et al. 2016, https://arxiv.org/abs/1609.05158.
    """

    def call(self, inputs: Any) -> Any:
        """Return (n, 2h, 2w, c) for (n, h, w, 4c)."""
        return tf.nn.depth_to_space(inputs, 2)


class SpaceToDepth(layers.Layer):
    """The inverse of DepthToSpace: 2 x 2 pixels become blocks of four channels."""

    def call(self, inputs: Any) -> Any:
        """Return (n, h, w, 4c) for (n, 2h, 2w, c)."""
        return tf.nn.space_to_depth(inputs, 2)


class MinibatchDiscrimination(layers.Layer):
    """Joins to each sample's features how close they are to those of the others in its batch.

    Salimans et al. 2016, https://arxiv.org/abs/1606.03498, section 3.2: with M_i = f_i . T of shape
    (kernels, size), o_i,b = sum over j of exp(-|M_i,b - M_j,b|_1). Identical samples give o = n,
    samples far apart give 1.

    Args:
        initializer: of T.
        kernels: number of features to join (B in the paper).
        size: numbers that a distance is measured in (C in the paper).
    """

    def __init__(
        self,
        initializer: Any,
        kernels: int = MINIBATCH_KERNELS,
        size: int = MINIBATCH_SIZE,
        name: str | None = None,
    ) -> None:
        super().__init__(name=name)
        self.initializer = initializer
        self.kernels = kernels
        self.size = size

    def build(self, input_shape: Any) -> None:
        """Make T (features, kernels * size)."""
        shape = (input_shape[-1], self.kernels * self.size)
        self.tensor = self.add_weight(name="tensor", shape=shape, initializer=self.initializer)

    def call(self, features: Any) -> Any:
        """Return (n, features + kernels) float32 for (n, features) float32."""
        rows = features @ tf.convert_to_tensor(self.tensor)
        rows = tf.reshape(rows, (-1, self.kernels, self.size))
        differences = rows[:, None] - all_gather_rows(rows)[None]  # (n, n, kernels, size)
        distances = tf.reduce_sum(tf.abs(differences), axis=3)  # (n, n, kernels)
        return tf.concat([features, tf.reduce_sum(tf.exp(-distances), axis=1)], axis=1)


class MinibatchDeviation(layers.Layer):
    """Joins to each sample's features their mean standard deviation over the batch.

    Karras et al. 2018, https://arxiv.org/abs/1710.10196, section 3, with the whole batch as one
    group. A collapsed generator gives 0.
    """

    def call(self, features: Any) -> Any:
        """Return (n, features + 1) float32 for (n, features) float32."""
        variances = tf.math.reduce_variance(all_gather_rows(features), axis=0)
        deviation = tf.reduce_mean(tf.sqrt(variances + 1e-8))
        return tf.concat([features, tf.fill((tf.shape(features)[0], 1), deviation)], axis=1)


class Projection(layers.Layer):
    """The projection discriminator's output: w . f + b + e[class] . f (Miyato & Koyama 2018).

    Args:
        classes: number of classes.
        seed: of the initial weights, which take this one and the next.
        spectral_norm: divide w and e by their largest singular values.
    """

    def __init__(
        self, classes: int, seed: int = 0, spectral_norm: bool = False, name: str | None = None
    ) -> None:
        super().__init__(name=name)
        self.classes = classes
        self.seed = seed
        self.spectral_norm = spectral_norm
        if spectral_norm:
            self.spectral_kernel = SpectralNorm(name="spectral_kernel")
            self.spectral_embedding = SpectralNorm(name="spectral_embedding")

    def build(self, input_shape: Any, *_: Any) -> None:
        """Make w (features, 1), b (1,) and e (classes, features)."""
        features = input_shape[-1]
        glorot = keras.initializers.GlorotUniform(self.seed)
        uniform = keras.initializers.RandomUniform(-0.05, 0.05, seed=self.seed + 1)
        self.kernel = self.add_weight(name="kernel", shape=(features, 1), initializer=glorot)
        self.bias = self.add_weight(name="bias", shape=(1,), initializer="zeros")
        self.embedding = self.add_weight(
            name="embedding", shape=(self.classes, features), initializer=uniform
        )
        if self.spectral_norm:
            self.spectral_kernel.build(self.kernel.shape)
            self.spectral_embedding.build(self.embedding.shape)

    def call(self, features: Any, labels: Any, training: bool = False) -> Any:
        """Return logits (n, 1) float32 for (n, features) float32 and (n,) int32."""
        kernel = tf.convert_to_tensor(self.kernel)
        embedding = tf.convert_to_tensor(self.embedding)
        if self.spectral_norm:
            kernel = self.spectral_kernel(kernel, training=training)
            embedding = self.spectral_embedding(embedding, training=training)
        own = tf.gather(embedding, labels)  # (n, features)
        by_class = tf.reduce_sum(features * own, axis=1, keepdims=True)
        return features @ kernel + self.bias + by_class


def add_state(
    layer: keras.Layer, name: str, shape: tuple[int, ...], initializer: Any, dtype: Any = None
) -> Any:
    """Give a layer a weight that is not learnt and that all replicas come to by themselves."""
    return layer.add_weight(
        name=name,
        shape=shape,
        initializer=initializer,
        dtype=dtype,
        trainable=False,
        aggregation="only_first_replica",
    )


def get_weights(model: keras.Model) -> Weights:
    """Return the model's weights, trainable or not, by path ("up/kernel")."""
    return {variable.path: np.asarray(variable.value) for variable in model.weights}


def set_weights(model: keras.Model, weights: Weights) -> None:
    """Give a model the weights that `get_weights` took from one of the same networks.

    Raises:
        CheckpointError: if names or shapes differ.
    """
    expected = {variable.path: tuple(variable.shape) for variable in model.weights}
    received = {name: array.shape for name, array in weights.items()}
    names = sorted(expected.keys() | received.keys())
    wrong = [name for name in names if expected.get(name) != received.get(name)]
    if wrong:
        name = wrong[0]
        raise CheckpointError(
            f"The weights do not fit the {model.name} that the checkpoint's settings describe: "
            f"{len(wrong)} of {len(expected)} differ, for example {name}: "
            f"expected shape {expected.get(name, 'none')}, "
            f"received {received.get(name, 'none')}. Train it again."
        )
    for variable in model.weights:
        variable.assign(weights[variable.path])
