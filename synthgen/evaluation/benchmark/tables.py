"""A summary as a screen of text, as Markdown and as CSV."""

import csv
import io
import textwrap
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from synthgen.evaluation.benchmark.metrics import METRICS
from synthgen.evaluation.benchmark.values import ArmFigure, BenchmarkSummary, Row
from synthgen.evaluation.benchmark.wording import arm_name, budget
from synthgen.evaluation.page.formats import DASH, GAP, MINUS, between, half_width, percent, signed
from synthgen.evaluation.verdict import HELPS, HURTS
from synthgen.shards.wording import counted

WIDTH = 78
SHOWN = (  # tables of the one screen: scenarios and metric; the files hold every metric
    (("grid",), "accuracy"),
    (("imbalance", "long-tail"), "minority_recall"),
    (("stand-in",), "accuracy"),
)
NAMED = (
    "scenario",
    "question",
    "per_class",
    "share",
    "arm",
    "ratio",
    "baseline",
    "metric",
    "seeds",
    "verdict",
    "family",
    "confidence",
    "error_cut",
)
COLUMNS = (
    *NAMED,
    "difference",
    "low",
    "high",
    "corrected_low",
    "corrected_high",
    "primary",
    "mark",
)


def terminal_lines(summary: BenchmarkSummary, folder: str) -> list[str]:
    """The answer and the figures behind it, at most 80 columns for up to seven budgets.

    Args:
        summary: of the benchmark.
        folder: where the files lie, as the user would name it.
    """
    lines = [
        f"Benchmark {summary.name}: {counted(len(summary.cells), 'cell')}, {summary.seconds / 60:,.0f} minutes of work"
    ]
    lines += [f"  {line}" for line in textwrap.wrap(summary.headline, WIDTH)]
    for scenarios, metric in SHOWN:
        if any(arm.scenario in scenarios for arm in summary.arms):
            lines += ["", *(f"  {line}" for line in _matrix(summary, scenarios, metric))]
    lines += ["", "  gain: what the headline is about; * its corrected interval excludes 0"]
    lines += [
        f"  {line}" for note in summary.notes for line in textwrap.wrap(f"NOTE: {note}", WIDTH)
    ]
    lines += [
        f"  gate {gate.text!r}: {'FAILED' if gate.failed else 'passed'}" for gate in summary.gates
    ]
    lines.append(f"  {folder}: report.html, cells.jsonl, benchmark.json, .csv, .md")
    return [
        line.replace(MINUS, "-").replace(GAP, " ").replace("±", "+-").replace(DASH, "-").rstrip()
        for line in lines
    ]


def markdown(summary: BenchmarkSummary) -> str:
    """The headline, the figures of every arm and every comparison, as Markdown."""
    settings = ", ".join(f"{name} {_plain(value)}" for name, value in summary.settings.items())
    parts = [
        f"# Benchmark {summary.name}",
        summary.headline,
        *(f"NOTE: {note}" for note in summary.notes),
    ]
    for scenario in dict.fromkeys(arm.scenario for arm in summary.arms):
        arms = [arm for arm in summary.arms if arm.scenario == scenario]
        metrics = [metric for metric in METRICS if metric in arms[0].metrics]
        head = [
            "real digits",
            "trained on",
            "real",
            "synthetic",
            "seeds",
            "steps",
            *(f"{METRICS[metric].title} (%)" for metric in metrics),
        ]
        parts += [f"## {scenario}", _markdown_table(head, [_arm_row(arm, metrics) for arm in arms])]
        if scenario == "stand-in":
            head = [
                "real digits",
                "synthetic",
                "repetitions in which a test found copies of real digits (%)",
            ]
            parts.append(
                _markdown_table(
                    head,
                    [
                        [budget(arm), arm.title, _copying(arm)]
                        for arm in arms
                        if arm.synthetic_images
                    ],
                )
            )
        for question in dict.fromkeys(
            row.question for row in summary.rows if row.scenario == scenario
        ):
            rows = [
                row for row in summary.rows if row.scenario == scenario and row.question == question
            ]
            head = [
                "real digits",
                "compared",
                "metric",
                "points",
                "95 % interval",
                f"corrected for {rows[0].family}",
                "fewer errors",
                "verdict",
            ]
            parts += [f"### {question}", _markdown_table(head, map(_comparison_row, rows))]
    real = f"Real digits: {summary.real['source']}, {summary.real['train']:,} for training, {summary.real['test']:,} test digits."
    parts += [
        real,
        f"Settings: {settings}.",
        f"Versions: {', '.join(f'{name} {value}' for name, value in summary.versions.items())}.",
    ]
    return "\n\n".join(parts) + "\n"


