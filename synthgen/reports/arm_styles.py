"""The colour of each arm, the same in every plot."""

from synthgen.reports.page.svg import SERIES

# Numbers of colours, markers and dashes of `page.plots`; arms of one number never share a plot.
ARM_STYLES = {
    "real": 0,
    "real_synthetic": 1,
    "top_up": 1,
    "classical": 2,
    "oversampling": 2,
    "both": 3,
    "top_up_classical": 3,
    "synthetic": 4,
    "real_half_steps": 5,
    "class_weights": 5,
}


def arm_tone(arm: str) -> str:
    """Names the colour of an arm, a key of `page.svg.COLOURS`."""
    return SERIES[ARM_STYLES[arm]]
