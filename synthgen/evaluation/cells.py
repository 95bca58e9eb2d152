"""The cells of an evaluation: which there are, where finished ones are kept, and running those that are missing."""

import json
from collections.abc import Sequence
from typing import Any

from tqdm import tqdm

from synthgen.classifiers.judge import Judge
from synthgen.datasets.digits import Digits
from synthgen.evaluation.arms import ARMS, Cell, run_cell
from synthgen.storage import Storage

FIRST_SEED = 1000  # far from the seeds that the GAN and its screening classifier are trained with
CELLS = "evaluation.cells.jsonl"


def seeds_of(count: int) -> tuple[int, ...]:
    """The paired seeds of an evaluation: a longer evaluation begins with the seeds of a shorter one."""
    return tuple(range(FIRST_SEED, FIRST_SEED + count))


def read_cells(storage: Storage, folder: str, fingerprint: str) -> dict[tuple[str, int], Cell]:
    """Finished cells by (arm, seed); those of another fingerprint, and lines that cannot be read, count as not there."""
    path = f"{folder}/{CELLS}"
    cells: dict[tuple[str, int], Cell] = {}
    for line in storage.read_bytes(path).splitlines() if storage.exists(path) else ():
        try:
            cell = Cell.from_json(json.loads(line))
        except (ValueError, TypeError, KeyError, AttributeError):
            continue
        if cell.fingerprint == fingerprint and cell.arm in ARMS:
            cells[cell.arm, cell.seed] = cell
    return cells


def write_cells(storage: Storage, folder: str, cells: Sequence[Cell]) -> None:
    """One line of JSON a cell, in place of what was there."""
    lines = "".join(json.dumps(cell.to_json()) + "\n" for cell in cells)
    storage.write_bytes(f"{folder}/{CELLS}", lines.encode())


def run_cells(
    storage: Storage,
    folder: str,
    fingerprint: str,
    arms: Sequence[str],
    seeds: Sequence[int],
    steps: int,
    judge: Judge,
    digits: dict[str, Digits],
) -> list[Cell]:
    """All cells, the missing ones computed; each is saved as soon as it is finished.

    Args:
        storage: where the folder lies.
        folder: of the set.
        fingerprint: of everything that decides a cell, but arm and seed.
        arms: keys of ARMS.
        seeds: paired seeds. All arms of one seed come before the next seed, so that a stopped
            evaluation has whole pairs.
        steps: gradient steps of each cell.
        judge: trains the classifiers and is asked.
        digits: `real`, `synthetic`, `asked` and `test`, see `run_cell`.

    Returns:
        The cells, seed by seed, in the order of ARMS.
    """
    wanted = [(arm, seed) for seed in seeds for arm in ARMS if arm in arms]
    cells = read_cells(storage, folder, fingerprint)
    finished = sum(key in cells for key in wanted)
    with _progress_bar(len(wanted) * steps, finished * steps) as bar:
        for arm, seed in wanted:
            if (arm, seed) not in cells:
                bar.set_postfix_str(f"{arm}, seed {seed}")
                cells[arm, seed] = run_cell(
                    arm,
                    seed,
                    **digits,
                    steps=steps,
                    judge=judge,
                    fingerprint=fingerprint,
                    progress=bar.update,
                )
                write_cells(storage, folder, list(cells.values()))
    return [cells[key] for key in wanted]


def _progress_bar(total: int, done: int) -> Any:
    return tqdm(total=total, initial=done, unit="step", desc="evaluate", disable=None)
