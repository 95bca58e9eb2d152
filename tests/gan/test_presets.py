"""Each preset's recipe, figure by figure, and each technique with each preset."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import tensorflow as tf

from synthgen.config import GanSettings
from synthgen.datasets.digits import Digits
from synthgen.errors import SettingsError
from synthgen.gan.presets import PRESETS, fit_recipe, recipe_for
from synthgen.gan.state import GanState
from synthgen.gan.step import make_runner

UP, DOWN = ("same5", "up5", "up5"), ("down5", "down5")
RECIPES: dict[str, dict[str, Any]] = {
    "fc": {
        "latent": 100,
        "batch": 32,
        "steps": 10_000,
        "generator_channels": (256, 512, 1024),
        "generator_slope": 0.2,
        "norm_last": True,
        "norm_momentum": 0.8,
        "discriminator_channels": (512, 256),
        "probability": True,
        "loss": "bce",
        "optimizer": "sgd",
        "condition": "none",
    },
    "dcgan": {
        "latent": 100,
        "batch": 256,
        "generator_channels": (256, 128, 64),
        "generator_stages": UP,
        "generator_slope": 0.2,
        "generator_bias": True,
        "discriminator_channels": (64, 128),
        "discriminator_stages": DOWN,
        "dropout": 0.3,
        "probability": True,
        "loss": "bce",
        "optimizer": "adam",
        "generator_rate": 2e-4,
        "discriminator_rate": 2e-4,
        "beta_1": 0.5,
        "condition": "none",
    },
    "dcgan-logits": {
        "generator_stages": UP,
        "generator_bias": False,
        "probability": False,
        "loss": "bce",
        "generator_rate": 1e-4,
        "discriminator_rate": 1e-4,
        "beta_1": 0.5,
        "dropout": 0.3,
    },
    "cdcgan-concat": {
        "condition": "concat",
        "generator_stages": UP,
        "discriminator_stages": DOWN,
        "probability": True,
        "generator_rate": 2e-4,
        "beta_1": 0.5,
    },
    "cdcgan": {
        "condition": "projection",
        "loss": "bce",
        "probability": False,
        "r1_gamma": 0.5,
        "ema": 0.999,
    },
    "wgan": {
        "loss": "wasserstein",
        "probability": False,
        "discriminator_norm": "batch",
        "weight_clip": 0.01,
        "optimizer": "rmsprop",
        "generator_rate": 5e-5,
        "discriminator_rate": 5e-5,
        "critic_steps": 5,
    },
    "wgan-gp": {
        "loss": "wasserstein",
        "probability": False,
        "gradient_penalty": 10.0,
        "discriminator_norm": "none",
        "weight_clip": 0.0,
        "generator_rate": 1e-4,
        "discriminator_rate": 1e-4,
        "beta_1": 0.0,
        "beta_2": 0.9,
        "critic_steps": 5,
    },
    "sngan": {
        "loss": "hinge",
        "probability": False,
        "spectral_norm": True,
        "weight_clip": 0.0,
        "gradient_penalty": 0.0,
        "critic_steps": 1,
    },
}
# steps between grids (10 epochs of 215 batches), columns
GRIDS = {"fc": (200, 5), "dcgan": (2150, 4), "dcgan-logits": (2150, 4)}
TECHNIQUES: dict[str, dict[str, Any]] = {
    "label smoothing": {"label_smoothing": 0.1},
    "minibatch discrimination": {"minibatch": "discrimination"},
    "minibatch deviation": {"minibatch": "deviation"},
    "dropout": {"dropout": 0.3},
    "spectral norm": {"spectral_norm": True},
    "weight clipping": {"weight_clip": 0.01},
    "gradient penalty": {"gradient_penalty": 10.0},
    "R1": {"r1_gamma": 1.0, "r1_every": 1},
    "EMA": {"ema": 0.9},
    "translation and cutout": {"translation": 0.125, "cutout": 0.5},
    "critic steps": {"critic_steps": 2},
    "decay": {"decay_from": 0.5},
    "condition": {"condition": "projection"},
}
APART = (  # to be left out so that the others go together; what takes long to compile goes once
    ("weight clipping", "gradient penalty", "minibatch deviation"),
    ("spectral norm", "gradient penalty", "minibatch discrimination", "R1", "critic steps"),
    ("spectral norm", "minibatch discrimination", "minibatch deviation", "R1", "critic steps"),
)
REFUSED = {  # and why
    ("label smoothing", "wgan"): "no targets",
    ("label smoothing", "wgan-gp"): "no targets",
    ("label smoothing", "sngan"): "no targets",
    ("minibatch discrimination", "wgan-gp"): "mix images",
    ("minibatch deviation", "wgan-gp"): "mix images",
    ("spectral norm", "wgan"): "exclude each other",
    ("gradient penalty", "wgan"): "mix images",
    ("weight clipping", "sngan"): "exclude each other",
}


def test_there_is_a_recipe_for_every_preset() -> None:
    assert RECIPES.keys() == PRESETS.keys()


@pytest.mark.parametrize("name", RECIPES)
def test_a_preset_has_the_figures_of_its_recipe(name: str) -> None:
    settings = PRESETS[name].settings
    assert {field: getattr(settings, field) for field in RECIPES[name]} == RECIPES[name]


@pytest.mark.parametrize("name", GRIDS)
def test_a_preset_draws_the_grids_of_its_recipe(name: str) -> None:
    run = PRESETS[name].run
    assert (run.samples_every, run.grid) == GRIDS[name]


def test_uneven_classes_are_balanced_with_a_condition() -> None:
    even, uneven = [6_000] * 9 + [3_001], [6_000] * 9 + [3_000]
    assert not recipe_for(even, "cdcgan").class_balance
    assert recipe_for(uneven, "cdcgan") == replace(PRESETS["cdcgan"].settings, class_balance=True)
    assert recipe_for(uneven, "cdcgan-concat").class_balance
    assert not recipe_for(uneven, "dcgan").class_balance
    told = replace(PRESETS["dcgan"].settings, condition="concat")
    assert fit_recipe("dcgan", uneven, told).changes == {"class_balance": True}
    untold = replace(PRESETS["cdcgan"].settings, condition="none")
    assert fit_recipe("cdcgan", uneven, untold).changes == {}
    # a class without images is not rare, it is not there
    assert recipe_for([0, 500, 500], "cdcgan").class_balance is False


@pytest.mark.parametrize(
    ("counts", "changes"),
    [
        ([200] * 10, {"steps": 2500, "translation": 0.04}),
        ([199] * 10, {"steps": 1500, "translation": 0.04}),
        ([2000] * 10, {}),
        ([20] * 9 + [5], {"steps": 1500, "translation": 0.04, "class_balance": True}),
    ],
)
def test_a_recipe_is_fitted_to_few_images(counts: list[int], changes: dict[str, Any]) -> None:
    preset = PRESETS["cdcgan"].settings
    assert fit_recipe("cdcgan", counts, preset) == (replace(preset, **changes), changes)


def test_what_the_user_chose_is_not_fitted() -> None:
    chosen = replace(PRESETS["cdcgan"].settings, steps=7)
    fitted = fit_recipe("cdcgan", [20] * 10, chosen, keep=["steps", "latent"])
    assert fitted.changes == {"translation": 0.04}
    assert fitted.settings == replace(chosen, translation=0.04)


def cut(settings: GanSettings) -> GanSettings:
    """The recipe with dense layers of a few units, which is compiled in a moment."""
    dense: dict[str, Any] = {
        "generator_stages": ("dense",),
        "generator_channels": (8,),
        "discriminator_stages": ("dense",),
        "discriminator_channels": (8,),
    }
    return replace(settings, **dense, batch=6, latent=4, label_embedding=3, discriminator_dense=0)


@pytest.mark.parametrize("name", PRESETS)
@pytest.mark.parametrize("technique", TECHNIQUES)
def test_every_technique_goes_with_every_preset_or_is_refused(technique: str, name: str) -> None:
    reason, settings = REFUSED.get((technique, name)), cut(PRESETS[name].settings)
    if reason:
        with pytest.raises(SettingsError, match=reason):
            replace(settings, **TECHNIQUES[technique])
    else:
        changed = replace(settings, **TECHNIQUES[technique])
        assert all(
            getattr(changed, field) == value for field, value in TECHNIQUES[technique].items()
        )


@pytest.mark.slow
@pytest.mark.parametrize("name", PRESETS)
@pytest.mark.parametrize("apart", APART)
def test_techniques_that_go_together_train_together(
    name: str, apart: tuple[str, ...], patches: Digits
) -> None:
    settings = cut(PRESETS[name].settings)
    for technique, changes in TECHNIQUES.items():
        if technique not in apart and (technique, name) not in REFUSED:
            settings = replace(settings, **changes)
    state = GanState(settings, patches, seed=0)
    before = state.export()
    assert np.isfinite(make_runner(state, patches)(tf.constant(1)).numpy()).all()
    after = state.export()
    for network in ("generator/output/kernel", "discriminator/dense/kernel"):
        assert np.isfinite(after[network]).all()
        assert not np.array_equal(after[network], before[network])
