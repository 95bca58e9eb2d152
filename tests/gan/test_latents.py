import numpy as np

from synthgen.gan.latents import draw_latents, image_seed, image_seeds


def test_known_seeds_stay_the_same_for_ever() -> None:
    assert image_seed(0, 3, 17) == 6_000_104_689_484_990_393


def test_seeds_fit_a_signed_integer_and_all_differ() -> None:
    grid = [
        (run, label, index, attempt)
        for run in (0, 1)
        for label in range(10)
        for index in range(50)
        for attempt in (0, 1)
    ]
    seeds = [image_seed(*row) for row in grid]
    assert len(set(seeds)) == len(seeds)
    assert max(seeds) < 2**63


def test_a_latent_depends_on_its_own_seed_alone() -> None:
    seeds = image_seeds(5, [1, 2, 3], [0, 0, 9], [0, 4, 0])
    assert seeds.dtype == np.uint64
    together = draw_latents(seeds, 16)
    assert together.dtype == np.float32
    for row, seed in zip(together, seeds, strict=True):
        fresh = np.random.Generator(np.random.Philox(key=int(seed)))
        np.testing.assert_array_equal(fresh.standard_normal(16, np.float32), row)


def test_latents_are_standard_normal() -> None:
    latents = draw_latents(image_seeds(0, [0] * 2000, range(2000), [0] * 2000), 8)
    assert abs(float(latents.mean())) < 0.03
    assert abs(float(latents.std()) - 1) < 0.03
