import pytest

from synthgen.metrics.intervals import Estimate
from synthgen.reports.page.blocks import (
    Card,
    Column,
    Facts,
    Headline,
    Page,
    Paragraph,
    Section,
    Table,
)
from synthgen.reports.page.markdown import escape_markdown, to_markdown


def make_page(*tables: Table) -> Page:
    return Page(
        kind="Evaluation",
        title="Do they help?",
        subtitle="of 10",
        headline=Headline(
            word="hurts",
            tone="bad",
            figure="-0.49 points",
            interval="95 % interval -0.64 to -0.34",
            sentence="Leave them out.",
        ),
        cards=[Card(title="Labels?", value="99 %", note="agree", target="one")],
        warnings=["WARNING: few images."],
        sections=[
            Section(
                name="one",
                title="One",
                blocks=[Paragraph(text="Words."), *tables, Facts(facts={"hash": "`abc`"})],
            ),
            Section(name="two", title="Empty", blocks=[]),
        ],
    )


ARMS = Table(
    name="arms",
    caption="Accuracy",
    columns=[
        Column(title="trained on"),
        Column(title="accuracy", kind="percent"),
        Column(title="verdict", kind="verdict"),
    ],
    rows=[
        ["real | all", Estimate(mean=0.99, low=0.98, high=0.995), "no effect"],
        ["<b>", 0.5, "helps"],
    ],
)


def test_markdown_says_the_answer_first_and_holds_the_tables() -> None:
    text = to_markdown(make_page(ARMS))
    assert text.startswith(
        "# Do they help?\n\nEvaluation: of 10\n\n"
        "**hurts** (-0.49 points, 95 % interval -0.64 to -0.34). Leave them out.\n\n> WARNING"
    )
    assert "- Labels? **99 %**: agree\n" in text
    head = "| trained on | accuracy | verdict |\n| :-- | --: | :-- |\n"
    assert f"{head}| real \\| all | 99.00 % (98.00 to 99.50 %) | ● no effect |" in text
    assert "| &lt;b> | 50.00 % | ▲ helps |" in text
    assert "- hash: `abc`" in text
    assert "Empty" not in text


@pytest.mark.parametrize(
    ("text", "written"),
    [
        ("<img src=x onerror=alert(1)>", "&lt;img src=x onerror=alert(1)>"),
        ("[click](javascript:alert(1))", r"\[click\](javascript:alert(1))"),
        ("![x](http://a/b.png)", r"!\[x\](http://a/b.png)"),
        ("a | b", r"a \| b"),
        ("*bold* _thin_ `code` ~gone~", r"\*bold\* \_thin\_ \`code\` \~gone\~"),
        (r"$\undefined$", r"\$\\undefined\$"),
        ("# no heading", r"\# no heading"),
        ("- no list", r"\- no list"),
        ("1. no list", r"\1. no list"),
        ("> no quotation", r"\> no quotation"),
        ("&lt;b>", "&amp;lt;b>"),
        ("two\nlines\x1b[31m", "two lines\N{REPLACEMENT CHARACTER}\\[31m"),
        ("fd_digitnet, 7 & 8: -0.5 (95 %)", "fd_digitnet, 7 & 8: -0.5 (95 %)"),
    ],
)
def test_text_of_others_is_shown_as_it_is(text: str, written: str) -> None:
    assert escape_markdown(text) == written


def test_text_of_others_is_inert_wherever_it_stands() -> None:
    evil = "<img src=x onerror=alert(1)>|[a](javascript:b)\n# c"
    table = Table(name=evil, caption=evil, columns=[Column(title=evil)], rows=[[evil]])
    facts = Facts(facts={evil: f"{evil} `{evil}`"})
    headline = Headline(word=evil, tone="plain", figure=evil, interval=evil, sentence=evil)
    page = Page(
        kind=evil,
        title=evil,
        subtitle=evil,
        headline=headline,
        cards=[Card(title=evil, value=evil, note=evil, target="one")],
        warnings=[evil],
        sections=[Section(name="one", title=evil, blocks=[Paragraph(text=evil), table, facts])],
    )
    text = to_markdown(page)
    code = evil.replace("\n", " ")
    assert text.count(f"`{code}`") == 1  # nothing within code is read as markup
    rest = text.replace(f"`{code}`", "")
    assert "<" not in rest
    assert "[a](" not in rest
    assert "\n# c" not in rest
