import hashlib

import numpy as np

from synthgen.shards.content import Screening, empty_content, hash_images, unscreened
from synthgen.shards.plan import Shard

SHARD = Shard(number=1, start=2, stop=4, counts=(4, 4))


def test_unscreened_images_are_kept() -> None:
    screening = unscreened(2)
    assert screening.accepted.tolist() == [True, True]
    assert screening.predicted.tolist() == [-1, -1]
    assert np.isnan(screening.confidence).all()


def test_images_are_stored_in_their_rows() -> None:
    content = empty_content(SHARD, (2, 2, 1))
    assert content.images.shape == (4, 2, 2, 1)
    assert content.labels.tolist() == [0, 1, 0, 1]
    assert content.indices.tolist() == [2, 2, 3, 3]
    content.store(
        np.array([3, 0]),
        np.full((2, 2, 2, 1), 7, np.uint8),
        np.array([11, 12], np.uint64),
        np.array([0, 5]),
        Screening(np.array([True, False]), np.array([1, 1], np.int16), np.array([0.5, 0.75])),
    )
    assert content.images[:, 0, 0, 0].tolist() == [7, 0, 0, 7]
    assert content.seeds.tolist() == [12, 0, 0, 11]
    assert content.attempts.tolist() == [5, 0, 0, 0]
    assert content.screening.accepted.tolist() == [False, True, True, True]
    assert content.screening.predicted.tolist() == [1, -1, -1, 1]
    assert content.draws() == [7, 2]


def test_hashes_are_those_of_the_pixels() -> None:
    images = np.arange(24, dtype=np.uint8).reshape(2, 2, 2, 3)
    expected = [hashlib.sha256(image.tobytes()).hexdigest() for image in images]
    assert hash_images(images) == expected
    assert hash_images(images[:, ::-1, ::-1]) != expected
    assert hash_images(images[:0]) == []
