import numpy as np
import pytest
from prdc import compute_prdc

from synthgen.errors import DataError
from synthgen.metrics import neighbours
from synthgen.metrics.precision_recall import Support, memberships, radii, support


def cloud(seed: int, count: int, shift: float = 0.0, scale: float = 1.0) -> np.ndarray:
    return (np.random.default_rng(seed).normal(size=(count, 8)) * scale + shift).astype(np.float32)


def test_radii_on_a_line() -> None:
    points = np.array([[0.0], [1.0], [3.0], [7.0]], np.float32)
    np.testing.assert_allclose(radii(points, 1), [1, 1, 2, 4], atol=1e-6)
    np.testing.assert_allclose(radii(points, 2), [3, 2, 3, 6], atol=1e-6)


def test_radii_of_points_with_k_copies_are_exactly_0() -> None:
    points = np.repeat(cloud(0, 40, shift=300), 4, axis=0)
    assert not radii(points, 3).any()
    assert radii(points, 4).min() > 0.1


@pytest.mark.parametrize("rows", [1, 7, 1000])
def test_blocks_do_not_change_the_result(rows: int, monkeypatch: pytest.MonkeyPatch) -> None:
    real, synthetic = cloud(0, 150), cloud(1, 130)
    expected = support(real, synthetic)
    monkeypatch.setattr(neighbours, "BLOCK_QUERIES", rows)
    assert support(real, synthetic) == expected


@pytest.mark.parametrize(("shift", "scale"), [(0.0, 1.0), (0.5, 1.0), (0.0, 0.5), (300.0, 1.0)])
@pytest.mark.parametrize("k", [3, 5])
def test_it_agrees_with_prdc(shift: float, scale: float, k: int) -> None:
    """Naeem et al.'s implementation, https://pypi.org/project/prdc/; shift 300 is of both sets."""
    real = cloud(2, 400, shift if shift == 300 else 0)
    synthetic = cloud(3, 350, shift, scale)
    expected = compute_prdc(real.astype(float), synthetic.astype(float), nearest_k=k)
    assert support(real, synthetic, k)._asdict() == pytest.approx(expected, rel=1e-12)


def test_ties_count() -> None:
    """Six copies of each image: every radius is 0, and every image lies on the rim of six balls."""
    repeated = np.repeat(cloud(11, 200), 6, axis=0)
    assert support(repeated, repeated) == pytest.approx(Support(1.0, 1.0, 6 / 5, 1.0))
    shuffled = np.random.default_rng(0).permutation(repeated)
    assert support(repeated, shuffled) == pytest.approx(Support(1.0, 1.0, 6 / 5, 1.0))
    others = np.repeat(cloud(12, 200), 6, axis=0)
    assert support(repeated, others) == Support(0.0, 0.0, 0.0, 0.0)


@pytest.mark.parametrize("shift", [0.0, 0.1, 300.0])
def test_a_copy_of_the_k_th_nearest_lies_on_the_rim(shift: float) -> None:
    """Whatever the place of the points, which decides how their distances are rounded."""
    real = cloud(13, 300, shift)
    distances = np.linalg.norm(real[:, None].astype(float) - real, axis=2)
    third = real[np.argsort(distances, axis=1)[:, 3]]  # of each real image, after itself
    found = memberships(real, third, radii(real, 3), radii(third, 3), 3)
    assert found.covered.all()
    assert found.precise.all()
    own_ball = distances <= np.sort(distances, axis=1)[:, 3:4]
    inside = own_ball[:, np.argsort(distances, axis=1)[:, 3]].sum(axis=0)
    assert (found.density * 3).round(9).tolist() == inside.tolist()


def test_a_collapsed_set_is_precise_and_covers_nothing() -> None:
    real = cloud(4, 600)
    collapsed = 0.01 * cloud(5, 600)  # all in the middle of the real ones
    found = support(real, collapsed)
    assert found.precision == 1.0
    assert found.recall < 0.01
    assert found.coverage < 0.35
    assert found.density > 2


def test_equal_distributions_have_density_1_and_full_coverage() -> None:
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
