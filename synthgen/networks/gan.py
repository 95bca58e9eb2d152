"""The networks of a GAN: generator and discriminator, derived from the settings and image shape."""

from typing import Any

from synthgen.config import GanSettings
from synthgen.networks.backend import keras, keras_defaults, layers
from synthgen.networks.layers import (
    BatchNorm,
    Convolution,
    DepthToSpace,
    Dropout,
    LabelPlanes,
    Linear,
    MinibatchDeviation,
    MinibatchDiscrimination,
    OneHot,
    Projection,
    SpaceToDepth,
)
from synthgen.networks.shapes import (
    ImageShape,
    Stage,
    check_image_shape,
    check_scale,
    parse_stages,
    scale_of,
)

DISCRIMINATOR_SLOPE = 0.2  # of the LeakyReLU below 0 (Radford et al. 2016)


class WeightSeeds:
    """Gives each layer of a network a seed of its own, in the order in which they are made.

    Args:
        seed: of the network.
    """

    def __init__(self, seed: int) -> None:
        self._last = seed * 1000

    def kernel(self) -> Any:
        """Make the initializer of the next kernel (Glorot & Bengio 2010)."""
        self._last += 1
        return keras.initializers.GlorotUniform(self._last)

    def embedding(self) -> Any:
        """Make the initializer of the next table of embeddings."""
        self._last += 1
        return keras.initializers.RandomUniform(-0.05, 0.05, seed=self._last)

    def pair(self) -> int:
        """Return a seed for a layer that takes this one and the next one before it."""
        self._last += 2
        return self._last


