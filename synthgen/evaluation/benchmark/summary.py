"""From cells to the summary: the figures of each arm, the comparisons, the headline, the figures for gates. Pure functions."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from synthgen.datasets.digits import Labels
from synthgen.evaluation.benchmark.arms import ARMS
from synthgen.evaluation.benchmark.cells import Cell
from synthgen.evaluation.benchmark.compare import compare_all
from synthgen.evaluation.benchmark.scenarios import SCENARIOS
from synthgen.evaluation.benchmark.values import ArmFigure, Row
from synthgen.evaluation.benchmark.wording import headline
from synthgen.evaluation.verdict import HELPS, HURTS, NO_EFFECT, seed_interval

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
    """The fields `arms`, `rows`, `headline`, `figures`, `cells` and `seconds` of a BenchmarkSummary.

    Args:
        cells: finished cells.
        labels: of the test digits.
        train_images: real training digits there are, for the marks.
    """
    marks = {cell.fingerprint: mark for cell in cells if (mark := mark_of(cell, train_images))}
    arms, rows = arm_figures(cells, marks), compare_all(cells, labels, marks)
    generators = {cell.context["generator"]["checkpoint_sha256"]: cell.context["generator"]["seconds"] for cell in cells if cell.context["generator"]}
    return {
        "arms": arms,
        "rows": rows,
        "headline": headline(rows),
        "figures": figures(arms, rows),
        "cells": tuple(_line(cell, marks.get(cell.fingerprint, "")) for cell in cells),
        "seconds": round(sum(cell.context["seconds"] for cell in cells) + sum(generators.values()), 1),
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
    for cell in sorted(cells, key=lambda cell: (list(SCENARIOS).index(cell.key.scenario), cell.key.seed)):
        found.setdefault((cell.key.place, cell.key.arm, cell.key.ratio), []).append(cell)
    return tuple(_arm_figure(group, marks.get(group[0].fingerprint, "")) for group in found.values())


def _arm_figure(cells: Sequence[Cell], mark: str) -> ArmFigure:
    key, contexts = cells[0].key, [cell.context for cell in cells]
    by_seed = {name: tuple(cell.metrics[name] for cell in cells) for name in cells[0].metrics}
    agreement = [generator["label_agreement"] for context in contexts if (generator := context["generator"])]
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
        synthetic_images=round(float(np.mean([context["synthetic_images"] for context in contexts]))),
        metrics={name: seed_interval(values) for name, values in by_seed.items()},
        by_seed=by_seed,
        label_agreement=seed_interval(agreement) if agreement else None,
        memorisation=_means([context["memorisation"] for context in contexts if context["memorisation"]]),
        seconds=round(sum(context["seconds"] for context in contexts), 1),
        mark=mark,
    )


def arm_title(arm: str, ratio: int | None, mark: str = "") -> str:
    """'real + synthetic x5', with what the generator has seen where that is too much."""
    times = f" x{ratio}" if ratio else ""
    return ARMS[arm].title + times + (f" ({mark})" if mark else "")


def figures(arms: Sequence[ArmFigure], rows: Sequence[Row]) -> dict[str, float | None]:
    """What gates may ask for, by name of FIGURES; None where the benchmark has no such figure."""
    primary = [row for row in rows if row.primary and row.scenario != "stand-in"]
    replaced = [row.difference.mean for row in rows if row.primary and row.scenario == "stand-in"]
    lows = [row.corrected.low for row in primary]
    sharing = [arm for arm in arms if arm.scenario == "stand-in" and arm.synthetic_images]
    copied = [arm.memorisation["found"] for arm in sharing if arm.memorisation]
    topped = [arm.metrics["minority_recall"].mean for arm in arms if ARMS[arm.arm].added == "balance"]
    return {
        "delta": min((row.difference.mean for row in primary), default=None),
        "delta_low": None if None in lows else min((low for low in lows if low is not None), default=None),
        "delta_stand_in": min(replaced, default=None),
        "error_cut": min((row.error_cut for row in primary if row.error_cut is not None), default=None),
        **{name: sum(row.verdict == word for row in primary) for name, word in (("helps", HELPS), ("no_effect", NO_EFFECT), ("hurts", HURTS))},
        "label_agreement": min((arm.label_agreement.mean for arm in arms if arm.label_agreement), default=None),
        "copying": max(copied) if copied and len(copied) == len(sharing) else None,
        "minority_recall": min(topped, default=None),
    }


def _means(found: Sequence[Mapping[str, float]]) -> dict[str, float] | None:
    return {name: float(np.mean([figures[name] for figures in found])) for name in found[0]} if found else None


def _line(cell: Cell, mark: str) -> dict[str, Any]:
    key = {name: getattr(cell.key, name) for name in ("scenario", "per_class", "share", "arm", "ratio", "seed")}
    return key | {"accuracy": cell.metrics["accuracy"], "steps": cell.context["steps"], "seconds": cell.context["seconds"], "mark": mark}
