from typing import Any

import numpy as np
import pytest

from synthgen.datasets.digits import Digits
from synthgen.evaluation.arms import Cell
from synthgen.evaluation.results import Doubtful
from synthgen.evaluation.summary import (
    compare,
    failed_classes,
    summarise,
    summarise_agreement,
    summarise_arm,
)

LABELS = np.array([0, 0, 0, 0, 1, 1, 1, 1], np.uint8)


def cell(predictions: list[int], arm: str = "real", seed: int = 1000) -> Cell:
    what: dict[str, Any] = {
        "steps": 5,
        "train_images": 60,
        "seconds": 1.5,
        "fingerprint": "f",
        "seen_as": None,
        "belief": None,
    }
    return Cell(arm=arm, seed=seed, predictions=np.array(predictions, np.uint8), **what)


def test_an_arm_is_summarised_over_seeds_and_classes() -> None:
    found = summarise_arm(
        [cell([0, 0, 0, 0, 1, 1, 1, 0]), cell([0, 0, 0, 1, 1, 1, 0, 0])], LABELS, 2
    )
    assert found.by_seed == (0.875, 0.625)
    assert found.accuracy.mean == 0.75
    assert found.sampling.low == pytest.approx(0.409, abs=1e-3)  # Wilson, 6 of 8
    assert found.by_seed_and_class == ((1.0, 0.75), (0.75, 0.5))
    assert [estimate.mean for estimate in found.per_class] == [0.875, 0.625]


def test_a_comparison_is_paired_by_seed_and_image() -> None:
    baseline = [cell([0, 0, 0, 0, 1, 1, 1, 0]), cell([0, 0, 0, 0, 1, 1, 0, 0])]
    arm = [cell([0, 0, 0, 0, 1, 1, 1, 1], "synthetic"), cell([0, 0, 0, 0, 1, 1, 1, 0], "synthetic")]
    found = compare(arm, baseline, LABELS, 2)
    assert (found.arm, found.baseline) == ("synthetic", "real")
    assert found.by_seed == (0.125, 0.125)
    assert found.difference.mean == 0.125
    assert [estimate.mean for estimate in found.per_class] == [0.0, 0.25]


def test_intervals_of_shares_end_at_1_and_those_of_differences_go_below_0() -> None:
    baseline = [cell([0, 0, 0, 0, 1, 1, 1, 1]), cell([0, 0, 0, 0, 1, 1, 1, 0])]
    arm = [cell([0, 0, 0, 0, 1, 1, 1, 0], "synthetic"), cell([0, 0, 0, 0, 1, 1, 1, 0], "synthetic")]
    accuracy, over_seeds = (
        summarise_arm(baseline, LABELS, 2).accuracy,
        compare(arm, baseline, LABELS, 2).over_seeds,
    )
    half = 12.706205 * 0.0625  # t(0.975, 1), two seeds an eighth apart
    assert (accuracy.mean, accuracy.low, accuracy.high) == (
        0.9375,
        pytest.approx(0.9375 - half),
        1.0,
    )
    assert (over_seeds.mean, over_seeds.low, over_seeds.high) == (
        -0.0625,
        pytest.approx(-0.0625 - half),
        pytest.approx(-0.0625 + half),
    )


def digits(labels: list[int]) -> Digits:
    return Digits(
        np.zeros((len(labels), 4, 4, 1), np.uint8), np.array(labels, np.uint8), ("zero", "one")
    )


def test_agreement_is_the_share_of_classifiers_that_see_the_label() -> None:
    asked = digits([0] * 10 + [1] * 10)
    seen = np.stack([asked.labels, asked.labels])
    seen[0, [0, 10, 11]] = [1, 0, 0]
    seen[1, [10, 11, 12, 13]] = 0
    found = summarise_agreement(
        seen, np.full((2, 20), 0.9, np.float16), asked, range(20), [0.9, 0.9]
    )
    assert found.images == 20
    assert found.by_seed == (0.85, 0.8)
    assert found.share.mean == pytest.approx(0.825)
    assert [estimate.mean for estimate in found.per_class] == pytest.approx([0.95, 0.7])
    assert found.confusion == ((19, 1), (6, 14))
    assert found.failed_classes == ()


def test_the_least_believed_images_are_doubtful() -> None:
    asked = digits([0, 1] * 40)
    belief = np.full((3, 80), 0.99, np.float16)
    belief[:, 7], belief[:, 40] = [0.25, 0.25, 0.5], 0.125
    seen = np.stack([asked.labels] * 3)
    seen[:2, 7], seen[:, 40] = 0, 1
    found = summarise_agreement(seen, belief, asked, range(1000, 1080), [1, 1]).doubtful
    assert len(found) == 50
    assert found[0] == Doubtful(position=1040, label=0, seen_as=1, probability=0.125)
    assert (found[1].position, found[1].label, found[1].seen_as) == (1007, 1, 0)
    assert found[1].probability == pytest.approx(1 / 3)
    assert found[2].probability > 0.9


def test_failed_classes_lie_beyond_chance_below_what_real_digits_get() -> None:
    assert failed_classes([0.99, 0.90, 0.93, 0.5], [1000] * 4, [0.99] * 4) == (1, 3)
    assert failed_classes([0.90], [50], [0.99]) == ()  # the interval reaches to 0.957
    # a judge that does not know the class cannot tell
    assert failed_classes([0.6], [1000], [0.62]) == ()


def test_only_arms_that_were_trained_are_compared() -> None:
    test = digits([0, 0, 1, 1])
    wrong = np.array([1, 0, 1, 1], np.uint8)

    def judged(arm: str, predictions: np.ndarray) -> Cell:
        what: dict[str, Any] = {
            "seed": 1000,
            "steps": 5,
            "train_images": 60,
            "seconds": 1.5,
            "fingerprint": "f",
            "predictions": predictions,
        }
        return Cell(arm=arm, **what, seen_as=test.labels, belief=np.ones(4, np.float16))

    cells = [judged("real", wrong), judged("classical", wrong), judged("both", test.labels)]
    found = summarise(cells, test, test, range(4))
    assert [arm.arm for arm in found["arms"]] == ["real", "classical", "both"]
    assert [(comparison.arm, comparison.baseline) for comparison in found["comparisons"]] == [
        ("classical", "real"),
        ("both", "real"),
    ]
    assert (found["beyond_classical"].arm, found["beyond_classical"].baseline) == (
        "both",
        "classical",
    )
    assert found["beyond_classical"].difference.mean == 0.25
    assert summarise(cells[:2], test, test, range(4))["beyond_classical"] is None
