"""The layers that Keras lacks or spreads over many small kernels; each with the paper of its formula."""

import contextlib
from collections.abc import Iterator
from typing import Any

import numpy as np

from synthgen.networks.backend import keras, layers, tf
from synthgen.networks.convolution.convolution import conv, conv_down, conv_up
from synthgen.networks.replicas import all_rows, normalise, own_words

# state that every replica comes to by itself
EQUAL: dict[str, Any] = {"trainable": False, "aggregation": "only_first_replica"}


@contextlib.contextmanager
def single_precision() -> Iterator[None]:
    """Layers that are made within compute in float32, whatever the policy of the program around: the same weights make the same images."""
    policy = keras.config.dtype_policy()
    keras.config.set_dtype_policy("float32")
    try:
        yield
    finally:
        keras.config.set_dtype_policy(policy)


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
        self, classes: int = 0, momentum: float = 0.99, epsilon: float = 1e-3, **options: Any
    ) -> None:
        super().__init__(**options)
        self.classes, self.momentum, self.epsilon = classes, momentum, epsilon

    def build(self, input_shape: Any, *_: Any) -> None:
        """Make gamma and beta (channels,) or (classes, channels), and the moving moments (channels,)."""
        channels = input_shape[-1]
        shape = (self.classes, channels) if self.classes else (channels,)
        self.gamma = self.add_weight(name="gamma", shape=shape, initializer="ones")
        self.beta = self.add_weight(name="beta", shape=shape, initializer="zeros")
        self.moving_mean = self.add_weight(
            name="moving_mean", shape=(channels,), initializer="zeros", **EQUAL
        )
        self.moving_variance = self.add_weight(
            name="moving_variance", shape=(channels,), initializer="ones", **EQUAL
        )

    def call(self, inputs: Any, labels: Any = None, training: bool = False) -> Any:
        """(n, h, w, c) or (n, c) float32, (n,) int32 -> the same shape, float32."""
        images = (
            tf.reshape(inputs, (-1, 1, 1, inputs.shape[-1])) if len(inputs.shape) == 2 else inputs
        )
        result = self._train(images, labels) if training else self._infer(images, labels)
        return tf.reshape(result, tf.shape(inputs))

    def _infer(self, images: Any, labels: Any) -> Any:
        # two passes over the images
        scale = self.gamma * tf.math.rsqrt(self.moving_variance + self.epsilon)
        return images * self._by_image(scale, labels) + self._by_image(
            self.beta - self.moving_mean * scale, labels
        )

    def _train(self, images: Any, labels: Any) -> Any:
        gamma, beta = tf.convert_to_tensor(self.gamma), tf.convert_to_tensor(self.beta)
        ones, zeros = tf.ones_like(self.moving_mean.value), tf.zeros_like(self.moving_mean.value)
        scale, offset = (ones, zeros) if self.classes else (gamma, beta)
        result, mean, variance = normalise(images, scale, offset, self.epsilon)
        self.moving_mean.assign(self.moving_mean * self.momentum + mean * (1 - self.momentum))
        self.moving_variance.assign(
            self.moving_variance * self.momentum + variance * (1 - self.momentum)
        )
        return (
            result * self._by_image(gamma, labels) + self._by_image(beta, labels)
            if self.classes
            else result
        )

    def _by_image(self, table: Any, labels: Any) -> Any:
        """(classes, channels), (n,) -> (n, 1, 1, channels); without classes (channels,) as it is."""
        return tf.gather(table, labels)[:, None, None, :] if self.classes else table


class SpectralNorm(layers.Layer):
    """Divides a kernel by its largest singular value, estimated by one power iteration a call.

    Miyato et al. 2018, https://arxiv.org/abs/1802.05957. The kernel is read as a matrix (everything
    else, out); the estimate goes on from the vector that the last training call left. The gradient
    passes through the division but not through the vectors.

    Args:
        seed: of the initial vector.
    """

    def __init__(self, seed: int = 0, **options: Any) -> None:
        super().__init__(**options)
        self.seed = seed

    def build(self, kernel_shape: Any) -> None:
        """Make the left singular vector (1, out)."""
        start = keras.initializers.RandomNormal(1.0, seed=self.seed)
        self.vector = self.add_weight(
            name="vector", shape=(1, kernel_shape[-1]), initializer=start, **EQUAL
        )

    def call(self, kernel: Any, training: bool = False) -> Any:
        """(..., out) float32 -> the same shape with a spectral norm of about 1."""
        matrix = tf.reshape(kernel, (-1, kernel.shape[-1]))
        right = tf.stop_gradient(
            tf.math.l2_normalize(tf.matmul(self.vector, matrix, transpose_b=True))
        )
        left = tf.stop_gradient(tf.math.l2_normalize(right @ matrix))
        if training:
            self.vector.assign(left)
        return kernel / tf.reduce_sum(right @ matrix * left)


