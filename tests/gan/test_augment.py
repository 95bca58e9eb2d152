import numpy as np
import pytest
import tensorflow as tf

from synthgen.gan.augment import augment, cut_out, source_pixels, translate


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
