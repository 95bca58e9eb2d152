import dataclasses

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.stats import t as student

from synthgen.datasets.digits import Digits
from synthgen.evaluation.cells import Cell, LabelReadings
from synthgen.evaluation.results import SuspectLabel
from synthgen.evaluation.scenarios import Key
from synthgen.evaluation.summary import (
    best_baselines,
    compare_all,
    failed_classes,
    find_pairs,
    mark_of,
    summarise_agreement,
    summarise_arms,
)
from synthgen.evaluation.synthetic import SyntheticRecord
from synthgen.metrics.intervals import HELPS, HURTS, NO_EFFECT, UNDECIDED, family_confidence, holm
from tests.evaluation.conftest import make_cell

EIGHT = np.array([0, 0, 0, 0, 1, 1, 1, 1], np.uint8)
LABELS = np.tile(np.arange(10, dtype=np.uint8), 100)
FOREIGN = SyntheticRecord(
    kind="named by the user", saw=55_000, saw_more_than_cell=True, checkpoint_sha256="c" * 64
)


def of_predictions(predictions: list[int], arm: str = "real", seed: int = 1000) -> Cell:
    """A cell of this-set that sees these classes in eight images."""
    key = Key(scenario="this-set", budget="all", share=None, arm=arm, ratio=0, seed=seed)
    return make_cell(key, np.array(predictions, np.uint8) == EIGHT, EIGHT)


def test_an_arm_is_summarised_over_seeds_and_classes() -> None:
    cells = [
        of_predictions([0, 0, 0, 0, 1, 1, 1, 0]),
        of_predictions([0, 0, 0, 1, 1, 1, 0, 0], seed=1001),
    ]
    (found,) = summarise_arms(cells, EIGHT, 60)
    assert found.seeds == (1000, 1001)
    assert found.by_seed["accuracy"] == (0.875, 0.625)
    assert found.accuracy.mean == 0.75
    assert found.sampling.low == pytest.approx(0.409, abs=1e-3)  # Wilson, 6 of 8
    assert found.by_seed_and_class == ((1.0, 0.75), (0.75, 0.5))
    assert [estimate.mean for estimate in found.by_class] == [0.875, 0.625]


def test_a_comparison_is_paired_by_seed_and_image() -> None:
    cells = [
        of_predictions([0, 0, 0, 0, 1, 1, 1, 0]),
        of_predictions([0, 0, 0, 0, 1, 1, 0, 0], seed=1001),
        of_predictions([0, 0, 0, 0, 1, 1, 1, 1], "synthetic"),
        of_predictions([0, 0, 0, 0, 1, 1, 1, 0], "synthetic", seed=1001),
    ]
    (found,) = compare_all(cells, EIGHT, 60)
    assert (found.arm, found.baseline) == ("synthetic", "real")
    assert found.by_seed == (0.125, 0.125)
    assert found.difference.mean == 0.125
    assert [estimate.mean for estimate in found.by_class] == [0.0, 0.25]


def test_the_questions_of_a_set_are_not_corrected_for_each_other() -> None:
    cells = []
    for seed in (1000, 1001, 1002):
        for arm in ("real", "real_synthetic", "synthetic", "classical", "both"):
            one = of_predictions([0, 0, 0, 0, 1, 1, 1, seed % 2], arm, seed)
            cells.append(one)
    found = compare_all(cells, EIGHT, 60)
    assert [(row.arm, row.baseline, row.primary) for row in found] == [
        ("real_synthetic", "real", False),
        ("synthetic", "real", False),
        ("classical", "real", False),
        ("both", "real", False),
        ("both", "classical", True),
    ]
    assert {(row.family, row.confidence) for row in found} == {(1, 0.95)}
    assert all(row.corrected == row.difference for row in found)


def test_intervals_end_where_their_figures_do() -> None:
    cells = [
        of_predictions([0, 0, 0, 0, 1, 1, 1, 1]),
        of_predictions([0, 0, 0, 0, 1, 1, 1, 0], seed=1001),
        of_predictions([0, 0, 0, 0, 1, 1, 1, 0], "synthetic"),
        of_predictions([0, 0, 0, 0, 1, 1, 1, 0], "synthetic", seed=1001),
    ]
    accuracy = summarise_arms(cells, EIGHT, 60)[0].accuracy
    over_seeds = compare_all(cells, EIGHT, 60)[0].over_seeds
    half = 12.706205 * 0.0625  # t(0.975, 1), two seeds an eighth apart
    assert accuracy.mean == 0.9375
    assert accuracy.low == pytest.approx(0.9375 - half)
    assert accuracy.high == 1.0
    assert over_seeds.mean == -0.0625
    assert over_seeds.low == pytest.approx(-0.0625 - half)
    assert over_seeds.high == pytest.approx(-0.0625 + half)


