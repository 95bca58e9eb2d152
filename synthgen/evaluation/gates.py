"""Gates for continuous integration (`--fail-if`): a figure, a comparison, a number.

The tables below name every figure that a gate may ask for. A gate is read by a regular expression;
nothing else is understood, and nothing is evaluated.
"""

import operator
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from synthgen.errors import CheckFailed, SettingsError
from synthgen.evaluation.arms import ARMS, arm_name
from synthgen.evaluation.results import (
    ArmResult,
    BenchmarkSummary,
    Comparison,
    Evaluation,
    FigureValue,
    GateResult,
    Results,
)
from synthgen.evaluation.scenarios import STAND_IN, budget_name
from synthgen.metrics.accuracy import CLASSIFIER_METRICS
from synthgen.metrics.intervals import HELPS, HURTS, NO_EFFECT
from synthgen.metrics.memorisation import SEEN, Memorisation

COMPARE: dict[str, Callable[[float, float], bool]] = {
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
    "==": operator.eq,
    "!=": operator.ne,
}
GATE_PATTERN = re.compile(
    r"\s*([a-z_]+)\s*(<=|>=|==|!=|<|>)\s*([+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?)\s*"
)


@dataclass(frozen=True, kw_only=True)
class Gate:
    """A condition under which a run has failed.

    Args:
        text: as the user wrote it.
        name: of the figure.
        comparison: a key of COMPARE.
        limit: the number to compare with; shares are 0..1.
    """

    text: str
    name: str
    comparison: str
    limit: float

    def fails(self, figure: float | None) -> bool:
        """Tells whether the condition holds; a figure that was not measured fails every gate."""
        return figure is None or COMPARE[self.comparison](figure, self.limit)


@dataclass(frozen=True, kw_only=True)
class Figure:
    """A figure that gates may ask for.

    Args:
        meaning: what it is, for the user.
        read: an Evaluation or a BenchmarkSummary -> the figure.
    """

    meaning: str
    read: Callable[[Any], FigureValue]


def parse_gates(texts: Sequence[str], known: Mapping[str, Figure]) -> tuple[Gate, ...]:
    """Understands the gates of a command before any work is done.

    Args:
        texts: such as "delta < 0".
        known: EVALUATION_FIGURES or BENCHMARK_FIGURES.

    Raises:
        SettingsError: naming the figures that are known.
    """
    names = "".join(f"\n  {name:<20} {figure.meaning}" for name, figure in known.items())
    gates = []
    for text in texts:
        found = GATE_PATTERN.fullmatch(text)
        if not found:
            expected = f"a figure, one of {' '.join(COMPARE)} and a number"
            raise SettingsError(
                f"--fail-if: expected {expected}, received {text!r}. The figures:{names}"
            )
        if found[1] not in known:
            raise SettingsError(
                f"--fail-if: expected one of these figures, received {found[1]!r}:{names}"
            )
        gates.append(Gate(text=text, name=found[1], comparison=found[2], limit=float(found[3])))
    return tuple(gates)


def figures_of(results: Results, known: Mapping[str, Figure]) -> dict[str, FigureValue]:
    """Reads every figure, by its name.

    Args:
        results: an Evaluation or a BenchmarkSummary.
        known: EVALUATION_FIGURES or BENCHMARK_FIGURES, whichever belongs to it.
    """
    return {name: figure.read(results) for name, figure in known.items()}


def ask_gates(gates: Sequence[Gate], figures: Mapping[str, FigureValue]) -> tuple[GateResult, ...]:
    """Returns what comes of each gate.

    Args:
        gates: see `parse_gates`.
        figures: see `figures_of`; a missing one counts as not measured.
    """
    results = []
    for gate in gates:
        figure = figures.get(gate.name, FigureValue(value=None))
        results.append(
            GateResult(
                text=gate.text,
                name=gate.name,
                figure=figure.value,
                where=figure.where,
                failed=gate.fails(figure.value),
            )
        )
    return tuple(results)


def check_gates(gates: Sequence[Gate], figures: Mapping[str, FigureValue]) -> None:
    """Makes sure that no gate fails.

    Args:
        gates: see `parse_gates`.
        figures: see `figures_of`; a missing one counts as not measured.

    Raises:
        CheckFailed: naming each gate that fails and its figure.
    """
    failed = []
    for result in ask_gates(gates, figures):
        if result.failed and result.figure is None:
            unknown = "not known: it could not be measured"
            failed.append(f"{result.text}: {result.name} is {unknown}")
        elif result.failed:
            where = f" ({result.where})" if result.where else ""
            failed.append(f"{result.text}: {result.name} is {result.figure:.6g}{where}")
    if failed:
        raise CheckFailed(f"{len(failed)} of {len(gates)} gates failed: " + "; ".join(failed) + ".")


