from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import tensorflow as tf

from synthgen.config import GanSettings
from synthgen.datasets.digits import Digits
from synthgen.errors import CheckpointError
from synthgen.gan.batches import Batches
from synthgen.gan.job import STEP_METRICS
from synthgen.gan.losses import ADVERSARIAL_LOSSES
from synthgen.gan.state import GanState
from synthgen.gan.step import (
    draw_batch,
    generator_gradients,
    make_runner,
    points_between,
    smoothed_targets,
)

DENSE: dict[str, Any] = {  # compiled in a moment
    "generator_stages": ("dense",),
    "generator_channels": (8,),
    "discriminator_stages": ("dense",),
    "discriminator_channels": (8,),
    "discriminator_dense": 0,
    "r1_gamma": 0.0,
}


def test_smoothed_targets_lie_in_their_bounds_and_differ(
    patches: Digits, small: GanSettings
) -> None:
    smooth = replace(small, batch=64, label_smoothing=0.1)
    real, fake = (
        np.stack(each)
        for each in zip(
            *(
                smoothed_targets(smooth, Batches(patches, smooth, 0), tf.constant(t, tf.int64))
                for t in range(20)
            ),
            strict=True,
        )
    )
    assert (real.shape, fake.shape) == ((20, 64), (20, 64))
    assert 0.9 <= real.min() < 0.901
    assert 0.999 < real.max() <= 1.0
    assert 0.0 <= fake.min() < 0.001
    assert 0.099 < fake.max() <= 0.1
    assert len(np.unique(real)) > 1200
    assert float(np.mean(real)) == pytest.approx(0.95, abs=0.003)
    assert smoothed_targets(small, Batches(patches, small, 0), tf.constant(0, tf.int64)) == (
        1.0,
        0.0,
    )


@pytest.mark.slow
@pytest.mark.parametrize("r1_gamma", [0.0, 1.0])
def test_clipped_weights_are_in_their_bounds_after_every_step(
    patches: Digits, small: GanSettings, r1_gamma: float
) -> None:
    settings = replace(
        small,
        **DENSE | {"r1_gamma": r1_gamma},
        r1_every=2,
        weight_clip=0.01,
        discriminator_rate=0.05,
    )
    state = GanState(settings, patches, seed=0)
    run = make_runner(state, patches)
    assert (
        max(float(tf.reduce_max(tf.abs(v))) for v in state.discriminator.trainable_variables) > 0.01
    )
    for _ in range(5):
        run(tf.constant(1))
        largest = [float(tf.reduce_max(tf.abs(v))) for v in state.discriminator.trainable_variables]
        assert max(largest) == pytest.approx(0.01)


@pytest.mark.parametrize("optimizer", ["adam", "rmsprop"])
def test_the_first_step_moves_every_weight_by_the_rate(
    patches: Digits, small: GanSettings, optimizer: str
) -> None:
    """Tables of classes, too.

    Without momentum both optimisers divide a first gradient by its own size (RMSprop by the root of
    a hundredth of its square), however small it is and however many images of the batch use the
    same row of a table.
    """
    settings = replace(
        small,
        **DENSE,
        batch=32,
        optimizer=optimizer,
        beta_1=0.0,
        generator_rate=1e-3,
        discriminator_rate=1e-3,
    )
    state = GanState(settings, patches, seed=0)
    before = state.export()
    make_runner(state, patches)(tf.constant(1))
    after = state.export()
    rate = 1e-3 if optimizer == "adam" else 1e-3 / 0.01**0.5
    paths = [
        v.path
        for v in (*state.generator.trainable_variables, *state.discriminator.trainable_variables)
    ]
    moved = {
        path: np.abs(after[name] - before[name]).max() / rate
        for name in after
        for path in paths
        if name.endswith(f"or/{path}")
    }
    assert sum(path.endswith(("embedding", "embeddings")) for path in moved) == 2
    for path, most in moved.items():
        assert 0.999 < most < 1.001, path


