import csv
import io

from synthgen.metrics.intervals import Estimate
from synthgen.reports.page.content import (
    Card,
    Column,
    Facts,
    Headline,
    Page,
    Paragraph,
    Section,
    Table,
)
from synthgen.reports.page.markdown import to_csv, to_markdown


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
        "# Do they help?\n\nEvaluation: of 10\n\n**hurts** (-0.49 points, 95 % interval -0.64 to -0.34). Leave them out.\n\n> WARNING"
    )
    assert "- Labels? **99 %**: agree\n" in text
    assert (
        "| trained on | accuracy | verdict |\n| :-- | --: | :-- |\n| real \\| all | 99.00 % (98.00 to 99.50 %) | ● no effect |"
        in text
    )
    assert "| &lt;b> | 50.00 % | ▲ helps |" in text
    assert "- hash: `abc`" in text
    assert "Empty" not in text


def test_csv_has_one_figure_a_line_with_its_interval() -> None:
    rows = list(csv.DictReader(io.StringIO(to_csv(make_page(ARMS)))))
    assert rows[0] == {
        "table": "arms",
        "row": "real | all",
        "figure": "accuracy",
        "value": "0.99",
        "low": "0.98",
        "high": "0.995",
    }
    assert [row["value"] for row in rows] == ["0.99", "no effect", "0.5", "helps"]
    assert rows[2]["low"] == rows[2]["high"] == ""


def test_rows_of_one_name_are_told_apart() -> None:
    table = Table(
        name="cells",
        caption="",
        columns=[
            Column(title="arm"),
            Column(title="seed"),
            Column(title="accuracy", kind="percent"),
        ],
        rows=[["real", "1", 0.9], ["real", "2", 0.8], ["synthetic", "1", None]],
    )
    rows = list(csv.DictReader(io.StringIO(to_csv(make_page(table)))))
    assert [(row["row"], row["value"]) for row in rows if row["figure"] == "accuracy"] == [
        ("real / 1", "0.9"),
        ("real / 2", "0.8"),
    ]
