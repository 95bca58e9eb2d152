import numpy as np

from synthgen.shards.content import unscreened
from synthgen.shards.generate import recognise, reject_mislabelled

PROBABILITIES = np.array([[0.95, 0.05], [0.05, 0.95], [0.11, 0.89], [0.1, 0.9]], np.float32)
LABELS = np.zeros(4, np.uint8)


def test_only_a_classifier_that_is_sure_of_another_class_rejects() -> None:
    screening = reject_mislabelled(PROBABILITIES, LABELS, "mislabels", 0.9)
    assert screening.accepted.tolist() == [True, False, True, False]
    assert screening.predicted.tolist() == [0, 1, 1, 1]
    np.testing.assert_allclose(screening.confidence, [0.95, 0.95, 0.89, 0.9], rtol=1e-6)


def test_a_confidence_of_zero_rejects_every_disagreement() -> None:
    assert reject_mislabelled(PROBABILITIES, LABELS, "mislabels", 0.0).accepted.tolist() == [
        True,
        False,
        False,
        False,
    ]


def test_none_keeps_all() -> None:
    assert reject_mislabelled(PROBABILITIES, LABELS, "none", 0.0).accepted.all()


def test_a_label_from_the_classifier_needs_its_confidence() -> None:
    screening = recognise(PROBABILITIES, "mislabels", 0.9)
    assert screening.accepted.tolist() == [True, True, False, True]
    assert screening.predicted.tolist() == [0, 1, 1, 1]
    assert recognise(PROBABILITIES, "none", 0.9).accepted.all()


def test_unjudged_images_are_kept() -> None:
    screening = unscreened(2)
    assert screening.accepted.tolist() == [True, True]
    assert screening.predicted.tolist() == [-1, -1]
