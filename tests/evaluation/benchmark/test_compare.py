import dataclasses

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.stats import t as student

from synthgen.evaluation.benchmark_compare import QUESTIONS, compare_all, find_pairs
from synthgen.evaluation.runs import Cell
from synthgen.evaluation.scenarios import Key
from synthgen.metrics.accuracy import measure_classifier, recalls
from synthgen.metrics.intervals import HELPS, HURTS, NO_EFFECT, UNDECIDED, family_confidence, holm

LABELS = np.tile(np.arange(10, dtype=np.uint8), 100)


def cell(
    arm: str,
    seed: int,
    share: float,
    per_class: int = 10,
    ratio: int = 0,
    random: np.random.Generator | None = None,
) -> Cell:
    """A classifier that is right about this share of the images, in an order that depends on the seed."""
    random = random or np.random.default_rng(seed)
    return of_answers(random.permutation(1000) < 1000 * share, arm, seed, per_class, ratio)


def of_answers(
    correct: NDArray[np.bool_], arm: str, seed: int, per_class: int = 10, ratio: int = 0
) -> Cell:
    key = Key(scenario="grid", per_class=per_class, share=None, arm=arm, ratio=ratio, seed=seed)
    recall = tuple(recalls(correct, LABELS).tolist())
    return Cell(
        key=key,
        fingerprint=f"{key}",
        correct=correct,
        metrics=measure_classifier(correct, LABELS, ()),
        recall=recall,
        context={},
    )


def test_pairs_are_of_the_same_seeds_in_the_same_order() -> None:
    question = next(question for question in QUESTIONS if question.primary)
    cells = [cell("both", seed, 0.9, ratio=5) for seed in (3, 1, 2)] + [
        cell("classical", seed, 0.9) for seed in (2, 3, 4)
    ]
    cells += [cell("both", 3, 0.9, ratio=1), cell("both", 3, 0.9, per_class=20, ratio=5)]
    pairs = find_pairs(cells, question)
    assert [[one.key.seed for one in pair.arm] for pair in pairs] == [[2, 3], [3]]
    assert [[one.key.seed for one in pair.baseline] for pair in pairs] == [[2, 3], [3]]
    assert [pair.arm[0].key.ratio for pair in pairs] == [5, 1]


def test_a_row_says_what_was_compared_and_how_many_errors_are_saved() -> None:
    cells = [cell("classical", seed, 0.9) for seed in range(3)] + [
        cell("both", seed, 0.92, ratio=5) for seed in range(3)
    ]
    rows = compare_all(cells, LABELS, {cells[-3].fingerprint: "has seen all 55,000"})
    assert [
        (row.arm, row.baseline, row.metric, row.primary, row.seeds, row.family) for row in rows
    ] == [("both", "classical", "accuracy", True, 3, 1)]
    assert rows[0].difference.mean == pytest.approx(0.02)
    assert rows[0].by_seed == pytest.approx((0.02,) * 3)
    assert rows[0].error_cut == pytest.approx(0.2)
    assert rows[0].verdict == HELPS
    assert rows[0].mark == "has seen all 55,000"
    assert np.mean([estimate.mean for estimate in rows[0].per_class_difference]) == pytest.approx(
        0.02
    )


def test_one_seed_decides_nothing() -> None:
    rows = compare_all([cell("classical", 0, 0.5), cell("both", 0, 0.99, ratio=5)], LABELS, {})
    assert [(row.verdict, row.corrected.low) for row in rows] == [(UNDECIDED, None)]


def test_the_copied_training_set_changes_nothing() -> None:
    same = [
        dataclasses.replace(one, key=dataclasses.replace(one.key, arm="both", ratio=5))
        for one in (cell("classical", s, 0.9) for s in range(3))
    ]
    rows = compare_all([*(cell("classical", seed, 0.9) for seed in range(3)), *same], LABELS, {})
    assert [(row.difference.mean, row.verdict) for row in rows] == [(0, NO_EFFECT)]


