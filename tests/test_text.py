import ast

import pytest

from synthgen.text import (
    DASH,
    GAP,
    MINUS,
    as_python,
    byte_size,
    can_name_folder,
    count,
    counted,
    decimals_for,
    duration,
    for_terminal,
    in_short,
    listed,
    number,
    percent,
    printable,
    signed,
    wrapped,
)


@pytest.mark.parametrize(
    ("share", "text"),
    [(0.00021, "+0.02"), (-0.0049, f"{MINUS}0.49"), (-0.00001, "0.00"), (0.0, "0.00")],
)
def test_differences_are_signed_points(share: float, text: str) -> None:
    assert signed(share) == text


def test_shares_are_percentages() -> None:
    assert percent(0.99451) == f"99.45{GAP}%"
    assert percent(-0.0104) == f"{MINUS}1.04{GAP}%"


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.0123456, "0.01235"),
        (12345.6, "12,346"),
        (-9.5, f"{MINUS}9.500"),
        (0.0, "0"),
        (float("inf"), "inf"),
        (1.2e-9, "1.200e\N{MINUS SIGN}09"),
    ],
)
def test_numbers_have_four_digits(value: float, text: str) -> None:
    assert number(value) == text


@pytest.mark.parametrize("value", [1.0, 0.99999999, 1.00000001, 0.99996])
def test_numbers_near_1_have_three_decimals(value: float) -> None:
    assert number(value) == "1.000"


@pytest.mark.parametrize(
    ("value", "decimals"), [(0.475, 2), (0.0006, 5), (0.0996, 2), (31.0, 0), (0.0, 2)]
)
def test_decimals_that_show_two_digits(value: float, decimals: int) -> None:
    assert decimals_for(value, 2) == decimals


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (4.21, "4.2 s"),
        (42.31, "42 s"),
        (179.4, "179 s"),
        (3900, "65 min"),
        (7199, "120 min"),
        (9000, "2.5 h"),
        (3600 * 2000, "2,000.0 h"),
    ],
)
def test_durations(seconds: float, text: str) -> None:
    assert duration(seconds).replace(GAP, " ") == text


def test_counts() -> None:
    assert (count(1234.4), counted(1, "seed"), counted(2000, "seed")) == (
        "1,234",
        "1 seed",
        "2,000 seeds",
    )


def test_records_in_words() -> None:
    assert (
        listed({"batch_size": 64, "net": {"channels": [16, 32]}, "rate": 3e-4})
        == "batch size 64; net (channels 16, 32); rate 0.0003"
    )
    assert listed("a" * 64) == f"`{'a' * 64}`"


@pytest.mark.parametrize(
    ("size", "text"),
    [
        (0, "0 bytes"),
        (999, "999 bytes"),
        (1000, "1.0 kB"),
        (12_345_678, "12.3 MB"),
        (999_940_000_000, "999.9 GB"),
        (5 * 10**12, "5.0 TB"),
        (1234 * 10**15, "1,234.0 PB"),
    ],
)
def test_byte_sizes(size: int, text: str) -> None:
    assert byte_size(size) == text


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


def test_names_of_folders() -> None:
    good = ["0", "T-shirt", "Ankle boot", "\u0663", "a.b", "'$x$'", "a" * 255]
    bad = [
        "",
        ".",
        "..",
        ".git",
        "a/b",
        "..\\x",
        "C:",
        "a\0",
        "a\n",
        "\x1b[2J",
        "\udcff",
        "\xe9" * 128,
    ]
    assert [name for name in (*good, *bad) if can_name_folder(name)] == good


def test_typography_is_plain() -> None:
    assert for_terminal([f"{MINUS}0.10{GAP}% {DASH} 5  "]) == ("-0.10 % - 5",)


def test_no_name_moves_the_cursor_or_begins_a_line() -> None:
    replaced = "\N{REPLACEMENT CHARACTER}"
    lines = for_terminal(["class \x1b[2J\x1b]0;title\x07\r\nreport: ok", "\x9b31m"])
    assert lines == (
        f"class {replaced}[2J{replaced}]0;title{replaced}{replaced} report: ok",
        f"{replaced}31m",
    )


def test_sentences_break_at_80_columns() -> None:
    first, second = wrapped("word " * 18, "  ", "  ")
    assert first == "  " + "word " * 14 + "word"
    assert second == "    word word word"


def test_long_messages_lose_their_middle() -> None:
    text = "".join(map(str, range(1000)))
    assert in_short(text, most=len(text)) == text
    short = in_short(text)
    assert len(short) == 2000
    assert (short[:5], short[998:1007], short[-3:]) == (
        "01234",
        text[998:1000] + " ... " + text[-995:-993],
        "999",
    )


def test_paths_in_python_code_are_shown_as_people_know_them() -> None:
    assert as_python("数字\u3000\u3000二/d.csv") == "'数字\u3000\u3000二/d.csv'"
    for text in ("\\u3000", "\\\u3000", 'it\'s "so"\u3000', "a\xa0b\x1b\ud800\n"):
        assert ast.literal_eval(as_python(text)) == text
        assert as_python(text).count("\u3000") == text.count("\u3000")
