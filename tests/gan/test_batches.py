import dataclasses

import numpy as np
import tensorflow as tf

from synthgen.config import GanSettings
from synthgen.datasets.digits import Digits
from synthgen.gan.batches import Batches


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
