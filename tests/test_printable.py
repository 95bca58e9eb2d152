import pytest

from synthgen.text import printable


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("\x1b[31mred\x07", "\N{REPLACEMENT CHARACTER}[31mred\N{REPLACEMENT CHARACTER}"),
        ("a\u202eb", "a\N{REPLACEMENT CHARACTER}b"),
        ("caf\udce9", "caf\N{REPLACEMENT CHARACTER}"),
        ("\x9b2J", "\N{REPLACEMENT CHARACTER}2J"),
        ("two\nlines\tand a tab", "two\nlines\tand a tab"),
        ("日本 é ±", "日本 é ±"),
    ],
)
def test_what_would_be_obeyed_is_shown_as_replaced(text: str, shown: str) -> None:
    assert printable(text) == shown
