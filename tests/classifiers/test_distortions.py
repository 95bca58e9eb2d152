import numpy as np
import pytest

from synthgen.classifiers.distortions import batch_shift, distortion
from synthgen.classifiers.fit import fit
from synthgen.classifiers.networks import build_judge
from synthgen.classifiers.predict import Classifier
from synthgen.classifiers.settings import DistortionSettings, FitSettings
from synthgen.datasets.digits import Digits
from synthgen.errors import InputError, SettingsError
from synthgen.networks.backend import tf

NONE = DistortionSettings().scaled(0)


def distorted(
    images: np.ndarray, settings: DistortionSettings, step: int = 0, seed: int = 0
) -> np.ndarray:
    distort = distortion(settings, images.shape[1:], seed)
    return np.asarray(distort(tf.constant(images, tf.float32), tf.constant(step, tf.int64)))


@pytest.fixture
def dot() -> np.ndarray:
    """500 images of one bright square of 2 x 2 in the middle of 28 x 28."""
    images = np.zeros((500, 28, 28, 1), np.float32)
    images[:, 13:15, 13:15] = 200
    return images


def centres(images: np.ndarray) -> np.ndarray:
    """Centres of mass (n, 2), rows before columns."""
    grid = np.indices(images.shape[1:3])
    return np.stack(
        [(images[..., 0] * axis).sum(axis=(1, 2)) / images.sum(axis=(1, 2, 3)) for axis in grid],
        axis=1,
    )


@pytest.mark.parametrize("channels", [1, 3])
def test_without_strength_nothing_changes(channels: int) -> None:
    images = np.random.default_rng(0).integers(0, 256, (9, 12, 8, channels)).astype(np.float32)
    np.testing.assert_allclose(distorted(images, NONE), images, atol=1e-3)


def test_the_same_seed_and_step_give_the_same_and_others_others(tiny_digits: Digits) -> None:
    images = tiny_digits.images[:20]
    first = distorted(images, DistortionSettings(), step=3, seed=1)
    np.testing.assert_array_equal(distorted(images, DistortionSettings(), step=3, seed=1), first)
    assert not np.array_equal(distorted(images, DistortionSettings(), step=4, seed=1), first)
    assert not np.array_equal(distorted(images, DistortionSettings(), step=3, seed=2), first)


def test_each_image_is_distorted_in_its_own_way_within_0_to_255(
    tiny_digits: Digits,
) -> None:
    found = distorted(np.repeat(tiny_digits.images[:1], 10, axis=0), DistortionSettings())
    assert all(np.abs(found[0] - found[k]).max() > 20 for k in range(1, 10))
    assert (found.min(), found.dtype) == (0, np.float32)
    assert found.max() <= 255


def test_a_shift_moves_within_its_range_either_way(dot: np.ndarray) -> None:
    moved = (
        centres(
            distorted(
                dot, DistortionSettings(rotation=0, shear=0, scale=0, translation=0.25, elastic=0)
            )
        )
        - 13.5
    )
    assert np.abs(moved).max() <= 7.01
    assert np.abs(moved).max(axis=0) == pytest.approx([7, 7], abs=0.2)
    assert moved.mean(axis=0) == pytest.approx([0, 0], abs=0.6)
    # of a uniform distribution
    assert moved.std(axis=0) == pytest.approx([7 / 3**0.5] * 2, rel=0.1)


def test_rotation_stretch_and_shear_leave_the_middle_in_place(dot: np.ndarray) -> None:
    settings = DistortionSettings(rotation=30, shear=0.3, scale=0.3, translation=0, elastic=0)
    np.testing.assert_allclose(centres(distorted(dot, settings)), 13.5, atol=1e-2)


def test_a_rotation_turns_by_at_most_its_angle() -> None:
    images = np.zeros((500, 29, 29, 1), np.float32)
    images[:, 13:16, 22:25] = 200  # right of the middle at a distance of 9
    arms = (
        centres(
            distorted(
                images, DistortionSettings(rotation=20, shear=0, scale=0, translation=0, elastic=0)
            )
        )
        - 14
    )
    angles = np.degrees(np.arctan2(arms[:, 0], arms[:, 1]))
    np.testing.assert_allclose(np.hypot(*arms.T), 9, atol=0.1)
    assert (angles.min(), angles.max()) == pytest.approx((-20, 20), abs=0.7)


