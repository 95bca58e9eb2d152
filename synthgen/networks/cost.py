"""What a recipe costs: parameters, and multiplications per image."""

from typing import NamedTuple

import numpy as np

from synthgen.config import GanSettings
from synthgen.networks.backend import keras
from synthgen.networks.gan import ImageShape, build_discriminator, build_generator
from synthgen.networks.layers import Convolution

BOOKKEEPING = ("draws", "vector")  # weights of Dropout and SpectralNorm that nothing is learnt in


class Cost(NamedTuple):
    """Size and work of a recipe.

    Args:
        generator_parameters: numbers that it learns, and the moments of BatchNorm.
        discriminator_parameters: the same of the discriminator.
        generated: multiplications and additions (pairs) to generate an image.
        judged: pairs to score an image.
        trained: pairs of a training step, an update of the generator and all turns of the
            discriminator before it, per image of --batch.
    """

    generator_parameters: int
    discriminator_parameters: int
    generated: int
    judged: int
    trained: int


def cost_of(settings: GanSettings, shape: ImageShape = (28, 28, 1), classes: int = 10) -> Cost:
    """Count what the networks of a recipe need with direct convolutions (see fourier.py); element-wise work is not counted.

    A backward pass costs as much as two forward ones, one for the inputs and one for the weights.
    The discriminator's update takes both through a real and a generated image; the generator's,
    unless one pass serves both, goes forward and back to the inputs once more; a penalty on slopes
    goes forward, back to the inputs, and back through both.
    """
    generator, discriminator = (
        build_generator(settings, shape, classes),
        build_discriminator(settings, shape, classes),
    )
    g, d = multiplications(generator), multiplications(discriminator)
    turn = g + 2 * 3 * d + (6 * d if settings.gradient_penalty else 0)
    lazy = 6 * d // settings.r1_every if settings.r1_gamma else 0
    again = 0 if settings.one_pass else 2 * d
    trained = settings.critic_steps * turn + 2 * g + again + lazy
    return Cost(parameters(generator), parameters(discriminator), g, d, trained)


def parameters(model: keras.Model) -> int:
    """Numbers that a model holds, without the counters of dropout and the vectors of spectral norms."""
    return sum(
        int(np.prod(weight.shape)) for weight in model.weights if weight.name not in BOOKKEEPING
    )


def multiplications(model: keras.Model) -> int:
    """Pairs of multiplication and addition in the kernels of a model, per image.

    Example:
        >>> multiplications(keras.Sequential([keras.Input((8,)), Linear(4, "zeros")]))
        32
    """
    return sum(
        _positions(layer) * int(layer.kernel.shape.num_elements())
        for layer in model.layers
        if hasattr(layer, "kernel")
    )


def _positions(layer: keras.layers.Layer) -> int:
    """How often a kernel is applied: at each output pixel or, transposed, at each input pixel."""
    if not isinstance(layer, Convolution):
        return 1
    _, height, width, _ = (layer.input if layer.kind == "up" else layer.output).shape
    return int(height * width)
