import numpy as np
import pytest

from synthgen.metrics.fidelity import (
    FIDELITY_METRICS,
    FeatureSample,
    FidelityFigure,
    SamplePair,
    bootstrap_interval,
    measure_fidelity,
)

CLASSES = 4


def embedded(seed: int, count: int = 800, spread: float = 1.0, shift: float = 0.0) -> FeatureSample:
    """Four clouds of 6 features, one a class, and a classifier that is rather sure."""
    random = np.random.default_rng(seed)
    labels = (np.arange(count) % CLASSES).astype(np.uint8)
    centres = 6 * np.eye(6)[labels]
    probabilities = np.where(np.arange(CLASSES) == labels[:, None], 0.97, 0.01).astype(np.float32)
    points = (centres + spread * random.normal(size=(count, 6)) + shift).astype(np.float32)
    return FeatureSample(
        features=points,
        probabilities=probabilities,
        labels=labels,
        neighbours=5,
        resamplings=60,
        seed=seed,
    )


def overall(found: tuple[FidelityFigure, ...]) -> dict[str, FidelityFigure]:
    return {metric.metric: metric for metric in found if metric.label is None}


@pytest.fixture(scope="module")
def faithful() -> tuple[FidelityFigure, ...]:
    return measure_fidelity(embedded(0), embedded(1), embedded(2), CLASSES, "digitnet")


def test_every_metric_overall_then_class_by_class(faithful: tuple[FidelityFigure, ...]) -> None:
    assert [(metric.metric, metric.label) for metric in faithful[: len(FIDELITY_METRICS)]] == [
        (key, None) for key in FIDELITY_METRICS
    ]
    of_class = [key for key, kind in FIDELITY_METRICS.items() if kind.per_class]
    assert [(metric.metric, metric.label) for metric in faithful[len(FIDELITY_METRICS) :]] == [
        (key, label) for label in range(CLASSES) for key in of_class
    ]
    assert {metric.name for metric in faithful} == {f"{key}_digitnet" for key in FIDELITY_METRICS}
    assert [metric.images for metric in faithful[:1]] + [
        metric.images for metric in faithful[-1:]
    ] == [800, 200]


def test_a_faithful_set_is_at_the_floor(faithful: tuple[FidelityFigure, ...]) -> None:
    for metric in faithful:
        assert metric.error == ""
        assert metric.synthetic is not None
        assert metric.floor is not None
        assert metric.synthetic.low <= metric.synthetic.mean <= metric.synthetic.high  # type: ignore[operator]
        assert metric.synthetic.low < metric.floor.high  # type: ignore[operator]
        assert metric.floor.low < metric.synthetic.high  # type: ignore[operator]


def test_the_kernel_distance_of_a_faithful_set_straddles_zero(
    faithful: tuple[FidelityFigure, ...],
) -> None:
    found = overall(faithful)["kd"]
    assert found.synthetic is not None
    assert found.synthetic.low < 0 < found.synthetic.high  # type: ignore[operator]
    assert found.deviation > 0  # type: ignore[operator]
    assert overall(faithful)["fd"].deviation is None


def test_a_collapsed_set_is_precise_and_poor_in_recall(
    faithful: tuple[FidelityFigure, ...],
) -> None:
    found = overall(
        measure_fidelity(embedded(0), embedded(1, spread=0.02), embedded(2), CLASSES, "digitnet")
    )
    values = {key: metric.synthetic.mean for key, metric in found.items() if metric.synthetic}
    assert values["precision"] == 1
    assert values["recall"] < 0.02
    assert values["coverage"] < 0.4
    assert values["fd"] > 3 * overall(faithful)["fd"].floor.high  # type: ignore[union-attr, operator]


def test_a_shifted_set_is_far_in_every_class() -> None:
    found = measure_fidelity(embedded(0), embedded(1, shift=3.0), embedded(2), CLASSES, "digitnet")
    assert all(
        metric.synthetic.low > metric.floor.high
        for metric in found
        if metric.metric in ("fd", "kd")
    )  # type: ignore[union-attr, operator]
    assert all(
        metric.synthetic.high < metric.floor.low
        for metric in found
        if metric.metric in ("precision", "recall", "coverage")
    )  # type: ignore[union-attr, operator]


def test_too_few_images_are_an_error_in_the_place_of_a_value() -> None:
    found = measure_fidelity(
        embedded(0, 120), embedded(1, 120), embedded(2, 120), CLASSES, "digitnet"
    )
    whole = overall(found)
    assert whole["fd"].error == "Expected at least 128 images of each side, received 120."
    assert whole["fd"].synthetic is None
    assert whole["kd"].synthetic is not None
    assert {metric.error for metric in found if metric.label is not None} == {
        "Expected at least 128 images of each side, received 30.",
        "Expected at least 50 images of each side, received 30.",
    }


def test_bootstrap_interval_is_of_the_deviation_and_in_range() -> None:
    found = bootstrap_interval(0.5, np.array([2.0, 2.1, 2.2]))
    assert (found.mean, found.low, found.high) == pytest.approx(
        (0.5, 0.5 - 0.1959964, 0.5 + 0.1959964)
    )
    assert bootstrap_interval(0.99, np.array([0.0, 0.5]), 0, 1).high == 1


@pytest.mark.parametrize("key", ["fd", "kd", "density", "coverage"])
def test_intervals_are_about_as_wide_as_new_samples_differ(key: str) -> None:
    values, halves = [], []
    for seed in range(15):
        found = (
            FIDELITY_METRICS[key]
            .measure(SamplePair(embedded(100 + seed), embedded(200 + seed, shift=0.5)))
            .estimate
        )
        values.append(found.mean)
        halves.append(found.high - found.mean)  # type: ignore[operator]
    assert np.mean(halves) == pytest.approx(1.96 * np.std(values, ddof=1), rel=0.6)
