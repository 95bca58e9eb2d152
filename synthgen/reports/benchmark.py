"""The report of a benchmark: do synthetic digits help, and at how many real ones? No TensorFlow."""

from collections.abc import Sequence

from synthgen.evaluation.arms import ARMS
from synthgen.evaluation.results import ArmResult, BenchmarkSummary, Comparison
from synthgen.evaluation.scenarios import TRANSFER, budget_name
from synthgen.metrics.accuracy import CLASSIFIER_METRICS
from synthgen.metrics.intervals import HELPS, HURTS, NO_EFFECT, UNDECIDED
from synthgen.reports.benchmark_plots import arm_charts, class_chart, comparison_chart
from synthgen.reports.benchmark_words import (
    benchmark_answer,
    benchmark_lines,
    budget_of,
    labels_saved_words,
)
from synthgen.reports.page.blocks import (
    Block,
    Card,
    CellValue,
    Column,
    Facts,
    Headline,
    Page,
    Paragraph,
    Report,
    Section,
    Table,
)
from synthgen.reports.page.csv_file import write_csv
from synthgen.reports.page.html import to_html
from synthgen.reports.page.markdown import to_markdown
from synthgen.reports.page.words import TONES, signed_between
from synthgen.text import DASH, count, counted, duration, listed, number, signed

SCENARIO_TITLES = {
    "grid": "From few real images to all of them",
    "imbalance": "One class is rare",
    "long-tail": "A long tail of rare classes",
    "stand-in": "Synthetic digits in the place of real ones",
    TRANSFER: "A generator of other hands beside few digits of one's own",
}
BENCHMARK_PROTOCOL = (
    "Both arms of a row train the same network with the same seeds, and read the same test digits; "
    "the steps of each arm are in the tables. "
    "Within a budget the generator, the screening and the tuning of the distortions see only that "
    "budget's images, except where a row says otherwise; what does not depend on a budget "
    "(networks, learning rates, numbers of steps, ranges) was fixed beforehand, without the test "
    "digits. "
    "A verdict is “helps” or “hurts” only if the interval, corrected for the number of comparisons "
    "that answer the same question (Holm), excludes 0. "
    "Intervals class by class are corrected for the number of classes."
)
TRANSFER_PROTOCOL = (
    "In transfer the generator has learnt from digits of other hands: it is refused if its "
    "training digits are these by their SHA-256 or, where they can be had, share an image with "
    "them. The strength of the distortions and then the share of its digits in each batch are "
    "tuned by cross-validation within a budget's own images, or at their defaults where there are "
    "fewer than three of a class. The best control of a budget is the one that is right most often "
    "on the test digits; the intervals over it are corrected for all controls at all budgets, so "
    "that this choice makes no verdict more likely by chance."
)

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


def primary_comparisons(summary: BenchmarkSummary, scenario: str = "") -> list[Comparison]:
    """Picks the comparisons of the headline's questions, each in its first metric.

    Args:
        summary: what the benchmark found.
        scenario: only those of this one; "" for those of all scenarios.
    """
    rows = [row for row in summary.comparisons if row.primary and scenario in ("", row.scenario)]
    first_metric = {row.scenario: row.metric for row in reversed(rows)}
    return [row for row in rows if row.metric == first_metric[row.scenario]]


def scenario_section(summary: BenchmarkSummary, scenario: str) -> Section:
    """Shows a scenario: its curves, its comparisons, also by class, and every arm.

    Args:
        summary: what the benchmark found.
        scenario: its name.
    """
    arms = [arm for arm in summary.arms if arm.scenario == scenario]
    blocks: list[Block] = [*arm_charts(summary, arms, scenario)]

    # the question of the headline, and what it comes to by class, unless each repetition has
    # another rare class
    rows = primary_comparisons(summary, scenario)
    if rows:
        blocks.append(comparison_chart(rows, scenario))
    known = [row for row in rows if any(share.low is not None for share in row.by_class)]
    for place, row in enumerate(known):
        blocks.append(class_chart(row, summary.class_names, f"{scenario}-{place}"))

    if scenario == TRANSFER:
        blocks += transfer_blocks(summary, arms)
    blocks.append(arm_table(arms, scenario))
    if any(arm.memorisation for arm in arms):
        blocks.append(stand_in_copying_table(arms, scenario))
    return Section(name=scenario, title=SCENARIO_TITLES[scenario], blocks=blocks)


