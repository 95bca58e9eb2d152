import numpy as np
import pytest

from synthgen.metrics.accuracy import CLASSIFIER_METRICS, measure_classifier, recalls

LABELS = np.repeat(np.arange(3, dtype=np.uint8), [4, 10, 6])
# recalls 3/4, 1/2, 1/3
CORRECT = np.array([1, 1, 1, 0] + [1] * 5 + [0] * 5 + [1, 0, 0, 0, 0, 1], np.bool_)


def test_the_figures_are_what_their_definitions_say() -> None:
    assert recalls(CORRECT, LABELS).tolist() == pytest.approx([3 / 4, 1 / 2, 1 / 3])
    figures = measure_classifier(CORRECT, LABELS, (0, 2))
    assert figures["accuracy"] == pytest.approx(10 / 20)
    assert figures["balanced_accuracy"] == pytest.approx((3 / 4 + 1 / 2 + 1 / 3) / 3)
    assert figures["geometric_mean"] == pytest.approx((3 / 4 * 1 / 2 * 1 / 3) ** (1 / 3))
    assert figures["minority_recall"] == pytest.approx((3 / 4 + 1 / 3) / 2)


def test_minority_recall_is_asked_for_where_there_is_a_minority() -> None:
    assert set(measure_classifier(CORRECT, LABELS, ())) == {
        "accuracy",
        "balanced_accuracy",
        "geometric_mean",
    }


def test_a_class_never_recognised_makes_the_geometric_mean_0() -> None:
    assert measure_classifier(CORRECT & (LABELS != 1), LABELS, ())["geometric_mean"] == 0


@pytest.mark.parametrize("name", CLASSIFIER_METRICS)
def test_the_spread_of_contributions_is_the_uncertainty(name: str) -> None:
    """Against a bootstrap over images: the standard errors agree within a tenth."""
    random = np.random.default_rng(3)
    labels = random.integers(0, 3, 3000).astype(np.uint8)
    correct = random.random(3000) < np.array([0.95, 0.8, 0.6])[labels]
    contributions = CLASSIFIER_METRICS[name].contributions(correct, labels, (2,))
    drawn = [random.integers(0, 3000, 3000) for _ in range(300)]
    figures = [
        CLASSIFIER_METRICS[name].contributions(correct[rows], labels[rows], (2,)).mean()
        for rows in drawn
    ]
    assert contributions.std() / np.sqrt(3000) == pytest.approx(np.std(figures), rel=0.1)
