from typing import Any

import pytest

from synthgen.metrics.intervals import Estimate
from synthgen.reports.page.words import (
    half_width,
    in_percent,
    percent_between,
    signed_between,
    write_interval,
    write_value,
)
from synthgen.text import DASH, GAP, MINUS

NONE = Estimate(mean=0.5, low=None, high=None)


def test_intervals() -> None:
    estimate = Estimate(mean=0.99, low=0.985, high=0.995)
    assert half_width(estimate) == f"±{GAP}0.50"
    assert half_width(Estimate(mean=0.9866, low=0.9682, high=1.0)) == f"{MINUS}1.84/+1.34"
    assert percent_between(estimate) == f"98.50 to 99.50{GAP}%"
    assert signed_between(Estimate(mean=0, low=-0.001, high=0.002)) == f"{MINUS}0.10 to +0.20"


def test_no_interval_is_a_dash() -> None:
    assert {
        half_width(NONE),
        signed_between(NONE),
        percent_between(NONE),
        write_interval("number", NONE),
    } == {DASH}


@pytest.mark.parametrize("low", [1.0, 0.9999999, 0.99999999])
def test_an_interval_of_rounding_is_not_written_finely(low: float) -> None:
    estimate = Estimate(mean=1.0, low=low, high=1.0)
    assert (write_value("number", estimate), write_interval("number", estimate)) == (
        "1.000",
        "1.000 to 1.000",
    )


def test_a_narrow_interval_is_written_as_finely_as_it_is_wide() -> None:
    estimate = Estimate(mean=0.9999, low=0.9998, high=1.0)
    assert (write_value("number", estimate), write_interval("number", estimate)) == (
        "0.99990",
        "0.99980 to 1.00000",
    )


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
    assert (write_value(kind, value), write_interval(kind, value)) == (text, interval)


def test_in_percent() -> None:
    assert in_percent(Estimate(mean=0.5, low=0.25, high=None)) == Estimate(
        mean=50, low=25, high=None
    )
