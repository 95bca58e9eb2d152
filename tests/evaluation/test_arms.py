import numpy as np
import pytest

from synthgen import config
from synthgen.datasets.digits import Digits
from synthgen.errors import SettingsError
from synthgen.evaluation.arms import (
    ARMS,
    BASELINE,
    class_weights,
    dosed_set,
    synthetic_counts,
    training_set,
)
from synthgen.evaluation.scenarios import IMBALANCE_ARMS, SOURCE_ARMS, TRANSFER_ARMS


def digits(counts: tuple[int, ...], shade: int) -> Digits:
    labels = np.repeat(np.arange(len(counts), dtype=np.uint8), counts)
    images = np.full((len(labels), 4, 4, 1), shade, np.uint8)
    images[:, 0, 0, 0] = np.arange(len(labels))
    return Digits(images, labels, tuple("abcdef"[: len(counts)]))


def test_a_ratio_gives_every_class_equally_many_images() -> None:
    assert synthetic_counts("real_synthetic", 5, (10, 20)) == (75, 75)
    assert synthetic_counts("synthetic", 1, (3, 3, 3)) == (3, 3, 3)
    assert synthetic_counts("classical", 0, (10, 20)) == (0, 0)
    # all that there are
    assert synthetic_counts("both", None, (10, 20)) == (0, 0)


def test_a_top_up_ends_in_balance() -> None:
    assert synthetic_counts("top_up", None, (5, 20, 1)) == (15, 0, 19)
    real, added = digits((5, 20, 1), 10), digits((15, 0, 19), 20)
    topped, weights = training_set("top_up", real, added)
    assert topped.counts().tolist() == [20, 20, 20]
    assert weights is None


def test_half_a_top_up_leaves_the_other_half_to_repeated_digits() -> None:
    assert synthetic_counts("half_top_up", None, (5, 20, 1)) == (7, 0, 9)
    assert synthetic_counts("source_top_up", None, (5, 20, 1)) == (15, 0, 19)
    real, added = digits((5, 20, 1), 10), digits((7, 0, 9), 20)
    topped, _ = training_set("half_top_up", real, added)
    assert topped.counts().tolist() == [20, 20, 20]
    is_real = topped.images[:, 1, 1, 0] == 10
    assert topped.take(is_real).counts().tolist() == [13, 20, 11]
    assert set(topped.images[is_real, 0, 0, 0].tolist()) == set(range(26))


def test_oversampling_repeats_images_until_balance() -> None:
    repeated, weights = training_set("oversampling", digits((2, 5, 4), 10), None)
    assert repeated.counts().tolist() == [5, 5, 5]
    assert repeated.images[:, 0, 0, 0].tolist() == [0, 1, 0, 1, 0, 2, 3, 4, 5, 6, 7, 8, 9, 10, 7]
    # the only image of a class was held out
    assert training_set("oversampling", digits((2, 3, 0), 10), None)[0].counts().tolist() == [
        3,
        3,
        0,
    ]
    assert weights is None


def test_class_weights_make_every_class_count_the_same() -> None:
    unequal = digits((1, 3, 6), 10)
    same, weights = training_set("class_weights", unequal, None)
    assert same.sha256() == unequal.sha256()
    assert weights is not None
    assert np.bincount(unequal.labels, weights).tolist() == pytest.approx([10 / 3] * 3)
    assert weights.mean() == pytest.approx(1)
    assert class_weights(np.array([1, 1], np.uint8), 3).tolist() == [1, 1]


def test_synthetic_images_may_weigh_less() -> None:
    real, added = digits((1, 1), 10), digits((2, 2), 20)
    both, weights = training_set("both", real, added, synthetic_weight=0.25)
    assert len(both) == 6
    assert weights is not None
    assert weights.tolist() == pytest.approx([2, 2, 0.5, 0.5, 0.5, 0.5])
    assert training_set("both", real, added)[1] is None


