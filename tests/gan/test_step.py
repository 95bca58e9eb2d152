from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import tensorflow as tf

from synthgen.config import GanSettings
from synthgen.datasets.digits import Digits
from synthgen.errors import CheckpointError
from synthgen.gan.losses import ADVERSARIAL
from synthgen.gan.step import METRICS, Batch, GanState, generator_slopes, make_runner

DENSE: dict[str, Any] = {  # compiled in a moment
    "generator_stages": ("dense",),
    "generator_channels": (8,),
    "discriminator_stages": ("dense",),
    "discriminator_channels": (8,),
    "discriminator_dense": 0,
    "r1_gamma": 0.0,
}


def drawn_rows(patches: Digits, small: GanSettings, steps: int, seed: int = 0) -> list[bytes]:
    draw = Batch(patches, small, seed)
    images = [draw.real(tf.constant(step, tf.int64))[0].numpy() for step in range(steps)]
    return [image.tobytes() for image in np.concatenate(images)]


def test_every_image_comes_once_an_epoch_in_another_order_each_time(patches: Digits, small: GanSettings) -> None:
    rows = drawn_rows(patches, small, 15)  # 15 steps of 8 = 2 epochs of 60
    first, second = rows[:60], rows[60:]
    assert len(set(first)) == len(set(second)) == 60
    assert set(first) == set(second)
    assert first != second


def test_the_order_depends_on_the_seed(patches: Digits, small: GanSettings) -> None:
    assert drawn_rows(patches, small, 7, seed=0) != drawn_rows(patches, small, 7, seed=1)


def test_images_keep_their_labels_and_are_scaled_to_tanh(patches: Digits, small: GanSettings) -> None:
    images, labels = Batch(patches, small, 3).real(tf.constant(5, tf.int64))
    assert float(tf.reduce_min(images)) >= -1
    assert float(tf.reduce_max(images)) == 1
    np.testing.assert_array_equal(np.argmax(images.numpy().mean(axis=(2, 3)), axis=1), 2 * labels.numpy() + 1)


def test_all_classes_are_drawn_and_latents_differ_from_step_to_step(patches: Digits, small: GanSettings) -> None:
    draw = Batch(patches, small, 0)
    latents, labels = zip(*(draw.latent(tf.constant(step, tf.int64)) for step in range(20)), strict=True)
    assert set(np.concatenate(labels).tolist()) == {0, 1, 2}
    assert len({latent.numpy().tobytes() for latent in latents}) == 20


def trained(patches: Digits, settings: GanSettings, calls: list[int], state: GanState | None = None) -> GanState:
    state = state or GanState(settings, patches, seed=0)
    run = make_runner(state, patches)
    for count in calls:
        run(tf.constant(count))
    return state


def test_calls_of_any_length_and_a_resume_take_the_same_course(patches: Digits, small: GanSettings) -> None:
    whole = trained(patches, small, [13]).export()
    half = trained(patches, small, [2, 5]).export()
    resumed = GanState(small, patches, seed=0)
    resumed.restore(half)
    resumed = trained(patches, small, [6], resumed)
    assert whole.keys() == resumed.export().keys()
    for name, array in resumed.export().items():
        np.testing.assert_array_equal(array, whole[name], err_msg=name)


def test_a_step_moves_every_network_and_counts(patches: Digits, small: GanSettings) -> None:
    before, after = GanState(small, patches, seed=0).export(), trained(patches, small, [1]).export()
    assert int(after["step"]) == 1
    for name in ("generator/up/kernel", "average/up/kernel", "discriminator/down/kernel"):
        assert not np.array_equal(before[name], after[name]), name


def test_metrics_are_finite_and_accuracies_are_shares(patches: Digits, small: GanSettings) -> None:
    run = make_runner(GanState(small, patches, seed=0), patches)
    metrics = dict(zip(METRICS, run(tf.constant(4)).numpy(), strict=True))
    assert np.isfinite(list(metrics.values())).all()
    assert 0 <= metrics["real_accuracy"] <= 1
    assert metrics["penalty"] > 0


