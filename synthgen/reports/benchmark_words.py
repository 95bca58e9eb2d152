"""A benchmark in words: the answer in sentences, the lines for a terminal, and its forecast."""

from collections.abc import Mapping, Sequence

from synthgen.evaluation.arms import arm_name
from synthgen.evaluation.results import ArmResult, BenchmarkSummary, Comparison, LabelsSaved
from synthgen.evaluation.scenarios import TRANSFER, Forecast, budget_name
from synthgen.metrics.accuracy import CLASSIFIER_METRICS
from synthgen.metrics.intervals import HELPS, HURTS, NO_EFFECT, UNDECIDED
from synthgen.reports.page.words import half_width
from synthgen.text import GAP, counted, duration, for_terminal, percent, signed, wrapped

# The matrices of the one screen: scenarios and the metric; the files hold every metric.
MATRICES = (
    (("grid",), "accuracy"),
    (("imbalance", "long-tail"), "minority_recall"),
    (("stand-in",), "accuracy"),
    ((TRANSFER,), "accuracy"),
)
LEAST_LABEL = 26  # columns of the labels of a matrix

# A sentence of the answer: what is asked in each scenario, and what each verdict means.
SUBJECTS = {
    "grid": "Adding synthetic digits to real ones that are distorted (affine, elastic) anyway",
    "imbalance": "Topping up a rare class with synthetic digits, "
    "against repeating its real ones distorted",
    "long-tail": "Topping up a long tail with synthetic digits, "
    "against repeating real ones distorted",
    "stand-in": "Training on synthetic digits in the place of as many real ones",
    "transfer": "Adding digits of a generator of other hands to few of one's own (all distorted)",
}
VERDICT_PHRASES = {
    HELPS: "helps",
    NO_EFFECT: "makes no difference that these repetitions can show",
    HURTS: "hurts",
    UNDECIDED: "cannot be judged from one repetition",
}


def benchmark_answer(comparisons: Sequence[Comparison]) -> str:
    """Says where synthetic digits help, make no difference or hurt, and by how much.

    Args:
        comparisons: of a benchmark; those that are not primary are passed over.

    Returns:
        One sentence a scenario, and one for each kind of generator that has seen too much.
    """
    primary = [row for row in comparisons if row.primary]
    sentences = []
    for scenario, subject in SUBJECTS.items():
        rows = [row for row in primary if row.scenario == scenario]
        if rows:
            sentences.append(f"{subject} {verdict_clauses(rows)}.")
    for mark in dict.fromkeys(row.mark for row in primary if row.mark):
        sentences.append(
            f"The generator {mark}: this does not hold for someone who has only the real images "
            "of a row."
        )
    return (
        " ".join(sentences)
        or "These cells answer no question: there is no pair of arms to compare."
    )


def verdict_clauses(rows: Sequence[Comparison]) -> str:
    """Groups the budgets of one scenario by verdict.

    Args:
        rows: of one scenario and metric.

    Returns:
        Such as "helps at 10 and 20 images per class (+0.50 to +1.20 points); it hurts at all images
        (-0.20 points)".
    """
    budgets = list(dict.fromkeys(budget_of(row) for row in rows))
    metric = rows[0].metric
    unit = "points" if metric == "accuracy" else f"points of {CLASSIFIER_METRICS[metric].title}"
    clauses = []
    for verdict, phrase in VERDICT_PHRASES.items():
        found = [row for row in rows if row.verdict == verdict]
        if not found:
            continue

        # a budget, with the ratios where the verdict is not the same for all of them
        places = []
        for place in budgets:
            here = [row for row in rows if budget_of(row) == place]
            ratios = [str(row.ratio) for row in here if row.verdict == verdict]
            if len(ratios) == len(here):
                places.append(place)
            elif ratios:
                places.append(f"{place} (ratio {joined_with_and(ratios)})")

        least = signed(min(row.difference.mean for row in found))
        most = signed(max(row.difference.mean for row in found))
        points = least if least == most else f"{least} to {most}"
        clauses.append(f"{phrase} at {joined_with_and(places)} ({points} {unit})")
    return "; it ".join(clauses)


