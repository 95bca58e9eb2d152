import numpy as np
import pytest
from scipy.linalg import sqrtm
from sklearn.metrics.pairwise import polynomial_kernel

from synthgen.metrics.distances import (
    KERNEL_GROUPS,
    classifier_score,
    frechet_distance,
    kernel_distance,
    moments,
)
from tests.benchmarks.reference import features


def test_frechet_distance_of_gaussians_in_closed_form() -> None:
    """Diagonal covariances: the sum over axes of (m - m')^2 + (s - s')^2."""
    mean, other_mean = np.array([0.0, 1.0, -2.0]), np.array([3.0, 1.0, 0.0])
    deviations, others = np.array([1.0, 2.0, 0.5]), np.array([1.0, 5.0, 1.5])
    found = frechet_distance(mean, np.diag(deviations**2), other_mean, np.diag(others**2))
    assert float(found) == pytest.approx(9 + 4 + 0 + 9 + 1)


def test_frechet_distance_of_turned_gaussians_in_closed_form() -> None:
    """A rotation of both changes nothing; C against 4 C is the trace of C."""
    turn = np.linalg.qr(np.random.default_rng(0).normal(size=(5, 5)))[0]
    covariance = turn @ np.diag([1.0, 2.0, 3.0, 4.0, 5.0]) @ turn.T
    assert float(
        frechet_distance(np.zeros(5), covariance, np.zeros(5), 4 * covariance)
    ) == pytest.approx(15)


def test_frechet_distance_is_zero_of_equal_singular_covariances() -> None:
    singular = np.diag([1.0, 1e-20, 0.0])
    assert float(frechet_distance(np.ones(3), singular, np.ones(3), singular)) == pytest.approx(
        0, abs=1e-9
    )


def test_frechet_distance_of_stacks_agrees_with_the_matrix_root() -> None:
    x, y = features()
    (mean, covariance), (other_mean, other_covariance) = moments(x), moments(y)
    expected = ((mean - other_mean) ** 2).sum() + np.trace(
        covariance + other_covariance - 2 * sqrtm(covariance @ other_covariance).real
    )
    found = frechet_distance(
        np.stack([mean, mean]),
        np.stack([covariance] * 2),
        np.stack([other_mean, mean]),
        np.stack([other_covariance, covariance]),
    )
    assert found == pytest.approx([expected, 0], rel=1e-6, abs=1e-8)


def test_it_agrees_with_torch_fidelity_and_clean_fid() -> None:
    """Values of torch-fidelity 0.4.0 and clean-fid 0.1.35.

    `python -m tests.benchmarks.reference wheels` prints them.
    """
    x, y = features()
    assert float(frechet_distance(*moments(x), *moments(y))) == pytest.approx(6.910836132, rel=1e-3)
    left, right = x.astype(np.float32), y.astype(np.float32)
    assert kernel_distance(left, right).mean == pytest.approx(13.152663273, rel=1e-3)


def test_kernel_distance_agrees_with_scikit_learn() -> None:
    x, y = (side.astype(np.float32) for side in features())

    def unbiased(left: np.ndarray, right: np.ndarray) -> float:
        xx, xy, yy = (
            polynomial_kernel(a, b, degree=3, coef0=1)
            for a, b in ((left, left), (left, right), (right, right))
        )
        off = ~np.eye(len(left), dtype=bool)
        return float(xx[off].mean() + yy[off].mean() - 2 * xy.mean())

    assert kernel_distance(x[:120], y[:120]).mean == pytest.approx(
        unbiased(x[:120], y[:120]), rel=1e-3
    )
    assert kernel_distance(x, y).mean == pytest.approx(unbiased(x, y), rel=1e-3)
    found = kernel_distance(x, y, groups=2)
    assert len(found.subsets) == 4
    # one group of each side is left
    assert found.without.mean() == pytest.approx(found.subsets[[0, 3]].mean(), rel=1e-6)


def test_kernel_distance_of_equal_distributions_straddles_zero() -> None:
    random = np.random.default_rng(3)
    found = [
        kernel_distance(*(random.normal(size=(600, 16)).astype(np.float32) for _ in range(2)))
        for _ in range(20)
    ]
    means, subsets = (
        np.array([one.mean for one in found]),
        np.concatenate([one.subsets for one in found]),
    )
    assert 4 <= (means > 0).sum() <= 16
    assert 0.3 < (subsets > 0).mean() < 0.7
    assert subsets.std() > 5 * means.std()
    assert len(found[0].subsets) == KERNEL_GROUPS**2


def test_kernel_distance_is_without_bias() -> None:
    random = np.random.default_rng(4)
    means = [
        kernel_distance(*(random.normal(size=(40, 16)).astype(np.float32) for _ in range(2))).mean
        for _ in range(60)
    ]
    # what the pairs of an image with itself would add, about
    biased = 2 / 40 * ((16 / 16 + 1) ** 3 - 1)
    assert abs(np.mean(means)) < biased / 5


def test_of_many_images_some_are_drawn() -> None:
    random = np.random.default_rng(5)
    x, y = (random.normal(size=(500, 4)).astype(np.float32) for _ in range(2))
    y[:, 0] += 3
    found = kernel_distance(x, y, subset=7)
    assert found.mean > 0
    assert found.mean != kernel_distance(x[:70], y[:70]).mean


def test_moments_of_resamplings_are_those_of_repeated_images() -> None:
    random = np.random.default_rng(5)
    values = random.normal(size=(50, 4)).astype(np.float32) + 10
    counts = random.multinomial(50, np.full(50, 1 / 50), size=3)
    means, covariances = moments(values, (counts / 50).astype(np.float32))
    for k in range(3):
        repeated = np.repeat(values, counts[k], axis=0)
        assert means[k] == pytest.approx(repeated.mean(axis=0), rel=1e-5)
        assert covariances[k] == pytest.approx(np.cov(repeated, rowvar=False), rel=1e-3, abs=1e-4)


def test_classifier_score_counts_the_classes_that_are_met() -> None:
    sure = np.eye(10)[np.arange(100) % 10]
    assert float(classifier_score(sure)) == pytest.approx(10)
    assert float(classifier_score(sure[:50] * 0 + sure[0])) == pytest.approx(1)
    assert float(classifier_score(np.full((30, 10), 0.1))) == pytest.approx(1)
    assert float(classifier_score(np.eye(10)[np.arange(100) % 5])) == pytest.approx(5)


def test_weighted_classifier_score_is_that_of_repeated_images() -> None:
    random = np.random.default_rng(6)
    probabilities = random.dirichlet(np.ones(4), size=30)
    counts = random.multinomial(30, np.full(30, 1 / 30), size=2)
    expected = [float(classifier_score(np.repeat(probabilities, row, axis=0))) for row in counts]
    assert classifier_score(probabilities, (counts / 30).astype(np.float32)) == pytest.approx(
        expected, rel=1e-5
    )
