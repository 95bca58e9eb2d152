from synthgen.config import EVALUATION_ARMS, GRID_ARMS
from synthgen.evaluation.arms import ARMS
from synthgen.evaluation.scenarios import IMBALANCE_ARMS
from synthgen.reports.arm_styles import ARM_STYLES, arm_tone


def test_every_arm_has_a_colour_and_none_share_one_in_a_plot() -> None:
    assert set(ARM_STYLES) == set(ARMS)
    for arms in (EVALUATION_ARMS, GRID_ARMS, IMBALANCE_ARMS):
        assert len({arm_tone(arm) for arm in arms}) == len(arms)
