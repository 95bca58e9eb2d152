import pytest

from synthgen.evaluation.verdict import Estimate
from synthgen.evaluation.wording import between, half_width, percent, percent_between, signed

NONE = Estimate(mean=0.5, low=None, high=None)


@pytest.mark.parametrize(("share", "text"), [(0.00021, "+0.02"), (-0.0049, "\N{MINUS SIGN}0.49"), (-0.00001, "0.00"), (0.0, "0.00")])
def test_differences_are_signed_points(share: float, text: str) -> None:
    assert signed(share) == text


def test_shares_are_percentages() -> None:
    assert percent(0.99451) == "99.45\N{NO-BREAK SPACE}%"


def test_intervals() -> None:
    estimate = Estimate(mean=0.99, low=0.985, high=0.995)
    assert half_width(estimate) == "±\N{NO-BREAK SPACE}0.50"
    assert percent_between(estimate) == "98.50 to 99.50\N{NO-BREAK SPACE}%"
    assert between(Estimate(mean=0, low=-0.001, high=0.002)) == "\N{MINUS SIGN}0.10 to +0.20"


def test_no_interval_is_a_dash() -> None:
    assert {half_width(NONE), between(NONE), percent_between(NONE)} == {"\N{EN DASH}"}