def digits(labels: list[int]) -> Digits:
    return Digits(
        np.zeros((len(labels), 4, 4, 1), np.uint8), np.array(labels, np.uint8), ("zero", "one")
    )


def readings(seen_as: NDArray[np.uint8], probability: NDArray[np.floating]) -> list[LabelReadings]:
    return [
        LabelReadings(seen_as=row, probability=of_label.astype(np.float16))
        for row, of_label in zip(seen_as, probability, strict=True)
    ]


def test_agreement_is_the_share_that_sees_the_label() -> None:
    asked = digits([0] * 10 + [1] * 10)
    seen = np.stack([asked.labels, asked.labels])
    seen[0, [0, 10, 11]] = [1, 0, 0]
    seen[1, [10, 11, 12, 13]] = 0
    found = summarise_agreement(readings(seen, np.full((2, 20), 0.9)), asked, range(20), [0.9, 0.9])
    assert found.images == 20
    assert found.by_seed == (0.85, 0.8)
    assert found.share.mean == pytest.approx(0.825)
    assert [estimate.mean for estimate in found.by_class] == pytest.approx([0.95, 0.7])
    assert found.confusion == ((19, 1), (6, 14))
    assert found.failed_classes == ()


def test_the_least_believed_images_are_suspects() -> None:
    asked = digits([0, 1] * 40)
    probability = np.full((3, 80), 0.99)
    probability[:, 7] = [0.25, 0.25, 0.5]
    probability[:, 40] = 0.125
    seen = np.stack([asked.labels] * 3)
    seen[:2, 7] = 0
    seen[:, 40] = 1
    found = summarise_agreement(
        readings(seen, probability), asked, range(1000, 1080), [1, 1]
    ).suspects
    assert len(found) == 50
    assert found[0] == SuspectLabel(position=1040, label=0, seen_as=1, probability=0.125)
    assert (found[1].position, found[1].label, found[1].seen_as) == (1007, 1, 0)
    assert found[1].probability == pytest.approx(1 / 3)
    assert found[2].probability > 0.9


def test_failed_classes_lie_below_real_digits_beyond_chance() -> None:
    assert failed_classes([0.99, 0.90, 0.93, 0.5], [1000] * 4, [0.99] * 4) == (1, 3)
    assert failed_classes([0.90], [50], [0.99]) == ()  # the interval reaches to 0.957
    # a judge that does not know the class cannot tell
    assert failed_classes([0.6], [1000], [0.62]) == ()


def test_only_arms_that_were_trained_are_compared() -> None:
    wrong = [1, 0, 0, 0, 1, 1, 1, 0]
    cells = [
        of_predictions(wrong),
        of_predictions(wrong, "classical"),
        of_predictions(EIGHT.tolist(), "both"),
    ]
    assert [arm.arm for arm in summarise_arms(cells, EIGHT, 60)] == ["real", "classical", "both"]
    rows = compare_all(cells, EIGHT, 60)
    assert [(row.arm, row.baseline) for row in rows] == [
        ("classical", "real"),
        ("both", "real"),
        ("both", "classical"),
    ]
    assert rows[2].difference.mean == 0.25
    assert len(compare_all(cells[:2], EIGHT, 60)) == 1


def test_a_mark_says_what_a_generator_has_seen_too_much() -> None:
    known = dataclasses.replace(of_predictions(EIGHT.tolist(), "both"), generator=FOREIGN)
    assert mark_of(known, 55_000) == "has seen all 55,000"
    assert mark_of(known, 60_000) == "has seen 55,000"
    unknown = dataclasses.replace(FOREIGN, saw=None)
    assert mark_of(dataclasses.replace(known, generator=unknown), 5) == "has seen nobody knows what"
    own = dataclasses.replace(FOREIGN, saw_more_than_cell=False)
    assert mark_of(dataclasses.replace(known, generator=own), 55_000) == ""
    assert mark_of(dataclasses.replace(known, generator=None), 55_000) == ""