# ---- the figures of an evaluation ----


def _difference(arm: str, baseline: str) -> Callable[[Evaluation], FigureValue]:
    def read(evaluation: Evaluation) -> FigureValue:
        found = evaluation.comparison(arm, baseline)
        return FigureValue(value=found.difference.mean if found else None)

    return read


def _difference_low(arm: str, baseline: str) -> Callable[[Evaluation], FigureValue]:
    def read(evaluation: Evaluation) -> FigureValue:
        found = evaluation.comparison(arm, baseline)
        return FigureValue(value=found.difference.low if found else None)

    return read


def _accuracy(arm: str) -> Callable[[Evaluation], FigureValue]:
    def read(evaluation: Evaluation) -> FigureValue:
        found = evaluation.arm(arm)
        return FigureValue(value=found.accuracy.mean if found else None)

    return read


def _label_agreement(evaluation: Evaluation) -> FigureValue:
    return FigureValue(value=evaluation.agreement.share.mean)


def _failed_classes(evaluation: Evaluation) -> FigureValue:
    return FigureValue(value=len(evaluation.agreement.failed_classes))


def _fidelity(metric: str) -> Callable[[Evaluation], FigureValue]:
    """Reads a figure of fidelity over all classes."""

    def read(evaluation: Evaluation) -> FigureValue:
        for found in evaluation.measures.fidelity:
            if found.metric == metric and found.label is None and found.synthetic:
                return FigureValue(value=found.synthetic.mean)
        return FigureValue(value=None)

    return read


def _two_sample(evaluation: Evaluation) -> FigureValue:
    found = evaluation.measures.two_sample
    return FigureValue(value=found.synthetic.mean if found else None)


def _memorisation(count: Callable[[Memorisation], int]) -> Callable[[Evaluation], FigureValue]:
    """Counts signs of copying.

    None found means nothing where the generator has learnt from other digits than these: the figure
    is then not measured.
    """

    def read(evaluation: Evaluation) -> FigureValue:
        found = evaluation.measures.memorisation
        if found and (found.fired or found.generator_saw == SEEN):
            return FigureValue(value=count(found))
        return FigureValue(value=None)

    return read


EVALUATION_FIGURES = {
    "delta": Figure(
        meaning="accuracy of real + synthetic minus real; -0.01 is one point lost",
        read=_difference("real_synthetic", "real"),
    ),
    "delta_low": Figure(
        meaning="lower end of its interval", read=_difference_low("real_synthetic", "real")
    ),
    "delta_synthetic": Figure(
        meaning="accuracy of synthetic only minus real", read=_difference("synthetic", "real")
    ),
    "delta_classical": Figure(
        meaning="what synthetic digits add to distorted real ones",
        read=_difference("both", "classical"),
    ),
    "accuracy": Figure(
        meaning="of a classifier trained on real digits alone", read=_accuracy("real")
    ),
    "accuracy_synthetic": Figure(
        meaning="of one trained on synthetic digits alone", read=_accuracy("synthetic")
    ),
    "label_agreement": Figure(
        meaning="share of synthetic digits that classifiers see as labelled", read=_label_agreement
    ),
    "failed_classes": Figure(
        meaning="classes that the generator cannot make", read=_failed_classes
    ),
    "fd": Figure(meaning="Frechet distance of features", read=_fidelity("fd")),
    "kd": Figure(meaning="kernel distance of features", read=_fidelity("kd")),
    "precision": Figure(
        meaning="share of synthetic digits among the real ones", read=_fidelity("precision")
    ),
    "recall": Figure(
        meaning="share of real digits among the synthetic ones", read=_fidelity("recall")
    ),
    "coverage": Figure(
        meaning="share of real digits with a synthetic one near", read=_fidelity("coverage")
    ),
    "two_sample": Figure(
        meaning="accuracy of telling synthetic from real; 0.5 is guessing", read=_two_sample
    ),
    "copies": Figure(
        meaning="synthetic digits that are training images, if the generator saw these",
        read=_memorisation(lambda found: found.copies),
    ),
    "memorised": Figure(
        meaning="tests that found copying, if the generator saw these training images",
        read=_memorisation(lambda found: len(found.fired)),
    ),
}


# ---- the figures of a benchmark: of several comparisons or arms the one to worry about most ----


