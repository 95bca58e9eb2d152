"""A benchmark with known figures, for tests of what its report says: arithmetic, no training, nothing measured."""

from synthgen.evaluation.benchmark_arms import ARMS, IMBALANCE_ARMS
from synthgen.evaluation.benchmark_compare import QUESTIONS
from synthgen.evaluation.benchmark_values import ArmFigure, BenchmarkSummary, GateResult, Row
from synthgen.evaluation.wording import headline
from synthgen.metrics.intervals import Estimate, verdict

BUDGETS: dict[int | str, int] = {10: 10, 20: 20, 100: 100, 1000: 1000, "all": 5500}
RATIOS = (1, 5)
SEEDS = (1000, 1001, 1002)
GRID = ("real", "real_repeated", "classical", "real_synthetic", "both", "synthetic")
GAINS = {
    "real": -0.004,
    "real_repeated": 0.0,
    "classical": 0.03,
    "real_synthetic": 0.01,
    "both": 0.036,
    "synthetic": -0.05,
}
MARK = "has seen all 55,000"


def make_summary() -> BenchmarkSummary:
    """`both` helps at few images and hurts at all of them; one marked arm; one gate of two fails."""
    arms = [
        _grid_arm(arm, budget, ratio)
        for budget in BUDGETS
        for arm in GRID
        for ratio in (RATIOS if ARMS[arm].added else (0,))
    ]
    arms += [_rare_arm(arm, share) for share in (2.5, 5.0) for arm in IMBALANCE_ARMS]
    rows = tuple(row for question in QUESTIONS for row in _rows(question))
    return BenchmarkSummary(
        name="digits",
        created="2026-01-02T03:04:05+00:00",
        fingerprint="f" * 64,
        settings={
            "per_class": ["10", "20", "100", "1000", "all"],
            "ratios": list(RATIOS),
            "seeds": [3],
        },
        class_names=tuple("0123456789"),
        real={
            "source": "MNIST",
            "sha256": "a" * 64,
            "train": 55_000,
            "validation": 5_000,
            "test": 10_000,
        },
        generator={"kind": "trained on the cell's own images", "mark": ""},
        classifier={"kind": "small"},
        versions={"python": "3.11.2"},
        machine={"cores": 2},
        headline=headline(rows),
        notes=("500 images per class were left out: the budget of time was spent.",),
        arms=tuple(arms),
        rows=rows,
        gates=(
            GateResult(
                text="delta < 0",
                name="delta",
                figure=-0.0011,
                where="1000 images per class, both x5, accuracy",
                failed=True,
            ),
            GateResult(
                text="label_agreement < 0.99",
                name="label_agreement",
                figure=0.9951,
                where="",
                failed=False,
            ),
        ),
        figures={"delta": -0.0011, "label_agreement": 0.9951},
        places={},
        seconds=4321.0,
        cells=tuple(
            {
                "scenario": "grid",
                "per_class": arm.per_class,
                "share": None,
                "arm": arm.arm,
                "ratio": arm.ratio,
                "seed": seed,
            }
            | {
                "accuracy": arm.metrics["accuracy"].mean,
                "steps": 529,
                "seconds": 21.3,
                "mark": arm.mark,
            }
            for arm in arms[:20]
            for seed in SEEDS
        ),
    )


def around(mean: float, half: float) -> Estimate:
    return Estimate(mean=mean, low=mean - half, high=mean + half)


def accuracy(arm: str, budget: int | str) -> float:
    """99.5 % with all images, less with fewer; what an arm adds shrinks as images grow."""
    images = BUDGETS[budget]
    return (
        0.995
        - 0.6 / images**0.75
        + GAINS[arm] * (10 / images) ** 0.4
        - 0.001 * (arm == "both" and budget == "all")
    )