def cell(
    arm: str,
    seed: int,
    share: float,
    budget: int = 10,
    ratio: int = 0,
    random: np.random.Generator | None = None,
) -> Cell:
    """A classifier that is right about this share of the images, random ones by the seed."""
    random = random or np.random.default_rng(seed)
    return of_answers(random.permutation(1000) < 1000 * share, arm, seed, budget, ratio)


def of_answers(
    correct: NDArray[np.bool_], arm: str, seed: int, budget: int = 10, ratio: int = 0
) -> Cell:
    key = Key(scenario="grid", budget=budget, share=None, arm=arm, ratio=ratio, seed=seed)
    return make_cell(key, correct, LABELS)


def test_pairs_are_of_the_same_seeds_in_the_same_order() -> None:
    cells = [cell("both", seed, 0.9, ratio=5) for seed in (3, 1, 2)] + [
        cell("classical", seed, 0.9) for seed in (2, 3, 4)
    ]
    cells += [cell("both", 3, 0.9, ratio=1), cell("both", 3, 0.9, budget=20, ratio=5)]
    pairs = find_pairs(cells, "both", "classical")
    assert [[one.key.seed for one in pair.arm] for pair in pairs] == [[2, 3], [3]]
    assert [[one.key.seed for one in pair.baseline] for pair in pairs] == [[2, 3], [3]]
    assert [pair.arm[0].key.ratio for pair in pairs] == [5, 1]


def test_a_row_says_what_was_compared_and_errors_saved() -> None:
    cells = [cell("classical", seed, 0.9) for seed in range(3)] + [
        cell("both", seed, 0.92, ratio=5) for seed in range(3)
    ]
    cells[-3] = dataclasses.replace(cells[-3], generator=FOREIGN)
    rows = compare_all(cells, LABELS, 55_000)
    assert [
        (row.arm, row.baseline, row.metric, row.primary, row.seeds, row.family) for row in rows
    ] == [("both", "classical", "accuracy", True, 3, 1)]
    assert rows[0].difference.mean == pytest.approx(0.02)
    assert rows[0].by_seed == pytest.approx((0.02,) * 3)
    assert rows[0].error_cut == pytest.approx(0.2)
    assert rows[0].verdict == HELPS
    assert rows[0].mark == "has seen all 55,000"
    assert np.mean([estimate.mean for estimate in rows[0].by_class]) == pytest.approx(0.02)


def test_one_seed_decides_nothing() -> None:
    rows = compare_all([cell("classical", 0, 0.5), cell("both", 0, 0.99, ratio=5)], LABELS, 55_000)
    assert [(row.verdict, row.corrected.low) for row in rows] == [(UNDECIDED, None)]


def test_the_copied_training_set_changes_nothing() -> None:
    same = [
        dataclasses.replace(one, key=dataclasses.replace(one.key, arm="both", ratio=5))
        for one in (cell("classical", s, 0.9) for s in range(3))
    ]
    rows = compare_all(
        [*(cell("classical", seed, 0.9) for seed in range(3)), *same], LABELS, 55_000
    )
    assert [(row.difference.mean, row.verdict) for row in rows] == [(0, NO_EFFECT)]


def by_p_values(comparisons: list[tuple[NDArray[np.float64], NDArray[np.float64]]]) -> list[str]:
    """Holm's procedure as he states it: p values in order, each against 0.05 / (number left)."""
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
def test_without_a_difference_one_row_in_twenty_is_called_one(seeds: int) -> None:
    """Two arms that are the same but for their luck: 200 rows, in 20 benchmarks of 10 budgets."""
    random, called = np.random.default_rng(2024 + seeds), 0
    for _ in range(20):
        cells = []
        for budget in range(1, 11):
            hard = random.random(1000) * 0.2  # some images are harder than others, for every arm
            for seed in range(seeds):
                draw = random.normal(0, 0.02)  # of real images, the same for both arms
                for arm, ratio in (("classical", 0), ("both", 5)):
                    share = 1 - hard + draw + random.normal(0, 0.005)
                    cells.append(of_answers(random.random(1000) < share, arm, seed, budget, ratio))
        rows = [row for row in compare_all(cells, LABELS, 55_000) if row.primary]
        assert [row.family for row in rows] == [10] * 10
        # what the hardest one was held to
        assert max(row.confidence for row in rows) == family_confidence(10)
        called += sum(row.verdict in (HELPS, HURTS) for row in rows)
    assert called <= 10


