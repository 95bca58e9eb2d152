"""Presets: a model variant is a value of `GanSettings` and one line here."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

from synthgen.config import GanSettings, TrainSettings
from synthgen.errors import SettingsError

# The recipe of version 0.1.0, with what it did where later settings leave a choice. A checkpoint
# that does not name a setting, because it was made before there was such a one, has the value given
# here; and the identity of a checkpoint leaves out what is as here. So neither a new setting nor a
# new default changes what is known of older checkpoints. Every setting stands here; none of these
# values ever changes.
BASELINE_SETTINGS = GanSettings(
    steps=4400,
    batch=128,
    class_balance=False,
    latent=64,
    condition="projection",
    label_embedding=32,
    generator_channels=(112, 96, 64),
    generator_stages=("up4", "same3", "pixels3"),
    generator_norm="batch",
    norm_momentum=0.99,
    norm_last=False,
    norm_units=False,
    generator_slope=0.0,
    generator_bias=False,
    output_bias=True,
    discriminator_channels=(64, 112, 112),
    discriminator_stages=("pixels3", "down4", "same3"),
    discriminator_dense=256,
    discriminator_norm="none",
    dropout=0.0,
    spectral_norm=False,
    minibatch="none",
    probability=False,
    loss="bce",
    label_smoothing=0.0,
    r1_gamma=0.5,
    r1_every=8,
    gradient_penalty=0.0,
    weight_clip=0.0,
    critic_steps=1,
    translation=0.0,
    cutout=0.0,
    optimizer="adam",
    generator_rate=0.0003,
    discriminator_rate=0.0003,
    beta_1=0.0,
    beta_2=0.99,
    decay_from=0.5,
    ema=0.999,
    updates="alternating",
)


@dataclass(frozen=True, kw_only=True)
class FewImages:
    """What a recipe changes where there are few training images.

    Args:
        below: so few are there, in all classes together.
        steps: training steps.
        translation: largest shift of what the discriminator sees, as a share of the side.
    """

    below: int
    steps: int
    translation: float


class Preset(NamedTuple):
    """A named recipe with a one-line description and its sources.

    Args:
        settings: the recipe.
        recipe: the recipe in one line.
        reference: where it comes from.
        run: how often the recipe looks at its samples.
        few: what it changes for few images; those for the fewest first.
    """

    settings: GanSettings
    recipe: str
    reference: str
    run: TrainSettings = TrainSettings()
    few: tuple[FewImages, ...] = ()


# no condition, no regulariser, no average: what the tutorials begin with
_PLAIN = GanSettings(
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

# Classes are uneven where the most frequent one has this many times the images of the rarest:
# generated images take all classes equally often, and a discriminator would see next to no real
# ones of a rare class.
UNEVEN_CLASSES = 2
PRESETS = {
    "cdcgan": Preset(
        GanSettings(),
        "class-conditional DCGAN: conditional BatchNorm, projection discriminator, "
        "non-saturating loss, lazy R1, EMA",
        "Radford et al. 2016; Miyato & Koyama 2018; Mescheder et al. 2018; Karras et al. 2020",
        # see tests/benchmarks/README.md
        few=(
            FewImages(below=2_000, steps=1500, translation=0.04),
            FewImages(below=20_000, steps=2500, translation=0.04),
        ),
    ),
    "cdcgan-concat": Preset(
        replace(DCGAN, condition="concat"),
        "conditional DCGAN: one-hot label joined to the latent, "
        "and as constant planes to the image",
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
    """Return the preset of this name.

    Raises:
        SettingsError: naming the presets there are.
    """
    if name not in PRESETS:
        raise SettingsError(f"--preset: expected one of {', '.join(PRESETS)}, received {name!r}.")
    return PRESETS[name]


class FittedRecipe(NamedTuple):
    """A recipe that was fitted to the training images.

    Args:
        settings: the recipe.
        changes: the settings that differ from the given ones, by name.
    """

    settings: GanSettings
    changes: Mapping[str, Any]


def fit_recipe(
    preset: str, counts: Sequence[int], settings: GanSettings, keep: Collection[str] = ()
) -> FittedRecipe:
    """Fit a recipe to the number of training images.

    Where there are few images in all, it takes what its preset changes for few images. With a
    condition it balances uneven classes (see UNEVEN_CLASSES).

    Args:
        preset: name of the preset that the recipe comes from.
        counts: training images of each class.
        settings: the recipe.
        keep: names of settings that the user chose: they stay as they are.

    Raises:
        SettingsError: naming the presets there are.

    Example:
        >>> gan = PRESETS["cdcgan"].settings
        >>> fit_recipe("cdcgan", [500] * 10, gan).changes
        {'steps': 2500, 'translation': 0.04}
        >>> fit_recipe("cdcgan", [6_000] * 9 + [150], gan).changes
        {'class_balance': True}
    """
    fitted = settings
    for few in find_preset(preset).few:
        if sum(counts) < few.below:
            fitted = replace(fitted, steps=few.steps, translation=few.translation)
            break
    present = [count for count in counts if count]
    if settings.conditional and present and max(present) >= UNEVEN_CLASSES * min(present):
        fitted = replace(fitted, class_balance=True)

    changes = {}
    for name in ("steps", "translation", "class_balance"):
        value = getattr(fitted, name)
        if name not in keep and value != getattr(settings, name):
            changes[name] = value
    return FittedRecipe(replace(settings, **changes), changes)


def recipe_for(counts: Sequence[int], preset: str) -> GanSettings:
    """Return the recipe of a preset, fitted to the training images of each class.

    Raises:
        SettingsError: naming the presets there are.
    """
    return fit_recipe(preset, counts, find_preset(preset).settings).settings
