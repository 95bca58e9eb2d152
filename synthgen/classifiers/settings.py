"""Settings of the classifiers, which are read and recorded without loading TensorFlow."""

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass

from synthgen.config import between, check_settings, setting

Progress = Callable[[int], object]  # called with the number of gradient steps just done


@dataclass(frozen=True, kw_only=True)
class FitSettings:
    """How a classifier is trained: AdamW on the cross-entropy, with a learning rate in one cycle.

    The rate rises in a straight line for a share of the steps and then falls to 0 along a cosine
    (Smith and Topin 2018, "Super-convergence", https://arxiv.org/abs/1708.07120). AdamW: Loshchilov
    and Hutter 2019, https://arxiv.org/abs/1711.05101. Label smoothing: Szegedy et al. 2016,
    https://arxiv.org/abs/1512.00567, section 7.
    """

    steps: int = setting(
        1720, "Gradient steps, whatever the number of images.", between(1, 10_000_000)
    )
    batch: int = setting(64, "Images per step.", between(2, 65_536))
    rate: float = setting(3e-3, "Highest learning rate.", between(1e-8, 1))
    start_divisor: float = setting(
        40.0, "The first learning rate is the highest one divided by this.", between(1, 1e6)
    )
    warmup: float = setting(0.2, "Share of the steps in which the rate rises.", between(0, 0.99))
    weight_decay: float = setting(1e-2, "Weight decay of AdamW.", between(0, 1))
    beta_2: float = setting(
        0.99, "Decay of AdamW's mean of the squared gradients.", between(0, 0.9999)
    )
    label_smoothing: float = setting(
        0.1, "Share of each target spread over all classes.", between(0, 0.99)
    )

    def __post_init__(self) -> None:
        check_settings(self)


@dataclass(frozen=True, kw_only=True)
class DistortionSettings:
    """Ranges of the affine and elastic distortions.

    Every image draws its own values, uniform within them.
    """

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
        """Multiply every range by a strength, up to its largest; the smoothness stays.

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
