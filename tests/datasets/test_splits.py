import numpy as np
import pytest

from synthgen.datasets.digits import Digits
from synthgen.datasets.splits import RealDigits, split_parts, split_test, split_validation
from synthgen.errors import DataError


def numbered(labels: list[int]) -> Digits:
    """Digits whose pixels hold their row number, so that a test can see which rows a part has."""
    rows = np.arange(len(labels))
    images = np.stack([rows // 256, rows % 256], axis=1).astype(np.uint8).reshape(-1, 1, 2, 1)
    return Digits(images, np.array(labels, np.uint8))


def rows_of(digits: Digits) -> list[int]:
    return [int(high) * 256 + int(low) for high, low in digits.images[:, 0, :, 0]]


SPLITS = {"validation": split_validation, "test": split_test}


@pytest.mark.parametrize("split", SPLITS.values(), ids=SPLITS.keys())
def test_the_two_parts_are_disjoint_complete_and_in_order(split: type) -> None:
    digits = numbered([k % 10 for k in range(997)])
    rest, aside = split(digits)
    assert sorted(rows_of(rest) + rows_of(aside)) == list(range(997))
    for part in (rest, aside):
        assert rows_of(part) == sorted(rows_of(part))
        assert part.labels.tolist() == [row % 10 for row in rows_of(part)]


def test_known_rows() -> None:
    digits = numbered([k % 2 for k in range(48)])
    assert rows_of(split_validation(digits)[1]) == [16, 40, 43, 45]
    assert rows_of(split_test(digits)[1]) == [0, 2, 4, 9, 13, 21, 23, 36]


def test_sizes_are_rounded_by_largest_remainder() -> None:
    counts = [5, 6, 7, 18]  # twelfths: 0.42, 0.5, 0.58, 1.5: three in all
    _, validation = split_validation(
        numbered([label for label, count in enumerate(counts) for _ in range(count)])
    )
    assert validation.counts().tolist()[:4] == [0, 1, 1, 1]


def test_the_share_is_the_share_of_each_class() -> None:
    labels = [0] * 600 + [1] * 60 + [2] * 6
    rest, test = split_test(numbered(labels))
    assert test.counts().tolist()[:3] == [100, 10, 1]
    assert rest.counts().tolist()[:3] == [500, 50, 5]


@pytest.mark.parametrize(("share", "size"), [(0.0, 0), (0.5, 50), (1.0, 100)])
def test_any_share_from_none_to_all(share: float, size: int) -> None:
    assert len(split_validation(numbered([k % 10 for k in range(100)]), share)[1]) == size


def test_the_last_image_of_a_class_stays() -> None:
    digits = numbered([0, 1, 1, 2, 2, 2])
    for split in SPLITS.values():
        for share in (0.4, 0.9, 0.999):
            rest, _ = split(digits, share)
            assert rest.counts()[:3].min() == 1


def test_what_happens_to_one_class_does_not_move_another() -> None:
    labels = [k % 2 for k in range(48)]
    before = [row for row in rows_of(split_validation(numbered(labels))[1]) if labels[row] == 0]
    after = [
        row
        for row in rows_of(split_validation(numbered(labels + [1] * 12))[1])
        if row < 48 and labels[row] == 0
    ]
    assert before == after


def test_nothing_splits_into_nothing() -> None:
    rest, aside = split_test(numbered([]))
    assert (len(rest), len(aside)) == (0, 0)


def test_train_and_test_images_must_be_of_one_shape() -> None:
    train = Digits(np.zeros((20, 4, 4, 1), np.uint8), np.arange(20, dtype=np.uint8) % 10)
    test = Digits(np.zeros((20, 5, 4, 1), np.uint8), train.labels)
    with pytest.raises(
        DataError,
        match=r"Expected test images of the training images' shape \(4, 4, 1\), received \(5, 4, "
        r"1\)",
    ):
        split_parts(train, test, "here")


def test_without_images_there_is_no_split() -> None:
    one_each = Digits(np.zeros((10, 4, 4, 1), np.uint8), np.arange(10, dtype=np.uint8))
    with pytest.raises(DataError, match=r"one training and one test image, received 10 and 0\."):
        split_parts(one_each, None, "here")


def test_a_class_of_one_image_is_learnt_from() -> None:
    labels = np.array([*range(10), *range(9)] * 6, np.uint8)
    labels = np.append(labels[labels < 9], np.uint8(9))
    real = split_parts(Digits(np.zeros((len(labels), 4, 4, 1), np.uint8), labels), None, "here")
    assert [part.counts()[9] for part in (real.train, real.validation, real.test)] == [1, 0, 0]


@pytest.mark.mnist
def test_mnist_keeps_exactly_5000_for_validation_in_proportion(mnist: RealDigits) -> None:
    assert mnist.validation.counts().tolist() == [494, 562, 496, 511, 487, 452, 493, 522, 487, 496]
    assert mnist.train.counts().tolist() == [
        5429,
        6180,
        5462,
        5620,
        5355,
        4969,
        5425,
        5743,
        5364,
        5453,
    ]
