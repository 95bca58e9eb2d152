from dataclasses import replace
from typing import Any

import numpy as np
import tensorflow as tf

from synthgen.config import GanSettings
from synthgen.datasets.digits import Digits
from synthgen.gan.monitor import BATCHES, ROWS, Snapshot
from synthgen.gan.step import GanState, make_runner


def trained(patches: Digits, small: GanSettings) -> tuple[GanState, Any]:
    state = GanState(small, patches, seed=0)
    run = make_runner(state, patches)
    run(tf.constant(5))
    return state, run


def snapshot_of(state: GanState, patches: Digits, small: GanSettings) -> Snapshot:
    return Snapshot(state.average, small, patches.image_shape, patches.classes)


def test_statistics_are_those_of_the_copied_weights(patches: Digits, small: GanSettings) -> None:
    state, _ = trained(patches, small)
    kept = snapshot_of(state, patches, small)
    kept.refresh(5)
    latents = tf.concat(
        [
            tf.random.stateless_normal((ROWS, small.latent), (0, k), alg="philox")
            for k in range(BATCHES)
        ],
        0,
    )
    labels = tf.range(ROWS * BATCHES) % patches.classes
    projected = kept.model.get_layer("map").output
    seen = (
        type(kept.model)(kept.model.inputs, projected)([latents, labels])
        .numpy()
        .reshape(-1, small.generator_channels[0])
    )
    norm = kept.model.get_layer("project_norm")
    np.testing.assert_allclose(norm.moving_mean, seen.mean(axis=0), rtol=1e-4, atol=1e-5)
    # within a batch, not between them
    np.testing.assert_allclose(norm.moving_variance, seen.var(axis=0), rtol=0.02)
    assert norm.momentum == small.norm_momentum


def test_the_training_is_left_alone_and_weights_are_copied(
    patches: Digits, small: GanSettings
) -> None:
    state, run = trained(patches, small)
    before, kept = state.export(), snapshot_of(state, patches, small)
    kept.refresh(5)
    for name, array in state.export().items():
        np.testing.assert_array_equal(array, before[name], err_msg=name)
    np.testing.assert_array_equal(
        kept.model.get_layer("up").kernel, state.average.get_layer("up").kernel
    )
    run(tf.constant(1))
    kept.refresh(5)  # of this step already
    np.testing.assert_array_equal(kept.model.get_layer("up").kernel, before["average/up/kernel"])
    kept.refresh(6)
    np.testing.assert_array_equal(
        kept.model.get_layer("up").kernel, state.average.get_layer("up").kernel
    )


def test_a_generator_without_normalisation_is_copied_as_it_is(
    patches: Digits, small: GanSettings
) -> None:
    plain = replace(small, generator_norm="none")
    state, _ = trained(patches, plain)
    kept = snapshot_of(state, patches, plain)
    kept.refresh(5)
    np.testing.assert_array_equal(
        kept.model.get_layer("up").kernel, state.average.get_layer("up").kernel
    )