def _grid_arm(arm: str, budget: int | str, ratio: int) -> ArmFigure:
    images, mark = 10 * BUDGETS[budget], MARK if arm == "synthetic" else ""
    value = accuracy(arm, budget) + 0.002 * (ratio == 5) * (10 / BUDGETS[budget]) ** 0.4
    title = ARMS[arm].title + (f" x{ratio}" if ratio else "") + (f", {mark}" if mark else "")
    half = 0.03 / BUDGETS[budget] ** 0.5
    return ArmFigure(
        scenario="grid",
        per_class=budget,
        share=None,
        arm=arm,
        ratio=ratio,
        title=title,
        seeds=SEEDS,
        steps=529,
        real_images=images,
        synthetic_images=images * ratio,
        metrics={
            name: around(value, half)
            for name in ("accuracy", "balanced_accuracy", "geometric_mean")
        },
        by_seed=dict.fromkeys(
            ("accuracy", "balanced_accuracy", "geometric_mean"),
            (value - half / 2, value, value + half / 2),
        ),
        label_agreement=around(0.99, 0.002) if arm == "real_repeated" else None,
        memorisation=None,
        seconds=130.0,
        mark=mark,
    )


def _rare_arm(arm: str, share: float) -> ArmFigure:
    value = 0.96 + 0.008 * IMBALANCE_ARMS.index(arm) - 0.02 * (share < 5)
    names = ("accuracy", "balanced_accuracy", "geometric_mean", "minority_recall")
    return ArmFigure(
        scenario="imbalance",
        per_class="all",
        share=share,
        arm=arm,
        ratio=None,
        title=ARMS[arm].title,
        seeds=SEEDS,
        steps=4000,
        real_images=50_000,
        synthetic_images=5000 if "top_up" in arm else 0,
        metrics={name: around(value, 0.004) for name in names},
        by_seed=dict.fromkeys(names, (value - 0.002, value, value + 0.002)),
        label_agreement=None,
        memorisation=None,
        seconds=300.0,
        mark="",
    )


def _rows(question: object) -> list[Row]:
    scenario, arm, baseline = question.scenarios[0], question.arm, question.baseline  # type: ignore[attr-defined]
    places: list[tuple[int | str, float | None, int | None, float]] = []
    if scenario == "grid":
        ratios = RATIOS if ARMS[arm].added else (0,)
        places = [
            (budget, None, ratio, accuracy(arm, budget) - accuracy(baseline, budget))
            for budget in BUDGETS
            for ratio in ratios
        ]
    elif scenario == "imbalance":
        gain = 0.008 * (IMBALANCE_ARMS.index(arm) - IMBALANCE_ARMS.index(baseline))
        places = [("all", share, None, gain) for share in (2.5, 5.0)]
    return [
        _row(question, scenario, place, metric, len(places))
        for metric in question.metrics  # type: ignore[attr-defined]
        for place in places
    ]


def _row(
    question: object,
    scenario: str,
    place: tuple[int | str, float | None, int | None, float],
    metric: str,
    family: int,
) -> Row:
    budget, share, ratio, gain = place
    half = 0.02 / BUDGETS[budget] ** 0.5
    corrected = around(gain, 1.5 * half)
    return Row(
        scenario=scenario,
        per_class=budget,
        share=share,
        arm=question.arm,  # type: ignore[attr-defined]
        ratio=ratio,
        question=question.text,  # type: ignore[attr-defined]
        primary=question.primary,  # type: ignore[attr-defined]
        baseline=question.baseline,  # type: ignore[attr-defined]
        metric=metric,
        seeds=3,
        difference=around(gain, half),
        corrected=corrected,
        confidence=0.99,
        family=family,
        verdict=verdict(corrected),
        by_seed=(gain - half / 2, gain, gain + half / 2),
        error_cut=gain / 0.05,
        per_class_difference=(around(gain, 3 * half),) * 10 if metric == "accuracy" else (),
        mark=MARK if question.arm == "synthetic" else "",  # type: ignore[attr-defined]
    )