def test_rates_fall_only_in_the_decay_phase(patches: Digits, small: GanSettings) -> None:
    state = trained(patches, small, [12])
    assert float(state.generator_optimizer.learning_rate) == pytest.approx(small.generator_rate)
    state = trained(patches, small, [7], state)  # the 19th step: 18 of 24 were done, half of the decay
    assert float(state.generator_optimizer.learning_rate) == pytest.approx(small.generator_rate * 0.5)


def test_a_state_of_other_networks_is_refused(patches: Digits, small: GanSettings) -> None:
    arrays = GanState(small, patches, seed=0).export()
    arrays["generator/up/kernel"] = arrays["generator/up/kernel"][..., :1]
    with pytest.raises(CheckpointError, match="up/kernel"):
        GanState(small, patches, seed=0).restore(arrays)


@pytest.mark.parametrize("loss", ["bce", "wasserstein"])
def test_slopes_of_the_generators_loss_follow_from_those_of_the_discriminators(loss: str) -> None:
    images, weights = tf.random.stateless_normal((5, 4, 4, 1), (0, 1)), tf.random.stateless_normal((4, 4, 1), (0, 2))

    def slopes(of: Any) -> tuple[Any, Any, Any]:
        with tf.GradientTape() as tape:
            tape.watch(images)
            scores = tf.reduce_sum(tf.sin(images * weights) * 4, axis=(1, 2, 3))
            value = of(scores)
        return scores, value, tape.gradient(value, images)

    scores, _, others = slopes(lambda fake: ADVERSARIAL[loss].discriminator(tf.zeros_like(fake), fake))
    _, value, expected = slopes(ADVERSARIAL[loss].generator)
    own, found = generator_slopes(loss, scores, others)
    assert float(own) == pytest.approx(float(value))
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-7)


def test_a_score_without_a_ratio_gives_no_slope() -> None:
    _, slopes = generator_slopes("bce", tf.constant([-200.0, 0.0]), tf.ones((2, 1, 1, 1)))
    np.testing.assert_allclose(tf.reshape(slopes, (2,)), [0, -1])


@pytest.mark.parametrize("settings", [{}, {"loss": "wasserstein", "gradient_penalty": 10.0}, {"loss": "hinge"}, {"critic_steps": 2}])
def test_both_orders_of_updates_agree_while_the_discriminator_stands_still(patches: Digits, small: GanSettings, settings: dict[str, Any]) -> None:
    still = replace(small, **DENSE, optimizer="sgd", generator_rate=0.1, discriminator_rate=1e-8, **settings)
    one, other = (trained(patches, replace(still, updates=updates), [1]).export() for updates in ("alternating", "simultaneous"))
    for name in (name for name in one if name.startswith("generator/")):
        np.testing.assert_allclose(one[name], other[name], rtol=1e-3, atol=1e-5, err_msg=name)
    assert not np.array_equal(one["generator/output/kernel"], GanState(still, patches, seed=0).export()["generator/output/kernel"])


@pytest.mark.parametrize("loss", ["bce", "wasserstein", "hinge"])
def test_simultaneous_updates_do_not_see_what_the_discriminator_learnt_in_this_step(patches: Digits, small: GanSettings, loss: str) -> None:
    def generator(updates: str, rate: float) -> Any:
        settings = replace(small, **DENSE, loss=loss, updates=updates, optimizer="sgd", generator_rate=0.1, discriminator_rate=rate)
        return trained(patches, settings, [1]).export()["generator/output/kernel"]

    np.testing.assert_allclose(generator("simultaneous", 0.5), generator("simultaneous", 1e-8), rtol=1e-5, atol=1e-7)
    assert not np.allclose(generator("alternating", 0.5), generator("alternating", 1e-8), rtol=1e-3, atol=1e-5)
