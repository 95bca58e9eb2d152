"""Fixtures that tests of every room use."""

import os
import signal
import threading
from pathlib import Path

import numpy as np
import pytest
from threadpoolctl import threadpool_limits

from synthgen.datasets.digits import Digits
from synthgen.datasets.sources import load_real
from synthgen.datasets.splits import RealDigits

# Seven-segment displays: top, upper left, upper right, middle, lower left, lower right, bottom.
LIT = (
    "1110111",
    "0010010",
    "1011101",
    "1011011",
    "0111010",
    "1101011",
    "1101111",
    "1010010",
    "1111111",
    "1111011",
)
SEGMENTS = (
    (3, 6, 6, 21),
    (3, 14, 6, 9),
    (3, 14, 18, 21),
    (12, 15, 6, 21),
    (13, 24, 6, 9),
    (13, 24, 18, 21),
    (21, 24, 6, 21),
)  # top, bottom, left, right


def pytest_configure() -> None:
    """One thread a process for matrix products, and let Ctrl-C be heard.

    There are as many processes as cores, whose threads would wait for each other: the tests of
    metrics take three times as long then. A shell that starts pytest in the background has Ctrl-C
    ignored.
    """
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # for libraries that are loaded later
    threadpool_limits(1, "blas")
    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session")
def mnist() -> RealDigits:
    """The real MNIST, cached or fetched once; tests that ask for it fail without it."""
    return load_real("mnist")


@pytest.fixture(scope="session")
def tiny_digits() -> Digits:
    """200 drawn digits, 20 a class, interleaved: (200, 28, 28, 1) uint8, the same in every run."""
    generator = np.random.Generator(np.random.Philox(key=7))
    labels = np.tile(np.arange(10, dtype=np.uint8), 20)
    images = np.stack([_draw(int(label), row // 10, generator) for row, label in enumerate(labels)])
    images.setflags(write=False)
    labels.setflags(write=False)
    return Digits(images, labels)


@pytest.fixture
def drawings(tiny_digits: Digits, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A file of drawn digits, and an empty cache."""
    monkeypatch.setenv("SYNTHGEN_CACHE", str(tmp_path / "cache"))
    np.savez(tmp_path / "drawings.npz", images=tiny_digits.images, labels=tiny_digits.labels)
    return str(tmp_path / "drawings.npz")


def _draw(label: int, copy: int, generator: np.random.Generator) -> np.ndarray:
    """A seven-segment digit of varying brightness; copies are shifted by a pixel."""
    canvas = np.zeros((28, 28, 1), np.uint8)
    for lit, (top, bottom, left, right) in zip(LIT[label], SEGMENTS, strict=True):
        if lit == "1":
            canvas[top:bottom, left:right] = generator.integers(200, 256)
    return np.roll(canvas, (copy // 2 % 2, copy % 2), axis=(0, 1))
