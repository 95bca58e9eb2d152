"""Presets: a model variant is a value of `GanSettings` and one line here."""

from typing import NamedTuple

from synthgen.config import GanSettings
from synthgen.errors import SettingsError


class Preset(NamedTuple):
    """A named recipe with a one-line description and its sources."""

    settings: GanSettings
    recipe: str
    reference: str


PRESETS = {
    "cdcgan": Preset(
        GanSettings(),
        "class-conditional DCGAN: conditional BatchNorm, projection discriminator, non-saturating loss, lazy R1, EMA",
        "Radford et al. 2016; Miyato & Koyama 2018; Mescheder et al. 2018; Karras et al. 2020",
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
