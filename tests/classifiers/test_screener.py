import numpy as np
import pytest

from synthgen.classifiers.networks import build_screener
from synthgen.classifiers.predict import Classifier
from synthgen.classifiers.screener import load_screener, screener_trainer, train_screener
from synthgen.datasets.digits import Digits
from synthgen.errors import CheckpointError
from synthgen.networks.layers import get_weights


@pytest.mark.slow
def test_it_learns_small_data_the_same_each_time(patches: Digits) -> None:
    weights = train_screener(patches, seed=3)
    screener = load_screener(weights, patches.image_shape, patches.classes, batch=16)
    probabilities = screener.probabilities(patches.images)
    assert np.mean(probabilities.argmax(axis=1) == patches.labels) > 0.9
    again = train_screener(patches, seed=3)
    for name, array in weights.items():
        np.testing.assert_array_equal(array, again[name], err_msg=name)


def test_it_trains_as_many_steps_as_asked_for(patches: Digits) -> None:
    network = build_screener(patches.image_shape, 3, seed=5)
    done: list[int] = []
    screener_trainer(network, steps=70, seed=5).fit(patches, progress=done.append)
    assert done == [50, 20]
    seen = Classifier(network, batch=60).probabilities(patches.images).argmax(axis=1)
    assert np.mean(seen == patches.labels) > 0.9


def test_weights_of_other_classes_are_refused(patches: Digits) -> None:
    weights = get_weights(build_screener(patches.image_shape, 3))
    with pytest.raises(CheckpointError, match="logits"):
        load_screener(weights, patches.image_shape, 4)
