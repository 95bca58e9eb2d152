"""Settings: frozen, keyword-only, checked when they are made, each default and each help text here and nowhere else.

The command line derives its options from these fields, and the README's option tables are the commands' own help.
"""

import dataclasses
import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from synthgen.errors import SettingsError

FORMATS = ("hdf5", "png")
SCREENS = ("mislabels", "none")
Check = Callable[[Any], str | None]


def setting(default: Any, help: str, check: Check | None = None) -> Any:
    """A dataclass field that carries its help text and its check."""
    return dataclasses.field(default=default, metadata={"help": help, "check": check})


def between(low: float, high: float) -> Check:
    """A check that a number lies in [low, high]."""
    return lambda value: None if low <= value <= high else f"a number from {low:,} to {high:,}"


def one_of(choices: tuple[str, ...]) -> Check:
    """A check that a value is one of the choices."""
    return lambda value: None if value in choices else "one of " + ", ".join(choices)


def _all_of(choices: tuple[str, ...]) -> Check:
    expected = "one or more of " + ", ".join(choices) + ", separated by commas, each once"
    return lambda values: None if values and set(values) <= set(choices) and len(set(values)) == len(values) else expected


def channel_counts(count: int) -> Check:
    """A check that a value is this many channel counts."""
    expected = f"{count} channel counts from 1 to 4096, separated by commas"
    return lambda values: None if len(values) == count and all(1 <= v <= 4096 for v in values) else expected


def _name(value: str) -> str | None:
    ok = value and value[0].isalnum() and all(c.isalnum() or c in "-_." for c in value)
    return None if ok else "a file name of letters, digits, '-', '_' and '.', beginning with a letter or digit"


def check_settings(settings: Any) -> None:
    """Apply each field's check.

    Raises:
        SettingsError: naming the option, what was expected and what was received.
    """
    for field in dataclasses.fields(settings):
        check, value = field.metadata.get("check"), getattr(settings, field.name)
        expected = check(value) if check and value is not None else None
        if expected:
            raise SettingsError(f"--{field.name.replace('_', '-')}: expected {expected}, received {value!r}.")


def fingerprint(content: Any) -> str:
    """SHA-256 of a JSON-able value in canonical form (sorted keys, no spaces), as 64 hex digits."""
    return hashlib.sha256(json.dumps(content, sort_keys=True, separators=(",", ":")).encode()).hexdigest()


@dataclass(frozen=True, kw_only=True)
class GanSettings:
    """A training recipe: networks, loss and optimisation. A preset is a value of this type."""

    steps: int = setting(4400, "Training steps (updates of the generator).", between(1, 10_000_000))
    batch: int = setting(128, "Real images (and as many generated ones) per step.", between(2, 65_536))
    latent: int = setting(64, "Size of the latent vector.", between(1, 4096))
    label_embedding: int = setting(32, "Size of the class embedding that joins the latent.", between(1, 1024))
    generator_channels: tuple[int, ...] = setting((112, 96, 64), "Generator channels, input side first.", channel_counts(3))
    discriminator_channels: tuple[int, ...] = setting((64, 112, 112), "Discriminator channels, image side first.", channel_counts(3))
    discriminator_dense: int = setting(256, "Width of the discriminator's dense feature layer.", between(1, 8192))
    generator_rate: float = setting(3e-4, "Adam learning rate of the generator.", between(1e-8, 1))
    discriminator_rate: float = setting(3e-4, "Adam learning rate of the discriminator.", between(1e-8, 1))
    beta_1: float = setting(0.0, "Adam beta 1 of both networks.", between(0, 0.999999))
    beta_2: float = setting(0.99, "Adam beta 2 of both networks.", between(0, 0.999999))
    decay_from: float = setting(0.5, "Share of the steps after which the rates fall linearly to 1 %.", between(0, 1))
    r1_gamma: float = setting(0.5, "Strength of the R1 gradient penalty on real images.", between(0, 1000))
    r1_every: int = setting(8, "Steps between two applications of R1 (lazy regularisation).", between(1, 1000))
    ema: float = setting(0.999, "Decay of the exponential moving average of the generator.", between(0, 0.999999))

    def __post_init__(self) -> None:
        check_settings(self)


@dataclass(frozen=True, kw_only=True)
class TrainSettings:
    """How a training is run; what is trained is in GanSettings."""

    seed: int = setting(0, "Seed of the whole training: initial weights, data order, latents.", between(0, 2**31 - 1))
    samples_every: int = setting(200, "Steps between two sample grids (10 x 10, one row a class).", between(1, 10_000_000))
    save_minutes: float = setting(3.0, "Minutes between two checkpoints.", between(0.01, 1440))
    log_every: int = setting(10, "Steps per line of log.csv (and per compiled call).", between(1, 100_000))

    def __post_init__(self) -> None:
        check_settings(self)


@dataclass(frozen=True, kw_only=True)
class BuildSettings:
    """What a build makes. Everything that decides the content of the files is part of the fingerprint."""

    per_class: int = setting(5000, "Images of each class.", between(1, 2**40))
    name: str = setting("digits", "Name of the set: data/NAME, manifests/NAME.csv.", _name)
    formats: tuple[str, ...] = setting(("hdf5", "png"), "Shard formats, separated by commas.", _all_of(FORMATS))
    seed: int = setting(0, "Run seed: with it, label, index and attempt make the seed of each image.", between(0, 2**63 - 1))
    shard_size: int = setting(10_000, "Images per shard, rounded down to a multiple of the number of classes.", between(1, 10_000_000))
    batch: int = setting(500, "Images per pass through the generator; the last batch is padded to this size.", between(1, 65_536))
    screen: str = setting(
        "mislabels", "Which images are drawn again: 'mislabels' (the screening classifier is sure of another class) or 'none'.", one_of(SCREENS)
    )
    screen_confidence: float = setting(0.6, "Confidence in another class from which an image counts as mislabelled.", between(0, 1))
    max_attempts: int = setting(20, "Draws for one image before the build gives up on its class.", between(1, 100_000))

    def __post_init__(self) -> None:
        check_settings(self)


@dataclass(frozen=True, kw_only=True)
class EvaluationSettings:
    """How the usefulness of a set is measured."""

    seeds: int = setting(3, "Paired repetitions of each arm.", between(1, 1000))
    epochs: float = setting(2.0, "Training length of every arm, in passes over the real training digits.", between(0.01, 1000))
    max_synthetic: int = setting(200_000, "Synthetic images used at most: the first ones of each class.", between(1, 10_000_000))

    def __post_init__(self) -> None:
        check_settings(self)
