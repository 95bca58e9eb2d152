"""The three networks that read digits.

Each takes images, (n, height, width, channels) float32 in 0..255. The features of an image are what
the last layer reads: (n, d) float32; the logits are (n, classes) float32. The three differ in
architecture and seeds, so that what one of them screens or judges is not measured by itself.
"""

import numpy as np

from synthgen.networks.backend import keras, keras_defaults, layers
from synthgen.networks.layers import BatchNorm, SpaceToDepth
from synthgen.networks.shapes import ImageShape, check_image_shape

SCREENER_CHANNELS = (16, 32, 64)
DIGITNET_CHANNELS = (24, 48, 48)
DIGITNET_FEATURES = 64


@keras_defaults()
def build_judge(
    shape: ImageShape, classes: int, seed: int, channels: tuple[int, ...], dropout: float
) -> keras.Model:
    """Build the network of the judge: four convolutions with batch normalisation, a dense layer.

    Most of its work is done at a quarter of the pixels or fewer: 2 x 2 pixels become channels, two
    poolings halve the sides again. The dense layer reads the last map, 4 x 4 of 28 x 28 pixels,
    without pooling it, so that it knows where a stroke lies.

    Args:
        shape: (height, width, channels) of the images.
        classes: number of classes.
        seed: of the initial weights and of the dropout.
        channels: of the four convolutions.
        dropout: share of the features that are set to 0 in training.

    Returns:
        The model: images -> [features, logits].

    Raises:
        DataError: if height or width is not divisible by 4.
    """
    check_image_shape(shape)
    seeds = iter(np.random.SeedSequence(seed).generate_state(6).tolist())
    image = keras.Input(shape)
    x = layers.Rescaling(1 / 255)(image)
    x = SpaceToDepth()(x)  # (n, 14, 14, 4) for one channel of 28 x 28 pixels
    for count, pool in zip(channels, (2, 1, 2, 1), strict=True):  # sides 7, 7, 4, 4
        start = keras.initializers.GlorotUniform(seed=next(seeds))
        x = layers.Conv2D(count, 3, padding="same", use_bias=False, kernel_initializer=start)(x)
        if pool > 1:  # before the normalisation: a quarter of the values to normalise
            x = layers.MaxPooling2D(pool, padding="same")(x)
        x = BatchNorm(momentum=0.9)(x)
        x = layers.ReLU()(x)
    features = layers.Flatten()(x)
    kept = layers.Dropout(dropout, seed=next(seeds))(features)
    start = keras.initializers.GlorotUniform(seed=next(seeds))
    logits = layers.Dense(classes, kernel_initializer=start)(kept)
    return keras.Model(image, [features, logits], name="judge")


@keras_defaults()
def build_screener(shape: ImageShape, classes: int, seed: int = 0) -> keras.Model:
    """Build the screening network: three convolutions with batch normalisation, a dense layer.

    Args:
        shape: (height, width, channels) of the images.
        classes: number of classes.
        seed: of the initial weights.

    Returns:
        The model: images -> [features, logits].

    Raises:
        DataError: if height or width is not divisible by 4.
    """
    check_image_shape(shape)
    image = keras.Input(shape, name="image")
    x = image / 127.5 - 1.0  # -1..1, as the generator draws
    x = SpaceToDepth(name="pixels")(x)
    for k, (count, strides) in enumerate(zip(SCREENER_CHANNELS, (1, 2, 1), strict=True)):
        x = layers.Conv2D(
            count,
            3,
            strides=strides,
            padding="same",
            use_bias=False,
            kernel_initializer=keras.initializers.HeNormal(1000 * seed + k),
            name=f"conv{k}",
        )(x)
        x = layers.BatchNormalization(momentum=0.9, name=f"conv{k}_norm")(x)
        x = layers.ReLU(name=f"conv{k}_relu")(x)
    x = layers.MaxPooling2D(2, name="pool")(x)
    features = layers.Flatten(name="flat")(x)
    start = keras.initializers.GlorotUniform(1000 * seed + 99)
    logits = layers.Dense(classes, kernel_initializer=start, name="logits")(features)
    return keras.Model(image, [features, logits], name="screener")


@keras_defaults()
def build_digitnet(shape: ImageShape, classes: int, seed: int) -> keras.Model:
    """Build the feature network: three convolutions with ELU, a dense layer of features.

    Args:
        shape: (height, width, channels) of the images.
        classes: number of classes.
        seed: of the initial weights.

    Returns:
        The model: images -> [features, logits], with DIGITNET_FEATURES features.
    """
    image = keras.Input(shape, name="image")
    x = layers.Rescaling(1 / 127.5, -1.0, name="scale")(image)  # -1..1
    stages = zip(DIGITNET_CHANNELS, (5, 3, 3), (2, 2, 1), strict=True)
    for k, (count, side, strides) in enumerate(stages):
        x = layers.Conv2D(
            count,
            side,
            strides,
            "same",
            activation="elu",
            kernel_initializer=keras.initializers.HeNormal(1000 * seed + k),
            name=f"conv{k}",
        )(x)
    x = layers.MaxPooling2D(2, padding="same", name="pool")(x)
    x = layers.Flatten(name="flat")(x)
    features = layers.Dense(
        DIGITNET_FEATURES,
        activation="elu",
        kernel_initializer=keras.initializers.HeNormal(1000 * seed + 8),
        name="features",
    )(x)
    start = keras.initializers.GlorotUniform(1000 * seed + 9)
    logits = layers.Dense(classes, kernel_initializer=start, name="logits")(features)
    return keras.Model(image, [features, logits], name="digitnet")
