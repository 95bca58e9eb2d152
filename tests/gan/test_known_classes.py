"""Whether a generator draws a user's classes: what its screening classifier reads, and guessing."""

import numpy as np
import pytest

from synthgen.config import GanSettings
from synthgen.datasets.digits import Digits, Images
from synthgen.errors import DataError
from synthgen.gan.checkpoint import Checkpoint
from synthgen.gan.known_classes import ClassReading, read_labels

CHECKPOINT = Checkpoint(
    settings=GanSettings(),
    class_names=("a", "b", "c", "d"),
    image_shape=(4, 4, 1),
    generator={},
    screener={},
    record={},
)


def first_pixel(images: Images) -> np.ndarray:
    """A classifier that sees the class which the first pixel names."""
    return np.eye(4, dtype=np.float32)[images[:, 0, 0, 0]]


def drawn(
    shown: list[int], labels: list[int], names: tuple[str, ...] = ("a", "b", "c", "d")
) -> Digits:
    """Images whose first pixel is the class that is shown, with these labels."""
    images = np.zeros((len(shown), 4, 4, 1), np.uint8)
    images[:, 0, 0, 0] = shown
    return Digits(images, np.array(labels, np.uint8), names)


def test_what_is_read_as_labelled_is_counted() -> None:
    reading = read_labels(CHECKPOINT, drawn([0, 1, 2, 3] * 5, [0, 1, 2, 2] * 5), first_pixel)
    assert (reading.images, reading.right, reading.share) == (20, 15, 0.75)
    assert reading.guessing == pytest.approx(0.25 * 0.25 + 0.25 * 0.25 + 0.5 * 0.25)
    assert reading.is_clear
    assert str(reading) == "reads 75% of your 20 images as labelled; guessing reads 25%"


def test_classes_in_another_order_and_fewer_are_read_by_name() -> None:
    reading = read_labels(CHECKPOINT, drawn([3, 1] * 9, [0, 1] * 9, ("d", "b")), first_pixel)
    assert (reading.right, reading.guessing, reading.is_clear) == (18, 0.5, True)


def test_seeing_one_class_everywhere_is_no_reading() -> None:
    """It reads nine in ten as labelled where nine in ten are of that class."""
    reading = read_labels(CHECKPOINT, drawn([1] * 40, [1] * 36 + [0] * 4), first_pixel)
    assert (reading.share, reading.guessing, reading.is_clear) == (0.9, 0.9, False)


def test_images_of_one_class_are_compared_with_one_in_the_classes() -> None:
    reading = read_labels(CHECKPOINT, drawn([1] * 9 + [0], [1] * 10), first_pixel)
    assert (reading.share, reading.guessing, reading.is_clear) == (0.9, 0.25, True)


@pytest.mark.parametrize(
    ("images", "right", "clear"),
    [(1, 1, False), (2, 2, True), (10, 2, False), (10, 4, True), (1000, 300, False)],
)
def test_few_images_need_a_larger_share(images: int, right: int, clear: bool) -> None:
    reading = ClassReading(images=images, right=right, guessing=0.1, classes=10)
    assert reading.is_clear is clear


def test_other_classes_and_shapes_are_refused_with_a_remedy() -> None:
    with pytest.raises(DataError, match=r"a, b, c, d, received some of 'x'\. These are the"):
        read_labels(CHECKPOINT, drawn([1], [0], ("x",)), first_pixel)
    large = Digits(np.zeros((1, 8, 8, 1), np.uint8), np.zeros(1, np.uint8), ("a",))
    with pytest.raises(DataError, match=r"shape \(4, 4, 1\), received \(8, 8, 1\)\. Fit"):
        read_labels(CHECKPOINT, large, first_pixel)
