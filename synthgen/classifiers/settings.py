"""Settings of the classifiers: frozen values that can be read, recorded and compared without loading TensorFlow."""

import dataclasses
from dataclasses import dataclass

from synthgen.config import between, channel_counts, check_settings, setting


@dataclass(frozen=True, kw_only=True)
class ClassifierSettings:
    """The training recipe of the judging classifier, the same in every arm."""

    steps: int = setting(
        1720, "Gradient steps, whatever the number of images.", between(1, 10_000_000)
    )
    batch: int = setting(64, "Images per step.", between(2, 65_536))
    channels: tuple[int, ...] = setting(
        (32, 64, 64, 96),
        "Channels of the four convolutions (multiples of 8 run fastest).",
        channel_counts(4),
    )
    rate: float = setting(3e-3, "Highest learning rate of AdamW.", between(1e-8, 1))
    warmup: float = setting(
        0.2,
        "Share of the steps in which the rate rises; then it falls to 0 along a cosine.",
        between(0, 0.99),
    )
    weight_decay: float = setting(1e-2, "Weight decay of AdamW.", between(0, 1))
    label_smoothing: float = setting(
        0.1, "Share of each target spread over all classes.", between(0, 0.99)
    )
    dropout: float = setting(0.2, "Share of the features dropped in training.", between(0, 0.99))

    def __post_init__(self) -> None:
        check_settings(self)


@dataclass(frozen=True, kw_only=True)
class DistortionSettings:
    """Ranges of the affine and elastic distortions; every image draws its own values, uniform within them."""

    rotation: float = setting(15.0, "Largest rotation, degrees either way.", between(0, 180))
    shear: float = setting(
        0.2, "Largest horizontal shear, pixels per pixel either way.", between(0, 2)
    )
    scale: float = setting(
        0.15, "Largest stretch of each side, as a share of it either way.", between(0, 0.9)
    )
    translation: float = setting(
        0.07, "Largest shift, as a share of the side either way.", between(0, 1)
    )
    elastic: float = setting(
        0.035,
        "Standard deviation of the elastic displacement, as a share of the side.",
        between(0, 1),
    )
    smoothness: float = setting(
        0.15,
        "Width of the Gaussian that smooths the elastic displacement, as a share of the side.",
        between(0.02, 1),
    )

    def __post_init__(self) -> None:
        check_settings(self)

    def scaled(self, strength: float) -> "DistortionSettings":
        """Multiply every range by a strength, up to the largest that makes sense; the smoothness stays.

        Args:
            strength: 0 or more; 0 distorts nothing.
        """
        return dataclasses.replace(
            self,
            rotation=min(180.0, self.rotation * strength),
            shear=min(2.0, self.shear * strength),
            scale=min(0.9, self.scale * strength),
            translation=min(1.0, self.translation * strength),
            elastic=min(1.0, self.elastic * strength),
        )
