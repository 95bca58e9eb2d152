import hashlib
from typing import Any

import numpy as np
import pytest

from synthgen.datasets.digits import Digits
from synthgen.errors import DataError


def digits(labels: list[int], **more: Any) -> Digits:
    images = np.arange(len(labels) * 4, dtype=np.uint8).reshape(-1, 2, 2, 1)
    return Digits(images, np.array(labels, np.uint8), **more)


def test_length_classes_shape_and_counts() -> None:
    some = digits([3, 3, 1], class_names=("a", "b", "c", "d"))
    assert (len(some), some.classes, some.image_shape) == (3, 4, (2, 2, 1))
    assert some.counts().tolist() == [0, 1, 0, 2]
    assert some.counts().dtype == np.int64


def test_no_digits_at_all_are_still_digits() -> None:
    none = digits([])
    assert (len(none), none.counts().tolist()) == (0, [0] * 10)


def test_take_keeps_order_labels_and_class_names() -> None:
    some = digits([0, 1, 2], class_names=("a", "b", "c"))
    assert some.take([2, 0]).labels.tolist() == [2, 0]
    assert some.take([2, 0]).images[:, 0, 0, 0].tolist() == [8, 0]
    assert some.take(np.array([False, True, False])).labels.tolist() == [1]
    assert some.take([1]).class_names == ("a", "b", "c")


def test_sha256_is_that_of_shape_pixels_and_labels() -> None:
    assert (
        digits([5]).sha256()
        == hashlib.sha256(b"(1, 2, 2, 1)" + bytes([0, 1, 2, 3]) + bytes([5])).hexdigest()
    )


def test_sha256_does_not_depend_on_how_the_memory_lies() -> None:
    some = digits([0, 1, 2, 3])
    strided = Digits(np.repeat(some.images, 2, axis=0)[::2], np.repeat(some.labels, 2)[::2])
    assert strided.sha256() == some.sha256()


def test_sha256_sees_every_change() -> None:
    some = digits([0, 1])
    flat = Digits(some.images.reshape(2, 1, 4, 1), some.labels)
    other = Digits(some.images ^ np.uint8(1), some.labels)
    assert len({some.sha256(), flat.sha256(), other.sha256(), digits([1, 0]).sha256()}) == 4


def test_as_numpy_gives_the_arrays_themselves() -> None:
    some = digits([4])
    images, labels = some.as_numpy()
    assert images is some.images
    assert labels is some.labels


def test_it_says_what_it_holds_and_no_pixels(tiny_digits: Digits) -> None:
    assert repr(tiny_digits) == f"Digits({len(tiny_digits)} images of 28 x 28 x 1, 10 classes)"


def test_as_tf_dataset_shuffles_each_epoch_anew_and_keeps_pairs(tiny_digits: Digits) -> None:
    dataset = tiny_digits.as_tf_dataset(7, shuffle_seed=3)

    def pairs() -> list[tuple[bytes, int]]:
        return [
            (image.tobytes(), int(label))
            for images, labels in dataset
            for image, label in zip(images.numpy(), labels, strict=True)
        ]

    first, again = pairs(), pairs()
    ordered = [
        (image.tobytes(), int(label))
        for image, label in zip(tiny_digits.images, tiny_digits.labels, strict=True)
    ]
    assert sorted(first) == sorted(again) == sorted(ordered)
    assert first != ordered
    assert first != again


def test_as_tf_dataset_needs_a_batch(tiny_digits: Digits) -> None:
    with pytest.raises(DataError, match="Expected a batch of 1 or more images, received 0"):
        tiny_digits.as_tf_dataset(0)


def test_as_tf_dataset_gives_everything_in_order(tiny_digits: Digits) -> None:
    batches = [(images.numpy(), labels.numpy()) for images, labels in tiny_digits.as_tf_dataset(64)]
    assert [len(labels) for _, labels in batches] == [64, 64, 64, 8]
    assert batches[0][0].dtype == np.uint8
    np.testing.assert_array_equal(
        np.concatenate([images for images, _ in batches]), tiny_digits.images
    )
    np.testing.assert_array_equal(
        np.concatenate([labels for _, labels in batches]), tiny_digits.labels
    )


@pytest.mark.parametrize(
    ("images", "received"),
    [
        (np.zeros((2, 2, 2), np.uint8), r"\(2, 2, 2\) uint8"),
        (np.zeros((2, 2, 2, 2), np.uint8), r"\(2, 2, 2, 2\) uint8"),
        (np.zeros((2, 2, 2, 1), np.float32), r"\(2, 2, 2, 1\) float32"),
        ([[1]], "list"),
    ],
)
def test_images_of_another_kind(images: Any, received: str) -> None:
    with pytest.raises(
        DataError,
        match=r"^Expected images of shape \(n, height, width, 1 or 3\) and dtype uint8, received "
        rf"{received}\.$",
    ):
        Digits(images, np.zeros(2, np.uint8))


@pytest.mark.parametrize(
    ("labels", "received"),
    [
        (np.zeros(3, np.uint8), r"\(3,\) uint8"),
        (np.zeros((2, 1), np.uint8), r"\(2, 1\) uint8"),
        (np.zeros(2), r"\(2,\) float64"),
        ([0, 1], "list"),
    ],
)
def test_labels_of_another_kind(labels: Any, received: str) -> None:
    with pytest.raises(
        DataError,
        match=r"^Expected labels of shape \(2,\) and dtype uint8, one for each image, received "
        rf"{received}\.$",
    ):
        Digits(np.zeros((2, 2, 2, 1), np.uint8), labels)


def test_a_label_outside_the_classes() -> None:
    with pytest.raises(
        DataError,
        match=r"^Expected labels from 0 to 9, received 10 for image 1\. Correct or drop such "
        r"images\.$",
    ):
        digits([9, 10, 255])


def test_the_drawn_digits_are_balanced_and_fixed(tiny_digits: Digits) -> None:
    assert tiny_digits.images.shape == (200, 28, 28, 1)
    assert tiny_digits.counts().tolist() == [20] * 10
    halves = tiny_digits.take(slice(0, 100)), tiny_digits.take(slice(100, 200))
    centres = np.stack(
        [halves[0].images[halves[0].labels == label].mean(axis=0) for label in range(10)]
    )
    distances = ((halves[1].images[:, None] - centres) ** 2).sum(axis=(2, 3, 4))
    assert (distances.argmin(axis=1) == halves[1].labels).all()


def test_labels_are_numbered_anew_by_name() -> None:
    digits = Digits(np.zeros((3, 4, 4, 1), np.uint8), np.array([0, 1, 0], np.uint8), ("b", "d"))
    numbered = digits.numbered_as(("a", "b", "c", "d"))
    assert (numbered.labels.tolist(), numbered.class_names) == ([1, 3, 1], ("a", "b", "c", "d"))
    assert digits.numbered_as(("b", "d")) is digits
    # a class without images need not be there
    assert digits.take([0, 2]).numbered_as(("a", "b")).labels.tolist() == [1, 1]
    with pytest.raises(
        DataError, match="Expected images of the classes a, b, received some of 'd'"
    ):
        digits.numbered_as(("a", "b"))