def transfer_blocks(summary: BenchmarkSummary, arms: Sequence[ArmResult]) -> list[Block]:
    """Shows both verdicts of transfer side by side, and what the generator is worth in labels.

    Args:
        summary: what the benchmark found.
        arms: of transfer.
    """
    accuracy = {(arm.budget, arm.arm): arm.metrics["accuracy"] for arm in arms}
    of_source = [row for row in summary.comparisons if row.arm == "source"]
    over_controls = {row.budget: row for row in of_source if not row.primary}
    rows: list[list[CellValue]] = []
    for row in primary_comparisons(summary, TRANSFER):
        line: list[CellValue] = [budget_of(row)]
        line += [accuracy[row.budget, "classical"], accuracy[row.budget, "source"]]
        line += [row.corrected, row.verdict]
        control = over_controls.get(row.budget)
        if control:
            line += [ARMS[control.baseline].title, control.corrected, control.verdict]
        else:
            line += [DASH, None, None]
        rows.append(line)
    blocks: list[Block] = []
    if rows:
        table = Table(
            name="transfer-verdicts",
            caption="The generator's digits beside one's own: over what can be done without them, "
            "and over the best other use of what the generator has learnt from",
            columns=[
                Column(title="own digits"),
                Column(title="distortions alone", kind="percent"),
                Column(title="with the generator's", kind="percent"),
                Column(title="difference", kind="points"),
                Column(title="over own alone", kind="verdict"),
                Column(title="best control"),
                Column(title="difference to it", kind="points"),
                Column(title="over the control", kind="verdict"),
            ],
            rows=rows,
        )
        blocks.append(table)
    saved = labels_saved_words(summary.labels_saved)
    if saved:
        blocks.append(Paragraph(text=saved))
    return blocks


def arm_table(arms: Sequence[ArmResult], scenario: str) -> Table:
    """Lists every arm at every budget.

    Args:
        arms: of one scenario.
        scenario: its name.
    """
    metrics = [metric for metric in CLASSIFIER_METRICS if metric in arms[0].metrics]
    figures = [Column(title=CLASSIFIER_METRICS[metric].title, kind="percent") for metric in metrics]
    judged = any(arm.label_agreement for arm in arms)
    if judged:
        figures.append(Column(title="label agreement", kind="percent"))
    rows: list[list[CellValue]] = []
    for arm in arms:
        row: list[CellValue] = [budget_of(arm), arm.title]
        row += [arm.metrics[metric] for metric in metrics]
        if judged:
            row.append(arm.label_agreement)
        row += [arm.real_images, arm.synthetic_images, len(arm.seeds), arm.steps, arm.seconds]
        rows.append(row)
    return Table(
        name=f"arms-{scenario}",
        caption="Every arm: means over the seeds with 95 % intervals over the seeds",
        columns=[
            Column(title="real digits", choice=True),
            Column(title="trained on", choice=True),
            *figures,
            Column(title="real", kind="count"),
            Column(title="synthetic", kind="count"),
            Column(title="seeds", kind="count"),
            Column(title="steps", kind="count"),
            Column(title="time", kind="duration"),
        ],
        rows=rows,
    )


def stand_in_copying_table(arms: Sequence[ArmResult], scenario: str) -> Table:
    """Lists signs of copied training images, of the arms in which they were looked for.

    Args:
        arms: of one scenario.
        scenario: its name.
    """
    figures = [arm.memorisation for arm in arms if arm.memorisation]
    names = list(dict.fromkeys(name for found in figures for name in found))
    return Table(
        name=f"copying-{scenario}",
        caption="Copies of training images, means over the seeds; "
        "each figure with its control on real digits",
        columns=[
            Column(title="real digits"),
            Column(title="synthetic"),
            *(Column(title=name.replace("_", " "), kind="number") for name in names),
        ],
        rows=[
            [budget_of(arm), arm.title, *(arm.memorisation.get(name) for name in names)]
            for arm in arms
            if arm.memorisation
        ],
    )


