"""From cells to the summary: the figures of each arm, the comparisons, the headline, the figures for gates. Pure functions."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from synthgen.datasets.digits import Labels
from synthgen.evaluation.benchmark_arms import ARMS
from synthgen.evaluation.benchmark_compare import compare_all
from synthgen.evaluation.benchmark_values import ArmFigure, Row
from synthgen.evaluation.runs import Cell
from synthgen.evaluation.scenarios import SCENARIOS
from synthgen.evaluation.wording import arm_name, budget, headline
from synthgen.metrics.accuracy import CLASSIFIER_METRICS
from synthgen.metrics.intervals import HELPS, HURTS, NO_EFFECT, seed_interval

FIGURES = {
    "delta": "what adding synthetic digits gains at least, of all budgets and ratios, as a share: -0.01 is one point lost",
    "delta_low": "smallest lower end of the corrected intervals",
    "delta_stand_in": "smallest gain of synthetic digits in the place of real ones",
    "error_cut": "smallest share of errors that adding them saves: 0.15 is 15 % fewer errors",
    "helps": "number of comparisons of delta that say so",
    "no_effect": "likewise",
    "hurts": "likewise",
    "label_agreement": "share of synthetic images in which a digit classifier sees the class that they are labelled as, lowest of all budgets",
    "copying": "stand-in: share of repetitions in which a test found synthetic digits that copy real ones, highest of all budgets",
    "minority_recall": "recall of rare classes with synthetic top-up, lowest of all budgets",
}


def summarise(cells: Sequence[Cell], labels: Labels, train_images: int) -> dict[str, Any]:
    """The fields `arms`, `rows`, `headline`, `figures`, `places`, `cells` and `seconds` of a BenchmarkSummary.

    Args:
        cells: finished cells.
        labels: of the test digits.
        train_images: real training digits there are, for the marks.
    """
    marks = {cell.fingerprint: mark for cell in cells if (mark := mark_of(cell, train_images))}
    arms, rows = arm_figures(cells, marks), compare_all(cells, labels, marks)
    asked = figures(arms, rows)
    generators = {
        cell.context["generator"]["checkpoint_sha256"]: cell.context["generator"]["seconds"]
        for cell in cells
        if cell.context["generator"]
    }
    return {
        "arms": arms,
        "rows": rows,
        "headline": headline(rows),
        "figures": {name: found.value for name, found in asked.items()},
        "places": {name: found.where for name, found in asked.items() if found.where},
        "cells": tuple(_line(cell, marks.get(cell.fingerprint, "")) for cell in cells),
        "seconds": round(
            sum(cell.context["seconds"] for cell in cells) + sum(generators.values()), 1
        ),
    }


def mark_of(cell: Cell, train_images: int) -> str:
    """What the generator of a cell has seen that the cell's classifier has not; "" if nothing."""
    generator = cell.context["generator"]
    if not generator or not generator["saw_more_than_cell"]:
        return ""
    if generator["saw"] is None:
        return "has seen nobody knows what"
    return f"has seen {'all ' if generator['saw'] == train_images else ''}{generator['saw']:,}"


def arm_figures(cells: Sequence[Cell], marks: Mapping[str, str]) -> tuple[ArmFigure, ...]:
    """One figure for each arm, ratio and budget, scenario by scenario, in the order in which budgets and arms were planned."""
    found: dict[Any, list[Cell]] = {}
    for cell in sorted(
        cells, key=lambda cell: (list(SCENARIOS).index(cell.key.scenario), cell.key.seed)
    ):
        found.setdefault((cell.key.place, cell.key.arm, cell.key.ratio), []).append(cell)
    return tuple(
        _arm_figure(group, marks.get(group[0].fingerprint, "")) for group in found.values()
    )


