"""Where finished cells are kept: one line of JSON each, on the disk before the next cell begins."""

import contextlib
import json
import zlib
from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager

from synthgen.evaluation.runs import Cell
from synthgen.storage import Storage

CELLS = "cells.jsonl"


class CellStore:
    """The finished cells of one folder, those of earlier settings included: nothing is ever thrown away.

    The file is replaced as a whole with each cell, because an object store cannot append, and
    because a line that was half-written when the power went would otherwise stay. Lines that cannot
    be read are left as they are.

    Args:
        storage: where the folder lies.
        folder: of the benchmark.
    """

    def __init__(self, storage: Storage, folder: str) -> None:
        self._storage, self._path = storage, f"{folder}/{CELLS}"
        self._lines = (
            storage.read_bytes(self._path).splitlines() if storage.exists(self._path) else []
        )
        self._cells = {cell.fingerprint: cell for cell in _readable(self._lines)}

    def __contains__(self, fingerprint: str) -> bool:
        return fingerprint in self._cells

    def __getitem__(self, fingerprint: str) -> Cell:
        return self._cells[fingerprint]

    def add(self, cell: Cell) -> None:
        """Keep a finished cell; when this returns it survives a power cut."""
        self._lines.append(json.dumps(cell.to_json(), allow_nan=False).encode())
        self._cells[cell.fingerprint] = cell
        self._storage.write_bytes(self._path, b"\n".join(self._lines) + b"\n")


def locked(storage: Storage, folder: str) -> AbstractContextManager[None]:
    """Keep a second benchmark of the same name away: it would overwrite the cells of the first."""
    busy = f"Another benchmark is running in {storage.full(folder)}. Wait for it to end, or use another --name."
    return storage.exclusive(f"{folder}/.lock", busy)


def _readable(lines: Iterable[bytes]) -> Iterator[Cell]:
    for line in lines:
        with contextlib.suppress(
            ValueError, TypeError, KeyError, AttributeError, OSError, zlib.error
        ):
            yield Cell.from_json(json.loads(line))
