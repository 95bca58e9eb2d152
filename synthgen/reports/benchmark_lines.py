"""A benchmark on a terminal: the answer, and one matrix of arms by budgets for each scenario."""

from collections.abc import Mapping, Sequence

from synthgen.evaluation.results import BenchmarkSummary, Comparison
from synthgen.metrics.accuracy import CLASSIFIER_METRICS
from synthgen.metrics.intervals import HELPS, HURTS
from synthgen.reports.benchmark_words import benchmark_answer, budget_of
from synthgen.reports.page.words import half_width
from synthgen.text import GAP, counted, for_terminal, signed, wrapped

# The matrices of the one screen: scenarios and the metric; the files hold every metric.
MATRICES = (
    (("grid",), "accuracy"),
    (("imbalance", "long-tail"), "minority_recall"),
    (("stand-in",), "accuracy"),
)
LEAST_LABEL = 26  # columns of the labels of a matrix


def benchmark_lines(summary: BenchmarkSummary) -> tuple[str, ...]:
    """Writes the answer and the figures behind it, at most 80 columns wide for up to seven budgets.

    Args:
        summary: of the benchmark.
    """
    minutes = f"{summary.seconds / 60:,.0f} minutes of work"
    lines = [f"Benchmark {summary.name}: {counted(len(summary.cells), 'cell')}, {minutes}"]
    lines += wrapped(benchmark_answer(summary.comparisons), "  ")
    for scenarios, metric in MATRICES:
        if any(arm.scenario in scenarios for arm in summary.arms):
            lines.append("")
            lines += [f"  {line}" for line in budget_matrix(summary, scenarios, metric)]
    lines += ["", "  gain: what the headline is about; * its corrected interval excludes 0"]
    for note in summary.notes:
        lines += wrapped(f"NOTE: {note}", "  ")
    for gate in summary.gates:
        lines.append(f"  gate {gate.text!r}: {'FAILED' if gate.failed else 'passed'}")
    return for_terminal(lines)


def budget_matrix(summary: BenchmarkSummary, scenarios: Sequence[str], metric: str) -> list[str]:
    """Writes arms as lines and budgets as columns, and below them what the headline compares.

    Args:
        summary: of the benchmark.
        scenarios: those whose arms stand in the matrix.
        metric: of the figures, a name of CLASSIFIER_METRICS.
    """
    arms = [arm for arm in summary.arms if arm.scenario in scenarios]
    rows = [row for row in summary.comparisons if row.scenario in scenarios and row.primary]
    budgets = list(dict.fromkeys(map(budget_of, arms)))
    titles = list(dict.fromkeys(arm.title for arm in arms))
    gains = list(dict.fromkeys(map(_gain, rows)))
    width = max(LEAST_LABEL, *map(len, titles), *map(len, gains)) + 1

    def line(label: str, figures: Mapping[str, str]) -> str:
        return f"{label:<{width}}" + "".join(f" {figures.get(place, ''):>6}" for place in budgets)

    # the arms
    lines = [
        f"{CLASSIFIER_METRICS[metric].title}, % of {summary.real.test:,} test digits",
        line("", {place: _short_budget(place) for place in budgets}),
    ]
    for title in titles:
        of_title = [arm for arm in arms if arm.title == title]
        figures = {budget_of(arm): f"{100 * arm.metrics[metric].mean:.2f}" for arm in of_title}
        lines.append(line(title, figures))

    # the comparisons of the headline
    for gain in gains:
        points = {}
        intervals = {}
        for row in rows:
            if _gain(row) == gain:
                sure = "*" if row.verdict in (HELPS, HURTS) else " "
                points[budget_of(row)] = signed(row.difference.mean) + sure
                interval = half_width(row.difference)
                intervals[budget_of(row)] = interval.replace(GAP, "").replace("±", "+-")
        lines += [line(gain, points), line("", intervals)]

    # in how many repetitions a test found copies of digits that synthetic ones stand in for
    if "stand-in" in scenarios:
        copies = {}
        for arm in arms:
            if arm.synthetic_images:
                found = arm.memorisation
                copies[budget_of(arm)] = "?" if found is None else f"{100 * found['found']:.0f}"
        lines.append(line("copies real ones? % of seeds", copies))
    return lines


def _gain(row: Comparison) -> str:
    """Names the line that holds a difference."""
    ratio = f", x{row.ratio}" if row.ratio else ""
    mark = f" ({row.mark})" if row.mark else ""
    return f"gain in points{ratio}{mark}"


def _short_budget(words: str) -> str:
    """Shortens a budget to the heading of a column.

    Example:
        >>> [_short_budget(words) for words in ("20 images per class", "2.5 % of one class")]
        ['20', '2.5 %']
        >>> _short_budget("a tail of 4000-40 images")
        'tail'
    """
    first, second, *_ = words.split()
    if first == "a":
        return second
    return f"{first} %" if second == "%" else first