def test_a_critic_is_penalised_at_a_point_of_each_pairs_own(
    patches: Digits, small: GanSettings
) -> None:
    settings = replace(small, loss="wasserstein", gradient_penalty=10.0, batch=2000)
    batches = Batches(patches, settings, 0)
    real = tf.ones((2000, 8, 8, 1))
    points = points_between(batches, tf.constant(3, tf.int64), real, -real).numpy()
    shares = (points[:, 0, 0, 0] + 1) / 2  # of the real image
    # one number an image
    np.testing.assert_array_equal(points, np.broadcast_to(points[:, :1, :1], points.shape))
    assert len(np.unique(shares)) > 1900
    assert 0 <= shares.min() < 0.01
    assert 0.99 < shares.max() <= 1
    deciles = np.histogram(shares, bins=10, range=(0, 1))[0]
    # uniform: 200 in each tenth; a normal draw would have most of them outside
    assert deciles.min() > 150


def trained(
    patches: Digits, settings: GanSettings, calls: list[int], state: GanState | None = None
) -> GanState:
    state = state or GanState(settings, patches, seed=0)
    run = make_runner(state, patches)
    for count in calls:
        run(tf.constant(count))
    return state


@pytest.mark.slow
def test_calls_of_any_length_and_a_resume_take_the_same_course(
    patches: Digits, small: GanSettings
) -> None:
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


@pytest.mark.slow
def test_metrics_are_finite_and_accuracies_are_shares(patches: Digits, small: GanSettings) -> None:
    run = make_runner(GanState(small, patches, seed=0), patches)
    metrics = dict(zip(STEP_METRICS, run(tf.constant(4)).numpy(), strict=True))
    assert np.isfinite(list(metrics.values())).all()
    assert 0 <= metrics["real_accuracy"] <= 1
    assert metrics["penalty"] > 0


@pytest.mark.slow
def test_rates_fall_only_in_the_decay_phase(patches: Digits, small: GanSettings) -> None:
    state = trained(patches, small, [12])
    assert float(state.generator_optimizer.learning_rate) == pytest.approx(small.generator_rate)
    # the 19th step: 18 of 24 were done, half of the decay
    state = trained(patches, small, [7], state)
    assert float(state.generator_optimizer.learning_rate) == pytest.approx(
        small.generator_rate * 0.5
    )


@pytest.mark.slow
def test_a_state_of_other_networks_is_refused(patches: Digits, small: GanSettings) -> None:
    arrays = GanState(small, patches, seed=0).export()
    arrays["generator/up/kernel"] = arrays["generator/up/kernel"][..., :1]
    with pytest.raises(CheckpointError, match="up/kernel"):
        GanState(small, patches, seed=0).restore(arrays)


@pytest.mark.parametrize("loss", ["bce", "wasserstein"])
def test_generator_gradients_follow_from_the_discriminators(loss: str) -> None:
    images, weights = (
        tf.random.stateless_normal((5, 4, 4, 1), (0, 1)),
        tf.random.stateless_normal((4, 4, 1), (0, 2)),
    )

    def gradients(of: Any) -> tuple[Any, Any, Any]:
        with tf.GradientTape() as tape:
            tape.watch(images)
            scores = tf.reduce_sum(tf.sin(images * weights) * 4, axis=(1, 2, 3))
            value = of(scores)
        return scores, value, tape.gradient(value, images)

    scores, _, others = gradients(
        lambda fake: ADVERSARIAL_LOSSES[loss].discriminator(tf.zeros_like(fake), fake)
    )
    _, value, expected = gradients(ADVERSARIAL_LOSSES[loss].generator)
    own, found = generator_gradients(loss, scores, others)
    assert float(own) == pytest.approx(float(value))
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-7)


def test_a_score_without_a_ratio_gives_no_gradient() -> None:
    _, gradients = generator_gradients("bce", tf.constant([-200.0, 0.0]), tf.ones((2, 1, 1, 1)))
    np.testing.assert_allclose(tf.reshape(gradients, (2,)), [0, -1])