class Convolution(layers.Layer):
    """`conv`, `conv_down` or `conv_up` with a kernel and, if asked for, a bias.

    Args:
        channels: of the result.
        kind: "same", "down" or "up".
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
        **options: Any,
    ) -> None:
        super().__init__(**options)
        self.channels, self.kind, self.side, self.initializer, self.use_bias = (
            channels,
            kind,
            side,
            initializer,
            use_bias,
        )
        self.spectral = SpectralNorm(name="spectral") if spectral_norm else None

    def build(self, input_shape: Any) -> None:
        """Make the kernel: (side, side, in, out) or, transposed, (side, side, out, in)."""
        ends = (input_shape[-1], self.channels)
        shape = (self.side, self.side, *(reversed(ends) if self.kind == "up" else ends))
        self.kernel = self.add_weight(name="kernel", shape=shape, initializer=self.initializer)
        self.bias = (
            self.add_weight(name="bias", shape=(self.channels,), initializer="zeros")
            if self.use_bias
            else None
        )
        if self.spectral:
            self.spectral.build(shape)

    def call(self, inputs: Any, training: bool = False) -> Any:
        """(n, h, w, c) float32 -> (n, h', w', channels) float32."""
        function = {"same": conv, "down": conv_down, "up": conv_up}[self.kind]
        kernel = tf.convert_to_tensor(self.kernel)
        result = function(
            inputs, self.spectral(kernel, training=training) if self.spectral else kernel
        )
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
        **options: Any,
    ) -> None:
        super().__init__(**options)
        self.units, self.initializer, self.use_bias = units, initializer, use_bias
        self.spectral = SpectralNorm(name="spectral") if spectral_norm else None

    def build(self, input_shape: Any) -> None:
        """Make the kernel (in, units)."""
        self.kernel = self.add_weight(
            name="kernel", shape=(input_shape[-1], self.units), initializer=self.initializer
        )
        self.bias = (
            self.add_weight(name="bias", shape=(self.units,), initializer="zeros")
            if self.use_bias
            else None
        )
        if self.spectral:
            self.spectral.build((input_shape[-1], self.units))

    def call(self, inputs: Any, training: bool = False) -> Any:
        """(n, in) float32 -> (n, units) float32."""
        kernel = tf.convert_to_tensor(self.kernel)
        result = inputs @ (self.spectral(kernel, training=training) if self.spectral else kernel)
        return result if self.bias is None else result + self.bias


class Dropout(layers.Layer):
    """Dropout whose masks are a function of a counter among the weights, so that a resumed training draws the same ones.

    Srivastava et al. 2014; kept values are divided by the share that is kept. Two values share a
    random word: drawing it is what takes the time, and 16 bits hold a rate to within 1e-5.

    Args:
        rate: share that is set to 0.
        seed: of the masks.
        batch: images of a turn; inputs are one or several of them, one after the other (None: one).
    """

    def __init__(
        self, rate: float, seed: int = 0, batch: int | None = None, **options: Any
    ) -> None:
        super().__init__(**options)
        self.rate, self.seed, self.batch = rate, seed, batch

    def build(self, _: Any) -> None:
        """Make the counter, a scalar."""
        self.draws = self.add_weight(
            name="draws", shape=(), dtype="int64", initializer="zeros", **EQUAL
        )

    def call(self, inputs: Any, training: bool = False) -> Any:
        """(n, ...) float32, all sizes but n known -> the same shape."""
        if not training:
            return inputs
        key = tf.stack([tf.constant(self.seed, tf.int64), tf.convert_to_tensor(self.draws)])
        self.draws.assign(self.draws + 1)
        size = int(np.prod(inputs.shape[1:]))
        pairs = (size + 1) // 2
        halves = tf.bitcast(own_words((tf.shape(inputs)[0], pairs), key, self.batch), tf.uint16)
        halves = tf.reshape(halves, (-1, 2 * pairs))[:, :size]
        kept = tf.reshape(halves, tf.shape(inputs)) >= tf.constant(
            round(self.rate * 2**16), tf.uint16
        )
        return tf.where(kept, inputs / (1 - self.rate), 0.0)


class LabelPlanes(layers.Layer):
    """Joins a one-hot label to an image as constant planes: the plane of its class is 1, the others are 0."""

    def call(self, images: Any, one_hot: Any) -> Any:
        """(n, h, w, c) float32, (n, classes) float32 -> (n, h, w, c + classes) float32."""
        return tf.concat(
            [images, tf.tile(one_hot[:, None, None, :], (1, images.shape[1], images.shape[2], 1))],
            axis=3,
        )


class OneHot(layers.Layer):
    """(n,) int32 -> (n, classes) float32."""

    def __init__(self, classes: int, **options: Any) -> None:
        super().__init__(**options)
        self.classes = classes

    def call(self, labels: Any) -> Any:
        """1 in the place of the label, 0 elsewhere."""
        return tf.one_hot(labels, self.classes)


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

    def __init__(self, initializer: Any, kernels: int = 16, size: int = 8, **options: Any) -> None:
        super().__init__(**options)
        self.initializer, self.kernels, self.size = initializer, kernels, size

    def build(self, input_shape: Any) -> None:
        """Make T (features, kernels * size)."""
        self.tensor = self.add_weight(
            name="tensor",
            shape=(input_shape[-1], self.kernels * self.size),
            initializer=self.initializer,
        )

    def call(self, features: Any) -> Any:
        """(n, features) float32 -> (n, features + kernels) float32."""
        rows = tf.reshape(
            features @ tf.convert_to_tensor(self.tensor), (-1, self.kernels, self.size)
        )
        # (n, n, kernels)
        distances = tf.reduce_sum(tf.abs(rows[:, None] - all_rows(rows)[None]), axis=3)
        return tf.concat([features, tf.reduce_sum(tf.exp(-distances), axis=1)], axis=1)


class MinibatchDeviation(layers.Layer):
    """Joins to each sample's features the standard deviation over the batch, averaged over all features.

    Karras et al. 2018, https://arxiv.org/abs/1710.10196, section 3, with the whole batch as one
    group. A collapsed generator gives 0.
    """

    def call(self, features: Any) -> Any:
        """(n, features) float32 -> (n, features + 1) float32."""
        deviation = tf.reduce_mean(
            tf.sqrt(tf.math.reduce_variance(all_rows(features), axis=0) + 1e-8)
        )
        return tf.concat([features, tf.fill((tf.shape(features)[0], 1), deviation)], axis=1)


class Projection(layers.Layer):
    """The projection discriminator's output: w . f + b + e[class] . f (Miyato & Koyama 2018).

    Args:
        classes: number of classes.
        seed: of the initial weights.
        spectral_norm: divide w and e by their largest singular values.
    """

    def __init__(
        self, classes: int, seed: int = 0, spectral_norm: bool = False, **options: Any
    ) -> None:
        super().__init__(**options)
        self.classes, self.seed = classes, seed
        self.spectral = (
            [SpectralNorm(name=f"spectral_{role}") for role in ("kernel", "embedding")]
            if spectral_norm
            else []
        )

    def build(self, input_shape: Any, *_: Any) -> None:
        """Make the unconditional weights and one embedding a class."""
        features = input_shape[-1]
        self.kernel = self.add_weight(
            name="kernel",
            shape=(features, 1),
            initializer=keras.initializers.GlorotUniform(self.seed),
        )
        self.bias = self.add_weight(name="bias", shape=(1,), initializer="zeros")
        self.embedding = self.add_weight(
            name="embedding",
            shape=(self.classes, features),
            initializer=keras.initializers.RandomUniform(-0.05, 0.05, seed=self.seed + 1),
        )
        for norm, weight in zip(self.spectral, (self.kernel, self.embedding), strict=False):
            norm.build(weight.shape)

    def call(self, features: Any, labels: Any, training: bool = False) -> Any:
        """(n, features) float32, (n,) int32 -> (n, 1) float32 logits."""
        kernel, embedding = tf.convert_to_tensor(self.kernel), tf.convert_to_tensor(self.embedding)
        if self.spectral:
            kernel, embedding = (
                self.spectral[0](kernel, training=training),
                self.spectral[1](embedding, training=training),
            )
        by_class = tf.reduce_sum(features * tf.gather(embedding, labels), axis=1, keepdims=True)
        return features @ kernel + self.bias + by_class
