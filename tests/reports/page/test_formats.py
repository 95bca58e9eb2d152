from typing import Any

import pytest

from synthgen.metrics.intervals import Estimate
from synthgen.reports.page.formats import (
    between,
    half_width,
    in_percent,
    percent_between,
    write,
    write_interval,
)
from synthgen.text import (
    DASH,
    GAP,
    MINUS,
    count,
    counted,
    decimals_for,
    duration,
    listed,
    number,
    percent,
    signed,
)

NONE = Estimate(mean=0.5, low=None, high=None)


@pytest.mark.parametrize(
    ("share", "text"),
    [(0.00021, "+0.02"), (-0.0049, f"{MINUS}0.49"), (-0.00001, "0.00"), (0.0, "0.00")],
)
def test_differences_are_signed_points(share: float, text: str) -> None:
    assert signed(share) == text


def test_shares_are_percentages() -> None:
    assert percent(0.99451) == f"99.45{GAP}%"
    assert percent(-0.0104) == f"{MINUS}1.04{GAP}%"


def test_intervals() -> None:
    estimate = Estimate(mean=0.99, low=0.985, high=0.995)
    assert half_width(estimate) == f"±{GAP}0.50"
    assert half_width(Estimate(mean=0.9866, low=0.9682, high=1.0)) == f"{MINUS}1.84/+1.34"
    assert percent_between(estimate) == f"98.50 to 99.50{GAP}%"
    assert between(Estimate(mean=0, low=-0.001, high=0.002)) == f"{MINUS}0.10 to +0.20"


def test_no_interval_is_a_dash() -> None:
    assert {
        half_width(NONE),
        between(NONE),
        percent_between(NONE),
        write_interval("number", NONE),
    } == {DASH}


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.0123456, "0.01235"),
        (12345.6, "12,346"),
        (-9.5, f"{MINUS}9.500"),
        (0.0, "0"),
        (float("inf"), "inf"),
        (1.2e-9, "1.200e\N{MINUS SIGN}09"),
    ],
)
def test_numbers_have_four_digits(value: float, text: str) -> None:
    assert number(value) == text


@pytest.mark.parametrize("value", [1.0, 0.99999999, 1.00000001, 0.99996])
def test_numbers_near_1_have_three_decimals(value: float) -> None:
    assert number(value) == "1.000"


@pytest.mark.parametrize("low", [1.0, 0.9999999, 0.99999999])
def test_an_interval_of_rounding_is_not_written_finely(low: float) -> None:
    estimate = Estimate(mean=1.0, low=low, high=1.0)
    assert (write("number", estimate), write_interval("number", estimate)) == (
        "1.000",
        "1.000 to 1.000",
    )


def test_a_narrow_interval_is_written_as_finely_as_it_is_wide() -> None:
    estimate = Estimate(mean=0.9999, low=0.9998, high=1.0)
    assert (write("number", estimate), write_interval("number", estimate)) == (
        "0.99990",
        "0.99980 to 1.00000",
    )


@pytest.mark.parametrize(
    ("value", "decimals"), [(0.475, 2), (0.0006, 5), (0.0996, 2), (31.0, 0), (0.0, 2)]
)
def test_decimals_that_show_two_digits(value: float, decimals: int) -> None:
    assert decimals_for(value, 2) == decimals


@pytest.mark.parametrize(
    ("kind", "value", "text", "interval"),
    [
        ("number", Estimate(mean=9.5, low=9.025, high=9.975), "9.50", "9.03 to 9.97"),
        ("number", 2.4, "2.400", ""),
        (
            "percent",
            Estimate(mean=0.9, low=0.8, high=0.95),
            f"90.00{GAP}%",
            f"80.00 to 95.00{GAP}%",
        ),
        (
            "points",
            Estimate(mean=-0.001, low=-0.002, high=0.0),
            f"{MINUS}0.10",
            f"{MINUS}0.20 to 0.00",
        ),
        ("decimal", -1.2, f"{MINUS}1.20", ""),
        ("count", 12345, "12,345", ""),
        ("confusion", 0.0167, "167", ""),
        ("confusion", 0.0, "·", ""),
        ("text", "words", "words", ""),
        ("percent", None, "", ""),
        ("percent", "not measured", "not measured", ""),
    ],
)
def test_a_value_is_written_by_its_kind(kind: str, value: Any, text: str, interval: str) -> None:
    assert (write(kind, value), write_interval(kind, value)) == (text, interval)


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (4.21, "4.2 s"),
        (42.31, "42 s"),
        (179.4, "179 s"),
        (3900, "65 min"),
        (7199, "120 min"),
        (9000, "2.5 h"),
    ],
)
def test_durations(seconds: float, text: str) -> None:
    assert duration(seconds).replace(GAP, " ") == text


def test_counts() -> None:
    assert (count(1234.4), counted(1, "seed"), counted(2000, "seed")) == (
        "1,234",
        "1 seed",
        "2,000 seeds",
    )


def test_records_in_words() -> None:
    assert (
        listed({"batch_size": 64, "net": {"channels": [16, 32]}, "rate": 3e-4})
        == "batch size 64; net (channels 16, 32); rate 0.0003"
    )
    assert listed("a" * 64) == f"`{'a' * 64}`"


def test_in_percent() -> None:
    assert in_percent(Estimate(mean=0.5, low=0.25, high=None)) == Estimate(
        mean=50, low=25, high=None
    )
