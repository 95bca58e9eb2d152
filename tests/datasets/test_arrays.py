from typing import Any

import numpy as np
import pytest

from synthgen.datasets.arrays import (
    find_keys,
    left_arrays,
    pixel_scale,
    to_digits,
    to_images,
    to_labels,
    to_names,
    to_parts,
)
from synthgen.errors import DataError

IMAGES = np.arange(8, dtype=np.uint8).reshape(2, 2, 2)
LEVELS = np.array([0, 1, 100, 254, 255], np.uint8).reshape(1, 5, 1, 1)


def test_a_channel_is_added_and_labels_become_uint8() -> None:
    digits = to_digits(IMAGES, np.array([9, 0], np.int64), "file")
    assert digits.images.shape == (2, 2, 2, 1)
    assert digits.labels.dtype == np.uint8
    assert digits.labels.tolist() == [9, 0]
    np.testing.assert_array_equal(digits.images[..., 0], IMAGES)


def test_colour_images_stay_as_they_are() -> None:
    digits = to_digits(np.zeros((2, 4, 5, 3), np.uint8), np.array([0, 1]), "file")
    assert digits.image_shape == (4, 5, 3)


@pytest.mark.parametrize(
    "values",
    [
        LEVELS.astype(np.int64),
        LEVELS.astype(">u2"),
        LEVELS.astype(np.uint16) * 257,
        LEVELS.astype(np.float32) / 255,
        LEVELS.astype(np.float64) / 127.5 - 1,
        LEVELS.astype(np.float32) + 0.25,
        LEVELS.astype(np.float16),
        LEVELS / 255 * (1 + 2e-7) - 1e-7,
    ],
    ids=["int64", "uint16", "0..65535", "0..1", "-1..1", "0..255", "float16", "rounded"],
)
def test_every_range_with_one_meaning_is_read(values: Any) -> None:
    if values.max() > 255 and values.dtype.kind == "f":
        values = values.clip(0, 255)
    assert to_images(values, "file").ravel().tolist() == [0, 1, 100, 254, 255]


def test_bool_becomes_black_and_white() -> None:
    assert to_images(LEVELS > 99, "file").ravel().tolist() == [0, 0, 255, 255, 255]


@pytest.mark.parametrize(
    ("values", "received"),
    [
        (np.array([-1, 5]), "int64 of -1..5"),
        (np.array([0, 4095]), "int64 of 0..4095"),
        (np.array([0, 70_000]), "int64 of 0..70000"),
        (np.array([-0.4, 2.8]), "float64 of -0.4..2.8"),
        (np.array([-0.01, 1.0]), "float64 of -0.01..1"),
        (np.array([-1.0, 0.0]), "float64 of -1..0"),
        (np.array([-0.5, 0.5]), "float64 of -0.5..0.5"),
        (np.array([0.0, 256.0]), "float64 of 0..256"),
        (np.array([0, 255], np.int16).astype(np.int8), "int8 of -1..0"),
    ],
)
def test_ranges_without_one_meaning_are_refused(values: Any, received: str) -> None:
    with pytest.raises(
        DataError, match=rf"^file: .* 0\.\.255, 0\.\.1 or -1\.\.1, received {received}\."
    ):
        to_images(values.reshape(1, 2, 1, 1), "file")


def test_pixels_that_are_no_numbers_are_counted() -> None:
    values = np.array([0, np.nan, np.inf, 1]).reshape(1, 2, 2, 1)
    with pytest.raises(DataError, match=r"received 2 that are not"):
        to_images(values, "file")
    with pytest.raises(DataError, match=r"Expected images of numbers, .* received <U1"):
        to_images(np.full((1, 2, 2), "a"), "file")


