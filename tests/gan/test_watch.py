from typing import Any

import numpy as np
import pytest

from synthgen.classifiers.screener import Screener
from synthgen.config import GanSettings
from synthgen.datasets.digits import Digits, Images, Labels
from synthgen.gan import monitor as watch
from synthgen.gan.monitor import Watch
from synthgen.weights import Weights


class Fixed:
    """Samples that are these images, again and again."""

    def __init__(self, digits: Digits, condition: str = "projection") -> None:
        self.settings, self._digits, self.class_names = (
            GanSettings(condition=condition),
            digits,
            digits.class_names,
        )

    def draw(self, count: int, first: int = 0) -> tuple[Images, Labels]:
        rows = (first + np.arange(count)) % len(self._digits)
        return self._digits.images[rows], self._digits.labels[rows]


@pytest.fixture(scope="module")
def reader(patches: Digits, patch_screener: Weights) -> Screener:
    return Screener(patch_screener, patches.image_shape, patches.classes, batch=60)


def look(
    reader: Screener,
    reference: Digits,
    samples: Digits,
    monkeypatch: pytest.MonkeyPatch,
    **options: Any,
) -> watch.Look:
    monkeypatch.setattr(watch, "IMAGES", 60)
    return Watch(reader, reference, seed=0).look(Fixed(samples, **options))  # type: ignore[arg-type]


def test_samples_like_the_real_ones_agree_are_distinct_and_cover_all(
    patches: Digits, reader: Screener, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = look(reader, patches, patches, monkeypatch)
    assert found.label_agreement is not None
    assert found.label_agreement > 0.9
    assert found.distinct is not None
    assert found.distinct > 0.9
    assert (found.recall, found.coverage) == (1, 1)


def test_one_image_again_and_again_is_not_distinct_and_covers_little(
    patches: Digits, reader: Screener, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = look(reader, patches, patches.take(np.zeros(60, int)), monkeypatch)
    assert found.distinct == 0
    assert found.recall is not None
    assert found.recall <= 1 / 60  # the image itself, within rounding
    assert found.coverage is not None
    assert found.coverage < 0.3


def test_every_image_twice_is_not_distinct(
    patches: Digits, reader: Screener, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert look(reader, patches, patches.take(np.arange(60) // 2), monkeypatch).distinct == 0


def test_without_a_condition_labels_mean_nothing(
    patches: Digits, reader: Screener, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert look(reader, patches, patches, monkeypatch, condition="none").label_agreement is None


def test_too_few_real_digits_to_compare_with_are_said_to_be_so(
    patches: Digits, reader: Screener, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = look(reader, patches.take(slice(0, 5)), patches, monkeypatch)
    assert found[1:] == (None, None, None)
    assert look(reader, patches.take(slice(0, 6)), patches, monkeypatch).coverage is not None