def comparison_section(summary: BenchmarkSummary) -> Section:
    """Shows the questions beside the headline's in their first metric, and lists all comparisons.

    Args:
        summary: what the benchmark found.
    """
    questions: dict[tuple[str, str], list[Comparison]] = {}
    for row in summary.comparisons:
        if not row.primary:
            questions.setdefault((row.scenario, row.question), []).append(row)
    blocks: list[Block] = []
    for place, group in enumerate(questions.values()):
        rows = [row for row in group if row.metric == group[0].metric]
        blocks.append(comparison_chart(rows, f"other-{place}", half=True))

    table = Table(
        name="rows",
        caption="Every comparison, in percentage points, with 95 % intervals; "
        "the corrected interval decides",
        columns=[
            Column(title="real digits", choice=True),
            Column(title="question", choice=True),
            Column(title="verdict", kind="verdict", choice=True),
            Column(title="difference", kind="points"),
            Column(title="corrected", kind="points"),
            Column(title="fewer errors", kind="percent"),
            Column(title="ratio", choice=True),
            Column(title="figure", choice=True),
            Column(title="seeds", kind="count"),
            Column(title="rows of the question", kind="count"),
            Column(title="remark"),
        ],
        rows=[
            [
                budget_of(row),
                row.question,
                row.verdict,
                row.difference,
                row.corrected,
                row.error_cut,
                str(row.ratio or DASH),
                CLASSIFIER_METRICS[row.metric].title,
                row.seeds,
                row.family,
                row.mark,
            ]
            for row in summary.comparisons
        ],
    )
    blocks.append(table)
    return Section(name="comparisons", title="All comparisons", blocks=blocks)


def gate_section(summary: BenchmarkSummary) -> Section:
    """Lists the gates and what came of them.

    Args:
        summary: what the benchmark found, with one gate or more.
    """
    table = Table(
        name="gate-list",
        caption="Gates that the command was given: it ends with exit code 1 if one fails",
        columns=[
            Column(title="fails if"),
            Column(title="figure"),
            Column(title="value", kind="number"),
            Column(title="where"),
            Column(title="result"),
        ],
        rows=[
            [gate.text, gate.name, gate.figure, gate.where, "failed" if gate.failed else "passed"]
            for gate in summary.gates
        ],
    )
    return Section(name="gates", title="Gates", blocks=[table])


def benchmark_method_section(summary: BenchmarkSummary) -> Section:
    """Shows the protocol, settings and identities, and every trained classifier.

    Args:
        summary: what the benchmark found.
    """
    facts = {
        "settings": listed(vars(summary.settings)),
        "real digits": listed(vars(summary.real)),
        "generator": listed(vars(summary.generators)),
        "classifier": listed(summary.classifier),
        "versions": listed(summary.versions),
        "machine": listed(summary.machine),
        "time": f"{duration(summary.seconds)} of all cells and generators; "
        f"finished {summary.created}",
        "fingerprint": f"`{summary.fingerprint}`",
    }
    cells = Table(
        name="cells",
        caption=f"Every one of the {count(len(summary.cells))} trained classifiers",
        columns=[
            Column(title="scenario", choice=True),
            Column(title="real digits", choice=True),
            Column(title="arm", choice=True),
            Column(title="ratio", choice=True),
            Column(title="seed"),
            Column(title="accuracy", kind="percent"),
            Column(title="steps", kind="count"),
            Column(title="seconds", kind="number"),
            Column(title="remark"),
        ],
        rows=[
            [
                cell.scenario,
                budget_name(cell.scenario, cell.budget, cell.share),
                cell.arm,
                str(cell.ratio or DASH),
                str(cell.seed),
                cell.accuracy,
                cell.steps,
                cell.seconds,
                cell.mark,
            ]
            for cell in summary.cells
        ],
        folded=True,
    )
    blocks: list[Block] = [Paragraph(text=BENCHMARK_PROTOCOL)]
    if any(arm.scenario == TRANSFER for arm in summary.arms):
        blocks.append(Paragraph(text=TRANSFER_PROTOCOL))
    blocks += [Facts(facts=facts), cells]
    return Section(name="method", title="How it was measured", blocks=blocks)
