"""What a monitor sees of a generator: its copy, its samples, their figures and their usefulness."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import tensorflow as tf

from synthgen.config import GanSettings, TrainSettings
from synthgen.datasets.digits import Digits
from synthgen.gan.job import MonitorSettings, TrainingJob
from synthgen.gan.monitor import STATISTICS_BATCHES, STATISTICS_ROWS, Monitor, take_statistics
from synthgen.gan.state import GanState
from synthgen.gan.step import make_runner
from synthgen.networks.gan import build_generator
from synthgen.networks.layers import get_weights, set_weights
from synthgen.weights import Weights

CLOSE = MonitorSettings(images=60, score_images=60, score_steps=60)


def monitor_of(
    patches: Digits,
    screener: Weights,
    settings: GanSettings,
    monitoring: MonitorSettings = CLOSE,
    **options: Any,
) -> Monitor:
    """A monitor of a generator that has learnt nothing."""
    job = TrainingJob(
        digits=options.pop("digits", patches),
        out="",
        gan=settings,
        run=TrainSettings(),
        preset="cdcgan",
        source="test",
        monitoring=monitoring,
        **options,
    )
    generator = build_generator(settings, patches.image_shape, patches.classes)
    return Monitor(generator, job, screener)


@pytest.fixture
def monitor(patches: Digits, patch_screener: Weights, small: GanSettings) -> Monitor:
    return monitor_of(patches, patch_screener, small)


@pytest.fixture(scope="module")
def scoring(patches: Digits, patch_screener: Weights, small: GanSettings) -> Monitor:
    return monitor_of(patches, patch_screener, small, validation=patches)


@pytest.fixture(scope="module")
def unconditional(patches: Digits, patch_screener: Weights, small: GanSettings) -> Monitor:
    settings = replace(small, condition="none")
    return monitor_of(patches, patch_screener, settings, validation=patches)


def test_samples_like_real_digits_agree_and_cover_them(monitor: Monitor, patches: Digits) -> None:
    found = monitor.compare(patches)
    assert found.label_agreement is not None
    assert found.label_agreement > 0.9
    assert found.distinct is not None
    assert found.distinct > 0.9
    assert (found.recall, found.coverage) == (1, 1)


def test_one_image_again_and_again_covers_little(monitor: Monitor, patches: Digits) -> None:
    found = monitor.compare(patches.take(np.zeros(60, int)))
    assert found.distinct == 0
    assert found.recall is not None
    assert found.recall <= 1 / 60  # the image itself, within rounding
    assert found.coverage is not None
    assert found.coverage < 0.3


def test_every_image_twice_is_not_distinct(monitor: Monitor, patches: Digits) -> None:
    assert monitor.compare(patches.take(np.arange(60) // 2)).distinct == 0


def test_without_a_condition_there_is_no_label_agreement(
    unconditional: Monitor, patches: Digits
) -> None:
    assert unconditional.compare(patches).label_agreement is None


def test_too_few_real_digits_are_not_compared_with(
    patches: Digits, patch_screener: Weights, small: GanSettings
) -> None:
    for count, expected in ((5, False), (6, True)):
        digits = patches.take(slice(0, count))
        found = monitor_of(patches, patch_screener, small, digits=digits).compare(patches)
        figures = (found.distinct, found.recall, found.coverage)
        assert [figure is not None for figure in figures] == [expected] * 3


@pytest.mark.slow
def test_right_labels_score_high_each_time_and_wrong_ones_low(
    scoring: Monitor, patches: Digits
) -> None:
    first = scoring.score(patches)
    assert first is not None
    assert first > 0.9
    wrong = Digits(patches.images, (patches.labels + 1) % 3, patches.class_names)
    mistaught = scoring.score(wrong)
    assert mistaught is not None
    assert mistaught < 0.2
    assert scoring.score(patches) == first


@pytest.mark.slow
def test_without_a_condition_the_screener_gives_the_labels(
    unconditional: Monitor, patches: Digits
) -> None:
    unlabelled = Digits(patches.images, np.zeros(60, np.uint8), patches.class_names)
    score = unconditional.score(unlabelled)
    assert score is not None
    assert score > 0.9


def test_where_no_image_can_be_labelled_there_is_no_score(
    patches: Digits, patch_screener: Weights, small: GanSettings
) -> None:
    monitor = monitor_of(
        patches,
        patch_screener,
        replace(small, condition="none"),
        replace(CLOSE, confidence=1.1),
        validation=patches,
    )
    assert monitor.score(patches) is None


def test_without_validation_digits_there_is_no_score(monitor: Monitor, patches: Digits) -> None:
    assert monitor.score(patches) is None
    assert monitor.measured(0)["compared_with"] == "training digits"


def test_samples_are_the_same_each_time(monitor: Monitor) -> None:
    first = monitor.samples(0, 9)
    np.testing.assert_array_equal(first.labels, [0, 1, 2] * 3)
    np.testing.assert_array_equal(monitor.samples(0, 9).images, first.images)
    later = monitor.samples(0, 6, first=3)
    np.testing.assert_array_equal(later.images, first.images[3:])


def test_scored_samples_are_not_those_that_are_compared(
    patches: Digits, patch_screener: Weights, small: GanSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monitor = monitor_of(patches, patch_screener, small, validation=patches)
    drawn: list[tuple[int, int]] = []
    samples = monitor.samples

    def noted(step: int, count: int, first: int = 0) -> Digits:
        drawn.append((count, first))
        return samples(step, count, first)

    monkeypatch.setattr(monitor, "samples", noted)
    monkeypatch.setattr(monitor, "score", lambda _: 0.5)
    assert monitor.figures(small.steps)["usefulness"] == 0.5
    assert drawn == [(60, 0), (60, 60)]
    assert monitor.last_score == (small.steps, 0.5)


def test_figures_are_taken_every_few_steps_and_at_the_last(
    patches: Digits, patch_screener: Weights, small: GanSettings
) -> None:
    monitor = monitor_of(patches, patch_screener, small)  # looks every 200 steps, not scored
    assert monitor.figures(10) == {}
    looked = {"label_agreement", "distinct", "recall", "coverage"}
    assert monitor.figures(200).keys() == looked
    assert monitor.figures(small.steps).keys() == looked


def trained(patches: Digits, small: GanSettings) -> tuple[GanState, Any]:
    state = GanState(small, patches, seed=0)
    run = make_runner(state, patches)
    run(tf.constant(5))
    return state, run


@pytest.mark.slow
def test_statistics_are_those_of_the_copied_weights(patches: Digits, small: GanSettings) -> None:
    state, _ = trained(patches, small)
    model = build_generator(small, patches.image_shape, patches.classes)
    set_weights(model, get_weights(state.average))
    take_statistics(model, patches.classes)
    latents = tf.concat(
        [
            tf.random.stateless_normal((STATISTICS_ROWS, small.latent), (0, k), alg="philox")
            for k in range(STATISTICS_BATCHES)
        ],
        0,
    )
    labels = tf.range(STATISTICS_ROWS * STATISTICS_BATCHES) % patches.classes
    projected = type(model)(model.inputs, model.get_layer("map").output)
    seen = projected([latents, labels]).numpy().reshape(-1, small.generator_channels[0])
    norm = model.get_layer("project_norm")
    np.testing.assert_allclose(norm.moving_mean, seen.mean(axis=0), rtol=1e-4, atol=1e-5)
    # within a batch, not between them
    np.testing.assert_allclose(norm.moving_variance, seen.var(axis=0), rtol=0.02)
    assert norm.momentum == small.norm_momentum


@pytest.mark.slow
def test_a_look_leaves_the_training_alone_and_copies_its_weights(
    patches: Digits, patch_screener: Weights, small: GanSettings
) -> None:
    state, run = trained(patches, small)
    job = TrainingJob(
        digits=patches, out="", gan=small, run=TrainSettings(), preset="cdcgan", source="test"
    )
    monitor = Monitor(state.average, job, patch_screener)
    before = state.export()
    copied = monitor.generator_weights(5)["up/kernel"]
    for name, array in state.export().items():
        np.testing.assert_array_equal(array, before[name], err_msg=name)
    np.testing.assert_array_equal(copied, before["average/up/kernel"])
    run(tf.constant(1))
    # of this step already
    again = monitor.generator_weights(5)["up/kernel"]
    np.testing.assert_array_equal(again, before["average/up/kernel"])
    later = monitor.generator_weights(6)["up/kernel"]
    np.testing.assert_array_equal(later, state.average.get_layer("up").kernel)
    assert not np.array_equal(later, again)


def test_a_generator_without_normalisation_is_copied_as_it_is(
    patches: Digits, patch_screener: Weights, small: GanSettings
) -> None:
    plain = replace(small, generator_norm="none")
    state, _ = trained(patches, plain)
    job = TrainingJob(
        digits=patches, out="", gan=plain, run=TrainSettings(), preset="cdcgan", source="test"
    )
    copied = Monitor(state.average, job, patch_screener).generator_weights(5)
    for name, array in get_weights(state.average).items():
        np.testing.assert_array_equal(copied[name], array, err_msg=name)
