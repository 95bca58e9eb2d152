"""What a recipe costs: parameters, and multiplications per image. No TensorFlow."""

from typing import NamedTuple

from synthgen.config import GanSettings
from synthgen.networks.shapes import (
    MINIBATCH_KERNELS,
    MINIBATCH_SIZE,
    ImageShape,
    check_image_shape,
    check_scale,
    parse_stages,
    scale_of,
)


class Cost(NamedTuple):
    """Size and work of a recipe. A pair is one multiplication and one addition.

    Args:
        generator_parameters: numbers that the generator learns, and the moments of its BatchNorm.
        discriminator_parameters: numbers that the discriminator learns, and the moments of its
            BatchNorm.
        generated: pairs to generate an image.
        scored: pairs to score an image.
        trained: pairs of a training step, an update of the generator and all critic steps before
            it, per image of --batch.
    """

    generator_parameters: int
    discriminator_parameters: int
    generated: int
    scored: int
    trained: int


class NetworkCost(NamedTuple):
    """Size and work of one network.

    Args:
        parameters: numbers that it holds, without the counters of dropout and the vectors of
            spectral norms.
        pairs: pairs of multiplication and addition in its kernels, per image, with direct
            convolutions (see fourier.py).
    """

    parameters: int
    pairs: int


def cost_of(settings: GanSettings, shape: ImageShape = (28, 28, 1), classes: int = 10) -> Cost:
    """Count what the networks of a recipe need; element-wise work is not counted.

    A backward pass costs as much as two forward ones, one for the inputs and one for the weights.
    The discriminator's update takes both through a real and a generated image; the generator's,
    unless one pass serves both, goes forward and back to the inputs once more; a penalty on
    gradients goes forward, back to the inputs, and back through both.

    Args:
        settings: the recipe.
        shape: (height, width, channels) of the images.
        classes: number of classes.

    Raises:
        DataError: for an image shape that no network takes.
        SettingsError: for stages that do not fit this shape.
    """
    check_image_shape(shape)
    check_scale("generator", settings.generator_stages, shape)
    check_scale("discriminator", settings.discriminator_stages, shape)
    generator = generator_cost(settings, shape, classes)
    discriminator = discriminator_cost(settings, shape, classes)
    g = generator.pairs
    d = discriminator.pairs

    critic_step = g + 2 * 3 * d
    if settings.gradient_penalty:
        critic_step += 6 * d
    trained = settings.critic_steps * critic_step + 2 * g
    if not settings.one_pass:
        trained += 2 * d
    if settings.r1_gamma:
        trained += 6 * d // settings.r1_every
    return Cost(generator.parameters, discriminator.parameters, g, d, trained)


def generator_cost(settings: GanSettings, shape: ImageShape, classes: int) -> NetworkCost:
    """Count what the network of `build_generator` holds and multiplies."""
    height, width, channels = shape
    by_class = settings.condition == "projection"

    def norm(size: int) -> int:
        """Scale, shift (of each class, if asked for) and two moments of each channel."""
        if settings.generator_norm == "none":
            return 0
        return 2 * size * (classes if by_class else 1) + 2 * size

    # the label joins the latent
    parameters = 0
    inputs = settings.latent
    if settings.condition == "concat":
        inputs += classes
    elif by_class:
        parameters += classes * settings.label_embedding
        inputs += settings.label_embedding

    # the projection to a small map of the first channels, or to units
    first = settings.generator_channels[0]
    scale = scale_of(settings.generator_stages)
    positions = 1 if settings.dense_generator else (height // scale) * (width // scale)
    units = positions * first
    pairs = inputs * units
    parameters += inputs * units
    if settings.generator_bias:
        parameters += units
    parameters += norm(units if settings.norm_units else first)

    # the stages; the last one ends in the image, without normalisation
    stages = parse_stages(settings.generator_stages)
    size = height * width * channels if settings.dense_generator else channels
    results = [*settings.generator_channels[1:], size]
    inputs = first
    for stage, result in zip(stages, results, strict=True):
        is_last = stage is stages[-1]
        outputs = 4 * result if stage.kind == "pixels" else result
        kernel = inputs * outputs * max(1, stage.side**2)
        pairs += positions * kernel
        parameters += kernel
        if is_last:
            parameters += outputs if settings.output_bias else 0
        else:
            parameters += outputs if settings.generator_bias else 0
            parameters += norm(result)
        if stage.resizes:
            positions *= 4
        inputs = result
    return NetworkCost(parameters, pairs)


def discriminator_cost(settings: GanSettings, shape: ImageShape, classes: int) -> NetworkCost:
    """Count what the network of `build_discriminator` holds and multiplies."""
    height, width, inputs = shape
    positions = height * width
    if settings.dense_discriminator:
        inputs *= positions
        positions = 1
    if settings.condition == "concat":
        inputs += classes

    # the stages
    pairs = 0
    parameters = 0
    for stage, outputs in zip(
        parse_stages(settings.discriminator_stages), settings.discriminator_channels, strict=True
    ):
        if stage.kind == "pixels":
            inputs *= 4
        if stage.resizes:
            positions //= 4
        kernel = inputs * outputs * max(1, stage.side**2)
        pairs += positions * kernel
        parameters += kernel
        if settings.discriminator_norm == "batch":
            parameters += 4 * outputs  # scale, shift and two moments, no bias
        elif settings.discriminator_norm == "layer":
            parameters += 3 * outputs  # bias, scale and shift
        else:
            parameters += outputs  # bias
        inputs = outputs

    # the features
    features = positions * inputs
    if settings.discriminator_dense:
        kernel = features * settings.discriminator_dense
        pairs += kernel
        parameters += kernel + settings.discriminator_dense
        features = settings.discriminator_dense + inputs
    if settings.minibatch == "discrimination":
        parameters += features * MINIBATCH_KERNELS * MINIBATCH_SIZE
        features += MINIBATCH_KERNELS
    elif settings.minibatch == "deviation":
        features += 1

    # the score
    pairs += features
    parameters += features + 1
    if settings.condition == "projection":
        parameters += classes * features
    return NetworkCost(parameters, pairs)
