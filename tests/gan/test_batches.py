import dataclasses

import numpy as np
import pytest
import tensorflow as tf

from synthgen.config import GanSettings
from synthgen.datasets.digits import Digits
from synthgen.datasets.pixels import to_uint8
from synthgen.gan.batches import Batches, augment, cut_out, source_pixels, to_float, translate

ALL_LEVELS = np.arange(256, dtype=np.uint8).reshape(1, 16, 16, 1)


def test_to_float_spans_tanh() -> None:
    values = to_float(ALL_LEVELS).numpy()
    assert values.dtype == np.float32
    assert (values.min(), values.max()) == (-1.0, 1.0)


def test_every_grey_level_comes_back() -> None:
    np.testing.assert_array_equal(to_uint8(to_float(ALL_LEVELS).numpy()), ALL_LEVELS)


def drawn_rows(patches: Digits, small: GanSettings, steps: int, seed: int = 0) -> list[bytes]:
    batches = Batches(patches, small, seed)
    images = [batches.real(tf.constant(step, tf.int64))[0].numpy() for step in range(steps)]
    return [image.tobytes() for image in np.concatenate(images)]


def test_every_image_comes_once_an_epoch_in_another_order(
    patches: Digits, small: GanSettings
) -> None:
    rows = drawn_rows(patches, small, 15)  # 15 steps of 8 = 2 epochs of 60
    first, second = rows[:60], rows[60:]
    assert len(set(first)) == len(set(second)) == 60
    assert set(first) == set(second)
    assert first != second


