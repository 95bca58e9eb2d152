import numpy as np

from synthgen.datasets.digits import Digits
from synthgen.evaluation.synthetic import Synthetic, SyntheticRecord

RECORD = SyntheticRecord(
    kind="a set that is there", saw=30, saw_more_than_cell=False, checkpoint_sha256="d" * 64
)


def test_the_first_of_each_class_are_taken() -> None:
    labels = np.tile(np.arange(3, dtype=np.uint8), 10)
    images = np.arange(30, dtype=np.uint8).reshape(30, 1, 1, 1)
    digits = Digits(images, labels, ("a", "b", "c"))
    made = Synthetic(digits=digits, record=RECORD)
    some = made.first((2, 0, 1))
    assert some.labels.tolist() == [0, 2, 0]
    assert some.images.ravel().tolist() == [0, 2, 3]
    assert made.first((10, 10, 10)).sha256() == digits.sha256()
