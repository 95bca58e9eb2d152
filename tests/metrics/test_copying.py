import numpy as np
import pytest

from synthgen.datasets.digits import Digits
from synthgen.metrics import memorisation as module
from synthgen.metrics.memorisation import LEAST, copying


def blurred(count: int, seed: int) -> Digits:
    """Two classes of smooth noise: a bright left or right half, and a pattern of its own for each image."""
    random = np.random.default_rng(seed)
    labels = np.tile(np.arange(2, dtype=np.uint8), count // 2)
    images = random.integers(0, 150, (count, 8, 8, 1))
    images[labels == 0, :, :4] += 100
    images[labels == 1, :, 4:] += 100
    return Digits(images.astype(np.uint8), labels, ("left", "right"))


def test_copies_are_seen_and_honest_images_are_not() -> None:
    train, held_out, control = blurred(200, 1), blurred(200, 2), blurred(200, 3)
    copied = copying(train, train, held_out, control)
    assert copied is not None
    assert copied["found"] == 1
    assert (copied["copies"], copied["copies_control"]) == (1, 0)
    assert copied["c_t"] < -10 < -3 < copied["c_t_control"]
    assert (copied["authenticity"], copied["median_distance"]) == (0, 0)
    assert copied["closer"] == 1
    honest = copying(blurred(200, 4), train, held_out, control)
    assert honest is not None
    assert honest["found"] == 0
    assert honest["copies"] == 0
    assert abs(honest["c_t"]) < 3
    assert honest["closer"] < 0.25
    assert abs(honest["authenticity"] - honest["authenticity_held_out"]) < 0.15
    assert abs(honest["median_distance"] / honest["median_distance_held_out"] - 1) < 0.1


def test_one_training_image_of_a_class_is_too_few() -> None:
    assert copying(blurred(20, 1), blurred(2, 2), blurred(20, 3), blurred(20, 4)) is None


def test_with_too_few_images_nothing_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "LEAST", LEAST)
    train = blurred(200, 1)
    enough, few = (blurred(count, 2) for count in (LEAST, LEAST - 2))
    assert copying(enough, train, enough, enough) is not None
    assert (
        copying(few, train, enough, enough)
        is copying(enough, train, few, enough)
        is copying(enough, train, enough, few)
        is None
    )
