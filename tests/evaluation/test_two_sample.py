import numpy as np
import pytest

from synthgen.classifiers.judge import default_judge
from synthgen.datasets.digits import Digits
from synthgen.datasets.splits import RealDigits
from synthgen.errors import DataError
from synthgen.evaluation.two_sample import measure_two_sample
from tests.evaluation.conftest import FakeJudge


def noise(seed: int, brightness: int = 0, count: int = 400) -> Digits:
    images = np.random.default_rng(seed).integers(0, 200, (count, 8, 8, 1)) + brightness
    return Digits(images.astype(np.uint8), (np.arange(count) % 3).astype(np.uint8), ("a", "b", "c"))


def test_brighter_images_are_told_apart_and_real_ones_are_not(judge: FakeJudge) -> None:
    found = measure_two_sample(noise(0), noise(1, brightness=50), noise(2), judge.judge())
    assert found.synthetic.mean > 0.95
    assert found.synthetic.low > found.control.high  # type: ignore[operator]
    assert found.control.low < 0.5 < found.control.high  # type: ignore[operator]
    assert (found.train_images, found.test_images) == (640, 160)
    assert all(share is not None and share.mean > 0.9 for share in found.by_class)


def test_equal_sets_are_not_told_apart(judge: FakeJudge) -> None:
    found = measure_two_sample(noise(0), noise(1), noise(2, brightness=50), judge.judge())
    assert found.synthetic.low < 0.5 < found.synthetic.high  # type: ignore[operator]
    assert found.control.mean > 0.95  # real test digits that differ are told apart by the control


def test_a_class_without_images_has_no_share(judge: FakeJudge) -> None:
    sides = [noise(seed).take(noise(seed).labels != 1) for seed in range(3)]
    found = measure_two_sample(*sides, judge.judge())
    assert [share is None for share in found.by_class] == [False, True, False]


def test_too_few_images_are_an_error(judge: FakeJudge) -> None:
    with pytest.raises(DataError, match=r"at least 50 images of each side .* received 49"):
        measure_two_sample(noise(0), noise(1, count=49), noise(2), judge.judge())


@pytest.mark.slow
@pytest.mark.mnist
def test_the_built_in_judge_sees_a_haze_of_two_grey_levels(
    mnist: RealDigits,
) -> None:
    # digits that lie together are by the same writers
    rows = np.random.default_rng(0).permutation(len(mnist.train))[:4500]
    real, other, control = (mnist.train.take(part) for part in np.split(rows, 3))
    hazy = Digits(np.maximum(other.images, 2), other.labels)
    found = measure_two_sample(real, hazy, control, default_judge())
    assert found.synthetic.mean > 0.9
    assert found.control.low < 0.5 < found.control.high  # type: ignore[operator]