@pytest.mark.parametrize(
    ("shape", "expected"),
    [
        ((2, 784), (2, 28, 28, 1)),
        ((2, 16), (2, 4, 4, 1)),
        ((2, 28, 20), (2, 28, 20, 1)),
        ((2, 1, 28, 28), (2, 28, 28, 1)),
        ((2, 3, 28, 28), (2, 28, 28, 3)),
        ((2, 28, 28, 3), (2, 28, 28, 3)),
        ((2, 3, 4, 3), (2, 3, 4, 3)),
    ],
)
def test_layouts_with_one_meaning(shape: tuple[int, ...], expected: tuple[int, ...]) -> None:
    values = np.arange(np.prod(shape), dtype=np.uint64).astype(np.uint8).reshape(shape)
    images = to_images(values, "file")
    assert images.shape == expected
    channels_first = len(shape) == 4 and shape[3] != expected[3]
    if channels_first:
        assert images[1, 1, 2, 0] == values[1, 0, 1, 2]
    if len(shape) == 2:
        assert images[1].ravel().tolist() == values[1].tolist()


@pytest.mark.parametrize(
    "shape", [(2, 783), (2, 3072), (2, 3, 28), (2, 28, 28, 2), (2, 28, 28, 4), (2,), (), (1, 1)]
)
def test_layouts_without_one_meaning_are_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(DataError, match=r"Expected images of shape \(n, height, width, 1 or 3\)"):
        to_images(np.zeros(shape, np.uint8), "file")


def test_the_test_part_is_of_the_range_of_the_training_part() -> None:
    dark = np.zeros((2, 4, 4, 1)) + 0.25
    labels = np.array([0, 1])
    train, test = to_parts((dark * 2 - 1, labels), (dark, labels), "file")
    assert train is not None
    assert test is not None
    assert train.images.max() == 64  # -0.5
    assert test.images.max() == 159  # 0.25 of -1..1, and not of 0..1
    with pytest.raises(
        DataError,
        match=r"test part: Expected pixels of 0\.\.1, as of the training images, received float64 "
        r"of 254\.\.254",
    ):
        to_parts((dark, labels), (dark + 253.75, labels), "file")


def test_scales() -> None:
    assert pixel_scale(np.array([0.0, 0.0])) == "0..1"
    assert pixel_scale(np.array([-1.0, 1.0])) == "-1..1"
    assert pixel_scale(np.array([0.0, 16.0])) == "0..255"
    assert pixel_scale(np.array([0, 1])) == "0..255"
    assert pixel_scale(np.array([-2.0, 1.0])) is None


@pytest.mark.parametrize(
    "values",
    [
        np.array([[3], [0], [9]]),
        np.array([3.0, 0.0, 9.0]),
        np.eye(10)[[3, 0, 9]],
        np.eye(10, dtype=bool)[[3, 0, 9]],
        np.array(["3", "0", "9"]),
        np.array([b"3", b"0", b"9"]),
        np.array([3, 0, 9], ">i8"),
        np.array(["3", "0", "9"], object),
    ],
    ids=["n x 1", "float", "one-hot", "bool", "text", "bytes", "big-endian", "objects"],
)
def test_labels_with_one_meaning(values: Any) -> None:
    labels, names = to_labels(values, "file")
    assert (labels.tolist(), labels.dtype) == ([3, 0, 9], np.uint8)
    assert names == tuple("0123456789")


def test_labels_as_text_name_the_classes_in_natural_order() -> None:
    labels, names = to_labels(np.array(["10", "2", "10", "b"]), "file")
    assert (labels.tolist(), names) == ([1, 0, 1, 2], ("2", "10", "b"))
    labels, names = to_labels(np.array(["one", "two"]), "file", ["two", "one", "three"])
    assert (labels.tolist(), names) == ([1, 0], ("two", "one", "three"))
    with pytest.raises(DataError, match=r"class names \(two, one\), received 'three' \(2 times\)"):
        to_labels(np.array(["three", "one", "three"]), "file", ["two", "one"])


def test_one_hot_labels_have_as_many_classes_as_columns() -> None:
    labels, names = to_labels(np.eye(3)[[2, 0]], "file")
    assert (labels.tolist(), names) == ([2, 0], ("0", "1", "2"))
    for wrong in (np.array([[0, 0, 1], [0, 0, 0]]), np.array([[0, 2], [2, 0]]), np.ones((2, 2))):
        with pytest.raises(
            DataError, match=r"Expected labels of shape \(n,\) and an integer dtype"
        ):
            to_labels(wrong, "file")


