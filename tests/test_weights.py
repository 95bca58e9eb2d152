import json
import random
import struct
from typing import Any

import numpy as np
import pytest

from synthgen.errors import CheckpointError
from synthgen.weights import Weights, join_classes, pack_weights, split_classes, unpack_weights

WEIGHTS: Weights = {
    "up/kernel": np.arange(12, dtype=np.float32).reshape(3, 4).T,  # not contiguous
    "bias": np.array([-1.5], np.float64),
    "step": np.array(7, np.int64),
    "empty": np.zeros((0, 3), np.float32),
    "kept": np.array([True, False]),
}


def written(header: dict[str, Any], data: int) -> bytes:
    """A file with a header of one's own and so many bytes of zeros."""
    text = json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + bytes(data)


def test_weights_survive_a_file() -> None:
    again = unpack_weights(pack_weights(WEIGHTS), "file")
    assert again.keys() == WEIGHTS.keys()
    for name, array in WEIGHTS.items():
        assert again[name].dtype == array.dtype
        np.testing.assert_array_equal(again[name], array)


def test_the_bytes_do_not_depend_on_the_order_of_the_names() -> None:
    assert pack_weights(dict(reversed(WEIGHTS.items()))) == pack_weights(WEIGHTS)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"12345678",
        b"\xff" * 8,
        struct.pack("<Q", 2**62) + b"{}",
        struct.pack("<Q", 2) + b"[]",
        struct.pack("<Q", 100_000) + b'{"a":' * 20_000,
    ],
)
def test_what_is_not_a_safetensors_file_is_refused(content: bytes) -> None:
    with pytest.raises(CheckpointError, match=r"^file is not a safetensors file"):
        unpack_weights(content, "file")


@pytest.mark.parametrize(
    ("dtype", "shape", "data"),
    [
        ("F32", [2**40], 8),
        ("F32", [2**33, 2**33], 4),
        ("F32", [0, 2**62], 0),
        ("F32", [0, 2**63, 4], 0),
        ("F32", [1] * 5000, 4),
        ("BF16", [2], 4),
        ("F8_E4M3", [2], 2),
        ("X", [2], 2),
    ],
)
def test_stated_sizes_that_do_not_fit_are_refused(dtype: str, shape: list[int], data: int) -> None:
    """None of them is believed: the memory of 2 to the 40 numbers is never asked for."""
    header = {"a": {"dtype": dtype, "shape": shape, "data_offsets": [0, data]}}
    with pytest.raises(CheckpointError, match=r"^file is not a safetensors file"):
        unpack_weights(written(header, data), "file")


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_numbers_that_are_not_finite_are_refused(value: float) -> None:
    content = pack_weights({"a": np.ones(3), "b/kernel": np.array([1, value], np.float32)})
    with pytest.raises(CheckpointError, match=r"^file: expected finite weights, received 1 of 2 "):
        unpack_weights(content, "file")


def test_damaged_bytes_are_refused_or_read() -> None:
    """Whatever byte is changed, the result is finite weights or a CheckpointError."""
    chance = random.Random(5)
    content = pack_weights(WEIGHTS)
    for _ in range(2000):
        damaged = bytearray(content)
        for _ in range(chance.choice([1, 4])):
            damaged[chance.randrange(len(damaged))] = chance.randrange(256)
        damaged = damaged[: chance.choice([len(content), chance.randrange(len(content))])]
        try:
            found = unpack_weights(bytes(damaged), "file")
        except CheckpointError:
            continue
        assert all(np.isfinite(array).all() for array in found.values())


def test_a_file_of_a_million_names_is_refused_before_they_are_read() -> None:
    content = struct.pack("<Q", 9_000_000) + bytes(9_000_000)
    with pytest.raises(CheckpointError, match=r"^file: expected .* 8\.0 MB of .* received 9\.0 MB"):
        unpack_weights(content, "file")


def test_classes_are_joined_and_split_again() -> None:
    generators: list[Weights] = [{"up/kernel": np.full(2, label)} for label in range(12)]
    joined = join_classes(generators)
    assert list(joined)[:2] == ["0/up/kernel", "1/up/kernel"]
    again = split_classes(joined | {"other": np.zeros(1)}, 12)
    assert [weights["up/kernel"].tolist() for weights in again] == [[k, k] for k in range(12)]
    assert all(weights.keys() == {"up/kernel"} for weights in again)
