import dataclasses

import pytest

from synthgen.evaluation.arms import ARMS
from synthgen.evaluation.page.formats import GAP, MINUS
from synthgen.evaluation.results import Comparison, Evaluation
from synthgen.evaluation.verdict import HELPS, HURTS, UNDECIDED, Estimate
from synthgen.evaluation.wording import advice, against, origin, question, sentence, weakest_class
from tests.evaluation.example import make_evaluation


@pytest.fixture(scope="module")
def known() -> Evaluation:
    return make_evaluation()


def added(evaluation: Evaluation) -> Comparison:
    return next(comparison for comparison in evaluation.comparisons if comparison.arm == "real_synthetic")


def test_a_comparison_is_a_question_and_a_sentence(known: Evaluation) -> None:
    comparison = added(known)
    assert question(comparison) == ARMS["real_synthetic"].question
    assert against(comparison) == "real + synthetic against real"
    interval = f"95{GAP}% interval {MINUS}0.18 to {MINUS}0.02"
    assert sentence(comparison) == f"{question(comparison)}: hurts ({MINUS}0.10 points, {interval})."


def test_one_seed_has_no_interval(known: Evaluation) -> None:
    alone = dataclasses.replace(added(known), difference=Estimate(mean=-0.001, low=None, high=None), verdict=UNDECIDED)
    assert "interval" not in sentence(alone)
    assert "--seeds 3" in advice(known, alone)


@pytest.mark.parametrize(("verdict", "words"), [(HELPS, "help: use them"), (HURTS, "do harm: leave them out")])
def test_advice_names_what_to_do_and_the_errors(known: Evaluation, verdict: str, words: str) -> None:
    text = advice(known, dataclasses.replace(added(known), verdict=verdict))
    assert text == f"Added to the real digits, the synthetic digits {words}. 6.2 errors on 1,000 unseen real digits, against 5.2 without them."


def test_advice_on_synthetic_digits_alone_does_not_speak_of_adding(known: Evaluation) -> None:
    alone = next(comparison for comparison in known.comparisons if comparison.arm == "synthetic")
    assert advice(known, alone).startswith("In place of the real digits, ")


def test_what_the_generator_has_seen(known: Evaluation) -> None:
    own = dict(known.synthetic)
    other = own | {"generator_saw_only_real_train": False, "generator_trained_on": {"images": 60_000, "source": "X"}}
    assert origin(known) == "The generator saw the same 55,000 training digits as the classifiers, and no others."
    assert origin(dataclasses.replace(known, synthetic=other)).startswith("WARNING: the generator has seen 60,000 digits (X), not the 55,000")
    assert "not known" in origin(dataclasses.replace(known, synthetic=other | {"generator_trained_on": {}}))


def test_the_weakest_class(known: Evaluation) -> None:
    assert weakest_class(known) == ("7", 0.9833)
