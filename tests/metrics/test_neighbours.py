import numpy as np
import pytest

from synthgen.datasets.digits import Digits
from synthgen.errors import DataError
from synthgen.metrics import neighbours as module
from synthgen.metrics.neighbours import (
    Coordinates,
    NearestTrain,
    NeighbourSearch,
    check_reference,
    nearest,
    nearest_in_class,
    pixel_vectors,
    squared_distances,
)


def cloud(seed: int, count: int, shift: float = 0.0, scale: float = 1.0) -> np.ndarray:
    return (np.random.default_rng(seed).normal(size=(count, 8)) * scale + shift).astype(np.float32)


@pytest.fixture
def reference() -> Digits:
    """Twelve random training images, four a class."""
    images = np.random.Generator(np.random.Philox(key=3)).integers(0, 256, (12, 8, 8, 1), np.uint8)
    return Digits(images, np.arange(12, dtype=np.uint8) % 3, ("zero", "one", "two"))


def test_nearest_finds_copies_exactly_without_the_excluded() -> None:
    points = np.array([[0.0], [1.0], [3.0], [7.0]], np.float32)
    positions, distances = nearest(np.array([[3.0], [5.5]], np.float32), points)
    assert positions.tolist() == [2, 3]
    assert distances.tolist() == [0.0, 1.5]
    positions, distances = nearest(points, points, excluded=np.arange(4))
    assert positions.tolist() == [1, 0, 1, 2]
    assert distances.tolist() == [1, 1, 2, 4]


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_squares_are_off_by_no_more_than_the_stated_rounding(dtype: type) -> None:
    queries = cloud(0, 150, shift=40).astype(dtype)
    references = cloud(1, 130, scale=3).astype(dtype)
    exact = ((queries[:, None].astype(np.float64) - references) ** 2).sum(axis=2)
    for rows, squares, rounding in NeighbourSearch(references).blocks(queries):
        assert squares.dtype == dtype
        assert np.abs(squares - exact[rows]).max() <= rounding < 0.1


@pytest.mark.parametrize("rows", [1, 7, 1000])
def test_blocks_do_not_change_the_nearest(rows: int, monkeypatch: pytest.MonkeyPatch) -> None:
    real, synthetic = cloud(0, 150), cloud(1, 130)
    monkeypatch.setattr(module, "BLOCK_QUERIES", rows)
    differences = np.linalg.norm(synthetic[:, None] - real[None], axis=2)
    positions, distances = nearest(synthetic, real)
    assert np.array_equal(positions, differences.argmin(axis=1))
    np.testing.assert_allclose(distances, differences.min(axis=1), rtol=1e-5)


def test_blocks_are_as_small_as_memory_demands(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "DISTANCE_BLOCK_BYTES", 4 * 150 * 7)
    found = [block.rows for block in NeighbourSearch(cloud(0, 150)).blocks(cloud(1, 16))]
    assert found == [slice(0, 7), slice(7, 14), slice(14, 16)]
    monkeypatch.setattr(module, "DISTANCE_BLOCK_BYTES", 1)
    assert len(list(NeighbourSearch(cloud(0, 150)).blocks(cloud(1, 16)))) == 16


def test_without_references_there_is_no_nearest() -> None:
    with pytest.raises(DataError, match="received 0"):
        nearest(cloud(0, 3), cloud(0, 0))
    with pytest.raises(DataError, match="received 1"):
        nearest(cloud(0, 1), cloud(0, 1), excluded=np.zeros(1, int))


def test_neighbours_are_sought_within_the_class() -> None:
    train = np.array([[0.0], [1.0], [5.0], [0.2], [9.0]], np.float32)
    labels = np.array([0, 0, 0, 1, 1], np.uint8)
    found = nearest_in_class(
        np.array([[0.3], [0.3], [4.0]], np.float32), np.array([0, 1, 0], np.uint8), train, labels
    )
    assert found.positions.tolist() == [0, 3, 2]
    assert found.distances == pytest.approx([0.3, 0.1, 1.0])
    assert found.gaps == pytest.approx([1.0, 8.8, 4.0])