@pytest.mark.parametrize(
    ("images", "labels", "message"),
    [
        (
            IMAGES,
            np.array([0, 10]),
            "file: Expected labels from 0 to 9, received 10 for image 1 (1 in all). Correct or",
        ),
        (
            IMAGES,
            np.array([-1, 256]),
            "file: Expected labels from 0 to 9, received -1 for image 0 (2 in all). Correct or",
        ),
        (
            IMAGES,
            np.array([0, 1, 2]),
            "file: Expected one label for each image, received 2 images and 3 labels.",
        ),
        (
            IMAGES,
            np.array([0.0, 1.5]),
            "file: Expected labels of shape (n,) and an integer dtype, received (2,) float64.",
        ),
        (
            IMAGES[0, 0],
            np.array([0, 1]),
            "file: Expected images of shape (n, height, width, 1 or 3) and dtype uint8, received "
            "(2,) uint8.",
        ),
        (
            np.uint8(1),
            np.array([0, 1]),
            "file: Expected images of shape (n, height, width, 1 or 3) and dtype uint8, received "
            "() uint8.",
        ),
    ],
)
def test_messages(images: Any, labels: Any, message: str) -> None:
    with pytest.raises(DataError) as caught:
        to_digits(images, labels, "file")
    assert str(caught.value).startswith(message)


def test_labels_are_held_against_the_named_classes() -> None:
    names = [str(k) for k in range(256)]
    assert to_digits(IMAGES, np.array([0, 255]), "file", names).classes == 256
    with pytest.raises(DataError, match=r"Expected labels from 0 to 1, received 2"):
        to_digits(IMAGES, np.array([0, 2]), "file", ["a", "b"])
    with pytest.raises(DataError, match=r"Expected at most 256 classes .* received 257"):
        to_digits(IMAGES, np.array([0, 1]), "file", [*names, "more"])


def test_names_of_any_type_of_text() -> None:
    assert to_names(np.array(["zero", "one"]).astype("S"), "file") == ("zero", "one")
    assert to_names(np.array(["é", "二"]), "file") == ("é", "二")
    assert to_names(np.array(["é".encode("latin-1"), b"b"]), "file") == ("é", "b")
    assert to_names(np.arange(3), "file") == ("0", "1", "2")
    with pytest.raises(DataError, match=r"a name of its own for each class, received 'a' 2 times"):
        to_names(["a", "b", "a"], "file")


@pytest.mark.parametrize(
    ("texts", "labels", "names"),
    [
        (["3", " 7 ", "3"], [3, 7, 3], tuple("0123456789")),
        (["3.0", "7.0", "3"], [3, 7, 3], tuple("0123456789")),
        (["10,0", "9", "11"], [1, 0, 2], ("9", "10", "11")),
        (["cat ", "cat", "dog"], [0, 0, 1], ("cat", "dog")),
        (["cafe\u0301", "caf\u00e9", "the"], [0, 0, 1], ("caf\u00e9", "the")),
        (["1.0", "1.5", "1.0"], [0, 1, 0], ("1.0", "1.5")),
        (["1" * 5000, "2", "2"], [1, 0, 0], ("2", "1" * 5000)),
        (["1", "2", "other"], [0, 1, 2], ("1", "2", "other")),
    ],
)
def test_labels_as_programs_write_them(
    texts: list[str], labels: list[int], names: tuple[str, ...]
) -> None:
    numbers, found = to_labels(np.array(texts), "file")
    assert (numbers.tolist(), found) == (labels, names)


@pytest.mark.parametrize("missing", ["", "nan", "None", "<NA>", " "])
def test_a_missing_label_is_no_class(missing: str) -> None:
    with pytest.raises(DataError, match=r"a label for each image, received .* for image 1 \(2 in"):
        to_labels(np.array(["3", missing, missing, "7"]), "file")
    assert to_labels(np.array(["None", "a"]), "file", ["a", "None"])[0].tolist() == [1, 0]
    for number in (np.nan, np.inf):
        with pytest.raises(DataError, match=r"received (nan|inf) for image 1 \(1 in all\)"):
            to_labels(np.array([3.0, number]), "file")
    with pytest.raises(DataError, match=r"labels from 0 to 9, received 256 for image 0"):
        to_labels(np.array([1e30, 3.0]), "file")