def test_synthetic_only_sees_no_real_image() -> None:
    only, weights = training_set(
        "synthetic", digits((1, 1), 10), digits((2, 2), 20), synthetic_weight=0.25
    )
    assert set(only.images[:, 1, 1, 0].tolist()) == {20}
    assert weights is None


def test_real_and_synthetic_images_stand_together() -> None:
    real, added = digits((1, 1), 10), digits((2, 2), 20)
    both, _ = training_set("real_synthetic", real, added)
    assert np.array_equal(both.images, np.concatenate([real.images, added.images]))
    assert both.labels.tolist() == [0, 1, 0, 0, 1, 1]
    assert both.class_names == ("a", "b")


def test_the_settings_know_the_arms() -> None:
    asked_for = {*config.EVALUATION_ARMS, *config.GRID_ARMS, *IMBALANCE_ARMS}
    assert {*asked_for, *TRANSFER_ARMS, *SOURCE_ARMS} == set(ARMS)
    assert set(config.BUILD_ARMS) < set(config.EVALUATION_ARMS)
    assert BASELINE in config.BUILD_ARMS


def test_the_arm_that_others_are_compared_with_is_needed() -> None:
    with pytest.raises(SettingsError, match=r"--arms: expected 'real' among the arms"):
        config.EvaluationSettings(arms=("synthetic", "both"))
    with pytest.raises(
        SettingsError, match=r"--arms: expected one or more of real, real_synthetic"
    ):
        config.EvaluationSettings(arms=("real", "unheard_of"))


def test_one_arm_is_shorter_and_some_are_distorted() -> None:
    assert {name for name, arm in ARMS.items() if arm.length != 1} == {"real_half_steps"}
    assert {name for name, arm in ARMS.items() if arm.distorted} == {
        "classical",
        "both",
        "oversampling",
        "top_up_classical",
        "half_top_up",
        "source_top_up",
        *TRANSFER_ARMS,
        *SOURCE_ARMS,
    }
    assert {name for name, arm in ARMS.items() if not arm.real} == {"synthetic", *SOURCE_ARMS}


def test_distortions_are_tuned_on_arms_without_synthetic_digits() -> None:
    tuned_on = {
        name: arm.tuned_on or name for name, arm in ARMS.items() if arm.distorted and arm.real
    }
    assert tuned_on == {
        "classical": "classical",
        "both": "classical",
        "oversampling": "oversampling",
        "top_up_classical": "oversampling",
        "half_top_up": "oversampling",
        "source_top_up": "oversampling",
        "source": "classical",
        "source_real": "classical",
        "fine_tuned": "classical",
    }
    assert not any(ARMS[name].added for name in tuned_on.values())


def test_a_dose_is_the_share_of_the_added_images() -> None:
    own, added = digits((2, 2), 10), digits((20, 20), 20)
    for dose, own_count, added_count in ((0.2, 160, 40), (0.5, 40, 40), (0.8, 10, 40)):
        together = dosed_set(own, added, dose)
        assert len(together) == own_count + added_count
        assert (together.images[:, 1, 1, 0] == 20).mean() == dose
        assert set(together.images[:own_count, 0, 0, 0].tolist()) == {0, 1, 2, 3}
    assert dosed_set(own, added, 0.0) is own


def test_no_own_image_is_left_out_of_a_dose() -> None:
    own, added = digits((30, 30), 10), digits((5, 5), 20)
    together = dosed_set(own, added, 0.8)
    assert (together.images[:, 1, 1, 0] == 10).sum() == 60
    assert (together.images[:, 1, 1, 0] == 20).sum() == 240
    assert training_set("source", own, added, dose=0.8)[0].sha256() == together.sha256()


def test_arms_of_other_hands_are_told_apart() -> None:
    assert {name for name, arm in ARMS.items() if arm.learns_from_source} == {
        "source",
        "source_top_up",
        "source_real",
        "fine_tuned",
        "source_only",
        "source_real_only",
    }
    assert {name for name, arm in ARMS.items() if arm.fine_tuned} == {"fine_tuned"}
