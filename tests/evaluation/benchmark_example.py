"""A benchmark with known figures, for tests of what its report says: nothing is measured."""

from dataclasses import replace

from synthgen.config import BenchmarkSettings
from synthgen.evaluation.arms import ARMS
from synthgen.evaluation.results import (
    ArmResult,
    BenchmarkSummary,
    CellResult,
    Comparison,
    FigureValue,
    GateResult,
    GeneratorsSummary,
    RealSummary,
)
from synthgen.evaluation.scenarios import IMBALANCE_ARMS
from synthgen.evaluation.summary import QUESTIONS, Question
from synthgen.metrics.intervals import Estimate, verdict

BUDGETS: dict[int | str, int] = {10: 10, 20: 20, 100: 100, 1000: 1000, "all": 5500}
RATIOS = (1, 5)
SEEDS = (1000, 1001, 1002)
GRID = ("real_half_steps", "real", "classical", "real_synthetic", "both", "synthetic")
GAINS = {
    "real_half_steps": -0.004,
    "real": 0.0,
    "classical": 0.03,
    "real_synthetic": 0.01,
    "both": 0.036,
    "synthetic": -0.05,
}
MARK = "has seen all 55,000"


def make_summary() -> BenchmarkSummary:
    """`both` helps at few images and hurts at all; one arm is marked; one gate of two fails."""
    arms = [
        _grid_arm(arm, budget, ratio)
        for budget in BUDGETS
        for arm in GRID
        for ratio in (RATIOS if ARMS[arm].added else (0,))
    ]
    arms += [_rare_arm(arm, share) for share in (2.5, 5.0) for arm in IMBALANCE_ARMS]
    return BenchmarkSummary(
        name="digits",
        created="2026-01-02T03:04:05+00:00",
        fingerprint="f" * 64,
        settings=BenchmarkSettings(
            per_class=("10", "20", "100", "1000", "all"), ratios=RATIOS, seeds=(3,)
        ),
        class_names=tuple("0123456789"),
        real=RealSummary(
            source="MNIST", sha256="a" * 64, train=55_000, validation=5_000, test=10_000
        ),
        generators=GeneratorsSummary(
            kind="trained on the cell's own images", preset="cdcgan", count=12
        ),
        classifier={"kind": "small"},
        versions={"python": "3.11.2"},
        machine={"cores": 2},
        notes=("500 images per class were left out: the budget of time was spent.",),
        arms=tuple(arms),
        comparisons=tuple(row for question in QUESTIONS for row in _comparisons(question)),
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
        figures={
            "delta": FigureValue(value=-0.0011, where="1000 images per class, both x5, accuracy"),
            "label_agreement": FigureValue(value=0.9951),
        },
        seconds=4321.0,
        cells=tuple(
            CellResult(
                scenario="grid",
                budget=arm.budget,
                share=None,
                arm=arm.arm,
                ratio=arm.ratio,
                mark=arm.mark,
                seed=seed,
                steps=529,
                train_images=arm.train_images,
                seconds=21.3,
                accuracy=arm.metrics["accuracy"].mean,
            )
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


def _grid_arm(arm: str, budget: int | str, ratio: int) -> ArmResult:
    images, mark = 10 * BUDGETS[budget], MARK if arm == "synthetic" else ""
    value = accuracy(arm, budget) + 0.002 * (ratio == 5) * (10 / BUDGETS[budget]) ** 0.4
    title = ARMS[arm].title + (f" x{ratio}" if ratio else "") + (f", {mark}" if mark else "")
    half = 0.03 / BUDGETS[budget] ** 0.5
    return ArmResult(
        scenario="grid",
        budget=budget,
        share=None,
        arm=arm,
        ratio=ratio,
        title=title,
        seeds=SEEDS,
        steps=529,
        real_images=images,
        synthetic_images=images * ratio,
        train_images=images * (1 + ratio),
        sampling=around(value, 0.002),
        by_class=(around(value, half),) * 10,
        by_seed_and_class=((value,) * 10,) * 3,
        metrics={
            name: around(value, half)
            for name in ("accuracy", "balanced_accuracy", "geometric_mean")
        },
        by_seed=dict.fromkeys(
            ("accuracy", "balanced_accuracy", "geometric_mean"),
            (value - half / 2, value, value + half / 2),
        ),
        label_agreement=around(0.99, 0.002) if arm == "real" else None,
        memorisation=None,
        seconds=130.0,
        mark=mark,
    )


def _rare_arm(arm: str, share: float) -> ArmResult:
    value = 0.96 + 0.008 * IMBALANCE_ARMS.index(arm) - 0.02 * (share < 5)
    names = ("accuracy", "balanced_accuracy", "geometric_mean", "minority_recall")
    return ArmResult(
        scenario="imbalance",
        budget="all",
        share=share,
        arm=arm,
        ratio=None,
        title=ARMS[arm].title,
        seeds=SEEDS,
        steps=4000,
        real_images=50_000,
        synthetic_images=5000 if "top_up" in arm else 0,
        train_images=55_000 if "top_up" in arm else 50_000,
        sampling=around(value, 0.002),
        by_class=(around(value, 0.004),) * 10,
        by_seed_and_class=((value,) * 10,) * 3,
        metrics={name: around(value, 0.004) for name in names},
        by_seed=dict.fromkeys(names, (value - 0.002, value, value + 0.002)),
        label_agreement=None,
        memorisation=None,
        seconds=300.0,
        mark="",
    )


def _comparisons(question: Question) -> list[Comparison]:
    scenario, arm, baseline = question.scenarios[0], question.arm, question.baseline
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
        _comparison(question, scenario, place, metric, len(places))
        for metric in question.metrics
        for place in places
    ]


def _comparison(
    question: Question,
    scenario: str,
    place: tuple[int | str, float | None, int | None, float],
    metric: str,
    family: int,
) -> Comparison:
    budget, share, ratio, gain = place
    half = 0.02 / BUDGETS[budget] ** 0.5
    corrected = around(gain, 1.5 * half)
    return Comparison(
        scenario=scenario,
        budget=budget,
        share=share,
        arm=question.arm,
        ratio=ratio,
        question=question.text,
        primary=question.primary,
        baseline=question.baseline,
        metric=metric,
        seeds=3,
        difference=around(gain, half),
        corrected=corrected,
        confidence=0.99,
        family=family,
        verdict=verdict(corrected),
        by_seed=(gain - half / 2, gain, gain + half / 2),
        error_cut=gain / 0.05,
        over_seeds=around(gain, half),
        by_class=(around(gain, 3 * half),) * 10 if metric == "accuracy" else (),
        mark=MARK if question.arm == "synthetic" else "",
    )


def transfer_summary() -> BenchmarkSummary:
    """The source helps at 1 and 5 own images a class, and does nothing at 20."""
    accuracy_of = {
        "classical": {1: 0.78, 5: 0.93, 20: 0.97},
        "source": {1: 0.92, 5: 0.96, 20: 0.97},
        "source_real": {1: 0.91, 5: 0.965, 20: 0.972},
        "fine_tuned": {1: 0.90, 5: 0.95, 20: 0.969},
        "source_only": {0: 0.85},
        "source_real_only": {0: 0.88},
    }
    whole = make_summary()
    like = whole.arms[0]
    arms = []
    for name, by_budget in accuracy_of.items():
        for budget, value in by_budget.items():
            arm = replace(
                like,
                scenario="transfer",
                arm=name,
                budget=budget,
                ratio=None,
                title=ARMS[name].title,
                metrics={"accuracy": around(value, 0.01)},
                by_seed={"accuracy": (value - 0.005, value, value + 0.005)},
            )
            arms.append(arm)
    row = whole.comparisons[0]
    comparisons = []
    for baseline, primary in (("classical", True), ("source_real", False)):
        for budget in (1, 5, 20):
            gain = accuracy_of["source"][budget] - accuracy_of[baseline][budget]
            found = replace(
                row,
                scenario="transfer",
                budget=budget,
                arm="source",
                baseline=baseline,
                ratio=None,
                mark="",
                question="Does the source help?" if primary else "Over the best control?",
                primary=primary,
                metric="accuracy",
                difference=around(gain, 0.004),
                corrected=around(gain, 0.006),
                verdict=verdict(around(gain, 0.006)),
            )
            comparisons.append(found)
    return replace(whole, arms=tuple(arms), comparisons=tuple(comparisons), notes=(), gates=())
