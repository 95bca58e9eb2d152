import random

import pytest

from tests.faults.fuzz import READERS, Reader, fuzz, mutate


@pytest.mark.parametrize("reader", READERS, ids=lambda reader: reader.name)
def test_some_changed_files_are_read_or_refused(reader: Reader) -> None:
    """`python -m tests.faults.fuzz` tries many."""
    counts = fuzz(reader, executions=12, seed=1)
    assert counts["read"] + counts["refused"] + counts["apart"] == 12


def test_what_dies_hangs_or_raises_is_told_from_what_is_refused() -> None:
    def read(content: bytes, _: object) -> None:
        raise KeyError("no error of the package's own")

    assert fuzz(Reader(name="a", seeds=lambda: [b"abc"], read=read), 3, 0) == {"outside": 3}


def test_the_same_seed_makes_the_same_changes() -> None:
    content = b'{"a": [1, 2, {"b": null}], "c": "text"}'
    changed = [mutate(content, random.Random(seed), is_json=True) for seed in range(60)]
    assert changed == [mutate(content, random.Random(seed), is_json=True) for seed in range(60)]
    assert len(set(changed)) > 30