def test_a_line_of_totals_is_no_class() -> None:
    with pytest.raises(DataError, match=r"such as 1, 3, 7, received 'Total' for image 3 alone"):
        to_labels(np.array(["3", "7", "1", "Total"]), "file")
    assert to_labels(np.array(["3", "7", "plus", "plus"]), "file")[1] == ("3", "7", "plus")


@pytest.mark.parametrize(
    ("names", "train", "test"),
    [
        (["x_train", "y_train", "x_test", "y_test"], ("x_train", "y_train"), ("x_test", "y_test")),
        (["X_train", "y_train"], ("X_train", "y_train"), None),
        (["training_images", "training_labels"], ("training_images", "training_labels"), None),
        (["images", "labels"], ("images", "labels"), None),
        (
            ["images", "labels", "test_images", "test_labels"],
            ("images", "labels"),
            ("test_images", "test_labels"),
        ),
        (
            ["train/data", "train/target", "test/data", "test/target"],
            ("train/data", "train/target"),
            ("test/data", "test/target"),
        ),
        (["train_set_x", "train_set_y", "list_classes"], ("train_set_x", "train_set_y"), None),
        (["data", "images", "target", "target_names"], ("data", "target"), None),
        (["arr_0", "arr_1"], ("arr_0", "arr_1"), None),
        (["x", "y"], ("x", "y"), None),
        (["test_set_x", "test_set_y"], None, ("test_set_x", "test_set_y")),
    ],
)
def test_arrays_are_found_by_name(names: list[str], train: Any, test: Any) -> None:
    keys = find_keys(names, "file", "layout")
    assert (keys.train, keys.test) == (train, test)


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (["images"], "file: Expected an array 'labels', found images. Expected is layout."),
        (["y_train"], "file: Expected an array 'x_train', found y_train."),
        (["x_train", "y_train", "x_test"], "Expected an array 'y_test', found x_test, x_train"),
        (["x_train", "y_train", "x_dev", "y_dev"], "found validation images 'x_dev' beside them"),
        (["x_train", "y_train", "x_validation", "y_validation"], "found validation images 'x_v"),
        (["X_train", "x_train", "y_train"], "'X_train' and 'x_train', which read alike"),
        (["train/x", "train_x", "train/y"], "'train/x' and 'train_x', which read alike"),
        ([], "file: Expected an array 'images', found none."),
        (["train_images", "train_labels", "val_images", "val_labels"], "found validation images"),
        (["x", "y", "images", "labels"], "found 'x' and 'y' beside 'images' and 'labels'"),
        (["x", "y", "x_train", "y_train"], "found 'x_train' and 'y_train' beside 'x' and 'y'"),
    ],
)
def test_arrays_that_are_missing_are_named(names: list[str], message: str) -> None:
    with pytest.raises(DataError) as caught:
        find_keys(names, "file", "layout")
    assert message in str(caught.value)


@pytest.mark.parametrize("shape", [(6, 16, 1), (6, 1, 16), (6, 16)])
def test_rows_of_pixels_are_square_images(shape: tuple[int, ...]) -> None:
    pixels = np.arange(96, dtype=np.uint8)
    images = to_images(pixels.reshape(shape), "file")
    assert images.shape == (6, 4, 4, 1)
    assert images.ravel().tolist() == pixels.tolist()


def test_arrays_that_are_left_are_said() -> None:
    shapes = {"images": (9, 4, 4), "labels": (9,), "extra": (5, 4, 4), "weights": (9,), "n": ()}
    assert left_arrays(shapes, ["images", "labels"]) == "Passed over: 1 array (extra)."
    assert left_arrays(shapes, ["images", "labels", "extra"]) == ""
