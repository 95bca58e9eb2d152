"""The figures of an evaluation that gates (`synthgen evaluate --fail-if`) may ask for."""

from collections.abc import Callable
from typing import NamedTuple

from synthgen.evaluation.results import Comparison, Evaluation
from synthgen.metrics.memorisation import SEEN, Memorisation


class Figure(NamedTuple):
    """What a figure is, and how it is read from an evaluation; None: it was not measured."""

    meaning: str
    read: Callable[[Evaluation], float | None]


def figures(evaluation: Evaluation) -> dict[str, float | None]:
    """Every figure by its name."""
    return {name: figure.read(evaluation) for name, figure in EVALUATION_FIGURES.items()}


def _comparison(evaluation: Evaluation, arm: str) -> Comparison | None:
    return next(
        (comparison for comparison in evaluation.comparisons if comparison.arm == arm), None
    )


def _delta(comparison: Comparison | None) -> float | None:
    return comparison.difference.mean if comparison else None


def _low(comparison: Comparison | None) -> float | None:
    return comparison.difference.low if comparison else None


def _accuracy(evaluation: Evaluation, arm: str) -> float | None:
    return next((result.accuracy.mean for result in evaluation.arms if result.arm == arm), None)


def _fidelity(key: str) -> Callable[[Evaluation], float | None]:
    def read(evaluation: Evaluation) -> float | None:
        found = next(
            (
                metric.synthetic
                for metric in evaluation.fidelity
                if metric.metric == key and metric.label is None
            ),
            None,
        )
        return found.mean if found else None

    return read


def _memorisation(read: Callable[[Memorisation], int]) -> Callable[[Evaluation], float | None]:
    """A finding about copies; not measured where nothing was found and the generator learnt from other digits than these."""

    def known(evaluation: Evaluation) -> float | None:
        found = evaluation.memorisation
        return read(found) if found and (found.fired or found.generator_saw == SEEN) else None

    return known


EVALUATION_FIGURES = {
    "delta": Figure(
        "accuracy of real + synthetic minus real; -0.01 is one point lost",
        lambda e: _delta(_comparison(e, "real_synthetic")),
    ),
    "delta_low": Figure(
        "lower end of its interval", lambda e: _low(_comparison(e, "real_synthetic"))
    ),
    "delta_synthetic": Figure(
        "accuracy of synthetic only minus real", lambda e: _delta(_comparison(e, "synthetic"))
    ),
    "delta_classical": Figure(
        "what synthetic digits add to distorted real ones", lambda e: _delta(e.beyond_classical)
    ),
    "accuracy": Figure(
        "of a classifier trained on real digits alone", lambda e: _accuracy(e, "real")
    ),
    "accuracy_synthetic": Figure(
        "of one trained on synthetic digits alone", lambda e: _accuracy(e, "synthetic")
    ),
    "label_agreement": Figure(
        "share of synthetic digits that classifiers see as labelled",
        lambda e: e.agreement.share.mean,
    ),
    "failed_classes": Figure(
        "classes that the generator cannot make", lambda e: len(e.agreement.failed_classes)
    ),
    "fd": Figure("Frechet distance of features", _fidelity("fd")),
    "kd": Figure("kernel distance of features", _fidelity("kd")),
    "precision": Figure("share of synthetic digits among the real ones", _fidelity("precision")),
    "recall": Figure("share of real digits among the synthetic ones", _fidelity("recall")),
    "coverage": Figure("share of real digits with a synthetic one near", _fidelity("coverage")),
    "two_sample": Figure(
        "accuracy of telling synthetic from real; 0.5 is guessing",
        lambda e: e.two_sample.synthetic.mean if e.two_sample else None,
    ),
    "copies": Figure(
        "synthetic digits that are training images, if the generator saw these",
        _memorisation(lambda found: found.copies),
    ),
    "memorised": Figure(
        "tests that found copying, likewise", _memorisation(lambda found: len(found.fired))
    ),
}
