"""TensorFlow runs here: small generators of their own weights."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import synthgen
from synthgen.config import BuildSettings, GanSettings
from synthgen.errors import CheckpointError, DataError
from synthgen.gan.checkpoint import (
    Checkpoint,
    read_checkpoint,
    shipped_checkpoint,
    write_checkpoint,
)
from synthgen.networks.gan import build_generator
from synthgen.networks.layers import get_weights
from synthgen.shards.build import build
from synthgen.shards.content import hash_images
from synthgen.shards.generate import load_networks, run_batch, seeds_and_slots
from synthgen.shards.generator import Generator

SHAPE = (8, 8, 1)
BATCH = 17  # no multiple of three classes


def make_generator(condition: str = "projection") -> Checkpoint:
    """A small generator of random weights."""
    settings = GanSettings(
        latent=6, label_embedding=3, generator_channels=(8, 8, 4), condition=condition
    )
    return Checkpoint(
        settings=settings,
        class_names=("zero", "one", "two"),
        image_shape=SHAPE,
        generator=get_weights(build_generator(settings, SHAPE, 3, seed=4)),
        screener={},
        record={"step": 0, "preset": "cdcgan"},
    )


@pytest.mark.slow
def test_rows_of_a_manifest_give_the_pixels_of_the_build(tmp_path: Path) -> None:
    checkpoint = make_generator()
    write_checkpoint(str(tmp_path / "trained"), checkpoint)
    settings = BuildSettings(per_class=25, shard_size=30, batch=BATCH, screen="none")
    result = build(settings, str(tmp_path), checkpoint, progress=False)
    built = synthgen.open_set(result.manifest_path).take(np.random.default_rng(0).permutation(75))
    rows = built.rows()
    generator = synthgen.Generator(str(tmp_path / "trained"), batch=BATCH)
    images = generator.images(rows["label"], rows["seed"], rows["index"])
    np.testing.assert_array_equal(images, built[:].images)

    # Without the indices an image has another row of the batch, and may be rounded otherwise.
    free = generator.images(rows["label"], rows["seed"])
    assert np.abs(free.astype(int) - images).max() <= 1


def test_the_shipped_generator_gives_the_pixels_of_a_build(tmp_path: Path) -> None:
    """TensorFlow's arithmetic would round one pixel in some thousands otherwise."""
    settings = BuildSettings(per_class=60, formats=("hdf5",))
    checkpoint = read_checkpoint(shipped_checkpoint())
    result = build(settings, str(tmp_path), checkpoint, progress=False)
    rows = synthgen.open_set(result.manifest_path).rows()
    images = Generator().images(rows["label"], rows["seed"], rows["index"])
    assert hash_images(images) == rows["sha256"].tolist()


@pytest.mark.slow
def test_a_generator_that_knows_no_classes_goes_by_attempt() -> None:
    checkpoint = make_generator("none")
    settings = BuildSettings(labels="classifier", batch=BATCH)
    indices = np.arange(9)
    attempts = np.array([0, 4, 8, 2, 1, 5, 7, 3, 6])
    seeds, slots = seeds_and_slots(settings, 3, np.zeros(9), indices, attempts)
    sampler = load_networks(checkpoint, BATCH).sampler
    generator = Generator(checkpoint, batch=BATCH)
    images = generator.images(0, seeds, indices, attempts)
    for row in range(9):
        chosen = slice(row, row + 1)
        batch = run_batch(sampler, seeds[chosen], np.zeros(1, int), slots[chosen], BATCH)
        np.testing.assert_array_equal(images[row], batch[slots[row]])


@pytest.mark.slow
def test_one_label_for_many_seeds_and_none_at_all() -> None:
    generator = Generator(make_generator(), batch=BATCH)
    threes = generator.images(2, range(40))
    assert threes.shape == (40, *SHAPE)
    assert len(np.unique(threes, axis=0)) == 40
    np.testing.assert_array_equal(generator.images([2] * 2, [0, 1]), threes[:2])
    assert generator.images([], []).shape == (0, *SHAPE)
    assert generator.images(0, 5).shape == (1, *SHAPE)


@pytest.mark.parametrize(
    ("labels", "seeds", "message"),
    [
        ([0, 10], [0, 1], r"Expected labels from 0 to 9, received 10"),
        ([0], [-1], r"Expected seeds from 0 to 9,223,372,036,854,775,807, received -1"),
        ([0.5], [1], r"Expected labels to be integers .* received float64"),
        ([0, 1, 2], [1, 2], r"Expected as many labels as seeds .* received 3, 2"),
    ],
)
def test_labels_and_seeds_that_cannot_be(labels: Any, seeds: Any, message: str) -> None:
    with pytest.raises(DataError, match=message):
        Generator("shipped").images(labels, seeds)


def test_generators_that_there_are_not(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="Expected a checkpoint folder"):
        Generator(str(tmp_path))
    with pytest.raises(DataError, match="Expected a batch of 10 or more images, one a class"):
        Generator("shipped", batch=9)
