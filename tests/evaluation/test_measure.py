import numpy as np
import pytest

from synthgen.config import EvaluationSettings
from synthgen.datasets.digits import Digits
from synthgen.datasets.splits import RealDigits
from synthgen.evaluation.measure import (
    MEASUREMENTS,
    EmbeddedView,
    equal_samples,
    first_rows,
    measure,
    read_measures,
    write_measures,
)
from synthgen.metrics.memorisation import SEEN
from synthgen.storage import Storage
from tests.evaluation.conftest import FakeJudge, FakeNetwork

SETTINGS = EvaluationSettings(resamplings=20)


def numbered(labels: list[int]) -> EmbeddedView:
    """Images and features that hold their own number."""
    count = len(labels)
    images = np.arange(count, dtype=np.uint8)[:, None, None, None] * np.ones((1, 2, 2, 1), np.uint8)
    numbers = np.arange(count, dtype=np.float32)[:, None]
    return EmbeddedView(
        Digits(images, np.array(labels, np.uint8), ("zero", "one")),
        numbers,
        np.repeat(numbers, 2, axis=1),
    )


def test_first_rows_keep_order_and_balance() -> None:
    assert first_rows(np.array([1, 0, 0, 1, 0, 1], np.uint8), 2).tolist() == [0, 1, 2, 3]
    assert first_rows(np.array([1, 1, 1, 0], np.uint8), 2).tolist() == [0, 1, 3]


def test_samples_have_equal_counts_and_keep_images_together() -> None:
    made, train, control = (
        numbered([0, 0, 0, 1, 1]),
        numbered([1, 0] * 20),
        numbered([1] * 9 + [0] * 2),
    )
    samples = equal_samples(made, train, control, 3)
    for view in samples:
        assert view.digits.labels.tolist() == [0, 0, 1, 1]
        assert (
            view.digits.images[:, 0, 0, 0].tolist()
            == view.features[:, 0].tolist()
            == view.probabilities[:, 1].tolist()
        )
    assert samples[1].features[:, 0].tolist() == [0, 1, 3, 4]  # the first made ones
    assert samples[0].features[:, 0].tolist() != [1, 3, 0, 2]  # but not the first real ones
    assert equal_samples(made, train, control, 1)[0].digits.labels.tolist() == [0, 1]


def test_all_parts_are_measured(
    judge: FakeJudge, fake_network: FakeNetwork, mnist_like: RealDigits, synthetic: Digits
) -> None:
    found = measure(synthetic, mnist_like, SETTINGS, judge.judge(), fake_network.network, SEEN)
    assert fake_network.asked == [150, 60, 60, 120]
    assert tuple(found.seconds_measuring) == MEASUREMENTS
    assert found.errors == {}
    assert found.features == {
        "name": "fakenet",
        "sha256": "c" * 64,
        "size": 8,
        "validation_accuracy": None,
        "trained_on": found.features["trained_on"],
    }
    assert {metric.name for metric in found.fidelity} >= {"fd_fakenet", "coverage_fakenet"}
    assert {metric.images for metric in found.fidelity if metric.label is None} == {60}
    assert found.two_sample is not None
    assert found.memorisation is not None
    assert (
        found.memorisation.images,
        found.memorisation.held_out_images,
        found.memorisation.control_images,
    ) == (150, 60, 120)
    # as many as of the real ones
    assert (found.memorisation.duplicates.images, found.memorisation.duplicates.near_images) == (
        150,
        60,
    )


def test_a_measure_with_too_few_images_says_so(
    judge: FakeJudge, fake_network: FakeNetwork, real: RealDigits, synthetic: Digits
) -> None:
    found = measure(synthetic, real, SETTINGS, judge.judge(), fake_network.network, SEEN)
    assert found.memorisation is None
    assert found.errors == {
        "memorisation": "Expected at least 50 real validation digits to look for copies of "
        "training images, received 20. Use more images."
    }
    assert found.two_sample is not None


def test_the_sample_is_a_setting(
    judge: FakeJudge, fake_network: FakeNetwork, mnist_like: RealDigits, synthetic: Digits
) -> None:
    found = measure(
        synthetic,
        mnist_like,
        EvaluationSettings(sample=50, resamplings=20),
        judge.judge(),
        fake_network.network,
        SEEN,
    )
    assert fake_network.asked == [50, 60, 50, 50]
    assert found.memorisation is not None
    assert found.memorisation.images == 50
    assert found.memorisation.duplicates.images == 150


def test_a_haze_and_a_shift_are_seen_in_the_pixels(
    judge: FakeJudge, fake_network: FakeNetwork, mnist_like: RealDigits, tiny_digits: Digits
) -> None:
    hazy = Digits(np.roll(np.maximum(tiny_digits.images, 2), 3, axis=2), tiny_digits.labels)
    found = measure(hazy, mnist_like, SETTINGS, judge.judge(), fake_network.network, SEEN)
    by_name = {statistic.name: statistic for statistic in found.pixels}
    assert by_name["centre_x"].difference.mean == pytest.approx(3, abs=0.3)
    assert by_name["mean"].difference.mean > 1
    assert found.background.synthetic[0] == 0
    assert found.background.real[0] > 0.5


def test_what_was_measured_is_found_again_by_its_fingerprint(
    judge: FakeJudge,
    fake_network: FakeNetwork,
    mnist_like: RealDigits,
    synthetic: Digits,
    storage: Storage,
) -> None:
    found = measure(synthetic, mnist_like, SETTINGS, judge.judge(), fake_network.network, SEEN)
    assert read_measures(storage, "data/x", "now") is None
    write_measures(storage, "data/x", "now", found)
    assert read_measures(storage, "data/x", "now") == found
    assert read_measures(storage, "data/x", "then") is None
