from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from synthgen.config import GanSettings
from synthgen.gan.presets import PRESETS
from synthgen.networks.backend import keras
from synthgen.networks.cost import cost_of
from synthgen.networks.gan import build_discriminator, build_generator
from synthgen.networks.layers import Convolution


def counted(model: keras.Model) -> tuple[int, int]:
    """Parameters and multiplications as the layers of a model have them."""
    parameters = sum(
        int(np.prod(weight.shape))
        for weight in model.weights
        # counters of dropout and vectors of spectral norms are not learnt
        if weight.name not in ("draws", "vector")
    )
    pairs = 0
    for layer in model.layers:
        if hasattr(layer, "kernel"):
            positions = 1
            if isinstance(layer, Convolution):
                maps = layer.input if layer.kind == "up" else layer.output
                positions = maps.shape[1] * maps.shape[2]
            pairs += positions * int(np.prod(layer.kernel.shape))
    return parameters, pairs


VARIANTS: dict[str, dict[str, Any]] = {
    "as it is": {},
    "discrimination": {"minibatch": "discrimination", "condition": "projection"},
    "deviation": {"minibatch": "deviation", "condition": "concat", "gradient_penalty": 0.0},
    "layer norm": {"discriminator_norm": "layer", "weight_clip": 0.0, "dropout": 0.3},
    "no norm": {"generator_norm": "none", "output_bias": False, "generator_bias": True},
    "units": {"norm_units": True, "condition": "projection"},
}


@pytest.mark.parametrize("variant", VARIANTS)
@pytest.mark.parametrize("name", PRESETS)
def test_arithmetic_agrees_with_the_layers(name: str, variant: str) -> None:
    """The cost is computed from the settings alone, so that it needs no TensorFlow."""
    changes = VARIANTS[variant]
    settings = PRESETS[name].settings
    if "minibatch" in changes:
        settings = replace(settings, gradient_penalty=0.0)
    settings = replace(settings, **changes)
    shape = (16, 12, 3) if variant == "discrimination" else (28, 28, 1)
    generator = counted(build_generator(settings, shape, 7))
    discriminator = counted(build_discriminator(settings, shape, 7))
    cost = cost_of(settings, shape, 7)
    assert generator == (cost.generator_parameters, cost.generated)
    assert discriminator == (cost.discriminator_parameters, cost.scored)


def test_a_network_of_dense_layers_multiplies_once_a_weight() -> None:
    cost = cost_of(PRESETS["fc"].settings)
    assert cost.generated == 100 * 256 + 256 * 512 + 512 * 1024 + 1024 * 784
    assert cost.scored == 784 * 512 + 512 * 256 + 256
    assert cost.trained == 3 * cost.generated + 8 * cost.scored


def test_convolutions_multiply_once_a_pixel_and_weight() -> None:
    cost = cost_of(PRESETS["dcgan"].settings)
    assert cost.generated == 100 * 12544 + 49 * 25 * 256 * 128 + 49 * 25 * 128 * 64 + 196 * 25 * 64
    assert cost.scored == 196 * 25 * 64 + 49 * 25 * 64 * 128 + 49 * 128
    assert (cost.generator_parameters, cost.discriminator_parameters) == (2_343_681, 212_865)


def test_what_is_not_learnt_is_no_parameter() -> None:
    cost = cost_of(PRESETS["sngan"].settings)  # a vector a layer is kept for its spectral norm
    assert cost.discriminator_parameters == (25 * 48 + 48) + (25 * 48 * 96 + 96) + (49 * 96 + 1)


@pytest.mark.parametrize(("name", "per_critic_step"), [("wgan", 6), ("wgan-gp", 12)])
def test_critic_steps_and_penalties_are_counted(name: str, per_critic_step: int) -> None:
    cost = cost_of(PRESETS[name].settings)
    assert (
        cost.trained
        == 5 * (cost.generated + per_critic_step * cost.scored)
        + 2 * cost.generated
        + 2 * cost.scored
    )


def test_lazy_regularisation_is_shared_by_its_steps() -> None:
    cost = cost_of(GanSettings(r1_every=6))
    assert cost.trained == 3 * cost.generated + 7 * cost.scored


def test_simultaneous_updates_pass_the_discriminator_once() -> None:
    settings = PRESETS["fc"].settings
    alternating, simultaneous = (
        cost_of(replace(settings, updates=updates)) for updates in ("alternating", "simultaneous")
    )
    assert alternating.trained - simultaneous.trained == 2 * simultaneous.scored