def test_with_class_balance_every_class_comes_equally_often(
    patches: Digits, small: GanSettings
) -> None:
    # 20 of one class, 3 of another
    uneven = patches.take(
        [*np.flatnonzero(patches.labels == 0), *np.flatnonzero(patches.labels == 1)[:3]]
    )
    balanced = dataclasses.replace(small, class_balance=True)
    for settings, rare in ((small, 6), (balanced, 40)):
        batches = Batches(uneven, settings, 0)
        # two epochs, but for less than a batch
        drawn = [
            batches.real(tf.constant(number, tf.int64)) for number in range((2 * 20 + rare) // 8)
        ]
        labels, images = (
            np.concatenate([labels for _, labels in drawn]),
            np.concatenate([images for images, _ in drawn]),
        )
        assert abs(int((labels == 1).sum()) - rare) < 8
        assert len({image.tobytes() for image in images}) == 23


def test_the_order_depends_on_the_seed(patches: Digits, small: GanSettings) -> None:
    assert drawn_rows(patches, small, 7, seed=0) != drawn_rows(patches, small, 7, seed=1)


def test_images_keep_their_labels_and_are_scaled_to_tanh(
    patches: Digits, small: GanSettings
) -> None:
    images, labels = Batches(patches, small, 3).real(tf.constant(5, tf.int64))
    assert float(tf.reduce_min(images)) >= -1
    assert float(tf.reduce_max(images)) == 1
    np.testing.assert_array_equal(
        np.argmax(images.numpy().mean(axis=(2, 3)), axis=1), 2 * labels.numpy() + 1
    )


def test_all_classes_are_drawn_and_latents_differ(patches: Digits, small: GanSettings) -> None:
    batches = Batches(patches, small, 0)
    latents, labels = zip(
        *(batches.latents(tf.constant(step, tf.int64)) for step in range(20)), strict=True
    )
    assert set(np.concatenate(labels).tolist()) == {0, 1, 2}
    assert len({latent.numpy().tobytes() for latent in latents}) == 20


def test_every_class_is_drawn_from_the_first_steps_on(tiny_digits: Digits) -> None:
    batches = Batches(tiny_digits, GanSettings(), 0)
    numbers = [tf.constant(number, tf.int64) for number in range(20)]
    generated = np.concatenate([batches.latents(number)[1].numpy() for number in numbers])
    real = np.concatenate([batches.real(number)[1].numpy() for number in numbers])
    for drawn in (generated, real):
        counts = np.bincount(drawn, minlength=10)
        assert len(counts) == 10
        assert counts.min() > 0.6 * counts.mean()


def ramp() -> tf.Tensor:
    """(1, 4, 5, 1): every pixel another value, none black."""
    return tf.reshape(tf.range(20, dtype=tf.float32), (1, 4, 5, 1))


def test_translation_moves_pixels_and_black_comes_in() -> None:
    places = tf.constant([[1.0], [0.0]])  # as far down and as far left as it goes
    moved = translate(ramp(), places, reach=0.25).numpy()[0, :, :, 0]
    np.testing.assert_array_equal(moved[0], [-1] * 5)
    np.testing.assert_array_equal(moved[1:, :4], ramp().numpy()[0, :3, 1:, 0])
    np.testing.assert_array_equal(moved[:, 4], [-1] * 4)


def test_the_middle_place_moves_nothing() -> None:
    np.testing.assert_array_equal(translate(ramp(), tf.constant([[0.5], [0.5]]), 0.5), ramp())


def shifts(side: int, reach: float) -> list[int]:
    """How far each of many images is moved along a side."""
    sources = source_pixels(side, PLACES, reach).numpy()
    return [int(np.flatnonzero(row >= 0)[0] - row[row >= 0][0]) for row in sources]


PLACES = tf.random.stateless_uniform((1000,), (5, 6))


@pytest.mark.parametrize(("reach", "most"), [(0.04, 1), (0.125, 3)])
def test_shifts_of_28_pixels_are_what_they_always_were(reach: float, most: int) -> None:
    expected = tf.cast(tf.round((2 * PLACES - 1) * reach * 28), tf.int32).numpy().tolist()
    assert shifts(28, reach) == expected
    assert set(expected) == set(range(-most, most + 1))


@pytest.mark.parametrize("side", [8, 12])
def test_small_images_are_shifted_by_a_pixel_at_least(side: int) -> None:
    found = shifts(side, 0.04)
    assert set(found) == {-1, 0, 1}
    assert 200 < found.count(1) < 300  # of 1000: a quarter
    assert 200 < found.count(-1) < 300


def test_cutout_blackens_a_square() -> None:
    images = tf.ones((1, 8, 8, 3))
    holes = cut_out(images, tf.constant([[0.5], [0.0]]), 0.5).numpy()
    expected = np.ones((1, 8, 8, 3))
    expected[:, 2:6, :2] = -1
    np.testing.assert_array_equal(holes, expected)


@pytest.mark.parametrize(("translation", "cutout"), [(0.25, 0.0), (0.0, 0.5), (0.125, 0.25)])
def test_the_gradient_reaches_the_pixels_that_are_seen(translation: float, cutout: float) -> None:
    images, key = tf.random.stateless_uniform((6, 8, 8, 1), (1, 1)), tf.constant([3, 4], tf.int64)
    with tf.GradientTape() as tape:
        tape.watch(images)
        seen = augment(images, key, translation, cutout)
    gradients = tape.gradient(seen, images).numpy()
    assert set(np.unique(gradients)) == {0.0, 1.0}
    assert gradients.sum() == np.sum(seen.numpy() != -1)


def test_the_key_decides_the_view_and_images_get_different_ones() -> None:
    images = tf.tile(tf.random.stateless_uniform((1, 8, 8, 1), (1, 1)), (16, 1, 1, 1))
    first, again, other = (
        augment(images, tf.constant(key, tf.int64), 0.25, 0.0).numpy()
        for key in ([1, 2], [1, 2], [1, 3])
    )
    np.testing.assert_array_equal(first, again)
    assert not np.array_equal(first, other)
    assert len({view.tobytes() for view in first}) > 4


def test_without_strengths_nothing_happens() -> None:
    images = ramp()
    assert augment(images, tf.constant([1, 2], tf.int64), 0.0, 0.0) is images
