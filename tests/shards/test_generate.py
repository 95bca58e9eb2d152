import dataclasses

import numpy as np
import pytest

from synthgen.errors import ScreeningExhausted
from synthgen.gan.latents import draw_latents, image_seed
from synthgen.shards.generate import Networks, draw_shard, run_batch
from synthgen.shards.plan import plan_set
from tests.shards.conftest import (
    FakeSampler,
    FakeScreener,
    draw,
    fake_networks,
    make_checkpoint,
    make_settings,
)


class PlaceSampler(FakeSampler):
    """Like a compiled network whose last rows are computed in another order: pixels depend on the row of the batch."""

    def images(self, latents: np.ndarray, labels: np.ndarray) -> np.ndarray:
        images = super().images(latents, labels)
        images[:, 7, 7, 0] = np.arange(len(images))
        return images


def test_each_image_is_made_from_its_own_seed() -> None:
    drawn, _ = draw(1)
    for row in (0, 7, 29):
        label, index, attempt = (
            int(drawn.labels[row]),
            int(drawn.indices[row]),
            int(drawn.attempts[row]),
        )
        assert drawn.seeds[row] == image_seed(0, label, index, attempt)
        latents = np.zeros((1, 4), np.float32) + draw_latents(drawn.seeds[row : row + 1], 4)
        np.testing.assert_array_equal(
            drawn.images[row], FakeSampler(1).images(latents, np.array([label]))[0]
        )


def test_rejected_images_are_drawn_again_and_accepted_ones_are_not() -> None:
    kept, _ = draw(screen="none")
    screened, _ = draw()
    first = FakeScreener().probabilities(kept.images).argmax(axis=1) == kept.labels
    assert 0 < first.sum() < len(first)
    np.testing.assert_array_equal(screened.attempts == 0, first)
    np.testing.assert_array_equal(screened.images[first], kept.images[first])
    assert (screened.screening.predicted == screened.labels).all()
    assert screened.screening.accepted.all()
    assert sum(screened.draws()) == (screened.attempts + 1).sum() > len(first)


def test_without_screening_the_words_of_the_classifier_are_still_noted() -> None:
    drawn, _ = draw(screen="none")
    assert drawn.draws() == [10, 10, 10]
    assert (drawn.screening.predicted != drawn.labels).any()
    np.testing.assert_allclose(drawn.screening.confidence, 0.96)


def test_without_a_classifier_there_is_no_word() -> None:
    settings = make_settings(screen="none")
    plan = plan_set(settings, make_checkpoint().class_names)
    drawn = draw_shard(
        plan.shard(0), plan, settings, fake_networks(make_checkpoint(screener=False), 16)
    )
    assert (drawn.screening.predicted == -1).all()
    assert np.isnan(drawn.screening.confidence).all()


@pytest.mark.parametrize("shard_size", [3, 9, 75])
def test_pixels_do_not_depend_on_the_shard_size_even_if_they_do_on_the_row_of_the_batch(
    shard_size: int,
) -> None:
    images = {}
    for size in (30, shard_size):
        settings = make_settings(shard_size=size)
        plan = plan_set(settings, make_checkpoint().class_names)
        shards = [
            draw_shard(shard, plan, settings, Networks(PlaceSampler(16), FakeScreener()))
            for shard in plan.shards()
        ]
        images[size] = (
            np.concatenate([drawn.images for drawn in shards]),
            np.concatenate([drawn.seeds for drawn in shards]),
        )
    for one, other in zip(images[30], images[shard_size], strict=True):
        np.testing.assert_array_equal(one, other)


def test_a_shard_of_many_batches_runs_no_batch_twice() -> None:
    settings = make_settings(screen="none", shard_size=45, per_class=15)
    plan, sampler = plan_set(settings, make_checkpoint().class_names), FakeSampler(16)
    counted: list[int] = []
    draw_shard(plan.shard(0), plan, settings, Networks(sampler, None), counted.append)
    assert sampler.calls == 3
    assert sum(counted) == 45


def test_a_class_that_cannot_be_made_ends_the_build_with_remedies() -> None:
    class Never(FakeScreener):
        def probabilities(self, images: np.ndarray) -> np.ndarray:
            right = super().probabilities(images)
            return np.where(images[:, 0, 0, :] == 1, right[:, [1, 2, 0]], right)

    settings = make_settings(max_attempts=3)
    plan = plan_set(settings, make_checkpoint().class_names)
    with pytest.raises(
        ScreeningExhausted,
        match=r"10 images of class 'one' in shard 0 within 3 draws each.*--max-attempts.*--screen none",
    ) as caught:
        draw_shard(plan.shard(0), plan, settings, Networks(FakeSampler(16), Never()))
    assert "of the draws of that class were kept" in str(caught.value)


def test_the_rows_of_a_batch_that_hold_no_image_are_zero() -> None:
    class Spy(FakeSampler):
        def images(self, latents: np.ndarray, labels: np.ndarray) -> np.ndarray:
            self.filled = np.flatnonzero(latents.any(axis=1))
            return super().images(latents, labels)

    spy = Spy(16)
    run_batch(spy, np.array([5, 6], np.uint64), np.array([1, 2]), np.array([3, 15]), 16)
    assert spy.filled.tolist() == [3, 15]


def test_settings_of_another_seed_make_other_images() -> None:
    assert not np.array_equal(draw()[0].images, draw(seed=1)[0].images)
    assert dataclasses.asdict(make_settings())["seed"] == 0