@pytest.mark.slow
@pytest.mark.parametrize(
    "settings",
    [{}, {"loss": "wasserstein", "gradient_penalty": 10.0}, {"loss": "hinge"}, {"critic_steps": 2}],
)
def test_both_orders_agree_while_the_discriminator_stands_still(
    patches: Digits, small: GanSettings, settings: dict[str, Any]
) -> None:
    still = replace(
        small, **DENSE, optimizer="sgd", generator_rate=0.1, discriminator_rate=1e-8, **settings
    )
    one, other = (
        trained(patches, replace(still, updates=updates), [1]).export()
        for updates in ("alternating", "simultaneous")
    )
    for name in (name for name in one if name.startswith("generator/")):
        np.testing.assert_allclose(one[name], other[name], rtol=1e-3, atol=1e-5, err_msg=name)
    assert not np.array_equal(
        one["generator/output/kernel"],
        GanState(still, patches, seed=0).export()["generator/output/kernel"],
    )


@pytest.mark.slow
@pytest.mark.parametrize("loss", ["bce", "wasserstein", "hinge"])
def test_simultaneous_updates_see_the_discriminator_of_before(
    patches: Digits, small: GanSettings, loss: str
) -> None:
    def generator(updates: str, rate: float) -> Any:
        settings = replace(
            small,
            **DENSE,
            loss=loss,
            updates=updates,
            optimizer="sgd",
            generator_rate=0.1,
            discriminator_rate=rate,
        )
        return trained(patches, settings, [1]).export()["generator/output/kernel"]

    np.testing.assert_allclose(
        generator("simultaneous", 0.5), generator("simultaneous", 1e-8), rtol=1e-5, atol=1e-7
    )
    assert not np.allclose(
        generator("alternating", 0.5), generator("alternating", 1e-8), rtol=1e-3, atol=1e-5
    )


SGD: dict[str, Any] = DENSE | {
    "condition": "none",
    "optimizer": "sgd",
    "generator_rate": 0.1,
    "discriminator_rate": 0.1,
    "ema": 0.0,
}
# a technique, and the networks that its first step moves to another place
CHANGES: dict[str, tuple[dict[str, Any], set[str]]] = {
    "gradient penalty": ({"gradient_penalty": 10.0}, {"discriminator"}),
    "R1": ({"r1_gamma": 1.0, "r1_every": 4}, {"discriminator"}),
    "label smoothing": ({"label_smoothing": 0.3}, {"discriminator"}),
    "weight clipping": ({"weight_clip": 0.01}, {"discriminator"}),
    "critic steps": ({"critic_steps": 3}, {"discriminator", "generator"}),
    "translation": ({"translation": 0.25}, {"discriminator", "generator"}),
    "cutout": ({"cutout": 0.5}, {"discriminator", "generator"}),
    "layer norm": ({"discriminator_norm": "layer"}, {"discriminator", "generator"}),
}


def kernels(state: GanState, network: str) -> list[Any]:
    """The weights of a network that every technique of CHANGES leaves their shapes."""
    return [
        np.asarray(v) for v in getattr(state, network).trainable_variables if "norm" not in v.path
    ]


@pytest.mark.slow
@pytest.mark.parametrize("technique", CHANGES)
def test_a_technique_changes_the_networks_it_is_for_and_no_other(
    technique: str, patches: Digits, small: GanSettings
) -> None:
    changes, changed = CHANGES[technique]
    plain, other = (trained(patches, replace(small, **SGD | more), [1]) for more in ({}, changes))
    for network in ("generator", "discriminator"):
        same = all(
            np.allclose(a, b, rtol=1e-5, atol=1e-7)
            for a, b in zip(kernels(plain, network), kernels(other, network), strict=True)
        )
        assert same == (network not in changed), network


@pytest.mark.slow
@pytest.mark.parametrize(
    ("critic_steps", "r1_every", "updates"), [(1, 3, 5 + 2), (3, 2, 15 + 3), (2, 1, 10 + 5)]
)
def test_the_discriminator_is_updated_by_critic_steps_and_r1(
    critic_steps: int, r1_every: int, updates: int, patches: Digits, small: GanSettings
) -> None:
    state = trained(
        patches,
        replace(
            small, **SGD | {"r1_gamma": 1.0, "r1_every": r1_every, "critic_steps": critic_steps}
        ),
        [5],
    )
    assert int(state.discriminator_optimizer.iterations) == updates
    assert int(state.generator_optimizer.iterations) == 5


