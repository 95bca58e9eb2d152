import dataclasses
import json

import numpy as np
import pytest

from synthgen.errors import ResumeError
from synthgen.evaluation.benchmark_store import CellStore, locked
from synthgen.evaluation.runs import Cell
from synthgen.evaluation.scenarios import Key
from synthgen.storage import Storage, open_storage

KEY = Key(
    scenario="imbalance",
    per_class="all",
    share=2.5,
    arm="top_up",
    ratio=None,
    seed=1000,
    minority=(3,),
)
CELL = Cell(
    key=KEY,
    fingerprint="f" * 64,
    correct=np.arange(21) % 3 > 0,
    metrics={
        "accuracy": 2 / 3,
        "balanced_accuracy": 0.5,
        "geometric_mean": 0.25,
        "minority_recall": 0.1,
    },
    recall=(0.5, 0.75),
    context={"seconds": 1.5, "steps": 7},
)


def test_a_cell_is_there_again_when_the_file_is_read_anew(storage: Storage) -> None:
    store = CellStore(storage, "data/benchmark-x")
    assert CELL.fingerprint not in store
    store.add(CELL)
    store.add(dataclasses.replace(CELL, fingerprint="e" * 64))
    again = CellStore(storage, "data/benchmark-x")
    assert again[CELL.fingerprint].to_json() == CELL.to_json()
    assert again[CELL.fingerprint].key == KEY
    assert storage.read_bytes("data/benchmark-x/cells.jsonl").count(b"\n") == 2


def test_what_cannot_be_read_is_kept_and_passed_over(storage: Storage) -> None:
    damaged = json.dumps(CELL.to_json() | {"fingerprint": "d" * 64, "correct": "AAAA"}).encode()
    strange = b'{"arm": "real"}\n' + damaged + b"\nhalf a li"
    storage.write_bytes("data/benchmark-x/cells.jsonl", strange)
    CellStore(storage, "data/benchmark-x").add(CELL)
    lines = storage.read_bytes("data/benchmark-x/cells.jsonl").splitlines()
    assert lines[:3] == strange.splitlines()
    assert json.loads(lines[3])["accuracy"] == 2 / 3
    assert CELL.fingerprint in CellStore(storage, "data/benchmark-x")


def test_any_file_system_will_do() -> None:
    storage = open_storage("memory://benchmark")
    CellStore(storage, "data/benchmark-x").add(CELL)
    assert CELL.fingerprint in CellStore(storage, "data/benchmark-x")
    storage.remove("")


def test_a_second_benchmark_of_the_same_name_is_kept_away(storage: Storage) -> None:
    with locked(storage, "data/benchmark-x"):
        with locked(storage, "data/benchmark-y"):
            pass
        with (
            pytest.raises(ResumeError, match="Another benchmark is running"),
            locked(storage, "data/benchmark-x"),
        ):
            pass
    with locked(storage, "data/benchmark-x"):
        pass
