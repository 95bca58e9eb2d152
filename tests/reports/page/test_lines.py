from synthgen.reports.page.lines import for_terminal, wrapped
from synthgen.text import DASH, GAP, MINUS


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
