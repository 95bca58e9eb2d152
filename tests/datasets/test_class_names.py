"""Names of classes: in order, in one spelling, and those that people take for one."""

import pytest

from synthgen.datasets.class_names import (
    class_name,
    is_like_a_class,
    look_notes,
    natural_order,
    order_notes,
    shown_as,
)

DIGITS = [str(k) for k in range(10)]


def test_natural_order_is_by_the_value_of_numbers() -> None:
    names = ["10", "2", "a10", "a2", "b", "01", "1", "A", "0", "9" * 5000]
    expected = ["0", "01", "1", "2", "10", "9" * 5000, "A", "a2", "a10", "b"]
    assert sorted(names, key=natural_order) == expected


def test_notes_on_the_order_of_names() -> None:
    assert order_notes(DIGITS) == ()
    assert order_notes(["cat", "dog"]) == ()
    assert "give class 'a2' the number 1 instead of 0" in order_notes(["a2", "a10"])[0]


def test_one_spelling_of_a_name() -> None:
    assert class_name(" cafe\u0301\t") == class_name("caf\u00e9") == "caf\u00e9"


@pytest.mark.parametrize(
    ("names", "note"),
    [
        (["A", "B", "a"], "differ in upper and lower case only"),
        (["01", "1"], "01 and 1 are two classes, though they are the same number"),
        (["1", "\u0661", "2"], "1 and \u0661 are two classes, though they are the same number"),
        (["01", "1", "02", "2", "3"], "the same number (so are 1 more). Put"),
        (["cat", "cat\u200b"], r"'cat' and 'cat\u200b' are two classes, though they look the"),
        (["a b", "a\u00a0b"], r"'a b' and 'a\xa0b' are two classes, though they look the same"),
    ],
)
def test_names_that_look_alike_are_said(names: list[str], note: str) -> None:
    (found,) = look_notes(names)
    assert note in found


def test_different_names_are_not_said() -> None:
    assert look_notes([*DIGITS, "10", "cat", "dog", "caf\u00e9", "cafe"]) == ()
    assert shown_as("007") == shown_as("7") == "7"
    assert shown_as("0") == shown_as("00") == "0"


def test_names_of_digits_and_letters() -> None:
    assert all(map(is_like_a_class, ("7", "A", "digit_7", "class 07", "Seven", "\u4e8c")))
    assert not any(map(is_like_a_class, ("output", "7 - Copy", "cat", "12345")))
