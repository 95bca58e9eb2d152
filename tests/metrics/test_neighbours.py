import numpy as np
import pytest
from prdc import compute_prdc

from synthgen.errors import DataError
from synthgen.metrics import neighbours as module
from synthgen.metrics.neighbours import nearest, radii, support


def cloud(seed: int, count: int, shift: float = 0.0, scale: float = 1.0) -> np.ndarray:
    return (np.random.default_rng(seed).normal(size=(count, 8)) * scale + shift).astype(np.float32)


def test_radii_on_a_line() -> None:
    points = np.array([[0.0], [1.0], [3.0], [7.0]], np.float32)
    np.testing.assert_allclose(radii(points, 1), [1, 1, 2, 4], atol=1e-6)
    np.testing.assert_allclose(radii(points, 2), [3, 2, 3, 6], atol=1e-6)


def test_nearest_on_a_line_finds_copies_exactly_and_leaves_out_what_it_is_told() -> None:
    points = np.array([[0.0], [1.0], [3.0], [7.0]], np.float32)
    positions, distances = nearest(np.array([[3.0], [5.5]], np.float32), points)
    assert positions.tolist() == [2, 3]
    assert distances.tolist() == [0.0, 1.5]
    positions, distances = nearest(points, points, excluded=np.arange(4))
    assert positions.tolist() == [1, 0, 1, 2]
    assert distances.tolist() == [1, 1, 2, 4]


@pytest.mark.parametrize("block", [1, 7, 1000])
def test_blocks_do_not_change_the_result(block: int, monkeypatch: pytest.MonkeyPatch) -> None:
    real, synthetic = cloud(0, 150), cloud(1, 130)
    expected = support(real, synthetic)
    monkeypatch.setattr(module, "BLOCK", block)
    assert support(real, synthetic) == expected
    differences = np.linalg.norm(synthetic[:, None] - real[None], axis=2)
    positions, distances = nearest(synthetic, real)
    assert np.array_equal(positions, differences.argmin(axis=1))
    np.testing.assert_allclose(distances, differences.min(axis=1), rtol=1e-5)


@pytest.mark.parametrize(("shift", "scale"), [(0.0, 1.0), (0.5, 1.0), (0.0, 0.5), (300.0, 1.0)])
@pytest.mark.parametrize("k", [3, 5])
def test_it_agrees_with_prdc(shift: float, scale: float, k: int) -> None:
    """Naeem et al.'s own implementation, https://pypi.org/project/prdc/; the last shift lies far from the origin in both sets."""
    real, synthetic = cloud(2, 400, shift if shift == 300 else 0), cloud(3, 350, shift, scale)
    found, expected = (
        support(real, synthetic, k),
        compute_prdc(real.astype(float), synthetic.astype(float), nearest_k=k),
    )
    assert found._asdict() == pytest.approx(expected, rel=1e-3)


def test_a_collapsed_set_is_precise_and_covers_nothing() -> None:
    real = cloud(4, 600)
    collapsed = 0.01 * cloud(5, 600)  # all in the middle of the real ones
    found = support(real, collapsed)
    assert found.precision == 1.0
    assert found.recall < 0.01
    assert found.coverage < 0.35
    assert found.density > 2


def test_equal_distributions_have_a_density_of_one_and_nearly_full_coverage() -> None:
    found = support(cloud(6, 1000), cloud(7, 1000))
    assert found.density == pytest.approx(1, abs=0.1)
    # its expectation (Naeem et al. 2020)
    assert found.coverage == pytest.approx(1 - 2**-5, abs=0.03)
    assert min(found.precision, found.recall) > 0.75


def test_half_of_the_modes_is_half_of_the_coverage() -> None:
    left, right = cloud(8, 300), cloud(9, 300, shift=50)
    found = support(np.concatenate([left, right]), cloud(10, 600))
    assert found.precision > 0.75
    assert found.recall == pytest.approx(0.5, abs=0.1)
    assert found.coverage == pytest.approx(0.5, abs=0.03)


@pytest.mark.parametrize("count", [0, 1, 5])
def test_too_few_images_are_an_error(count: int) -> None:
    with pytest.raises(DataError, match=f"more than 5 images .* received {count}"):
        support(cloud(0, 50), cloud(1, count), 5)


def test_without_references_there_is_no_nearest() -> None:
    with pytest.raises(DataError, match="received 0"):
        nearest(cloud(0, 3), cloud(0, 0))
    with pytest.raises(DataError, match="received 1"):
        nearest(cloud(0, 1), cloud(0, 1), excluded=np.zeros(1, int))
