import pytest

from synthgen.errors import CheckFailed, SettingsError
from synthgen.evaluation.gates import check_gates, parse_gates

KNOWN = {"delta": "smallest difference", "label_agreement": "share"}


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


def test_an_unknown_figure_is_refused_and_the_known_ones_are_listed() -> None:
    with pytest.raises(
        SettingsError,
        match=r"received 'accuracy':\n  delta +smallest difference\n  label_agreement +share",
    ):
        parse_gates(["delta < 0", "accuracy < 0.9"], KNOWN)


def test_each_gate_that_fails_is_named_with_its_figure() -> None:
    gates = parse_gates(["delta < 0", "label_agreement < 0.99", "delta > 1"], KNOWN)
    message = r"2 of 3 gates failed: delta < 0: delta is -0.0125; label_agreement < 0.99: label_agreement is 0.5\."
    with pytest.raises(CheckFailed, match=message) as error:
        check_gates(gates, {"delta": -0.0125, "label_agreement": 0.5})
    with pytest.raises(
        CheckFailed, match=r"delta is -0.0125 \(100 images per class, both x5, accuracy\)\.$"
    ):
        check_gates(
            gates[:1], {"delta": -0.0125}, {"delta": "100 images per class, both x5, accuracy"}
        )
    assert error.value.exit_code == 1
    with pytest.raises(CheckFailed, match="delta is not known: it could not be measured"):
        check_gates(gates[:1], {})
    check_gates(gates, {"delta": 0.5, "label_agreement": 0.99})