def _worst(
    found: Iterable[tuple[float | None, Comparison | ArmResult]], largest: bool = False
) -> FigureValue:
    """Returns the smallest (or largest) figure and where it stands.

    Args:
        found: figures and where they come from. If one of them is None, nothing is known.
        largest: whether large figures are bad.
    """
    known = []
    for figure, place in found:
        if figure is None:
            return FigureValue(value=None)
        known.append((figure, place))
    if not known:
        return FigureValue(value=None)
    value, place = sorted(known, key=lambda pair: pair[0], reverse=largest)[0]
    words = [
        budget_name(place.scenario, place.budget, place.share),
        arm_name(place.arm, place.ratio),
    ]
    if isinstance(place, Comparison):
        words.append(CLASSIFIER_METRICS[place.metric].title)
    return FigureValue(value=value, where=", ".join(words))


def _primary(results: Results, stand_in: bool = False) -> list[Comparison]:
    """Returns the comparisons of the headline: those of adding digits, or those of the stand-in."""
    return [c for c in results.comparisons if c.primary and (c.scenario == STAND_IN) == stand_in]


def _delta(results: Results) -> FigureValue:
    return _worst((c.difference.mean, c) for c in _primary(results))


def _delta_low(results: Results) -> FigureValue:
    return _worst((c.corrected.low, c) for c in _primary(results))


def _delta_stand_in(results: Results) -> FigureValue:
    return _worst((c.difference.mean, c) for c in _primary(results, stand_in=True))


def _error_cut(results: Results) -> FigureValue:
    comparisons = [c for c in _primary(results) if c.error_cut is not None]
    return _worst((c.error_cut, c) for c in comparisons)


def _verdicts(verdict: str) -> Callable[[Results], FigureValue]:
    def read(results: Results) -> FigureValue:
        return FigureValue(value=sum(c.verdict == verdict for c in _primary(results)))

    return read


def _lowest_agreement(results: Results) -> FigureValue:
    arms = [arm for arm in results.arms if arm.label_agreement]
    return _worst((arm.label_agreement.mean, arm) for arm in arms if arm.label_agreement)


def _copying(results: Results) -> FigureValue:
    arms = [arm for arm in results.arms if arm.scenario == STAND_IN and arm.synthetic_images]
    return _worst(
        ((arm.memorisation["found"] if arm.memorisation else None, arm) for arm in arms),
        largest=True,
    )


def _labels_saved(results: BenchmarkSummary) -> FigureValue:
    saved = results.labels_saved
    if saved is None or saved.reached_at is None:
        return FigureValue(value=None)
    return FigureValue(value=saved.reached_at - saved.budget)


def _minority_recall(results: Results) -> FigureValue:
    arms = [arm for arm in results.arms if ARMS[arm.arm].added == "balance"]
    return _worst((arm.metrics["minority_recall"].mean, arm) for arm in arms)


BENCHMARK_FIGURES = {
    "delta": Figure(
        meaning="what adding synthetic digits gains at least, of all budgets and ratios, as a "
        "share: -0.01 is one point lost",
        read=_delta,
    ),
    "delta_low": Figure(
        meaning="smallest lower end of the corrected intervals of delta", read=_delta_low
    ),
    "delta_stand_in": Figure(
        meaning="smallest gain of synthetic digits in the place of real ones", read=_delta_stand_in
    ),
    "error_cut": Figure(
        meaning="smallest share of errors that adding them saves: 0.15 is 15 % fewer errors",
        read=_error_cut,
    ),
    "helps": Figure(
        meaning="number of comparisons of delta with the verdict helps", read=_verdicts(HELPS)
    ),
    "no_effect": Figure(
        meaning="number of comparisons of delta with the verdict no effect",
        read=_verdicts(NO_EFFECT),
    ),
    "hurts": Figure(
        meaning="number of comparisons of delta with the verdict hurts", read=_verdicts(HURTS)
    ),
    "label_agreement": Figure(
        meaning="share of synthetic images in which a digit network sees the class that they are "
        "labelled as, lowest of all budgets",
        read=_lowest_agreement,
    ),
    "copying": Figure(
        meaning="stand-in: share of repetitions in which a test found synthetic digits that copy "
        "real ones, highest of all budgets",
        read=_copying,
    ),
    "labels_saved": Figure(
        meaning="transfer: own images of each class that the generator saves at 5 a class",
        read=_labels_saved,
    ),
    "minority_recall": Figure(
        meaning="recall of rare classes with synthetic top-up, lowest of all budgets",
        read=_minority_recall,
    ),
}
