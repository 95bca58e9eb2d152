import numpy as np
import pytest

from synthgen.classifiers.networks import build_digitnet, build_judge
from synthgen.classifiers.predict import PREDICT_BATCH, Classifier
from synthgen.datasets.digits import Digits
from synthgen.errors import DataError
from synthgen.networks.backend import keras


@pytest.fixture(scope="module")
def network() -> keras.Model:
    return build_judge((28, 28, 1), 10, 0, (8, 8, 8, 8), 0.2)


@pytest.fixture(scope="module")
def classifier(network: keras.Model) -> Classifier:
    return Classifier(network)


def test_probabilities_sum_to_one(classifier: Classifier, tiny_digits: Digits) -> None:
    probabilities = classifier.probabilities(tiny_digits.images)
    assert (probabilities.shape, probabilities.dtype) == ((200, 10), np.float32)
    np.testing.assert_allclose(probabilities.sum(axis=1), 1, atol=1e-5)


def test_an_image_is_seen_the_same_whatever_it_comes_with(
    classifier: Classifier, tiny_digits: Digits
) -> None:
    many = np.concatenate([tiny_digits.images] * 4)
    assert len(many) > PREDICT_BATCH
    whole = classifier.predict(many)
    alone = classifier.predict(tiny_digits.images)
    np.testing.assert_allclose(whole.probabilities[600:], alone.probabilities, atol=1e-6)
    np.testing.assert_allclose(whole.features[600:], alone.features, atol=1e-4)
    one = classifier.predict(tiny_digits.images[17:18])
    np.testing.assert_array_equal(one.probabilities[0], alone.probabilities[17])
    none = classifier.predict(tiny_digits.images[:0])
    assert (none.features.shape, none.probabilities.shape) == ((0, 4 * 4 * 8), (0, 10))


def test_features_are_what_the_last_layer_reads(tiny_digits: Digits) -> None:
    network = build_digitnet((28, 28, 1), 10, seed=1)
    features, probabilities = Classifier(network, batch=64).predict(tiny_digits.images)
    assert features.shape == (200, 64)
    last = network.layers[-1]
    logits = features @ last.kernel.numpy() + last.bias.numpy()
    shares = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    np.testing.assert_allclose(probabilities, shares, atol=1e-4)


def test_probabilities_are_the_mean_over_shifted_images(
    network: keras.Model, classifier: Classifier, tiny_digits: Digits
) -> None:
    images = tiny_digits.images[:20]
    lowered = np.zeros_like(images)
    lowered[:, 1:] = images[:, :-1]
    righted = np.zeros_like(images)
    righted[:, :, 1:] = images[:, :, :-1]
    found = Classifier(network, batch=20, shifts=((0, 0), (1, 0), (0, 1))).predict(images)
    views = [classifier.probabilities(view) for view in (images, lowered, righted)]
    np.testing.assert_allclose(found.probabilities, np.mean(views, axis=0), atol=1e-6)
    np.testing.assert_allclose(found.features, classifier.features(images), atol=1e-4)


def test_images_of_another_shape_or_dtype_are_refused(
    classifier: Classifier, tiny_digits: Digits
) -> None:
    expected = r"uint8 images of shape \(n, 28, 28, 1\), received uint8 of shape \(2, 24, 28, 1\)"
    with pytest.raises(DataError, match=expected):
        classifier.predict(tiny_digits.images[:2, :24])
    with pytest.raises(DataError, match="received float64"):
        classifier.predict(tiny_digits.images[:2] / 2)  # type: ignore[arg-type]
