import pytest

from synthgen.errors import CheckFailed, SettingsError
from synthgen.evaluation.gates import (
    EVALUATION_FIGURES,
    Figure,
    check_gates,
    figures_of,
    parse_gates,
)
from synthgen.evaluation.results import Evaluation, FigureValue

NOTHING = FigureValue(value=None)
KNOWN = {
    "delta": Figure(meaning="smallest difference", read=lambda results: NOTHING),
    "label_agreement": Figure(meaning="share", read=lambda results: NOTHING),
}


@pytest.mark.parametrize(
    ("text", "figure", "fails"),
    [
        ("delta < 0", -0.001, True),
        ("delta < 0", 0.0, False),
        ("delta<=0", 0.0, True),
        ("  label_agreement<.99 ", 0.98, True),
        ("label_agreement < 0.99", 0.99, False),
        ("delta > -1e-3", 0.0, True),
        ("delta >= +2", 2.0, True),
        ("delta == 1.", 1.0, True),
        ("delta != 1", 1.0, False),
        ("delta < 0", None, True),
    ],
)
def test_a_gate_is_a_figure_a_comparison_and_a_number(
    text: str, figure: float | None, fails: bool
) -> None:
    (gate,) = parse_gates([text], KNOWN)
    assert gate.fails(figure) == fails
    assert gate.text == text


@pytest.mark.parametrize(
    "text",
    [
        "",
        "delta",
        "delta <",
        "< 0",
        "delta < x",
        "delta =< 0",
        "delta < 0 or 1",
        "__import__('os') < 0",
        "delta < 1_0",
        "delta << 1",
    ],
)
def test_anything_else_is_refused(text: str) -> None:
    with pytest.raises(
        SettingsError, match="expected a figure, one of < <= > >= == != and a number"
    ) as error:
        parse_gates([text], KNOWN)
    assert "label_agreement" in str(error.value)


def test_an_unknown_figure_is_refused_and_known_ones_listed() -> None:
    with pytest.raises(
        SettingsError,
        match=r"received 'accuracy':\n  delta +smallest difference\n  label_agreement +share",
    ):
        parse_gates(["delta < 0", "accuracy < 0.9"], KNOWN)


def test_each_gate_that_fails_is_named_with_its_figure() -> None:
    gates = parse_gates(["delta < 0", "label_agreement < 0.99", "delta > 1"], KNOWN)
    message = (
        r"2 of 3 gates failed: delta < 0: delta is -0.0125; "
        r"label_agreement < 0.99: label_agreement is 0.5\."
    )
    low = FigureValue(value=-0.0125)
    with pytest.raises(CheckFailed, match=message) as error:
        check_gates(gates, {"delta": low, "label_agreement": FigureValue(value=0.5)})
    assert error.value.exit_code == 1
    placed = FigureValue(value=-0.0125, where="100 images per class, both x5, accuracy")
    with pytest.raises(
        CheckFailed, match=r"delta is -0.0125 \(100 images per class, both x5, accuracy\)\.$"
    ):
        check_gates(gates[:1], {"delta": placed})
    with pytest.raises(CheckFailed, match="delta is not known: it could not be measured"):
        check_gates(gates[:1], {})
    passing = {"delta": FigureValue(value=0.5), "label_agreement": FigureValue(value=0.99)}
    check_gates(gates, passing)


def test_every_figure_of_an_evaluation_can_be_asked_for(evaluation: Evaluation) -> None:
    found = {
        name: figure.value for name, figure in figures_of(evaluation, EVALUATION_FIGURES).items()
    }
    assert set(found) == set(EVALUATION_FIGURES)
    by_arms = {(c.arm, c.baseline): c.difference for c in evaluation.comparisons}
    assert found["delta"] == by_arms["real_synthetic", "real"].mean
    assert found["delta_low"] == by_arms["real_synthetic", "real"].low
    assert found["delta_synthetic"] == by_arms["synthetic", "real"].mean
    assert found["delta_classical"] == by_arms["both", "classical"].mean
    assert found["label_agreement"] == evaluation.agreement.share.mean
    assert found["accuracy"] == evaluation.arms[0].accuracy.mean