def test_a_class_with_one_training_image_is_an_error() -> None:
    with pytest.raises(DataError, match="received 1"):
        nearest_in_class(
            np.zeros((1, 2), np.float32),
            np.zeros(1, np.uint8),
            np.zeros((1, 2), np.float32),
            np.zeros(1, np.uint8),
        )


def brute_force(images: np.ndarray, labels: np.ndarray, reference: Digits) -> list[float]:
    result = []
    for image, label in zip(images, labels, strict=True):
        others = reference.images[reference.labels == label].astype(np.float64)
        result.append(
            round(float(np.sqrt((((others - image) / 255) ** 2).sum(axis=(1, 2, 3))).min()), 4)
        )
    return result


def test_distances_are_those_of_the_definition(reference: Digits) -> None:
    images = np.random.Generator(np.random.Philox(key=9)).integers(0, 256, (50, 8, 8, 1), np.uint8)
    labels = np.arange(50, dtype=np.uint8) % 3
    assert NearestTrain(reference).distances(images, labels).tolist() == brute_force(
        images, labels, reference
    )


def test_a_copy_has_distance_zero_and_one_grey_level_is_seen(reference: Digits) -> None:
    images = reference.images.copy()
    images[1, 4, 4, 0] ^= 1
    distances = NearestTrain(reference).distances(images, reference.labels)
    assert distances[0] == 0
    assert distances[1] == round(1 / 255, 4)


def test_only_the_own_class_counts(reference: Digits) -> None:
    assert NearestTrain(reference).distances(reference.images[:1], np.array([1]))[0] > 0


def test_distances_do_not_depend_on_blocks_or_order(
    reference: Digits, monkeypatch: pytest.MonkeyPatch
) -> None:
    images = np.random.Generator(np.random.Philox(key=4)).integers(0, 256, (31, 8, 8, 1), np.uint8)
    labels = np.arange(31) % 3
    whole = NearestTrain(reference).distances(images, labels)
    monkeypatch.setattr(module, "BLOCK_QUERIES", 4)
    turned = NearestTrain(reference).distances(images[::-1], labels[::-1])[::-1]
    np.testing.assert_array_equal(turned, whole)


def test_real_shapes_against_the_definition(tiny_digits: Digits) -> None:
    images = np.roll(tiny_digits.images[:30], 1, axis=1)
    distances = NearestTrain(tiny_digits).distances(images, tiny_digits.labels[:30])
    assert distances.tolist() == brute_force(images, tiny_digits.labels[:30], tiny_digits)


def test_a_class_without_references_is_an_error(reference: Digits) -> None:
    with pytest.raises(DataError, match="none of class 'two'"):
        check_reference(reference.take(reference.labels < 2))


def test_pixels_become_vectors_of_shares_and_vectors_stay() -> None:
    images = np.array([0, 51, 102, 255], np.uint8).reshape(1, 2, 2, 1)
    assert pixel_vectors(images) == pytest.approx(np.array([[0.0, 0.2, 0.4, 1.0]]))
    assert pixel_vectors(np.array([[3.5]], np.float32)).tolist() == [[3.5]]
    assert pixel_vectors(images[:0]).shape == (0, 4)


def test_coordinates_are_never_farther_apart_than_pixels(tiny_digits: Digits) -> None:
    pixels = tiny_digits.images.reshape(len(tiny_digits), -1) / 255
    places = Coordinates(tiny_digits).of(tiny_digits.images).astype(np.float64)
    exact = np.linalg.norm(pixels[:20, None] - pixels[None], axis=2)
    bounds = np.linalg.norm(places[:20, None] - places[None], axis=2)
    assert (bounds <= exact + 1e-5).all()
    assert bounds.sum() > 0.5 * exact.sum()


def test_squared_distances_of_pairs_in_more_than_one_piece() -> None:
    images = np.random.default_rng(0).integers(0, 256, (5, 8), np.uint8)
    rows, others = np.divmod(np.arange(25 * 30) % 25, 5)
    expected = ((images[rows].astype(int) - images[others]) ** 2).sum(axis=1)
    assert squared_distances(images, rows, images, others).tolist() == expected.tolist()