def test_a_true_difference_is_found_at_every_budget() -> None:
    random = np.random.default_rng(5)
    cells = [
        of_answers(random.random(1000) < share + random.normal(0, 0.005), arm, seed, budget, ratio)
        for budget in range(1, 6)
        for seed in range(5)
        for arm, ratio, share in (("classical", 0, 0.7), ("both", 5, 0.85))
    ]
    assert [row.verdict for row in compare_all(cells, LABELS, 55_000) if row.primary] == [HELPS] * 5


def test_the_best_control_is_chosen_budget_by_budget() -> None:
    def of(arm: str, budget: int, seed: int, share: float) -> Cell:
        key = Key(scenario="transfer", budget=budget, share=None, arm=arm, ratio=None, seed=seed)
        return make_cell(key, np.arange(1000) < 1000 * share, LABELS)

    cells = [
        of(arm, budget, seed, share)
        for seed in (1, 2)
        for arm, budget, share in (
            ("source", 1, 0.9),
            ("classical", 1, 0.7),
            ("source_real", 1, 0.85),
            ("fine_tuned", 1, 0.8),
            ("source", 5, 0.97),
            ("classical", 5, 0.95),
            ("source_real", 5, 0.96),
            ("fine_tuned", 5, 0.98),
            ("source_only", 0, 0.88),
        )
    ]
    rows = compare_all(cells, LABELS, 100)
    found = {(row.budget, row.primary): (row.baseline, row.difference.mean) for row in rows}
    assert found == {
        (1, True): ("classical", pytest.approx(0.2)),
        (5, True): ("classical", pytest.approx(0.02)),
        (1, False): ("source_only", pytest.approx(0.02)),
        (5, False): ("fine_tuned", pytest.approx(-0.01)),
    }
    assert {(row.primary, row.family, row.seeds) for row in rows} == {(True, 2, 2), (False, 6, 2)}


def test_the_best_of_equal_controls_is_held_to_the_level_of_all() -> None:
    """Controls as good as the arm: that the best one is picked calls no difference."""
    random = np.random.default_rng(3)
    called = 0
    for _ in range(40):
        cells = []
        for arm in ("source", "source_real", "fine_tuned", "source_only", "source_real_only"):
            for budget in (0,) if arm.endswith("only") else (1, 5):
                for seed in range(3):
                    share = 0.9 + random.normal(0, 0.01)
                    key = Key(
                        scenario="transfer",
                        budget=budget,
                        share=None,
                        arm=arm,
                        ratio=None,
                        seed=seed,
                    )
                    cells.append(make_cell(key, random.random(500) < share, LABELS[:500]))
        rows = compare_all(cells, LABELS[:500], 100)
        assert [row.family for row in rows] == [8, 8]
        called += any(row.verdict in (HELPS, HURTS) for row in rows)
    assert called <= 4


def test_a_control_of_fewer_seeds_does_not_take_the_place_of_one_of_more() -> None:
    def of(arm: str, seed: int, share: float) -> Cell:
        key = Key(scenario="transfer", budget=1, share=None, arm=arm, ratio=None, seed=seed)
        return make_cell(key, np.arange(1000) < 1000 * share, LABELS)

    cells = [of("source", seed, 0.9) for seed in (1, 2)]
    cells += [of("source_real", seed, 0.8) for seed in (1, 2)] + [of("fine_tuned", 1, 0.99)]
    pairs = find_pairs(cells, "source", ("fine_tuned", "source_real"))
    (best,) = best_baselines(pairs)
    assert {cell.key.arm for cell in pairs[best].baseline} == {"source_real"}
    assert len(pairs[best].arm) == 2


def test_in_transfer_the_generator_is_not_marked() -> None:
    key = Key(scenario="transfer", budget=1, share=None, arm="source", ratio=None, seed=1)
    assert mark_of(make_cell(key, LABELS == 0, LABELS, FOREIGN), 55_000) == ""
    unknown = make_cell(key, LABELS == 0, LABELS, dataclasses.replace(FOREIGN, saw=None))
    assert mark_of(unknown, 55_000) == "has seen nobody knows what"
