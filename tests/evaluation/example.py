"""An evaluation with known figures, for tests of what reports say: nothing is measured."""

from synthgen.config import ALL, EVALUATION_ARMS, EvaluationSettings
from synthgen.evaluation.arms import ARMS
from synthgen.evaluation.results import (
    ArmResult,
    CellResult,
    Comparison,
    Evaluation,
    LabelAgreement,
    Measures,
    RealSummary,
    SuspectLabel,
    SyntheticSummary,
)
from synthgen.evaluation.scenarios import THIS_SET
from synthgen.evaluation.summary import QUESTIONS
from synthgen.evaluation.two_sample import TwoSample
from synthgen.metrics.copying import Copying
from synthgen.metrics.fidelity import FidelityFigure
from synthgen.metrics.intervals import Estimate, verdict
from synthgen.metrics.memorisation import SEEN, ClosePair, Duplicates, Memorisation
from synthgen.metrics.pixel_statistics import Histogram, PixelStatistic

NAMES = tuple("0123456789")
SEEDS = (1000, 1001, 1002)
ACCURACY = {
    "real": 0.9948,
    "real_synthetic": 0.9938,
    "synthetic": 0.9906,
    "classical": 0.9961,
    "both": 0.9964,
}
IMAGES = {
    "real": 55_000,
    "real_synthetic": 105_000,
    "synthetic": 50_000,
    "classical": 55_000,
    "both": 105_000,
}
METRICS = {
    "fd": (9.5, 2.4),
    "kd": (0.012, -0.0004),
    "precision": (0.93, 0.95),
    "recall": (0.81, 0.94),
    "density": (0.97, 1.01),
}
METRICS |= {"coverage": (0.88, 0.96), "score": (9.71, 9.83)}


def around(mean: float, half: float) -> Estimate:
    return Estimate(mean=mean, low=mean - half, high=mean + half)


def make_evaluation() -> Evaluation:
    """Real + synthetic hurts, on top of augmentation it has no effect, class 7 is the weakest."""
    return Evaluation(
        name="digits",
        created="2026-01-02T03:04:05+00:00",
        fingerprint="f" * 64,
        settings=EvaluationSettings(),
        seeds=SEEDS,
        steps=1719,
        batch=64,
        classifier={"kind": "small", "channels": [16, 32]},
        machine={"cores": 2},
        class_names=NAMES,
        real=RealSummary(
            source="MNIST <official> & checked",
            sha256="a" * 64,
            train=55_000,
            validation=5_000,
            test=10_000,
        ),
        synthetic=SyntheticSummary(
            sha256="b" * 64,
            images=50_000,
            used=50_000,
            per_class=(5000,) * 10,
            generator_trained_on={"source": "MNIST", "sha256": "c" * 64, "images": 55_000},
            generator_saw_only_real_train=True,
        ),
        arms=tuple(map(_arm, EVALUATION_ARMS)),
        comparisons=(
            *(_comparison(arm, "real", 0.0008) for arm in EVALUATION_ARMS if arm != "real"),
            _comparison("both", "classical", 0.0009),
        ),
        agreement=_agreement(),
        measures=_measures(),
        cells=tuple(
            CellResult(
                scenario=THIS_SET,
                budget=ALL,
                share=None,
                arm=arm,
                ratio=None if ARMS[arm].added else 0,
                mark="",
                seed=seed,
                steps=1719,
                train_images=IMAGES[arm],
                seconds=57.2,
                accuracy=ACCURACY[arm],
            )
            for seed in SEEDS
            for arm in EVALUATION_ARMS
        ),
        versions={"python": "3.11.2", "synthgen": "0.1.0", "tensorflow": "2.21.0"},
        seconds=515.0,
    )


def _measures() -> Measures:
    return Measures(
        features={
            "name": "digitnet",
            "sha256": "d" * 64,
            "size": 64,
            "validation_accuracy": 0.9914,
            "trained_on": {"source": "MNIST", "sha256": "c" * 64, "images": 55_000},
        },
        fidelity=tuple(_metric(key, label) for label in (None, *range(10)) for key in METRICS),
        pixels=tuple(
            _statistic(name, value)
            for name, value in (
                ("mean", 33.1),
                ("stroke_mass", 12.9),
                ("centre_x", 13.6),
                ("centre_y", 13.9),
            )
        ),
        background=Histogram(
            edges=(0, 1, 2, 4, 256),
            synthetic=(0.70, 0.06, 0.04, 0.20),
            real=(0.81, 0.0, 0.0, 0.19),
            control=(0.8, 0.0, 0.0, 0.2),
        ),
        two_sample=TwoSample(
            train_images=10_000,
            test_images=4_000,
            steps=800,
            synthetic=around(0.731, 0.012),
            control=around(0.502, 0.016),
            by_class=(None,) * 10,
        ),
        memorisation=_memorisation(),
        errors={},
        seconds_measuring={"features": 12.0, "fidelity": 31.0},
    )


