"""Presets: a model variant is a value of `GanSettings` and one line here."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from types import MappingProxyType
from typing import Any, NamedTuple

from synthgen.config import GanSettings, TrainSettings
from synthgen.errors import SettingsError

FIRST: Mapping[str, Any] = {
    "steps": 4400,
    "batch": 128,
    "class_balance": False,
    "latent": 64,
    "condition": "projection",
    "label_embedding": 32,
    "generator_channels": (112, 96, 64),
    "generator_stages": ("up4", "same3", "pixels3"),
    "generator_norm": "batch",
    "norm_momentum": 0.99,
    "norm_last": False,
    "norm_units": False,
    "generator_slope": 0.0,
    "generator_bias": False,
    "output_bias": True,
    "discriminator_channels": (64, 112, 112),
    "discriminator_stages": ("pixels3", "down4", "same3"),
    "discriminator_dense": 256,
    "discriminator_norm": "none",
    "dropout": 0.0,
    "spectral_norm": False,
    "minibatch": "none",
    "probability": False,
    "loss": "bce",
    "label_smoothing": 0.0,
    "r1_gamma": 0.5,
    "r1_every": 8,
    "gradient_penalty": 0.0,
    "weight_clip": 0.0,
    "critic_steps": 1,
    "translation": 0.0,
    "cutout": 0.0,
    "optimizer": "adam",
    "generator_rate": 0.0003,
    "discriminator_rate": 0.0003,
    "beta_1": 0.0,
    "beta_2": 0.99,
    "decay_from": 0.5,
    "ema": 0.999,
    "updates": "alternating",
}


class Preset(NamedTuple):
    """A named recipe with a one-line description and its sources.

    Args:
        settings: the recipe.
        recipe: in one line.
        reference: where it comes from.
        run: how often the recipe looks at its samples.
        few: with fewer training images than the key, the fields of `settings` that differ; keys in
            rising order.
    """

    settings: GanSettings
    recipe: str
    reference: str
    run: TrainSettings = TrainSettings()
    few: Mapping[int, Mapping[str, Any]] = MappingProxyType({})


_PLAIN = GanSettings(  # no condition, no regulariser, no average: what the tutorials begin with
    latent=100,
    condition="none",
    generator_slope=0.2,
    generator_bias=True,
    discriminator_dense=0,
    updates="alternating",
    r1_gamma=0,
    decay_from=1,
    ema=0,
    beta_2=0.999,
)
FC = replace(
    _PLAIN,
    steps=10_000,
    batch=32,
    generator_channels=(256, 512, 1024),
    generator_stages=("dense", "dense", "dense"),
    norm_last=True,
    norm_momentum=0.8,
    discriminator_channels=(512, 256),
    discriminator_stages=("dense", "dense"),
    probability=True,
    optimizer="sgd",
    generator_rate=0.01,
    discriminator_rate=0.01,
)
DCGAN = replace(
    _PLAIN,
    steps=10_750,  # 50 epochs of 55,000 images
    batch=256,
    generator_channels=(256, 128, 64),
    generator_stages=("same5", "up5", "up5"),
    norm_units=True,
    discriminator_channels=(64, 128),
    discriminator_stages=("down5", "down5"),
    dropout=0.3,
    probability=True,
    updates="simultaneous",
    generator_rate=2e-4,
    discriminator_rate=2e-4,
    beta_1=0.5,
)
LOGITS = replace(
    DCGAN,
    generator_bias=False,
    output_bias=False,
    probability=False,
    generator_rate=1e-4,
    discriminator_rate=1e-4,
)
# DCGAN without its widest layer, a narrower critic without dropout: five critic steps must be
# affordable
CRITIC = replace(
    DCGAN,
    steps=4000,
    batch=64,
    generator_channels=(128, 64),
    generator_stages=("up5", "up5"),
    discriminator_channels=(48, 96),
    dropout=0.0,
    probability=False,
    loss="wasserstein",
    updates="alternating",
    critic_steps=5,
)
WGAN = replace(
    CRITIC,
    steps=10_000,
    batch=32,
    discriminator_norm="batch",
    weight_clip=0.01,
    optimizer="rmsprop",
    generator_rate=5e-5,
    discriminator_rate=5e-5,
)
WGAN_GP = replace(
    CRITIC,
    gradient_penalty=10.0,
    generator_rate=1e-4,
    discriminator_rate=1e-4,
    beta_1=0.0,
    beta_2=0.9,
)
SNGAN = replace(CRITIC, loss="hinge", spectral_norm=True, critic_steps=1)
_TENTH_EPOCH = TrainSettings(samples_every=2150, grid=4)

# times the rarest class: generated images take all classes equally often, and a discriminator sees
# next to no real ones of a rare class
UNEVEN = 2
PRESETS = {
    "cdcgan": Preset(
        GanSettings(),
        "class-conditional DCGAN: conditional BatchNorm, projection discriminator, non-saturating loss, lazy R1, EMA",
        "Radford et al. 2016; Miyato & Koyama 2018; Mescheder et al. 2018; Karras et al. 2020",
        # see tests/benchmarks/README.md
        few={
            2_000: {"steps": 1500, "translation": 0.04},
            20_000: {"steps": 2500, "translation": 0.04},
        },
    ),
    "cdcgan-concat": Preset(
        replace(DCGAN, condition="concat"),
        "conditional DCGAN: one-hot label joined to the latent, and as constant planes to the image",
        "Mirza & Osindero 2014; Radford et al. 2016",
        _TENTH_EPOCH,
    ),
    "dcgan": Preset(
        DCGAN,
        "DCGAN: 5x5 transposed convolutions, one probability, Adam 2e-4",
        "Radford et al. 2016",
        _TENTH_EPOCH,
    ),
    "dcgan-logits": Preset(
        LOGITS,
        "DCGAN without biases in the generator, logits, Adam 1e-4",
        "Radford et al. 2016; TensorFlow's tutorial",
        _TENTH_EPOCH,
    ),
    "fc": Preset(
        FC,
        "fully connected GAN: dense layers, one probability, SGD",
        "Goodfellow et al. 2014",
        TrainSettings(samples_every=200, grid=5),
    ),
    "wgan": Preset(
        WGAN,
        "Wasserstein GAN: clipped critic with BatchNorm, five critic steps, RMSprop 5e-5",
        "Arjovsky et al. 2017",
    ),
    "wgan-gp": Preset(
        WGAN_GP,
        "Wasserstein GAN with gradient penalty 10, five critic steps, Adam (1e-4, 0, 0.9)",
        "Gulrajani et al. 2017",
    ),
    "sngan": Preset(
        SNGAN,
        "spectral normalisation in the discriminator, hinge loss, Adam 2e-4",
        "Miyato et al. 2018",
    ),
}


def find_preset(name: str) -> Preset:
    """The preset of this name.

    Raises:
        SettingsError: naming the presets there are.
    """
    if name not in PRESETS:
        raise SettingsError(f"--preset: expected one of {', '.join(PRESETS)}, received {name!r}.")
    return PRESETS[name]


def fit_to(counts: Sequence[int], name: str, conditional: bool | None = None) -> Mapping[str, Any]:
    """What the recipe of a preset changes for so many training images.

    Args:
        counts: training images of each class.
        name: of the preset.
        conditional: whether the networks are told the class; None: as the preset says.

    Returns:
        Fields of GanSettings: those of a recipe for few images where there are few in all, and with
        a condition `class_balance` where the most frequent class has UNEVEN times as many as the
        rarest. None where neither is so.

    Raises:
        SettingsError: naming the presets there are.

    Example:
        >>> fit_to([500] * 10, "cdcgan"), fit_to([500] * 10, "dcgan"), fit_to([6_000] * 9 + [150], "cdcgan")
        ({'steps': 2500, 'translation': 0.04}, {}, {'class_balance': True})
    """
    preset, there = find_preset(name), [count for count in counts if count]
    few = next((changes for below, changes in preset.few.items() if sum(counts) < below), {})
    told = preset.settings.conditional if conditional is None else conditional
    return (
        {**few, "class_balance": True}
        if told and there and max(there) >= UNEVEN * min(there)
        else few
    )


def recipe_for(counts: Sequence[int], name: str) -> GanSettings:
    """The recipe of a preset, fitted to the training images of each class.

    Raises:
        SettingsError: naming the presets there are.
    """
    return replace(find_preset(name).settings, **fit_to(counts, name))
