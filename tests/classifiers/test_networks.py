from collections.abc import Callable

import pytest

from synthgen.classifiers.networks import build_digitnet, build_judge, build_screener
from synthgen.errors import DataError
from synthgen.networks.backend import keras

SHAPE = (8, 8, 1)
BUILDERS: dict[str, Callable[[], keras.Model]] = {
    "judge": lambda: build_judge(SHAPE, 3, 0, (8, 8, 8, 8), 0.2),
    "screener": lambda: build_screener(SHAPE, 3),
    "digitnet": lambda: build_digitnet(SHAPE, 3, 0),
}


@pytest.mark.parametrize("name", BUILDERS)
def test_they_compute_in_float32_whatever_the_policy_around(name: str) -> None:
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        network = BUILDERS[name]()
        assert keras.config.dtype_policy().name == "mixed_bfloat16"
    finally:
        keras.config.set_dtype_policy(before)
    assert {layer.compute_dtype for layer in network.layers if layer.variables} == {"float32"}


@pytest.mark.parametrize("name", BUILDERS)
def test_they_give_features_and_logits(name: str) -> None:
    network = BUILDERS[name]()
    assert network.name == name
    features, logits = network.outputs
    assert logits.shape == (None, 3)
    assert features.shape == (None, network.layers[-1].kernel.shape[0])


def test_no_two_of_them_have_the_same_layers() -> None:
    networks = [
        build_judge((28, 28, 1), 10, 0, (32, 64, 64, 96), 0.2),
        build_screener((28, 28, 1), 10),
        build_digitnet((28, 28, 1), 10, 0),
    ]
    kernels = [
        sorted(tuple(weight.shape) for weight in network.weights if weight.name == "kernel")
        for network in networks
    ]
    assert kernels[0] != kernels[1] != kernels[2] != kernels[0]


def test_the_screener_is_small() -> None:
    assert build_screener((28, 28, 1), 10).count_params() * 4 < 200_000


def test_sides_that_are_not_divisible_by_4_are_refused() -> None:
    with pytest.raises(DataError, match="27 x 28 x 1"):
        build_screener((27, 28, 1), 10)
    with pytest.raises(DataError, match="28 x 30 x 1"):
        build_judge((28, 30, 1), 10, 0, (8, 8, 8, 8), 0.2)
