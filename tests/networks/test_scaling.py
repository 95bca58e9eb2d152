import numpy as np

from synthgen.datasets.pixels import to_uint8
from synthgen.networks.scaling import to_float

ALL_LEVELS = np.arange(256, dtype=np.uint8).reshape(1, 16, 16, 1)


def test_to_float_spans_tanh() -> None:
    values = to_float(ALL_LEVELS).numpy()
    assert values.dtype == np.float32
    assert (values.min(), values.max()) == (-1.0, 1.0)


def test_every_grey_level_comes_back() -> None:
    np.testing.assert_array_equal(to_uint8(to_float(ALL_LEVELS).numpy()), ALL_LEVELS)
