"""The networks: generator and discriminator, derived from the settings and the image shape."""

from typing import Any

from synthgen.config import GanSettings
from synthgen.errors import DataError, SettingsError
from synthgen.networks.backend import keras, layers
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
    single_precision,
)

ImageShape = tuple[int, int, int]


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


@single_precision()
def build_generator(
    settings: GanSettings, shape: ImageShape, classes: int, seed: int = 0
) -> keras.Model:
    """The generator: latent and label to an image.

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
    height, width, channels = shape
    _check_scale("generator", settings.generator_stages, shape)
    seeds, names = _Seeds(2 * seed), _stage_names(settings.generator_stages)
    latent, label = (
        keras.Input((settings.latent,), name="latent"),
        keras.Input((), dtype="int32", name="label"),
    )
    x = _projected(
        _conditioned_latent(settings, classes, seeds, latent, label),
        label,
        settings,
        shape,
        classes,
        seeds,
    )
    for name, stage, count in zip(
        names[:-1], settings.generator_stages, settings.generator_channels[1:], strict=False
    ):
        x = _activated(
            _upward(x, stage, count, seeds, settings.generator_bias, name),
            label,
            settings,
            classes,
            name,
        )
    size = height * width * channels if settings.dense_generator else channels
    x = _upward(x, settings.generator_stages[-1], size, seeds, settings.output_bias, "output")
    image = layers.Activation("tanh", name="tanh")(layers.Reshape(shape, name="image")(x))
    return keras.Model([latent, label], image, name="generator")


@single_precision()
def build_discriminator(
    settings: GanSettings, shape: ImageShape, classes: int, seed: int = 0
) -> keras.Model:
    """The discriminator or critic: image and label to a score (high: real).

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
    _check_scale("discriminator", settings.discriminator_stages, shape)
    seeds, spectral = _Seeds(2 * seed + 1), settings.spectral_norm
    image, label = keras.Input(shape, name="image"), keras.Input((), dtype="int32", name="label")
    x = layers.Flatten(name="pixels")(image) if settings.dense_discriminator else image
    if settings.condition == "concat":
        one_hot = OneHot(classes, name="one_hot")(label)
        x = (
            layers.Concatenate(name="condition")([x, one_hot])
            if settings.dense_discriminator
            else LabelPlanes(name="condition")(x, one_hot)
        )
    stages = zip(
        _stage_names(settings.discriminator_stages),
        settings.discriminator_stages,
        settings.discriminator_channels,
        strict=True,
    )
    for name, stage, count in stages:
        x = _downward(x, stage, count, settings, seeds, name)
    x = _features(x, settings, seeds)
    if settings.condition == "projection":
        score = Projection(classes, seeds.integer(), spectral, name="projection")(x, label)
    else:
        score = Linear(1, seeds.kernel(), spectral_norm=spectral, name="score")(x)
    score = (
        layers.Activation("sigmoid", name="probability")(score) if settings.probability else score
    )
    return keras.Model(
        [image, label], layers.Reshape((), name="flat_score")(score), name="discriminator"
    )


def _check_scale(network: str, stages: tuple[str, ...], shape: ImageShape) -> None:
    factor = scale(stages)
    if shape[0] % factor or shape[1] % factor:
        kind, change = ("up", "doublings") if network == "generator" else ("down", "halvings")
        raise SettingsError(
            f"--{network}-stages: expected stages whose {change} divide the image, received {','.join(stages)} "
            f"({factor} times) for {shape[0]} x {shape[1]}. Use fewer {kind} and pixels stages."
        )


def scale(stages: tuple[str, ...]) -> int:
    """How many times larger one end of a network is than the other, on each side.

    Example:
        >>> scale(("same3", "up4", "pixels3"))
        4
    """
    return int(2 ** sum(stage.startswith(("up", "down", "pixels")) for stage in stages))


def _stage_names(stages: tuple[str, ...]) -> list[str]:
    """up, same, ...: the kind of each stage, numbered where it occurs again."""
    kinds = [stage.rstrip("0123456789") for stage in stages]
    return [
        f"{kind}_{kinds[:k].count(kind) + 1}" if kind in kinds[:k] else kind
        for k, kind in enumerate(kinds)
    ]


def _conditioned_latent(
    settings: GanSettings, classes: int, seeds: _Seeds, latent: Any, label: Any
) -> Any:
    if settings.condition == "none":
        return latent
    if settings.condition == "concat":
        return layers.Concatenate(name="condition")(
            [latent, OneHot(classes, name="one_hot")(label)]
        )
    embedded = layers.Embedding(
        classes,
        settings.label_embedding,
        embeddings_initializer=seeds.embedding(),
        name="label_embedding",
    )(label)
    return layers.Concatenate(name="condition")([latent, embedded])