def test_a_stretch_changes_the_distance_from_the_middle() -> None:
    images = np.zeros((500, 29, 29, 1), np.float32)
    images[:, 13:16, 20:23] = 200  # right of the middle at a distance of 7
    arms = (
        centres(
            distorted(
                images, DistortionSettings(rotation=0, shear=0, scale=0.2, translation=0, elastic=0)
            )
        )
        - 14
    )
    assert (arms[:, 1].min(), arms[:, 1].max()) == pytest.approx((7 / 1.2, 7 / 0.8), abs=0.25)
    np.testing.assert_allclose(arms[:, 0], 0, atol=0.05)


def test_elastic_displacements_are_smooth_and_as_wide_as_asked() -> None:
    """On a ramp of grey a displacement of d columns changes the level by d times the slope."""
    ramp = np.broadcast_to(np.arange(28, dtype=np.float32)[:, None] * 9, (300, 28, 28, 1)).copy()
    settings = DistortionSettings(
        rotation=0, shear=0, scale=0, translation=0, elastic=0.03, smoothness=0.15
    )
    moved = ((distorted(ramp.transpose(0, 2, 1, 3), settings) - ramp.transpose(0, 2, 1, 3)) / 9)[
        :, 8:20, 8:20, 0
    ]
    assert moved.std() == pytest.approx(0.03 * 28, rel=0.05)
    neighbours = np.corrcoef(moved[:, :-1].ravel(), moved[:, 1:].ravel())[0, 1]
    # of Gaussian smoothing
    assert neighbours == pytest.approx(np.exp(-((1 / (0.15 * 28)) ** 2) / 4), abs=0.02)


def test_what_comes_in_from_outside_is_black() -> None:
    white = np.full((50, 12, 12, 1), 255, np.float32)
    found = distorted(
        white, DistortionSettings(rotation=0, shear=0, scale=0, translation=1, elastic=0)
    )
    assert found.min() == 0
    assert (found[:, 5, 5] == 0).mean() > 0.3


def test_strength_scales_every_range_but_not_the_smoothness() -> None:
    doubled = DistortionSettings(
        rotation=10, shear=0.1, scale=0.5, translation=0.1, elastic=0.02
    ).scaled(2)
    assert doubled == DistortionSettings(
        rotation=20, shear=0.2, scale=0.9, translation=0.2, elastic=0.04
    )
    assert DistortionSettings().scaled(1) == DistortionSettings()


def test_what_makes_no_sense_is_refused() -> None:
    with pytest.raises(SettingsError, match=r"--scale: expected a number from 0 to 0\.9"):
        DistortionSettings(scale=1)
    with pytest.raises(InputError, match="seed of 0 or more"):
        distortion(DistortionSettings(), (28, 28, 1), -1)


@pytest.mark.slow
def test_a_classifier_trained_with_it_still_learns(tiny_digits: Digits) -> None:
    network = build_judge(tiny_digits.image_shape, 10, 0, (8, 8, 8, 8), 0.2)
    augment = distortion(DistortionSettings(), tiny_digits.image_shape, seed=0)
    fit(network, tiny_digits, FitSettings(steps=120, batch=32), seed=0, augment=augment)
    seen = Classifier(network).probabilities(tiny_digits.images).argmax(axis=1)
    assert np.mean(seen == tiny_digits.labels) > 0.9


def test_a_batch_is_shifted_as_a_whole_by_every_number_of_pixels(dot: np.ndarray) -> None:
    shift = batch_shift(2, seed=7)
    found = []
    for step in range(100):
        shifted = np.asarray(shift(tf.constant(dot[:3]), tf.constant(step, tf.int64)))
        assert (shifted.shape, shifted.sum()) == ((3, 28, 28, 1), dot[:3].sum())
        moves = centres(shifted) - 13.5
        np.testing.assert_array_equal(moves, np.tile(moves[:1], (3, 1)))
        found.append(tuple(moves[0]))
    assert set(found) == {(down, right) for down in range(-2, 3) for right in range(-2, 3)}
    again = np.asarray(shift(tf.constant(dot[:3]), tf.constant(99, tf.int64)))
    assert tuple((centres(again) - 13.5)[0]) == found[-1]