def _arm_figure(cells: Sequence[Cell], mark: str) -> ArmFigure:
    key, contexts = cells[0].key, [cell.context for cell in cells]
    by_seed = {name: tuple(cell.metrics[name] for cell in cells) for name in cells[0].metrics}
    agreement = [
        generator["label_agreement"] for context in contexts if (generator := context["generator"])
    ]
    return ArmFigure(
        scenario=key.scenario,
        per_class=key.per_class,
        share=key.share,
        arm=key.arm,
        ratio=key.ratio,
        title=arm_title(key.arm, key.ratio, mark),
        seeds=tuple(cell.key.seed for cell in cells),
        steps=max(context["steps"] for context in contexts),
        real_images=round(float(np.mean([context["real_images"] for context in contexts]))),
        synthetic_images=round(
            float(np.mean([context["synthetic_images"] for context in contexts]))
        ),
        metrics={name: seed_interval(values) for name, values in by_seed.items()},
        by_seed=by_seed,
        label_agreement=seed_interval(agreement) if agreement else None,
        memorisation=_means(
            [context["memorisation"] for context in contexts if context["memorisation"]]
        ),
        seconds=round(sum(context["seconds"] for context in contexts), 1),
        mark=mark,
    )


def arm_title(arm: str, ratio: int | None, mark: str = "") -> str:
    """'real + synthetic x5', with what the generator has seen where that is too much."""
    return arm_name(ARMS[arm].title, ratio) + (f" ({mark})" if mark else "")


class Found(NamedTuple):
    """A figure that gates may ask for, None where the benchmark has none, and where it stands if it is one of several."""

    value: float | None
    where: str = ""


def figures(arms: Sequence[ArmFigure], rows: Sequence[Row]) -> dict[str, Found]:
    """What gates may ask for, by name of FIGURES."""
    primary = [row for row in rows if row.primary and row.scenario != "stand-in"]
    sharing = [arm for arm in arms if arm.scenario == "stand-in" and arm.synthetic_images]
    copied = [(arm.memorisation["found"], arm) for arm in sharing if arm.memorisation]
    lows = [(row.corrected.low, row) for row in primary if row.corrected.low is not None]
    return {
        "delta": _first((row.difference.mean, row) for row in primary),
        "delta_low": _first(lows) if len(lows) == len(primary) else Found(None),
        "delta_stand_in": _first(
            (row.difference.mean, row) for row in rows if row.primary and row.scenario == "stand-in"
        ),
        "error_cut": _first((row.error_cut, row) for row in primary if row.error_cut is not None),
        **{
            name: Found(sum(row.verdict == word for row in primary))
            for name, word in (("helps", HELPS), ("no_effect", NO_EFFECT), ("hurts", HURTS))
        },
        "label_agreement": _first(
            (arm.label_agreement.mean, arm) for arm in arms if arm.label_agreement
        ),
        "copying": _first(copied, last=True) if len(copied) == len(sharing) else Found(None),
        "minority_recall": _first(
            (arm.metrics["minority_recall"].mean, arm)
            for arm in arms
            if ARMS[arm.arm].added == "balance"
        ),
    }


def _first(found: Iterable[tuple[float, Row | ArmFigure]], last: bool = False) -> Found:
    """The smallest figure, or the largest, and where it stands."""
    ordered = sorted(found, key=lambda pair: pair[0], reverse=last)
    if not ordered:
        return Found(None)
    value, place = ordered[0]
    said = [budget(place), arm_name(place.arm, place.ratio)]
    if isinstance(place, Row):
        said.append(CLASSIFIER_METRICS[place.metric].title)
    return Found(value, ", ".join(said))


def _means(found: Sequence[Mapping[str, float]]) -> dict[str, float] | None:
    return (
        {name: float(np.mean([figures[name] for figures in found])) for name in found[0]}
        if found
        else None
    )


def _line(cell: Cell, mark: str) -> dict[str, Any]:
    key = {
        name: getattr(cell.key, name)
        for name in ("scenario", "per_class", "share", "arm", "ratio", "seed")
    }
    return key | {
        "accuracy": cell.metrics["accuracy"],
        "steps": cell.context["steps"],
        "seconds": cell.context["seconds"],
        "mark": mark,
    }