def labels_saved_words(saved: LabelsSaved | None) -> str:
    """Says what a generator of other hands is worth in labels, in a sentence; "" if it is unknown.

    Args:
        saved: see `BenchmarkSummary.labels_saved`.

    Returns:
        Such as "Labels saved: 5 own images per class and the generator come to 95.00 %; distortions
        alone need 20 per class for that (10 to 50 by 95 % intervals over the repetitions)."
    """
    if saved is None:
        return ""
    worth = (
        f"Labels saved: {saved.budget} own images per class and the generator come to "
        f"{percent(saved.accuracy)}; distortions alone"
    )
    if saved.least is None:
        if saved.reached_at is None:
            return f"{worth} do not with up to {saved.most} per class."
        return f"{worth} need {saved.reached_at} per class for that (a point estimate)."
    most = f"more than {saved.most}" if saved.surely is None else str(saved.surely)
    sure = f"{saved.least} to {most} by 95 % intervals over the repetitions"
    if saved.reached_at is None:
        return f"{worth} do not with up to {saved.most} per class ({sure})."
    return f"{worth} need {saved.reached_at} per class for that ({sure})."


def budget_of(row: Comparison | ArmResult) -> str:
    """Names the budget of a row, such as "20 images per class" or "2.5 % of one class"."""
    return budget_name(row.scenario, row.budget, row.share)


def joined_with_and(texts: Sequence[str]) -> str:
    """Lists texts; what all of them share at the end is said once.

    Args:
        texts: one or more.

    Example:
        >>> joined_with_and(["20 images per class", "50 images per class"])
        '20 and 50 images per class'
    """
    for shared in (" images per class", " of one class"):
        if all(text.endswith(shared) for text in texts):
            return joined_with_and([text.removesuffix(shared) for text in texts]) + shared
    if len(texts) == 1:
        return texts[0]
    return ", ".join(texts[:-1]) + " and " + texts[-1]


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
    saved = labels_saved_words(summary.labels_saved)
    if saved:
        lines += ["", *wrapped(saved, "  ")]
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
    rows = [
        row
        for row in summary.comparisons
        if row.scenario in scenarios and (row.primary or row.scenario == TRANSFER)
    ]
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

    # the comparisons of the headline; of transfer those with the best control, too
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
    if row.scenario == TRANSFER:
        return "gain over own digits alone" if row.primary else "gain over the best control"
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


def forecast_lines(forecast: Forecast) -> tuple[str, ...]:
    """Lists the cells of a benchmark, budget by budget, and the expected time, for a dry run.

    Args:
        forecast: of the benchmark.
    """
    plan = forecast.plan
    keys = plan.keys
    trained = "all use the generator named, none is trained"
    if forecast.trains:
        trained = "each group trains one generator"
    groups = f"{len(keys):,} cells in {len(plan.groups):,} groups"
    lines = [f"{groups}; {trained}. The cells:"]
    for place in dict.fromkeys(key.place for key in keys):
        scenario, real_images, share = place
        here = [key for key in keys if key.place == place]
        arms = dict.fromkeys(arm_name(key.arm, key.ratio) for key in here)
        cut = f", {share:g} % of one" if share is not None else ""
        seeds = counted(len({key.seed for key in here}), "seed")
        lines.append(f"  {scenario}, {real_images} per class{cut}, {seeds}: {', '.join(arms)}")
    lines += [f"NOTE: {note}" for note in plan.notes]
    lines.append(forecast_line(forecast))
    goes = f"without --dry-run the results go to {forecast.place} (engine {forecast.engine})"
    lines.append(f"Nothing was run; {goes}.")
    return for_terminal(lines)


def forecast_line(forecast: Forecast) -> str:
    """Says how many cells are to run and how long they are expected to take.

    Args:
        forecast: of the benchmark.
    """
    finished = len(forecast.plan.keys) - forecast.missing
    there = f", {finished:,} are there already" if finished else ""
    takes = duration(forecast.seconds).replace(GAP, " ")
    how = "one after the other"
    if forecast.workers > 1:
        how = f"in {forecast.workers} processes"
    return (
        f"{forecast.missing:,} cells to run{there}: expected to take about {takes} {how}, as "
        "measured on this machine."
    )
