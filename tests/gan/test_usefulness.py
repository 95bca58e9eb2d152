import numpy as np
import pytest

from synthgen.classifiers.screener import Screener
from synthgen.datasets.digits import Digits
from synthgen.gan import monitor as usefulness
from synthgen.gan.monitor import Usefulness
from synthgen.weights import Weights
from tests.gan.test_watch import Fixed


@pytest.fixture(scope="module")
def judge(patches: Digits, patch_screener: Weights) -> Usefulness:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(usefulness, "STEPS", 60)
        return Usefulness(
            patches, Screener(patch_screener, patches.image_shape, patches.classes), seed=0
        )


def test_digits_that_teach_score_high_the_same_each_time_and_wrong_labels_low(
    judge: Usefulness, patches: Digits
) -> None:
    first = judge.score(Fixed(patches))  # type: ignore[arg-type]
    assert first is not None
    assert first > 0.9
    wrong = Digits(patches.images, (patches.labels + 1) % 3, patches.class_names)
    mistaught = judge.score(Fixed(wrong))  # type: ignore[arg-type]
    assert mistaught is not None
    assert mistaught < 0.2
    assert judge.score(Fixed(patches)) == first  # type: ignore[arg-type]


def test_without_a_condition_the_screening_classifier_gives_the_labels(
    judge: Usefulness, patches: Digits
) -> None:
    unlabelled = Digits(patches.images, np.zeros(60, np.uint8), patches.class_names)
    score = judge.score(Fixed(unlabelled, condition="none"))  # type: ignore[arg-type]
    assert score is not None
    assert score > 0.9


def test_where_no_image_can_be_labelled_there_is_no_score(
    judge: Usefulness, patches: Digits, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(usefulness, "CONFIDENT", 1.1)
    assert judge.score(Fixed(patches, condition="none")) is None  # type: ignore[arg-type]