def to_csv(summary: BenchmarkSummary) -> str:
    """Every comparison, one a line; shares are 0..1."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(COLUMNS)
    for row in summary.rows:
        ends = (
            row.difference.mean,
            row.difference.low,
            row.difference.high,
            row.corrected.low,
            row.corrected.high,
        )
        writer.writerow([*(getattr(row, name) for name in NAMED), *ends, row.primary, row.mark])
    return text.getvalue()


def _matrix(summary: BenchmarkSummary, scenarios: Sequence[str], metric: str) -> list[str]:
    """Arms as lines, budgets as columns; below, the comparison of the headline and, of the stand-in, the tests for copies."""
    arms = [arm for arm in summary.arms if arm.scenario in scenarios]
    rows = [row for row in summary.rows if row.scenario in scenarios and row.primary]
    columns = list(dict.fromkeys(map(budget, arms)))
    width = max(26, *(len(arm.title) for arm in arms), *(len(_gain(row)) for row in rows)) + 1

    def line(label: str, found: Mapping[str, str]) -> str:
        return f"{label:<{width}}" + "".join(f" {found.get(column, ''):>6}" for column in columns)

    lines = [
        f"{METRICS[metric].title}, % of {summary.real['test']:,} test digits",
        line("", {column: _short(column) for column in columns}),
    ]
    for title in dict.fromkeys(arm.title for arm in arms):
        lines.append(
            line(
                title,
                {
                    budget(arm): f"{100 * arm.metrics[metric].mean:.2f}"
                    for arm in arms
                    if arm.title == title
                },
            )
        )
    for gain in dict.fromkeys(map(_gain, rows)):
        found = [row for row in rows if _gain(row) == gain]
        lines.append(line(gain, {budget(row): _points(row) for row in found}))
        lines.append(
            line(
                "",
                {
                    budget(row): half_width(row.difference).replace(GAP, "").replace("±", "+-")
                    for row in found
                },
            )
        )
    if "stand-in" in scenarios:
        lines.append(
            line(
                "copies real ones? % of seeds",
                {budget(arm): _copying(arm) for arm in arms if arm.synthetic_images},
            )
        )
    return lines


def _gain(row: Row) -> str:
    """What a line with differences is called."""
    return (
        "gain in points"
        + (f", x{row.ratio}" if row.ratio else "")
        + (f" ({row.mark})" if row.mark else "")
    )


def _copying(arm: ArmFigure) -> str:
    """In how many of the repetitions a test found that synthetic digits copy the real ones that their generator has seen."""
    return "?" if arm.memorisation is None else f"{100 * arm.memorisation['found']:.0f}"


def _short(column: str) -> str:
    """'20 images per class' -> '20', '2.5 % of one class' -> '2.5 %', 'a tail of 4000-40 images' -> 'tail'."""
    words = column.split()
    return words[1] if words[0] == "a" else " ".join(words[:2]) if words[1] == "%" else words[0]


def _points(row: Row) -> str:
    return signed(row.difference.mean) + ("*" if row.verdict in (HELPS, HURTS) else " ")


def _arm_row(arm: ArmFigure, metrics: Sequence[str]) -> list[str]:
    figures = [
        f"{percent(arm.metrics[metric].mean)} {half_width(arm.metrics[metric])}"
        for metric in metrics
    ]
    return [
        budget(arm),
        arm.title,
        f"{arm.real_images:,}",
        f"{arm.synthetic_images:,}",
        str(len(arm.seeds)),
        f"{arm.steps:,}",
        *figures,
    ]


def _comparison_row(row: Row) -> list[str]:
    arm = f"{arm_name(row.arm, row.ratio)} against {row.baseline}" + (
        f" ({row.mark})" if row.mark else ""
    )
    cut = DASH if row.error_cut is None else f"{100 * row.error_cut:.1f}{GAP}%".replace("-", MINUS)
    verdict = f"**{row.verdict}**"
    return [
        budget(row),
        arm,
        METRICS[row.metric].title,
        signed(row.difference.mean),
        between(row.difference),
        between(row.corrected),
        cut,
        verdict,
    ]


def _markdown_table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    return "\n".join(
        "| " + " | ".join(cells) + " |" for cells in (head, ["---"] * len(head), *rows)
    )


def _plain(value: Any) -> str:
    return ",".join(map(str, value)) if isinstance(value, list | tuple) else str(value)