@pytest.mark.slow
def test_r1_moves_weights_on_every_kth_step_alone(patches: Digits, small: GanSettings) -> None:
    states = [
        GanState(replace(small, **SGD | {"r1_gamma": gamma, "r1_every": 3}), patches, seed=0)
        for gamma in (0.0, 1.0)
    ]
    runners, moved = [make_runner(state, patches) for state in states], []
    for _ in range(7):
        states[1].restore(states[0].export())
        for run in runners:
            run(tf.constant(1))
        plain, regularised = (kernels(state, "discriminator")[0] for state in states)
        moved.append(not np.allclose(plain, regularised, rtol=1e-5, atol=1e-7))
    assert moved == [True, False, False, True, False, False, True]


@pytest.mark.slow
def test_lazy_r1_is_as_many_times_as_strong_as_it_is_rare(
    patches: Digits, small: GanSettings
) -> None:
    lazy, strong, weak = (
        kernels(
            trained(patches, replace(small, **SGD | {"r1_gamma": gamma, "r1_every": every}), [1]),
            "discriminator",
        )[0]
        for gamma, every in ((1.0, 4), (4.0, 1), (1.0, 1))
    )
    np.testing.assert_allclose(lazy, strong, rtol=1e-5, atol=1e-7)
    assert not np.allclose(lazy, weak, rtol=1e-5, atol=1e-7)


def test_the_average_follows_by_one_minus_the_decay(patches: Digits, small: GanSettings) -> None:
    state = GanState(replace(small, **SGD | {"ema": 0.15}), patches, seed=0)
    run, average = make_runner(state, patches), state.average.trainable_variables[0].numpy().copy()
    # of step 1 it would be 2 / 11, which is more than the setting
    for decay in (1 / 10, 0.15, 0.15):
        run(tf.constant(1))
        average = average + (1 - decay) * (
            np.asarray(state.generator.trainable_variables[0]) - average
        )
        np.testing.assert_allclose(
            state.average.trainable_variables[0], average, rtol=1e-5, atol=1e-7
        )
    assert not np.allclose(average, state.generator.trainable_variables[0], rtol=1e-5, atol=1e-7)


def test_a_gradient_penalty_goes_through_layer_norm(patches: Digits, small: GanSettings) -> None:
    critic = {
        "discriminator_stages": ("down4",),
        "discriminator_channels": (4,),
        "discriminator_norm": "layer",
        "loss": "wasserstein",
    }
    settings = replace(small, **SGD | critic, gradient_penalty=10.0)
    state = GanState(settings, patches, seed=0)
    before = state.export()
    metrics = dict(
        zip(STEP_METRICS, make_runner(state, patches)(tf.constant(1)).numpy(), strict=True)
    )
    assert np.isfinite(list(metrics.values())).all()
    assert metrics["penalty"] > 0
    for name in ("down/kernel", "down_norm/gamma"):
        assert not np.array_equal(
            state.export()[f"discriminator/{name}"], before[f"discriminator/{name}"]
        ), name


@pytest.mark.parametrize(("strength", "same"), [(0.0, False), (10.0, True)])
def test_with_a_gradient_penalty_both_images_have_one_label(
    strength: float, same: bool, patches: Digits, small: GanSettings
) -> None:
    settings = replace(small, **DENSE, loss="wasserstein", gradient_penalty=strength)
    state = GanState(settings, patches, seed=0)
    number = tf.constant(3, tf.int64)
    batch = draw_batch(state, Batches(patches, settings, 0), number)
    assert np.array_equal(batch.labels, batch.fake_labels) == same
    latents, _ = Batches(patches, settings, 0).latents(number)
    np.testing.assert_allclose(
        batch.fakes,
        state.generator([latents, batch.fake_labels], training=True),
        rtol=1e-5,
        atol=1e-6,
    )
