from pathlib import Path
from typing import Any

import fsspec
import numpy as np
import pandas as pd
import pytest

import synthgen
from synthgen.datasets.digits import Digits
from synthgen.errors import ManifestError, SettingsError
from synthgen.shards.digit_set import DigitSet, open_set
from synthgen.shards.load import load
from tests.shards.conftest import make

WINDOWS = 2 * 30 * 64  # bytes that are kept: half of them is a shard of 30 images of 64 bytes


@pytest.fixture(scope="module")
def manifest(tmp_path_factory: pytest.TempPathFactory) -> str:
    """That of a published set: 25 images of each of 3 classes, in shards of 30, 30 and 15."""
    root = tmp_path_factory.mktemp("set")
    make(root)
    return str(root / "manifests/tiny.csv")


@pytest.fixture(scope="module")
def whole(manifest: str) -> Digits:
    """Its images."""
    return load(manifest)


@pytest.fixture
def digits(manifest: str) -> DigitSet:
    """The set, opened."""
    return synthgen.open_set(manifest)


def test_what_is_known_without_reading_an_image(digits: DigitSet) -> None:
    assert len(digits) == 75
    assert digits.labels.tolist() == [0, 1, 2] * 25
    assert digits.counts().tolist() == [25, 25, 25]
    assert digits.class_names == ("zero", "one", "two")
    assert digits.image_shape == (8, 8, 1)
    assert repr(digits) == "DigitSet(75 images of 8 x 8 x 1, 3 classes)"


@pytest.mark.parametrize(
    ("rows", "places"),
    [
        (slice(None), range(75)),
        (slice(70, 2, -30), [70, 40, 10]),
        ([70, 3, -1], [70, 3, 74]),
        (np.array([5, 5]), [5, 5]),
        ([], []),
        (np.arange(75) % 40 == 0, [0, 40]),
        ([row < 2 for row in range(75)], [0, 1]),
    ],
    ids=["all", "slice", "list", "array", "none", "mask", "list of bool"],
)
def test_rows_are_chosen_as_in_numpy(
    digits: DigitSet, whole: Digits, rows: Any, places: Any
) -> None:
    expected = np.array(places, np.int64)
    for some in (digits[rows], digits.take(rows)[:]):
        np.testing.assert_array_equal(some.labels, whole.labels[expected])
        np.testing.assert_array_equal(some.images, whole.images[expected])


def test_one_image_and_its_label(digits: DigitSet, whole: Digits) -> None:
    image, label = digits[-1]
    np.testing.assert_array_equal(image, whole.images[74])
    assert label == 2
    with pytest.raises(IndexError):
        digits[75]


def test_iteration_ends(digits: DigitSet) -> None:
    assert [label for _, label in digits.take([4, 2])] == [1, 2]


def test_selections_of_selections(digits: DigitSet, whole: Digits) -> None:
    some = digits.take([50, 40, 30, 20]).take([3, 0])
    np.testing.assert_array_equal(some[:].images, whole.images[[20, 50]])
    assert some.rows()["id"].tolist() == ["2-0000006", "2-0000016"]


def test_rows_have_the_columns_of_the_manifest(tmp_path: Path) -> None:
    for formats in (("hdf5", "png"), ("npz",)):
        make(tmp_path / formats[0], formats=formats)
        path = tmp_path / formats[0] / "manifests/tiny.csv"
        for rows in (open_set(str(path)).rows(), open_set(str(path)).take([]).rows()):
            assert rows.columns.tolist() == path.read_text().partition("\n")[0].split(",")


def test_rows_of_a_manifest_that_changed(tmp_path: Path) -> None:
    make(tmp_path)
    path = tmp_path / "manifests/tiny.csv"
    digits = open_set(str(path))
    table = pd.read_csv(path, dtype=str, keep_default_na=False)
    table.iloc[:40].to_csv(path, index=False)
    with pytest.raises(ManifestError, match=r"the 75 rows that .*, received 40 or others"):
        digits.rows()


def test_a_set_in_memory_or_an_object_store(whole: Digits) -> None:
    make("memory://loaders")
    digits = open_set("memory://loaders/manifests/tiny.csv", cache_bytes=1)
    np.testing.assert_array_equal(digits[[70, 3, 31]].images, whole.images[[70, 3, 31]])
    fsspec.filesystem("memory").rm("/loaders", recursive=True)


@pytest.mark.parametrize("cache_bytes", [WINDOWS, 2**20])
def test_batches_of_an_epoch_hold_every_image_once(
    manifest: str, whole: Digits, cache_bytes: int
) -> None:
    digits = open_set(manifest, cache_bytes=cache_bytes)

    def epoch(number: int, **options: Any) -> np.ndarray:
        images = [images for images, _ in digits.batches(16, epoch=number, **options)]
        return np.concatenate(images)

    np.testing.assert_array_equal(epoch(0), whole.images)
    first = epoch(0, shuffle_seed=7)
    np.testing.assert_array_equal(first, epoch(0, shuffle_seed=7))
    assert not np.array_equal(first, epoch(1, shuffle_seed=7))
    assert not np.array_equal(first, epoch(0, shuffle_seed=8))
    every = sorted(image.tobytes() for image in whole.images)
    assert sorted(image.tobytes() for image in first) == every


def test_labels_of_a_batch_are_those_of_its_images(digits: DigitSet) -> None:
    sizes = []
    for images, labels in digits.batches(16, shuffle_seed=0):
        np.testing.assert_array_equal(images[:, 0, 0, 0], labels)  # what the sampler paints
        sizes.append(len(images))
    assert sizes == [16, 16, 16, 16, 11]


def test_processes_share_a_set(digits: DigitSet, whole: Digits) -> None:
    parts = [
        np.concatenate(
            [images for images, _ in digits.batches(8, shuffle_seed=0, rank=rank, world_size=4)]
        )
        for rank in range(4)
    ]
    assert [len(part) for part in parts] == [19, 19, 19, 19]
    every = {image.tobytes() for image in np.concatenate(parts)}
    assert every == {image.tobytes() for image in whole.images}


@pytest.mark.parametrize("batch", [0, -1])
def test_a_batch_of_nothing(digits: DigitSet, batch: int) -> None:
    with pytest.raises(SettingsError, match="Expected a batch of 1 or more images"):
        next(digits.batches(batch))
    with pytest.raises(SettingsError, match="Expected a batch of 1 or more images"):
        digits.as_tf_dataset(batch)


@pytest.mark.slow
def test_tensorflow_reads_another_epoch_with_each_pass(digits: DigitSet, whole: Digits) -> None:
    dataset = digits.as_tf_dataset(32, shuffle_seed=0)
    assert len(dataset) == 3
    passes = [np.concatenate([images.numpy() for images, _ in dataset]) for _ in range(2)]
    every = sorted(image.tobytes() for image in whole.images)
    assert [sorted(image.tobytes() for image in images) for images in passes] == [every] * 2
    assert not np.array_equal(passes[0], passes[1])
