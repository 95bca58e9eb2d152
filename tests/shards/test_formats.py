import os
import random
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from synthgen.config import SHARD_FORMAT_NAMES
from synthgen.errors import DataError
from synthgen.shards.formats import SHARD_FORMATS, digest
from tests.shards.conftest import draw, sha256


def test_the_table_holds_what_the_settings_allow() -> None:
    assert tuple(SHARD_FORMATS) == SHARD_FORMAT_NAMES


@pytest.mark.parametrize("kind", SHARD_FORMATS)
@pytest.mark.parametrize("number", [0, 2])
def test_what_was_written_is_read_back(kind: str, number: int) -> None:
    drawn, plan = draw(number)
    paths = SHARD_FORMATS[kind].paths(drawn.shard, plan)
    images, columns = SHARD_FORMATS[kind].decode(
        SHARD_FORMATS[kind].encode(drawn, plan, {}), paths, range(len(paths))
    )
    np.testing.assert_array_equal(images, drawn.images)
    expected = {
        "label": drawn.labels,
        "index": drawn.indices,
        "seed": drawn.seeds,
        "attempt": drawn.attempts,
        "id": drawn.shard.ids(),
    }
    for name, values in columns.items():
        np.testing.assert_array_equal(values, expected[name])
    assert set(columns) == (set(expected) if kind == "hdf5" else {"label", "index"})


@pytest.mark.parametrize("kind", SHARD_FORMATS)
def test_some_rows_are_read_in_the_order_asked_for(kind: str) -> None:
    drawn, plan = draw()
    paths, rows = SHARD_FORMATS[kind].paths(drawn.shard, plan), [7, 2, 7]
    images, _ = SHARD_FORMATS[kind].decode(
        SHARD_FORMATS[kind].encode(drawn, plan, {}), [paths[row] for row in rows], rows
    )
    np.testing.assert_array_equal(images, drawn.images[rows])


@pytest.mark.parametrize("kind", SHARD_FORMATS)
def test_the_set_expects_its_own_paths_and_no_others(kind: str) -> None:
    drawn, plan = draw()
    module = SHARD_FORMATS[kind]
    assert all(
        module.expects(path, plan) for shard in plan.shards() for path in module.paths(shard, plan)
    )
    own = module.paths(drawn.shard, plan)[0]
    strange = [
        own + ".part",
        own.replace("tiny", "other"),
        own.replace("00000", "00009"),
        "data/tiny/x",
        own.replace(own[-3:], "txt"),
    ]
    assert not any(module.expects(path, plan) for path in strange)


@pytest.mark.parametrize("kind", SHARD_FORMATS)
def test_damaged_files_are_data_errors(kind: str) -> None:
    drawn, plan = draw()
    paths, files = (
        SHARD_FORMATS[kind].paths(drawn.shard, plan),
        SHARD_FORMATS[kind].encode(drawn, plan, {}),
    )
    with pytest.raises(DataError, match="Expected"):
        SHARD_FORMATS[kind].decode(
            {path: content[: len(content) // 2] for path, content in files.items()},
            paths,
            range(len(paths)),
        )


def flips(content: bytes, count: int) -> Iterator[bytes]:
    """Copies of a file with one bit the other way, in every run the same."""
    chance = random.Random(5)
    for _ in range(count):
        damaged = bytearray(content)
        damaged[chance.randrange(len(content))] ^= 1 << chance.randrange(8)
        yield bytes(damaged)


@pytest.mark.parametrize("kind", SHARD_FORMATS)
def test_a_flipped_bit_is_another_value_or_an_error_by_name(kind: str) -> None:
    drawn, plan = draw()
    paths, files = (
        SHARD_FORMATS[kind].paths(drawn.shard, plan),
        SHARD_FORMATS[kind].encode(drawn, plan, {}),
    )
    said = []
    for content in flips(files[paths[0]], 600):
        try:
            images, columns = SHARD_FORMATS[kind].decode(
                files | {paths[0]: content}, paths, range(len(paths))
            )
        except DataError as error:
            said.append(str(error))
        else:
            assert images.shape == drawn.images.shape
            assert {
                values.astype(np.int64).shape for name, values in columns.items() if name != "id"
            } <= {(len(paths),)}
    assert 50 < len(said) < 600
    assert all(words.startswith(f"{paths[0]}: Expected ") for words in said)


def test_the_digest_of_several_files_depends_on_their_order() -> None:
    assert digest([b"a"]) == sha256(b"a")
    assert digest([b"a", b"b"]) != digest([b"b", b"a"])


@pytest.mark.slow
def test_another_process_makes_the_same_bytes() -> None:
    code = (
        "from tests.shards.conftest import *; from synthgen.shards.formats import *; d, p = "
        "draw()\n"
    )
    code += (
        "for m in SHARD_FORMATS.values(): print(digest(m.encode(d, p, {'seed': 1, "
        "'checkpoint_sha256': 'a' * 64}).values()))"
    )
    root = str(Path(__file__).parents[2])
    found = subprocess.run(
        [sys.executable, "-c", code],
        cwd=root,
        env=os.environ | {"PYTHONPATH": root},
        capture_output=True,
        text=True,
        check=True,
    )
    drawn, plan = draw()
    assert found.stdout.split() == [
        digest(module.encode(drawn, plan, {"seed": 1, "checkpoint_sha256": "a" * 64}).values())
        for module in SHARD_FORMATS.values()
    ]
