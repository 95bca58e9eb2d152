from typing import Any

import numpy as np
import pytest

from synthgen.datasets.digits import to_digits
from synthgen.errors import DataError

IMAGES = np.arange(8, dtype=np.uint8).reshape(2, 2, 2)


def test_a_channel_is_added_and_labels_become_uint8() -> None:
    digits = to_digits(IMAGES, np.array([9, 0], np.int64), "file")
    assert digits.images.shape == (2, 2, 2, 1)
    assert digits.labels.dtype == np.uint8
    assert digits.labels.tolist() == [9, 0]
    np.testing.assert_array_equal(digits.images[..., 0], IMAGES)


def test_colour_images_stay_as_they_are() -> None:
    assert to_digits(np.zeros((2, 4, 5, 3), np.uint8), np.array([0, 1]), "file").image_shape == (
        4,
        5,
        3,
    )


@pytest.mark.parametrize(
    ("images", "labels", "message"),
    [
        (
            IMAGES,
            np.array([0, 10]),
            "file: Expected labels from 0 to 9, received 10 for image 1 (1 in all).",
        ),
        (
            IMAGES,
            np.array([-1, 256]),
            "file: Expected labels from 0 to 9, received -1 for image 0 (2 in all).",
        ),
        (
            IMAGES,
            np.array([0, 1, 2]),
            "file: Expected one label for each image, received 2 images and 3 labels.",
        ),
        (
            IMAGES,
            np.array([0.0, 1.0]),
            "file: Expected labels of shape (n,) and an integer dtype, received (2,) float64.",
        ),
        (
            IMAGES,
            np.eye(2, dtype=int),
            "file: Expected labels of shape (n,) and an integer dtype, received (2, 2) int64.",
        ),
        (
            IMAGES / 255,
            np.array([0, 1]),
            "file: Expected images of shape (n, height, width, 1 or 3) and dtype uint8, received (2, 2, 2, 1) float64.",
        ),
        (
            IMAGES[0],
            np.array([0, 1]),
            "file: Expected images of shape (n, height, width, 1 or 3) and dtype uint8, received (2, 2) uint8.",
        ),
        (
            np.uint8(1),
            np.array([0, 1]),
            "file: Expected images of shape (n, height, width, 1 or 3) and dtype uint8, received () uint8.",
        ),
    ],
)
def test_messages(images: Any, labels: Any, message: str) -> None:
    with pytest.raises(DataError) as caught:
        to_digits(images, labels, "file")
    assert str(caught.value) == message


def test_labels_are_held_against_the_named_classes() -> None:
    names = [str(k) for k in range(256)]
    assert to_digits(IMAGES, np.array([0, 255]), "file", names).classes == 256
    with pytest.raises(DataError, match="Expected labels from 0 to 1, received 2"):
        to_digits(IMAGES, np.array([0, 2]), "file", ["a", "b"])
    with pytest.raises(DataError, match=r"Expected at most 256 classes .* received 257"):
        to_digits(IMAGES, np.array([0, 1]), "file", [*names, "more"])