def _projected(
    x: Any, label: Any, settings: GanSettings, shape: ImageShape, classes: int, seeds: _Seeds
) -> Any:
    """The first dense layer; its result becomes a small map of the first channels, before or after it is normalised."""
    first, small = (
        settings.generator_channels[0],
        tuple(side // scale(settings.generator_stages) for side in shape[:2]),
    )
    if settings.dense_generator:
        return _activated(
            Linear(first, seeds.kernel(), settings.generator_bias, name="project")(x),
            label,
            settings,
            classes,
            "project",
        )
    x = Linear(
        small[0] * small[1] * first, seeds.kernel(), settings.generator_bias, name="project"
    )(x)
    as_map = layers.Reshape((*small, first), name="map")
    if settings.norm_units:
        return as_map(_activated(x, label, settings, classes, "project"))
    return _activated(as_map(x), label, settings, classes, "project")


def _activated(x: Any, label: Any, settings: GanSettings, classes: int, name: str) -> Any:
    """Normalisation and (leaky) ReLU, in the order of the recipe."""
    activate = (
        layers.LeakyReLU(settings.generator_slope, name=f"{name}_relu")
        if settings.generator_slope
        else layers.ReLU(name=f"{name}_relu")
    )
    if settings.generator_norm == "none":
        return activate(x)
    by_class = classes if settings.condition == "projection" else 0
    norm = BatchNorm(by_class, settings.norm_momentum, name=f"{name}_norm")

    def normalise(y: Any) -> Any:
        return norm(y, label) if by_class else norm(y)

    return normalise(activate(x)) if settings.norm_last else activate(normalise(x))


def _upward(x: Any, stage: str, channels: int, seeds: _Seeds, bias: bool, name: str) -> Any:
    """One stage of the generator, without normalisation and activation."""
    if stage == "dense":
        return Linear(channels, seeds.kernel(), bias, name=name)(x)
    kind, side = stage[:-1], int(stage[-1])
    if kind == "pixels":
        return DepthToSpace(name=f"{name}_pixels")(
            Convolution(4 * channels, "same", side, seeds.kernel(), bias, name=name)(x)
        )
    return Convolution(channels, kind, side, seeds.kernel(), bias, name=name)(x)


def _downward(
    x: Any, stage: str, channels: int, settings: GanSettings, seeds: _Seeds, name: str
) -> Any:
    """One stage of the discriminator: layer, normalisation, LeakyReLU of slope 0.2, dropout. No bias that BatchNorm would take away again."""
    bias = settings.discriminator_norm != "batch"
    if stage == "dense":
        x = Linear(channels, seeds.kernel(), bias, spectral_norm=settings.spectral_norm, name=name)(
            x
        )
    else:
        kind, side = stage[:-1], int(stage[-1])
        x = SpaceToDepth(name=f"{name}_pixels")(x) if kind == "pixels" else x
        kind = "same" if kind == "pixels" else kind
        x = Convolution(
            channels,
            kind,
            side,
            seeds.kernel(),
            bias,
            spectral_norm=settings.spectral_norm,
            name=name,
        )(x)
    if settings.discriminator_norm == "batch":
        x = BatchNorm(0, settings.norm_momentum, name=f"{name}_norm")(x)
    elif settings.discriminator_norm == "layer":
        # moments over all of an image, scale and shift by channel
        x = layers.GroupNormalization(1, name=f"{name}_norm")(x)
    x = layers.LeakyReLU(0.2, name=f"{name}_relu")(x)
    return (
        Dropout(settings.dropout, seeds.integer(), settings.batch, name=f"{name}_dropout")(x)
        if settings.dropout
        else x
    )


def _features(x: Any, settings: GanSettings, seeds: _Seeds) -> Any:
    """All features, flat; or a dense layer beside the features pooled over space; and what is seen of the batch."""
    flat = x if settings.dense_discriminator else layers.Flatten(name="flat")(x)
    if settings.discriminator_dense:
        dense = Linear(
            settings.discriminator_dense,
            seeds.kernel(),
            spectral_norm=settings.spectral_norm,
            name="dense",
        )(flat)
        pooled = layers.GlobalAveragePooling2D(name="pooled")(x)
        flat = layers.Concatenate(name="features")(
            [layers.LeakyReLU(0.2, name="dense_relu")(dense), pooled]
        )
    if settings.minibatch == "discrimination":
        return MinibatchDiscrimination(seeds.kernel(), name="minibatch")(flat)
    return MinibatchDeviation(name="minibatch")(flat) if settings.minibatch == "deviation" else flat
