"""The recipe of version 0.1.0, with what it did where later settings leave a choice. Nothing here ever changes.

The identity of a checkpoint leaves out settings with these values, and records that lack a setting
mean them: neither a new default nor a new setting then changes what is known of older checkpoints.
A later setting adds a line, with the value that does what was done before there was a choice.
"""

from collections.abc import Mapping
from typing import Any

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