def by_p_values(comparisons: list[tuple[NDArray[np.float64], NDArray[np.float64]]]) -> list[str]:
    """Holm's procedure as he states it: p values in order, each against 0.05 / (number that are left)."""
    p = []
    for arm, baseline in comparisons:
        difference = arm - baseline
        seeds, images = difference.shape
        by_seed, by_image = (
            difference.mean(1).var(ddof=1) / seeds,
            difference.mean(0).var(ddof=1) / images,
        )
        freedom = (by_seed + by_image) ** 2 / (
            by_seed**2 / (seeds - 1) + by_image**2 / (images - 1)
        )
        mean = abs(difference.mean())
        both, alone = (
            student.sf(mean / np.sqrt(by_seed + by_image), freedom),
            student.sf(mean / np.sqrt(by_seed), seeds - 1),
        )
        p.append(2 * max(both, alone))
    words = [NO_EFFECT] * len(p)
    for place, k in enumerate(np.argsort(p)):
        if p[k] > 0.05 / (len(p) - place):
            break
        words[k] = HELPS if (comparisons[k][0] - comparisons[k][1]).mean() > 0 else HURTS
    return words


def test_repeated_bonferroni_is_holms_procedure() -> None:
    random, words = np.random.default_rng(11), []
    for _ in range(40):
        gains = random.choice([0, 0, 0.01, 0.02, 0.04, -0.03], 6)
        family = []
        for gain in gains:
            seeds = random.normal(0, 0.008, (5, 1))
            baseline = (random.random((5, 1000)) < 0.9).astype(float)
            family.append(((random.random((5, 1000)) < 0.9 + gain + seeds).astype(float), baseline))
        decisions = holm(family)
        assert [decision.verdict for decision in decisions] == by_p_values(family)
        words += [decision.verdict for decision in decisions]
        for decision in decisions:  # what is shown says the same as the word
            assert decision.estimate.low is not None
            assert decision.estimate.high is not None
            assert (decision.verdict == NO_EFFECT) == (
                decision.estimate.low <= 0 <= decision.estimate.high
            )
    assert {HELPS, HURTS, NO_EFFECT} == set(words)


def test_holm_finds_what_bonferroni_misses() -> None:
    """Once one comparison is decided the next one is asked at a milder level."""
    random = np.random.default_rng(0)
    clear, close = random.normal(0.5, 0.01, (5, 50)), random.normal(0.0, 0.1, (5, 50))
    close += (0.06 - close.mean(axis=1, keepdims=True)) + np.array(
        [[-0.05], [0.05], [0.0], [0.03], [-0.03]]
    )
    zero = np.zeros((5, 50))
    alone, together = holm([(close, zero)])[0], holm([(close, zero), (clear, zero)])
    assert alone.confidence == pytest.approx(0.95)
    assert [decision.confidence for decision in together] == pytest.approx([0.95, 0.975])
    assert [decision.verdict for decision in together] == [alone.verdict, HELPS] == [HELPS, HELPS]


@pytest.mark.parametrize("seeds", [3, 5])
def test_without_a_true_difference_at_most_one_row_in_twenty_is_called_one(seeds: int) -> None:
    """200 rows, in 20 benchmarks of 10 budgets: two arms that are the same but for their luck, with seeds, images and a shared draw."""
    random, called = np.random.default_rng(2024 + seeds), 0
    for _ in range(20):
        cells = []
        for per_class in range(1, 11):
            hard = random.random(1000) * 0.2  # some images are harder than others, for every arm
            for seed in range(seeds):
                draw = random.normal(0, 0.02)  # of real images, the same for both arms
                for arm, ratio in (("classical", 0), ("both", 5)):
                    share = 1 - hard + draw + random.normal(0, 0.005)
                    cells.append(
                        of_answers(random.random(1000) < share, arm, seed, per_class, ratio)
                    )
        rows = [row for row in compare_all(cells, LABELS, {}) if row.primary]
        assert [row.family for row in rows] == [10] * 10
        # what the hardest one was held to
        assert max(row.confidence for row in rows) == family_confidence(10)
        called += sum(row.verdict in (HELPS, HURTS) for row in rows)
    assert called <= 10


def test_a_true_difference_is_found_at_every_budget() -> None:
    random = np.random.default_rng(5)
    cells = [
        of_answers(
            random.random(1000) < share + random.normal(0, 0.005), arm, seed, per_class, ratio
        )
        for per_class in range(1, 6)
        for seed in range(5)
        for arm, ratio, share in (("classical", 0, 0.7), ("both", 5, 0.85))
    ]
    assert [row.verdict for row in compare_all(cells, LABELS, {}) if row.primary] == [HELPS] * 5
