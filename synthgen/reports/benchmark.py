"""The report of a benchmark: do synthetic digits help, and at how many real ones? No TensorFlow."""

from collections.abc import Sequence

from synthgen.evaluation.results import BenchmarkSummary
from synthgen.metrics.accuracy import CLASSIFIER_METRICS
from synthgen.metrics.intervals import HELPS, HURTS, NO_EFFECT, UNDECIDED
from synthgen.reports.benchmark_lines import benchmark_lines
from synthgen.reports.benchmark_sections import (
    SCENARIO_TITLES,
    benchmark_method_section,
    comparison_section,
    gate_section,
    primary_comparisons,
    scenario_section,
)
from synthgen.reports.benchmark_words import benchmark_answer, budget_of
from synthgen.reports.page.blocks import Card, Headline, Page, Report
from synthgen.reports.page.csv_file import write_csv
from synthgen.reports.page.html import to_html
from synthgen.reports.page.markdown import to_markdown
from synthgen.reports.page.words import TONES, signed_between
from synthgen.text import count, counted, duration, number, signed

# The tones of words that stand for several verdicts.
COMMON_TONES = {**TONES, "helps in part": "good", "hurts in part": "bad", "mixed": "plain"}

# Columns of the CSV: fields of a comparison, then the ends of its intervals.
COMPARISON_FIELDS = (
    "scenario",
    "question",
    "budget",
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
COMPARISON_COLUMNS = (
    *COMPARISON_FIELDS,
    "difference",
    "low",
    "high",
    "corrected_low",
    "corrected_high",
    "primary",
    "mark",
)


def render_benchmark(summary: BenchmarkSummary) -> Report:
    """Reports a benchmark.

    Args:
        summary: what it found.

    Returns:
        The report; its CSV has one line a comparison, with COMPARISON_COLUMNS.
    """
    page = benchmark_page(summary)
    return Report(
        html=to_html(page),
        markdown=to_markdown(page),
        csv=comparison_csv(summary),
        lines=benchmark_lines(summary),
    )


def benchmark_page(summary: BenchmarkSummary) -> Page:
    """Composes the report of a benchmark as a page.

    Args:
        summary: what it found.
    """
    scenarios = list(dict.fromkeys(arm.scenario for arm in summary.arms))

    # generators that saw more than their classifiers, and what was left out
    marks = dict.fromkeys(arm.mark for arm in summary.arms if arm.mark)
    warnings = [
        f"Rows marked “{mark}” use a generator that knows more than their classifiers: "
        "they do not hold for someone with only so few images."
        for mark in marks
    ]
    warnings += summary.notes

    sections = [scenario_section(summary, scenario) for scenario in scenarios]
    sections.append(comparison_section(summary))
    if summary.gates:
        sections.append(gate_section(summary))
    sections.append(benchmark_method_section(summary))

    return Page(
        kind="Benchmark",
        title="Do synthetic digits help a classifier, over what can be done without them?",
        subtitle=f"“{summary.name}”: {counted(len(summary.cells), 'trained classifier')}, "
        f"measured on {count(summary.real.test)} real test digits of {summary.real.source}; "
        f"{duration(summary.seconds)} of work; {summary.created[:10]}.",
        headline=benchmark_headline(summary),
        warnings=list(dict.fromkeys(warnings)),
        cards=benchmark_cards(summary, scenarios),
        sections=sections,
    )


def benchmark_headline(summary: BenchmarkSummary) -> Headline:
    """Gives the verdict on the first scenario that has one, with the row that shows it most.

    Args:
        summary: what the benchmark found.
    """
    rows = primary_comparisons(summary)
    first = [row for row in rows if row.scenario == rows[0].scenario]
    word = common_word([row.verdict for row in first])
    answer = benchmark_answer(summary.comparisons)
    if not first:
        return Headline(word=word, tone="plain", figure="", interval="", sentence=answer)

    clear = [row for row in first if row.verdict in (HELPS, HURTS)] or first
    most = max(clear, key=lambda row: abs(row.difference.mean))
    behind = []
    if most.corrected.low is not None:
        behind.append(f"corrected interval {signed_between(most.corrected)}")
    ratio = f", {most.ratio} synthetic for one real" if most.ratio else ""
    behind.append(budget_of(most) + ratio)
    if len(first) > 1:
        behind.append(f"the strongest of {counted(len(first), 'row')}")
    return Headline(
        word=word,
        tone=COMMON_TONES[word],
        figure=f"{signed(most.difference.mean)} points of {CLASSIFIER_METRICS[most.metric].title}",
        interval="; ".join(behind),
        sentence=answer,
    )


def benchmark_cards(summary: BenchmarkSummary, scenarios: Sequence[str]) -> list[Card]:
    """Makes one card a scenario, and one for the gates.

    Args:
        summary: what the benchmark found.
        scenarios: those that were run, in order.
    """
    cards = []
    for scenario in scenarios:
        rows = primary_comparisons(summary, scenario)
        if not rows:
            continue
        verdicts = [row.verdict for row in rows]
        counts = [f"{verdicts.count(verdict)} {verdict}" for verdict in dict.fromkeys(verdicts)]
        least = signed(min(row.difference.mean for row in rows))
        most = signed(max(row.difference.mean for row in rows))
        points = least if len(rows) == 1 else f"{least} to {most}"
        word = common_word(verdicts)
        card = Card(
            title=SCENARIO_TITLES[scenario],
            value=word,
            note=f"{points} points of {CLASSIFIER_METRICS[rows[0].metric].title}; "
            f"{counted(len(rows), 'row')}: {', '.join(counts)}",
            target=scenario,
            tone=COMMON_TONES[word],
        )
        cards.append(card)

    if summary.gates:
        failed = [gate for gate in summary.gates if gate.failed]
        figures = [
            f"{gate.text}: {'not measured' if gate.figure is None else number(gate.figure)}"
            for gate in failed or summary.gates
        ]
        card = Card(
            title="Gates",
            value=f"{len(failed)} of {len(summary.gates)} failed" if failed else "all passed",
            note="; ".join(figures),
            target="gates",
            tone="bad" if failed else "good",
        )
        cards.append(card)
    return cards


def comparison_csv(summary: BenchmarkSummary) -> str:
    """Writes every comparison in a line; shares and differences of shares are 0..1.

    Args:
        summary: what a benchmark found.
    """
    lines = []
    for row in summary.comparisons:
        fields = [getattr(row, name) for name in COMPARISON_FIELDS]
        difference = [row.difference.mean, row.difference.low, row.difference.high]
        corrected = [row.corrected.low, row.corrected.high]
        lines.append([*fields, *difference, *corrected, row.primary, row.mark])
    return write_csv(COMPARISON_COLUMNS, lines)


def common_word(verdicts: Sequence[str]) -> str:
    """Finds one word for several verdicts: theirs if they agree, else what they come to.

    Args:
        verdicts: "helps", "no effect", "hurts" or "undecided" each; may be empty.

    Example:
        >>> common_word(["helps", "no effect"])
        'helps in part'
    """
    found = set(verdicts)
    if len(found) == 1:
        return verdicts[0]
    if HELPS in found and HURTS in found:
        return "mixed"
    if HELPS in found:
        return "helps in part"
    if HURTS in found:
        return "hurts in part"
    return NO_EFFECT if NO_EFFECT in found else UNDECIDED
