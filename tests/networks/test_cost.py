from dataclasses import replace

import pytest

from synthgen.config import GanSettings
from synthgen.gan.recipes import PRESETS
from synthgen.networks.cost import cost_of


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