def _arm(arm: str) -> ArmResult:
    accuracy = ACCURACY[arm]
    by_seed = (accuracy - 0.0004, accuracy, accuracy + 0.0004)
    by_class = tuple(
        around(accuracy - 0.0005 * (label == 7) + 0.0001 * (label % 3), 0.0011)
        for label in range(10)
    )
    return ArmResult(
        scenario=THIS_SET,
        budget=ALL,
        share=None,
        arm=arm,
        ratio=None if ARMS[arm].added else 0,
        title=ARMS[arm].title,
        mark="",
        seeds=SEEDS,
        steps=1719,
        real_images=55_000 if ARMS[arm].real else 0,
        synthetic_images=50_000 if ARMS[arm].added else 0,
        train_images=IMAGES[arm],
        metrics={"accuracy": around(accuracy, 0.0010)},
        by_seed={"accuracy": by_seed},
        sampling=around(accuracy, 0.0015),
        by_class=by_class,
        by_seed_and_class=tuple((share,) * 10 for share in by_seed),
        label_agreement=None,
        memorisation=None,
        seconds=171.6,
    )


def _comparison(arm: str, baseline: str, half: float) -> Comparison:
    difference = around(ACCURACY[arm] - ACCURACY[baseline], half)
    (question,) = (
        one.text
        for one in QUESTIONS
        if THIS_SET in one.scenarios and (one.arm, one.baseline) == (arm, baseline)
    )
    return Comparison(
        scenario=THIS_SET,
        budget=ALL,
        share=None,
        arm=arm,
        ratio=None if ARMS[arm].added else 0,
        mark="",
        baseline=baseline,
        question=question,
        primary=baseline == "classical",
        metric="accuracy",
        seeds=3,
        verdict=verdict(difference),
        difference=difference,
        corrected=difference,
        confidence=0.95,
        family=1,
        error_cut=difference.mean / (1 - ACCURACY[baseline]),
        over_seeds=around(difference.mean, half / 2),
        by_seed=(difference.mean - 0.0002, difference.mean, difference.mean + 0.0002),
        by_class=tuple(
            around(difference.mean + 0.0002 * (label - 4), 0.004) for label in range(10)
        ),
    )


def _agreement() -> LabelAgreement:
    shares = [0.9970, 0.9997, 0.9913, 0.9950, 0.9990, 0.9897, 0.9980, 0.9833, 0.9967, 0.9890]
    confusion = tuple(
        tuple(
            round(3000 * share)
            if seen == label
            else round(3000 * (1 - share)) * (seen == (label + 2) % 10)
            for seen in range(10)
        )
        for label, share in enumerate(shares)
    )
    return LabelAgreement(
        images=10_000,
        share=around(0.99387, 0.001),
        sampling=around(0.99387, 0.0015),
        by_seed=(0.9934, 0.9939, 0.9943),
        by_class=tuple(around(share, 0.001) for share in shares),
        confusion=confusion,
        failed_classes=(),
        suspects=tuple(
            SuspectLabel(
                position=100 + k, label=k % 10, seen_as=(k + 3) % 10, probability=0.01 * (k + 1)
            )
            for k in range(50)
        ),
    )


def _metric(key: str, label: int | None) -> FidelityFigure:
    synthetic, floor = METRICS[key]
    few = label == 1 and key == "fd"
    return FidelityFigure(
        metric=key,
        name=f"{key}_digitnet",
        label=label,
        images=10_000 if label is None else 1_000,
        synthetic=None
        if few
        else around(synthetic * (1 + 0.01 * (label or 0)), abs(synthetic) * 0.05),
        floor=None if few else around(floor, abs(floor) * 0.05),
        deviation=0.003 if key == "kd" else None,
        floor_deviation=0.0005 if key == "kd" else None,
        error="too few images" if few else "",
    )


def _statistic(name: str, value: float) -> PixelStatistic:
    return PixelStatistic(
        name=name,
        synthetic=around(value * 1.01, 0.2),
        real=around(value, 0.2),
        control=around(value * 0.998, 0.2),
        deviations=(value / 3, value / 3.1, value / 3.2),
        difference=around(value * 0.01, 0.28),
        control_difference=around(-value * 0.002, 0.28),
    )


def _memorisation() -> Memorisation:
    return Memorisation(
        images=10_000,
        train_images=55_000,
        held_out_images=5_000,
        control_images=10_000,
        generator_saw=SEEN,
        spaces=(_copying("pixels", 5.0), _copying("features", 2.0)),
        copies=0,
        copies_control=0,
        duplicates=Duplicates(
            images=50_000,
            exact=3,
            near_images=5_000,
            near_distance=2.2,
            near=around(0.014, 0.003),
            near_control=around(0.01, 0.003),
        ),
        closest=tuple(
            ClosePair(position=140 - k, train_position=k, label=k % 10, distance=1.2 + 0.05 * k)
            for k in range(20)
        ),
        fired=(),
    )


def _copying(space: str, scale: float) -> Copying:
    levels = tuple(k / 100 for k in range(101))
    curve = tuple(scale * (0.3 + level + 0.4 * level**8) for level in levels)
    return Copying(
        space=space,
        levels=levels,
        synthetic=tuple(0.94 * value for value in curve),
        held_out=curve,
        control=tuple(1.01 * value for value in curve),
        close_level=0.01,
        closer=around(0.012, 0.002),
        closer_control=around(0.0095, 0.002),
        c_t=-1.2,
        c_t_control=0.4,
        c_t_by_class=(*(0.1 * label - 0.8 for label in range(9)), None),
        c_t_class_mean=-0.9,
        c_t_class_mean_control=0.2,
        authenticity=around(0.47, 0.01),
        authenticity_held_out=around(0.51, 0.014),
        authenticity_control=around(0.52, 0.01),
    )