@keras_defaults()
def build_generator(
    settings: GanSettings, shape: ImageShape, classes: int, seed: int = 0
) -> keras.Model:
    """Build the generator: latent and label to an image.

    The label joins the latent as `settings.condition` says; the projection to the first channels
    and each stage but the last are followed by normalisation and activation; the last stage ends in
    tanh.

    Args:
        settings: the recipe.
        shape: (height, width, channels) of the images.
        classes: number of classes.
        seed: of the initial weights.

    Returns:
        A model [(n, latent) float32, (n,) int32] -> (n, height, width, channels) float32 in -1..1.
        Without a condition the label is not looked at.

    Raises:
        DataError: for an image shape that no network takes.
        SettingsError: for stages that do not end in this shape.
    """
    check_image_shape(shape)
    check_scale("generator", settings.generator_stages, shape)
    height, width, channels = shape
    stages = parse_stages(settings.generator_stages)
    seeds = WeightSeeds(2 * seed)
    latent = keras.Input((settings.latent,), name="latent")
    label = keras.Input((), dtype="int32", name="label")

    def activated(x: Any, name: str) -> Any:
        """Append normalisation and (leaky) ReLU, in the order of the recipe."""
        if settings.generator_slope:
            activate = layers.LeakyReLU(settings.generator_slope, name=f"{name}_relu")
        else:
            activate = layers.ReLU(name=f"{name}_relu")
        if settings.generator_norm == "none":
            return activate(x)
        by_class = settings.condition == "projection"
        norm_classes = classes if by_class else 0
        norm = BatchNorm(norm_classes, settings.norm_momentum, name=f"{name}_norm")
        inputs = (label,) if by_class else ()
        if settings.norm_last:
            return norm(activate(x), *inputs)
        return activate(norm(x, *inputs))

    # the label joins the latent
    x = latent
    if settings.condition == "concat":
        one_hot = OneHot(classes, name="one_hot")(label)
        x = layers.Concatenate(name="condition")([latent, one_hot])
    elif settings.condition == "projection":
        embedding = layers.Embedding(
            classes,
            settings.label_embedding,
            embeddings_initializer=seeds.embedding(),
            name="label_embedding",
        )
        x = layers.Concatenate(name="condition")([latent, embedding(label)])

    # the projection, which becomes a small map before or after it is normalised
    first = settings.generator_channels[0]
    if settings.dense_generator:
        x = Linear(first, seeds.kernel(), settings.generator_bias, name="project")(x)
        x = activated(x, "project")
    else:
        scale = scale_of(settings.generator_stages)
        small = (height // scale, width // scale, first)
        units = small[0] * small[1] * first
        as_map = layers.Reshape(small, name="map")
        x = Linear(units, seeds.kernel(), settings.generator_bias, name="project")(x)
        if settings.norm_units:
            x = as_map(activated(x, "project"))
        else:
            x = activated(as_map(x), "project")

    # the stages
    for stage, count in zip(stages[:-1], settings.generator_channels[1:], strict=True):
        x = generator_stage(x, stage, count, seeds, settings.generator_bias)
        x = activated(x, stage.name)

    # the image
    output = stages[-1]._replace(name="output")
    size = height * width * channels if settings.dense_generator else channels
    x = generator_stage(x, output, size, seeds, settings.output_bias)
    image = layers.Activation("tanh", name="tanh")(layers.Reshape(shape, name="image")(x))
    return keras.Model([latent, label], image, name="generator")


def generator_stage(x: Any, stage: Stage, channels: int, seeds: WeightSeeds, bias: bool) -> Any:
    """Append the layer of one stage of the generator.

    Args:
        x: (n, h, w, c) or, with dense stages, (n, units).
        stage: what to append.
        channels: of the result, or its units.
        seeds: of the initial weights.
        bias: whether the layer has a bias.
    """
    if stage.kind == "dense":
        return Linear(channels, seeds.kernel(), bias, name=stage.name)(x)
    if stage.kind == "pixels":
        x = Convolution(4 * channels, "same", stage.side, seeds.kernel(), bias, name=stage.name)(x)
        return DepthToSpace(name=f"{stage.name}_pixels")(x)
    return Convolution(channels, stage.kind, stage.side, seeds.kernel(), bias, name=stage.name)(x)


@keras_defaults()
def build_discriminator(
    settings: GanSettings, shape: ImageShape, classes: int, seed: int = 0
) -> keras.Model:
    """Build the discriminator or critic: image and label to a score (high: real).

    Args:
        settings: the recipe.
        shape: (height, width, channels) of the images.
        classes: number of classes.
        seed: of the initial weights.

    Returns:
        A model [(n, height, width, channels) float32 in -1..1, (n,) int32] -> (n,) float32: a logit
        or score, or with `settings.probability` a probability. Without a condition the label is not
        looked at.

    Raises:
        DataError: for an image shape that no network takes.
        SettingsError: for stages that halve it too often.
    """
    check_image_shape(shape)
    check_scale("discriminator", settings.discriminator_stages, shape)
    spectral_norm = settings.spectral_norm
    seeds = WeightSeeds(2 * seed + 1)
    image = keras.Input(shape, name="image")
    label = keras.Input((), dtype="int32", name="label")

    # the label joins the image
    x = image
    if settings.dense_discriminator:
        x = layers.Flatten(name="pixels")(image)
    if settings.condition == "concat":
        one_hot = OneHot(classes, name="one_hot")(label)
        if settings.dense_discriminator:
            x = layers.Concatenate(name="condition")([x, one_hot])
        else:
            x = LabelPlanes(name="condition")(x, one_hot)

    # the stages: layer, normalisation, LeakyReLU, dropout
    bias = settings.discriminator_norm != "batch"  # which would take it away again
    stages = parse_stages(settings.discriminator_stages)
    for stage, channels in zip(stages, settings.discriminator_channels, strict=True):
        if stage.kind == "dense":
            x = Linear(channels, seeds.kernel(), bias, spectral_norm, name=stage.name)(x)
        else:
            kind = stage.kind
            if kind == "pixels":
                x = SpaceToDepth(name=f"{stage.name}_pixels")(x)
                kind = "same"
            kernel = seeds.kernel()
            x = Convolution(
                channels, kind, stage.side, kernel, bias, spectral_norm, name=stage.name
            )(x)
        if settings.discriminator_norm == "batch":
            x = BatchNorm(0, settings.norm_momentum, name=f"{stage.name}_norm")(x)
        elif settings.discriminator_norm == "layer":
            # moments over all of an image, scale and shift by channel
            x = layers.GroupNormalization(1, name=f"{stage.name}_norm")(x)
        x = layers.LeakyReLU(DISCRIMINATOR_SLOPE, name=f"{stage.name}_relu")(x)
        if settings.dropout:
            dropout_seed = seeds.pair()
            x = Dropout(
                settings.dropout, dropout_seed, settings.batch, name=f"{stage.name}_dropout"
            )(x)

    # the features: flat, or a dense layer of these beside those pooled over space
    features = x
    if not settings.dense_discriminator:
        features = layers.Flatten(name="flat")(x)
    if settings.discriminator_dense:
        joined = Linear(
            settings.discriminator_dense,
            seeds.kernel(),
            spectral_norm=spectral_norm,
            name="dense",
        )(features)
        joined = layers.LeakyReLU(DISCRIMINATOR_SLOPE, name="dense_relu")(joined)
        pooled = layers.GlobalAveragePooling2D(name="pooled")(x)
        features = layers.Concatenate(name="features")([joined, pooled])

    # what the discriminator sees of its whole batch
    if settings.minibatch == "discrimination":
        features = MinibatchDiscrimination(seeds.kernel(), name="minibatch")(features)
    elif settings.minibatch == "deviation":
        features = MinibatchDeviation(name="minibatch")(features)

    # the score
    if settings.condition == "projection":
        score = Projection(classes, seeds.pair(), spectral_norm, name="projection")(features, label)
    else:
        score = Linear(1, seeds.kernel(), spectral_norm=spectral_norm, name="score")(features)
    if settings.probability:
        score = layers.Activation("sigmoid", name="probability")(score)
    score = layers.Reshape((), name="flat_score")(score)
    return keras.Model([image, label], score, name="discriminator")
