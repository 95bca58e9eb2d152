from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

import pytest

from synthgen.evaluation.scenarios import Key
from synthgen.reports.benchmark_forecast import forecast_line, forecast_lines

RARE = Key(scenario="imbalance", budget="all", share=2.5, arm="top_up", ratio=None, seed=1)


def grid(arm: str, ratio: int, seed: int) -> Key:
    return Key(scenario="grid", budget=20, share=None, arm=arm, ratio=ratio, seed=seed)


@dataclass(frozen=True)
class KnownForecast:
    """What a forecast says of itself, without a benchmark that would have to be prepared."""

    missing: int = 4
    seconds: float = 4321.0
    trains: bool = True
    keys: tuple[Key, ...] = (
        grid("real", 0, 1),
        grid("both", 5, 1),
        grid("real", 0, 2),
        grid("both", 5, 2),
        RARE,
    )

    @property
    def job(self) -> Any:
        return SimpleNamespace(
            plan=SimpleNamespace(keys=self.keys, groups=[0, 1, 2], notes=("500 were left out.",)),
            experiment=SimpleNamespace(source=SimpleNamespace(trains=self.trains)),
            settings=SimpleNamespace(engine="local"),
            place="data/benchmark-digits",
        )


def test_a_dry_run_lists_the_cells_and_the_time() -> None:
    forecast: Any = KnownForecast()
    assert forecast_lines(forecast) == (
        "5 cells in 3 groups; each group trains one generator. The cells:",
        "  grid, 20 per class, 2 seeds: real, both x5",
        "  imbalance, all per class, 2.5 % of one, 1 seed: top_up",
        "NOTE: 500 were left out.",
        "4 cells to run, 1 are there already: expected to take about 72 min one after the other, "
        "as measured on this machine.",
        "Nothing was run; without --dry-run the results go to data/benchmark-digits "
        "(engine local).",
    )


@pytest.mark.parametrize(("missing", "there"), [(5, ""), (3, ", 2 are there already")])
def test_cells_that_are_there_are_not_run_again(missing: int, there: str) -> None:
    forecast: Any = KnownForecast(missing=missing)
    assert forecast_line(forecast).startswith(f"{missing} cells to run{there}: expected")


def test_a_named_generator_is_not_trained() -> None:
    forecast: Any = KnownForecast(trains=False)
    assert "all use the generator named, none is trained" in forecast_lines(forecast)[0]
